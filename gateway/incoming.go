package gateway

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/admit"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/plan"
)

// incoming is what stands before one service: all that is asked of it, from
// outside and by others, passes here.
type incoming struct {
	gate    *admit.Gate
	callers atomic.Pointer[admit.Rates] // by calling service; nil: as often as they like
}

func newIncoming() *incoming { return &incoming{gate: admit.NewGate(admit.Config{})} }

// set brings the plan's limits to as many instances as there are.
func (in *incoming) set(l plan.Limits, instances int) {
	each, begin, n := l.Concurrent, 0, max(instances, 1)
	if each <= 0 {
		each, begin = admit.DefaultConcurrent, admit.DefaultBegin
	}
	in.gate.Set(admit.Config{Concurrent: each * n, Begin: begin * n, Queue: l.Queue * n})
	if l.Rate == nil {
		in.callers.Store(nil)
		return
	}
	may := admit.Rate{Limit: l.Rate.Limit, Per: perOf(l.Rate.Per), Burst: l.Rate.Burst}
	if old := in.callers.Load(); old != nil {
		old.Set(may)
		return
	}
	in.callers.Store(admit.NewRates(may))
}

// SetIncoming says what services take in and when their instances are ejected,
// from now on and without a break: who is inside stays, what was counted is kept.
func (g *Gateway) SetIncoming(services []plan.Service) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.declared = make(map[string]plan.Service, len(services))
	for _, s := range services {
		g.declared[s.Name] = s
	}
	for name, p := range g.pools {
		p.incoming.set(g.declared[name].Limits, len(p.instances()))
		p.outliers.Set(g.ejection(name))
	}
}

// ejection is when instances of a service are ejected, in the policy's words; of
// one that the plan does not know the standard. g.mu is held.
func (g *Gateway) ejection(service string) policy.Ejection {
	declared, known := g.declared[service]
	if !known {
		return policy.Ejection{}
	}
	return ejectionOf(declared.Ejection)
}

func ejectionOf(e *plan.Ejection) policy.Ejection {
	if e == nil {
		return policy.Ejection{Off: true}
	}
	return policy.Ejection{
		Consecutive: e.Consecutive, Share: float64(e.Failures) / 100, Minimum: e.Calls,
		Base: e.Out.Std(), Longest: e.Longest.Std(), Most: float64(e.Most) / 100,
	}
}

func perOf(d *plan.Duration) time.Duration {
	if d == nil {
		return time.Second
	}
	return d.Std()
}

// admitClient lets a request of a client in by its route, or answers.
func (x *exchange) admitClient(to *route) bool {
	return x.limitClient(to) && x.enterGate(to.pool, to.priority)
}

// limitClient holds a request from outside to what its route allows, or
// answers.
func (x *exchange) limitClient(to *route) bool {
	if status := to.sizes.Refuse(x.r); status != 0 {
		x.tooLarge(status, "over the limit of this route")
		return false
	}
	x.most = to.sizes.Body
	if to.rates != nil && x.Synthetic == "" {
		key := clientKey(x.Client)
		if values := x.r.Header[to.rateBy]; to.rateBy != "" && len(values) > 0 && values[0] != "" {
			key = "h" + values[0]
		}
		if !x.rated(to.rates, key, "this client asks more often than it may") {
			return false
		}
	}
	return true
}

// tooLarge answers a request of which one part is too large.
func (x *exchange) tooLarge(status int, limit string) {
	switch status {
	case http.StatusRequestURITooLong:
		x.problem(status, fault.GatewayURLTooLong, "the request's path and query are "+limit)
	case http.StatusRequestHeaderFieldsTooLarge:
		x.problem(status, fault.GatewayHeadersTooLarge, "the request line and header fields are "+limit)
	default:
		x.closeAfter()
		x.problem(status, fault.GatewayBodyTooLarge, "the request's body is "+limit)
	}
}

// sizesOf is how large a request of a route may be.
func sizesOf(r plan.Route) admit.Sizes {
	s := admit.Sizes{URL: int(r.URL), Body: int64(r.Body)}
	if r.Headers != nil {
		s.Fields, s.Header = r.Headers.Count, int(r.Headers.Bytes)
	}
	return s
}

// bodyLimit is the most that the request's body may have.
func (x *exchange) bodyLimit() int64 {
	if x.most > 0 {
		return min(x.most, x.gateway.limits.Body)
	}
	return x.gateway.limits.Body
}

