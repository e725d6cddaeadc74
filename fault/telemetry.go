package fault

// Codes of faults in the telemetry room and its doors; see each entry.
const (
	TelemetryDiskFull Code = "telemetry-disk-full"
	TelemetryDamaged  Code = "telemetry-damaged"
	TelemetryBadQuery Code = "telemetry-bad-query"
	TelemetryNotFound Code = "telemetry-not-found"
)

func telemetryEntries() []Entry {
	return []Entry{
		{TelemetryDiskFull, "Telemetry has no room on the disk",
			"The disk has less than its reserve free, so that spans, log records and metrics are refused and counted. Services and events go on.",
			"Make room on the disk; `plat telemetry` tells how much is kept, and `telemetry: {keep: …, size: …}` in plat.yaml bounds it."},
		{TelemetryDamaged, "A file of kept telemetry is damaged",
			"Its checksum is wrong, it ends too early or it is missing. What it held is left out of every answer; all else is served.",
			"`plat telemetry` names the file. Look whether the disk fails; what was lost cannot be brought back."},
		{TelemetryBadQuery, "The question to telemetry cannot be understood",
			"A parameter is malformed, or asks for more than the limits allow.",
			"The detail names the parameter; ask again with it right, or over a shorter time."},
		{TelemetryNotFound, "Nothing is kept of this ID",
			"No span, log record or event with it is kept: it never was, came too late, or was deleted by age or size.",
			"Look at the time that telemetry reaches back to with `plat telemetry`; a trace may also need a second until it can be found."},
	}
}
