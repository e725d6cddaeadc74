package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// plat's own streams and consumer. No service can have these names: a
// service's name holds no underscore.
const (
	advisoryStream   = "plat_advisories"
	advisoryConsumer = "plat_dead_letters"
	deadStream       = "plat_dead_letters"
	deadPrefix       = "plat.dead."

	advisoryTerminated = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED."
	advisoryDeliveries = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES."
)

// Bounds of the dead letters: the oldest are dropped first, and counted.
const (
	DeadMaxAge   = 30 * 24 * time.Hour
	DeadMaxBytes = 256 << 20
	DeadMaxCount = 10_000

	maxReason = 1024
)

// Headers that a dead letter has beside those of the event.
const (
	headerStream     = "Plat-Dead-Stream"
	headerConsumer   = "Plat-Dead-Consumer"
	headerSequence   = "Plat-Dead-Sequence"
	headerDeliveries = "Plat-Dead-Deliveries"
	headerReason     = "Plat-Dead-Reason"
	headerTime       = "Plat-Dead-Time"
	headerSubject    = "Plat-Dead-Subject"
	headerStored     = "Plat-Dead-Stored"
	headerLost       = "Plat-Dead-Lost"
)

// DeadLetter is an event that one consumer gave up. Other consumers of the
// same event are not concerned.
type DeadLetter struct {
	ID         string              `json:"id"` // <stream>.<consumer>.<sequence>
	Stream     string              `json:"stream"`
	Consumer   string              `json:"consumer"`
	Sequence   uint64              `json:"sequence"`
	Deliveries int                 `json:"deliveries"`
	Reason     string              `json:"reason"`
	Time       time.Time           `json:"time"`   // when it was given up
	Stored     time.Time           `json:"stored"` // when it was published; zero if Lost
	Subject    string              `json:"subject,omitempty"`
	Header     map[string][]string `json:"header,omitempty"` // of the event
	Data       []byte              `json:"data,omitempty"`   // of the event
	Lost       bool                `json:"lost,omitempty"`   // the event had aged out before it could be kept here
}

// Event is the dead letter's event; event-invalid if it never was one.
func (d DeadLetter) Event() (Event, error) { return FromMessage(d.Subject, d.Header, d.Data) }

// DeadLetters lists the newest dead letters, newest first, at most limit and
// never more than 1,000.
func (r *Room) DeadLetters(ctx context.Context, limit int) ([]DeadLetter, error) {
	state, err := r.stream(ctx, deadStream)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable("list the dead letters", err)
	}
	var letters []DeadLetter
	limit = min(limit, 1000)
	for seq := state.LastSequence; seq >= max(1, state.FirstSequence) && len(letters) < limit; seq-- {
		m, err := r.broker.Read(ctx, deadStream, seq)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return letters, unavailable("read a dead letter", err)
		}
		letters = append(letters, unbury(m))
	}
	return letters, nil
}

// deadCount is how many dead letters there are, as long as their stream stands
// as it did then.
type deadCount struct {
	stored, last uint64
	of           map[string]uint64 // by stream.consumer
}

// deadCounts counts the dead letters by stream.consumer. The broker is asked
// only when there are others than before.
func (r *Room) deadCounts(ctx context.Context, streams []StreamState) (map[string]uint64, error) {
	i := slices.IndexFunc(streams, func(s StreamState) bool { return s.Name == deadStream })
	if i < 0 || streams[i].Stored == 0 {
		return nil, nil //nolint:nilnil // a nil map holds none
	}
	r.mu.Lock()
	known := r.dead
	r.mu.Unlock()
	if known.stored == streams[i].Stored && known.last == streams[i].LastSequence {
		return known.of, nil
	}
	subjects, err := r.broker.Subjects(ctx, deadStream, deadPrefix+">")
	if err != nil {
		return nil, err
	}
	now := deadCount{streams[i].Stored, streams[i].LastSequence, map[string]uint64{}}
	for subject, n := range subjects {
		id := strings.TrimPrefix(subject, deadPrefix)
		if end := strings.LastIndexByte(id, '.'); end > 0 {
			now.of[id[:end]] += n
		}
	}
	r.mu.Lock()
	r.dead = now
	r.mu.Unlock()
	return now.of, nil
}

// Requeue publishes the event of a dead letter again, with its own ID. Every
// consumer of the event gets it; those that have handled it know its ID and
// ignore it, as CloudEvents asks them to. The dead letter stays on the list.
// Errors: event-unknown, event-unavailable, event-store-full.
func (r *Room) Requeue(ctx context.Context, id string) (Receipt, error) {
	letters, err := r.DeadLetters(ctx, 1000)
	if err != nil {
		return Receipt{}, err
	}
	for _, d := range letters {
		if d.ID != id || d.Lost {
			continue
		}
		header := cloneHeader(d.Header)
		// A new message ID, or the broker would take it for a repetition.
		header["Nats-Msg-Id"] = []string{"requeue:" + d.ID + ":" + strconv.FormatInt(time.Now().UnixNano(), 36)}
		receipt, err := r.broker.Publish(ctx, Message{Subject: d.Subject, Header: header, Data: d.Data})
		if err != nil {
			return Receipt{}, unavailable("take the event", err)
		}
		return receipt, nil
	}
	return Receipt{}, fault.Newf(fault.EventUnknown, "no dead letter %q with its event is among the newest 1,000", id).
		Fix("list the dead letters with `plat events`")
}

