// Package control is the composition root: it opens rooms and doors, wires
// one to another, supervises them, and closes them in reverse. It holds no
// logic of its own; only cmd/plat and tests of the whole may import it.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/plat-dev/plat/api/serve"
	"github.com/plat-dev/plat/callers"
	"github.com/plat-dev/plat/chaos"
	"github.com/plat-dev/plat/console"
	"github.com/plat-dev/plat/drift"
	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/event/cloudevents"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/figures"
	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/gateway/later"
	"github.com/plat-dev/plat/mail"
	"github.com/plat-dev/plat/objective"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/probe"
	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/process"
	"github.com/plat-dev/plat/runner/watch"
	"github.com/plat-dev/plat/state"
	"github.com/plat-dev/plat/store/nats"
	"github.com/plat-dev/plat/telemetry/jaeger"
	"github.com/plat-dev/plat/topology"
)

// Options say which system to serve, and where.
type Options struct {
	Root        string // folder with plat.yaml
	Environment string
	Gateway     string   // address that the user named; empty: 127.0.0.1:8000, or any free one
	API         string   // likewise, 127.0.0.1:8001
	Version     string   // of plat
	Only        []string // services to run, with what they need; empty: all
	Watch       bool     // build and start anew what is saved
}

// Addresses that are tried first.
const (
	defaultGateway = "127.0.0.1:8000"
	defaultAPI     = "127.0.0.1:8001"
)

// plane is one running plat.
type plane struct {
	o       Options
	folder  *state.Folder
	log     *slog.Logger
	started time.Time
	token   string // of the control API, of this run
	secret  []byte // of the system, for ever
	stop    context.CancelFunc

	eventing
	registry *registry.Registry
	topology *topology.Topology
	mail     *mail.Box
	gateway  *gateway.Gateway
	launcher *process.Guard
	runner   *runner.Runner
	measures
	calling
	addresses

	applying sync.Mutex // a plan while it becomes live
	routing  sync.Mutex // one route at a time, so that the last one told is the last one that is true
	current
}

// eventing is what carries events, and calls that are done later.
type eventing struct {
	later     *later.Queues
	broker    *nats.Server
	events    *event.Room
	publisher *cloudevents.Publisher
	receiver  *cloudevents.Receiver
}

// calling is how services reach one another.
type calling struct {
	ways    *ways
	callers *callers.Callers // those that need no ways
}

// measures are of what runs.
type measures struct {
	telling
	errors *runner.ErrorLines
	memory memory
	stores openStores
	probes *probe.Scheduler // how it fares with test customers
	chaos  *chaos.Room      // and with what fails on purpose
	runs   *figures.Journeys
	alerts *objective.Alerts
}

// addresses are where this plat listens.
type addresses struct {
	api      string            // http://host:port
	smtp     string            // host:port of the development mailbox
	gateways map[string]string // by name
	doors    doors
}

// current is the live plan.
type current struct {
	access atomic.Pointer[drift.Access] // who may call whom

	mu           sync.Mutex // guards what follows
	plan         livePlan
	planWatchers map[chan struct{}]bool
}

// part starts a part of plat: when it ends by itself, all of it stops.
type part func(name string, run func(context.Context) error)

// Serve runs the system at o.Root until ctx ends or somebody asks the control
// API to stop. It calls ready when that API answers, and returns when nothing
// runs any more. Its errors are faults: of the plan, the state folder, an
// address, a door that does not open.
func Serve(ctx context.Context, o Options, ready func()) (err error) {
	result, files := loadPlan(o)
	if err := usable(result); err != nil {
		return err
	}
	if _, err := plan.Needed(result.System, o.Only); err != nil {
		return err
	}
	folder, err := state.Open(o.Root)
	if err != nil {
		return err
	}
	defer closing(&err, folder.Close)
	own := rotated(filepath.Join(folder.Path, "plat.log"))
	defer closing(&err, own.Close)
	log := slog.New(slog.NewJSONHandler(own, nil))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	p := &plane{o: o, folder: folder, log: log, started: time.Now(), stop: stop, registry: registry.New(), addresses: addresses{gateways: map[string]string{}}}
	p.set(livePlan{system: result.System, findings: result.Findings, since: p.started, files: result})
	log.InfoContext(ctx, "plat starts", "system", result.System.Name, "revision", result.System.Revision, "version", o.Version, "pid", os.Getpid())
	return p.serve(ctx, files, ready)
}

