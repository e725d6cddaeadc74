package fault

// Codes of what differs between the plan and what was seen, and of its memory.
const (
	DriftUndeclaredCall Code = "drift-undeclared-call"
	DriftUnusedCall     Code = "drift-unused-call"
	DriftCallCycle      Code = "drift-call-cycle"
	DriftChattyCalls    Code = "drift-chatty-calls"
	DriftLongChain      Code = "drift-long-chain"
	DriftSinglePoint    Code = "drift-single-point"
	DriftSharedStore    Code = "drift-shared-store"
	DriftRefusedEvent   Code = "drift-refused-event"
	DriftDeafConsumer   Code = "drift-deaf-consumer"
	DriftOverride       Code = "drift-override"
	TopologyDamaged     Code = "topology-damaged"
)

func driftEntries() []Entry {
	return []Entry{
		{DriftUndeclaredCall, "A service calls another without declaring it",
			"The call came by PLAT_MESH, and the caller's plan does not name the callee under consumes: services. With access: observe it is served and reported; with access: enforce it is answered 403. What is not declared has no time-out of its own and stands on nobody's map.",
			"Declare it with plat plan add CALLER consumes CALLEE, or take the call out of the program. plat why ID shows one call."},
		{DriftUnusedCall, "A declared call is never used",
			"The caller was in use for an hour or longer since it declares the call, and made none of it through plat. Either the program does not make the call any more, or it goes round plat by an address of its own. Pauses of the caller count for a minute at most, so that a quiet night says nothing.",
			"Take the line out with plat plan remove CALLER consumes CALLEE, or let the program call by PLAT_URL_<SERVICE> or PLAT_MESH."},
		{DriftCallCycle, "Services wait for one another in a circle",
			"Each of them calls the next and waits, declared or seen within seven days. One slow service of the circle makes all of them slow, none can be changed alone, and none can start first.",
			"Turn one of the calls into an event, or move what both need into a third service."},
		{DriftChattyCalls, "One customer's action makes many calls of one service",
			"At least three actions, the last within an hour, made the call more than five times each. An action is one request that came in by a gateway, with all that follows from it; each page of a journey is one. Each call costs a way over the network, and the slowest decides.",
			"Let the callee answer for several things at once, ask for all of them together, or keep the answer while the action lasts. plat why ID names the actions."},
		{DriftLongChain, "A customer waits for a long chain of services",
			"Within the last hour a request from outside waited for a service that waited for another, for more than four calls. The availability of all of them is multiplied, and their times are added.",
			"Answer earlier and let an event do the rest, keep a copy of what is asked for, or join services that always act together."},
		{DriftSinglePoint, "Much depends on a single instance",
			"Outside of the environment local: one instance runs by the plan, and two or more services cannot do without it, or more than half of all routes lead through it.",
			"Give it a second instance with instances: 2, or let those who call it do without it (optional: true)."},
		{DriftSharedStore, "Two services open the same store",
			"A process of a service has a file open that belongs to another service's store, two services have the same database open, or their plans name the same one. Then neither can change its tables alone, and who writes what is nobody's knowledge.",
			"Ask its owner by its API: declare the call, and take the store's address out of the other service."},
		{DriftRefusedEvent, "A service publishes or reads events that it does not declare",
			"Publishing or subscribing was refused within the last seven days, since the plan does not say that the service does it. What it meant to tell is told to nobody.",
			"Declare it: under provides: events for what it publishes, with plat plan add SERVICE consumes EVENT for what it reads. Or take it out of the program."},
		{DriftDeafConsumer, "A consumer never acknowledges its events",
			"The service runs for ten minutes or longer, events were delivered to it, and none was ever acknowledged. Each comes again and again until it is a dead letter.",
			"Look at what the service says (plat logs SERVICE --errors); a handler has to return without an error, an HTTP receiver to answer 2xx."},
		{DriftOverride, "The number of instances was set by hand",
			"Somebody said plat scale, or did so in the console, and the plan says another number. It holds until it is taken back or plat ends; then the plan's own is started. A service that was set to none does not run.",
			"Take it back with plat scale SERVICE=plan, or write instances: into its service.yaml."},
		{TopologyDamaged, "The record of calls could not be read",
			"The file in which plat remembers who called whom was cut off or changed. It was set aside, and plat counts anew; nothing else is touched.",
			"Nothing needs to be done. The old file lies beside the new one, with .damaged at its end."},
	}
}
