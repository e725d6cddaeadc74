package gateway

import (
	"testing"
	"time"
)

// TestLook: how long an answer of known length may come slowly, look by look.
func TestLook(t *testing.T) {
	t.Parallel()
	g := New(Options{})
	t.Cleanup(g.Close)
	for _, c := range []struct {
		name    string
		each    int64 // bytes between two looks
		client  bool  // has it at each look
		from    int64 // bytes that came at once
		allowed time.Duration
	}{
		{"nothing comes", 0, false, 0, time.Minute},
		{"nothing comes any more", 0, false, 1 << 30, time.Minute},
		{"a byte a second", 1, false, 0, time.Minute},
		{"a byte a second, after a good beginning", 1, false, 1 << 30, 2 * time.Minute},
		{"1 KiB a second", 1 << 10, false, 0, 0},
		{"the client takes little", 1, true, 0, 0},
		{"the client takes nothing", 0, true, 0, 0},
	} {
		o := &answerWriter{exchange: &exchange{gateway: g}, stream: true}
		o.got.Add(c.from)
		if c.client {
			o.mu.Lock()
		}
		took, next := time.Duration(0), o.look()
		for ; next > 0 && took < time.Hour; next = o.look() {
			took += next
			o.got.Add(c.each)
		}
		if late := took - c.allowed; c.allowed == 0 && next == 0 || c.allowed > 0 && (next > 0 || late < -2*time.Second || late > 2*time.Second) {
			t.Errorf("%s: ended after %v (%v)", c.name, took, next == 0)
		}
		if o.slow.Load() != (next == 0) {
			t.Errorf("%s: it is said to be too slow: %v", c.name, o.slow.Load())
		}
	}
}
