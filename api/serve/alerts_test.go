package serve_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/api/serve"
	"github.com/plat-dev/plat/fault"
)

// watch is a Watch with one alert.
type watch struct{ asked api.NewSilence }

func (w *watch) Alerts() api.Alerts {
	return api.Alerts{Alerts: []api.Alert{{ID: "a1", Name: "CrashLoop", State: "firing", Severity: "page", Labels: map[string]string{}}}, Deliveries: []api.Delivery{}}
}

func (w *watch) Objectives(context.Context) ([]api.Objective, error) {
	return []api.Objective{{Service: "order", Name: "availability", State: "burning", Burn: 14.4}}, nil
}

func (w *watch) Silences() []api.Silence { return []api.Silence{{ID: "s1", Matchers: []api.Matcher{}}} }

func (w *watch) Silence(s api.NewSilence) (api.Silence, error) {
	if s.Reason == "" {
		return api.Silence{}, fault.New(fault.SilenceRefused, "the silence has no reason")
	}
	w.asked = s
	return api.Silence{ID: "s2", Matchers: s.Matchers, By: s.By, Reason: s.Reason, Ends: s.Ends}, nil
}

func (w *watch) EndSilence(id string) error {
	if id != "s1" {
		return fault.New(fault.NoSuchSilence, "there is no silence "+id)
	}
	return nil
}

func TestAlertsBySilencesAndObjectives(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.Start()
	defer server.Close()
	w := &watch{}
	f := &fake{}
	base := "http://" + server.Listener.Addr().String()
	server.Config.Handler = serve.New(serve.Options{Source: f, Operator: f, Viewer: f, Mailbox: f, Watch: w, Wires: f.wires(), Base: base, Token: "operator", Version: "1"})
	client, ctx := api.NewClient(base, "operator"), t.Context()
	alerts, err := client.Alerts(ctx)
	if err != nil || len(alerts.Alerts) != 1 || alerts.Alerts[0].ID != "a1" {
		t.Errorf("alerts: %+v, %v", alerts, err)
	}
	objectives, err := client.Objectives(ctx)
	if err != nil || len(objectives) != 1 || objectives[0].Burn != 14.4 {
		t.Errorf("objectives: %+v, %v", objectives, err)
	}
	ask := api.NewSilence{Alert: "a1", Matchers: []api.Matcher{{Label: "service", Value: "order", Not: true}}, By: "sam", Reason: "r", Ends: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
	if made, err := client.Silence(ctx, ask); err != nil || made.ID != "s2" {
		t.Errorf("silence: %+v, %v", made, err)
	}
	if d := cmp.Diff(ask, w.asked); d != "" {
		t.Errorf("asked (-want +got)\n%s", d)
	}
	if _, err := client.Silence(ctx, api.NewSilence{By: "sam", Ends: ask.Ends}); !fault.Is(err, fault.SilenceRefused) {
		t.Errorf("without a reason: %v", err)
	}
	if list, err := client.Silences(ctx); err != nil || len(list) != 1 {
		t.Errorf("silences: %+v, %v", list, err)
	}
	if err := client.EndSilence(ctx, "s1"); err != nil {
		t.Error(err)
	}
	if err := client.EndSilence(ctx, "s9"); !fault.Is(err, fault.NoSuchSilence) {
		t.Errorf("ending what is not: %v", err)
	}
}
