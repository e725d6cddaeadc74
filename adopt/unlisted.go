package adopt

import (
	"io/fs"
	"path"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/plat-dev/plat/fault"
)

// Unlisted finds the declarations below a system's folder, which fsys is, that
// its plat.yaml does not list, whose services have these folders and patterns
// as paths. It looks where Look does, follows no links, and passes over the
// folders of other systems. Each is a warning plan-unlisted-service, in the
// order of folders from the top down.
func Unlisted(fsys fs.FS, paths []string) []*fault.Fault {
	s := &surveyor{fsys: fsys, alone: true}
	if s.walk() != nil {
		return nil // a folder that cannot be read has a finding of the plan's own
	}
	var found []*fault.Fault
	for _, dir := range s.folders {
		file, ok := s.has(dir, "service.yaml")
		if !ok || leadTo(paths, dir) || !s.declares(file) {
			continue
		}
		found = append(found, fault.Newf(fault.PlanUnlistedService, "plat.yaml does not list the service in %s", dir).At(file, 0, 0).
			Why("what no item of services leads to is neither checked nor run").Fix("add - path: "+scalar(dir)+" under services in plat.yaml").Warn())
	}
	return found
}

// declares tells whether a service.yaml is one of plat's: others have such
// files as well, as Kubernetes does.
func (s *surveyor) declares(file string) bool {
	var d struct {
		Service    string `yaml:"service"`
		Owner      string `yaml:"owner"`
		APIVersion any    `yaml:"apiVersion"`
	}
	// What is no YAML, or of other types, may be anybody's.
	err := yaml.Unmarshal([]byte(s.read(file)), &d)
	return err == nil && d.APIVersion == nil && (d.Service != "" || d.Owner != "")
}

// leadTo reports whether one of the folders and patterns names the folder.
func leadTo(paths []string, folder string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		match, err := path.Match(path.Clean(p), folder)
		return match && err == nil
	})
}
