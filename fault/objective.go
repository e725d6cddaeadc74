package fault

// Codes of faults in the objective room; see each entry.
const (
	SilenceRefused  Code = "silence-refused"
	SilencesUnfit   Code = "silences-unfit"
	SilencesDamaged Code = "silences-damaged"
	NoSuchSilence   Code = "no-such-silence"
	NoSuchAlert     Code = "no-such-alert"
)

func objectiveEntries() []Entry {
	return []Entry{
		{SilenceRefused, "A silence cannot be made",
			"A silence names labels that alerts must have, who made it and why, and ends within 30 days; else it would hide alerts that nobody thought of, or for ever.",
			"`plat silence ALERT --for 2h --reason 'being mended'`, or --match service=order instead of an alert."},
		{SilencesUnfit, "The silences cannot be kept",
			"The file .plat/silences.json cannot be read or written: it belongs to another user, or the disk is full. What was silenced before stays so until plat ends.",
			"Give the user who runs plat permission on .plat, or free space."},
		{SilencesDamaged, "The file of silences is damaged",
			"It was cut or changed by hand. It lies beside as silences.json.damaged, and no alert is silenced.",
			"Silence again what should be silent: plat alerts lists what fires."},
		{NoSuchSilence, "There is no such silence",
			"No silence has this ID: it never had, or it ended more than a day ago.",
			"`plat silence list` lists them."},
		{NoSuchAlert, "There is no such alert",
			"No alert has this ID: it never fired, or it ended a while ago.",
			"`plat alerts` lists what fires."},
	}
}
