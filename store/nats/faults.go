package nats

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The kinds of faults of the events that services pull by themselves.
const (
	FaultTwice   = "duplicate" // an event that was acknowledged comes again, as if the acknowledgement had been lost
	FaultLatency = "latency"   // an event comes Delay and up to Jitter after it was stored; the order stays
	FaultReorder = "reorder"   // those that are stored within Delay come the last first
)

// Fault is what goes wrong on purpose with the events of one consumer. The
// broker plays it itself, by its own redelivery and by letting a pull wait, so
// that a client of any kind meets it.
type Fault struct {
	ID               string
	Kind             string
	Stream, Consumer string
	Delay, Jitter    time.Duration
	Share            float64                               // of duplicates, by correlation ID; 0 or 1: all
	Meets            func(header map[string][]string) bool // of duplicates; nil: all events
}

// FaultCount is how often a fault was played.
type FaultCount struct {
	Played   uint64
	Examples []FaultExample // the first few
}

// FaultExample is one event with which a fault was played.
type FaultExample struct {
	Time          time.Time
	TraceID       string
	CorrelationID string
	Event         string `json:"request"` // type and ID
}

const (
	faultExamples = 5
	leaveFor      = 50 * time.Millisecond // until what was on its way has come
)

// playedFault is a fault with its counter.
type playedFault struct {
	Fault
	count atomic.Uint64

	mu       sync.Mutex // guards what follows
	examples []FaultExample
}

// note counts that it was played with n events, of which m is one; nil: none is known.
func (p *playedFault) note(n int, m *natsgo.Msg) {
	p.count.Add(uint64(n)) // #nosec G115 -- a count
	p.mu.Lock()
	defer p.mu.Unlock()
	if m == nil || len(p.examples) == faultExamples {
		return
	}
	e := FaultExample{Time: time.Now(), CorrelationID: m.Header.Get("ce-correlationid"), Event: m.Header.Get("ce-type") + " " + m.Header.Get("ce-id")}
	if parts := strings.Split(m.Header.Get("traceparent"), "-"); len(parts) > 1 {
		e.TraceID = parts[1]
	}
	p.examples = append(p.examples, e)
}

func (p *playedFault) tells() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.examples) < faultExamples
}

// SetFaults replaces the faults that are played; none is the usual state. It
// returns when what is not in the list any more is undone: pulls that waited
// are the broker's, acknowledgements go straight to it. Faults live in this
// process's memory alone; what was given back for redelivery comes again
// whatever becomes of it.
//
// INVARIANT: nothing is written for a fault, neither to a stream nor to a
// consumer's configuration.
func (s *Server) SetFaults(faults []Fault) error {
	s.faulty.Lock()
	defer s.faulty.Unlock()
	for _, b := range s.faulty.between {
		b.stop()
		<-b.done
	}
	s.faulty.between = nil
	var err error
	for _, f := range faults {
		i := slices.IndexFunc(s.faulty.between, func(b *between) bool { return b.stream == f.Stream && b.consumer == f.Consumer })
		if i < 0 {
			i = len(s.faulty.between)
			s.faulty.between = append(s.faulty.between, &between{s: s, stream: f.Stream, consumer: f.Consumer, twice: map[uint64]bool{}, said: voice{s: s}, done: make(chan struct{})})
		}
		s.faulty.between[i].faults = append(s.faulty.between[i].faults, &playedFault{Fault: f})
	}
	for _, b := range s.faulty.between {
		err = errors.Join(err, b.begin())
	}
	return err
}

// FaultCounts tells how often each of the present faults was played, by ID.
func (s *Server) FaultCounts() map[string]FaultCount {
	s.faulty.Lock()
	defer s.faulty.Unlock()
	counts := map[string]FaultCount{}
	for _, b := range s.faulty.between {
		for _, p := range b.faults {
			p.mu.Lock()
			counts[p.ID] = FaultCount{Played: p.count.Load(), Examples: slices.Clone(p.examples)}
			p.mu.Unlock()
		}
	}
	return counts
}

// faulty are the consumers with a fault.
type faulty struct {
	sync.Mutex // guards what follows
	between    []*between
}

// remap tells a new engine what is mapped.
func (f *faulty) remap(engine *server.Server) {
	f.Lock()
	defer f.Unlock()
	for _, b := range f.between {
		if err := b.remap(engine); err != nil {
			b.s.log.Error("a fault is not played any more", "consumer", b.consumer, "error", err)
		}
	}
}

