// Package figures counts what passes plat's own listeners, so that every
// program has rate, errors and duration, whatever it tells of itself. It must
// never import a room of plat: it is told of exchanges in its own words.
package figures

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Exchange is one request and its answer.
type Exchange struct {
	Service   string // who was asked
	Caller    string // the service that asked; empty at an entrance
	Gateway   string // the entrance; empty between services
	Route     string // the route's path at an entrance
	Status    int    // 0: no answer
	Duration  time.Duration
	Synthetic bool   // of a test customer
	Trace     string // its ID, if the trace is kept: an exemplar
}

// Standard are the bounds, in seconds, of the histogram's buckets beside those
// of the objectives: dense where people wait.
var standard = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30} //nolint:gochecknoglobals // a constant, but for the language

// Figures counts exchanges. It is safe for concurrent use.
type Figures struct{ now atomic.Pointer[vectors] }

type vectors struct {
	bounds   []float64
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// New counts with buckets at the given bounds, in seconds, too.
func New(bounds []float64) *Figures {
	f := &Figures{}
	f.SetBounds(bounds)
	return f
}

// SetBounds changes the buckets' bounds. Where they really change, counting
// begins anew at zero, as when a process starts.
func (f *Figures) SetBounds(bounds []float64) {
	all := slices.Concat(standard, bounds)
	slices.Sort(all)
	all = slices.Compact(all)
	if old := f.now.Load(); old != nil && slices.Equal(old.bounds, all) {
		return
	}
	v := &vectors{
		bounds: all, registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plat_requests_total", Help: "Requests that plat's listeners passed on or answered; code_class is 2xx and so on, or none where no answer came.",
		}, []string{"service", "caller", "gateway", "route", "code_class", "synthetic"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plat_request_duration_seconds", Help: "How long they took, from the first byte of the request to the last of the answer.", Buckets: all,
		}, []string{"service", "caller", "gateway", "route", "synthetic"}),
	}
	v.registry.MustRegister(v.requests, v.duration)
	f.now.Store(v)
}

// Observe counts an exchange.
func (f *Figures) Observe(x Exchange) {
	v := f.now.Load()
	synthetic := strconv.FormatBool(x.Synthetic)
	v.requests.WithLabelValues(x.Service, x.Caller, x.Gateway, x.Route, class(x.Status), synthetic).Inc()
	took := v.duration.WithLabelValues(x.Service, x.Caller, x.Gateway, x.Route, synthetic)
	if with, ok := took.(prometheus.ExemplarObserver); ok && x.Trace != "" {
		with.ObserveWithExemplar(x.Duration.Seconds(), prometheus.Labels{"trace_id": x.Trace})
	} else {
		took.Observe(x.Duration.Seconds())
	}
}

func class(status int) string {
	if status < 100 || status > 599 {
		return "none"
	}
	return string(rune('0'+status/100)) + "xx"
}

// Gather reads the counts, as Prometheus's Gatherer does.
func (f *Figures) Gather() ([]*dto.MetricFamily, error) { return f.now.Load().registry.Gather() }
