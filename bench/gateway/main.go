// Command gateway measures what a request costs in plat's gateway, beside
// Caddy and nginx in front of the same backend in the same run.
//
// Every proxy is a process of its own with its access log on (Caddy with its
// metrics too), and gets the same closed-loop load in turn, round after
// round, so that a noisy machine disturbs all alike: the ratios of CPU time
// per request count, not the absolute figures. It runs on loopback alone,
// ends by itself and ends what it started.
//
//	go run ./gateway                 # from the folder bench
//	go run ./gateway -rounds 5 -requests 50000 -bytes 20000
//	go run ./gateway -require 0.85   # exit 1 when dearer than 0.85 × Caddy
//	go run ./gateway -hits -bytes 1024
//
// With -hits plat, Varnish and nginx answer from their caches: the backend is
// stopped before the rounds, so that nothing else can.
//
// Caddy is built from the module peers; nginx is Debian's package
// nginx-light, Varnish is varnish, and each is left out, visibly, where it is
// not installed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

type options struct {
	rounds      int
	requests    int
	connections int
	bytes       int
	require     float64
	profile     string
	caddy       string
	only        string
	hits        bool
}

func main() {
	// The backend and plat's gateway are this binary again.
	if len(os.Args) > 2 && os.Args[1] == "serve" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := serveRole(ctx, os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) //nolint:gocritic // the process ends, stop or not
		}
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds for each proxy")
	flag.IntVar(&o.requests, "requests", 20000, "requests a round")
	flag.IntVar(&o.connections, "connections", 32, "keep-alive connections")
	flag.IntVar(&o.bytes, "bytes", 600, "size of an answer's body")
	flag.Float64Var(&o.require, "require", 0, "exit 1 when CPU per request is over this multiple of Caddy's")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of plat's gateway to this file")
	flag.StringVar(&o.caddy, "caddy", "", "Caddy's binary (default: built from the module peers)")
	flag.StringVar(&o.only, "only", "", "measure this proxy alone (plat, caddy, nginx, varnish)")
	flag.BoolVar(&o.hits, "hits", false, "measure answers from the cache")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures and prints.
func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "plat-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	backend, err := startSelf(ctx, dir, "backend", fmt.Sprint(o.bytes))
	if err != nil {
		return err
	}
	defer backend.stop()
	proxies, err := startProxies(ctx, o, dir, backend.addr, out)
	defer func() {
		for _, p := range proxies {
			p.stop()
		}
	}()
	if err != nil {
		return err
	}
	for _, p := range proxies { // warm connections, caches and pools
		if _, err := measure(ctx, p, o.connections, max(o.requests/10, 2000), o.bytes); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if o.hits {
		backend.stop() // whoever answers now, has kept it
	}
	for round := range o.rounds {
		for i := range proxies { // another one first each round
			p := proxies[(i+round)%len(proxies)]
			s, err := measure(ctx, p, o.connections, o.requests, o.bytes)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			p.samples = append(p.samples, s)
		}
	}
	report(out, o, proxies)
	return judge(o, proxies)
}

// report prints medians over the rounds, and the ratios to plat's own.
func report(out io.Writer, o options, proxies []*process) {
	_, _ = fmt.Fprintf(out, "\n%d rounds of %d requests on %d connections, answers of %d bytes; medians\n\n", o.rounds, o.requests, o.connections, o.bytes)
	_, _ = fmt.Fprintf(out, "%-8s %10s %14s %10s %10s %10s   %s\n", "PROXY", "REQ/S", "CPU µs/REQ", "P50", "P99", "LONGEST", "PLAT : THIS, CPU, P50, P99")
	plat := byName(proxies, "plat")
	for _, p := range proxies {
		ratio := "-"
		if plat != nil && p != plat {
			ratio = fmt.Sprintf("%.2f  %.2f  %.2f", cpuRatio(plat, p),
				ratioOf(plat, p, func(s sample) float64 { return float64(s.p50) }), ratioOf(plat, p, func(s sample) float64 { return float64(s.p99) }))
		}
		_, _ = fmt.Fprintf(out, "%-8s %10.0f %14.1f %10s %10s %10s   %s\n", p.name,
			median(p.samples, func(s sample) float64 { return s.rate }),
			median(p.samples, func(s sample) float64 { return s.cpu }),
			time.Duration(median(p.samples, func(s sample) float64 { return float64(s.p50) })).Round(time.Microsecond),
			time.Duration(median(p.samples, func(s sample) float64 { return float64(s.p99) })).Round(time.Microsecond),
			longest(p.samples).Round(time.Microsecond), ratio)
	}
}

// judge holds plat to what was required.
func judge(o options, proxies []*process) error {
	plat, caddy := byName(proxies, "plat"), byName(proxies, "caddy")
	if o.require == 0 {
		return nil
	}
	if plat == nil || caddy == nil {
		return errors.New("-require needs plat and caddy")
	}
	if r := cpuRatio(plat, caddy); r > o.require {
		return fmt.Errorf("CPU per request is %.2f of Caddy's, over the required %.2f", r, o.require)
	}
	return nil
}

func byName(proxies []*process, name string) *process {
	for _, p := range proxies {
		if p.name == name {
			return p
		}
	}
	return nil
}

func cpuRatio(a, b *process) float64 {
	return ratioOf(a, b, func(s sample) float64 { return s.cpu })
}

// ratioOf is the median of the rounds' ratios.
func ratioOf(a, b *process, of func(sample) float64) float64 {
	var ratios []float64
	for i := range min(len(a.samples), len(b.samples)) {
		ratios = append(ratios, of(a.samples[i])/of(b.samples[i]))
	}
	return middle(ratios)
}

func median(samples []sample, of func(sample) float64) float64 {
	var all []float64
	for _, s := range samples {
		all = append(all, of(s))
	}
	return middle(all)
}

// longest is the longest request of all rounds.
func longest(samples []sample) time.Duration {
	var l time.Duration
	for _, s := range samples {
		l = max(l, s.longest)
	}
	return l
}

func middle(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}