// between stands between one consumer and those who pull from it. The engine
// maps what they publish, pulls and acknowledgements, to subjects that are
// heard here; what goes on to the consumer takes a third subject, which is
// mapped to the real one. A mapping is taken once, so nothing goes in circles.
// The second subjects are among those that the service may publish to anyway.
type between struct {
	s                *Server
	stream, consumer string
	faults           []*playedFault

	stop context.CancelFunc
	done chan struct{}
	sub  *natsgo.Subscription
	came chan *natsgo.Msg
	of   jetstream.Stream
	said voice

	// What follows is known to run alone.
	hold  *holding        // nil: pulls go on at once
	twice map[uint64]bool // events that were acknowledged once, by sequence
	most  int             // deliveries that the consumer allows
}

// mostTwice bounds the events that are to come again; a consumer has at most 64
// in hand, but may give some of them up.
const mostTwice = 4096

func (b *between) nextSubject() string {
	return "$JS.API.CONSUMER.MSG.NEXT." + b.stream + "." + b.consumer
}
func (b *between) ackSubject() string  { return "$JS.ACK." + b.stream + "." + b.consumer }
func (b *between) heard() string       { return b.ackSubject() + ".plat" }
func (b *between) passSubject() string { return "plat.pass." + b.stream + "." + b.consumer }

// mappings are from, to; those that lead here come last.
func (b *between) mappings() [][2]string {
	wild, five := ".*.*.*.*.*", ".$1.$2.$3.$4.$5"
	return [][2]string{
		{b.passSubject() + ".next", b.nextSubject()},
		{b.passSubject() + wild, b.ackSubject() + five},
		{b.nextSubject(), b.heard() + ".next"},
		{b.ackSubject() + wild, b.heard() + ".ack" + five},
	}
}

// remap tells an engine the mappings, which it forgets when it ends.
func (b *between) remap(engine *server.Server) error {
	if engine == nil {
		return nil // the next one is told
	}
	for _, m := range b.mappings() {
		if err := engine.GlobalAccount().AddMapping(m[0], m[1]); err != nil {
			return fmt.Errorf("map %s: %w", m[0], err)
		}
	}
	return nil
}

// begin steps between.
func (b *between) begin() (err error) {
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	ask, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			stop()
			close(b.done)
			err = fmt.Errorf("consumer %s of %s: %w", b.consumer, b.stream, err)
		}
	}()
	consumer, err := b.s.js.Consumer(ask, b.stream, b.consumer)
	if err != nil {
		return err
	}
	if b.of, err = b.s.js.Stream(ask, b.stream); err != nil {
		return err
	}
	config := consumer.CachedInfo().Config
	b.most = config.MaxDeliver
	for _, p := range b.faults {
		if p.Kind == FaultLatency || p.Kind == FaultReorder {
			b.hold = &holding{between: b, fault: p, at: consumer, subject: config.FilterSubject, wait: config.AckWait}
		}
	}
	b.came = make(chan *natsgo.Msg, 64<<10)
	if b.sub, err = b.s.conn.ChanSubscribe(b.heard()+".>", b.came); err != nil {
		return err
	}
	if err = b.s.conn.FlushTimeout(askTimeout); err == nil { // else nobody would hear what is mapped
		err = b.remap(b.s.current())
	}
	if err != nil {
		b.unmap(b.mappings())
		return errors.Join(err, b.sub.Unsubscribe())
	}
	if b.hold != nil {
		b.answerPulls(config.Metadata[noteService])
	}
	go b.run(ctx)
	return nil
}

// run plays until ctx ends; then it steps aside, and nothing is left.
func (b *between) run(ctx context.Context) {
	defer close(b.done)
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case m := <-b.came:
			b.take(m)
		case <-tick.C:
		}
		if b.hold != nil {
			b.hold.serve(ctx)
		}
	}
	mappings := b.mappings()
	b.unmap(mappings[2:])
	time.Sleep(leaveFor) // what was mapped just before is here then
	_ = b.s.conn.FlushTimeout(askTimeout)
	b.rest()
	_ = b.sub.Unsubscribe() // the connection has ended otherwise
	_ = b.s.conn.FlushTimeout(askTimeout)
	b.rest()
	b.unmap(mappings[:2])
	b.said.close()
}

