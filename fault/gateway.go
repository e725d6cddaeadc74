package fault

// Codes of faults in the gateway room; see each entry.

func gatewayEntries() []Entry { return nil }
