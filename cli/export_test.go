package cli

import (
	"io"

	"github.com/spf13/cobra"
)

// Root is the whole command line, for tests that walk it.
func Root() *cobra.Command {
	return (&app{IO: IO{Out: io.Discard, Err: io.Discard}}).root()
}
