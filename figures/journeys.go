package figures

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Journeys counts the runs of test customers' journeys. It is safe for
// concurrent use.
type Journeys struct {
	registry *prometheus.Registry
	success  *prometheus.GaugeVec
	last     *prometheus.GaugeVec
	runs     *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// Journey is one run.
type Journey struct {
	Name     string
	Owner    string
	Passed   bool
	Duration time.Duration
	End      time.Time
}

// NewJourneys counts from zero.
func NewJourneys() *Journeys {
	j := &Journeys{
		registry: prometheus.NewRegistry(),
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plat_probe_success", Help: "1 where the journey's last run passed, else 0.",
		}, []string{"journey", "owner"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plat_probe_last_run_timestamp_seconds", Help: "When the journey's last run ended.",
		}, []string{"journey", "owner"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plat_probe_runs_total", Help: "Runs of the journey; result is passed or failed.",
		}, []string{"journey", "owner", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plat_probe_duration_seconds", Help: "How long a run took that passed.", Buckets: standard,
		}, []string{"journey", "owner"}),
	}
	j.registry.MustRegister(j.success, j.last, j.runs, j.duration)
	return j
}

// Observe counts a run.
func (j *Journeys) Observe(r Journey) {
	result, success := "failed", 0.0
	if r.Passed {
		result, success = "passed", 1
		j.duration.WithLabelValues(r.Name, r.Owner).Observe(r.Duration.Seconds())
	}
	j.success.WithLabelValues(r.Name, r.Owner).Set(success)
	j.last.WithLabelValues(r.Name, r.Owner).Set(float64(r.End.UnixMilli()) / 1000)
	j.runs.WithLabelValues(r.Name, r.Owner, result).Inc()
}

// Forget leaves a journey out that the plan has no more: its last result would
// be told for ever.
func (j *Journeys) Forget(name string) {
	labels := prometheus.Labels{"journey": name}
	j.success.DeletePartialMatch(labels)
	j.last.DeletePartialMatch(labels)
	j.runs.DeletePartialMatch(labels)
	j.duration.DeletePartialMatch(labels)
}

// Gather reads the counts, as Prometheus's Gatherer does.
func (j *Journeys) Gather() ([]*dto.MetricFamily, error) { return j.registry.Gather() }