// ensureOwn creates the streams that dead letters need.
func (r *Room) ensureOwn(ctx context.Context) error {
	for _, s := range []StreamConfig{
		{Name: advisoryStream, Subjects: []string{advisoryTerminated + ">", advisoryDeliveries + ">"}, MaxAge: MaxAge, MaxBytes: 64 << 20, Messages: 100_000, Overwrite: true, Duplicates: Duplicates},
		{Name: deadStream, Subjects: []string{deadPrefix + ">"}, MaxAge: DeadMaxAge, MaxBytes: DeadMaxBytes, Messages: DeadMaxCount, Overwrite: true, Duplicates: Duplicates},
	} {
		if err := r.broker.PutStream(ctx, s); err != nil {
			return err
		}
	}
	return r.broker.PutConsumer(ctx, ConsumerConfig{Stream: advisoryStream, Name: advisoryConsumer, AckWait: AckWait, Unacked: Unacked})
}

// advisory is what the broker tells when a consumer gave an event up.
type advisory struct {
	Time       time.Time `json:"timestamp"`
	Stream     string    `json:"stream"`
	Consumer   string    `json:"consumer"`
	Sequence   uint64    `json:"stream_seq"`
	Deliveries int       `json:"deliveries"`
	Reason     string    `json:"reason"`
}

func readAdvisory(m Message) (a advisory, ok bool) {
	if json.Unmarshal(m.Data, &a) != nil || !plainToken(a.Stream) || !plainToken(a.Consumer) {
		return advisory{}, false
	}
	if a.Reason == "" && strings.HasPrefix(m.Subject, advisoryDeliveries) {
		a.Reason = fmt.Sprintf("not acknowledged after %d deliveries", a.Deliveries)
	}
	return a, true
}

// bury turns one advisory into a dead letter. It may see an advisory twice:
// the subject of a dead letter is its identity, and holds one message.
func (r *Room) bury(ctx context.Context, m Message) error {
	a, ok := readAdvisory(m)
	if !ok {
		r.log.ErrorContext(ctx, "an advisory of the broker cannot be read and is skipped", "subject", m.Subject, "sequence", m.Sequence)
		return nil
	}
	original, err := r.broker.Read(ctx, a.Stream, a.Sequence)
	lost := errors.Is(err, ErrNotFound)
	if err != nil && !lost {
		return fmt.Errorf("read event %d of %s: %w", a.Sequence, a.Stream, err)
	}
	header := cloneHeader(original.Header)
	// INVARIANT: the engine's own headers of the original say nothing about
	// this message and would be obeyed.
	for name := range header {
		if strings.HasPrefix(name, "Nats-") {
			delete(header, name)
		}
	}
	set := func(name, value string) { header[name] = []string{value} }
	set(headerStream, a.Stream)
	set(headerConsumer, a.Consumer)
	set(headerSequence, strconv.FormatUint(a.Sequence, 10))
	set(headerDeliveries, strconv.Itoa(a.Deliveries))
	set(headerReason, oneLine(a.Reason))
	set(headerTime, a.Time.UTC().Format(time.RFC3339Nano))
	if lost {
		set(headerLost, "true")
	} else {
		set(headerSubject, original.Subject)
		set(headerStored, original.Time.UTC().Format(time.RFC3339Nano))
	}
	id := fmt.Sprintf("%s.%s.%d", a.Stream, a.Consumer, a.Sequence)
	_, err = r.broker.Publish(ctx, Message{Subject: deadPrefix + id, Header: header, Data: original.Data, Once: true})
	if errors.Is(err, ErrExists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("keep dead letter %s: %w", id, err)
	}
	r.log.WarnContext(ctx, "dead letter", "id", id, "consumer", a.Consumer, "deliveries", a.Deliveries, "reason", oneLine(a.Reason))
	return nil
}

// unbury reads what bury wrote.
func unbury(m Message) DeadLetter {
	d := DeadLetter{ID: strings.TrimPrefix(m.Subject, deadPrefix), Header: map[string][]string{}, Data: m.Data}
	get := func(name string) string {
		if v := m.Header[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	d.Stream, d.Consumer, d.Reason, d.Subject = get(headerStream), get(headerConsumer), get(headerReason), get(headerSubject)
	d.Sequence, _ = strconv.ParseUint(get(headerSequence), 10, 64)
	d.Deliveries, _ = strconv.Atoi(get(headerDeliveries))
	d.Time, _ = time.Parse(time.RFC3339Nano, get(headerTime))
	d.Stored, _ = time.Parse(time.RFC3339Nano, get(headerStored))
	d.Lost = get(headerLost) == "true"
	for name, v := range m.Header {
		if !strings.HasPrefix(name, "Plat-Dead-") && !strings.HasPrefix(name, "Nats-") {
			d.Header[name] = v
		}
	}
	return d
}

// stream finds one stream.
func (r *Room) stream(ctx context.Context, name string) (StreamState, error) {
	streams, err := r.broker.Streams(ctx)
	if err != nil {
		return StreamState{}, err
	}
	for _, s := range streams {
		if s.Name == name {
			return s, nil
		}
	}
	return StreamState{}, ErrNotFound
}

// plainToken tells whether a name may be one token of a subject.
func plainToken(s string) bool { return s != "" && !strings.ContainsAny(s, " .*>\t\r\n") }

// oneLine makes a text fit for a header.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "…"
	}
	return s
}

func cloneHeader(h map[string][]string) map[string][]string {
	c := make(map[string][]string, len(h)+8)
	for k, v := range h {
		c[k] = v
	}
	return c
}
