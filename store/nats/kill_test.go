package nats_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/store/nats"
)

// childDir makes the test binary a server on this folder instead.
const childDir = "PLAT_TEST_NATS_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	_ = flag.Set("test.parallel", "8") // they wait for the disk more than for a processor; a flag of the command line counts more
	os.Exit(m.Run())
}

// serve runs a server until standard input ends; it is killed before that.
func serve(dir string) error {
	c, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	srv, err := nats.Open(c, nats.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { _ = srv.Close() }()
	if st := srv.Storage(); len(st.Faults) > 0 {
		return st.Faults[0]
	}
	room := event.New(event.Options{Broker: srv})
	streams, consumers, grants := system()
	if err := room.Apply(c, streams, consumers); err != nil {
		return err
	}
	if err := srv.SetGrants(grants); err != nil {
		return err
	}
	fmt.Println("ready", srv.URL("order"))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// child starts a server as a process of its own, under another program if
// one is named, and waits until it is ready.
func child(t *testing.T, dir string, under ...string) (url string, kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	argv := append(under, self)
	cmd := exec.CommandContext(ctx(t), argv[0], argv[1:]...) // ends it even if the test hangs
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ok {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("the server said %q, %v", line, err)
	}
	return url, func() {
		if len(under) > 0 { // the tracer ends with what it traces
			_ = in.Close()
			_ = cmd.Wait()
			return
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = in.Close()
	}
}

// line is a publisher's connection, which lives through all rounds, as those of
// services do that outlive plat: port and password stay. What waits for an
// answer of a server that is gone is given up when the connection breaks.
type line struct {
	nc   *natsgo.Conn
	mu   sync.Mutex
	give context.CancelFunc // up the answer that is waited for
}

func dial(t *testing.T, url string) *line {
	t.Helper()
	l := &line{give: func() {}}
	lost := func(*natsgo.Conn, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.give()
	}
	nc, err := natsgo.Connect(url, natsgo.CustomInboxPrefix("_INBOX.order"), natsgo.MaxReconnects(-1), natsgo.ReconnectWait(5*time.Millisecond), natsgo.ReconnectJitter(0, 0), natsgo.DisconnectErrHandler(lost), natsgo.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	l.nc = nc
	return l
}

// try gives a context for one answer. A break that is heard of late ends it in
// vain, which costs no more than another try.
func (l *line) try(c context.Context) (context.Context, context.CancelFunc) {
	c, cancel := context.WithTimeout(c, patience)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.give = cancel
	return c, cancel
}

// ledger is what the publishers know.
type ledger struct {
	mu      sync.Mutex
	sent    map[string]bool // every ID that was ever on the wire
	acked   map[string]bool
	batches map[string]bool // batch → acknowledged
}

func (l *ledger) note(where map[string]bool, key string, value bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	where[key] = value
}

// acknowledged counts the events and batches that are.
func (l *ledger) acknowledged() (singles, batches int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, acked := range l.batches {
		if acked {
			batches++
		}
	}
	return len(l.acked), batches
}

const batchSize = 10

// publish sends single events, each until it is acknowledged, as an outbox
// does.
func (l *ledger) publish(c context.Context, on *line, js jetstream.JetStream, name string) {
	for n := 0; c.Err() == nil; n++ {
		id := fmt.Sprintf("%s-%d", name, n)
		l.note(l.sent, id, true)
		for c.Err() == nil {
			try, cancel := on.try(c)
			m := placed(id)
			m.Data = []byte(id)
			_, err := js.PublishMsg(try, m)
			cancel()
			if err == nil {
				l.note(l.acked, id, true)
				break
			}
		}
	}
}

// publishBatches sends atomic batches, each once.
func (l *ledger) publishBatches(c context.Context, on *line) {
	for n := 0; c.Err() == nil; n++ {
		batch := fmt.Sprintf("batch%d", n)
		l.note(l.batches, batch, false)
		for i := range batchSize {
			id := fmt.Sprintf("%s-%d", batch, i)
			l.note(l.sent, id, true)
			m := placed(id)
			m.Data = []byte(id)
			m.Header.Set("Nats-Batch-Id", batch)
			m.Header.Set("Nats-Batch-Sequence", fmt.Sprint(i+1))
			if i < batchSize-1 {
				_ = on.nc.PublishMsg(m)
				continue
			}
			m.Header.Set("Nats-Batch-Commit", "1")
			try, cancel := on.try(c)
			reply, err := on.nc.RequestMsgWithContext(try, m)
			cancel()
			var ack struct {
				Sequence uint64 `json:"seq"`
				Count    int    `json:"count"`
			}
			if err == nil && json.Unmarshal(reply.Data, &ack) == nil && ack.Sequence > 0 && ack.Count == batchSize {
				l.note(l.batches, batch, true)
			}
		}
	}
}

// The promise: what was acknowledged is delivered, once, and nothing else is,
// however often the server is killed while events are published.
func TestNothingAcknowledgedIsLostWhenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	url, kill := child(t, dir)
	l := &ledger{sent: map[string]bool{}, acked: map[string]bool{}, batches: map[string]bool{}}
	publishing, stop := context.WithCancel(context.Background())
	defer stop()
	var publishers sync.WaitGroup
	for i := range 3 {
		on := dial(t, url)
		if i == 0 {
			publishers.Go(func() { l.publishBatches(publishing, on) })
			continue
		}
		js := stream(t, on.nc)
		publishers.Go(func() { l.publish(publishing, on, js, fmt.Sprintf("single%d", i)) })
	}
	for range rounds {
		singles, batches := l.acknowledged()
		eventually(t, "the server acknowledges events and batches", func() bool {
			s, b := l.acknowledged()
			return s > singles && b > batches
		})
		time.Sleep(rand.N(60 * time.Millisecond)) // #nosec G404 -- any moment will do
		kill()
		var again string
		if again, kill = child(t, dir); again != url {
			t.Fatal("port or password changed")
		}
	}
	kill()
	stop()
	publishers.Wait()
	l.verify(t, dir, rounds)
}

// verify reads everything back as the consuming service.
func (l *ledger) verify(t *testing.T, dir string, rounds int) {
	t.Helper()
	srv := open(t, nats.Options{Dir: dir})
	if st := srv.Storage(); len(st.Faults) > 0 {
		t.Error(st.Faults[0])
	}
	streams, err := srv.Streams(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	stored := 0
	for _, s := range streams {
		if s.Name == "order" {
			stored = int(s.Stored) // #nosec G115 -- a test's worth
		}
	}
	delivered := map[string]int{}
	finance := stream(t, client(t, srv, "finance"))
	consumer, err := finance.Consumer(ctx(t), "order", "finance_order_placed")
	if err != nil {
		t.Fatal(err)
	}
	for got := 0; got < stored; {
		batch, err := consumer.Fetch(min(event.Unacked, stored-got), jetstream.FetchMaxWait(patience))
		if err != nil {
			t.Fatal(err)
		}
		before := got
		for m := range batch.Messages() {
			id := m.Headers().Get("ce-id")
			if id != string(m.Data()) {
				t.Errorf("event %s holds %q", id, m.Data())
			}
			delivered[id]++
			got++
			if err := m.Ack(); err != nil {
				t.Fatal(err)
			}
		}
		if got == before {
			t.Fatalf("%d of %d events were delivered: %v", got, stored, batch.Error())
		}
	}
	for id := range l.acked {
		if delivered[id] != 1 {
			t.Errorf("acknowledged event %s was delivered %d times", id, delivered[id])
		}
	}
	for id := range delivered {
		if !l.sent[id] || delivered[id] != 1 {
			t.Errorf("event %s was delivered %d times and sent: %v", id, delivered[id], l.sent[id])
		}
	}
	ackedBatches := 0
	for batch, acked := range l.batches {
		n := 0
		for i := range batchSize {
			n += delivered[fmt.Sprintf("%s-%d", batch, i)]
		}
		if acked {
			ackedBatches++
		}
		if n != batchSize && (acked || n != 0) {
			t.Errorf("%d of %d events of %s were delivered, acknowledged: %v", n, batchSize, batch, acked)
		}
	}
	t.Logf("%d single events and %d of %d batches acknowledged, %d events delivered", len(l.acked), ackedBatches, len(l.batches), len(delivered))
	if len(l.acked) < rounds || ackedBatches < rounds {
		t.Error("too little was published to prove anything")
	}
}
