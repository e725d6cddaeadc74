package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The load of a soak: a shop on a good day, bounded so that the services keep
// up with it.
const (
	soakLength  = 10 * time.Minute
	soakWorkers = 8
	soakRate    = 200 // requests a second
	soakBuys    = 10  // one request of so many places an order
)

// soak has customers at MusicCorp for minutes, and looks each minute at what plat
// holds and at what telemetry lost. It fails when rows were lost.
func (b bench) soak(ctx context.Context, length time.Duration) (err error) {
	system, err := b.musiccorp(ctx)
	if err != nil {
		return err
	}
	if err := b.run(ctx, system, "up", "-d", "--timeout", "10m"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.run(context.WithoutCancel(ctx), system, "down")) }()
	var running struct {
		PID      int
		Gateways map[string]string
	}
	text, err := os.ReadFile(filepath.Join(system, ".plat", "run.json")) //nolint:gosec // below the bench's own folder
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &running); err != nil {
		return err
	}
	l := &shoppers{url: running.Gateways["public"], client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: soakWorkers}}}
	if err := l.open(ctx); err != nil {
		return err
	}
	loading, stop := context.WithTimeout(ctx, length)
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); l.run(loading) }()
	defer func() { stop(); <-done }()
	return b.watch(ctx, loading, system, running.PID, l)
}

// watch prints a line a minute, and compares the last ones with the first. What
// plat holds is the most of the minute: it is more for a moment whenever rows
// are sealed, which one look a minute meets by chance.
func (b bench) watch(ctx, loading context.Context, system string, pid int, l *shoppers) error {
	fmt.Printf("%8s %10s %8s %10s %8s %10s %10s %8s\n", "minute", "requests", "failed", "most MiB", "cores", "spans", "logs", "lost")
	var held []int64
	var lost uint64
	last, spent := time.Now(), cpuOf(pid)
	for minute := 1; loading.Err() == nil; minute++ {
		resident, err := mostResident(loading, pid, time.Minute)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		told, err := b.told(ctx, system)
		if err != nil {
			return err
		}
		lost = 0
		for _, x := range told.Lost {
			lost += x.Count
		}
		now, used := time.Now(), cpuOf(pid)
		fmt.Printf("%8d %10d %8d %10d %8.2f %10d %10d %8d\n", minute, l.asked.Load(), l.failed.Load(), resident>>20, (used-spent).Seconds()/now.Sub(last).Seconds(), told.Spans, told.Logs, lost)
		for _, x := range told.Lost {
			fmt.Printf("%8s lost: %d %s: %s\n", "", x.Count, x.What, x.Reason)
		}
		held, last, spent = append(held, resident), now, used
	}
	if len(held) > 2 { // the last part of a minute is none of its own
		most := int64(0)
		for _, n := range held[1:] {
			most = max(most, n)
		}
		fmt.Printf("%-58s %9.2f  aim ≤ 1.1\n", "most that plat held after the first minute ÷ then", float64(most)/float64(held[0]))
	}
	fmt.Printf("%-58s %9d  aim 0\n", "requests that failed", l.failed.Load())
	fmt.Printf("%-58s %9d  aim 0\n", "rows and samples that telemetry lost", lost)
	if lost > 0 {
		return fmt.Errorf("telemetry lost %d rows or samples", lost)
	}
	return nil
}

// soaked is what plat telemetry tells, as far as it is looked at.
type soaked struct {
	Spans, Logs int64
	Lost        []struct {
		What, Reason string
		Count        uint64
	}
}

func (b bench) told(ctx context.Context, system string) (s soaked, err error) {
	text, err := b.output(ctx, system, "telemetry", "-o", "json")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(text), &s)
}

// mostResident is the most memory that a process has while the time goes by or
// until ctx ends, by a look a second.
func mostResident(ctx context.Context, pid int, length time.Duration) (most int64, err error) {
	end := time.After(length)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		n, err := residentOf(pid)
		if err != nil {
			return 0, err
		}
		most = max(most, n)
		select {
		case <-tick.C:
		case <-end:
			return most, nil
		case <-ctx.Done():
			return most, nil
		}
	}
}

// residentOf is the memory that a process has, in bytes.
func residentOf(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("process %d says nothing of its memory", pid)
}

// cpuOf is the processor time that a process has used; 0 where it cannot be read.
func cpuOf(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ
}

// shoppers are the customers of a soak.
type shoppers struct {
	url       string
	client    *http.Client
	customers []string
	sku       string
	asked     atomic.Int64
	failed    atomic.Int64
}

// open registers a customer for each worker, and finds something to buy.
func (l *shoppers) open(ctx context.Context) error {
	var page struct {
		Embedded struct {
			Albums []struct{ SKU string }
		} `json:"_embedded"`
	}
	a, err := l.ask(ctx, http.MethodGet, "/api/albums?query=", nil, "")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(a.body, &page); err != nil || len(page.Embedded.Albums) == 0 {
		return fmt.Errorf("no album to buy: %d %s", a.status, a.body)
	}
	l.sku = page.Embedded.Albums[0].SKU
	for i := range soakWorkers {
		a, err := l.ask(ctx, http.MethodPost, "/api/customers", map[string]string{"name": "Sam", "email": fmt.Sprintf("soak-%d@example.com", i)}, "")
		if err != nil {
			return err
		}
		if a.status != http.StatusCreated {
			return fmt.Errorf("no customer: %d %s", a.status, a.body)
		}
		l.customers = append(l.customers, strings.TrimPrefix(a.location, "/api/customers/"))
	}
	return nil
}

// run asks until ctx ends, at a steady rate.
func (l *shoppers) run(ctx context.Context) {
	turns := make(chan int)
	var workers sync.WaitGroup
	for i := range soakWorkers {
		workers.Go(func() {
			for n := range turns {
				l.turn(ctx, l.customers[i], n)
			}
		})
	}
	tick := time.NewTicker(time.Second / soakRate)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-ctx.Done():
		case <-tick.C:
			select {
			case turns <- n:
			case <-ctx.Done():
			}
		}
	}
	close(turns)
	workers.Wait()
}

func (l *shoppers) turn(ctx context.Context, customer string, n int) {
	method, path, key := http.MethodGet, [...]string{"/api/albums?query=a", "/api/albums/" + l.sku, "/api/stock/" + l.sku}[n%3], ""
	var body any
	if n%soakBuys == 0 {
		method, path, key = http.MethodPost, "/api/orders", fmt.Sprintf("soak-%d", n)
		body = map[string]any{"customer": customer, "lines": []map[string]any{{"sku": l.sku, "quantity": 1}}}
	}
	a, err := l.ask(ctx, method, path, body, key)
	if ctx.Err() != nil {
		return // its end, no failure
	}
	if l.asked.Add(1); err != nil || a.status >= 400 {
		l.failed.Add(1)
	}
}

type soakAnswer struct {
	status   int
	location string
	body     []byte
}

func (l *shoppers) ask(ctx context.Context, method, path string, body any, key string) (a soakAnswer, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return a, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, bytes.NewReader(text))
	if err != nil {
		return a, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	a.status, a.location = resp.StatusCode, resp.Header.Get("Location")
	return a, err
}
