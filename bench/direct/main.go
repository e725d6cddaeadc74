// Command direct measures what a call between services costs where the kit
// makes it by itself, beside the same call by plat's east-west edge and beside
// a plain client of net/http, in the same run.
//
// The service that is called and the edge are processes of their own; the caller
// is this one, in which a small control plane gives the view and takes what is
// told, as plat does. The three ways take turns, so that a noisy machine
// disturbs all alike: the ratios count. Processor time is the caller's and the
// edge's, without the callee's.
//
//	go run ./direct                  # from the folder bench
//	go run ./direct -rounds 9 -calls 20000
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/direct"
	"github.com/plat-dev/plat/plan"
)

const (
	callees = 2 // instances
	answer  = 600
)

func main() {
	if len(os.Args) > 1 && (os.Args[1] == "callee" || os.Args[1] == "edge") {
		fail(serve(os.Args[1], os.Args[2:]))
		return
	}
	rounds := flag.Int("rounds", 5, "rounds of each way")
	calls := flag.Int("calls", 20000, "calls a round")
	at := flag.Int("callers", 8, "calls at a time")
	flag.Parse()
	fail(measure(*rounds, *calls, *at))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve is one of the other processes: it prints its address and ends with its
// standard input.
func serve(role string, instances []string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	body := strings.Repeat("x", answer)
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	if role == "edge" {
		g := gateway.New(gateway.Options{AccessLog: io.Discard, Observe: func(*gateway.Exchange) {}, Seen: func(*gateway.Exchange) {}})
		defer g.Close()
		g.SetCalls([]plan.Edge{{Caller: "web", Callee: "stock", Timeout: plan.Duration(time.Second), OnFailure: plan.OnFail}})
		var up []gateway.Upstream
		for i, addr := range instances {
			up = append(up, gateway.Upstream{ID: "stock-" + strconv.Itoa(i), Addr: addr})
		}
		g.SetUpstreams("stock", up)
		h = g.Edge("web", "stock", time.Second)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); stop() }()
	fmt.Println(l.Addr())
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	go func() { <-ctx.Done(); _ = server.Close() }()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// child is another process.
type child struct {
	cmd  *exec.Cmd
	in   io.Closer
	addr string
}

func start(args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.Background(), self, args...) // #nosec G204 -- this program again
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line := make([]byte, 64)
	n, err := out.Read(line)
	return &child{cmd, in, strings.TrimSpace(string(line[:n]))}, err
}

func (c *child) end() {
	_ = c.in.Close()
	_ = c.cmd.Wait() // it ends with its input
}

// cpu is the processor time that a process used.
func (c *child) cpu() time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond // a hundredth of a second
}

func own() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // of ourselves: it works
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// control gives the view, and takes what is told as plat does: it is decoded.
type control struct {
	view direct.View

	mu    sync.Mutex // guards what follows
	inUse bool
	told  int
}

// ServeHTTP implements http.Handler.
func (c *control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var t direct.Telling
		if json.NewDecoder(r.Body).Decode(&t) == nil {
			c.mu.Lock()
			c.told += len(t.Calls)
			c.mu.Unlock()
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if r.URL.Query().Get("revision") == c.view.Revision {
		c.mu.Lock()
		c.inUse = true
		c.mu.Unlock()
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
		}
	}
	_ = json.NewEncoder(w).Encode(c.view) // who has gone needs none
}

// figure is what one round of one way gave.
type figure struct {
	p50, p99, cpu time.Duration
}

