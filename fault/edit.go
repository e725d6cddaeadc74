package fault

// Codes of faults in edits of the plan; see each entry.
const (
	EditAlreadyDeclared Code = "edit-already-declared"
	EditByHand          Code = "edit-by-hand"
	EditNotDeclared     Code = "edit-not-declared"
)

func editEntries() []Entry {
	return []Entry{
		{EditAlreadyDeclared, "The plan says so already", "The declaration that is to be added stands in the file.", "Nothing is to be done; the message names the line."},
		{EditByHand, "A line that you must add by hand", "plat changes a declaration only where it can prove that nothing else of the file changes; this file is written in a way that leaves no such place, or it is not here.", "Write the line that the message names, then run plat check."},
		{EditNotDeclared, "The plan does not say so", "The declaration that is to be taken out is not in the file.", "Nothing is to be done."},
	}
}
