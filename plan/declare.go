package plan

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// Version is the version of the plan's format that this package reads.
const Version = 1

// SystemDeclaration is a parsed plat.yaml. Its findings so far travel with
// it into Resolve.
type SystemDeclaration struct {
	File SystemFile

	doc     *document
	missing []string // probable names of services whose folders lack
}

// Declaration is the parsed declaration of one service with its origin: a
// folder of the system, or an artefact that brought it along. Its findings so
// far travel with it into Resolve.
type Declaration struct {
	File     ServiceFile
	Dir      string // folder relative to the system's; empty for an artefact
	Artifact string // reference of the artefact; empty for a folder
	Files    fs.FS  // what lies beside the declaration, to check the files that it names; nil: unchecked

	doc    *document
	absent bool // an artefact whose declaration nobody could bring
}

// ParseSystem reads the text of a plat.yaml; file is its name in findings.
// Mistakes are kept for Resolve to report.
func ParseSystem(file string, data []byte) *SystemDeclaration {
	s := &SystemDeclaration{}
	s.doc = newDecoder().parse(file, data, &s.File)
	return s
}

// ParseService reads the text of a service.yaml; file is its name in
// findings. Mistakes are kept for Resolve to report.
func ParseService(file string, data []byte) *Declaration {
	d := &Declaration{}
	d.doc = newDecoder().parse(file, data, &d.File)
	return d
}

func (d *decoder) parse(file string, data []byte, target any) *document {
	doc := &document{file: file, parsed: true}
	root, readable := yaml.Parse(file, data, doc.faults.add)
	doc.root = root
	if root != nil {
		root.Index()
	}
	if !readable || !doc.checkVersion() {
		doc.broken = true
		return doc
	}
	d.decode(doc, target)
	return doc
}

// checkVersion is false for a plan of another version, about which nothing
// else can be said.
func (d *document) checkVersion() bool {
	n, _, found := d.find([]any{"plat"})
	if !found || n.Kind != yaml.Integer || n.Text == fmt.Sprint(Version) {
		return true
	}
	f := fault.Newf(fault.PlanUnknownVersion, "the plan's version is %s", n.Text).
		Why(fmt.Sprintf("this plat reads version %d", Version)).Fix(fmt.Sprintf("write plat: %d, or use the plat that the file was written for", Version))
	d.value(f, "plat")
	return false
}

// name is the service's name, or what it probably is when the declaration
// could not be read.
func (d *Declaration) name() string {
	switch {
	case d.File.Service != "":
		return d.File.Service
	case d.Dir != "":
		return path.Base(d.Dir)
	}
	return artifactName(d.Artifact)
}

// vague reports that the declaration may say more than could be read of it.
func (d *Declaration) vague() bool {
	return d.absent || d.doc.broken || !d.doc.isOrAbsent(yaml.Mapping, "provides") || !d.doc.isOrAbsent(yaml.Mapping, "provides", "events")
}
