package gateway

import (
	"maps"
	"slices"
	"sync/atomic"
)

// Stats is a snapshot of the gateway's counters, since New or, for a route
// or edge, since it was first declared.
type Stats struct {
	InFlight   int64
	Tunnels    int    // WebSockets and the like, part of InFlight
	Retries    uint64 // tries after an exchange's first
	LogDropped uint64 // access log lines that could not be written
	Routes     []RouteStats
	Edges      []EdgeStats
}

// Answers counts exchanges by the first digit of their answer's status; index
// 0 counts those whose client got none.
type Answers [6]uint64

// RouteStats are the counters of one route.
type RouteStats struct {
	Gateway string
	Host    string
	Path    string
	Methods []string
	Service string
	Answers Answers
}

// EdgeStats are the counters of the calls of one service by another.
type EdgeStats struct {
	Caller  string
	Callee  string
	Answers Answers
}

// Stats reads the counters. They are read one after another: a sum may be
// off by what passes meanwhile.
func (g *Gateway) Stats() Stats {
	s := Stats{InFlight: g.inflight.Load(), Retries: g.retries.Load()}
	if g.access != nil {
		s.LogDropped = g.access.dropped.Load()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, tunnels := range g.tunnels {
		s.Tunnels += len(tunnels)
	}
	for _, name := range slices.Sorted(maps.Keys(g.fronts)) {
		for _, r := range g.fronts[name].table.Load().routes {
			s.Routes = append(s.Routes, RouteStats{name, r.host, r.path, r.methods, r.service, r.count.read()})
		}
	}
	for _, e := range g.edges {
		s.Edges = append(s.Edges, EdgeStats{e.caller, e.callee, g.dependencies[e].count.read()})
	}
	return s
}

// counters count answers by the first digit of their status; 0 is for those
// that got none.
type counters [6]atomic.Uint64

func (c *counters) add(status int) {
	class := status / 100
	if class < 0 || class > 5 {
		class = 0
	}
	c[class].Add(1)
}

func (c *counters) read() Answers {
	var a Answers
	for i := range c {
		a[i] = c[i].Load()
	}
	return a
}
