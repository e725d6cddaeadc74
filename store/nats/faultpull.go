package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	lookAgain  = 20 * time.Millisecond // at what waits
	window     = 16                    // events that are turned round at once
	redelivers = 100 * time.Millisecond
	mostDue    = 1024
	mostPulls  = 512 // as the engine has it
)

// nextRequest is a pull in JetStream's words.
type nextRequest struct {
	Expires   time.Duration `json:"expires,omitempty"`
	Batch     int           `json:"batch,omitempty"`
	MaxBytes  int           `json:"max_bytes,omitempty"`
	NoWait    bool          `json:"no_wait,omitempty"`
	Heartbeat time.Duration `json:"idle_heartbeat,omitempty"`
}

// waitingPull is one that waits.
type waitingPull struct {
	nextRequest
	reply string
	left  int       // events that it may get
	until time.Time // zero: for ever
	beat  time.Time // of its next sign of life; zero: none is wanted
}

// holding lets pulls wait until an event may come.
type holding struct {
	*between
	fault   *playedFault
	at      jetstream.Consumer
	subject string
	wait    time.Duration // for an acknowledgement

	pulls []*waitingPull
	owed  int         // events that were given back, to come in their new order
	sent  uint64      // the event that the last pull was passed on for
	since time.Time   // then
	due   []time.Time // when events come again that were given back by who pulls
}

// pull lets one wait.
func (h *holding) pull(m *natsgo.Msg) {
	p := &waitingPull{nextRequest: nextRequest{Batch: 1}, reply: m.Reply}
	text := bytes.TrimSpace(m.Data)
	if len(text) > 0 && text[0] == '{' {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if d.Decode(&p.nextRequest) != nil || p.Heartbeat*2 > p.Expires && p.Heartbeat > 0 {
			h.pass(".next", m) // the engine knows what to say
			return
		}
	} else if n, err := strconv.Atoi(string(text)); err == nil {
		p.Batch = n
	}
	if len(h.pulls) >= mostPulls {
		h.said.status(m.Reply, "409 Exceeded MaxWaiting")
		return
	}
	p.left = max(p.Batch, 1)
	now := time.Now()
	if p.Expires > 0 {
		p.until = now.Add(p.Expires)
	}
	if p.Heartbeat > 0 {
		p.beat = now.Add(p.Heartbeat)
	}
	h.pulls = append(h.pulls, p)
}

// answered notes when an event comes again that who pulls gives back.
func (h *holding) answered(answer []byte) {
	rest, nak := bytes.CutPrefix(answer, []byte("-NAK"))
	if !nak || len(h.due) >= mostDue {
		return
	}
	var ask struct {
		Delay time.Duration `json:"delay"`
	}
	_ = json.Unmarshal(bytes.TrimSpace(rest), &ask) // without one it comes at once
	h.due = append(h.due, time.Now().Add(ask.Delay+redelivers))
}

// serve passes on the pulls for which an event may come.
func (h *holding) serve(ctx context.Context) {
	h.expire()
	ctx, cancel := context.WithTimeout(ctx, nextLookup)
	defer cancel()
	for len(h.pulls) > 0 && h.may(ctx) {
		h.let(h.pulls[0])
	}
	for _, p := range slices.Clone(h.pulls) {
		if p.NoWait {
			h.said.status(p.reply, "404 No Messages")
			h.drop(p)
		}
	}
}

func (h *holding) drop(p *waitingPull) {
	h.pulls = slices.DeleteFunc(h.pulls, func(other *waitingPull) bool { return other == p })
}

// expire answers those whose time is over, and gives signs of life.
func (h *holding) expire() {
	now := time.Now()
	for _, p := range slices.Clone(h.pulls) {
		switch {
		case !p.until.IsZero() && now.After(p.until):
			h.said.timedOut(p.reply, p.left)
			h.drop(p)
		case !p.beat.IsZero() && now.After(p.beat):
			h.said.status(p.reply, "100 Idle Heartbeat")
			p.beat = now.Add(p.Heartbeat)
		}
	}
}

// let passes a pull on for one event.
func (h *holding) let(p *waitingPull) {
	one := nextRequest{Batch: 1, MaxBytes: p.MaxBytes, NoWait: p.NoWait}
	if !p.until.IsZero() {
		one.Expires = max(time.Until(p.until), time.Millisecond)
	}
	if p.left--; p.left == 0 {
		h.drop(p)
	}
	h.next(p.reply, one)
}

