// Package nats runs the embedded NATS server with JetStream on disk: its life,
// its port, who may do what on it, and the disk under it. It fulfils
// event.Broker.
//
// It is the only place that imports nats-server. It must never import a room
// other than the one whose broker it is.
package nats

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
)

// The room's broker is a Server.
var _ event.Broker = (*Server)(nil)

const (
	maxPayload     = event.MaxSize + 64<<10 // a dead letter adds headers to a whole event
	maxConnections = 4096
	startTimeout   = 15 * time.Second
	stopTimeout    = 20 * time.Second
	askTimeout     = 10 * time.Second
)

// Options of a server. Only Dir is required.
type Options struct {
	Dir  string       // holds everything; made if missing, one server at a time
	Log  *slog.Logger // nil: discard
	Addr string       // default "127.0.0.1:0": the port of last time, or a free one; loopback only

	// MaxStore bounds what all streams hold together. Default: what is there
	// and what is free, less the reserve, at most 32 GiB.
	MaxStore int64
	// Reserve is what must stay free on the file system; publishing is refused
	// below it. Default: 256 MiB, or a tenth of a smaller file system.
	Reserve int64

	Check time.Duration                                    // of the disk; default 250ms
	Probe time.Duration                                    // between proofs that the server still stores; default 10s
	Disk  func(dir string) (free, total uint64, err error) // default: ask the kernel
}

// Server is a running broker. Its methods are safe for concurrent use.
type Server struct {
	log   *slog.Logger
	dir   string
	opts  Options
	admin string // password of the connection below, never written anywhere

	lock *os.File
	conn *natsgo.Conn // in-process; survives a restart of the engine
	js   jetstream.JetStream

	access   *access
	watching *engineLog
	stop     context.CancelFunc
	tasks    sync.WaitGroup

	refusing   atomic.Bool
	restarts   atomic.Int64
	free       atomic.Int64
	restarting sync.Mutex // one restart at a time

	putting sync.Mutex // one change of a stream's configuration at a time

	faulty faulty

	mu     sync.Mutex
	engine *server.Server // nil: between two engines, or closed
	damage []*fault.Fault
}

