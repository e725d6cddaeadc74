package cli

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/chaos"
	"github.com/plat-dev/plat/plan"
)

func (a *app) schema() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:       "schema [plat|service|experiment]",
		Short:     "Print the JSON Schemas of the plan's files",
		Long:      "Prints the JSON Schema of plat.yaml, service.yaml or an experiment, for editors:\nname it in the file's first line, # yaml-language-server: $schema=PATH. With --write,\nall are written into a folder.",
		Example:   "  plat schema service\n  plat schema --write schemas",
		GroupID:   "tools",
		ValidArgs: []string{"plat", "service", "experiment"},
		Args:      args(0, 1, "one of plat, service and experiment"),
	}
	cmd.Flags().StringVar(&dir, "write", "", "write the schemas into this folder, as plat.schema.json")
	_ = cmd.MarkFlagDirname("write") // the flag was just made
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		schemas := plan.Schemas()
		schemas[chaos.SchemaName] = chaos.Schema()
		if dir != "" {
			if err := os.MkdirAll(dir, 0o750); err != nil {
				return unwritable(dir, err)
			}
			for _, name := range slices.Sorted(maps.Keys(schemas)) {
				if err := os.WriteFile(filepath.Join(dir, name), schemas[name], 0o644); err != nil { //nolint:gosec // a schema is public
					return unwritable(filepath.Join(dir, name), err)
				}
			}
			return nil
		}
		which := "plat"
		if len(given) == 1 {
			which = given[0]
		}
		text, ok := schemas[which+".schema.json"]
		if !ok {
			return usage(cmd, "there is no schema of "+which+": it is plat, service or experiment")
		}
		_, err := a.Out.Write(text)
		return err
	}
	return cmd
}