// admitCaller lets a request of another service in, or answers.
func (x *exchange) admitCaller(p *pool, priority admit.Priority, mayAlways bool) bool {
	if p == nil {
		return true // not ours
	}
	if rates := p.incoming.callers.Load(); rates != nil && !mayAlways && !x.rated(rates, x.Caller, x.Caller+" asks "+x.Service+" more often than it may") {
		return false
	}
	return x.enterGate(p, priority)
}

// rated counts the request, or answers 429.
func (x *exchange) rated(rates *admit.Rates, key, detail string) bool {
	_, refused := rates.Take(key)
	if refused == nil {
		return true
	}
	x.failed(refused.Tell(x.w.Header(), rates), fault.GatewayRateLimited, detail)
	return false
}

// enterGate takes a place with the service, for a moment's wait at most, or
// answers. The place is given back by leaveGate.
func (x *exchange) enterGate(p *pool, priority admit.Priority) bool {
	var err error
	x.place, err = p.incoming.gate.Enter(x.r.Context(), priority)
	if err == nil {
		return true
	}
	refused, ok := err.(*admit.Refusal) //nolint:errorlint // as Enter gives it
	if !ok {
		x.Err, x.Code = err, fault.GatewayClientGone
		panic(http.ErrAbortHandler) // nobody to answer
	}
	x.failed(refused.Tell(x.w.Header(), nil), fault.GatewayOverloaded, x.Service+" has more to do than it can")
	return false
}

// leaveGate gives the place back.
func (x *exchange) leaveGate() {
	x.place.Release(x.Status == http.StatusServiceUnavailable || x.Status == http.StatusTooManyRequests || x.Status == http.StatusGatewayTimeout)
}

// clientKey is whom an address stands for: who has one of IPv6 has 2^64 of
// them.
func clientKey(address string) string {
	if !strings.Contains(address, ":") {
		return address
	}
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4In6() {
		return address
	}
	prefix, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// IncomingState is what stands before a service, and how.
type IncomingState struct {
	Service string
	Lines   []policy.Line
	Figures []CallFigure
}

// Incoming tells how it stands with what is asked of a service (empty: of
// all), sorted by name.
func (g *Gateway) Incoming(service string) []IncomingState {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []IncomingState
	for _, name := range slices.Sorted(maps.Keys(g.pools)) {
		if service == "" || service == name {
			all = append(all, g.incomingState(name, g.pools[name].incoming))
		}
	}
	return all
}

// incomingState reads one; g.mu is held.
func (g *Gateway) incomingState(name string, in *incoming) IncomingState {
	s := in.gate.Snapshot()
	figures := []CallFigure{
		{false, "plat_admit_inside", "Requests that a service works on.", float64(s.Inside), nil},
		{false, "plat_admit_limit", "Requests that it may work on now.", float64(s.Limit), nil},
		{false, "plat_admit_waiting", "Requests that wait for their turn.", float64(s.Waiting), nil},
	}
	for kind, n := range s.Shed {
		figures = append(figures, shed(string(kind.Reason), kind.Priority.String(), n))
	}
	lines := []policy.Line{s.Line()}
	add := func(what string, rates *admit.Rates) {
		r := rates.Snapshot()
		lines = append(lines, r.Line(what))
		labels := []string{"of", what}
		figures = append(figures,
			CallFigure{true, "plat_rate_limited_total", "Requests that were turned away since their caller asks too often.", float64(r.Refused), labels},
			CallFigure{true, "plat_rate_keys_evicted_total", "Callers that were forgotten before their time, since there were too many.", float64(r.Evicted), labels})
	}
	if rates := in.callers.Load(); rates != nil {
		add("each calling service", rates)
	}
	for _, gateway := range slices.Sorted(maps.Keys(g.fronts)) {
		for _, r := range g.fronts[gateway].table.Load().routes {
			if r.rates != nil && r.pool.incoming == in {
				add("each client of "+gateway+" "+strings.Join(r.methods, ",")+" "+r.host+r.path, r.rates)
			}
		}
	}
	return IncomingState{Service: name, Lines: lines, Figures: figures}
}

func shed(reason, priority string, n uint64) CallFigure {
	return CallFigure{true, "plat_shed_total", "Requests that were turned away since the service has more to do than it can, by reason and priority.", float64(n), []string{"reason", reason, "priority", priority}}
}
