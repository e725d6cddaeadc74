package fault

// Codes of the registry, the control plane and the command line.
const (
	RegistryInvalid Code = "registry-invalid"
	RegistryFull    Code = "registry-full"

	StateLocked     Code = "state-locked"
	StateForeign    Code = "state-foreign"
	StateDenied     Code = "state-denied"
	StateTorn       Code = "state-torn"
	PortTaken       Code = "port-taken"
	NotRunning      Code = "not-running"
	Unreachable     Code = "unreachable"
	Unauthorized    Code = "api-unauthorized"
	OriginRefused   Code = "api-origin-refused"
	NoSuchService   Code = "no-such-service"
	NotFound        Code = "not-found"
	OutsideAbsent   Code = "outside-absent"
	NotRunByPlat    Code = "not-run-by-plat"
	NoSuchFinding   Code = "no-such-finding"
	NoSuchCall      Code = "no-such-call"
	NoSuchMail      Code = "no-such-mail"
	APIBusy         Code = "api-busy"
	UnknownTemplate Code = "unknown-template"
	AlreadyThere    Code = "already-there"
	ToolMissing     Code = "tool-missing"
	NothingToAdopt  Code = "nothing-to-adopt"
	NoSuchCode      Code = "no-such-code"
	BadArgument     Code = "bad-argument"
	FileUnwritable  Code = "file-unwritable"
	WaitTimeout     Code = "wait-timeout"
	StartFailed     Code = "start-failed"
	StateLost       Code = "state-lost"
	PartEnded       Code = "part-ended"

	PlanNeedsRestart Code = "plan-needs-restart"
)

func controlEntries() []Entry {
	return []Entry{
		{RegistryInvalid, "An instance was registered without what it needs", "An instance has an ID, a service and an address (host:port), and at most 32 checks.", "Register it again with all three."},
		{RegistryFull, "The registry holds its limit of instances", "One plat holds at most 10,000 instances, so that a program that registers in a loop cannot take its memory.", "Find who registers so many: plat ps -o json."},
		{StateLocked, "Another plat uses this state folder", "The folder .plat beside plat.yaml holds one running system; the lock names its process.", "Stop the other one with plat down, or look at it with plat ps."},
		{StateForeign, "The state folder was not made by this plat", "The folder .plat exists, but it has no state of plat in it, or one of a later version. plat never deletes what it does not know.", "Move the folder away, or use the plat that made it."},
		{StateDenied, "The state folder cannot be used", "plat needs to read and write .plat beside plat.yaml.", "Give yourself the permission: chown or chmod the folder."},
		{StateTorn, "A file of the state folder is damaged", "The file cannot be read as what it should be: half written, or changed by hand. plat never deletes what it does not understand.", "Move the named file away; plat makes a new one."},
		{PortTaken, "An address that was asked for is taken", "A flag named an address on which another program listens already.", "End the named program, or ask for another address."},
		{NotRunning, "No system runs here", "No .plat/run.json of a running plat was found in this folder or above it.", "Start it with plat up, or name its folder with -C."},
		{Unreachable, "The running plat does not answer", "Its control API refused the connection or did not answer in time.", "Look whether its process lives; plat up starts it anew."},
		{Unauthorized, "The control API wants its token", "Every request carries the token of .plat/token as a bearer token. It is new for each start of plat.", "Send Authorization: Bearer with the content of .plat/token."},
		{OriginRefused, "The control API does not answer other origins", "The Host or Origin header names neither the API's own address nor localhost: a web page or a DNS rebinding may be behind it.", "Call the API by the address that plat up prints."},
		{NoSuchService, "The plan has no such service", "The name is not a service of the running plan.", "plat ps lists the names."},
		{NotFound, "The control API has no such operation", "The path or the method is not one that it serves.", "GET /v1/openapi.json describes what it has."},
		{OutsideAbsent, "A program from outside is not there", "plat leads to a program that registers itself, and nobody has registered under its name, or its checks fail.", "Start the program where it runs; docs/consul.md tells how it registers."},
		{NotRunByPlat, "plat does not run this program", "It registered itself, or is declared as external: plat leads to it, and neither starts it nor sees its output.", "Restart or scale it where it runs, and read its log there."},
		{NoSuchFinding, "plat knows nothing under this ID", "It is no trace, correlation ID, event or value of a declared business key of which something is kept, no finding of the running system, and none of its last refused calls. What is older is forgotten.", "`plat traces` and `plat drift` list what there is, `plat telemetry` tells since when; business keys are declared under `telemetry: {keys: …}` in plat.yaml."},
		{NoSuchCall, "No kept call has this ID", "It was never kept, was dropped, or was done long ago: the outcome of the last 1,000 calls is remembered, and goes with plat.", "`plat queue list` names the calls that wait and the dead letters."},
		{NoSuchMail, "The mailbox has no such mail", "The development mailbox keeps the newest mails up to a bound; it may have been cleared.", "plat mail lists what is there."},
		{UnknownTemplate, "There is no template of this name", "A new service is made in one of the languages that plat has a template for.", "plat new service --help names them."},
		{AlreadyThere, "What should be made is there already", "plat new and plat init write over nothing.", "Choose another name, or move the folder away."},
		{ToolMissing, "A tool that is needed could not do its work", "What was made is in place, and a program that completes it is missing or failed.", "Do what the message says, then go on."},
		{NothingToAdopt, "No service was found here", "plat init looks for main packages of Go modules that listen, for package.json with a start script, Dockerfile, Procfile and docker-compose.yml.", "Go to the repository's folder or name it with -C; or begin with plat new."},
		{APIBusy, "The control API serves as many as it can", "The number of programs that follow changes at once is bounded.", "Close a page of the console, or another program that follows /v1/changes."},
		{NoSuchCode, "The catalogue has no such code", "plat explain knows the codes that plat itself prints.", "plat explain lists them all."},
		{BadArgument, "A command was given something that it cannot use", "The value does not have the form that the command's help shows.", "Run the command with --help for its form and examples."},
		{FileUnwritable, "A file cannot be written", "plat was asked to write it, and the system refused.", "Give yourself the permission with chown or chmod, or make room on the disk."},
		{WaitTimeout, "What was waited for did not happen in time", "plat wait, plat up -d and plat down wait for a bounded time.", "plat ps shows the state, plat logs SERVICE the reason; raise --timeout when it only needs longer."},
		{StateLost, "The state folder was taken away from a running plat", "Without .plat nobody could find or stop that plat any more, so it ends with everything that it started.", "Stop plat with plat down before you move or remove .plat; plat up begins anew."},
		{PartEnded, "A part of plat ended by itself", "The gateway, the event engine or another part of plat failed, and plat stopped the system rather than run it by halves.", "Read the reason in the message and in .plat/plat.log, then plat up."},
		{StartFailed, "The system could not be started", "A part of plat itself did not start.", "Read the message; plat.log in .plat holds the details."},
		{PlanNeedsRestart, "This change of the plan needs a new start", "The system runs, and what changed is only read when plat starts. The last good plan stays live.", "plat down, then plat up."},
	}
}
