package cloudevents_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/store/nats"
)

// node is a command that runs a script beside the SDK of Node, which
// tools/prepare installs.
func node(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	dir := filepath.Join("testdata", "node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "cloudevents")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the CloudEvents SDK of Node is not installed: `make prepare` does it")
		}
		t.Skip("the CloudEvents SDK of Node is not installed: `make prepare`, or event/cloudevents/testdata/node/install, does it")
	}
	run, err := filepath.Abs(filepath.Join("..", "..", "tools", "node"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx(t), run, args...) // #nosec G204 -- our own script
	c.Dir, c.Stderr = dir, os.Stderr
	c.WaitDelay = 5 * time.Second
	return c
}

func TestTheNodeSDKPublishes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	url := serve(t, r.publisher.Service("order"))
	out, err := node(t, "send.mjs", url).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var answers []struct {
		ID     string
		Status int
		Body   answer
	}
	for line := range strings.Lines(string(out)) {
		answers = append(answers, struct {
			ID     string
			Status int
			Body   answer
		}{})
		if err := json.Unmarshal([]byte(line), &answers[len(answers)-1]); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	if len(answers) != 5 || answers[0].Body.Duplicate || answers[1].Body.Duplicate || !answers[2].Body.Duplicate || answers[3].Status != 202 || answers[4].Status != 202 || len(answers[4].Body.Events) != 2 {
		t.Errorf("answers: %s", out)
	}
	for i, id := range []string{"binary", "structured", "by-hand", "batch-1", "batch-2"} {
		e := r.stored("order", uint64(i+1)) // #nosec G115 -- small
		var data struct {
			Total int
			Name  string
		}
		if err := json.Unmarshal(e.Data, &data); err != nil || data.Total != 12 || data.Name != "größe" {
			t.Errorf("%s: %s, %v", id, e.Data, err)
		}
		if e.ID != id || e.Source != "/node/till" || e.Subject != "customer-7" || e.DataContentType != "application/json" || e.Extensions["sequence"] != "12" ||
			!e.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)) {
			t.Errorf("%s is stored as %+v", id, e)
		}
	}
}

func TestTheNodeSDKReceives(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	receiver := node(t, "receive.mjs")
	in, err := receiver.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := receiver.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("the receiver did not start: %v", receiver.Wait())
	}
	r.target.set("welcome", "http://127.0.0.1:"+lines.Text())
	r.apply(pushed(5))
	for _, id := range []string{"again", "plain"} {
		r.publish(event.Event{ID: id, Source: "/till/7", Subject: "customer-7", Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), DataContentType: "application/json", Data: []byte(`{"total":12}`), Extensions: map[string]string{"sequence": "12"}})
	}
	if push := r.settled(); push.Delivered != 2 || push.Failed != 1 || !strings.HasSuffix(push.Error, "answered 500: not now") {
		t.Errorf("report = %+v", push)
	}
	_ = in.Close()
	var got []string
	for lines.Scan() {
		got = append(got, lines.Text())
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	if err := receiver.Wait(); err != nil {
		t.Error(err)
	}
	slices.Sort(got)
	if len(got) != 2 {
		t.Fatalf("got %q", got)
	}
	for i, id := range []string{"again", "plain"} {
		var line struct {
			Path  string
			Event struct {
				ID, Source, Type, Subject, Time, Datacontenttype string
				Data                                             struct{ Total int }
			}
		}
		if err := json.Unmarshal([]byte(got[i]), &line); err != nil {
			t.Fatal(err)
		}
		e := line.Event
		if line.Path != "/welcome" || e.ID != id || e.Source != "/till/7" || e.Type != "order.placed" || e.Subject != "customer-7" || e.Time != "2026-01-02T03:04:05.006Z" || e.Datacontenttype != "application/json" || e.Data.Total != 12 {
			t.Errorf("got %s", got[i])
		}
	}
}
