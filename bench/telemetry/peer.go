package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/jaeger"
	"github.com/plat-dev/plat/telemetry/otlp"
	"github.com/plat-dev/plat/telemetry/segment"
)

// peerSpans is what both are given. Jaeger all-in-one keeps all of it in memory,
// plat on the disk.
const peerSpans = 512 * 512

// peer is a program that takes OTLP by HTTP and answers as Jaeger does.
type peer struct {
	name         string
	otlp, answer string // addresses
	cmd          *exec.Cmd
}

// besideJaeger gives the same OTLP spans to plat's intake and store and to
// Jaeger all-in-one, each a process of its own, one request after another, and
// asks both for traces by the same API.
func besideJaeger(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "plat-bench-peer-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary, err := buildJaeger(ctx)
	if err != nil {
		return err
	}
	bodies, traces, err := forwarded(ctx)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, name := range []string{"plat", "Jaeger all-in-one 1.76"} {
		var free [7]string
		for i := range free {
			if free[i], err = freeAddr(); err != nil {
				return err
			}
		}
		p := peer{name: name, otlp: free[0], answer: free[1]}
		if name == "plat" {
			p.cmd = exec.CommandContext(ctx, self, "serve", filepath.Join(dir, "store"), p.otlp, p.answer) //nolint:gosec // ourselves
		} else {
			p.cmd = exec.CommandContext(ctx, binary, "--collector.otlp.http.host-port="+p.otlp, "--query.http-server.host-port="+p.answer, //nolint:gosec // built just now
				"--collector.otlp.grpc.host-port="+free[2], "--query.grpc-server.host-port="+free[3], "--admin.http.host-port="+free[4],
				"--collector.grpc-server.host-port="+free[5], "--collector.http-server.host-port="+free[6],
				"--log-level=error")
			p.cmd.Env = append(os.Environ(), "SPAN_STORAGE_TYPE=memory")
		}
		if err := p.measure(ctx, bodies, traces); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// buildJaeger builds the peer from the version that its module pins.
func buildJaeger(ctx context.Context) (string, error) {
	_, file, _, _ := runtime.Caller(0)
	bench := filepath.Dir(filepath.Dir(file))
	binary := filepath.Join(bench, "..", "bin", "jaeger-all-in-one")
	fmt.Println("building Jaeger (minutes when nothing is cached)")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "github.com/jaegertracing/jaeger/cmd/all-in-one") //nolint:gosec // our own path
	build.Dir = filepath.Join(bench, "peers", "jaeger")
	build.Env = append(os.Environ(), "GOWORK=off")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building Jaeger: %w\n%s", err, said)
	}
	return binary, nil
}

// forwarded are the bodies of OTLP, as plat's own forwarding makes them, and
// some of the traces.
func forwarded(ctx context.Context) (bodies [][]byte, traces []telemetry.TraceID, err error) {
	took := make(chan []byte, 1)
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			took <- body
		}
	}))
	defer sink.Close()
	f, err := otlp.NewForward(otlp.ForwardOptions{URL: sink.URL, Protocol: otlp.ProtocolHTTP})
	if err != nil {
		return nil, nil, err
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- f.Run(running) }()
	defer func() { stop(); err = errors.Join(err, <-done) }()
	m := newMaker(time.Now().Add(-10 * time.Minute))
	for made := 0; made < peerSpans; {
		b := m.batch(batchRows, int64(time.Millisecond))
		b.Logs = nil
		if made += len(b.Spans); len(bodies)%8 == 0 {
			traces = append(traces, b.Spans[len(b.Spans)/2].TraceID)
		}
		f.Take(b)
		select {
		case body := <-took:
			bodies = append(bodies, body)
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(10 * time.Second):
			return nil, nil, errors.New("a request of OTLP was not made")
		}
	}
	return bodies, traces, nil
}

