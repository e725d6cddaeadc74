package kittest_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	_ "modernc.org/sqlite"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

const patience = time.Minute

// grant is what a service may do on the wire.
type grant struct {
	publish []string
	consume map[string]consumer
}

type consumer struct {
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	Retries  int    `json:"retries"`
}

// wire is a nats-server set up as plat does it, by plat's contract.
type wire struct {
	t      *testing.T
	opts   server.Options
	server *server.Server
	admin  *nats.Conn
	js     jetstream.JetStream
}

// newWire starts a server that knows these services.
func newWire(t *testing.T, services map[string]grant) *wire {
	t.Helper()
	w := &wire{t: t, opts: server.Options{
		Host: "127.0.0.1", Port: freePort(t), JetStream: true, StoreDir: t.TempDir(),
		NoLog: true, NoSigs: true, MaxPayload: 1 << 20, AuthTimeout: patience.Seconds(),
	}}
	w.opts.Users = append(w.opts.Users, &server.User{Username: "admin", Password: "secret"})
	for name, g := range services {
		allow := []string{}
		for _, e := range g.publish {
			allow = append(allow, "event."+e)
		}
		for _, c := range g.consume {
			place := c.Stream + "." + c.Consumer
			allow = append(allow, "$JS.API.CONSUMER.INFO."+place, "$JS.API.CONSUMER.MSG.NEXT."+place, "$JS.ACK."+place+".>")
		}
		w.opts.Users = append(w.opts.Users, &server.User{Username: name, Password: "secret", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: allow},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX." + name + ".>"}},
		}})
	}
	w.start()
	t.Cleanup(w.stop)
	nc, err := nats.Connect(w.url("admin"), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	w.admin = nc
	if w.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	return w
}

// freePort finds one that the system gives to nobody else in between: below
// the ephemeral ones.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func (w *wire) start() {
	w.t.Helper()
	opts := w.opts
	s, err := server.NewServer(&opts)
	if err != nil {
		w.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		w.t.Fatal("nats-server did not start")
	}
	w.server = s
}

func (w *wire) stop() {
	w.server.Shutdown()
	w.server.WaitForShutdown()
}

func (w *wire) url(user string) string {
	return fmt.Sprintf("nats://%s:secret@127.0.0.1:%d", user, w.opts.Port)
}

// stream makes a provider's stream.
func (w *wire) stream(name string, types ...string) jetstream.Stream {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cfg := jetstream.StreamConfig{Name: name, Storage: jetstream.FileStorage, AllowAtomicPublish: true, Duplicates: time.Minute}
	for _, e := range types {
		cfg.Subjects = append(cfg.Subjects, "event."+e)
	}
	s, err := w.js.CreateStream(ctx, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// consumer makes a durable as plat does.
func (w *wire) consumer(c consumer, eventType string, change ...func(*jetstream.ConsumerConfig)) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cfg := jetstream.ConsumerConfig{
		Durable: c.Consumer, FilterSubject: "event." + eventType, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: 30 * time.Second, MaxDeliver: c.Retries + 1,
	}
	for _, f := range change {
		f(&cfg)
	}
	if _, err := w.js.CreateConsumer(ctx, c.Stream, cfg); err != nil {
		w.t.Fatal(err)
	}
}

// count is the number of messages in a stream.
func (w *wire) count(stream string) uint64 {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := w.js.Stream(ctx, stream)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// messages gives all of a stream, in order.
func (w *wire) messages(stream string) []jetstream.Msg {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := w.js.Stream(ctx, stream)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		w.t.Fatal(err)
	}
	var all []jetstream.Msg
	for want := int(s.CachedInfo().State.Msgs); len(all) < want; { // #nosec G115 -- a test's worth
		batch, err := c.Fetch(want-len(all), jetstream.FetchMaxWait(patience))
		if err != nil {
			w.t.Fatal(err)
		}
		for m := range batch.Messages() {
			all = append(all, m)
		}
		if err := batch.Error(); err != nil {
			w.t.Fatal(err)
		}
	}
	return all
}

// program is one running service with its database and bus.
type program struct {
	t    *testing.T
	s    *kit.Service
	db   *sql.DB
	bus  *message.Bus
	log  *lines
	stop func() error // ends it and gives its error; may be called twice
}

// env is what plat gives a service.
func (w *wire) env(name string, g grant) map[string]string {
	declared, err := json.Marshal(map[string]any{"publish": g.publish, "consume": g.consume})
	if err != nil {
		w.t.Fatal(err)
	}
	return map[string]string{
		"PORT": "0", "PLAT_SERVICE": name, "PLAT_INSTANCE": name + "-1", "LOG_LEVEL": "debug",
		"NATS_URL": w.url(name), "PLAT_EVENTS": string(declared),
	}
}

// run starts a service on the database at path and waits until setup is done.
func run(t *testing.T, env map[string]string, path string, setup func(*program) error) *program {
	t.Helper()
	p := &program{t: t, db: open(t, path), log: &lines{}}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- kit.Run(kit.WithOutput(kit.WithEnv(ctx, env), p.log), "service", func(s *kit.Service) error {
			p.s = s
			var err error
			if p.bus, err = message.Open(s, p.db); err != nil {
				return err
			}
			if setup != nil {
				err = setup(p)
			}
			s.Go("ready", func(context.Context) error { close(ready); return nil })
			return err
		})
	}()
	p.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			t.Error("the service does not stop")
			return nil
		}
	})
	t.Cleanup(func() {
		_ = p.stop()
		if t.Failed() {
			t.Logf("log of the service:\n%s", p.log.String())
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
	case <-time.After(patience):
		t.Fatal("setup does not return")
	}
	return p
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(60000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec(`CREATE TABLE IF NOT EXISTS effects (event_id TEXT, text TEXT)`); err != nil {
		t.Fatal(err)
	}
	return db
}

func database(t *testing.T) string { return filepath.Join(t.TempDir(), "store.db") }

// publish commits events of one type, one transaction for all.
func (p *program) publish(ctx context.Context, eventType string, texts ...string) {
	p.t.Helper()
	if err := p.tryPublish(ctx, eventType, texts...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) tryPublish(ctx context.Context, eventType string, texts ...string) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, text := range texts {
		e, err := message.New(eventType, "key", map[string]string{"text": text})
		if err != nil {
			return err
		}
		if err := p.bus.Publish(ctx, tx, e); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// record is a handler that notes the event as an effect.
func record(ctx context.Context, tx *sql.Tx, e message.Event) error {
	data, err := message.Decode[struct{ Text string }](e)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO effects (event_id, text) VALUES (?, ?)`, e.ID, data.Text)
	return err
}

func (p *program) effects() []string {
	p.t.Helper()
	return texts(p.t, p.db, `SELECT text FROM effects ORDER BY rowid`)
}

func texts(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func (p *program) outbox() int {
	p.t.Helper()
	return len(texts(p.t, p.db, `SELECT event_id FROM plat_outbox`))
}

// await waits for a condition.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

var _ io.Writer = (*lines)(nil)

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
