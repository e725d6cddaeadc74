// Package edit puts one more line into a declaration: the smallest patch that
// declares a call or a subscription and keeps every other byte as it is
// written. It is pure: text in, text out.
//
// It must never import another room than plan, and knows YAML through
// plan/yaml alone.
package edit

// Edit is a patch of one file of the plan.
type Edit struct {
	File   string   // as it was named
	Source []byte   // the whole file with the patch
	Line   int      // where the patch begins in Source, from 1
	Lines  []string // the lines of Source that are new or changed, without line ends
	// Replaced is how many lines of the old source Lines stand for: 0 when
	// lines were added alone.
	Replaced int
}
