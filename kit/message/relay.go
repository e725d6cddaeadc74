package message

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/plat-dev/plat/kit/internal/uuid"
)

const (
	batchFrom    = 7       // fewer events are faster one by one: a batch costs about four syncs
	batchMost    = 1000    // the server's limit
	batchBytes   = 4 << 20 // bounds the memory of one round
	pollFirst    = time.Millisecond
	pollLongest  = 20 * time.Millisecond
	pollFor      = 2 * time.Second // after Publish, whose transaction commits soon
	pollIdle     = time.Second
	holdFirst    = 200 * time.Millisecond
	holdLongest  = 30 * time.Second
	lastRound    = 2 * time.Second // to send what is left when the service ends
	lastHandlers = 6 * time.Second
	maxReason    = 500
)

// relay sends what is in the outbox, in order, until ctx ends; then once more.
func (b *Bus) relay(ctx context.Context) error {
	r := &relay{bus: b, held: map[string]*hold{}}
	for ctx.Err() == nil {
		more, err := r.round(ctx)
		if err != nil && ctx.Err() == nil {
			b.log.Warn("events wait in the outbox", "error", err.Error())
		}
		if !more {
			r.rest(ctx)
		}
	}
	waitAtMost(&b.consumers, lastHandlers) // they may publish
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastRound)
	defer cancel()
	for {
		if more, err := r.round(ctx); !more || err != nil {
			return nil // what is left is sent at the next start
		}
	}
}

// relay is the state of the one goroutine that empties the outbox.
type relay struct {
	bus   *Bus
	held  map[string]*hold // event types that the server refuses
	all   hold             // everything, while the wire is away
	awake time.Time        // when Publish last told
	poll  time.Duration
}

// hold says not to try before a time.
type hold struct {
	until time.Time
	pause time.Duration
}

func (h *hold) longer() {
	h.pause = min(max(2*h.pause, holdFirst), holdLongest)
	h.until = time.Now().Add(h.pause/2 + rand.N(h.pause/2)) // #nosec G404 -- jitter, no secret
}

// rest waits until there may be something to send: shortly while a
// transaction that published is about to commit, else for a signal.
func (r *relay) rest(ctx context.Context) {
	pause := pollIdle
	if time.Since(r.awake) < pollFor {
		pause = r.poll
		r.poll = min(2*r.poll, pollLongest)
	}
	came, _ := r.bus.conn.connected()
	if left := time.Until(r.all.until); left > 0 {
		// Nothing can be sent: only a new connection changes that early.
		select {
		case <-ctx.Done():
		case <-came:
			r.all = hold{}
		case <-time.After(left):
		}
		return
	}
	select {
	case <-ctx.Done():
	case <-came:
		r.all = hold{}
		clear(r.held) // permissions may have changed
	case <-r.bus.woken:
		r.awake, r.poll = time.Now(), pollFirst
	case <-time.After(pause):
	}
}

// round sends one lot and reports whether there may be more at once.
func (r *relay) round(ctx context.Context) (more bool, err error) {
	if _, up := r.bus.conn.connected(); !up || time.Now().Before(r.all.until) {
		return false, nil
	}
	var held []string
	for eventType, h := range r.held {
		if time.Now().Before(h.until) {
			held = append(held, eventType)
		}
	}
	rows, err := r.bus.sql.pending(ctx, r.bus.db, held, batchMost, batchBytes)
	if err != nil {
		r.all.longer()
		return false, err
	}
	if len(rows) == 0 {
		return false, nil
	}
	sent, err := r.send(ctx, rows)
	if len(sent) > 0 {
		if dbErr := r.forget(ctx, sent); dbErr != nil {
			// They are sent again; the stream knows their IDs.
			r.all.longer()
			return false, errors.Join(err, dbErr)
		}
	}
	if err == nil {
		r.all = hold{}
		return true, nil
	}
	return r.refused(ctx, rows[len(sent)], err), err
}

