package reference

// CountExamples is how many examples the table has.
func CountExamples() int { return len(examples()) }
