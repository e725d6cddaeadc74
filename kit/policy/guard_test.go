package policy_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plat-dev/plat/kit/policy"
)

var errDown = errors.New("down")

func failing(context.Context) (policy.Outcome, error) { return policy.Failure, errDown }
func fine(context.Context) (policy.Outcome, error)    { return policy.Success, nil }

// rejected tells why a call was refused; empty: it was not.
func rejected(err error) policy.Reason {
	if r, ok := errors.AsType[*policy.Rejection](err); ok {
		return r.Reason
	}
	return ""
}

// TestBreaker is the life of a breaker: it opens when most calls fail, refuses,
// tries, stays open longer when that fails, and closes when it goes well.
func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := policy.NewGuard(policy.Config{})
		for range 19 {
			if err := g.Do(t.Context(), false, failing); !errors.Is(err, errDown) {
				t.Fatal(err)
			}
		}
		if s := g.Snapshot().Breaker; s.State != policy.Closed || s.Calls != 19 || s.Failed != 19 {
			t.Fatalf("before the minimum: %+v", s)
		}
		_ = g.Do(t.Context(), false, failing)
		s := g.Snapshot().Breaker
		if s.State != policy.Open || s.Last == nil || s.Last.Why != "opened for 5s: 20 of 20 calls failed within 10s" || !s.Until.Equal(time.Now().Add(5*time.Second)) {
			t.Fatalf("at the minimum: %+v %+v", s, s.Last)
		}
		breaker := func() policy.Line { return g.Snapshot().Lines()[2] }
		if l := breaker(); l.State != "open for 5s, 20 of 20 failed" || !l.Holds {
			t.Fatalf("in words: %+v", l)
		}
		time.Sleep(2 * time.Second)
		err := g.Do(t.Context(), false, fine)
		if r, _ := errors.AsType[*policy.Rejection](err); r == nil || r.Reason != policy.BreakerOpen || r.RetryAfter != 3*time.Second {
			t.Fatalf("open: %+v", err)
		}
		time.Sleep(3 * time.Second)
		if l := breaker(); !strings.HasPrefix(l.State, "open, the next call tries") || !l.Holds {
			t.Fatalf("in words, once its time is over: %+v", l)
		}
		if err := g.Do(t.Context(), false, failing); !errors.Is(err, errDown) {
			t.Fatalf("half open: %v", err)
		}
		if s := g.Snapshot().Breaker; s.State != policy.Open || !s.Until.Equal(time.Now().Add(10*time.Second)) {
			t.Fatalf("after a failed try: %+v", s)
		}
		time.Sleep(10 * time.Second)
		for i := range 3 {
			if err := g.Do(t.Context(), false, fine); err != nil {
				t.Fatalf("try %d: %v", i, err)
			}
		}
		if s := g.Snapshot().Breaker; s.State != policy.Closed || s.Opened != 2 || s.Rejected != 1 || s.Calls != 0 {
			t.Fatalf("after good tries: %+v", s)
		}
		if l := breaker(); l.State != "closed, 0 of 0 failed, 1 refused" || l.Holds {
			t.Fatalf("in words, closed again: %+v", l)
		}
	})
}

// TestBreakerForgets: old failures do not count, and what the caller gave up
// or the callee refused does not either.
func TestBreakerForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := policy.NewGuard(policy.Config{})
		for range 19 {
			_ = g.Do(t.Context(), false, failing)
		}
		time.Sleep(11 * time.Second)
		for range 30 {
			_ = g.Do(t.Context(), false, func(context.Context) (policy.Outcome, error) { return policy.Refused, errDown })
			_ = g.Do(t.Context(), false, func(context.Context) (policy.Outcome, error) { return policy.Ignored, errDown })
		}
		_ = g.Do(t.Context(), false, failing)
		if s := g.Snapshot().Breaker; s.State != policy.Closed || s.Calls != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestProbesGivenUp: tries of a half-open breaker that come to nothing leave
// their places to others.
func TestProbesGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := policy.NewGuard(policy.Config{Breaker: policy.Breaker{Minimum: 1}})
		_ = g.Do(t.Context(), false, failing)
		time.Sleep(5 * time.Second)
		for range 50 {
			_ = g.Do(t.Context(), false, func(context.Context) (policy.Outcome, error) { return policy.Ignored, nil })
		}
		var held []policy.Permit
		for range 3 {
			p, err := g.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, p)
		}
		if _, err := g.Begin(t.Context()); rejected(err) != policy.BreakerOpen {
			t.Errorf("a fourth try: %v", err)
		}
		for i := range held {
			held[i].Report(policy.Success)
			held[i].Release()
			held[i].Release() // again does nothing
		}
		if s := g.Snapshot(); s.Breaker.State != policy.Closed || s.Bulkhead.InUse != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestProbesThatHang: tries of a half-open breaker that nobody hears of do not
