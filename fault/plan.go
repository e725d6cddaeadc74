package fault

// Codes of faults in the plan room; see each entry.

func planEntries() []Entry { return nil }
