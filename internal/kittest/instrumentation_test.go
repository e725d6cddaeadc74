package kittest_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	health1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
)

// kept takes what the kit exports.
type kept struct {
	mu    sync.Mutex
	spans []telemetry.Span
}

func (k *kept) Take(_ context.Context, b telemetry.Batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, b.Spans...)
	return nil
}

func (k *kept) all() []telemetry.Span {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]telemetry.Span{}, k.spans...)
}

// TestInstrumentationOfOthersJoins: spans that otelsql and otelgrpc make within
// a request lie below the kit's own, in the same trace, with its correlation
// ID, and reach plat's door of OTLP.
func TestInstrumentationOfOthersJoins(t *testing.T) {
	t.Parallel()
	k := &kept{}
	door := httptest.NewServer(otlp.New(otlp.Options{Rows: k}).HTTP())
	t.Cleanup(door.Close)
	ctx, cancel := context.WithCancel(t.Context())
	url, ended := make(chan string, 1), make(chan error, 1)
	env := kit.WithEnv(ctx, map[string]string{"PORT": "0", "PLAT_SERVICE": "shop", "OTEL_EXPORTER_OTLP_ENDPOINT": door.URL})
	go func() { ended <- kit.Run(env, "shop", func(s *kit.Service) error { return instrumented(t, s, url) }) }()
	req, err := http.NewRequest(http.MethodGet, <-url+"/work", nil)
	if err != nil {
		t.Fatal(err)
	}
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	req.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	req.Header.Set("X-Correlation-ID", "work-7")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	cancel() // exports what is left
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	scopes := map[string]bool{}
	tree := telemetry.Assemble(k.all())
	for _, n := range tree.Nodes {
		scopes[n.Span.Scope] = true
		if n.Span.TraceID.String() != trace || n.Span.CorrelationID != "work-7" || n.Depth == 0 && n.Span.Kind != telemetry.KindServer {
			t.Errorf("%s of %s stands apart: trace %s, correlation ID %q, depth %d", n.Span.Name, n.Span.Scope, n.Span.TraceID, n.Span.CorrelationID, n.Depth)
		}
	}
	for _, scope := range []string{"github.com/plat-dev/plat/kit", "github.com/XSAM/otelsql", otelgrpc.ScopeName} {
		if !scopes[scope] {
			t.Errorf("no span of %s arrived; there are %v", scope, scopes)
		}
	}
}

// instrumented is a service that asks a database and a gRPC server.
func instrumented(t *testing.T, s *kit.Service, url chan<- string) error {
	db, err := otelsql.Open("sqlite", "file:"+t.TempDir()+"/work.db", otelsql.WithTracerProvider(s.TracerProvider()))
	if err != nil {
		return err
	}
	s.OnStop("database", func(context.Context) error { return db.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	health1.RegisterHealthServer(server, health.NewServer())
	s.Go("gRPC", func(ctx context.Context) error {
		defer context.AfterFunc(ctx, server.Stop)()
		return server.Serve(l)
	})
	client, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(otelgrpc.WithTracerProvider(s.TracerProvider()))))
	if err != nil {
		return err
	}
	s.OnStop("gRPC client", func(context.Context) error { return client.Close() })
	s.HandleFunc("GET /work", func(w http.ResponseWriter, r *http.Request) {
		if _, err := db.ExecContext(r.Context(), "CREATE TABLE work (n INTEGER)"); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if _, err := health1.NewHealthClient(client).Check(r.Context(), &health1.HealthCheckRequest{}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	url <- s.URL()
	return nil
}