// serve opens the rooms one by one and runs them until ctx ends.
func (p *plane) serve(ctx context.Context, files *watchedFiles, ready func()) (err error) {
	base, endBase := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	defer work.Wait()
	defer endBase()
	failed := make(chan error, 1) // the first part that ended by itself: why all of it stops
	run := func(name string, f func(context.Context) error) {
		work.Go(func() {
			if err := f(base); err != nil && base.Err() == nil {
				p.log.ErrorContext(base, "a part of plat ended", "part", name, "error", err)
				select {
				case failed <- partEnded(name, err):
				default: // what others say follows from it, and is in the log
				}
				p.stop()
			}
		})
	}

	p.doors.run = run
	var open closers
	defer open.close(&err)
	for _, part := range []func(context.Context, part, *closers) error{p.openAlerts, p.openTelemetry, p.openGateway, p.openEvents, p.openLater, p.openMail, p.openRunner, p.openProbes, p.openChaos} {
		if err := part(base, run, &open); err != nil {
			return err
		}
	}
	if err := p.listen(run); err != nil {
		return err
	}
	if err := p.apply(ctx, p.live()); err != nil {
		return err
	}
	if err := p.folder.Publish(p.run()); err != nil {
		return err
	}
	ready()
	run("calls that are done later", p.later.Run)
	run("output", p.spared("output", p.tellOutput))
	run("figures", p.spared("figures", p.tellFigures))
	run("metrics of services", p.spared("metrics of services", p.scrapeAll))
	run("plan", func(ctx context.Context) error { return p.followPlan(ctx, files) })
	err = p.runner.Run(ctx) // returns when every instance has ended
	p.log.InfoContext(base, "plat stops")
	endBase() // what serves ends before what it stands on is closed
	work.Wait()
	select {
	case why := <-failed:
		return errors.Join(why, err)
	default:
		return err
	}
}

// partEnded keeps a fault as it is and names the part of any other error.
func partEnded(name string, err error) error {
	if _, ok := errors.AsType[*fault.Fault](err); ok {
		return err
	}
	return fault.Newf(fault.PartEnded, "the part %q of plat ended", name).Why(reason(err)).Because(err)
}

// openGateway opens who is there, what was seen of them, and the way to them.
func (p *plane) openGateway(ctx context.Context, run part, open *closers) (err error) {
	if p.token, err = p.folder.NewToken(); err != nil {
		return err
	}
	if p.secret, err = p.folder.Secret(); err != nil {
		return err
	}
	access := rotated(filepath.Join(p.folder.Path, "access.log"))
	open.add(access.Close)
	var damage *fault.Fault
	if p.topology, damage = topology.Open(filepath.Join(p.folder.Path, "topology.json"), topology.Options{Log: p.log, Chatty: drift.ChattyCalls, Settle: toldWithin}); damage != nil {
		p.log.WarnContext(ctx, "the map is forgotten", "fault", damage.Error())
	}
	p.gateway = gateway.New(gateway.Options{AccessLog: access, Log: p.log, Observe: p.observe, Seen: p.seen, Synthetic: p.synthetic})
	open.add(func() error { p.gateway.Close(); return nil })
	p.callers = callers.New(gateway.GuardOf)
	p.ways = newWays(p.gateway, p.log)
	open.add(func() error { p.ways.close(); return nil })
	run("topology", p.topology.Run)
	run("registry", p.registry.Run)
	run("announcements", p.announceOthers)
	return nil
}

