package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
)

const (
	nextLookup = 2 * time.Second        // short: a question is lost when the engine is replaced
	nextFor    = 500 * time.Millisecond // one question for a message; who stops waits so long
)

// PublishAll stores messages of one stream as one (an atomic batch). Errors:
// event.ErrSingly when the engine takes no batch or not this one, and those of
// Publish.
func (s *Server) PublishAll(ctx context.Context, all []event.Message) ([]event.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	id := rand.Text()
	var answer *natsgo.Msg
	for i, m := range all {
		msg := &natsgo.Msg{Subject: m.Subject, Header: natsgo.Header{}, Data: m.Data}
		for name, values := range m.Header {
			msg.Header[name] = values
		}
		msg.Header.Set("Nats-Batch-Id", id)
		msg.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		var err error
		if i < len(all)-1 {
			err = s.conn.PublishMsg(msg)
		} else {
			msg.Header.Set("Nats-Batch-Commit", "1")
			answer, err = s.conn.RequestMsgWithContext(ctx, msg)
		}
		if err != nil {
			return nil, s.refusal(m, err)
		}
	}
	if answer == nil {
		return nil, nil
	}
	var ack struct {
		Error    *jetstream.APIError `json:"error"`
		Stream   string              `json:"stream"`
		Sequence uint64              `json:"seq"`
		Count    int                 `json:"count"`
	}
	switch err := json.Unmarshal(answer.Data, &ack); {
	case err != nil:
		return nil, s.refusal(all[0], err)
	case ack.Error != nil && (ack.Error.ErrorCode == codeStoreFailed || ack.Error.ErrorCode == codeTooLarge):
		return nil, s.refusal(all[0], ack.Error)
	case ack.Error != nil:
		return nil, fmt.Errorf("%w: %w", event.ErrSingly, ack.Error)
	case ack.Stream == "" || ack.Count != len(all) || ack.Sequence < uint64(len(all)):
		return nil, fault.New(fault.EventUnavailable, "the event broker did not confirm a batch").Fix("try again; publishing an event with the same ID twice stores it once")
	}
	receipts := make([]event.Receipt, len(all))
	first := ack.Sequence - uint64(len(all)) + 1
	for i := range receipts {
		receipts[i] = event.Receipt{Stream: ack.Stream, Sequence: first}
		first++
	}
	return receipts, nil
}

// Next waits for the next message of a durable consumer. It fails when ctx
// ends and when the engine does not answer.
func (s *Server) Next(ctx context.Context, stream, consumer string) (event.Delivery, error) {
	lookup, cancel := context.WithTimeout(ctx, nextLookup)
	c, err := s.js.Consumer(lookup, stream, consumer)
	cancel()
	if err != nil {
		return nil, fmt.Errorf("look up consumer %s of %s: %w", consumer, stream, err)
	}
	for ctx.Err() == nil {
		msg, err := fetchOne(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("ask consumer %s of %s: %w", consumer, stream, err)
		}
		if msg == nil {
			continue
		}
		meta, err := msg.Metadata()
		if err != nil {
			return nil, fmt.Errorf("a message of consumer %s: %w", consumer, err)
		}
		return &delivery{msg, event.Message{
			Stream: stream, Subject: msg.Subject(), Header: msg.Headers(), Data: msg.Data(),
			Sequence: meta.Sequence.Stream, Time: meta.Timestamp,
			Attempt: int(min(meta.NumDelivered, 1<<20)), // #nosec G115 -- bounded
		}}, nil
	}
	return nil, ctx.Err()
}

// fetchOne asks once; nil when there is none for a while.
//
// INVARIANT: a question that was put is heard to its end, also when ctx ends: a
// message that came upon it would else be with nobody until AckWait is over.
func fetchOne(ctx context.Context, c jetstream.Consumer) (jetstream.Msg, error) {
	batch, err := c.Fetch(1, jetstream.FetchMaxWait(nextFor))
	if err != nil {
		return nil, err
	}
	msg, ok := <-batch.Messages()
	switch {
	case ok && ctx.Err() != nil:
		return nil, msg.Nak() // for whoever asks next
	case ok:
		return msg, nil
	case batch.Error() == nil || errors.Is(batch.Error(), natsgo.ErrTimeout):
		return nil, nil
	}
	return nil, batch.Error()
}

// delivery is one message in hand.
type delivery struct {
	msg     jetstream.Msg
	message event.Message
}

func (d *delivery) Message() event.Message { return d.message }

func (d *delivery) Acknowledge(ctx context.Context) error { return d.msg.DoubleAck(ctx) }

func (d *delivery) Again(after time.Duration) error { return d.msg.NakWithDelay(after) }

func (d *delivery) GiveUp(reason string) error { return d.msg.TermWithReason(reason) }

func (d *delivery) Working() error { return d.msg.InProgress() }
