// Command telemetry prints what the store of spans and log records costs: on
// two million rows of twenty columns, rows for each second of CPU from the bytes
// of OTLP to sealed files, bytes a row, and how soon questions are answered.
//
//	go run ./telemetry [ROWS]
//	go run ./telemetry jaeger    intake and trace by ID beside Jaeger all-in-one
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/segment"
)

const (
	batchRows = 1024
	fullDay   = 4 * time.Hour // that the rows spread over
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	rows := 2_000_000
	switch {
	case len(os.Args) == 2 && os.Args[1] == "jaeger":
		if err := besideJaeger(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	case len(os.Args) == 5 && os.Args[1] == "serve":
		if err := serve(ctx, os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	case len(os.Args) > 1:
		n, err := strconv.Atoi(os.Args[1])
		if err != nil || n < 10*batchRows {
			fmt.Fprintln(os.Stderr, "usage: telemetry [ROWS | jaeger]")
			os.Exit(2)
		}
		rows = n
	}
	if err := run(ctx, rows); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rows int) (err error) {
	dir, err := os.MkdirTemp("", "plat-bench-telemetry-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	began := time.Now().Add(-fullDay).Truncate(time.Second)
	in, err := made(filepath.Join(dir, "requests"), rows, began)
	if err != nil {
		return err
	}
	store, err := segment.Open(ctx, segment.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- store.Run(running) }()
	before := cpu()
	err = in.take(ctx, store)
	if err == nil {
		err = store.Seal(ctx, true)
	}
	spent := cpu() - before
	stop()
	if err = errors.Join(err, <-done); err != nil {
		return err
	}
	st := store.Stats()
	fmt.Printf("%d spans and %d log records in %d files\n", st.Spans, st.Logs, st.Files)
	fmt.Printf("%-58s %10.0f  aim ≥ 150000\n", "rows a second of CPU, OTLP to sealed", float64(rows)/spent.Seconds())
	fmt.Printf("%-58s %10.1f  aim ≤ 60\n", "bytes a row, sealed", float64(st.Bytes)/float64(rows))
	fmt.Printf("%-58s %10d\n", "MiB resident at most", peak()>>20)
	return ask(ctx, store, in.traces, began)
}

// ask times the questions of the console.
func ask(ctx context.Context, store *segment.Store, traces []telemetry.TraceID, began time.Time) error {
	end := began.Add(fullDay)
	found := 0
	trace := func(i int) error {
		return store.Spans(ctx, telemetry.SpanQuery{TraceID: traces[i%len(traces)]}, func(*telemetry.Span) error { found++; return nil })
	}
	text := func(words string, length time.Duration) func(int) error {
		return func(int) error {
			err := store.Logs(ctx, telemetry.LogQuery{From: end.Add(-length), To: end, Text: words}, func(*telemetry.Log) error {
				if found++; found >= 200 {
					return telemetry.ErrEnough
				}
				return nil
			})
			if errors.Is(err, telemetry.ErrEnough) {
				return nil
			}
			return err
		}
	}
	hour := telemetry.SpanQuery{From: end.Add(-time.Hour), To: end}
	logs := telemetry.LogQuery{From: end.Add(-time.Hour), To: end}
	for _, question := range []struct {
		what, aim string
		ask       func(int) error
	}{
		{"a trace by its ID", "≤ 20 ms", trace},
		{"text in 15 minutes: a word of one record in a thousand", "≤ 50 ms", text("declined", 15*time.Minute)},
		{"text in 15 minutes: a word that is nowhere", "≤ 50 ms", text("zanzibar", 15*time.Minute)},
		{"text in four hours: a word that is nowhere", "-", text("zanzibar", fullDay)},
		{"p99 by route over an hour", "≤ 50 ms", func(int) error { return aggregate(ctx, store, hour, &found, 0, "http.route") }},
		{"the same, a minute at a time, by service", "-", func(int) error {
			return aggregate(ctx, store, hour, &found, time.Minute, "service.name", "http.route")
		}},
		{"histogram of an hour's log records", "-", func(int) error {
			_, err := store.Histogram(ctx, logs, 120)
			found++
			return err
		}},
		{"facets of an hour's log records", "-", func(int) error {
			_, err := store.Facets(ctx, logs, []string{"service.name", "severity", "http.route", "customer.tier"}, 10)
			found++
			return err
		}},
	} {
		const rounds = 15
		times := make([]time.Duration, 0, rounds)
		sum, before := 0, cpu()
		for i := range rounds {
			found = 0
			at := time.Now()
			if err := question.ask(i); err != nil {
				return err
			}
			times = append(times, time.Since(at))
			sum += found
		}
		slices.Sort(times)
		round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
		fmt.Printf("%-58s %10v  (%v to %v, %v of CPU, %d found)  aim %s\n", question.what, round(times[rounds/2]),
			round(times[0]), round(times[rounds-1]), round((cpu()-before)/rounds), sum/rounds, question.aim)
	}
	return nil
}

func aggregate(ctx context.Context, store *segment.Store, q telemetry.SpanQuery, found *int, step time.Duration, by ...string) error {
	groups, err := store.Aggregate(ctx, q, by, step)
	for i := range groups {
		_ = groups[i].Durations.Quantile(0.99)
		*found++
	}
	return err
}

// maker makes rows like those of a shop: requests through several services,
// with log records of the same traces.
type maker struct {
	random    *rand.Rand
	now       int64
	resources []*telemetry.Resource
	trace     telemetry.TraceID
	left      int // rows of the trace
	action    string
	parent    telemetry.SpanID
}

func newMaker(began time.Time) *maker {
	m := &maker{random: rand.New(rand.NewPCG(1, 2)), now: began.UnixNano()} //nolint:gosec // chosen randomness
	for i, name := range []string{"web", "order", "catalog", "customer", "warehouse", "finance", "loyalty", "notification", "recommendation"} {
		for instance := range 2 {
			m.resources = append(m.resources, &telemetry.Resource{
				Service: name, Instance: fmt.Sprintf("%s-%d", name, instance+1), Version: fmt.Sprintf("1.%d.0", i),
				Attributes: []telemetry.Attribute{{Key: "host.name", Value: "shop-1"}, {Key: "process.pid", Value: strconv.Itoa(4000 + i*10 + instance), Kind: telemetry.Int}, {Key: "telemetry.sdk.language", Value: "go"}},
			})
		}
	}
	return m
}

func (m *maker) id() (id telemetry.SpanID) {
	v := m.random.Uint64()
	for i := range id {
		id[i] = byte(v >> (8 * i)) // #nosec G115 -- the lowest byte
	}
	return id
}

// next is a row's trace: some twenty rows share one.
func (m *maker) next(step int64) {
	m.now += step
	if m.left--; m.left < 0 {
		m.left = 10 + m.random.IntN(20)
		a, b := m.id(), m.id()
		copy(m.trace[:8], a[:])
		copy(m.trace[8:], b[:])
		m.action = fmt.Sprintf("%x-%x", a[:4], b[:6])
		m.parent = telemetry.SpanID{}
	}
}

func (m *maker) batch(rows int, step int64) telemetry.Batch {
	routes := [...]string{"/api/albums", "/api/albums/{album}", "/api/orders", "/api/orders/{order}", "/api/customers/{customer}/points", "/api/stock", "/checkout", "/"}
	bodies := [...]string{"order placed", "points given to the customer", "reservation changed from waiting to reserved", "payment taken", "mail sent", "request served"}
	b := telemetry.Batch{Spans: make([]telemetry.Span, 0, rows/2+1), Logs: make([]telemetry.Log, 0, rows/2+1)}
	for i := range rows {
		m.next(step)
		r := m.resources[m.random.IntN(len(m.resources))]
		route := routes[m.random.IntN(len(routes))]
		if i%2 == 0 {
			b.Spans = append(b.Spans, m.span(r, route))
			continue
		}
		body := bodies[m.random.IntN(len(bodies))]
		severity := telemetry.SeverityInfo
		if m.random.IntN(1000) == 0 {
			body, severity = "payment was declined by the bank", telemetry.SeverityError
		}
		b.Logs = append(b.Logs, telemetry.Log{
			Resource: r, Scope: "slog", Stream: "out", Time: m.now, Severity: severity, Body: body, TraceID: m.trace, SpanID: m.parent, CorrelationID: m.action,
			Attributes: []telemetry.Attribute{
				{Key: "http.route", Value: route}, {Key: "customer.id", Value: strconv.Itoa(m.random.IntN(5000)), Kind: telemetry.Int}, {Key: "customer.tier", Value: [...]string{"gold", "silver", "none"}[m.random.IntN(3)]},
				{Key: "code.function.name", Value: "main.(*service).handle"}, {Key: "thread.id", Value: "1", Kind: telemetry.Int}, {Key: "attempt", Value: strconv.Itoa(m.random.IntN(3)), Kind: telemetry.Int},
			},
		})
	}
	return b
}

func (m *maker) span(r *telemetry.Resource, route string) telemetry.Span {
	status, code := telemetry.StatusUnset, "200"
	if m.random.IntN(200) == 0 {
		status, code = telemetry.StatusError, "503"
	}
	s := telemetry.Span{
		Resource: r, Scope: "net/http", TraceID: m.trace, ID: m.id(), Parent: m.parent, Start: m.now,
		Duration: int64(1e6 * (1 + m.random.ExpFloat64()*20)), Name: "GET " + route, Kind: telemetry.KindServer, Status: status, CorrelationID: m.action,
		Attributes: []telemetry.Attribute{
			{Key: "http.request.method", Value: "GET"}, {Key: "http.route", Value: route}, {Key: "http.response.status_code", Value: code, Kind: telemetry.Int},
			{Key: "url.scheme", Value: "http"}, {Key: "server.address", Value: "127.0.0.1"}, {Key: "server.port", Value: "8000", Kind: telemetry.Int},
			{Key: "network.protocol.version", Value: "1.1"}, {Key: "customer.id", Value: strconv.Itoa(m.random.IntN(5000)), Kind: telemetry.Int},
		},
	}
	m.parent = s.ID
	return s
}

// cpu is the time that this process has spent.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak is how much memory was resident at most.
func peak() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Maxrss << 10 // Linux counts in KiB
}
