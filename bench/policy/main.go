// Command policy prints what a guarded call costs beside others' libraries:
// nanoseconds, what it adds to a call at the 99th percentile, and allocations,
// medians of rounds that take turns, so that what else the machine does hits all
// alike.
//
//	GOWORK=off go run ./policy [ROUNDS]
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/sony/gobreaker/v2"
	zero "github.com/zeromicro/go-zero/core/breaker"

	"github.com/plat-dev/plat/kit/admit"
	"github.com/plat-dev/plat/kit/policy"
)

// subject is one way to guard a call that does nothing.
type subject struct {
	name string
	call func() error
}

func main() {
	rounds := 7
	if len(os.Args) > 1 {
		n, err := strconv.Atoi(os.Args[1])
		if err != nil || n < 1 {
			fmt.Fprintln(os.Stderr, "usage: policy [ROUNDS]")
			os.Exit(2)
		}
		rounds = n
	}
	all := append(append(ours(), failsafes()...), breakers()...)
	took, tail, allocations := make([][]float64, len(all)), make([][]float64, len(all)), make([]int64, len(all))
	for range rounds {
		nothing := p99(func() error { return nil })
		for i, s := range all {
			r := testing.Benchmark(func(b *testing.B) {
				for range b.N {
					if err := s.call(); err != nil {
						b.Fatal(err)
					}
				}
			})
			took[i] = append(took[i], float64(r.T.Nanoseconds())/float64(r.N))
			allocations[i] = r.AllocsPerOp()
			tail[i] = append(tail[i], p99(s.call)-nothing)
		}
	}
	fmt.Printf("%-52s %10s %10s %8s\n", "guarded call", "ns", "p99 adds", "allocs")
	for i, s := range all {
		slices.Sort(took[i])
		slices.Sort(tail[i])
		fmt.Printf("%-52s %10.0f %10.0f %8d\n", s.name, took[i][len(took[i])/2], tail[i][len(tail[i])/2], allocations[i])
	}
	opens()
}

// p99 is how long 99 of 100 calls take at most, each by itself; nanoseconds. It
// has what reading the clock costs.
func p99(call func() error) float64 {
	all := make([]time.Duration, 100_000)
	for i := range all {
		begun := time.Now()
		_ = call() // Benchmark has looked at it
		all[i] = time.Since(begun)
	}
	slices.Sort(all)
	return float64(all[len(all)*99/100])
}

func ours() []subject {
	ctx := context.Background()
	full := policy.NewGuard(policy.Config{Timeouts: policy.Timeouts{Total: time.Second}})
	waited := policy.NewGuard(policy.Config{Timeouts: policy.Timeouts{Total: time.Second}})
	untimed := policy.NewGuard(policy.Config{})
	gate := admit.NewGate(admit.Config{})
	fine := func(context.Context) (policy.Outcome, error) { return policy.Success, nil }
	return []subject{
		{"plat: time-out, retry, breaker, bulkhead, adaptive", func() error { return full.Do(ctx, true, fine) }},
		{"plat: the same, and the call waits for ctx.Done", func() error {
			return waited.Do(ctx, true, func(ctx context.Context) (policy.Outcome, error) { _ = ctx.Done(); return policy.Success, nil })
		}},
		{"plat: the same without a time-out", func() error { return untimed.Do(ctx, true, fine) }},
		{"plat: the gate of who is called", func() error {
			pass, err := gate.Enter(ctx, admit.Normal)
			pass.Release(false)
			return err
		}},
	}
}

func failsafes() []subject {
	retry := retrypolicy.NewBuilder[any]().WithMaxRetries(2).Build()
	breaker := circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(0.5, 20, 10*time.Second).Build()
	room := bulkhead.New[any](100)
	full := failsafe.With[any](retry, breaker, room, timeout.New[any](time.Second))
	untimed := failsafe.With[any](retry, breaker, room)
	fine := func() error { return nil }
	return []subject{
		{"failsafe-go: time-out, retry, breaker, bulkhead", func() error { return full.Run(fine) }},
		{"failsafe-go: the same without a time-out", func() error { return untimed.Run(fine) }},
	}
}

func breakers() []subject {
	sony := gobreaker.NewCircuitBreaker[any](gobreaker.Settings{Interval: 10 * time.Second})
	google := zero.NewBreaker()
	fine := func() (any, error) { return nil, nil }
	return []subject{
		{"gobreaker: breaker alone", func() error { _, err := sony.Execute(fine); return err }},
		{"go-zero: breaker alone", func() error { return google.Do(func() error { return nil }) }},
	}
}

// opens prints how soon a breaker opens and recovers under 200 calls a second.
func opens() {
	g := policy.NewGuard(policy.Config{Breaker: policy.Breaker{Open: time.Second}})
	down := true
	errDown := errors.New("down")
	start := time.Now()
	var opened, mended time.Duration
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		_ = g.Do(context.Background(), false, func(context.Context) (policy.Outcome, error) {
			if down {
				return policy.Failure, errDown
			}
			return policy.Success, nil
		})
		switch state := g.Snapshot().Breaker.State; {
		case opened == 0 && state == policy.Open:
			opened, down = time.Since(start), false
		case opened > 0 && state == policy.Closed:
			mended = time.Since(start) - opened
			fmt.Printf("\nat 200 calls a second the breaker opens %v after the first failure, and is closed %v later (open: 1s)\n", opened.Round(time.Millisecond), mended.Round(time.Millisecond))
			return
		}
	}
}
