package message

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"
)

// What is written is read back, whatever the subject.
func FuzzWire(f *testing.F) {
	f.Add("customer 7", "c-1", []byte(`{"a":1}`))
	f.Add("ü%41\r\nce-id: x", "", []byte(`null`))
	f.Fuzz(func(t *testing.T, subject, correlation string, data []byte) {
		if !validID(correlation) {
			correlation = ""
		}
		e := Event{
			ID: "1", Type: "order.placed", Source: "/services/order", Subject: subject, CorrelationID: correlation,
			Time: time.Unix(1_700_000_000, 123).UTC(), Data: json.RawMessage(data),
		}
		h := e.headers(context.Background(), propagation.TraceContext{})
		for k, v := range h {
			for i := range len(v) {
				if v[i] < ' ' || v[i] > '~' {
					t.Errorf("%s: %q", k, v)
				}
			}
		}
		got, err := parse(func(k string) string { return h[k] }, data)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) == 0 {
			e.Data, got.Data = nil, nil
		}
		if d := cmp.Diff(e, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// Nothing that comes from outside breaks the parser.
func FuzzParse(f *testing.F) {
	f.Add("1.0", "1", "t", "/s", "2026-01-02T03:04:05Z", "%4")
	f.Fuzz(func(t *testing.T, spec, id, eventType, source, at, subject string) {
		h := map[string]string{headerSpec: spec, headerID: id, headerType: eventType, headerSource: source, headerTime: at, headerSubject: subject}
		e, err := parse(func(k string) string { return h[k] }, nil)
		if err == nil && (e.ID == "" || e.Type == "" || e.Source == "") {
			t.Errorf("accepted %+v", e)
		}
	})
}

func TestPauses(t *testing.T) {
	t.Parallel()
	for delivery, most := range map[int]time.Duration{1: 500 * time.Millisecond, 2: time.Second, 6: 16 * time.Second, 7: 30 * time.Second, 1 << 20: 30 * time.Second} {
		for range 100 {
			if got := retryPause(delivery); got > most || got < most*4/5-time.Millisecond {
				t.Fatalf("delivery %d: %s, want up to %s", delivery, got, most)
			}
		}
	}
	for _, attempts := range []int{0, 1, 5, 100} {
		if d := reconnectDelay(attempts); d <= 0 || d > reconnectLongest {
			t.Errorf("attempt %d: %s", attempts, d)
		}
	}
	for want, c := range map[time.Duration]jetstream.ConsumerConfig{
		10 * time.Second:       {AckWait: 30 * time.Second},
		100 * time.Millisecond: {AckWait: 30 * time.Second, BackOff: []time.Duration{time.Second, 300 * time.Millisecond}},
		10 * time.Millisecond:  {AckWait: 1},
	} {
		if got := progressEvery(c); got != want {
			t.Errorf("%+v: %s, want %s", c, got, want)
		}
	}
	if got := progressEvery(jetstream.ConsumerConfig{}); got != progressMost {
		t.Errorf("no wait: %s", got)
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	long := make([]byte, 2000)
	for i := range long {
		long[i] = 'x'
	}
	for text, want := range map[string]string{"a\n b\t": "a b", "": "error without a text", string(long): string(long[:maxReason]) + "…"} {
		if got := reason(errors.New(text)); got != want {
			t.Errorf("%.20q: got %.20q", text, got)
		}
	}
}
