package fault

// Codes of faults in the event room; see each entry.
const (
	EventUndeclared   Code = "event-undeclared"
	EventInvalid      Code = "event-invalid"
	EventTooLarge     Code = "event-too-large"
	EventTwoProviders Code = "event-two-providers"
	EventMoved        Code = "event-moved"
	EventStoreFull    Code = "event-store-full"
	EventStoreDamaged Code = "event-store-damaged"
	EventStoreLocked  Code = "event-store-locked"
	EventStoreUnfit   Code = "event-store-unfit"
	EventUnavailable  Code = "event-unavailable"
	EventUnknown      Code = "event-unknown"
	EventMediaType    Code = "event-media-type"
	EventMethod       Code = "event-method"
	EventBusy         Code = "event-busy"
	EventOrigin       Code = "event-origin"
)

func eventEntries() []Entry {
	return []Entry{
		{EventUndeclared, "A service published an event that it does not declare", "Only the events under provides.events of its service.yaml may be published by a service: everybody else relies on the plan to know where an event comes from. The broker refuses the publish at once.", "Add the event type under provides.events of the service, or correct the type in its code."},
		{EventInvalid, "An event is not a valid CloudEvent", "Every event carries specversion 1.0, an id, a source and a type; attribute names are lower-case letters and digits.", "Set the attribute that the message names."},
		{EventTooLarge, "An event is too large", "An event with its attributes holds at most 1 MiB, its attributes 48 KiB of that, and a batch 1,000 events and 4 MiB: streams are read by everybody who subscribes, and one large event holds up all behind it.", "Keep the large part in a store of the service and put a reference to it into the event."},
		{EventTwoProviders, "Two services provide one event", "Each event type belongs to one service, whose stream holds all of its events in order.", "Remove the event type from one of the two services, or give it another name."},
		{EventMoved, "An event moved to another provider while consumers still have events of the old one to handle", "The new provider has a stream of its own. Events that wait in the old stream would never reach their consumers, so the change is refused until they are handled.", "Leave the old declaration in place until `plat events` shows a lag of 0 for the consumers that the message names, then move the event. A consumer that nobody runs any more is drained by starting its service once."},
		{EventStoreFull, "The disk under the event store is nearly full", "Publishing is refused before the disk is full, because a broker on a full disk stops answering. Consumers go on, and publishing resumes by itself as soon as there is room.", "Free space on the file system that holds .plat/nats; `plat events` shows how much is missing."},
		{EventStoreDamaged, "The event store is damaged", "Files under .plat/nats were truncated, altered or removed: something that was acknowledged cannot be read any more. plat overwrites nothing by itself.", "Restore .plat/nats from a backup. To go on without what is lost, do what the message names: move the named folder away, or remove the named file to dismiss the finding."},
		{EventStoreLocked, "Another process uses the event store", "Two brokers on one folder would destroy each other's files.", "Stop the other plat (`plat down`), or start this one in another folder."},
		{EventStoreUnfit, "The folder of the event store cannot be used", "It cannot be created, read or written, or its state file was not written by plat.", "Give the user who runs plat permission on .plat/nats, or move the folder away if it holds nothing of value."},
		{EventUnavailable, "The event broker does not answer", "The embedded broker did not start, is being restarted, or does not answer in time.", "Wait a moment and try again; the log of plat names the cause. A full or failing disk is the usual one."},
		{EventMediaType, "A request's media type is none that an event can have", "An event comes as application/cloudevents+json, several as application/cloudevents-batch+json, or with its attributes in ce- headers and the media type of its data as Content-Type. What web forms and curl -d say by default (application/x-www-form-urlencoded) is refused, since the data would reach consumers under that name.", "Set Content-Type: with curl, -H 'Content-Type: application/json' for data in JSON."},
		{EventMethod, "Events are published by POST", "Nothing else is answered at this address: events are not read over it but pushed to the path that consumes.events declares.", "Send a POST with the event."},
		{EventBusy, "Too many events of this service are being published at once", "A service publishes a bounded number of events at the same moment, so that it cannot take the broker or the memory from others. Nothing of the request was stored.", "Send it again after the time that Retry-After says, or several events in one batch."},
		{EventOrigin, "A web page tried to publish an event", "The address by which a service publishes is for that service. A request that says an Origin comes from a page in a browser, which may be anybody's.", "Publish from the service; a page asks its service to do so."},
		{EventUnknown, "There is no such dead letter", "The identifier names nothing that is kept: dead letters are kept for 30 days and at most 10,000 of them.", "List what is there with `plat events`, and use an identifier from that list."},
	}
}
