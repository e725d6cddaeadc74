package control

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/chaos"
	"github.com/plat-dev/plat/event/cloudevents"
	"github.com/plat-dev/plat/figures"
	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/telemetry"
)

// eventScope is the scope of the spans that plat makes for events.
const eventScope = "plat/event"

// observe tells of an exchange: its figures, and its span, which stands for a
// program that makes none itself. It is of the service that was asked, as the
// others saw it.
func (p *plane) observe(x *gateway.Exchange) {
	service := x.Service
	if service == "" {
		service = x.Gateway // nobody was found
	}
	if service == "" {
		return
	}
	kept := ""
	if x.Trace.Sampled {
		kept = x.Trace.ID
	}
	if x.Service != "" && x.Caller != platCaller && !chaos.Own(x.Synthetic) { // what fails on purpose is no alert
		p.counted.Observe(figures.Exchange{
			Service: x.Service, Caller: x.Caller, Gateway: x.Gateway, Route: x.Route, Status: x.Status, Duration: x.Duration, Synthetic: x.Synthetic != "", Trace: kept,
		})
	}
	trace, err := telemetry.ParseTraceID(x.Trace.ID)
	if err != nil || !x.Trace.Sampled {
		return
	}
	span, err := telemetry.ParseSpanID(x.Trace.Span)
	if err != nil {
		return
	}
	parent, _ := telemetry.ParseSpanID(x.Trace.Parent) // none is zero
	s := telemetry.Span{
		Resource: &telemetry.Resource{Service: service, Instance: x.Upstream}, Scope: telemetry.ScopeListener,
		TraceID: trace, ID: span, Parent: parent, Start: x.Start.UnixNano(), Duration: int64(x.Duration),
		Name: x.Method, Kind: telemetry.KindServer, CorrelationID: x.CorrelationID, Attributes: attributes(x),
	}
	if x.Route != "" {
		s.Name += " " + x.Route
	} else if x.Caller != "" {
		s.Name += " " + x.Service
	}
	if x.Status == 0 || x.Status >= 500 {
		s.Status, s.StatusMessage = telemetry.StatusError, string(x.Code)
		if x.Err != nil {
			s.StatusMessage = x.Err.Error()
		}
	}
	p.rows.OfferSpan(s)
}

// observeEvent keeps a span that plat makes for who publishes or receives an
// event; its words are those of the kit.
func (p *plane) observeEvent(x cloudevents.Span) {
	trace, wrong := telemetry.ParseTraceID(x.Trace)
	span, wrongSpan := telemetry.ParseSpanID(x.ID)
	if wrong != nil || wrongSpan != nil {
		return
	}
	s := telemetry.Span{
		Resource: &telemetry.Resource{Service: x.Service}, Scope: eventScope, TraceID: trace, ID: span, Start: x.Start.UnixNano(), Duration: int64(x.Duration),
		Name: "receive " + x.Event.Type, Kind: telemetry.KindConsumer, CorrelationID: x.CorrelationID,
		Attributes: []telemetry.Attribute{{Key: "messaging.system", Value: "nats"}, {Key: "messaging.destination.name", Value: "event." + x.Event.Type}, {Key: "messaging.message.id", Value: x.Event.ID}},
	}
	if x.Producer {
		s.Name, s.Kind = "publish "+x.Event.Type, telemetry.KindProducer
	}
	s.Parent, _ = telemetry.ParseSpanID(x.Parent) // none is zero
	if to, err := telemetry.ParseTraceID(x.LinkTrace); err == nil {
		id, _ := telemetry.ParseSpanID(x.LinkID)
		s.Links = []telemetry.Link{{TraceID: to, SpanID: id}}
	}
	if x.Err != nil {
		s.Status, s.StatusMessage = telemetry.StatusError, x.Err.Error()
	}
	p.rows.OfferSpan(s)
}

// attributes are those that OpenTelemetry's conventions for HTTP name, and
// plat's own.
func attributes(x *gateway.Exchange) []telemetry.Attribute {
	list := make([]telemetry.Attribute, 0, 12)
	text := func(key, value string) {
		if value != "" {
			list = append(list, telemetry.Attribute{Key: key, Value: strings.Clone(value[:min(len(value), 1024)])})
		}
	}
	number := func(key string, n int64) {
		list = append(list, telemetry.Attribute{Key: key, Value: strconv.FormatInt(n, 10), Kind: telemetry.Int})
	}
	text("http.request.method", x.Method)
	text("http.route", x.Route)
	text("url.path", x.Path)
	number("http.response.status_code", int64(x.Status))
	text("plat.caller", x.Caller)
	text("plat.gateway", x.Gateway)
	text("plat.test.journey", x.Synthetic)
	text("plat.fault", x.Fault)
	text("plat.code", string(x.Code))
	if x.Retries > 0 {
		number("http.request.resend_count", int64(x.Retries))
	}
	if x.BytesIn > 0 {
		number("http.request.body.size", x.BytesIn)
	}
	if x.BytesOut > 0 {
		number("http.response.body.size", x.BytesOut)
	}
	if x.Caller != "" && !x.Declared {
		list = append(list, telemetry.Attribute{Key: "plat.undeclared", Value: "true", Kind: telemetry.Bool})
	}
	return list
}

// Times around the output that is told.
const (
	outputAgain   = time.Second // after the log files could not be read
	outputOverlap = time.Minute // of files that are read again after a start
)

// tellOutput makes records of the lines that the services write, from the last
// one on that is kept already.
func (p *plane) tellOutput(ctx context.Context) error {
	told, err := p.toldOutput(ctx)
	if err != nil {
		return err
	}
	resources := map[string]*telemetry.Resource{} // by instance
	for ctx.Err() == nil {
		since := told.Begin(p.started, outputOverlap)
		err := runner.ReadLogs(ctx, filepath.Join(p.folder.Path, "logs"), runner.LogQuery{Since: since, Follow: true}, func(l runner.Line) error {
			if told.New(l.Service, l.Time) {
				p.rows.OfferLog(telemetry.LogOf(p.resource(resources, l), l.Time, l.Stream, l.Text))
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "the services' output cannot be read", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(outputAgain):
			}
		}
	}
	return nil
}

// resource is who wrote a line; one for each instance and version, so that
// rows share it.
func (p *plane) resource(known map[string]*telemetry.Resource, l runner.Line) *telemetry.Resource {
	version := ""
	if in, ok := p.registry.Instance(l.Instance); ok {
		version = in.Version
	}
	key := l.Service + " " + l.Instance + " " + version
	res := known[key]
	if res == nil {
		if len(known) > 1000 { // versions of a long day
			clear(known)
		}
		res = &telemetry.Resource{Service: l.Service, Instance: strings.TrimPrefix(l.Instance, "-"), Version: version}
		known[key] = res
	}
	return res
}

// toldOutput tells which lines of output are kept already.
func (p *plane) toldOutput(ctx context.Context) (*telemetry.Resume, error) {
	told := &telemetry.Resume{}
	whole := map[string]bool{} // services whose last lines are found
	_, to := p.reach()
	wanted := len(p.live().Services)
	err := p.stored.Logs(ctx, telemetry.LogQuery{From: p.started.Add(-time.Hour), To: to}, func(l *telemetry.Log) error {
		if l.Stream == "" || told.Stored(l.Resource.Service, time.Unix(0, l.Time)) {
			return nil
		}
		if whole[l.Resource.Service] = true; len(whole) == wanted {
			return telemetry.ErrEnough
		}
		return nil
	})
	if errors.Is(err, telemetry.ErrEnough) {
		err = nil
	}
	return told, err
}
