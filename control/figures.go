package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/process"
	"github.com/plat-dev/plat/telemetry/prom"
)

// figuresEvery is how often plat's own figures are kept: often enough that what
// breaks is on the wall within half a minute.
const figuresEvery = 5 * time.Second

// tellFigures keeps plat's own figures until ctx ends.
func (p *plane) tellFigures(ctx context.Context) error {
	tick := time.NewTicker(figuresEvery)
	defer tick.Stop()
	begun := beginnings{}
	for {
		if err := p.metrics.Append(ctx, begun.precede(p.sample(ctx, time.Now()))); err != nil && ctx.Err() == nil {
			p.log.DebugContext(ctx, "figures are not kept", "error", err) // counted there; disk-full says itself
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// beginnings are the counters that were told already. A counter that appears
// with a value began at zero: rate and increase would not see its first step
// otherwise, and the first failure of a service is the one that matters.
type beginnings map[string]bool

// precede puts a zero before each counter that appears.
func (b beginnings) precede(all []prom.Sample) []prom.Sample {
	var zeros []prom.Sample
	var key strings.Builder
	for _, x := range all {
		if x.Type == "gauge" {
			continue
		}
		key.Reset()
		key.WriteString(x.Name)
		for _, l := range x.Labels {
			key.WriteString("\x00" + l.Name + "\x00" + l.Value)
		}
		if b[key.String()] {
			continue
		}
		b[key.String()] = true
		x.Value, x.Time = 0, x.Time.Add(-figuresEvery)
		zeros = append(zeros, x)
	}
	return append(zeros, all...)
}

// samples gathers figures of one moment.
type samples struct {
	at  time.Time
	all []prom.Sample
}

func (s *samples) add(kind, name, help string, value float64, labels ...string) {
	x := prom.Sample{Name: name, Value: value, Time: s.at, Type: kind, Help: help}
	for i := 0; i+1 < len(labels); i += 2 {
		x.Labels = append(x.Labels, prom.Label{Name: labels[i], Value: labels[i+1]})
	}
	s.all = append(s.all, x)
}

// sample reads what plat knows.
func (p *plane) sample(ctx context.Context, at time.Time) []prom.Sample {
	s := &samples{at: at}
	if families, err := p.counted.Gather(); err == nil {
		s.all = prom.Samples(families, at)
	}
	if families, err := p.runs.Gather(); err == nil {
		s.all = append(s.all, prom.Samples(families, at)...)
	}
	p.sampleServices(s)
	p.sampleCalls(s)
	p.sampleCaches(s)
	p.sampleEvents(ctx, s)
	p.sampleTelemetry(s)
	if h, ok := process.HostUsage(); ok {
		s.add("counter", "plat_host_cpu_seconds_total", "Processor time that all of this machine used.", h.Busy.Seconds())
		s.add("gauge", "plat_host_cpu_cores", "Cores of this machine.", float64(h.Cores))
		s.add("gauge", "plat_host_memory_bytes", "Memory of this machine.", float64(h.Memory))
		s.add("gauge", "plat_host_memory_available_bytes", "Memory that programs could still have.", float64(h.Available))
	}
	for _, part := range p.Platform().Processes {
		s.add("counter", "plat_platform_cpu_seconds_total", "Processor time of plat's own processes.", part.CPU.Seconds(), "process", part.Name)
		s.add("gauge", "plat_platform_memory_bytes", "Resident memory of plat's own processes.", float64(part.Memory), "process", part.Name)
	}
	return s.all
}

func (p *plane) sampleServices(s *samples) {
	with := p.callers.InFlight()
	for _, st := range p.runner.Status() {
		states := map[runner.State]int{runner.Ready: 0, runner.Starting: 0, runner.Unready: 0, runner.Waiting: 0, runner.CrashLooping: 0}
		inFlight, restarts := 0, 0
		for _, in := range st.Instances {
			states[in.State]++
			inFlight += p.gateway.InFlight(in.ID) + with[in.ID]
			restarts += in.Restarts
			if in.PID == 0 {
				continue
			}
			u, ok := process.TreeUsage(in.PID)
			if !ok {
				continue // it has just ended, or the system does not tell
			}
			s.add("counter", "plat_process_cpu_seconds_total", "Processor time of an instance with all that it started.", u.CPU.Seconds(), "service", st.Service, "instance", in.ID)
			s.add("gauge", "plat_process_memory_bytes", "Resident memory of an instance with all that it started.", float64(u.Memory), "service", st.Service, "instance", in.ID)
		}
		for state, n := range states {
			s.add("gauge", "plat_instances", "Instances by state.", float64(n), "service", st.Service, "state", string(state))
		}
		s.add("gauge", "plat_instances_desired", "Instances that the plan, or who scaled it, wants.", float64(st.Desired), "service", st.Service)
		s.add("gauge", "plat_instances_override", "1 while somebody set that number by hand.", one(st.Scaled), "service", st.Service)
		s.add("counter", "plat_instance_restarts_total", "Restarts of the instances that are there.", float64(restarts), "service", st.Service)
		s.add("gauge", "plat_requests_in_flight", "Requests that wait for an answer now.", float64(inFlight), "service", st.Service)
	}
}

func (p *plane) sampleCalls(s *samples) {
	for _, c := range p.gateway.Calls("", p.standings("")...) {
		labels := []string{"caller", c.Caller, "service", c.Callee}
		if c.By != "" {
			labels = append(labels, "by", c.By)
		}
		s.figures(c.Figures, labels...)
	}
	dropped, refused := p.callers.Lost()
	for service, n := range dropped {
		s.add("counter", "plat_calls_untold_total", "Calls past plat's listeners that are in no figure, since their caller could not tell of them.", float64(n), "caller", service)
	}
	s.add("counter", "plat_calls_refused_total", "Calls past plat's listeners that were told and not believed.", float64(refused))
	for _, in := range p.gateway.Incoming("") {
		s.figures(in.Figures, "service", in.Service)
	}
}

func (s *samples) figures(all []gateway.CallFigure, labels ...string) {
	for _, f := range all {
		kind := "gauge"
		if f.Counter {
			kind = "counter"
		}
		s.add(kind, f.Name, f.Help, f.Value, slices.Concat(labels, f.Labels)...)
	}
}

func (p *plane) sampleEvents(ctx context.Context, s *samples) {
	ctx, cancel := context.WithTimeout(ctx, figuresEvery)
	defer cancel()
	report, err := p.events.Report(ctx)
	if err != nil {
		return // the broker is busy, or restarts: the next round tells
	}
	for _, c := range report.Consumers {
		if c.Orphan {
			continue
		}
		s.add("gauge", "plat_consumer_lag", "Events that were not delivered yet.", float64(c.Lag), "service", c.Service, "event", c.Event)
		wait := 0.0
		if !c.Oldest.IsZero() {
			wait = max(0, s.at.Sub(c.Oldest).Seconds())
		}
		s.add("gauge", "plat_consumer_oldest_seconds", "For how long the oldest event waits that is not handled; 0: none does.", wait, "service", c.Service, "event", c.Event)
		s.add("gauge", "plat_consumer_unacked", "Events that were delivered and are not handled yet.", float64(c.Unhandled), "service", c.Service, "event", c.Event)
		s.add("gauge", "plat_consumer_redelivered", "Events that wait for another delivery.", float64(c.Redelivered), "service", c.Service, "event", c.Event)
		s.add("gauge", "plat_dead_letters", "Dead letters that are kept.", float64(c.Dead), "service", c.Service, "event", c.Event)
	}
	for _, st := range report.Streams {
		s.add("gauge", "plat_stream_bytes", "Bytes of a stream of events on disk.", float64(st.Bytes), "service", st.Provider)
	}
}

func (p *plane) sampleTelemetry(s *samples) {
	rows, metrics := p.rows.Stats(), p.metrics.Stats()
	drop := func(kind, reason string, n uint64) {
		s.add("counter", "plat_telemetry_dropped_total", "Rows that were not kept.", float64(n), "kind", kind, "reason", reason)
	}
	drop("rows", "busy", rows.Busy)
	drop("rows", "lost", rows.Lost)
	drop("rows", "no-room", rows.Store.Dropped)
	s.add("gauge", "plat_telemetry_disk_full", "1 while rows are refused since the disk is full.", one(rows.Store.DiskFull))
	damaged := func(kind, reason string, n float64) {
		s.add("gauge", "plat_telemetry_damaged", "What of kept telemetry cannot be read any more, or was not kept: files, and 1 for a crash.", n, "kind", kind, "reason", reason)
	}
	damaged("spans and logs", "files are damaged", float64(rows.Store.Damaged))
	damaged("spans and logs", "the last run ended by a crash", one(rows.Store.Crashed(p.started, s.at)))
	damaged("metrics", "files are damaged", float64(metrics.Damaged))
	s.add("gauge", "plat_telemetry_rows", "Rows that can be asked for.", float64(rows.Store.Spans), "kind", "spans")
	s.add("gauge", "plat_telemetry_rows", "Rows that can be asked for.", float64(rows.Store.Logs), "kind", "logs")
	s.add("gauge", "plat_telemetry_bytes", "Bytes of rows on disk.", float64(rows.Store.Bytes+rows.Store.LogBytes))
	s.add("counter", "plat_telemetry_redacted_total", "Secrets that were taken out.", float64(rows.Redacted))
	if free, size, err := process.Disk(p.folder.Path); err == nil {
		s.add("gauge", "plat_disk_free_bytes", "Free space where the system's state is.", float64(free))
		s.add("gauge", "plat_disk_size_bytes", "Size of that disk.", float64(size))
	}
}

// one is a yes as a figure.
func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