// Open starts the server, or returns a fault: event-store-unfit when the
// folder cannot be used, event-store-locked when another server has it,
// event-store-damaged when a stream in it cannot be read, event-unavailable
// when the server does not start. Acknowledged messages are on disk: every
// write is synced before its acknowledgement. Close it in the end; ctx bounds
// Open alone.
func Open(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Check <= 0 {
		o.Check = 250 * time.Millisecond
	}
	if o.Probe <= 0 {
		o.Probe = 10 * time.Second
	}
	if o.Disk == nil {
		o.Disk = diskSpace
	}
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil || o.Dir == "" {
		return nil, unfit(o.Dir, err)
	}
	s := &Server{log: o.Log, dir: dir, opts: o, admin: newPassword()}
	if err := s.open(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) open(ctx context.Context) error {
	var err error
	if s.lock, err = lockDir(s.dir); err != nil {
		return err
	}
	sweep(s.dir)
	if err := s.limits(); err != nil {
		return err
	}
	if s.access, err = openAccess(filepath.Join(s.dir, stateFile), s.admin); err != nil {
		return err
	}
	s.watching = newEngineLog(s.log, s.access.name)
	if err := s.start(); err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	if err := s.inspect(ctx); err != nil {
		return err
	}
	background, stop := context.WithCancel(context.Background())
	s.stop = stop
	for _, task := range []func(context.Context){s.watchDisk, s.watchStalls, s.scrub} {
		s.tasks.Go(func() { task(background) })
	}
	return nil
}

// Close stops the server: clients are disconnected, everything is on disk.
func (s *Server) Close() error {
	if s.stop != nil {
		s.stop()
		s.tasks.Wait()
		_ = s.SetFaults(nil) // never fails
	}
	if s.conn != nil {
		if s.stop != nil {
			s.saveWatermarks()
		}
		s.conn.Close()
	}
	s.mu.Lock()
	engine := s.engine
	s.engine = nil
	s.mu.Unlock()
	err := stopEngine(engine)
	if s.lock != nil && err == nil {
		err = unlockDir(s.lock)
		s.lock = nil // Close may come again
	}
	return err
}

// Addr is where services reach the server, host:port.
func (s *Server) Addr() string { return net.JoinHostPort(loopback, strconv.Itoa(s.access.port())) }

// start runs an engine on the port of last time, or on another one when that
// is taken, which is then kept.
func (s *Server) start() error {
	want, err := wantedPort(s.opts.Addr)
	if err != nil {
		return err
	}
	last := s.access.port()
	for attempt := range portAttempts {
		port := want
		if port == 0 && attempt == 0 {
			port = last
		}
		if port == 0 {
			port = freePort()
		}
		if portTaken(port) {
			if want != 0 {
				return fault.Newf(fault.EventUnavailable, "port %d for events is taken", want).Fix("choose another port")
			}
			continue
		}
		engine, err := s.run(port)
		if errors.Is(err, errListen) && want == 0 {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.access.setPort(port); err != nil {
			_ = stopEngine(engine)
			return err
		}
		if last != 0 && port != last {
			s.log.Warn("the port of the event broker is taken; running services must be restarted to learn the new one", "taken", last, "port", port)
		}
		s.mu.Lock()
		s.engine = engine
		s.mu.Unlock()
		s.faulty.remap(engine)
		return nil
	}
	return fault.New(fault.EventUnavailable, "no free port was found for the event broker").Fix("close programs that hold ports below 32768")
}

var errListen = errors.New("port taken")

// run starts one engine on a port.
func (s *Server) run(port int) (engine *server.Server, err error) {
	// The engine is code that reads files that may be damaged.
	defer func() {
		if p := recover(); p != nil {
			err = s.damaged("the broker failed on the files of the store", s.dir).Why("it panicked while it read them")
			s.log.Error("the broker panicked while it started", "panic", p)
		}
	}()
	engine, err = server.NewServer(&server.Options{
		ServerName: "plat", Host: loopback, Port: port,
		NoSigs: true, NoSystemAccount: true, DisableJetStreamBanner: true, NoHeaderSupport: false,
		JetStream: true, StoreDir: s.dir, SyncAlways: true,
		JetStreamMaxMemory: 1 << 20, // no stream lives in memory
		// Shares of MaxStore are given out stream by stream, see event.Apply;
		// the engine's own check would refuse a change that passes through a
		// moment where the old and the new shares overlap.
		JetStreamMaxStore:          1 << 60,
		MaxPayload:                 maxPayload,
		MaxConn:                    maxConnections,
		MaxSubs:                    1024, // of one connection
		CustomClientAuthentication: s.access,
	})
	if err != nil {
		return nil, fault.New(fault.EventUnavailable, "the event broker refused its options").Because(err)
	}
	s.watching.reset()
	engine.SetLoggerV2(s.watching, false, false, false)
	s.access.attach(engine)
	engine.Start()
	if !engine.ReadyForConnections(startTimeout) || !engine.JetStreamEnabled() {
		_ = stopEngine(engine)
		reason := s.watching.fatal()
		if s.watching.listenFailed() {
			return nil, errListen
		}
		return nil, fault.New(fault.EventUnavailable, "the event broker did not start").Why(reason).Fix("look at the log of plat; check permissions and free space of " + s.dir)
	}
	return engine, nil
}

func (s *Server) current() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.engine
}

// InProcessConn connects to whichever engine runs now.
func (s *Server) InProcessConn() (net.Conn, error) {
	engine := s.current()
	if engine == nil {
		return nil, errors.New("the event broker is not running")
	}
	return engine.InProcessConn()
}

// connect opens plat's own connection, which never touches the network.
func (s *Server) connect(ctx context.Context) error {
	conn, err := natsgo.Connect("", natsgo.InProcessServer(s), natsgo.Name("plat"),
		natsgo.UserInfo(adminUser, s.admin), natsgo.MaxReconnects(-1),
		natsgo.ReconnectWait(50*time.Millisecond), natsgo.ReconnectJitter(0, 0),
		natsgo.IgnoreAuthErrorAbort(), natsgo.Timeout(startTimeout),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
			s.log.Warn("plat's own connection to the event broker", "error", err)
		}))
	if err != nil {
		return fault.New(fault.EventUnavailable, "the event broker refused plat's own connection").Because(err)
	}
	s.conn = conn
	s.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(askTimeout))
	if err != nil {
		return fault.New(fault.EventUnavailable, "the event broker has no streams").Because(err)
	}
	return ctx.Err()
}

// restart replaces an engine that stopped answering by a new one on the same
// port and files. Nothing acknowledged is lost: it was synced.
func (s *Server) restart(reason string) error {
	s.restarting.Lock()
	defer s.restarting.Unlock()
	s.mu.Lock()
	old := s.engine
	s.engine = nil
	s.mu.Unlock()
	s.log.Error("the event broker is restarted", "reason", reason)
	if err := stopEngine(old); err != nil {
		// Two engines on one folder would destroy it.
		s.mu.Lock()
		s.engine = old
		s.mu.Unlock()
		return err
	}
	s.restarts.Add(1)
	if err := s.start(); err != nil {
		return err
	}
	if err := s.inspect(context.Background()); err != nil {
		s.mu.Lock()
		for _, f := range fault.All(err) {
			s.report(f)
		}
		s.mu.Unlock()
	}
	s.log.Info("the event broker runs again", "restarts", s.restarts.Load())
	return nil
}

// stopEngine shuts an engine down and waits until it has let go of its files.
func stopEngine(engine *server.Server) error {
	if engine == nil {
		return nil
	}
	done := make(chan struct{})
	go func() { // ends when the engine has stopped; outlives a timeout below
		defer close(done)
		engine.Shutdown()
		engine.WaitForShutdown()
	}()
	select {
	case <-done:
		return nil
	case <-time.After(stopTimeout):
		return fault.New(fault.EventUnavailable, "the event broker does not stop").Why("the disk may not answer").Fix("check the disk, then end plat")
	}
}

func unfit(dir string, err error) error {
	f := fault.Newf(fault.EventStoreUnfit, "the folder of the event store cannot be used").At(dir, 0, 0)
	if err != nil {
		f = f.Why(err.Error()).Because(err)
	}
	return f.Fix("give the user who runs plat permission on it")
}
