package fault

// Codes of faults in the probe room; see each entry.
const (
	ProbeFailed   Code = "probe-failed"
	ProbeNoAnswer Code = "probe-no-answer"
	ProbeUnknown  Code = "probe-unknown"
	ProbeRunning  Code = "probe-running"
)

func probeEntries() []Entry {
	return []Entry{
		{ProbeFailed, "A step of a journey did not find what it expects",
			"A test customer went the way that plat.yaml declares under journeys, and an answer differs from what its step expects.",
			"The message has what was found; `plat logs` and the correlation ID beside it lead to the services that were asked. Where the answer is right, correct the journey."},
		{ProbeNoAnswer, "A step of a journey got no answer",
			"The gateway did not answer within the journey's time-out, or the step's path leads out of it.",
			"Look with `plat ps` whether what the path leads to runs, or give the journey a longer timeout."},
		{ProbeUnknown, "There is no journey of this name",
			"plat.yaml declares journeys of test customers under journeys; the running plan has none of this name.",
			"`plat probe` lists them."},
		{ProbeRunning, "The journey is running already",
			"A journey never runs twice at once, so that its runs do not get in each other's way.",
			"Wait until that run ends: `plat probe` shows its result."},
	}
}
