package message

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/kit"
)

const (
	connectTimeout   = 2 * time.Second
	reconnectFirst   = 50 * time.Millisecond
	reconnectLongest = 2 * time.Second
	awayTooLong      = 10 * time.Second // then the instance is not ready
	requestTimeout   = 5 * time.Second
)

// connection is the service's connection to NATS, for ever made anew.
type connection struct {
	log  *slog.Logger
	nats *nats.Conn
	js   jetstream.JetStream

	mu      sync.Mutex
	up      bool
	since   time.Time     // of up or not up
	once    bool          // has been up
	changed chan struct{} // closed and replaced when the connection comes up
	waiting []*watch
}

// connect begins to connect; it fails only when NATS_URL is no address.
func connect(s *kit.Service) (*connection, error) {
	c := &connection{log: s.Log(), changed: make(chan struct{}), since: time.Now()}
	nc, err := nats.Connect(s.Env("NATS_URL"),
		nats.Name(s.Instance()),
		nats.CustomInboxPrefix("_INBOX."+s.Name()),
		nats.Timeout(connectTimeout),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(reconnectDelay),
		nats.ReconnectBufSize(-1), // the outbox keeps what cannot be sent
		nats.PingInterval(20*time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(*nats.Conn) { c.set(true, nil) }),
		nats.ReconnectHandler(func(*nats.Conn) { c.set(true, nil) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.set(false, err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.asyncError(err) }),
	)
	if err != nil {
		return nil, errors.New("NATS_URL is wrong, expected nats://user:password@host:port") // err may repeat the password
	}
	c.nats = nc
	if c.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout)); err != nil {
		nc.Close()
		return nil, fmt.Errorf("events: %w", err)
	}
	return c, nil
}

func reconnectDelay(attempts int) time.Duration {
	d := min(reconnectFirst<<min(attempts, 10), reconnectLongest)
	return d/2 + rand.N(d/2) // #nosec G404 -- jitter, no secret
}

func (c *connection) close() { c.nats.Close() }

func (c *connection) set(up bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.up == up {
		return
	}
	c.up, c.since = up, time.Now()
	if up {
		c.once = true
		close(c.changed)
		c.changed = make(chan struct{})
		c.log.Info("event wire connected")
		return
	}
	for _, w := range c.waiting {
		w.cancel(errLost) // no answer will come on the old connection
	}
	if err != nil {
		c.log.Warn("event wire lost: connecting anew", "error", err.Error())
	}
}

// connected gives a channel that is closed when the connection next comes up,
// and whether it is up now.
func (c *connection) connected() (<-chan struct{}, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed, c.up
}

// ready is the readiness check. A short absence takes no instance out of
// rotation: the outbox bridges it.
func (c *connection) ready(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	away := time.Since(c.since)
	switch {
	case c.up, c.once && away < awayTooLong:
		return nil
	case !c.once:
		return errors.New("not yet connected to the event wire")
	}
	return fmt.Errorf("no connection to the event wire for %s", away.Round(time.Second))
}

var errLost = errors.New("the connection to the event wire is lost")

// watch waits for a permission violation on some subjects.
type watch struct {
	subjects []string
	cancel   context.CancelCauseFunc
}

// violation is what the server refuses this service.
type violation struct{ err error }

func (v *violation) Error() string {
	return "the event wire refuses it (" + v.err.Error() + "): the running plan does not grant it; a new declaration takes effect when the service is started anew"
}
func (v *violation) Unwrap() error { return v.err }

// guard makes a context that ends, with a *violation as its cause, when the
// server refuses one of the subjects: NATS tells that apart from the request,
// which would only time out. It ends with errLost when the connection breaks.
func (c *connection) guard(ctx context.Context, subjects ...string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{subjects, cancel}
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()
	return ctx, func() {
		c.mu.Lock()
		c.waiting = slices.DeleteFunc(c.waiting, func(o *watch) bool { return o == w })
		c.mu.Unlock()
		cancel(nil)
	}
}

var violationSubject = regexp.MustCompile(`(?i)permissions violation for publish to "([^"]+)"`)

func (c *connection) asyncError(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		c.log.Warn("event wire", "error", err.Error())
		return
	}
	m := violationSubject.FindStringSubmatch(err.Error())
	c.mu.Lock()
	defer c.mu.Unlock()
	told := false
	for _, w := range c.waiting {
		if m != nil && slices.Contains(w.subjects, m[1]) {
			w.cancel(&violation{err})
			told = true
		}
	}
	if !told {
		c.log.Error("event wire refuses", "error", err.Error())
	}
}

// causeOf prefers the reason why a guarded context ended.
func causeOf(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if v, ok := errors.AsType[*violation](cause); ok {
		return v
	}
	if errors.Is(cause, errLost) {
		return errLost
	}
	return err
}
