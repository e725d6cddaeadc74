package fault

// Codes of faults at the Consul door; see each entry.
const (
	ConsulInvalid     Code = "consul-invalid"
	ConsulProtected   Code = "consul-protected"
	ConsulUnsupported Code = "consul-unsupported"
	ConsulUnknown     Code = "consul-unknown"
	ConsulFull        Code = "consul-full"
	ConsulBusy        Code = "consul-busy"
	ConsulRefused     Code = "consul-refused"
	ConsulUnavailable Code = "consul-unavailable"
)

func consulEntries() []Entry {
	return []Entry{
		{ConsulInvalid, "A request of the Consul API cannot be understood", "A name, number, duration, filter or body is not what this request asks for. Names of services are labels of DNS in lower case, at most 63 characters: they are looked up by DNS and as Host NAME.internal, which know no capitals and no dots.", "Correct what the message names."},
		{ConsulProtected, "A program from outside tried to change what plat runs", "Instances that plat runs are registered, checked and removed by plat alone. A program that could deregister or replace them, or put them into maintenance, could take a service away or pose as it.", "Change the plan, or use `plat restart` and `plat scale`. To add an instance of your own, register it under another ID."},
		{ConsulUnsupported, "The Consul API of plat does not do this", "plat serves the part of Consul's API that discovery and configuration need. Sessions, locks and transactions are refused, because a lock that one node keeps in its memory is lost with it: who holds it goes on, and so does the next.", "See docs/consul.md for what is served. For a lock, use a database that all of its users share."},
		{ConsulUnknown, "The Consul API has nothing at this place", "No service, check or path of this name is known here.", "List what is there: /v1/agent/services, /v1/agent/checks; see docs/consul.md for the paths that are served."},
		{ConsulFull, "The Consul door holds its limit", "Registrations, checks, keys and bytes are bounded, so that a program that registers or writes in a loop cannot take plat's memory or disk.", "Find who registers or writes so many, and delete what is not needed. docs/consul.md names the limits."},
		{ConsulBusy, "Too many queries wait at the Consul door", "Each blocking query holds a connection and memory; beyond the limit plat refuses more instead of slowing down everybody's.", "Close idle watches, or wait and ask again."},
		{ConsulRefused, "A request to the Consul door came from elsewhere", "The door serves programs of this machine. Requests whose Host is not an address of this machine, or that a web page sent, are refused, because a page that rebinds its DNS name could otherwise read and change the registry.", "Use http://127.0.0.1:8500 or http://localhost:8500, from a program."},
		{ConsulUnavailable, "The store behind the Consul door does not answer", "Keys and registrations are on disk before they are acknowledged. The store is starting, restarting, full, or its disk does not answer.", "Try again; the log of plat names the cause, and `plat events` the room on the disk."},
	}
}