// measure starts the peer, gives it all, and asks it.
func (p *peer) measure(ctx context.Context, bodies [][]byte, traces []telemetry.TraceID) error {
	var said bytes.Buffer
	p.cmd.Stdout, p.cmd.Stderr = &said, &said
	if err := p.cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
	}()
	for _, addr := range []string{p.otlp, p.answer} {
		if err := listening(ctx, addr); err != nil {
			return fmt.Errorf("%w\n%.2000s", err, said.String())
		}
	}
	before, began := cpuOf(p.cmd.Process.Pid), time.Now()
	for _, body := range bodies {
		if err := p.post(ctx, body); err != nil {
			return err
		}
	}
	if err := p.until(ctx, traces[len(traces)-1]); err != nil {
		return err
	}
	spent, took := cpuOf(p.cmd.Process.Pid)-before, time.Since(began)
	rows := float64(peerSpans)
	fmt.Printf("%-58s %10.0f  (%.2f µs of CPU a span; %.0f spans a second)\n", p.name+": spans a second of CPU, OTLP to kept", rows/spent.Seconds(), float64(spent.Microseconds())/rows, rows/took.Seconds())
	fmt.Printf("%-58s %10d\n", p.name+": MiB resident", residentOf(p.cmd.Process.Pid)>>20)
	var times []time.Duration
	for _, id := range traces {
		at := time.Now()
		if n, err := p.trace(ctx, id); err != nil || n == 0 {
			return fmt.Errorf("trace %s: %d spans, %w", id, n, err)
		}
		times = append(times, time.Since(at))
	}
	slices.Sort(times)
	fmt.Printf("%-58s %10v  (%v to %v)\n", p.name+": a trace by its ID, over HTTP", times[len(times)/2].Round(10*time.Microsecond), times[0].Round(10*time.Microsecond), times[len(times)-1].Round(10*time.Microsecond))
	return nil
}

func (p *peer) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.otlp+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "gzip") // as forwarding sends it
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("OTLP is answered by %s", resp.Status)
	}
	return err
}

// trace tells how many spans a trace has; 0 where it is not known.
func (p *peer) trace(ctx context.Context, id telemetry.TraceID) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.answer+"/api/traces/"+id.String(), nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	var told struct {
		Data []struct{ Spans []json.RawMessage }
	}
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil || len(told.Data) == 0 {
		return 0, err
	}
	return len(told.Data[0].Spans), nil
}

// until waits for what was told last.
func (p *peer) until(ctx context.Context, id telemetry.TraceID) error {
	for range 300 {
		if n, err := p.trace(ctx, id); err == nil && n > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.New("the last trace is not found")
}

// serve is plat's part as a process: intake, store and Jaeger's API.
func serve(ctx context.Context, dir, otlpAddr, answerAddr string) (err error) {
	store, err := segment.Open(ctx, segment.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	room := telemetry.New(telemetry.Options{Store: store})
	in, err := (&net.ListenConfig{}).Listen(ctx, "tcp", otlpAddr)
	if err != nil {
		return err
	}
	server := http.Server{Addr: answerAddr, Handler: jaeger.Handler(store, jaeger.Options{}), ReadHeaderTimeout: time.Second}
	parts := []func() error{
		func() error { return store.Run(ctx) }, func() error { return room.Run(ctx) },
		func() error { return otlp.New(otlp.Options{Rows: room}).ServeHTTP(ctx, in) }, server.ListenAndServe,
	}
	ended := make(chan error, len(parts))
	for _, part := range parts {
		go func() { ended <- part() }()
	}
	<-ctx.Done()
	err = server.Close()
	for range parts {
		if e := <-ended; e != nil && !errors.Is(e, http.ErrServerClosed) && !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func freeAddr() (string, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func listening(ctx context.Context, addr string) error {
	for range 200 {
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr); err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.New("it does not listen on " + addr)
}

// cpuOf is the processor time of a process, and residentOf its memory; 0 where
// there is no /proc.
func cpuOf(pid int) time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // none is empty
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ
}

func residentOf(pid int) int64 {
	statm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)) // none is empty
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
