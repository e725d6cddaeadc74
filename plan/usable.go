package plan

import (
	"errors"
	"path"
	"reflect"

	"github.com/plat-dev/plat/fault"
)

// Usable tells whether this plat can run the system in its environment. The
// error is a coded fault about the environment's runtime; what single services
// ask for is Service.Usable.
func (s *System) Usable() error {
	if s.Runtime != defaultRuntime {
		return fault.Newf(fault.PlanRuntimeUnavailable, "the environment %s asks for the runtime %s", s.Environment, s.Runtime).
			At(systemFile, 0, 0).Why("this plat runs processes on one machine only").Fix("use another environment, such as local")
	}
	return nil
}

// Usable tells whether this plat can run the service. The error joins coded
// faults about an artefact that is not here, an image, and store engines.
func (s *Service) Usable() error {
	var errs []error
	if s.Artifact != "" {
		return fault.Newf(fault.PlanArtifactUnavailable, "%s is the artefact %s", s.Name, s.Artifact).
			At(systemFile, 0, 0).Why("this plat cannot fetch artefacts yet").Fix("list the service's folder by path instead")
	}
	file := path.Join(s.Dir, serviceFile)
	if s.Build.Image != "" {
		errs = append(errs, fault.Newf(fault.PlanImageUnavailable, "%s is the container image %s", s.Name, s.Build.Image).
			At(file, 0, 0).Why("this plat runs processes only").Fix("name a program in run, or build it by go or command"))
	}
	for _, st := range s.Stores {
		if st.Engine != defaultEngine {
			errs = append(errs, fault.Newf(fault.PlanEngineUnavailable, "the store %s of %s asks for %s", st.Name, s.Name, st.Engine).
				At(file, 0, 0).Why("this plat provides sqlite only").Fix("use the engine sqlite in this environment"))
		}
	}
	return errors.Join(errs...)
}

// Changed lists the names of services that are only in the newer system, only
// in the older, and in both but declared differently; each list is sorted.
func Changed(older, newer *System) (added, removed, changed []string) {
	i, j := 0, 0
	for i < len(older.Services) || j < len(newer.Services) {
		switch {
		case i == len(older.Services) || j < len(newer.Services) && newer.Services[j].Name < older.Services[i].Name:
			added = append(added, newer.Services[j].Name)
			j++
		case j == len(newer.Services) || older.Services[i].Name < newer.Services[j].Name:
			removed = append(removed, older.Services[i].Name)
			i++
		default:
			if !reflect.DeepEqual(older.Services[i], newer.Services[j]) {
				changed = append(changed, newer.Services[j].Name)
			}
			i, j = i+1, j+1
		}
	}
	return added, removed, changed
}
