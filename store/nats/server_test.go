package nats_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/store/nats"
)

// Two services: order publishes, finance consumes it and publishes its own.
func system() ([]plan.Stream, []plan.Consumer, []plan.Grant) {
	streams := []plan.Stream{
		{Name: "finance", Provider: "finance", Subjects: []string{"event.payment.taken"}},
		{Name: "order", Provider: "order", Subjects: []string{"event.order.placed"}},
	}
	consumers := []plan.Consumer{
		{Name: "finance_order_placed", Stream: "order", Service: "finance", Event: "order.placed", Subject: "event.order.placed", Retries: 2},
		{Name: "order_payment_taken", Stream: "finance", Service: "order", Event: "payment.taken", Subject: "event.payment.taken", Retries: 5},
	}
	grants := []plan.Grant{
		{Service: "finance", Publish: []string{"payment.taken"}, Consumers: consumers[:1]},
		{Service: "order", Publish: []string{"order.placed"}, Consumers: consumers[1:]},
	}
	return streams, consumers, grants
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	return c
}

func open(t *testing.T, o nats.Options) *nats.Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	srv, err := nats.Open(ctx(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// house is a server with the system applied.
func house(t *testing.T, o nats.Options) (*nats.Server, *event.Room) {
	t.Helper()
	srv := open(t, o)
	room := event.New(event.Options{Broker: srv, Log: o.Log})
	streams, consumers, grants := system()
	if err := room.Apply(ctx(t), streams, consumers); err != nil {
		t.Fatal(err)
	}
	if err := srv.SetGrants(grants); err != nil {
		t.Fatal(err)
	}
	return srv, room
}

// client connects as a service does.
func client(t *testing.T, srv *nats.Server, service string, o ...natsgo.Option) *natsgo.Conn {
	t.Helper()
	o = append([]natsgo.Option{natsgo.CustomInboxPrefix("_INBOX." + service), natsgo.ReconnectWait(20 * time.Millisecond), natsgo.MaxReconnects(-1), natsgo.IgnoreAuthErrorAbort(), natsgo.Timeout(patience)}, o...)
	nc, err := natsgo.Connect(srv.URL(service), o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func stream(t *testing.T, nc *natsgo.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestOpenIsQuickAndKeepsItsPortAndPasswords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	begin := time.Now()
	first, _ := house(t, nats.Options{Dir: dir})
	took := time.Since(begin)
	if took > 15*time.Second {
		t.Errorf("the first start took %v", took)
	}
	url1 := first.URL("order")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	begin = time.Now()
	second := open(t, nats.Options{Dir: dir})
	t.Logf("first start with streams %v, second start %v", took, time.Since(begin))
	if got := second.URL("order"); got != url1 || got == "" {
		t.Errorf("after a restart the address differs: %d bytes, before %d", len(got), len(url1))
	}
	if got := second.URL("nobody"); got != "" {
		t.Errorf("URL of a service without a grant = %q", got)
	}
	// No SetGrants yet: a service that outlived plat is let in again.
	client(t, second, "order")
	info, err := os.Stat(filepath.Join(dir, "access.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("access.json: %v, %v; want mode 0600", info.Mode(), err)
	}
}

func TestOpenTakesAnotherPortWhenItsOwnIsTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, nats.Options{Dir: dir})
	addr := first.Addr()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	l := listen(t, addr)
	second := open(t, nats.Options{Dir: dir})
	moved := second.Addr()
	if moved == addr {
		t.Fatalf("both have %s", addr)
	}
	_ = l.Close()
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	third := open(t, nats.Options{Dir: dir})
	if third.Addr() != moved {
		t.Errorf("the new port was not kept: %s, then %s", moved, third.Addr())
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	taken := t.TempDir()
	open(t, nats.Options{Dir: taken})
	torn := t.TempDir()
	write(t, filepath.Join(torn, "access.json"), `{"version":1,"po`)
	foreign := t.TempDir()
	write(t, filepath.Join(foreign, "access.json"), `{"hello":"world"}`)
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	l := listen(t, "127.0.0.1:0")
	for name, c := range map[string]struct {
		o    nats.Options
		want fault.Code
	}{
		"a folder in use":  {nats.Options{Dir: taken}, fault.EventStoreLocked},
		"a torn state":     {nats.Options{Dir: torn}, fault.EventStoreUnfit},
		"a foreign state":  {nats.Options{Dir: foreign}, fault.EventStoreUnfit},
		"a file":           {nats.Options{Dir: file}, fault.EventStoreUnfit},
		"no folder":        {nats.Options{}, fault.EventStoreUnfit},
		"a public address": {nats.Options{Dir: t.TempDir(), Addr: "0.0.0.0:0"}, fault.EventUnavailable},
		"a taken port":     {nats.Options{Dir: t.TempDir(), Addr: l.Addr().String()}, fault.EventUnavailable},
	} {
		srv, err := nats.Open(ctx(t), c.o)
		if err == nil {
			_ = srv.Close()
		}
		if !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	for _, dir := range []string{torn, foreign} {
		if data, err := os.ReadFile(filepath.Join(dir, "access.json")); err != nil || len(data) < 10 {
			t.Errorf("the state file was changed: %q, %v", data, err)
		}
	}
}

func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	lines := slog.New(slog.NewJSONHandler(&lockedWriter{w: &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	srv, _ := house(t, nats.Options{Log: lines})
	u, err := url.Parse(srv.URL("order"))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	client(t, srv, "order")
	if _, err := natsgo.Connect("nats://order:" + password + "x@" + srv.Addr()); err == nil {
		t.Error("a wrong password is accepted")
	}
	if _, err := natsgo.Connect(fmt.Sprintf("nats://%s:%s@%s", "nobody", password, srv.Addr())); err == nil {
		t.Error("an unknown service is accepted")
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	if len(password) < 20 || strings.Contains(log.String(), password) {
		t.Errorf("a password of %d bytes is in the log", len(password))
	}
}
