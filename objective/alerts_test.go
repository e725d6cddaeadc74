package objective_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/objective"
)

// ear is a receiver that remembers what it was told.
type ear struct {
	mu    sync.Mutex
	heard []string // "firing 1 of 2: ProbeFails order"
	fail  error
	calls int
}

func (e *ear) Name() string { return "ear" }

func (e *ear) Deliver(_ context.Context, n objective.Notification) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	if e.fail != nil {
		return e.fail
	}
	e.heard = append(e.heard, fmt.Sprintf("firing %d of %d: %s %s", n.Firing(), len(n.Alerts), n.GroupLabels["alertname"], n.GroupLabels["service"]))
	return nil
}

func (e *ear) said() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	said := e.heard
	e.heard = nil
	return said
}

func alert(pairs ...string) objective.Alert {
	a := objective.Alert{Labels: map[string]string{"severity": "page", "service": "order", "owner": "ordering"}, Annotations: map[string]string{"traces": "/traces?service=order&error=true"}}
	for i := 0; i < len(pairs); i += 2 {
		a.Labels[pairs[i]] = pairs[i+1]
	}
	return a
}

// inBubble runs a story in a time of its own, in which alerts are told to
// an ear.
func inBubble(t *testing.T, o objective.Options, story func(a *objective.Alerts, e *ear)) {
	synctest.Test(t, func(t *testing.T) {
		a, err := objective.OpenAlerts(o)
		if err != nil {
			t.Fatal(err)
		}
		e := &ear{}
		a.Tell([]objective.Receiver{e})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		story(a, e)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// pass lets time pass while alerts go on, as the rules' engine tells them.
func pass(a *objective.Alerts, d time.Duration, going ...objective.Alert) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		a.Take(context.Background(), going)
		time.Sleep(min(time.Minute, time.Until(end)))
		synctest.Wait()
	}
}

func ended(a objective.Alert) objective.Alert {
	a.EndsAt = time.Now()
	return a
}

func TestGroupedToldOnceAndRepeated(t *testing.T) {
	t.Parallel()
	inBubble(t, objective.Options{}, func(a *objective.Alerts, e *ear) {
		one, two := alert("alertname", "ProbeFails", "journey", "purchase"), alert("alertname", "ProbeFails", "journey", "return")
		pass(a, 29*time.Second, one, two)
		if said := e.said(); len(said) > 0 {
			t.Errorf("told before the wait was over: %v", said)
		}
		pass(a, time.Hour, one, two)
		if d := cmp.Diff([]string{"firing 2 of 2: ProbeFails order"}, e.said()); d != "" {
			t.Errorf("first (-want +got)\n%s", d)
		}
		pass(a, 4*time.Hour, one, two)
		if d := cmp.Diff([]string{"firing 2 of 2: ProbeFails order"}, e.said()); d != "" {
			t.Errorf("repeated (-want +got)\n%s", d)
		}
		a.Take(t.Context(), []objective.Alert{ended(one), ended(two)})
		pass(a, 6*time.Hour)
		if d := cmp.Diff([]string{"firing 0 of 2: ProbeFails order"}, e.said()); d != "" {
			t.Errorf("the end (-want +got)\n%s", d)
		}
		if list := a.List(); len(list) != 0 {
			t.Errorf("still listed: %v", list)
		}
	})
}

func TestWhatIsNotToldAgainHasEnded(t *testing.T) {
	t.Parallel()
	inBubble(t, objective.Options{Wait: time.Second}, func(a *objective.Alerts, e *ear) {
		pass(a, time.Minute, alert("alertname", "CrashLoop"))
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if d := cmp.Diff([]string{"firing 1 of 1: CrashLoop order", "firing 0 of 1: CrashLoop order"}, e.said()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	})
}

func TestSilences(t *testing.T) {
	t.Parallel()
	inBubble(t, objective.Options{Wait: time.Second}, func(a *objective.Alerts, e *ear) {
		now := time.Now()
		made, err := a.Silence(objective.Silence{By: "sam", Reason: "being mended", Ends: now.Add(2 * time.Hour), Matchers: []objective.Matcher{{Label: "service", Value: "ord.*", Regex: true}, {Label: "severity", Value: "ticket", Not: true}}})
		if err != nil {
			t.Fatal(err)
		}
		mute, loud := alert("alertname", "CrashLoop"), alert("alertname", "DeadLetters", "severity", "ticket")
		pass(a, time.Hour, mute, loud)
		if d := cmp.Diff([]string{"firing 1 of 1: DeadLetters order"}, e.said()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if list := a.List(); len(list) != 2 || !slices.Equal(list[1].Silences, []string{made.ID}) {
			t.Errorf("listed %+v", list)
		}
		pass(a, 2*time.Hour, mute, loud)
		if d := cmp.Diff([]string{"firing 1 of 1: CrashLoop order"}, e.said()); d != "" {
			t.Errorf("after it ended (-want +got)\n%s", d)
		}
	})
}

func TestSilencesAreKept(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	a, err := objective.OpenAlerts(objective.Options{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.Silence(objective.Silence{By: "sam", Reason: "r", Ends: time.Now().Add(time.Hour), Matchers: []objective.Matcher{{Label: "service", Value: "order"}}})
	if err != nil {
		t.Fatal(err)
	}
	again, err := objective.OpenAlerts(objective.Options{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	if list := again.Silences(); len(list) != 1 || list[0].ID != s.ID || !list[0].Ends.Equal(s.Ends) {
		t.Errorf("after a restart: %+v", list)
	}
	if err := again.EndSilence(s.ID); err != nil {
		t.Fatal(err)
	}
	if again.Silences()[0].Active(time.Now()) {
		t.Error("it goes on after its end")
	}
	if err := again.EndSilence("nobody"); !fault.Is(err, fault.NoSuchSilence) {
		t.Errorf("ending what is not: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "silences.json"), []byte(`{"version":1,"sil`), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged, err := objective.OpenAlerts(objective.Options{Folder: folder})
	if err != nil || len(damaged.Faults()) != 1 || damaged.Faults()[0].Code != fault.SilencesDamaged {
		t.Errorf("damaged: %v, %v", err, damaged.Faults())
	}
	if _, err := os.Stat(filepath.Join(folder, "silences.json.damaged")); err != nil {
		t.Error(err)
	}
}

func TestSilencesThatAreRefused(t *testing.T) {
	t.Parallel()
	a, err := objective.OpenAlerts(objective.Options{})
	if err != nil {
		t.Fatal(err)
	}
	good := objective.Silence{By: "sam", Reason: "r", Ends: time.Now().Add(time.Hour), Matchers: []objective.Matcher{{Label: "service", Value: "order"}}}
	for what, spoil := range map[string]func(s *objective.Silence){
		"no author":   func(s *objective.Silence) { s.By = " " },
		"no reason":   func(s *objective.Silence) { s.Reason = "" },
		"no end":      func(s *objective.Silence) { s.Ends = time.Time{} },
		"past":        func(s *objective.Silence) { s.Ends = time.Now().Add(-time.Second) },
		"31 days":     func(s *objective.Silence) { s.Ends = time.Now().Add(31 * 24 * time.Hour) },
		"no matcher":  func(s *objective.Silence) { s.Matchers = nil },
		"everything":  func(s *objective.Silence) { s.Matchers = []objective.Matcher{{Label: "x", Value: ".*", Regex: true}} },
		"all but one": func(s *objective.Silence) { s.Matchers = []objective.Matcher{{Label: "x", Value: "y", Not: true}} },
		"bad pattern": func(s *objective.Silence) { s.Matchers = []objective.Matcher{{Label: "x", Value: "(", Regex: true}} },
	} {
		s := good
		spoil(&s)
		if _, err := a.Silence(s); !fault.Is(err, fault.SilenceRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestWhatIsExplainedIsNotTold(t *testing.T) {
	t.Parallel()
	inBubble(t, objective.Options{Wait: time.Second}, func(a *objective.Alerts, e *ear) {
		pass(a, time.Hour, alert("alertname", "NoInstanceReady"), alert("alertname", "TooManyErrors", "objective", "availability"),
			alert("alertname", "TooManyErrors", "service", "web", "objective", "availability", "window", "1m"),
			alert("alertname", "TooManyErrors", "service", "web", "objective", "availability", "window", "15m"),
			alert("alertname", "TooManyErrors", "service", "web", "objective", "availability", "severity", "ticket"))
		said := e.said()
		slices.Sort(said)
		if d := cmp.Diff([]string{"firing 1 of 1: NoInstanceReady order", "firing 1 of 1: TooManyErrors web"}, said); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	})
}

func TestDeliveryIsTriedAgainAndCounted(t *testing.T) {
	t.Parallel()
	inBubble(t, objective.Options{Wait: time.Second}, func(a *objective.Alerts, e *ear) {
		e.fail = errors.New("it answers 503")
		crash := alert("alertname", "CrashLoop")
		pass(a, 2*time.Minute, crash)
		if e.calls != 6 {
			t.Errorf("%d attempts", e.calls)
		}
		if d := a.Stats().Deliveries; len(d) != 1 || d[0].Failed != 1 || d[0].Delivered != 0 || d[0].Error != "it answers 503" {
			t.Errorf("counted %+v", d)
		}
		e.mu.Lock()
		e.fail = nil
		e.mu.Unlock()
		pass(a, 6*time.Minute, crash)
		if d := cmp.Diff([]string{"firing 1 of 1: CrashLoop order"}, e.said()); d != "" {
			t.Errorf("at the next interval (-want +got)\n%s", d)
		}
		e.fail = fmt.Errorf("%w: it answers 400", objective.ErrRefused)
		e.calls = 0
		pass(a, 2*time.Minute, crash, alert("alertname", "NoInstanceReady"))
		if e.calls != 1 {
			t.Errorf("what is refused was tried %d times", e.calls)
		}
	})
}

func TestAMillionAlertsAreBounded(t *testing.T) {
	t.Parallel()
	a, err := objective.OpenAlerts(objective.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		a.Take(t.Context(), []objective.Alert{alert("alertname", "X", "n", fmt.Sprint(i))})
	}
	if s := a.Stats(); s.Firing != 10_000 || s.Dropped != 10_000 {
		t.Errorf("%+v", s)
	}
}

func TestTracesLeadToTheTime(t *testing.T) {
	t.Parallel()
	a, err := objective.OpenAlerts(objective.Options{System: "shop", Environment: "local"})
	if err != nil {
		t.Fatal(err)
	}
	one := alert("alertname", "CrashLoop")
	one.StartsAt = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	a.Take(t.Context(), []objective.Alert{one})
	got := a.List()[0]
	if want := "/traces?service=order&error=true&from=2026-11-26T11%3A58%3A00Z"; got.Annotations["traces"] != want || got.Labels["system"] != "shop" {
		t.Errorf("%s, labels %v", got.Annotations["traces"], got.Labels)
	}
}

type mailer func(from string, to []string, message []byte) error

func (m mailer) SendMail(_ context.Context, from string, to []string, message []byte) error {
	return m(from, to, message)
}

func TestMailToOwners(t *testing.T) {
	t.Parallel()
	var sent []string
	owners := objective.NewOwners(system(t, "local"), mailer(func(_ string, to []string, message []byte) error {
		sent = append(sent, strings.Join(to, " ")+"\n"+string(message))
		return nil
	}))
	e := objective.Entry{ID: "a1", Alert: alert("alertname", "TooManyErrors")}
	e.Annotations["summary"] = "order answers\nBcc: all@shop.example"
	for _, n := range []objective.Notification{
		{GroupLabels: map[string]string{"owner": "ordering"}, Alerts: []objective.Entry{e}, Console: "http://127.0.0.1:8001"},
		{GroupLabels: map[string]string{"owner": ""}, Alerts: []objective.Entry{e}},
		{GroupLabels: map[string]string{"owner": "nobody"}, Alerts: []objective.Entry{e}},
	} {
		if err := owners.Deliver(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if len(sent) != 2 || !strings.HasPrefix(sent[0], "ordering@shop.example\n") || !strings.HasPrefix(sent[1], "us@shop.example\n") {
		t.Fatalf("sent %q", sent)
	}
	for _, want := range []string{"To: ordering@shop.example\r\n", "Subject: [page] order answers Bcc: all@shop.example\r\n", "http://127.0.0.1:8001/traces?service=3Dorder&error=3Dtrue", "plat silence a1"} {
		if !strings.Contains(sent[0], want) {
			t.Errorf("it lacks %q:\n%s", want, sent[0])
		}
	}
}

func TestSilencesLikeAnAlert(t *testing.T) {
	t.Parallel()
	a, err := objective.OpenAlerts(objective.Options{})
	if err != nil {
		t.Fatal(err)
	}
	page, ticket, other := alert("alertname", "TooSlow", "objective", "latency-p95"), alert("alertname", "TooSlow", "objective", "latency-p95", "severity", "ticket"), alert("alertname", "TooSlow", "objective", "latency-p99")
	a.Take(t.Context(), []objective.Alert{page, ticket, other})
	like, ok := a.Like(page.ID())
	if !ok {
		t.Fatal("the alert is not there")
	}
	if _, err := a.Silence(objective.Silence{By: "sam", Reason: "r", Ends: time.Now().Add(time.Hour), Matchers: like}); err != nil {
		t.Fatal(err)
	}
	for _, e := range a.List() {
		if silenced, want := len(e.Silences) == 1, e.Labels["objective"] == "latency-p95"; silenced != want {
			t.Errorf("%v: silenced %v", e.Labels, silenced)
		}
	}
	if _, ok := a.Like("nobody"); ok {
		t.Error("an alert that is not there")
	}
}

// TestBlamed: an alert that begins while an experiment lets something fail says
// so as long as it fires, and one that began before does not.
func TestBlamed(t *testing.T) {
	t.Parallel()
	a, err := objective.OpenAlerts(objective.Options{})
	if err != nil {
		t.Fatal(err)
	}
	failing := ""
	a.Blame(func() string { return failing })
	before, during := alert("alertname", "Before"), alert("alertname", "During")
	a.Take(t.Context(), []objective.Alert{before})
	failing = "the experiment x (plat chaos report 1)"
	a.Take(t.Context(), []objective.Alert{before, during})
	failing = ""
	a.Take(t.Context(), []objective.Alert{before, during})
	for _, e := range a.List() {
		want := ""
		if e.Name() == "During" {
			want = "the experiment x (plat chaos report 1)"
		}
		if got := e.Annotations["experiment"]; got != want || want != "" && !strings.Contains(e.Annotations["description"], "It began while something failed on purpose: "+want) {
			t.Errorf("%s: %q, %v", e.Name(), got, e.Annotations)
		}
	}
}
