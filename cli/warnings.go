package cli

import (
	"path"
	"slices"
	"strings"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

// sayWarnings prints what is not as it should be with the system: each warning
// in full, or several of one code as one line, unless all is wanted.
func (a *app) sayWarnings(warnings []*fault.Fault, services []api.Service, full bool) {
	var codes []fault.Code
	byCode := map[fault.Code][]*fault.Fault{}
	for _, f := range warnings {
		if byCode[f.Code] == nil {
			codes = append(codes, f.Code)
		}
		byCode[f.Code] = append(byCode[f.Code], f)
	}
	for _, code := range codes {
		alike := byCode[code]
		var about []string
		for _, f := range alike {
			if name := serviceOf(f, services); name != "" && !slices.Contains(about, name) {
				about = append(about, name)
			}
		}
		if full || len(alike) == 1 || len(about) < 2 {
			for _, f := range alike {
				a.printFault(a.Err, f)
			}
			continue
		}
		slices.Sort(about)
		a.words("%s: %s (%s): plat explain %s", a.paint.yellow("warning"), together(code, len(about)), strings.Join(about, ", "), code)
	}
}

// together says of several services what a warning says of one.
func together(code fault.Code, n int) string {
	of := count(n, "service")
	switch code {
	case fault.RunAllInterfaces:
		return of + " listen on all interfaces"
	case fault.RunNeverReady:
		return of + " are slow to become ready"
	}
	entry, _ := fault.Lookup(code)
	if entry.Title == "" {
		return of + " have " + string(code)
	}
	return of + ": " + strings.ToLower(entry.Title[:1]) + entry.Title[1:]
}

// warningsOf keeps what is about these services.
func warningsOf(warnings []*fault.Fault, services []api.Service) []*fault.Fault {
	var kept []*fault.Fault
	for _, f := range warnings {
		if serviceOf(f, services) != "" {
			kept = append(kept, f)
		}
	}
	return kept
}

// serviceOf is the one of these services that a fault is about: the one that it
// names, or whose folder it points to; empty when it is about none of them.
func serviceOf(f *fault.Fault, services []api.Service) string {
	for _, s := range services {
		if strings.Contains(f.What, `"`+s.Name+`"`) {
			return s.Name
		}
	}
	for _, s := range services {
		if path.Base(path.Dir(f.File)) == s.Name {
			return s.Name
		}
	}
	return ""
}
