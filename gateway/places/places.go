// Package places knows everywhere an answer may be stuck: in caches outside, in
// the gateway's, and in what stands in for answers between the services that
// it is made from. It owns how they are found in the plan, and no cache.
//
// It must never import another room than those whose facts it joins.
package places

import (
	"fmt"
	"slices"
	"time"

	"github.com/plat-dev/plat/gateway/cache"
	"github.com/plat-dev/plat/gateway/lastgood"
	"github.com/plat-dev/plat/plan"
)

// Place is one in which an answer may be stuck.
type Place struct {
	Name  string
	Fresh time.Duration // how long from now it may be used there without asking
	Stale time.Duration // how much longer while it is asked for, or when nobody answers
	Undo  string        // what gets it out
}

// Question is what is asked about.
type Question struct {
	URL    string // as a client asks
	Target string // its path and query
}

// Front is one gateway that answers the question.
type Front struct {
	Gateway string
	Service string // that it leads to
	Why     cache.Why
}

// Of lists the places of an answer, from the client to the last service behind,
// by way of every gateway.
func Of(q Question, fronts []Front, sys *plan.System, kept []lastgood.Kept) []Place {
	places := front(q, fronts)
	var services []string
	for _, f := range fronts {
		if !slices.Contains(services, f.Service) {
			services = append(services, f.Service)
		}
	}
	for _, svc := range sys.Services {
		for _, call := range svc.Calls {
			if slices.Contains(services, call.Service) {
				same := func(target string) bool { return target == q.Target }
				places = append(places, of(svc.Name, call, kept, same, "plat cache purge "+q.URL)...)
			}
		}
	}
	for _, svc := range reach(sys, services) {
		for _, call := range svc.Calls {
			if !slices.Contains(services, call.Service) {
				each := func(string) bool { return true }
				places = append(places, of(svc.Name, call, kept, each, "the next good answer of "+call.Service)...)
			}
		}
	}
	return places
}

// front are the places from the client to the gateways.
func front(q Question, fronts []Front) []Place {
	var gateways []Place
	var outside cache.Downstream // the longest of all
	known := false
	add := func(d cache.Downstream) {
		known = true
		outside.Client, outside.ClientStale = max(outside.Client, d.Client), max(outside.ClientStale, d.ClientStale)
		outside.Shared, outside.SharedStale = max(outside.Shared, d.Shared), max(outside.SharedStale, d.SharedStale)
	}
	for _, f := range fronts {
		if f.Why.Passed != nil {
			add(*f.Why.Passed)
		}
		for _, v := range f.Why.Variants {
			if v.Chosen {
				add(v.Downstream)
				left := max(0, v.Lifetime-v.Age)
				gateways = append(gateways, Place{"the gateway " + f.Gateway, left, max(0, max(v.Meanwhile, v.OnError)+min(0, v.Lifetime-v.Age)), "plat cache purge " + q.URL})
			}
		}
	}
	if !known {
		return gateways
	}
	return append([]Place{
		{"the client's own cache", outside.Client, outside.ClientStale, "nothing from here; the client can reload, or the URL change"},
		{"shared caches outside plat", outside.Shared, outside.SharedStale, "their own purge"},
	}, gateways...)
}

// of are the places on one call: answers that stand in for it when it fails,
// and copies that its caller keeps by kit/fresh, which are seen by nobody else.
func of(caller string, call plan.Dependency, kept []lastgood.Kept, meant func(target string) bool, undo string) []Place {
	var places []Place
	if call.LastGood != nil {
		n, stale := 0, time.Duration(0)
		for _, k := range kept {
			if left := call.LastGood.Keep.Std() - k.Age; k.Caller == caller && k.Callee == call.Service && left > 0 && meant(k.Target) {
				n, stale = n+1, max(stale, left)
			}
		}
		if n > 0 {
			places = append(places, Place{fmt.Sprintf("the call from %s to %s (%d last good)", caller, call.Service, n), 0, stale, undo})
		}
	}
	if call.Fresh != nil {
		places = append(places, Place{fmt.Sprintf("copies of %s in %s", call.Service, caller), call.Fresh.Std(), 0, "nothing from here; " + caller + " asks again after that"})
	}
	return places
}

// reach are the services that may have a share in an answer of these.
func reach(sys *plan.System, first []string) []plan.Service {
	var all []plan.Service
	names := slices.Clone(first)
	for i := 0; i < len(names); i++ {
		at := slices.IndexFunc(sys.Services, func(s plan.Service) bool { return s.Name == names[i] })
		if at < 0 {
			continue // not ours
		}
		all = append(all, sys.Services[at])
		for _, call := range sys.Services[at].Calls {
			if !slices.Contains(names, call.Service) {
				names = append(names, call.Service)
			}
		}
	}
	return all
}
