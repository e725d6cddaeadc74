package control

import (
	"bytes"
	"context"
	"os"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/mail"
	"github.com/plat-dev/plat/objective"
	"github.com/plat-dev/plat/objective/webhook"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/telemetry/prom"
)

// openAlerts opens what tells owners of alerts; the rules that find them come
// with the plan.
func (p *plane) openAlerts(_ context.Context, run part, _ *closers) (err error) {
	sys := p.live()
	p.alerts, err = objective.OpenAlerts(objective.Options{
		Folder: p.folder.Path, System: sys.Name, Environment: sys.Environment, Console: func() string { return p.api },
	})
	if err != nil {
		return err
	}
	run("alerts", p.spared("alerts", p.alerts.Run))
	return nil
}

// takeAlerts is told by the rules' engine.
func (p *plane) takeAlerts(ctx context.Context, found []prom.Alert) {
	var all []objective.Alert
	for _, a := range found {
		if a.FiredAt.IsZero() {
			continue // it waits whether it lasts
		}
		all = append(all, objective.Alert{Labels: a.Labels, Annotations: a.Annotations, Value: a.Value, StartsAt: a.FiredAt, EndsAt: a.ResolvedAt})
	}
	p.alerts.Take(ctx, all)
}

// applyObjectives brings a plan to its rules, to the bounds of histograms, and
// to whom alerts are told.
func (p *plane) applyObjectives(ctx context.Context, sys *plan.System) {
	var groups []prom.RuleGroup
	for _, g := range objective.Rules(sys) {
		group := prom.RuleGroup{Name: g.Name, Interval: g.Interval}
		for _, r := range g.Rules {
			group.Rules = append(group.Rules, prom.Rule(r))
		}
		groups = append(groups, group)
	}
	if err := p.metrics.SetRules(groups); err != nil {
		p.log.ErrorContext(ctx, "the rules of the objectives are not evaluated", "error", err)
	}
	p.counted.SetBounds(objective.Buckets(sys))
	var receivers []objective.Receiver
	if owners := objective.NewOwners(sys, mailer{p.mail}); owners != nil {
		receivers = append(receivers, owners)
	}
	if sys.Alerts != nil {
		for _, hook := range sys.Alerts.Webhooks {
			token := ""
			if hook.Token != "" {
				if token = os.Getenv(hook.Token); token == "" {
					p.log.WarnContext(ctx, "alerts are posted without a token: the variable is not set", "url", hook.URL, "variable", hook.Token)
				}
			}
			receivers = append(receivers, webhook.New(hook.URL, token))
		}
	}
	p.alerts.Tell(receivers)
}

// mailer puts plat's own mails into the development mailbox.
type mailer struct{ box *mail.Box }

func (m mailer) SendMail(_ context.Context, from string, to []string, message []byte) error {
	_, err := m.box.Add(from, to, bytes.NewReader(message))
	return err
}

// watching tells how good the system is.
type watching struct{ p *plane }

// querier asks the metrics in objective's words.
type querier struct{ metrics *prom.Store }

func (q querier) Query(ctx context.Context, expr string, at time.Time) ([]objective.Sample, error) {
	series, err := q.metrics.Query(ctx, expr, at)
	if err != nil {
		return nil, err
	}
	var all []objective.Sample
	for _, s := range series {
		if n := len(s.Points); n > 0 {
			all = append(all, objective.Sample{Labels: s.Labels, Value: s.Points[n-1].Value})
		}
	}
	return all, nil
}

// Alerts tells what fires.
func (w watching) Alerts() api.Alerts {
	stats := w.p.alerts.Stats()
	out := api.Alerts{Alerts: []api.Alert{}, Deliveries: []api.Delivery{}, Dropped: stats.Dropped}
	for _, e := range w.p.alerts.List() {
		out.Alerts = append(out.Alerts, alertOf(e))
	}
	for _, d := range stats.Deliveries {
		to := api.Delivery{Receiver: d.Receiver, Delivered: d.Delivered, Failed: d.Failed, Error: d.Error}
		if !d.Last.IsZero() {
			to.Last = &d.Last
		}
		out.Deliveries = append(out.Deliveries, to)
	}
	return out
}