// keep it there for ever.
func TestProbesThatHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := policy.NewGuard(policy.Config{Breaker: policy.Breaker{Minimum: 1}})
		_ = g.Do(t.Context(), false, failing)
		time.Sleep(5 * time.Second)
		for range 3 {
			p, err := g.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer p.Release()
		}
		if err := g.Do(t.Context(), false, fine); rejected(err) != policy.BreakerOpen {
			t.Errorf("a fourth try: %v", err)
		}
		time.Sleep(5 * time.Second)
		for range 3 {
			if err := g.Do(t.Context(), false, fine); err != nil {
				t.Fatal(err)
			}
		}
		if s := g.Snapshot().Breaker; s.State != policy.Closed {
			t.Errorf("%+v", s)
		}
	})
}

// TestLateReport: what began before the breaker opened does not close it, and
// what broke off after it had begun well counts as a failure.
func TestLateReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := policy.NewGuard(policy.Config{Breaker: policy.Breaker{Minimum: 2, Share: 1}})
		var calls []policy.Permit
		for range 3 {
			p, err := g.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer p.Release()
			calls = append(calls, p)
		}
		calls[0].Report(policy.Success)
		calls[0].Report(policy.Failure)
		calls[0].Report(policy.Failure) // counts once
		if s := g.Snapshot().Breaker; s.Calls != 1 || s.Failed != 1 {
			t.Fatalf("a call that broke off: %+v", s)
		}
		calls[1].Report(policy.Slow)
		time.Sleep(6 * time.Second)
		if _, err := g.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		calls[2].Report(policy.Success)
		if s := g.Snapshot(); s.Breaker.State != policy.HalfOpen || s.Timeout.Slow != 1 || s.Timeout.Last == nil {
			t.Errorf("an old success: %+v", s)
		}
	})
}

// TestBulkhead: no more than the limit are under way, others wait in their
// order, and for a bounded time.
func TestBulkhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := policy.NewGuard(policy.Config{Bulkhead: policy.Bulkhead{Concurrent: 1, Queue: 2, Wait: time.Second}})
		first, err := g.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				p, err := g.Begin(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				p.Release()
			})
			synctest.Wait()
		}
		start := time.Now()
		if _, err := g.Begin(t.Context()); rejected(err) != policy.BulkheadFull || time.Since(start) != 0 {
			t.Errorf("with a full queue: %v after %v", err, time.Since(start))
		}
		first.Release()
		wg.Wait()
		if len(order) != 2 || order[0] != 0 {
			t.Errorf("the order was %v", order)
		}
		held, err := g.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		if _, err := g.Begin(t.Context()); rejected(err) != policy.BulkheadFull || time.Since(start) != time.Second {
			t.Errorf("without a turn: %v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := g.Begin(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up: %v", err)
		}
		s := g.Snapshot().Bulkhead
		if s.InUse != 1 || s.Waiting != 0 || s.Rejected != 2 || s.Last == nil {
			t.Errorf("%+v", s)
		}
		held.Release()
		if s := g.Snapshot().Bulkhead; s.InUse != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestBulkheadCrowd: under random comings, goings and changes of the limit
// there are never more than it allows, and at the end none is left.
func TestBulkheadCrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		config := policy.Config{Bulkhead: policy.Bulkhead{Concurrent: 8, Wait: 20 * time.Millisecond}}
		g := policy.NewGuard(config)
		var mu sync.Mutex
		inside, most, done, refused := 0, 0, 0, 0
		var wg sync.WaitGroup
		for seed := range uint64(500) {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, 1))
				time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+r.IntN(40))*time.Millisecond)
				defer cancel()
				p, err := g.Begin(ctx)
				mu.Lock()
				if err != nil {
					refused++
					mu.Unlock()
					return
				}
				inside++
				done++
				most = max(most, inside)
				mu.Unlock()
				time.Sleep(time.Duration(1+r.IntN(10)) * time.Millisecond)
				mu.Lock()
				inside--
				mu.Unlock()
				p.Report(policy.Success)
				p.Release()
			})
		}
		for _, n := range []int{3, 12, 5, 8} {
			time.Sleep(60 * time.Millisecond)
			config.Bulkhead.Concurrent = n
			g.Set(config)
		}
		wg.Wait()
		if most > 12 || most < 8 || done < 100 || refused == 0 {
			t.Errorf("at most %d at once, %d done, %d refused", most, done, refused)
		}
		if s := g.Snapshot().Bulkhead; s.InUse != 0 || s.Waiting != 0 {
			t.Errorf("left: %+v", s)
		}
	})
}