// rest passes on what has come and what waits.
func (b *between) rest() {
	hold := b.hold
	b.hold, b.faults = nil, nil
	if hold != nil {
		hold.release()
	}
	for {
		select {
		case m := <-b.came:
			b.take(m)
		default:
			return
		}
	}
}

func (b *between) unmap(mappings [][2]string) {
	engine := b.s.current()
	if engine == nil {
		return
	}
	for _, m := range mappings {
		engine.GlobalAccount().RemoveMapping(m[0])
	}
}

// take handles a pull or an acknowledgement.
func (b *between) take(m *natsgo.Msg) {
	tail, ack := strings.CutPrefix(m.Subject, b.heard()+".ack.")
	switch {
	case !ack && b.hold != nil && m.Reply != "":
		b.hold.pull(m)
	case !ack:
		b.pass(".next", m)
	case b.again(tail, m):
		if b.hold != nil {
			b.hold.answered([]byte("-NAK"))
		}
		b.pass("."+tail, &natsgo.Msg{Data: []byte("-NAK")})
		if m.Reply != "" {
			_ = b.s.conn.Publish(m.Reply, nil) // who asks whether it was noted is told so
		}
	default:
		if b.hold != nil {
			b.hold.answered(m.Data)
		}
		b.pass("."+tail, m)
	}
}

// pass sends on to the consumer what was meant for it.
func (b *between) pass(where string, m *natsgo.Msg) {
	_ = b.s.conn.PublishMsg(&natsgo.Msg{Subject: b.passSubject() + where, Reply: m.Reply, Header: m.Header, Data: m.Data}) // without a connection it is asked again
}

// again tells whether an acknowledged event is to come a second time.
//
// INVARIANT: only an event that may be delivered once more, so that none
// becomes a dead letter by it.
func (b *between) again(tail string, m *natsgo.Msg) bool {
	var delivered, sequence uint64
	if text := string(m.Data); text != "" && text != "+ACK" && text != "+OK" {
		return false
	}
	if n, _ := fmt.Sscanf(tail, "%d.%d.", &delivered, &sequence); n != 2 {
		return false
	}
	if b.twice[sequence] {
		delete(b.twice, sequence)
		return false
	}
	for _, p := range b.faults {
		if p.Kind != FaultTwice || b.most > 0 && delivered >= uint64(b.most) || len(b.twice) >= mostTwice { // #nosec G115 -- above 0
			continue
		}
		var stored *natsgo.Msg
		if share := p.Share > 0 && p.Share < 1; share || p.Meets != nil || p.tells() {
			if stored = b.stored(sequence); stored == nil ||
				share && draw(p.ID, stored.Header.Get("ce-correlationid")) >= p.Share || p.Meets != nil && !p.Meets(stored.Header) {
				continue
			}
		}
		p.note(1, stored)
		b.twice[sequence] = true
		return true
	}
	return false
}

// stored reads an event; nil when it cannot be read.
func (b *between) stored(sequence uint64) *natsgo.Msg {
	ctx, cancel := context.WithTimeout(context.Background(), nextLookup)
	defer cancel()
	raw, err := b.of.GetMsg(ctx, sequence)
	if err != nil {
		return nil
	}
	return &natsgo.Msg{Header: raw.Header}
}

// draw is a number from 0 to 1 that a fault has for a correlation ID.
func draw(id, correlation string) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id + "\x00" + correlation)) // never fails
	v := h.Sum64()
	v ^= v >> 33 // FNV's last bytes hardly move its upper bits
	v *= 0xff51afd7ed558ccd
	v ^= v >> 33
	return float64(v>>11) / (1 << 53)
}

// answerPulls ends the pulls of a service that wait at the consumer already, as
// their time-out would: else the first event would come by one of them, past
// the fault. A client whose pulls share one inbox is not reached by it.
func (b *between) answerPulls(service string) {
	engine := b.s.current()
	if engine == nil || service == "" {
		return
	}
	open, err := engine.Connz(&server.ConnzOptions{Subscriptions: true, Limit: maxConnections})
	if err != nil {
		return
	}
	for _, c := range open.Conns {
		if b.s.access.name(c.Cid) != service {
			continue
		}
		for _, inbox := range c.Subs {
			if strings.HasPrefix(inbox, "_INBOX."+service+".") && !strings.ContainsAny(inbox, "*>") {
				b.said.timedOut(inbox, 1)
			}
		}
	}
}