func alertOf(e objective.Entry) api.Alert {
	a := api.Alert{
		ID: e.ID, Name: e.Name(), State: "firing", Severity: e.Labels["severity"], Service: e.Labels["service"], Owner: e.Labels["owner"], Objective: e.Labels["objective"],
		Summary: e.Annotations["summary"], Description: e.Annotations["description"], Runbook: e.Annotations["runbook"], Query: e.Annotations["query"], Traces: e.Annotations["traces"],
		Since: e.StartsAt, Value: e.Value, Labels: e.Labels, Silences: e.Silences, ExplainedBy: e.Inhibitor,
	}
	for _, w := range e.Windows {
		to := api.AlertWindow{Over: w.Over, Severity: w.Severity, State: "firing", Value: w.Value, Description: w.Description, Since: w.StartsAt}
		switch {
		case !w.EndsAt.IsZero():
			to.State, to.Until = "ended", &w.EndsAt
		case w.Memory:
			to.State = "memory"
		}
		a.Windows = append(a.Windows, to)
	}
	switch {
	case !e.Firing():
		a.State, a.Until = "ended", &e.EndsAt
	case len(e.Silences) > 0:
		a.State = "silenced"
	case len(e.Inhibitor) > 0:
		a.State = "explained"
	}
	return a
}

// Objectives tells how each objective is kept.
func (w watching) Objectives(ctx context.Context) ([]api.Objective, error) {
	budgets, err := objective.Budgets(ctx, querier{w.p.metrics}, w.p.live(), time.Now())
	if err != nil {
		return nil, err
	}
	alerting := map[[2]string]bool{}
	for _, e := range w.p.alerts.List() {
		if e.Firing() {
			alerting[[2]string{e.Labels["service"], e.Labels["objective"]}] = true
		}
	}
	list := []api.Objective{}
	for _, b := range budgets {
		list = append(list, api.Objective{
			Service: b.Service, Owner: b.Owner, Name: b.Name, Kind: string(b.Kind), State: b.State(alerting[[2]string{b.Service, b.Name}]),
			Target: b.Target, Threshold: b.Threshold.Seconds(), Concurrent: b.Concurrent, Event: b.Event, Window: b.Known.Seconds(),
			Events: b.Events, Bad: b.Bad, Met: b.Met, Left: b.Left, Burn: b.Burn, BurnOver: b.BurnOver.Seconds(),
		})
	}
	return list, nil
}

// Silences lists what is kept silent.
func (w watching) Silences() []api.Silence {
	list := []api.Silence{}
	for _, s := range w.p.alerts.Silences() {
		list = append(list, silenceOf(s))
	}
	return list
}

func silenceOf(s objective.Silence) api.Silence {
	out := api.Silence{ID: s.ID, Matchers: []api.Matcher{}, By: s.By, Reason: s.Reason, Starts: s.Starts, Ends: s.Ends, Active: s.Active(time.Now())}
	for _, m := range s.Matchers {
		out.Matchers = append(out.Matchers, api.Matcher(m))
	}
	return out
}

// Silence makes a silence: of what is like an alert, or of what matches.
func (w watching) Silence(ask api.NewSilence) (api.Silence, error) {
	s := objective.Silence{By: ask.By, Reason: ask.Reason, Ends: ask.Ends}
	for _, m := range ask.Matchers {
		s.Matchers = append(s.Matchers, objective.Matcher(m))
	}
	if ask.Alert != "" {
		like, ok := w.p.alerts.Like(ask.Alert)
		if !ok {
			return api.Silence{}, fault.New(fault.NoSuchAlert, "there is no alert "+ask.Alert)
		}
		s.Matchers = append(s.Matchers, like...)
	}
	made, err := w.p.alerts.Silence(s)
	return silenceOf(made), err
}

// EndSilence ends a silence now.
func (w watching) EndSilence(id string) error { return w.p.alerts.EndSilence(id) }
