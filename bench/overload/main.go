// Command overload asks a real service more than it can do, behind plat's
// gateway and without protection, and prints how much of its peak it still
// does within the caller's deadline.
//
// Service, gateway and load are processes of their own; the service has one
// processor. The load is open: requests come when they come, whether or not
// those before were answered. It is bounded in number and time, runs on
// loopback alone, and ends what it started.
//
//	go run ./overload                      # from the folder bench
//	go run ./overload -kinds cpu -seconds 10
//	go run ./overload -require 0.9         # exit 1 below that share of the peak at five times of it
//
// Two services are asked: cpu works for each request, store waits for one of a
// few places at a slow store. Each stands without protection (bare), behind the
// gateway whose plan says nothing (default), and with limits.concurrent
// (declared).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// deadline is how long each caller waits for an answer that is of use.
const deadline = 500 * time.Millisecond

type options struct {
	kinds, modes, profile string
	seconds, rounds       int
	require               float64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) > 2 && os.Args[1] == "serve" { // this binary in another role
		err = serveRole(ctx, os.Args[2], os.Args[3:])
	} else {
		var o options
		flag.StringVar(&o.kinds, "kinds", "cpu,store", "services to ask: cpu, store")
		flag.StringVar(&o.modes, "modes", "bare,default,declared", "how they stand: bare, default, declared")
		flag.IntVar(&o.seconds, "seconds", 8, "seconds of load each time")
		flag.IntVar(&o.rounds, "rounds", 3, "rounds, each beside a peak of its own; medians are printed")
		flag.Float64Var(&o.require, "require", 0, "exit 1 where less than this share of the peak is left at five times of it")
		flag.StringVar(&o.profile, "profile", "", "write CPU profiles of the gateway to files that begin so")
		flag.Parse()
		err = run(ctx, o, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures and prints, a line for each load.
func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "plat-overload-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	_, _ = fmt.Fprintf(out, "deadline %s, %d rounds of %d s of load, medians\n\n%-6s %-9s %5s %8s %8s %8s %9s %9s %8s %8s\n", deadline, o.rounds, o.seconds,
		"KIND", "STANDS", "LOAD", "ASKED/S", "GOOD/S", "OF PEAK", "P50 GOOD", "P99 IN", "SHED/S", "LATE/S")
	var short []string
	for _, kind := range strings.Split(o.kinds, ",") {
		found, err := rounds(ctx, o, dir, kind)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		for _, mode := range strings.Split(o.modes, ",") {
			for _, times := range loads() {
				all := found[stand{mode, times}]
				share := middle(all, func(s summary) float64 { return s.share })
				_, _ = fmt.Fprintf(out, "%-6s %-9s %4gx %8.0f %8.0f %7.0f%% %9s %9s %8.0f %8.0f\n", kind, mode, times,
					middle(all, func(s summary) float64 { return s.Asked }), middle(all, func(s summary) float64 { return s.Good }), 100*share,
					time.Duration(middle(all, func(s summary) float64 { return float64(s.Median) })).Round(time.Millisecond),
					time.Duration(middle(all, func(s summary) float64 { return float64(s.Tail) })).Round(time.Millisecond),
					middle(all, func(s summary) float64 { return s.Shed }), middle(all, func(s summary) float64 { return s.Late }))
				if mode != "bare" && times == 5 && share < o.require {
					short = append(short, fmt.Sprintf("%s %s: %.0f%%", kind, mode, 100*share))
				}
			}
		}
	}
	if len(short) > 0 {
		return fmt.Errorf("below the required %.0f%% of the peak: %s", 100*o.require, strings.Join(short, ", "))
	}
	return nil
}

// stand is how a service stands, and how often it is asked: times its peak.
type stand struct {
	mode  string
	times float64
}

func loads() []float64 { return []float64{1, 2, 5} }

// rounds measures all of a kind in turn, round after round, so that a noisy
// machine disturbs all alike.
func rounds(ctx context.Context, o options, dir, kind string) (map[stand][]summary, error) {
	found := map[stand][]summary{}
	for range o.rounds {
		for _, mode := range strings.Split(o.modes, ",") {
			peak, err := peakOf(ctx, o, dir, kind)
			if err != nil {
				return nil, err
			}
			for _, times := range loads() {
				s, err := measure(ctx, o, dir, kind, mode, times*peak)
				if err != nil {
					return nil, fmt.Errorf("%s, %g times: %w", mode, times, err)
				}
				s.share = s.Good / peak
				found[stand{mode, times}] = append(found[stand{mode, times}], s)
			}
		}
	}
	return found, nil
}

func middle(all []summary, of func(summary) float64) float64 {
	values := make([]float64, len(all))
	for i, s := range all {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// peakOf is the most that the service does within the deadline: asked by as
// many at a time as it works on, each of whom waits for his answer.
func peakOf(ctx context.Context, o options, dir, kind string) (float64, error) {
	service, err := startSelf(ctx, dir, "service", kind)
	if err != nil {
		return 0, err
	}
	defer service.stop()
	s, err := load(ctx, service.addr, 0, places, o.seconds/2+1)
	return s.Good, err
}

// measure asks a new service as often as rate says.
func measure(ctx context.Context, o options, dir, kind, mode string, rate float64) (summary, error) {
	service, err := startSelf(ctx, dir, "service", kind)
	if err != nil {
		return summary{}, err
	}
	defer service.stop()
	target := service
	if mode != "bare" {
		profile := ""
		if o.profile != "" {
			profile = fmt.Sprintf("%s-%s-%s-%.0f", o.profile, kind, mode, rate)
		}
		gateway, err := startSelf(ctx, dir, "plat", service.addr, mode, profile)
		if err != nil {
			return summary{}, err
		}
		defer gateway.stop()
		target = gateway
	}
	// As often as it can do for a moment: what is measured is the load, not the
	// first connection.
	if _, err := load(ctx, target.addr, 0, 2, 1); err != nil {
		return summary{}, err
	}
	return load(ctx, target.addr, rate, 0, o.seconds)
}

// load starts the load in a process of its own, and reads what it saw.
func load(ctx context.Context, addr string, rate float64, clients, seconds int) (summary, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+2*time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return summary{}, err
	}
	cmd := exec.CommandContext(ctx, self, "serve", "load", addr, strconv.FormatFloat(rate, 'f', -1, 64), strconv.Itoa(clients), strconv.Itoa(seconds)) // #nosec G204 -- ourselves
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return summary{}, err
	}
	var s summary
	return s, json.Unmarshal(text, &s)
}

// process is this binary in another role.
type process struct {
	addr string
	cmd  *exec.Cmd
}

func startSelf(ctx context.Context, dir, role string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	p := &process{addr: l.Addr().String()}
	file, err := l.File() // the child listens by it: no port can be taken in between
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	p.cmd = exec.CommandContext(ctx, self, append([]string{"serve", role}, args...)...) // #nosec G204 -- ourselves
	p.cmd.Dir, p.cmd.Stderr, p.cmd.ExtraFiles = dir, os.Stderr, []*os.File{file}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	err = p.cmd.Start()
	_, _ = l.Close(), file.Close() // the child has its own
	return p, err
}

// stop ends the process and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // gone: nothing to end
	late := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait() // ended by a signal
	late.Stop()
}
