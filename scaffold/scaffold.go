// Package scaffold holds the templates of new systems and services. What they
// make passes its own tests and starts at once.
//
// It makes texts and writes nothing. It must never import another room than
// plan and fault.
package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

//go:embed templates
var templates embed.FS

// File is one file of a new system or service.
type File struct {
	Path string // slash-separated, relative to the system's folder
	Text []byte
}

// Names of what is made.
type Names struct {
	System  string // needed for a system alone
	Service string
	Owner   string // of the service; empty: team
}

// Languages are those that a new service can be written in: go stands on the
// kit, node (TypeScript) on nothing of plat's.
func Languages() []string { return []string{"go", "node"} }

// System makes a system with one service. Errors: plan-bad-name,
// unknown-template.
func System(n Names, language string) ([]File, error) {
	if err := plan.ValidService(n.System); err != nil {
		for _, f := range fault.All(err) { // a system is named as services are
			f.What = strings.Replace(f.What, "the service", "the system", 1)
		}
		return nil, err
	}
	service, err := Service(n, language)
	if err != nil {
		return nil, err
	}
	system, err := fill("system", "", n)
	return append(system, service...), err
}

// Service makes a service in services/NAME. Errors: plan-bad-name,
// unknown-template.
func Service(n Names, language string) ([]File, error) {
	if err := plan.ValidService(n.Service); err != nil {
		return nil, err
	}
	if !slices.Contains(Languages(), language) {
		f := fault.Newf(fault.UnknownTemplate, "there is no template %s", language).Why("expected one of " + strings.Join(Languages(), ", "))
		if near := plan.Nearest(language, Languages()); near != "" {
			f.Fix("did you mean " + near + "?")
		}
		return nil, f
	}
	if n.Owner == "" {
		n.Owner = "team"
	}
	return fill(language, path.Join("services", n.Service), n)
}

// fill fills the templates of one folder.
func fill(name, into string, n Names) ([]File, error) {
	root := path.Join("templates", name)
	var files []File
	err := fs.WalkDir(templates, root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		t, err := template.ParseFS(templates, file)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := t.Execute(&text, n); err != nil {
			return fmt.Errorf("template %s: %w", file, err)
		}
		to := strings.TrimSuffix(strings.TrimPrefix(file, root+"/"), ".tmpl")
		if path.Base(to) == "gitignore" { // a template of this name would hide files of this repository
			to = path.Join(path.Dir(to), ".gitignore")
		}
		files = append(files, File{Path: path.Join(into, to), Text: text.Bytes()})
		return nil
	})
	return files, err
}

// GoModule is the go.mod of a system's Go services. kitVersion is the kit's,
// as v1.2.3; kitDir, where it is set, is a folder with its sources that is used
// instead.
func GoModule(module, kitVersion, kitDir string) File {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s\n\ngo 1.26\n\nrequire github.com/plat-dev/plat/kit %s\n", module, kitVersion)
	if kitDir != "" {
		fmt.Fprintf(&b, "\n// The kit of a checkout on this machine, until the kit's first release.\nreplace github.com/plat-dev/plat/kit => %s\n", kitDir)
	}
	return File{Path: "go.mod", Text: []byte(b.String())}
}
