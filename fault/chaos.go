package fault

// Codes of faults in the chaos room; see each entry.
const (
	ChaosPlayed        Code = "chaos-played"
	ChaosUnknown       Code = "chaos-unknown"
	ChaosRunning       Code = "chaos-running"
	ChaosNotRunning    Code = "chaos-not-running"
	ChaosNotSteady     Code = "chaos-not-steady"
	ChaosFalsePromise  Code = "chaos-false-promise"
	ChaosBadExperiment Code = "chaos-bad-experiment"
)

func chaosEntries() []Entry {
	return []Entry{
		{ChaosPlayed, "A failure is played on purpose",
			"An experiment or a rehearsal runs, and lets this call fail in the place of the service that was called.",
			"`plat chaos list` shows the experiment, `plat chaos stop` ends it. Nothing of it stays."},
		{ChaosUnknown, "There is no experiment or report of this name",
			"Experiments lie in the folder experiments beside plat.yaml, a file each; reports are of those that ran here.",
			"`plat chaos list` lists them; `plat chaos run FILE` runs one that lies elsewhere."},
		{ChaosRunning, "Another experiment or rehearsal runs",
			"Of two at once nobody could tell whose doing it is what customers see.",
			"Wait until it has ended, or end it by `plat chaos stop`."},
		{ChaosNotRunning, "No experiment and no rehearsal runs",
			"There is nothing to stop.",
			"`plat chaos list` shows what has run."},
		{ChaosNotSteady, "The system is not steady before anything is broken",
			"An experiment tells something only of a system that is well: what its file or the rehearsal expects of it did not hold at the start, so nothing was broken.",
			"`plat probe run` and `plat alerts` tell what is wrong; mend that first."},
		{ChaosFalsePromise, "What the plan promises of a failing dependency is not so",
			"The rehearsal let the dependency fail, and customers saw something else than its on-failure says.",
			"Mend the service so that it does what it declares, or declare what it does: `plat rehearse -o yaml` has the evidence."},
		{ChaosBadExperiment, "An experiment cannot be run as it is written",
			"Its file says something that makes no sense, or names what the live plan does not have. Nothing was broken.",
			"Correct the file at the place that is named; docs/chaos.md tells what may stand in it."},
	}
}