// TestSet: another config keeps what is known.
func TestSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		config := policy.Config{Breaker: policy.Breaker{Minimum: 2}, Bulkhead: policy.Bulkhead{Concurrent: 1, Wait: time.Hour}}
		g := policy.NewGuard(config)
		held, err := g.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		waits := make(chan error, 1)
		go func() {
			p, err := g.Begin(t.Context())
			p.Release()
			waits <- err
		}()
		synctest.Wait()
		config.Bulkhead.Concurrent = 2
		g.Set(config)
		if err := <-waits; err != nil {
			t.Errorf("a raised limit lets none in: %v", err)
		}
		if s := g.Snapshot().Bulkhead; s.InUse != 1 || s.Limit != 2 {
			t.Errorf("%+v", s)
		}
		held.Release()
		_ = g.Do(t.Context(), false, failing)
		_ = g.Do(t.Context(), false, failing)
		config.Bulkhead.Concurrent, config.Breaker.Minimum = 7, 100
		g.Set(config)
		if err := g.Do(t.Context(), false, fine); rejected(err) != policy.BreakerOpen {
			t.Errorf("the open breaker was forgotten: %v", err)
		}
		config.Breaker.Off = true
		g.Set(config)
		for range 300 {
			if err := g.Do(t.Context(), false, failing); !errors.Is(err, errDown) {
				t.Fatalf("with the breaker off: %v", err)
			}
		}
		if got := g.Config(); got.Bulkhead.Concurrent != 7 || got.Retry.Max != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// TestRetry: what is idempotent is tried again, within the budget, not beyond
// the time, and not when it was tried again above.
func TestRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		config := policy.Config{Breaker: policy.Breaker{Off: true}}
		g := policy.NewGuard(config)
		count := func(idempotent bool) int {
			n := 0
			_ = g.Do(t.Context(), idempotent, func(context.Context) (policy.Outcome, error) { n++; return policy.Failure, errDown })
			return n
		}
		if got := count(false); got != 1 {
			t.Errorf("not idempotent: %d tries", got)
		}
		if got := count(true); got != 3 {
			t.Errorf("idempotent: %d tries", got)
		}
		tries := 0
		for range 1000 {
			tries += count(true)
		}
		// The burst, a fifth of the calls, and one for each second of pauses.
		if tries < 1150 || tries > 1350 {
			t.Errorf("%d tries of 1000 calls", tries)
		}
		s := g.Snapshot().Retry
		if s.Refused == 0 || s.Last == nil || int(s.Retries) != tries-1000+2 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		p, err := g.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Release()
		for _, c := range []struct {
			tries, above int
			asked        time.Duration
			want         bool
		}{{1, 0, 0, true}, {2, 0, 0, true}, {3, 0, 0, false}, {1, 1, 0, false}, {1, 0, time.Second, true}, {1, 0, 2 * time.Second, false}} {
			pause, ok := p.Retry(c.tries, c.above, c.asked)
			if ok != c.want || ok && pause < c.asked {
				t.Errorf("%+v: %v after %v", c, ok, pause)
			}
		}
		config.Retry.Off = true
		g.Set(config)
		if got := count(true); got != 1 {
			t.Errorf("off: %d tries", got)
		}
	})
}

// TestTotal: the time is over for tries and pauses together.
func TestTotal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := policy.NewGuard(policy.Config{Timeouts: policy.Timeouts{Total: 100 * time.Millisecond}, Retry: policy.Retry{Max: 50, Base: 40 * time.Millisecond, Burst: 100}})
		start, tries := time.Now(), 0
		err := g.Do(t.Context(), true, func(ctx context.Context) (policy.Outcome, error) {
			tries++
			select {
			case <-time.After(30 * time.Millisecond):
				return policy.Failure, errDown
			case <-ctx.Done():
				return policy.Slow, ctx.Err()
			}
		})
		if took := time.Since(start); err == nil || took > 100*time.Millisecond || tries < 2 {
			t.Errorf("%d tries, %v after %v", tries, err, took)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 1, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": -1, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-1": -1, "1.5": -1, "soon": -1,
		"99999999999999999999999":       365 * 24 * time.Hour,
		"Fri, 27 Nov 2026 01:00:30 GMT": 30 * time.Second, "Friday, 27-Nov-26 01:00:30 GMT": 30 * time.Second,
		"Fri Nov 27 01:00:30 2026": 30 * time.Second, "Fri, 27 Nov 2026 00:00:00 GMT": 0, "Fri, 99 Nov 2026 00:00:00 GMT": -1,
	} {
		got, ok := policy.RetryAfter(http.Header{"Retry-After": {value}}, now)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %v %v, want %v", value, got, ok, want)
		}
	}
}

func TestRetried(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int{"": 0, "1": 1, "2": 2, "x": 0, "-1": 0, "1000000": 99, "99999999999999999999": 0} {
		if got := policy.Retried(http.Header{policy.MarkHeader: {value}}); got != want {
			t.Errorf("%q is %d, want %d", value, got, want)
		}
	}
	if policy.Retried(http.Header{}) != 0 || policy.Retried(http.Header{policy.MarkHeader: {"1", "1"}}) != 0 {
		t.Error("none, or two, count")
	}
}

// TestDoAllocates holds the cost of a guarded call in allocations.
func TestDoAllocates(t *testing.T) {
	g := policy.NewGuard(policy.Config{Timeouts: policy.Timeouts{Total: time.Second}})
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { _ = g.Do(ctx, true, fine) }); n > 5 {
		t.Errorf("%.1f allocations a call, want at most 5", n)
	}
}

func BenchmarkDo(b *testing.B) {
	g := policy.NewGuard(policy.Config{Timeouts: policy.Timeouts{Total: time.Second}})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_ = g.Do(ctx, true, fine)
	}
}
