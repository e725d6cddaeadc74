package prom

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
)

// wireAlert is an alert as the API has it.
type wireAlert struct {
	Labels          labels.Labels `json:"labels"`
	Annotations     labels.Labels `json:"annotations"`
	State           string        `json:"state"`
	ActiveAt        *time.Time    `json:"activeAt,omitempty"`
	KeepFiringSince *time.Time    `json:"keepFiringSince,omitempty"`
	Value           string        `json:"value"`
}

func wireAlerts(from []*rules.Alert) []wireAlert {
	to := make([]wireAlert, len(from))
	for i, a := range from {
		to[i] = wireAlert{a.Labels, a.Annotations, a.State.String(), &a.ActiveAt, nil, strconv.FormatFloat(a.Value, 'e', -1, 64)}
		if !a.KeepFiringSince.IsZero() {
			to[i].KeepFiringSince = &a.KeepFiringSince
		}
	}
	return to
}

func (s *Store) askAlerts(*http.Request) (answer, error) {
	all := []wireAlert{}
	for _, rule := range s.rules.manager.AlertingRules() {
		all = append(all, wireAlerts(rule.ActiveAlerts())...)
	}
	return answer{data: map[string]any{"alerts": all}}, nil
}

// wireGroup is a group of rules as the API has it.
type wireGroup struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []any     `json:"rules"`
	Interval       float64   `json:"interval"`
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"`
	LastEvaluation time.Time `json:"lastEvaluation"`
}

// wireRule is what rules of both kinds have.
type wireRule struct {
	Name           string           `json:"name"`
	Query          string           `json:"query"`
	Labels         labels.Labels    `json:"labels"`
	Health         rules.RuleHealth `json:"health"`
	LastError      string           `json:"lastError,omitempty"`
	EvaluationTime float64          `json:"evaluationTime"`
	LastEvaluation time.Time        `json:"lastEvaluation"`
	Type           string           `json:"type"`
}

// wireAlerting is a rule that makes alerts.
type wireAlerting struct {
	wireRule
	State         string        `json:"state"`
	Duration      float64       `json:"duration"`
	KeepFiringFor float64       `json:"keepFiringFor"`
	Annotations   labels.Labels `json:"annotations"`
	Alerts        []wireAlert   `json:"alerts"`
}

// rulesAsked are the parameters of the question for rules.
type rulesAsked struct {
	names, groups, files []string
	sets                 [][]*labels.Matcher
	kind                 string // "", alert, record
	withoutAlerts        bool
	most                 int    // groups in one answer; 0: all
	from                 string // the token of the first group
}

func (s *Store) rulesAsked(r *http.Request) (q rulesAsked, err error) {
	q.names, q.groups, q.files = r.Form["rule_name[]"], r.Form["rule_group[]"], r.Form["file[]"]
	if q.sets, err = s.matchers(r); err != nil {
		return q, err
	}
	if q.kind = strings.ToLower(r.Form.Get("type")); q.kind != "" && q.kind != "alert" && q.kind != "record" {
		return q, badParam("type", fmt.Errorf("not supported value %q", q.kind))
	}
	if text := r.Form.Get("exclude_alerts"); text != "" {
		if q.withoutAlerts, err = strconv.ParseBool(strings.ToLower(text)); err != nil {
			return q, badParam("exclude_alerts", fmt.Errorf("error converting exclude_alerts: %w", err))
		}
	}
	q.from = r.Form.Get("group_next_token")
	text := r.Form.Get("group_limit")
	if text == "" {
		if q.from != "" {
			return q, badParam("group_next_token", errors.New("group_limit needs to be present in order to paginate over the groups"))
		}
		return q, nil
	}
	if q.most, err = strconv.Atoi(text); err != nil {
		return q, badParam("group_limit", fmt.Errorf("group_limit needs to be a valid number: %w", err))
	}
	if q.most <= 0 {
		return q, badParam("group_limit", errors.New("group_limit needs to be greater than 0"))
	}
	return q, nil
}

func (s *Store) askRules(r *http.Request) (answer, error) {
	q, err := s.rulesAsked(r)
	if err != nil {
		return answer{}, err
	}
	found := []wireGroup{}
	next := ""
	begun := q.from == ""
	for _, g := range s.rules.manager.RuleGroups() {
		begun = begun || q.from == token(g)
		if !begun || !among(q.groups, g.Name()) || !among(q.files, g.File()) {
			continue
		}
		w := wireGroup{g.Name(), g.File(), []any{}, g.Interval().Seconds(), g.Limit(), g.GetEvaluationTime().Seconds(), g.GetLastEvaluation()}
		for _, rule := range g.Rules(q.sets...) {
			if x := q.wire(rule); x != nil && among(q.names, rule.Name()) {
				w.Rules = append(w.Rules, x)
			}
		}
		if len(w.Rules) == 0 {
			continue // as Prometheus leaves out groups of which nothing was asked
		}
		if q.most > 0 && len(found) == q.most {
			next = token(g)
			break
		}
		found = append(found, w)
	}
	if !begun {
		return answer{}, badParam("group_next_token", fmt.Errorf("invalid group_next_token '%v'. were rule groups changed?", q.from))
	}
	data := map[string]any{"groups": found}
	if next != "" {
		data["groupNextToken"] = next
	}
	return answer{data: data}, nil
}

// among holds for everything where nothing is named.
func among(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

func token(g *rules.Group) string {
	sum := sha256.Sum256([]byte(g.File() + ";" + g.Name()))
	return hex.EncodeToString(sum[:])
}

func (q rulesAsked) wire(rule rules.Rule) any {
	w := wireRule{
		Name: rule.Name(), Query: rule.Query().String(), Labels: rule.Labels(), Health: rule.Health(),
		EvaluationTime: rule.GetEvaluationDuration().Seconds(), LastEvaluation: rule.GetEvaluationTimestamp(), Type: "recording",
	}
	if err := rule.LastError(); err != nil {
		w.LastError = err.Error()
	}
	a, alerting := rule.(*rules.AlertingRule)
	if !alerting {
		if q.kind == "alert" {
			return nil
		}
		return w
	}
	if q.kind == "record" {
		return nil
	}
	w.Type = "alerting"
	x := wireAlerting{w, a.State().String(), a.HoldDuration().Seconds(), a.KeepFiringFor().Seconds(), a.Annotations(), nil}
	if !q.withoutAlerts {
		x.Alerts = wireAlerts(a.ActiveAlerts())
	}
	return x
}