func measure(rounds, calls, at int) error {
	var addrs []string
	var called []*child
	defer func() {
		for _, c := range called {
			c.end()
		}
	}()
	for range callees {
		c, err := start("callee")
		if err != nil {
			return err
		}
		called = append(called, c)
		addrs = append(addrs, c.addr)
	}
	edge, err := start(append([]string{"edge"}, addrs...)...)
	if err != nil {
		return err
	}
	defer edge.end()
	plane := &control{view: direct.View{Revision: "1", Calls: []direct.Call{{Service: "stock", By: direct.ByKit, Timeout: time.Second, OnFailure: "fail"}}}}
	for i, addr := range addrs {
		plane.view.Calls[0].Instances = append(plane.view.Calls[0].Instances, direct.Instance{ID: "stock-" + strconv.Itoa(i), Addr: addr})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: plane, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	defer server.Close()
	env := map[string]string{"PORT": "0", "PLAT_INSTANCE": "web-1", "PLAT_URL_STOCK": "http://" + edge.addr}
	directly := map[string]string{"PLAT_API": "http://" + l.Addr().String(), "PLAT_TOKEN": "t"}
	for k, v := range env {
		directly[k] = v
	}
	return within(env, func(byEdge *kit.Client) error {
		return within(directly, func(byKit *kit.Client) error {
			plain := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: at}}
			return compare(rounds, calls, at, edge, plane, []way{
				{"net/http", func(ctx context.Context) error { return get(ctx, plain, "http://"+addrs[0]) }},
				{"the edge", func(ctx context.Context) error { return get(ctx, byEdge.HTTP, byEdge.Base.String()) }},
				{"the kit", func(ctx context.Context) error { return get(ctx, byKit.HTTP, byKit.Base.String()) }},
			})
		})
	})
}

// within runs a service and gives its client.
func within(env map[string]string, f func(*kit.Client) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return kit.Run(kit.WithOutput(kit.WithEnv(ctx, env), io.Discard), "web", func(s *kit.Service) error {
		c := s.Client("stock")
		s.Go("measure", func(context.Context) error {
			defer cancel()
			return f(c)
		})
		return nil
	})
}

func get(ctx context.Context, c *http.Client, at string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/", nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != answer || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d, %d bytes, %w", resp.StatusCode, n, err)
	}
	return nil
}

// way is one way to make the call.
type way struct {
	name string
	call func(context.Context) error
}

func compare(rounds, calls, at int, edge *child, plane *control, ways []way) error {
	for { // until the view is in force
		if err := ways[2].call(context.Background()); err != nil {
			return err
		}
		plane.mu.Lock()
		ready := plane.inUse
		plane.mu.Unlock()
		if ready {
			break
		}
	}
	all := make([][]figure, len(ways))
	for round := range rounds + 1 {
		for i, w := range ways {
			f, err := run(w, calls, at, edge)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			if round > 0 { // the first warms up
				all[i] = append(all[i], f)
			}
		}
	}
	median := func(i int, of func(figure) time.Duration) time.Duration {
		var list []time.Duration
		for _, f := range all[i] {
			list = append(list, of(f))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	p50, p99, cpu := func(f figure) time.Duration { return f.p50 }, func(f figure) time.Duration { return f.p99 }, func(f figure) time.Duration { return f.cpu }
	fmt.Printf("%d rounds of %d calls, %d at a time, medians\n\n%-10s %10s %10s %12s %12s %14s\n", rounds, calls, at, "by", "p50", "p99", "added p50", "added p99", "CPU a call")
	for i, w := range ways {
		fmt.Printf("%-10s %10s %10s %12s %12s %14s\n", w.name, median(i, p50).Round(time.Microsecond), median(i, p99).Round(time.Microsecond),
			(median(i, p50) - median(0, p50)).Round(time.Microsecond), (median(i, p99) - median(0, p99)).Round(time.Microsecond), median(i, cpu).Round(100*time.Nanosecond))
	}
	fmt.Printf("\nthe kit / the edge: %.2f of the processor time, %.2f of p50, %.2f of p99\n",
		float64(median(2, cpu))/float64(median(1, cpu)), float64(median(2, p50))/float64(median(1, p50)), float64(median(2, p99))/float64(median(1, p99)))
	plane.mu.Lock()
	defer plane.mu.Unlock()
	fmt.Printf("calls that were told: %d\n", plane.told)
	return nil
}

// run makes the calls of one round.
func run(w way, calls, at int, edge *child) (figure, error) {
	took := make([]time.Duration, calls)
	errs := make([]error, at)
	before := own() + edge.cpu()
	var work sync.WaitGroup
	for worker := range at {
		work.Go(func() {
			for i := worker; i < calls; i += at {
				began := time.Now()
				if err := w.call(context.Background()); err != nil {
					errs[worker] = err
					return
				}
				took[i] = time.Since(began)
			}
		})
	}
	work.Wait()
	used := own() + edge.cpu() - before
	slices.Sort(took)
	return figure{took[calls/2], took[calls*99/100], used / time.Duration(calls)}, errors.Join(errs...)
}
