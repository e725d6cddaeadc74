package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Alerts is what fires: GET /v1/alerts.
type Alerts struct {
	Alerts     []Alert    `json:"alerts" doc:"pages before tickets, the newest first; those that ended within a quarter of an hour last"`
	Deliveries []Delivery `json:"deliveries" doc:"whom plat tells, and how that went"`
	Dropped    uint64     `json:"dropped,omitempty" doc:"alerts that were not kept, beyond ten thousand"`
}

// Alert is something that somebody should look at.
type Alert struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	State       string            `json:"state" enum:"firing,silenced,explained,ended" doc:"explained: another alert tells why; nobody is told of silenced and explained ones"`
	Severity    string            `json:"severity" doc:"page or ticket"`
	Service     string            `json:"service,omitempty"`
	Owner       string            `json:"owner,omitempty"`
	Objective   string            `json:"objective,omitempty"`
	Summary     string            `json:"summary"`
	Description string            `json:"description,omitempty"`
	Runbook     string            `json:"runbook,omitempty" doc:"an address or a file of the repository, where the plan has one; else a command of plat"`
	Query       string            `json:"query,omitempty" doc:"PromQL that shows it"`
	Traces      string            `json:"traces,omitempty" doc:"path in the console to example traces"`
	Since       time.Time         `json:"since"`
	Until       *time.Time        `json:"until,omitempty" doc:"when it ended"`
	Value       float64           `json:"value"`
	Labels      map[string]string `json:"labels"`
	Windows     []AlertWindow     `json:"windows,omitempty" doc:"what shows it, the shortest first: an objective has one alert, over whatever windows it is seen"`
	Silences    []string          `json:"silences,omitempty" doc:"IDs of the silences that it matches"`
	ExplainedBy []string          `json:"explainedBy,omitempty" doc:"IDs of the alerts that tell why"`
}

// AlertWindow is one window in which an objective's budget burns too fast.
type AlertWindow struct {
	Over        string     `json:"over" doc:"1m, 1h: how much of the past it looks at"`
	Severity    string     `json:"severity" doc:"page or ticket"`
	State       string     `json:"state" enum:"firing,memory,ended" doc:"memory: it still holds what is over, and counts no more"`
	Value       float64    `json:"value" doc:"share that was bad"`
	Description string     `json:"description,omitempty"`
	Since       time.Time  `json:"since"`
	Until       *time.Time `json:"until,omitempty"`
}

// Delivery tells how telling one receiver went since plat started.
type Delivery struct {
	Receiver  string     `json:"receiver"`
	Delivered uint64     `json:"delivered"`
	Failed    uint64     `json:"failed" doc:"given up after every attempt"`
	Error     string     `json:"error,omitempty" doc:"of the last delivery"`
	Last      *time.Time `json:"last,omitempty"`
}

// Objectives is how good the system is: GET /v1/objectives.
type Objectives struct {
	Objectives []Objective `json:"objectives"`
}

// Objective is one promise of a service, and how it is kept.
type Objective struct {
	Service    string  `json:"service"`
	Owner      string  `json:"owner"`
	Name       string  `json:"name" doc:"availability, latency-p95, fresh-order.placed"`
	Kind       string  `json:"kind" enum:"availability,latency,freshness"`
	State      string  `json:"state" enum:"kept,burning,alerting,spent,unknown" doc:"burning: an alert fires and the budget goes too fast; alerting: it fires, and the budget goes slowly again; spent: no error budget is left; unknown: nothing was counted"`
	Target     float64 `json:"target" doc:"share that must be good, 0 to 1"`
	Threshold  float64 `json:"threshold,omitempty" doc:"seconds"`
	Concurrent int     `json:"concurrent,omitempty" doc:"counts while at most so many requests are in flight"`
	Event      string  `json:"event,omitempty"`
	Window     float64 `json:"window" doc:"seconds that were counted: four weeks, less where the system is younger"`
	Events     float64 `json:"events" doc:"requests, or looks at the oldest event"`
	Bad        float64 `json:"bad"`
	Met        float64 `json:"met" doc:"share that was good"`
	Left       float64 `json:"left" doc:"of the error budget: 1 is all, 0 none, below 0 it is overspent"`
	Burn       float64 `json:"burn" doc:"how many times too fast the budget goes now; 1 lasts exactly"`
	BurnOver   float64 `json:"burnOver" doc:"seconds that now is"`
}

// Silences lists what is kept silent: GET /v1/silences.
type Silences struct {
	Silences []Silence `json:"silences" doc:"what ends first first; with those that ended within a day"`
}

// Silence keeps plat from telling of the alerts that all its matchers match.
type Silence struct {
	ID       string    `json:"id"`
	Matchers []Matcher `json:"matchers"`
	By       string    `json:"by"`
	Reason   string    `json:"reason"`
	Starts   time.Time `json:"starts"`
	Ends     time.Time `json:"ends"`
	Active   bool      `json:"active"`
}

// Matcher is a condition on a label of an alert.
type Matcher struct {
	Label string `json:"label" maxLength:"200"`
	Value string `json:"value" maxLength:"1000"`
	Regex bool   `json:"regex,omitempty" doc:"value is a pattern for the whole of it (RE2)"`
	Not   bool   `json:"not,omitempty"`
}

// NewSilence asks for a silence: of the alerts that are like one, or that
// match. POST /v1/silences.
type NewSilence struct {
	Alert    string    `json:"alert,omitempty" maxLength:"64" doc:"ID of an alert: those of its name, service and objective are silenced, whatever their severity"`
	Matchers []Matcher `json:"matchers,omitempty" maxItems:"20"`
	By       string    `json:"by" maxLength:"200" doc:"who answers for it"`
	Reason   string    `json:"reason" maxLength:"800"`
	Ends     time.Time `json:"ends" doc:"within 30 days"`
}

// Alerts tells what fires, and how telling it went.
func (c *Client) Alerts(ctx context.Context) (Alerts, error) {
	return get[Alerts](ctx, c, "/v1/alerts")
}

// Objectives tells how each objective of the plan is kept.
func (c *Client) Objectives(ctx context.Context) ([]Objective, error) {
	list, err := get[Objectives](ctx, c, "/v1/objectives")
	return list.Objectives, err
}

// Silences lists what is kept silent.
func (c *Client) Silences(ctx context.Context) ([]Silence, error) {
	list, err := get[Silences](ctx, c, "/v1/silences")
	return list.Silences, err
}

// Silence makes a silence; silence-refused tells what it lacks.
func (c *Client) Silence(ctx context.Context, s NewSilence) (Silence, error) {
	var made Silence
	err := c.call(ctx, http.MethodPost, "/v1/silences", s, &made)
	return made, err
}

// EndSilence ends a silence now; no-such-silence when it is not there.
func (c *Client) EndSilence(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/silences/"+url.PathEscape(id), nil, nil)
}
