package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// serveRole is what this binary does as a child: args are the address to
// listen on and those of the role.
func serveRole(ctx context.Context, role string, args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("role %s lacks arguments", role)
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	switch role {
	case "backend":
		size, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return serveBackend(ctx, l, size)
	case "plat", "keeping":
		return servePlat(ctx, l, args[1:], role == "keeping")
	}
	return fmt.Errorf("no role %q", role)
}

// serveBackend answers every request with a JSON text of this size.
func serveBackend(ctx context.Context, l net.Listener, size int) error {
	body := append([]byte(`{"albums":"`), bytes.Repeat([]byte("x"), max(0, size-13))...)
	body = append(body, `"}`...)
	length := strconv.Itoa(len(body))
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", length)
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(body) // the proxy has gone: nothing to do
	})}
	go func() {
		<-ctx.Done()
		_ = server.Close() // ends with the run
	}()
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// servePlat is the gateway as plat runs it: routes (with time to spare, for a
// busy machine), one upstream, an access log in a file, and perhaps a cache. args: the backend, the log, and perhaps a file for a profile.
func servePlat(ctx context.Context, l net.Listener, args []string, keeps bool) error {
	if len(args) < 2 {
		return fmt.Errorf("role plat lacks arguments")
	}
	log, err := os.OpenFile(args[1], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) // #nosec G703 -- named by our parent
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // Close of the gateway has written it
	if len(args) > 2 {
		f, err := os.Create(args[2]) // #nosec G703 -- named by our parent
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // a profile
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	g := gateway.New(gateway.Options{AccessLog: log})
	defer g.Close()
	var kept *plan.RouteCache
	if keeps {
		kept = &plan.RouteCache{Longest: plan.Duration(time.Hour)}
		g.SetCache("public", &plan.Cache{Memory: 64 << 20, Object: 8 << 20})
	}
	g.SetRoutes("public", []plan.Route{
		{Gateway: "public", Path: "/api/customers", Service: "customer", Timeout: plan.Duration(30 * time.Second)},
		{Gateway: "public", Path: "/api/albums", Service: "catalog", Timeout: plan.Duration(30 * time.Second), Cache: kept},
		{Gateway: "public", Path: "/api/orders", Service: "order", Timeout: plan.Duration(30 * time.Second)},
		{Gateway: "public", Path: "/", Service: "web", Timeout: plan.Duration(30 * time.Second)},
	})
	g.SetUpstreams("catalog", []gateway.Upstream{{ID: "catalog-1", Addr: args[0], Version: "1"}})
	return g.Serve(ctx, l, g.Public("public"))
}
