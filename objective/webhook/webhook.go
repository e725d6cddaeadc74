// Package webhook is the door by which alerts leave: JSON in the format of
// Alertmanager's webhook, version 4, by POST. It must never import another
// room.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/objective"
)

// Hook is one address that alerts are posted to.
type Hook struct {
	address string
	token   string
	client  *http.Client
}

// timeout bounds one attempt beside the caller's own bound.
const timeout = 10 * time.Second

// New makes the receiver of an address. The token, where there is one, is
// sent as Authorization: Bearer; redirects are not followed, so that it goes
// nowhere else.
func New(address, token string) *Hook {
	return &Hook{address: address, token: token, client: &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Name is the address.
func (h *Hook) Name() string { return h.address }

// message is Alertmanager's, as its documentation of webhook_config has it.
type message struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   uint64            `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []alert           `json:"alerts"`
}

type alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// maxAlerts bounds one message; what is beyond is counted in it.
const maxAlerts = 500

func status(firing bool) string {
	if firing {
		return "firing"
	}
	return "resolved"
}

func compose(receiver string, n objective.Notification) message {
	m := message{Version: "4", GroupKey: n.Key, Status: status(n.Firing() > 0), Receiver: receiver, GroupLabels: n.GroupLabels, ExternalURL: n.Console}
	all := n.Alerts
	if more := len(all) - maxAlerts; more > 0 {
		all, m.TruncatedAlerts = all[:maxAlerts], uint64(more)
	}
	for _, e := range all {
		a := alert{
			Status: status(e.Firing()), Labels: e.Labels, Annotations: map[string]string{}, StartsAt: e.StartsAt, EndsAt: e.EndsAt, Fingerprint: e.ID,
			GeneratorURL: n.Console + "/metrics?expr=" + url.QueryEscape(e.Annotations["query"]),
		}
		for name, value := range e.Annotations {
			if strings.HasPrefix(value, "/") {
				value = n.Console + value
			}
			a.Annotations[name] = value
		}
		if over := e.Over(); over != "" {
			a.Annotations["windows"] = over
		}
		m.Alerts = append(m.Alerts, a)
	}
	m.CommonLabels = common(m.Alerts, func(a alert) map[string]string { return a.Labels })
	m.CommonAnnotations = common(m.Alerts, func(a alert) map[string]string { return a.Annotations })
	return m
}

// common is what all have, with one value.
func common(all []alert, of func(alert) map[string]string) map[string]string {
	shared := map[string]string{}
	for name, value := range of(all[0]) {
		if !slices.ContainsFunc(all, func(a alert) bool { v, ok := of(a)[name]; return !ok || v != value }) {
			shared[name] = value
		}
	}
	return shared
}

// Deliver posts a notification. 2xx is success; 5xx, 408, 429 and no answer
// are tried again; anything else is not, as in Alertmanager.
func (h *Hook) Deliver(ctx context.Context, n objective.Notification) error {
	if len(n.Alerts) == 0 {
		return nil
	}
	text, err := json.Marshal(compose(h.address, n))
	if err != nil {
		return fmt.Errorf("%w: %w", objective.ErrRefused, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.address, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w: %w", objective.ErrRefused, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "plat")
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode/100 == 5, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return fmt.Errorf("%w: it answers %s", objective.ErrRefused, resp.Status)
}
