package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
)

const pilePrefix = "plat_pile_" // of the names of streams that hold records

// Pile is records in the order in which they were put, in a stream of its own;
// they go from anywhere in it. Its methods are safe for concurrent use.
type Pile struct {
	server *Server
	stream string
}

// OpenPile opens a pile, made if missing, of at most so many bytes. The name is
// in lower-case letters. Error: event-unavailable.
func (s *Server) OpenPile(ctx context.Context, name string, limit int64) (*Pile, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	p := &Pile{server: s, stream: pilePrefix + name}
	limit = max(minStore/2, min(limit, s.opts.MaxStore/4))
	s.putting.Lock()
	defer s.putting.Unlock()
	_, err := s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: p.stream, Subjects: []string{p.subject()}, Storage: jetstream.FileStorage, Replicas: 1,
		MaxBytes: limit, MaxMsgs: -1, Discard: jetstream.DiscardNew,
		Metadata: map[string]string{noteLimit: strconv.FormatInt(limit, 10)},
	})
	if err != nil {
		return nil, fault.Newf(fault.EventUnavailable, "the stream of the pile %s cannot be opened", name).Because(err)
	}
	return p, nil
}

func (p *Pile) subject() string { return "plat.pile." + strings.TrimPrefix(p.stream, pilePrefix) }

// Put returns when the record is on the disk.
func (p *Pile) Put(ctx context.Context, data []byte) (uint64, error) {
	ack, err := p.server.js.PublishMsg(ctx, &natsgo.Msg{Subject: p.subject(), Data: data}, jetstream.WithExpectStream(p.stream))
	if err != nil {
		return 0, p.server.refusal(event.Message{Subject: p.subject(), Data: data}, err)
	}
	return ack.Sequence, nil
}

// Get gives one record; false when it is not there.
func (p *Pile) Get(ctx context.Context, sequence uint64) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	stream, err := p.server.js.Stream(ctx, p.stream)
	if err != nil {
		return nil, false, fmt.Errorf("look up %s: %w", p.stream, err)
	}
	msg, err := stream.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read record %d of %s: %w", sequence, p.stream, err)
	}
	return msg.Data, true, nil
}

// Remove removes a record and writes over it; one that is not there is no error.
func (p *Pile) Remove(ctx context.Context, sequence uint64) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	stream, err := p.server.js.Stream(ctx, p.stream)
	if err != nil {
		return fmt.Errorf("look up %s: %w", p.stream, err)
	}
	if err := stream.SecureDeleteMsg(ctx, sequence); err != nil {
		if _, there, look := p.Get(ctx, sequence); look == nil && !there { // the engine has no code for it
			return nil
		}
		return fmt.Errorf("remove record %d of %s: %w", sequence, p.stream, err)
	}
	return nil
}

// Each gives the records from a sequence on, in order.
func (p *Pile) Each(ctx context.Context, from uint64, each func(uint64, []byte) error) error {
	stream, err := p.server.js.Stream(ctx, p.stream)
	if err != nil {
		return fmt.Errorf("look up %s: %w", p.stream, err)
	}
	for next := max(1, from); ; {
		// By subject: what lies between was removed.
		msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(p.subject()))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s from record %d on: %w", p.stream, next, err)
		}
		if err := each(msg.Sequence, msg.Data); err != nil {
			return err
		}
		next = msg.Sequence + 1
	}
}
