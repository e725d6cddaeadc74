package fault

// Codes of faults in the event room; see each entry.

func eventEntries() []Entry { return nil }
