package plan

import (
	"errors"
	"maps"
	"slices"

	"github.com/plat-dev/plat/fault"
)

// Needed lists, sorted, the named services and those of this system that they
// cannot do without: what they call, unless the call is optional, and what
// that calls in turn. The error joins a fault of code plan-unknown-service for
// each name that is no service of the system.
func Needed(s *System, names []string) ([]string, error) {
	services := make(map[string]Service, len(s.Services))
	for _, svc := range s.Services {
		services[svc.Name] = svc
	}
	var unknown []error
	needed := map[string]bool{}
	var open []string
	add := func(name string) {
		if !needed[name] {
			needed[name] = true
			open = append(open, name)
		}
	}
	for _, name := range names {
		if _, known := services[name]; known {
			add(name)
			continue
		}
		f := fault.Newf(fault.PlanUnknownService, "there is no service %s", name).
			Why("expected a service of the system " + s.Name).Fix(didYouMean(name, slices.Collect(maps.Keys(services))))
		if f.Remedy == "" {
			f.Fix("plat plan -o name lists them")
		}
		unknown = append(unknown, f)
	}
	if len(unknown) > 0 {
		return nil, errors.Join(unknown...)
	}
	for len(open) > 0 {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		for _, call := range services[at].Calls {
			if _, ours := services[call.Service]; ours && !call.Optional {
				add(call.Service)
			}
		}
	}
	return slices.Sorted(maps.Keys(needed)), nil
}
