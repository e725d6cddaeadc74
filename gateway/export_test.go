package gateway

import (
	"net"

	"github.com/plat-dev/plat/plan"
)

// What the fuzz targets and benchmarks reach beside the exported API.
var (
	RoutePath  = routePath
	AppendLine = appendLine
)

// Strict wraps a connection as Serve does.
func Strict(c net.Conn) net.Conn { return &strictConn{Conn: c} }

// Match finds the service for a path among routes without host.
func Match(routes []plan.Route, path string) string {
	pools := map[string]*pool{}
	t := compile("public", routes, nil, func(s string) *pool {
		if pools[s] == nil {
			pools[s] = newPool(s)
		}
		return pools[s]
	})
	if r, _ := t.match("", path, "GET"); r != nil {
		return r.service
	}
	return ""
}

// Heads follows a stream byte by byte, and gives where requests begin and
// whether all of it passes.
func Heads(stream []byte) (starts []int, ok bool) {
	var s scanner
	starts = []int{0}
	for i := range stream {
		if _, ok := s.feed(stream[i : i+1]); !ok {
			return starts, false
		}
		if s.state == scanLine && len(s.line) == 0 {
			starts = append(starts, i+1)
		}
	}
	return starts, true
}

// Known counts what a gateway keeps of names that come and go.
func (g *Gateway) Known() (pools, inflights, edges int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.pools), len(g.inflights) + len(g.leaving), len(g.edges)
}
