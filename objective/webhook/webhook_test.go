package webhook_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/alertmanager/template"

	"github.com/plat-dev/plat/objective"
	"github.com/plat-dev/plat/objective/webhook"
)

// TestAlertmanagersFormat decodes what was posted by Alertmanager's own type,
// beside the three fields that its webhook adds to it.
func TestAlertmanagersFormat(t *testing.T) {
	t.Parallel()
	var body []byte
	var header http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	entry := func(id, severity string, ends time.Time) objective.Entry {
		return objective.Entry{ID: id, Alert: objective.Alert{
			Labels:      map[string]string{"alertname": "TooManyErrors", "service": "order", "severity": severity},
			Annotations: map[string]string{"summary": "order answers 40% of requests with errors.", "traces": "/traces?service=order", "query": "up"},
			StartsAt:    start, EndsAt: ends,
		}}
	}
	page := entry("a1", "page", time.Time{})
	page.Windows = []objective.Window{{Over: "1m"}, {Over: "15m"}}
	n := objective.Notification{
		Key: `{}:{alertname="TooManyErrors"}`, GroupLabels: map[string]string{"alertname": "TooManyErrors", "service": "order", "owner": "ordering"},
		Alerts: []objective.Entry{page, entry("b2", "ticket", start.Add(time.Minute))}, Console: "http://127.0.0.1:8001",
	}
	if err := webhook.New(server.URL, "t0ken").Deliver(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	var got struct {
		template.Data
		Version         string `json:"version"`
		GroupKey        string `json:"groupKey"`
		TruncatedAlerts *int   `json:"truncatedAlerts"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "4" || got.GroupKey != n.Key || got.TruncatedAlerts == nil || *got.TruncatedAlerts != 0 {
		t.Errorf("version %q, groupKey %q, truncatedAlerts %v", got.Version, got.GroupKey, got.TruncatedAlerts)
	}
	annotations := template.KV{"summary": "order answers 40% of requests with errors.", "traces": "http://127.0.0.1:8001/traces?service=order", "query": "up"}
	seen := maps.Clone(annotations)
	seen["windows"] = "1m, 15m"
	labels := func(severity string) template.KV {
		return template.KV{"alertname": "TooManyErrors", "service": "order", "severity": severity}
	}
	want := template.Data{
		Receiver: server.URL, Status: "firing", GroupLabels: template.KV(n.GroupLabels), ExternalURL: n.Console,
		CommonLabels: template.KV{"alertname": "TooManyErrors", "service": "order"}, CommonAnnotations: annotations,
		Alerts: template.Alerts{
			{Status: "firing", Labels: labels("page"), Annotations: seen, StartsAt: start, GeneratorURL: "http://127.0.0.1:8001/metrics?expr=up", Fingerprint: "a1"},
			{Status: "resolved", Labels: labels("ticket"), Annotations: annotations, StartsAt: start, EndsAt: start.Add(time.Minute), GeneratorURL: "http://127.0.0.1:8001/metrics?expr=up", Fingerprint: "b2"},
		},
	}
	if d := cmp.Diff(want, got.Data, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".routeLabelsRendered" }, cmp.Ignore())); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if header.Get("Authorization") != "Bearer t0ken" || header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", header)
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	for code, refused := range map[int]bool{500: false, 503: false, 429: false, 400: true, 401: true, 302: true} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(code)
		}))
		err := webhook.New(server.URL, "").Deliver(t.Context(), objective.Notification{Alerts: []objective.Entry{{}}})
		if err == nil || errors.Is(err, objective.ErrRefused) != refused {
			t.Errorf("%d: %v", code, err)
		}
		server.Close()
	}
}
