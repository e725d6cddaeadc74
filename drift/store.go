package drift

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// stores are the findings about services that open what belongs to another,
// one for each two of them.
func stores(sys *plan.System, files []File, declared map[edge]bool, now time.Time) []Finding {
	shared := map[edge][]Evidence{} // who opens whose
	byPath := map[string][]File{}
	for _, f := range files {
		byPath[f.Path] = append(byPath[f.Path], f)
	}
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		all := byPath[path]
		slices.SortFunc(all, func(a, b File) int { return cmp.Or(strings.Compare(a.Service, b.Service), cmp.Compare(a.PID, b.PID)) })
		owner := all[0].Service // of nobody's, the first
		if all[0].Owner != "" {
			owner = all[0].Owner
		}
		for _, f := range all {
			if f.Service != owner {
				at := edge{f.Service, owner}
				shared[at] = append(shared[at], Evidence{Time: now, Path: path, Note: fmt.Sprintf("open in %s, process %d", f.Instance, f.PID)})
			}
		}
	}
	for _, at := range sameDatabase(sys) {
		shared[at.edge] = append(shared[at.edge], Evidence{Time: now, Path: at.database, Note: "named by the configuration of both"})
	}
	var findings []Finding
	for at, evidence := range shared {
		svc, known := sys.Service(at.caller)
		if !known {
			continue
		}
		f := finding(fault.DriftSharedStore, svc, at.callee)
		f.Count, f.First, f.Last, f.Evidence = uint64(len(evidence)), now, now, few(evidence)
		f.What = at.caller + " and " + at.callee + " have the same store open"
		if slices.ContainsFunc(files, func(f File) bool { return f.Owner == at.callee && f.Service == at.caller }) {
			f.What = at.caller + " opens the store of " + at.callee
		}
		f.Why = evidence[0].Path + ": neither can change its tables alone"
		f.Remedy = "let " + at.caller + " ask " + at.callee + " by its API, and close the store"
		if !declared[at] {
			f.Change, f.Patch = declare(svc, at.callee)
			f.Change.Part = true // the store is open all the same, and until the API is asked the declaration is a dead one
			f.Remedy = "let " + at.caller + " ask " + at.callee + " by its API and not open the store; plat plan add " + at.caller + " consumes " + at.callee + " declares the call"
		}
		findings = append(findings, f)
	}
	return findings
}

type sharing struct {
	edge
	database string
}

// sameDatabase finds services whose configuration names the same database, as
// far as the plan shows it: each one, with the first that names it.
func sameDatabase(sys *plan.System) []sharing {
	first := map[string]string{}
	var all []sharing
	for _, svc := range sys.Services {
		for _, name := range databases(svc) {
			if other, known := first[name]; !known {
				first[name] = svc.Name
			} else if s := (sharing{edge{svc.Name, other}, name}); other != svc.Name && !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// databases are those that a service's configuration names, without user and
// password: scheme, host, database, and the schema where it is said.
func databases(svc plan.Service) []string {
	var all []string
	for _, c := range svc.Config {
		value := c.Default
		if c.Value != nil {
			value = c.Value
		}
		if value == nil {
			continue
		}
		u, err := url.Parse(*value)
		if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" && u.Query().Get("database") == "" {
			continue
		}
		scheme, port := u.Scheme, ""
		switch scheme {
		case "postgres", "postgresql", "cockroachdb":
			scheme, port = "postgres", "5432"
		case "mysql", "mariadb":
			scheme, port = "mysql", "3306"
		case "mongodb", "mongodb+srv":
			scheme, port = "mongodb", "27017"
		case "sqlserver":
			port = "1433"
		default:
			continue
		}
		name := scheme + "://" + strings.ToLower(u.Hostname()) + ":" + cmp.Or(u.Port(), port) + "/" + cmp.Or(strings.Trim(u.Path, "/"), u.Query().Get("database"))
		if schema := cmp.Or(u.Query().Get("search_path"), u.Query().Get("currentSchema")); schema != "" {
			name += ", schema " + schema
		}
		all = append(all, name)
	}
	return all
}
