package prom

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"

	"github.com/plat-dev/plat/fault"
)

// RuleGroup is rules that are evaluated one after another.
type RuleGroup struct {
	Name     string
	Interval time.Duration // default one minute
	Limit    int           // how many alerts or series a rule of it may make; 0: any number
	Rules    []Rule
}

// Rule records what an expression gives under a name, or watches for what it
// gives: either Record or Alert is set.
type Rule struct {
	Record        string
	Alert         string
	Expr          string
	For           time.Duration // how long before it fires
	KeepFiringFor time.Duration // how long after its end it still fires
	Labels        map[string]string
	Annotations   map[string]string // may have templates, as in Prometheus
}

// Alert is one that fires, or that fired and has ended.
type Alert struct {
	Labels      map[string]string // alertname is its rule's name
	Annotations map[string]string
	State       string // pending, firing, inactive
	Value       float64
	Expr        string
	ActiveAt    time.Time // since when its expression holds
	FiredAt     time.Time // zero: it never did
	ResolvedAt  time.Time // zero: it has not ended
	ValidUntil  time.Time // when it counts as ended unless it is told again
}

// rulesFile stands for the file of rules that Prometheus would have.
const rulesFile = "plat"

// ruler evaluates rules.
type ruler struct {
	store   *Store
	manager *rules.Manager
	end     context.CancelFunc
	wg      sync.WaitGroup

	mu      sync.Mutex
	groups  []RuleGroup
	started bool
	stopped bool
}

func newRuler(s *Store, query rules.QueryFunc) *ruler {
	r := &ruler{store: s}
	ctx, end := context.WithCancel(context.Background())
	r.end = end
	console, err := url.Parse(s.opts.URL)
	if err != nil {
		console = &url.URL{}
	}
	r.manager = rules.NewManager(&rules.ManagerOptions{
		ExternalURL:          console,
		QueryFunc:            query,
		NotifyFunc:           r.notify,
		Context:              ctx,
		Appendable:           r,
		Queryable:            s,
		Logger:               s.log,
		Registerer:           s.figures,
		OutageTolerance:      time.Hour,
		ForGracePeriod:       15 * time.Second,
		ResendDelay:          time.Minute,
		GroupLoader:          r,
		RestoreNewRuleGroups: true,
		Parser:               s.parser,
	})
	return r
}

// SetRules makes these the rules, from now on. A group that is as it was goes
// on undisturbed, and what alerts of a changed group hold is kept as far as
// their rules are still there. It fails with fault.TelemetryBadQuery, and
// changes nothing, when a rule cannot be understood.
func (s *Store) SetRules(groups []RuleGroup) error {
	return s.rules.set(groups)
}

// Alerts lists the alerts that are pending or fire now.
func (s *Store) Alerts() []Alert {
	all := []Alert{}
	for _, rule := range s.rules.manager.AlertingRules() {
		for _, a := range rule.ActiveAlerts() {
			all = append(all, alertOf(a, rule.Query().String()))
		}
	}
	return all
}

func (r *ruler) set(groups []RuleGroup) error {
	if err := r.check(groups); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return ErrClosed
	}
	before := r.groups
	r.groups = slices.Clone(groups)
	if !r.started {
		return nil // run takes them
	}
	if err := r.update(); err != nil {
		r.groups = before
		return err
	}
	return nil
}

func (r *ruler) update() error {
	if err := r.manager.Update(time.Minute, []string{rulesFile}, labels.EmptyLabels(), r.store.opts.URL, nil); err != nil {
		return fault.New(fault.TelemetryBadQuery, "the rules cannot be taken").Why(err.Error()).Because(err)
	}
	return nil
}