func (p *plane) openEvents(ctx context.Context, run part, open *closers) (err error) {
	p.broker, err = nats.Open(ctx, nats.Options{Dir: filepath.Join(p.folder.Path, "nats"), Log: p.log})
	if err != nil {
		return err
	}
	open.add(p.broker.Close)
	p.receiver = cloudevents.NewReceiver(p, 0, p.observeEvent)
	open.add(func() error { p.receiver.Close(); return nil })
	p.events = event.New(event.Options{Broker: p.broker, Log: p.log, Receiver: p.receiver})
	p.publisher = cloudevents.NewPublisher(cloudevents.Options{Room: p.events, Log: p.log, Synthetic: p.synthetic, Tell: p.observeEvent})
	run("events", p.events.Run)
	return nil
}

func (p *plane) openRunner(ctx context.Context, run part, open *closers) (err error) {
	if p.launcher, err = process.Open(ctx, p.folder.Path, p.log); err != nil {
		return err
	}
	open.add(p.launcher.Close)
	builder, err := process.NewBuilder(p.launcher, p.o.Root)
	if err != nil {
		return err
	}
	p.errors = runner.NewErrorLines(filepath.Join(p.folder.Path, "logs"))
	run("error lines", p.errors.Run)
	o := runner.Options{Builder: builder, Launcher: p.launcher, Announcer: p, Env: p.environment, Ejected: p.ejected, Log: p.log}
	if p.o.Watch {
		o.Watch = watch.New(p.log)
	}
	p.runner = runner.New(o)
	return nil
}

// closers close what was opened, in reverse.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c *closers) close(err *error) {
	for _, f := range slices.Backward(*c) {
		*err = errors.Join(*err, f())
	}
}

// listen opens the gateways' and the control API's addresses.
func (p *plane) listen(run part) error {
	for i, g := range p.live().Gateways {
		named, fallback := "", ""
		if i == 0 {
			named, fallback = p.o.Gateway, defaultGateway
		}
		l, err := listen("gateway", named, fallback)
		if err != nil {
			return err
		}
		p.gateways[g.Name] = "http://" + l.Addr().String()
		run("gateway "+g.Name, func(ctx context.Context) error { return p.gateway.Serve(ctx, l, keepConsole(p.gateway.Public(g.Name))) })
	}
	l, err := listen("api", p.o.API, defaultAPI)
	if err != nil {
		return err
	}
	p.api = "http://" + l.Addr().String()
	run("control API", func(ctx context.Context) error { return serveAPI(ctx, l, p.handler(), p.log) })
	return nil
}

func (p *plane) handler() http.Handler {
	return serve.New(serve.Options{
		Source: p, Operator: p, Viewer: p, Protector: p, Mailbox: p, Prober: p, Chaos: p, Experimenter: p, Keeper: p, Queuer: p, Watch: watching{p}, Callers: p, Tracer: p, Logbook: p,
		Wires: serve.Wires{OpenAPI: p.openAPI, Call: p.call, Publish: p.publisher.Operator(), Changes: p.changes, Console: console.Handler(), Prometheus: p.metrics.Handler(), Jaeger: jaeger.Handler(p.stored, jaeger.Options{Log: p.log})},
		Base:  p.api, Token: p.token, ServiceToken: p.serviceOf, Self: p.self, Version: p.o.Version,
		ReadingToken: func() string {
			token, _ := state.ReadingToken(p.folder.Path) // what cannot be read opens nothing
			return token
		},
	})
}

