package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"github.com/plat-dev/plat/kit/admit"
	"github.com/plat-dev/plat/kit/direct"
	"github.com/plat-dev/plat/kit/reuse"
)

const (
	defaultPort = 8080
	triedPorts  = 20 // after defaultPort, without plat
	stopTimeout = 5 * time.Second
)

// Main runs a service until SIGTERM or SIGINT, then drains it and returns;
// on an error it logs one line and exits with status 1. A second signal ends
// the process at once. It is the whole of a program's main function.
func Main(name string, setup func(*Service) error) {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	go func() {
		<-ctx.Done()
		cancel() // a second signal has its default effect
	}()
	s, err := open(ctx, name)
	if err == nil {
		log.SetOutput(reuse.Log(log.Writer()))
		otel.SetTracerProvider(s.traces.provider)
		otel.SetTextMapPropagator(s.propagate)
		err = s.run(ctx, setup)
	}
	if err != nil {
		own := newLog(os.Stdout, "", name, name)
		if s != nil {
			own = s.log
		}
		own.Error("service failed", "error", err.Error())
		os.Exit(1)
	}
}

// Run runs a service until ctx ends, then drains it. Unlike [Main] it handles
// no signals, sets nothing global and never exits, so that a test can run it,
// with [WithEnv] and PORT=0 (any free port, see [Service.URL]) several times.
//
// The service listens on 127.0.0.1:$PORT; without PORT on 8080 or the next
// port that is free. The error is setup's, or the first of a worker, or says
// what could not be stopped in time.
func Run(ctx context.Context, name string, setup func(*Service) error) error {
	s, err := open(ctx, name)
	if err != nil {
		return err
	}
	return s.run(ctx, setup)
}

// open makes a service from its environment and takes its port.
func open(ctx context.Context, name string) (*Service, error) {
	s := &Service{
		mux:       http.NewServeMux(),
		draining:  make(chan struct{}),
		gate:      admit.NewGate(admit.Config{}),
		transport: connections{newTransport(false), newTransport(true)},
		propagate: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
	s.workers.running = map[int]string{}
	s.workers.failed, s.workers.changed = make(chan error, 1), make(chan struct{}, 1)
	s.SetLimits(Limits{})
	s.env, _ = ctx.Value(environKey).(map[string]string)
	s.name = or(s.Env("PLAT_SERVICE"), name)
	s.instance = or(s.Env("PLAT_INSTANCE"), s.name)
	s.version = or(s.Env("PLAT_VERSION"), "dev")
	s.environment = or(s.Env("PLAT_ENVIRONMENT"), "local")
	out, ok := ctx.Value(outputKey).(io.Writer)
	if !ok {
		out = os.Stdout
	}
	s.log = newLog(out, s.Env("LOG_LEVEL"), s.name, s.instance)
	if s.name == "" {
		return s, errors.New("a service needs a name")
	}
	var err error
	if s.listener, err = listen(s.Env("PORT")); err != nil {
		return s, err
	}
	if s.traces, err = newTracing(ctx, s); err != nil {
		_ = s.listener.Close()
		return s, err
	}
	if api, token := s.Env("PLAT_API"), s.Env("PLAT_TOKEN"); api != "" && token != "" && s.underPlat() {
		s.direct = direct.New(direct.Options{API: api, Token: token, Service: s.name, Instance: s.instance, Log: s.log})
	}
	return s, nil
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// listen takes the port that plat gave, or without one the first free one.
func listen(port string) (net.Listener, error) {
	if port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			return nil, fmt.Errorf("PORT: %q is wrong, expected a port from 0 (any) to 65535", port)
		}
		return net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	}
	var first error
	for n := defaultPort; n <= defaultPort+triedPorts; n++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n)))
		if err == nil {
			return l, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, fmt.Errorf("no free port from %d to %d: %w", defaultPort, defaultPort+triedPorts, first)
}

// run is the life of a service: serve, set up, work, drain, stop.
func (s *Service) run(ctx context.Context, setup func(*Service) error) error {
	// What was begun may end in its own time after ctx has ended.
	base, cancelBase := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelBase()
	server := s.newServer(base)
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	defer s.callDirectly(base)()

	err := s.set(setup)
	if err == nil {
		s.startWorkers(base)
		s.phase.Store(phaseServing)
		s.log.Info("serving", "url", s.URL(), "version", s.version, "environment", s.environment)
		select {
		case <-ctx.Done():
		case err = <-s.workers.failed:
		case err = <-served:
			err = fmt.Errorf("http server: %w", err)
		}
	}
	return s.end(server, cancelBase, err)
}

// callDirectly follows whom the service may call by itself, until the function
// that it gives is called, which tells plat of the last calls.
func (s *Service) callDirectly(base context.Context) (end func()) {
	if s.direct == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(base))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.direct.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// set runs setup; a panic in it is an error.
func (s *Service) set(setup func(*Service) error) (err error) {
	if setup == nil {
		return errors.New("a service needs a setup function")
	}
	err = runWorker(context.Background(), worker{"setup", func(context.Context) error { return setup(s) }})
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(append([]error{err}, s.mistakes...)...)
}

// end drains the requests, stops the workers, then everything registered.
func (s *Service) end(server *http.Server, cancelBase context.CancelFunc, failed error) error {
	drain := s.limits.Load().Drain
	s.phase.Store(phaseDraining)
	close(s.draining)
	begun := time.Now()
	errs := []error{failed}
	if failed == nil {
		s.log.Info("draining", "in_flight", s.traffic.inFlight())
		s.traffic.wait(drain)
	}
	ctx, cancel := context.WithTimeout(context.Background(), max(quietTime, drain-time.Since(begun)))
	defer cancel()
	if err := s.shutdown(ctx, server); err != nil && s.traffic.inFlight() > 0 {
		errs = append(errs, fmt.Errorf("%d request(s) were not answered within %s", s.traffic.inFlight(), drain))
	}
	cancelBase() // what still runs is told to end
	errs = append(errs, s.stopWorkers(drain))
	_ = server.Close()
	s.mu.Lock()
	stops := s.stops
	s.mu.Unlock()
	for i := len(stops) - 1; i >= 0; i-- {
		errs = append(errs, stopOne(stops[i]))
	}
	s.transport.closeIdle()
	if err := s.traces.close(); err != nil {
		s.log.Warn("the last spans were not exported", "error", err.Error())
	}
	err := errors.Join(errs...)
	if err == nil {
		s.log.Info("stopped", "took", time.Since(begun).Round(time.Millisecond).String())
	}
	return err
}

// shutdown waits for the requests until ctx ends. Connections that nobody has
// used yet are closed after a moment: net/http waits 5 s for their first
// request, which is longer than a drain.
func (s *Service) shutdown(ctx context.Context, server *http.Server) error {
	moment, cancel := context.WithTimeout(ctx, quietTime)
	defer cancel()
	if err := server.Shutdown(moment); err == nil {
		return nil
	}
	s.traffic.unused.close()
	return server.Shutdown(ctx)
}

func stopOne(st stop) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- runWorker(ctx, worker(st)) }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("stop %s: %w", st.name, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: not done within %s", st.name, stopTimeout)
	}
}
