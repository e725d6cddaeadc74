package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/adopt"
	"github.com/plat-dev/plat/fault"
)

func (a *app) init() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Propose the plan of a repository that has none",
		Long: "Looks for services in this folder (main packages of Go modules, package.json,\nDockerfile, Procfile, docker-compose.yml) and writes a plat.yaml, and a\nservice.yaml beside each program. A file that is there already is left alone.\n" +
			"No program is changed, and none is started.",
		Example: "  plat init --dry-run\n  plat init && plat up\n  plat init -C shop -o json",
		GroupID: "app",
		Args:    args(0, 0, "no arguments"),
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the files, and write none")
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = func(*cobra.Command, []string) error {
		root, err := filepath.Abs(a.dir)
		if err != nil {
			return err
		}
		if info, err := os.Stat(root); err != nil || !info.IsDir() {
			return fault.Newf(fault.BadArgument, "%s is not a folder", a.dir).Fix("name the repository's folder with -C")
		}
		survey, err := adopt.Look(os.DirFS(root), filepath.Base(root))
		if err != nil {
			return err
		}
		return a.adopted(root, survey, dry)
	}
	return cmd
}

// adopted prints what was found, and writes what is new.
func (a *app) adopted(root string, survey adopt.Survey, dry bool) error {
	all := append([]adopt.Proposal{survey.System}, survey.Services...)
	t := table{header: []string{"FILE", "BECAUSE OF", "STATUS"}}
	for _, p := range all {
		state := "new"
		if p.Exists {
			state = "is there, left alone"
		}
		t.rows = append(t.rows, []string{p.File, strings.Join(p.Because, ", "), state})
	}
	if len(survey.Services) == 0 {
		for _, n := range survey.Notes {
			a.words("note: %s", n)
		}
		return fault.New(fault.NothingToAdopt, "no service was found in "+a.folder(root)).Fix("plat new system NAME makes one that starts; or write a service.yaml of three lines beside your program: service, owner, run")
	}
	if dry && a.output == "table" {
		for _, p := range all {
			if p.Exists {
				continue
			}
			if _, err := fmt.Fprintf(a.Out, "--- %s\n%s\n", p.File, p.Text); err != nil {
				return err
			}
		}
	} else if err := a.print(survey, t); err != nil {
		return err
	}
	for _, n := range survey.Notes {
		a.words("note: %s", n)
	}
	if !slices.ContainsFunc(all, func(p adopt.Proposal) bool { return !p.Exists }) {
		a.words("nothing is new: every file is there already")
		return nil
	}
	if !dry {
		for _, p := range all {
			if err := writeNew(root, p); err != nil {
				return err
			}
		}
		if survey.System.Exists {
			for _, f := range a.unlisted(root) {
				a.printFault(a.Err, f)
			}
		}
		a.words("next: look the files over, then plat check, then plat up")
	}
	for _, b := range survey.Bypasses {
		a.words("%s looks for %s in %s, so its calls go past plat (or nowhere) until it uses %s", b.Service, b.Callee, b.Variable, b.Instead)
	}
	return nil
}

// writeNew writes a proposal; a file that is there stays as it is.
func writeNew(root string, p adopt.Proposal) error {
	if p.Exists {
		return nil
	}
	file := filepath.Join(root, filepath.FromSlash(p.File))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // a folder of the user's repository
		return unwritable(filepath.Dir(file), err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // likewise a file of it
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return unwritable(file, err)
	}
	if _, err = f.WriteString(p.Text); err != nil {
		return errors.Join(unwritable(file, err), f.Close())
	}
	return f.Close()
}