// check finds what is wrong with rules, all of it at once.
func (r *ruler) check(groups []RuleGroup) error {
	var wrong []error
	names := make(map[string]bool)
	for _, g := range groups {
		if g.Name == "" || names[g.Name] {
			wrong = append(wrong, fault.Newf(fault.TelemetryBadQuery, "the name %q of a group of rules", g.Name).Why("expected one that no other has"))
		}
		names[g.Name] = true
		for _, rule := range g.Rules {
			if err := r.checkRule(rule); err != nil {
				wrong = append(wrong, fault.Newf(fault.TelemetryBadQuery, "rule %q of group %q", cmp.Or(rule.Alert, rule.Record), g.Name).Why(err.Error()))
			}
		}
	}
	return errors.Join(wrong...)
}

func (r *ruler) checkRule(rule Rule) error {
	w := rule.wire()
	var all []error
	for _, wrong := range w.Validate(rulefmt.RuleNode{}, model.UTF8Validation, r.store.parser) {
		all = append(all, wrong.Unwrap())
	}
	return errors.Join(all...)
}

func (x Rule) wire() rulefmt.Rule {
	return rulefmt.Rule{
		Record: x.Record, Alert: x.Alert, Expr: x.Expr,
		For: model.Duration(x.For), KeepFiringFor: model.Duration(x.KeepFiringFor),
		Labels: x.Labels, Annotations: x.Annotations,
	}
}

// Load gives the groups as if they stood in a file: the manager asks for them.
func (r *ruler) Load(string, bool, model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	all := &rulefmt.RuleGroups{}
	for _, g := range r.groups {
		to := rulefmt.RuleGroup{Name: g.Name, Interval: model.Duration(g.Interval), Limit: g.Limit}
		for _, x := range g.Rules {
			to.Rules = append(to.Rules, x.wire())
		}
		all.Groups = append(all.Groups, to)
	}
	return all, nil
}

// Parse reads an expression: the manager asks for it.
func (r *ruler) Parse(query string) (parser.Expr, error) { return r.store.parser.ParseExpr(query) }

// Appender takes what rules give. While the disk is full, it refuses.
func (r *ruler) Appender(ctx context.Context) storage.Appender {
	a := r.store.db.Appender(ctx)
	if err := r.store.diskFull(0); err != nil {
		return refusing{a, r.store, err}
	}
	return a
}

// refusing refuses samples.
type refusing struct {
	storage.Appender
	s   *Store
	err error
}

// Append refuses.
func (a refusing) Append(storage.SeriesRef, labels.Labels, int64, float64) (storage.SeriesRef, error) {
	a.s.refused.disk.Add(1)
	return 0, a.err
}

// AppendHistogram refuses.
func (a refusing) AppendHistogram(storage.SeriesRef, labels.Labels, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	a.s.refused.disk.Add(1)
	return 0, a.err
}

func (r *ruler) notify(ctx context.Context, expr string, alerts ...*rules.Alert) {
	if r.store.opts.Notify == nil || len(alerts) == 0 {
		return
	}
	all := make([]Alert, len(alerts))
	for i, a := range alerts {
		all[i] = alertOf(a, expr)
	}
	r.store.opts.Notify(ctx, all)
}

func alertOf(a *rules.Alert, expr string) Alert {
	return Alert{
		Labels: a.Labels.Map(), Annotations: a.Annotations.Map(), State: a.State.String(), Value: a.Value, Expr: expr,
		ActiveAt: a.ActiveAt, FiredAt: a.FiredAt, ResolvedAt: a.ResolvedAt, ValidUntil: a.ValidUntil,
	}
}

// run evaluates until ctx ends.
func (r *ruler) run(ctx context.Context) {
	r.start()
	<-ctx.Done()
	r.stop()
}

func (r *ruler) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started || r.stopped {
		return
	}
	r.started = true
	r.wg.Go(r.manager.Run)
	if err := r.update(); err != nil {
		r.store.opts.Log.Error("metrics: rules", "err", err)
	}
}

// stop ends evaluation for good.
func (r *ruler) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	r.stopped = true
	r.end()
	if r.started {
		r.manager.Stop()
		r.wg.Wait()
	}
}
