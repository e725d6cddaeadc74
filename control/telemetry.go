package control

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/figures"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
	"github.com/plat-dev/plat/telemetry/prom"
	"github.com/plat-dev/plat/telemetry/segment"
)

// Addresses where SDKs of OpenTelemetry send by themselves.
const (
	addressGRPC = "127.0.0.1:4317"
	addressHTTP = "127.0.0.1:4318"
)

// telling is what the running system tells of itself.
type telling struct {
	rows     *telemetry.Room
	stored   *segment.Store
	metrics  *prom.Store
	intake   *otlp.Receiver
	forwards otlp.Forwards
	counted  *figures.Figures
	otlpGRPC string // URL
	otlpHTTP string // URL
}

// openTelemetry opens what keeps spans, log records and metrics, and where
// they come in. What goes wrong with it later never ends plat: services matter
// more than what is told of them.
func (p *plane) openTelemetry(ctx context.Context, run part, open *closers) (err error) {
	kept := p.live().Telemetry
	t := &p.telling
	t.stored, err = segment.Open(ctx, segment.Options{
		Dir: filepath.Join(p.folder.Path, "telemetry"), Log: p.log, Keep: kept.Keep.Std(), Size: int64(kept.Size),
	})
	if err != nil {
		return err
	}
	open.add(t.stored.Close)
	t.metrics, err = prom.Open(ctx, prom.Options{
		Dir: filepath.Join(p.folder.Path, "metrics"), Log: p.log, Keep: kept.KeepMetrics.Std(), Size: int64(kept.Size),
		Version: p.o.Version, SelfEvery: figuresEvery, Notify: p.takeAlerts,
	})
	if err != nil {
		return err
	}
	open.add(t.metrics.Close)
	if err := p.setForwards(kept); err != nil {
		return err
	}
	t.rows = telemetry.New(telemetry.Options{Store: t.stored, Log: p.log, Forward: t.forwards.Take})
	t.intake = otlp.New(otlp.Options{Rows: t.rows, Metrics: p, Log: p.log})
	t.counted = figures.New(nil)
	p.runs = figures.NewJourneys()
	for name, f := range map[string]func(context.Context) error{
		"telemetry": t.rows.Run, "telemetry store": t.stored.Run, "metrics": t.metrics.Run, "forwards": t.forwards.Run,
	} {
		run(name, p.spared(name, f))
	}
	return p.listenOTLP(run)
}

// spared runs a part whose end does not end plat.
func (p *plane) spared(name string, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "a part of telemetry ended", "part", name, "error", err)
		}
		return nil
	}
}

// listenOTLP opens the addresses of OTLP: the standard's own, or free ones.
func (p *plane) listenOTLP(run part) error {
	for _, wire := range []struct {
		name, address string
		serve         func(context.Context, net.Listener) error
		url           *string
	}{
		{"OTLP by gRPC", addressGRPC, p.intake.ServeGRPC, &p.otlpGRPC},
		{"OTLP by HTTP", addressHTTP, p.intake.ServeHTTP, &p.otlpHTTP},
	} {
		l, err := listen(wire.name, "", wire.address)
		if err != nil {
			return err
		}
		*wire.url = "http://" + l.Addr().String()
		run(wire.name, p.spared(wire.name, func(ctx context.Context) error { return wire.serve(ctx, l) }))
	}
	return nil
}

// setForwards says where telemetry goes besides.
func (p *plane) setForwards(kept plan.Telemetry) error {
	var list []otlp.ForwardOptions
	for _, to := range kept.Forward {
		o := otlp.ForwardOptions{URL: to.URL, Protocol: otlp.ProtocolHTTP, Log: p.log}
		if to.Protocol == "grpc" {
			o.Protocol = otlp.ProtocolGRPC
		}
		if to.Token != "" {
			token := os.Getenv(to.Token)
			if token == "" {
				p.log.Warn("telemetry is forwarded without a token: the variable is not set", "url", to.URL, "variable", to.Token)
			}
			o.Headers = map[string]string{"Authorization": "Bearer " + token}
		}
		list = append(list, o)
	}
	if err := p.forwards.Set(list); err != nil {
		return fault.New(fault.PlanBadURL, "telemetry cannot be forwarded").Why(err.Error()).Because(err)
	}
	return nil
}

// TakeOTLP keeps metrics that came by OTLP, and passes them on.
func (p *plane) TakeOTLP(ctx context.Context, request []byte) (rejected int64, message string, err error) {
	rejected, message, err = p.metrics.TakeOTLP(ctx, request)
	if err == nil {
		p.forwards.TakeMetrics(request)
	}
	return rejected, message, err
}

// scrapeAll keeps the instances of the plan's services as targets: whoever
// exposes /metrics is asked for them.
func (p *plane) scrapeAll(ctx context.Context) error {
	watch := p.registry.Watch(ctx, "")
	for {
		var targets []prom.Target
		for _, svc := range p.live().Services {
			if !svc.Listens {
				continue
			}
			instances, _ := p.registry.Instances(svc.Name)
			for _, in := range instances {
				targets = append(targets, prom.Target{Job: svc.Name, Instance: in.ID, Address: in.Addr, Labels: []prom.Label{{Name: "version", Value: in.Version}}})
			}
		}
		if err := p.metrics.SetTargets(targets); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "not all instances are asked for their metrics", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-watch:
		}
	}
}

// applyTelemetry brings a plan to what is told: what is secret, how long it is
// kept, and where it goes besides.
func (p *plane) applyTelemetry(sys *plan.System) error {
	kept := sys.Telemetry
	p.stored.SetLimits(kept.Keep.Std(), int64(kept.Size))
	if err := errors.Join(p.metrics.SetLimits(kept.KeepMetrics.Std(), int64(kept.Size)), p.setForwards(kept)); err != nil {
		return err
	}
	rules := telemetry.Rules{Names: sys.Telemetry.Names}
	for _, pattern := range sys.Telemetry.Patterns {
		if re, err := regexp.Compile(pattern); err == nil { // the plan's check let none through that does not
			rules.Patterns = append(rules.Patterns, re)
		}
	}
	p.rows.SetRules(rules)
	p.launcher.SetSecrets(sys.Telemetry.Names, sys.Telemetry.Patterns)
	return nil
}

// reach is how far back questions go that name no time.
func (p *plane) reach() (from, to time.Time) {
	now := time.Now()
	return now.Add(-p.live().Telemetry.Keep.Std()), now.Add(time.Hour)
}