// apply brings a plan to everything that derives from it.
func (p *plane) apply(ctx context.Context, sys *plan.System) error {
	if err := p.events.Apply(ctx, plan.Streams(sys), plan.Consumers(sys)); err != nil {
		return err
	}
	if err := p.broker.SetGrants(plan.Grants(sys)); err != nil {
		return err
	}
	p.gateway.SetCalls(plan.Edges(sys))
	p.gateway.SetIncoming(sys.Services)
	p.callers.SetPlan(sys.Services, plan.Edges(sys))
	if err := p.ways.set(sys, p.general); err != nil {
		return err
	}
	if err := p.setDoors(ctx, sys.Doors); err != nil {
		return err
	}
	routes := map[string][]plan.Route{}
	for _, r := range plan.Routes(sys) {
		routes[r.Gateway] = append(routes[r.Gateway], r)
	}
	for _, g := range sys.Gateways {
		if _, open := p.gateways[g.Name]; open {
			p.gateway.SetRoutes(g.Name, routes[g.Name])
			p.gateway.SetCache(g.Name, g.Cache)
		}
	}
	part, err := p.wanted(sys)
	if err != nil {
		return err
	}
	p.topology.Declare(plan.Edges(sys), time.Now())
	if err := p.applyTelemetry(sys); err != nil {
		return err
	}
	p.applyObjectives(ctx, sys)
	p.runner.Apply(part)
	p.setJourneys(sys.Journeys)
	return nil
}

func (p *plane) run() state.Run {
	sys := p.live()
	return state.Run{PID: os.Getpid(), Guard: p.launcher.PID(), System: sys.Name, Environment: sys.Environment, API: p.api, Gateways: p.gateways, Started: p.started}
}

// rotated is a log file of plat's own: at most 10 MB, and four older ones.
func rotated(path string) *lumberjack.Logger {
	return &lumberjack.Logger{Filename: path, MaxSize: 10, MaxBackups: 4}
}

// serveAPI serves the control API until ctx ends. Requests under way have a
// second to finish; who follows logs is cut off.
func serveAPI(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(last) != nil {
		_ = server.Close() // what did not end in time is cut
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listen opens an address: the one that the user named, or the default, or
// any free one below the ephemeral ports. An address that was named and is
// taken is a fault that names its holder.
func listen(what, named, fallback string) (net.Listener, error) {
	if named != "" {
		l, err := net.Listen("tcp", named)
		if err == nil {
			return l, loopback(what, l)
		}
		f := fault.Newf(fault.PortTaken, "the address %s of --%s cannot be listened on", named, what).Because(err)
		if holder := process.PortHolder(named); holder != "" {
			return nil, f.Why("it is taken by " + holder).Fix("end that program, or choose another address")
		}
		return nil, f.Why(reason(err)).Fix("choose another address")
	}
	if fallback != "" {
		if l, err := net.Listen("tcp", fallback); err == nil {
			return l, nil
		}
	}
	return freeListener()
}

// loopback refuses to put the control API where other machines reach it: its
// token would cross the network in the clear.
func loopback(what string, l net.Listener) error {
	tcp, ok := l.Addr().(*net.TCPAddr)
	if what != "api" || ok && tcp.IP.IsLoopback() {
		return nil
	}
	return errors.Join(fault.Newf(fault.BadArgument, "the control API does not listen on %s", l.Addr()).
		Why("its token would cross the network in the clear").Fix("choose an address on 127.0.0.1"), l.Close())
}

// Ports from which a free one is taken: below the ephemeral ones, so that no
// outgoing connection holds it, and apart from the instances'.
const (
	firstPort = 18000
	lastPort  = 19999
)

// freeListener listens on the first free port of its range.
func freeListener() (net.Listener, error) {
	var last error
	for port := firstPort; port <= lastPort; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return l, nil
		}
		last = err
	}
	return nil, fault.Newf(fault.PortTaken, "no port from %d to %d is free", firstPort, lastPort).Why(reason(last))
}

func reason(err error) string {
	var oe *net.OpError
	if errors.As(err, &oe) {
		return oe.Err.Error()
	}
	return err.Error()
}

// closing closes at the end of a function and keeps the error.
func closing(err *error, f func() error) { *err = errors.Join(*err, f()) }
