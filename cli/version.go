package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// build is the answer of plat version.
type build struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (a *app) versionVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of plat",
		Example: "  plat version\n  plat version -o json | jq -r .version",
		GroupID: "tools",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "json", "yaml")
	cmd.RunE = func(*cobra.Command, []string) error {
		if a.output == "table" {
			_, err := fmt.Fprintln(a.Out, "plat", a.version)
			return err
		}
		return a.print(build{a.version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}, table{})
	}
	return cmd
}
