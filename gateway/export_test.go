package gateway

import (
	"github.com/plat-dev/plat/plan"
)

// What the fuzz targets and benchmarks reach beside the exported API.
var (
	RoutePath  = routePath
	AppendLine = appendLine
)

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

// Known counts what a gateway keeps of names that come and go.
func (g *Gateway) Known() (pools, inflights, edges int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.pools), len(g.inflights) + len(g.leaving), len(g.edges)
}
