package fault

// Codes of what differs between the plan and what was seen, and of its memory.
const (
	DriftUndeclaredCall Code = "drift-undeclared-call"
	DriftUnusedCall     Code = "drift-unused-call"
	TopologyDamaged     Code = "topology-damaged"
)

func driftEntries() []Entry {
	return []Entry{
		{DriftUndeclaredCall, "A service calls another without declaring it",
			"The call came by PLAT_MESH, and the caller's plan does not name the callee under consumes: services. With access: observe it is served and reported; with access: enforce it is answered 403. What is not declared has no time-out of its own and stands on nobody's map.",
			"Declare it with plat plan add CALLER consumes CALLEE, or take the call out of the program. plat why ID shows one call."},
		{DriftUnusedCall, "A declared call has never been used",
			"The declaration is a week old or older, and no call of it has come through plat. Either the program does not make the call any more, or it goes round plat by an address of its own.",
			"Take the line out of the caller's service.yaml, or let the program call by PLAT_URL_<SERVICE> or PLAT_MESH."},
		{TopologyDamaged, "The record of calls could not be read",
			"The file in which plat remembers who called whom was cut off or changed. It was set aside, and plat counts anew; nothing else is touched.",
			"Nothing needs to be done. The old file lies beside the new one, with .damaged at its end."},
	}
}
