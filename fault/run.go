package fault

// Codes of faults in the run room; see each entry.

func runEntries() []Entry { return nil }