func (h *holding) next(reply string, ask nextRequest) {
	text, err := json.Marshal(ask)
	if err != nil {
		panic("store/nats: a request is always JSON: " + err.Error())
	}
	h.pass(".next", &natsgo.Msg{Reply: reply, Data: text})
}

// release passes all on that wait.
func (h *holding) release() {
	for _, p := range h.pulls {
		rest := p.nextRequest
		rest.Batch = p.left
		if !p.until.IsZero() {
			rest.Expires = max(time.Until(p.until), time.Millisecond)
		}
		rest.Heartbeat = min(rest.Heartbeat, rest.Expires/2)
		h.next(p.reply, rest)
	}
	h.pulls = nil
}

// may tells whether one event may come now.
func (h *holding) may(ctx context.Context) bool {
	if h.owed > 0 {
		h.owed--
		return true
	}
	now := time.Now()
	if i := slices.IndexFunc(h.due, func(at time.Time) bool { return now.After(at) }); i >= 0 {
		h.due = slices.Delete(h.due, i, i+1)
		return true
	}
	info, err := h.at.Info(ctx)
	if err != nil {
		return false
	}
	if info.Delivered.Stream < h.sent && now.Sub(h.since) < time.Second {
		return false // the last one is on its way
	}
	if last := info.Delivered.Last; info.NumAckPending > 0 && last != nil && now.Sub(*last) > h.wait && now.Sub(h.since) > time.Second {
		h.since = now
		return true // one that nobody answered for comes again
	}
	if info.NumPending == 0 {
		return false
	}
	first, err := h.of.GetMsg(ctx, info.Delivered.Stream+1, jetstream.WithGetMsgSubject(h.subject))
	if err != nil {
		return false
	}
	age, most := now.Sub(first.Time), h.fault.Delay
	if h.fault.Kind == FaultReorder {
		return h.turn(ctx, info, age)
	}
	if h.fault.Jitter > 0 {
		most += time.Duration(draw(h.fault.ID, strconv.FormatUint(first.Sequence, 10)) * float64(h.fault.Jitter))
	}
	if age < most {
		return false
	}
	h.sent, h.since = first.Sequence, now
	h.fault.note(1, &natsgo.Msg{Header: first.Header})
	return true
}

// turn takes the events that wait, and gives them back the last first. It tells
// whether one may come.
//
// INVARIANT: nothing is taken while something is in hand, so that what is taken
// was delivered to nobody yet, and comes with one delivery counted.
func (h *holding) turn(ctx context.Context, info *jetstream.ConsumerInfo, age time.Duration) bool {
	switch {
	case age < h.fault.Delay && info.NumPending < window:
		return false
	case info.NumAckPending > 0 && age < 2*h.fault.Delay:
		return false // soon it may be acknowledged
	case info.NumAckPending > 0 || info.NumPending < 2 || h.most == 1:
		h.sent, h.since = info.Delivered.Stream+1, time.Now()
		return true
	}
	taken := h.fetch(ctx, int(min(info.NumPending, window))) // #nosec G115 -- bounded
	for _, m := range slices.Backward(taken) {
		tail := strings.TrimPrefix(m.Reply, h.ackSubject())
		// Each is noted before the next is asked for: their order is the new one.
		_, err := h.s.conn.RequestWithContext(ctx, h.passSubject()+tail, []byte("-NAK"))
		if err != nil {
			return false // they come again when the wait for an acknowledgement is over
		}
	}
	if len(taken) > 1 {
		h.fault.note(len(taken), taken[0])
	}
	h.owed = max(len(taken)-1, 0)
	return len(taken) > 0
}

// fetch pulls events, at most as many as wait now.
func (h *holding) fetch(ctx context.Context, n int) (taken []*natsgo.Msg) {
	inbox := natsgo.NewInbox()
	sub, err := h.s.conn.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection has ended otherwise
	h.next(inbox, nextRequest{Batch: n, NoWait: true})
	for len(taken) < n {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil || m.Reply == "" { // a status: there are no more
			break
		}
		taken = append(taken, m)
	}
	return taken
}
