package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
)

// Codes of the engine's errors that nats.go has no name for.
const (
	codeStoreFailed       = 10077 // text says why: "maximum bytes exceeded", "maximum messages exceeded"
	codeWrongSequence     = 10071 // the subject holds a message
	codeTooLarge          = 10054
	codeWrongSequenceHere = 10164 // the same, without the number in its text
)

// Publish returns when the message is on disk. Errors: event.ErrExists for a
// message that may be there but once, the faults event-store-full,
// event-too-large and event-unavailable.
func (s *Server) Publish(ctx context.Context, m event.Message) (event.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	msg := &natsgo.Msg{Subject: m.Subject, Header: natsgo.Header{}, Data: m.Data}
	for name, values := range m.Header {
		msg.Header[name] = values
	}
	if m.Once {
		msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
	}
	ack, err := s.js.PublishMsg(ctx, msg)
	if err == nil {
		return event.Receipt{Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
	}
	return event.Receipt{}, s.refusal(m, err)
}

// refusal gives an error of a publish its meaning.
func (s *Server) refusal(m event.Message, err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch int(api.ErrorCode) {
		case codeWrongSequence, codeWrongSequenceHere:
			return fmt.Errorf("publish to %s: %w", m.Subject, event.ErrExists)
		case codeStoreFailed:
			return s.full(api)
		case codeTooLarge:
			return tooLarge(m, err)
		}
	}
	if errors.Is(err, natsgo.ErrMaxPayload) {
		return tooLarge(m, err)
	}
	return fault.New(fault.EventUnavailable, "the event broker did not take an event").Why(err.Error()).
		Fix("try again; publishing an event with the same ID twice stores it once").Because(err)
}

func tooLarge(m event.Message, err error) error {
	return fault.Newf(fault.EventTooLarge, "an event for %s has %d bytes", m.Subject, len(m.Data)).
		Why(fmt.Sprintf("at most %d with its attributes", event.MaxSize)).
		Fix("keep the large part in a store and refer to it").Because(err)
}

// full tells which limit stopped a publish.
func (s *Server) full(err error) error {
	if !s.refusing.Load() {
		return fault.New(fault.EventStoreFull, "the stream of this provider is full").
			Why("it holds its share of the event store").
			Fix("wait until old events age out, or give the event store more room").Because(err)
	}
	return fault.New(fault.EventStoreFull, "the disk under the event store is nearly full").At(s.dir, 0, 0).
		Why(fmt.Sprintf("%d MiB are free, %d MiB must stay so", s.free.Load()>>20, s.opts.Reserve>>20)).
		Fix("free space; publishing resumes by itself").Because(err)
}

// Read reads one message; event.ErrNotFound if it is not there.
func (s *Server) Read(ctx context.Context, stream string, sequence uint64) (event.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	st, err := s.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return event.Message{}, fmt.Errorf("stream %s: %w", stream, event.ErrNotFound)
	}
	if err != nil {
		return event.Message{}, fmt.Errorf("look up stream %s: %w", stream, err)
	}
	raw, err := st.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return event.Message{}, fmt.Errorf("message %d of %s: %w", sequence, stream, event.ErrNotFound)
	}
	if err != nil {
		return event.Message{}, fmt.Errorf("read message %d of %s: %w", sequence, stream, err)
	}
	return event.Message{Stream: stream, Subject: raw.Subject, Header: raw.Header, Data: raw.Data, Sequence: raw.Sequence, Time: raw.Time}, nil
}

// Work hands the messages of a durable consumer to handle, one at a time. It
// returns nil when ctx ends, and begins anew when the engine is replaced.
func (s *Server) Work(ctx context.Context, stream, consumer string, handle func(context.Context, event.Message) error) error {
	wait := 50 * time.Millisecond
	for ctx.Err() == nil {
		handled, err := s.work(ctx, stream, consumer, handle)
		if handled {
			wait = 50 * time.Millisecond
		}
		if err != nil && ctx.Err() == nil {
			s.log.Debug("a worker of the event broker begins anew", "consumer", consumer, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			wait = min(2*wait, 5*time.Second)
		}
	}
	return nil
}

func (s *Server) work(ctx context.Context, stream, consumer string, handle func(context.Context, event.Message) error) (handled bool, err error) {
	lookup, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, err := s.js.Consumer(lookup, stream, consumer)
	if err != nil {
		return false, err
	}
	messages, err := c.Messages(jetstream.PullMaxMessages(16), jetstream.PullExpiry(30*time.Second),
		jetstream.PullHeartbeat(5*time.Second), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return false, err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return handled, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return handled, err
		}
		err = handle(ctx, event.Message{Stream: stream, Subject: m.Subject(), Header: m.Headers(), Data: m.Data(), Sequence: meta.Sequence.Stream, Time: meta.Timestamp})
		if err != nil {
			s.log.Warn("an event could not be handled and is tried again", "consumer", consumer, "sequence", meta.Sequence.Stream, "error", err)
			err = m.NakWithDelay(time.Second)
		} else {
			handled = true
			err = m.Ack()
		}
		if err != nil {
			return handled, err
		}
	}
}