// forget removes what the server has acknowledged, even when the service ends.
func (r *relay) forget(ctx context.Context, sent []row) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	return r.bus.sql.sent(ctx, r.bus.db, sent)
}

// refused holds the row's type when only it is refused, else everything. The
// order within a type is always kept.
func (r *relay) refused(ctx context.Context, first row, err error) (more bool) {
	reason := err.Error()
	if ctx.Err() == nil {
		if dbErr := r.bus.sql.failed(ctx, r.bus.db, first, reason[:min(len(reason), maxReason)]); dbErr != nil {
			r.bus.log.Warn("outbox", "error", dbErr.Error())
		}
	}
	_, forbidden := errors.AsType[*violation](err)
	if forbidden || errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrNoResponders) {
		h := r.held[first.eventType]
		if h == nil {
			h = &hold{}
			r.held[first.eventType] = h
		}
		h.longer()
		return true
	}
	r.all.longer()
	return false
}

// send publishes the rows and gives those that the server has acknowledged, a
// prefix of them.
func (r *relay) send(ctx context.Context, rows []row) (sent []row, err error) {
	if len(rows) >= batchFrom {
		err := r.bus.conn.publishBatch(ctx, rows)
		if err == nil {
			return rows, nil
		}
		if _, refused := errors.AsType[*apiError](err); !refused {
			if _, refused := errors.AsType[*violation](err); !refused {
				return nil, err
			}
		}
		// The server takes no batch, or not this one, as when an event in it
		// was sent before: each on its own then.
	}
	for i, row := range rows {
		if err := r.bus.conn.publish(ctx, row); err != nil {
			return rows[:i], fmt.Errorf("send event %s (%s): %w", row.eventID, row.eventType, err)
		}
		delete(r.held, row.eventType)
	}
	return rows, nil
}

// apiError is JetStream's own refusal.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string { return fmt.Sprintf("%s (%d)", e.Description, e.ErrCode) }

func (r row) message() *nats.Msg {
	m := nats.NewMsg(r.subject)
	for k, v := range r.headers {
		m.Header[k] = []string{v}
	}
	m.Data = r.data
	return m
}

// publish sends one event and waits until it is stored.
func (c *connection) publish(ctx context.Context, r row) error {
	return c.request(ctx, r.message(), r.subject)
}

// publishBatch stores all rows or none (atomic batch publish).
func (c *connection) publishBatch(ctx context.Context, rows []row) error {
	id := uuid.New()
	subjects := make([]string, 0, len(rows))
	for _, r := range rows {
		subjects = append(subjects, r.subject)
	}
	for i, r := range rows {
		m := r.message()
		m.Header["Nats-Batch-Id"] = []string{id}
		m.Header["Nats-Batch-Sequence"] = []string{strconv.Itoa(i + 1)}
		if i < len(rows)-1 {
			if err := c.nats.PublishMsg(m); err != nil {
				return fmt.Errorf("send a batch: %w", err)
			}
			continue
		}
		m.Header["Nats-Batch-Commit"] = []string{"1"}
		if err := c.request(ctx, m, subjects...); err != nil {
			return fmt.Errorf("send a batch of %d: %w", len(rows), err)
		}
	}
	return nil
}

// request publishes and waits for JetStream's answer.
func (c *connection) request(ctx context.Context, m *nats.Msg, subjects ...string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	guarded, done := c.guard(ctx, subjects...)
	defer done()
	answer, err := c.nats.RequestMsgWithContext(guarded, m)
	if err != nil {
		return causeOf(guarded, err)
	}
	var ack struct {
		Error  *apiError `json:"error"`
		Stream string    `json:"stream"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return fmt.Errorf("an answer that is none of JetStream's: %w", err)
	}
	if ack.Error != nil {
		return ack.Error
	}
	if ack.Stream == "" {
		return errors.New("an answer without a stream: not stored")
	}
	return nil
}
