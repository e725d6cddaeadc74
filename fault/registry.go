package fault

// Codes of faults in the registry, beside those of the control room.
const (
	RegistryTaken Code = "registry-taken"
)

func registryEntries() []Entry {
	return []Entry{
		{RegistryTaken, "An instance with this ID belongs to somebody else", "Who registered an instance alone may replace it: a program from outside cannot take the place of an instance that plat runs, nor of one that came in by another door.", "Register under another ID; service name and host and port make a good one."},
	}
}
