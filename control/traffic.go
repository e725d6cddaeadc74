package control

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

// Traffic tells rate, errors, duration and saturation over a time until now.
func (p *plane) Traffic(ctx context.Context, window time.Duration) (api.Traffic, error) {
	if window < 3*figuresEvery || window > 24*time.Hour {
		return api.Traffic{}, fault.Newf(fault.TelemetryBadQuery, "window is %s", window).Why(fmt.Sprintf("expected from %s to 24h: figures are kept every %s", 3*figuresEvery, figuresEvery))
	}
	at := time.Now()
	out := api.Traffic{At: at.UTC(), Window: int64(window), Gateways: []api.Flow{}, Services: []api.ServiceFlow{}}
	ask := asker{ctx: ctx, p: p, at: at, window: fmt.Sprintf("[%ds]", int(window.Seconds()))}
	gateways := ask.traffic("gateway", `gateway!=""`)
	services := ask.traffic("service", "")
	inFlight := ask.by("service", `sum by (service) (plat_requests_in_flight)`)
	cpu := ask.by("service", `sum by (service) (rate(plat_process_cpu_seconds_total`+ask.window+`))`)
	memory := ask.by("service", `sum by (service) (plat_process_memory_bytes)`)
	if ask.err != nil {
		return out, ask.err
	}
	for _, g := range p.live().Gateways {
		t := gateways[g.Name]
		t.Name = g.Name
		out.Gateways = append(out.Gateways, t)
	}
	for _, svc := range p.live().Services {
		t := services[svc.Name]
		t.Name = svc.Name
		delete(services, svc.Name)
		out.Services = append(out.Services, api.ServiceFlow{Flow: t, InFlight: inFlight[svc.Name], CPU: cpu[svc.Name], Memory: memory[svc.Name]})
	}
	for _, name := range slices.Sorted(maps.Keys(services)) { // external ones, and those from outside
		t := services[name]
		if t.Rate > 0 {
			t.Name = name
			out.Services = append(out.Services, api.ServiceFlow{Flow: t})
		}
	}
	return out, nil
}

// asker asks several questions of one moment, and keeps the first error.
type asker struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call
	p      *plane
	at     time.Time
	window string
	err    error
}

// by gives the values of an expression by one label.
func (a *asker) by(label, expr string) map[string]float64 {
	out := map[string]float64{}
	if a.err != nil {
		return out
	}
	series, err := a.p.metrics.Query(a.ctx, expr, a.at)
	if err != nil {
		a.err = err
		return out
	}
	for _, s := range series {
		if v := s.Points[len(s.Points)-1].Value; !math.IsNaN(v) && !math.IsInf(v, 0) {
			out[s.Labels[label]] = v
		}
	}
	return out
}

// traffic gives the figures of requests by one label.
func (a *asker) traffic(label, matchers string) map[string]api.Flow {
	of := func(metric, more string) string {
		m := matchers
		if m != "" && more != "" {
			m += ","
		}
		return metric + "{" + m + more + "}" + a.window
	}
	rates := a.by(label, fmt.Sprintf(`sum by (%s) (rate(%s))`, label, of("plat_requests_total", "")))
	failed := a.by(label, fmt.Sprintf(`sum by (%s) (rate(%s))`, label, of("plat_requests_total", `code_class=~"5xx|none"`)))
	quantiles := map[float64]map[string]float64{}
	for _, q := range []float64{0.5, 0.95, 0.99} {
		quantiles[q] = a.by(label, fmt.Sprintf(`histogram_quantile(%g, sum by (%s, le) (rate(%s)))`, q, label, of("plat_request_duration_seconds_bucket", "")))
	}
	out := map[string]api.Flow{}
	for name, rate := range rates {
		t := api.Flow{Rate: rate}
		if rate > 0 {
			t.Errors = failed[name] / rate
		}
		for q, to := range map[float64]**float64{0.5: &t.P50, 0.95: &t.P95, 0.99: &t.P99} {
			if v, ok := quantiles[q][name]; ok {
				*to = &v
			}
		}
		out[name] = t
	}
	return out
}
