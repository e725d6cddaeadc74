package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// places is how many requests each service works on at a time without one
// being in another's way.
const places = 8

// serveRole is what this binary does as a child.
func serveRole(ctx context.Context, role string, args []string) error {
	if role == "load" && len(args) == 4 {
		return loadRole(args)
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	switch {
	case role == "service" && len(args) == 1:
		return serveService(ctx, l, args[0])
	case role == "plat" && len(args) == 3:
		return servePlat(ctx, l, args[0], args[1], args[2])
	}
	return fmt.Errorf("no role %q with %q", role, args)
}

// serveService is a service as many are: net/http, no limit of its own.
func serveService(ctx context.Context, l net.Listener, kind string) error {
	runtime.GOMAXPROCS(1)
	var work func(context.Context)
	switch kind {
	case "cpu": // about 4 ms of work
		block := make([]byte, 1<<20)
		each := 1 + int(4*time.Millisecond/once(block))
		work = func(context.Context) {
			for range each {
				sha256.Sum256(block)
			}
		}
	case "store": // a pool of connections to a store that takes 20 ms
		pool := make(chan struct{}, places)
		work = func(ctx context.Context) {
			select {
			case pool <- struct{}{}:
				time.Sleep(20 * time.Millisecond)
				<-pool
			case <-ctx.Done():
			}
		}
	default:
		return fmt.Errorf("no kind %q", kind)
	}
	body := make([]byte, 600)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		work(r.Context())
		_, _ = w.Write(body) // the caller has gone: nothing to do
	})}
	return serve(ctx, server, l)
}

// once is how long the work takes once, at best.
func once(block []byte) time.Duration {
	best := time.Hour
	for range 20 {
		begun := time.Now()
		sha256.Sum256(block)
		best = min(best, time.Since(begun))
	}
	return best
}

func serve(ctx context.Context, server *http.Server, l net.Listener) error {
	go func() {
		<-ctx.Done()
		_ = server.Close() // ends with the run
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// servePlat is the gateway as plat runs it.
func servePlat(ctx context.Context, l net.Listener, service, mode, profile string) error {
	if profile != "" {
		f, err := os.Create(profile) // #nosec G304 G703 -- named by our parent
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // a profile
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	log, err := os.OpenFile("access-"+strconv.Itoa(os.Getpid())+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) // #nosec G304 -- in a folder of ours
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // Close of the gateway has written it
	g := gateway.New(gateway.Options{AccessLog: log})
	defer g.Close()
	var limits plan.Limits
	if mode == "declared" {
		limits = plan.Limits{Concurrent: places}
	}
	g.SetRoutes("public", []plan.Route{{Gateway: "public", Path: "/", Service: "shop", Timeout: plan.Duration(deadline)}})
	g.SetIncoming([]plan.Service{{Name: "shop", Limits: limits}})
	g.SetUpstreams("shop", []gateway.Upstream{{ID: "shop-1", Addr: service, Version: "1"}})
	return g.Serve(ctx, l, g.Public("public"))
}
