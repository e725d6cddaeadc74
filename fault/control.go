package fault

// Codes of faults in the control room; see each entry.

func controlEntries() []Entry { return nil }
