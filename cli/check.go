package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/adopt"
	"github.com/plat-dev/plat/chaos"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// checked is the answer of plat check.
type checked struct {
	System   string         `json:"system,omitempty"`
	Services int            `json:"services"`
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
	Findings []*fault.Fault `json:"findings"`
}

func (a *app) check() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Say everything that is wrong with the plan",
		Long:    "Reads plat.yaml and every service.yaml, and lists all mistakes and warnings; where\nthe plan is sound, those of the experiments beside it, too.\nExit code 1 when there is an error, 0 with warnings alone.",
		Example: "  plat check\n  plat check -C musiccorp -o json\n  plat check -e prod",
		GroupID: "release",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	a.environment(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		root, err := a.system()
		if err != nil {
			return err
		}
		result := a.loadAll(root)
		answer := checked{Findings: result.Findings}
		if answer.Findings == nil {
			answer.Findings = []*fault.Fault{}
		}
		if result.System != nil {
			answer.System, answer.Services = result.System.Name, len(result.System.Services)
		}
		for _, f := range result.Findings {
			if f.Severity == fault.Error {
				answer.Errors++
			} else {
				answer.Warnings++
			}
		}
		if err := a.printChecked(answer); err != nil {
			return err
		}
		if answer.Errors > 0 {
			return errAnswered
		}
		return nil
	}
	return cmd
}

func (a *app) printChecked(answer checked) error {
	switch a.output {
	case "json", "yaml":
		return a.print(answer, table{})
	case "name":
		for _, f := range answer.Findings {
			if _, err := fmt.Fprintf(a.Out, "%s %s\n", f.Code, f.Place()); err != nil {
				return err
			}
		}
		return nil
	}
	a.paint = newPainter(a.Out)
	for _, f := range answer.Findings {
		a.printFault(a.Out, f)
	}
	if answer.Errors+answer.Warnings > 0 {
		a.words("%s, %s", count(answer.Errors, "error"), count(answer.Warnings, "warning"))
		return nil
	}
	a.words("the plan of %s is sound: %s", answer.System, count(answer.Services, "service"))
	return nil
}

// environment adds -e to a verb that reads the plan's files.
func (a *app) environment(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.env, "environment", "e", "local", "environment of the plan")
	_ = cmd.RegisterFlagCompletionFunc("environment", a.environments) // the flag was just made
}

// loadAll reads the plan's files as load does, and looks for declarations below
// the folder that plat.yaml does not list, and at the experiments.
func (a *app) loadAll(root string) plan.Result {
	result := a.load(root)
	result.Findings = append(result.Findings, a.unlisted(root)...)
	if result.System != nil { // else nobody knows whom they name
		_, wrong := chaos.Folder(os.DirFS(root), result.System)
		result.Findings = append(result.Findings, a.placed(root, wrong)...)
	}
	return result
}

// unlisted are the warnings about declarations that plat.yaml does not list;
// none where it cannot be read, or lists nothing.
func (a *app) unlisted(root string) []*fault.Fault {
	text, err := os.ReadFile(filepath.Join(root, "plat.yaml")) //nolint:gosec // of the user's system
	if err != nil {
		return nil // has a finding of the plan's own
	}
	var paths []string
	for _, ref := range plan.ParseSystem("plat.yaml", text).File.Services {
		paths = append(paths, ref.Path)
	}
	if len(paths) == 0 {
		return nil
	}
	return a.placed(root, adopt.Unlisted(os.DirFS(root), paths))
}

// load reads the plan's files, with the places of findings as the user would
// write them.
func (a *app) load(root string) plan.Result {
	result := plan.Check(os.DirFS(root), plan.Options{Environment: a.env})
	a.placed(root, result.Findings)
	return result
}

// placed gives findings whose places are as the user would write them.
func (a *app) placed(root string, findings []*fault.Fault) []*fault.Fault {
	prefix := a.display(root)
	for _, f := range findings {
		if f.File != "" && prefix != "." {
			f.File = filepath.Join(prefix, f.File)
		}
	}
	return findings
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
