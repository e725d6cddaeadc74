package control

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/kit/direct"
)

// toldWithin is how late calls past plat's listeners are told: once a second,
// and what that takes.
const toldWithin = 2 * time.Second

// WatchCalls gives a program of a service whom it may call, and how.
func (p *plane) WatchCalls(ctx context.Context, service, instance, has string, most time.Duration) (direct.View, error) {
	return p.callers.Watch(ctx, service, instance, has, most)
}

// TellCalls takes what a program tells of the calls that it made by itself, and
// passes it on to all who hear of exchanges.
func (p *plane) TellCalls(service string, t direct.Telling) error {
	calls, err := p.callers.Tell(service, t)
	for _, c := range calls {
		x := gateway.Exchange{
			Start: c.Start, Duration: c.Duration, Call: gateway.Call{Caller: service}, Client: "127.0.0.1", Method: c.Method, Path: c.Path, Protocol: "HTTP/1.1",
			Service: c.Service, Upstream: c.Instance, Status: c.Status, BytesIn: c.BytesIn, BytesOut: c.BytesOut, Retries: c.Retries, CorrelationID: c.CorrelationID,
			Trace: gateway.Trace{ID: c.Trace, Span: c.Span, Parent: c.Parent, Sampled: c.Sampled},
		}
		if _, known := fault.Lookup(fault.Code(c.Code)); known {
			x.Code = fault.Code(c.Code)
		}
		if c.Error != "" {
			x.Err = errors.New(c.Error) //nolint:err113 // of another process
		}
		p.gateway.Tell(x)
	}
	return err
}

// standings are what programs that call by themselves tell of their policies.
func (p *plane) standings(service string) []gateway.Standing {
	var all []gateway.Standing
	for _, s := range p.callers.States(service) {
		all = append(all, gateway.Standing{Caller: s.Caller, Callee: s.Service, By: s.Instance, Guard: s.Guard, Ejection: s.Ejection, Ejected: s.Ejected, Degraded: s.Degraded, Last: s.Last})
	}
	return all
}

// switchWithin is how long services have to pass their calls by plat's
// listeners when these are to fail on purpose.
const switchWithin = 3 * time.Second

// atEdges lets all calls pass plat's listeners, or no longer. Who does not do so
// in time would be met by no fault, which is an error: nothing must count as
// shown that was not tried.
func (p *plane) atEdges(yes bool) error {
	p.callers.SetBroken(yes)
	if !yes {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), switchWithin)
	defer cancel()
	if late := p.callers.Settle(ctx); len(late) > 0 {
		p.callers.SetBroken(false)
		return fault.Newf(fault.ChaosNotSteady, "%s goes on calling others past plat's listeners", strings.Join(late, ", ")).
			Why("it did not take note within " + switchWithin.String()).Fix("look whether it runs: plat ps")
	}
	return nil
}

// between tells of a fault whether it is aimed at calls that services make past
// plat's listeners. Those of test customers are not: they pass them always.
func between(f gateway.Fault) bool {
	return f.Journey == "" && !f.Synthetic && f.Gateway == "" && f.Route == ""
}
