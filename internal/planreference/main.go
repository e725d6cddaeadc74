// Command planreference prints docs/reference.md.
package main

import (
	"fmt"
	"os"

	"github.com/plat-dev/plat/plan/reference"
)

func main() {
	if _, err := os.Stdout.WriteString(reference.Markdown()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
