package nats

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/event"
)

// Keys of what plat notes on its streams and consumers.
const (
	noteProvider = "plat.provider"
	noteService  = "plat.service"
	noteEvent    = "plat.event"
	noteLimit    = "plat.limit" // MaxBytes, when the disk has room
)

// Streams lists every stream.
func (s *Server) Streams(ctx context.Context) ([]event.StreamState, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	infos, err := s.infos(ctx)
	if err != nil {
		return nil, err
	}
	states := make([]event.StreamState, 0, len(infos))
	for _, info := range infos {
		states = append(states, streamState(info))
	}
	return states, nil
}

// Subjects counts the messages of a stream by subject, as the engine keeps
// count of them.
func (s *Server) Subjects(ctx context.Context, stream, filter string) (map[string]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	found, err := s.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("stream %s: %w", stream, event.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", stream, err)
	}
	info, err := found.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fmt.Errorf("count the subjects of stream %s: %w", stream, err)
	}
	return info.State.Subjects, nil
}

// errOffline is the engine's number for a stream whose description it cannot
// use. Its list counts such a stream and leaves it out, so that a client asks
// for more of the list without end; so each stream is asked for by name.
const errOffline jetstream.ErrorCode = 10194

// infos tells of every stream. Those that the engine cannot use are an error,
// event-store-damaged, each with its folder.
func (s *Server) infos(ctx context.Context) ([]*jetstream.StreamInfo, error) {
	var infos []*jetstream.StreamInfo
	var faults []error
	names := s.js.StreamNames(ctx)
	for name := range names.Name() {
		stream, err := s.js.Stream(ctx, name)
		var refusal *jetstream.APIError
		switch {
		case err == nil:
			infos = append(infos, stream.CachedInfo())
		case errors.Is(err, jetstream.ErrStreamNotFound):
			// Removed meanwhile.
		case errors.As(err, &refusal) && refusal.ErrorCode == errOffline:
			faults = append(faults, s.damaged(fmt.Sprintf("stream %s cannot be used: %s", name, refusal.Description), s.streamDir(name)).Because(err))
		default:
			faults = append(faults, fmt.Errorf("ask for stream %s: %w", name, err))
		}
	}
	if err := names.Err(); err != nil {
		faults = append(faults, fmt.Errorf("list streams: %w", err))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return infos, nil
}

// streamDir is where the engine keeps a stream.
func (s *Server) streamDir(name string) string {
	return filepath.Join(s.dir, "jetstream", "$G", "streams", name)
}

// PutStream creates a stream or changes it to fit; on one that fits it does
// nothing. While the disk is nearly full a stream that refuses the new when
// full is kept at its present size.
func (s *Server) PutStream(ctx context.Context, c event.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s.putting.Lock()
	defer s.putting.Unlock()
	var have jetstream.StreamConfig
	var bytes uint64
	stream, err := s.js.Stream(ctx, c.Name)
	missing := errors.Is(err, jetstream.ErrStreamNotFound)
	if err != nil && !missing {
		return fmt.Errorf("look up stream %s: %w", c.Name, err)
	}
	if !missing {
		have, bytes = stream.CachedInfo().Config, stream.CachedInfo().State.Bytes
	}
	want := have
	want.Name, want.Subjects, want.Storage, want.Replicas = c.Name, c.Subjects, jetstream.FileStorage, 1
	want.MaxAge, want.MaxBytes, want.MaxMsgs, want.MaxMsgSize = c.MaxAge, c.MaxBytes, unlimited(c.Messages), c.MaxSize
	if c.MaxSize == 0 {
		want.MaxMsgSize = -1
	}
	want.Duplicates, want.AllowAtomicPublish = c.Duplicates, c.Batches
	want.Discard = jetstream.DiscardNew
	if c.Overwrite {
		want.Discard = jetstream.DiscardOld
	} else if s.refusing.Load() {
		want.MaxBytes = frozen(bytes)
	}
	want.Metadata = notes(have.Metadata, map[string]string{noteProvider: c.Provider, noteLimit: strconv.FormatInt(c.MaxBytes, 10)})
	switch {
	case missing:
		_, err = s.js.CreateStream(ctx, want)
	case reflect.DeepEqual(have, want):
		return nil
	default:
		_, err = s.js.UpdateStream(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("put stream %s: %w", c.Name, err)
	}
	return nil
}

// freeze keeps all streams at their size, so that a publish is refused at
// once with a clear error, or gives them their room back.
func (s *Server) freeze(ctx context.Context, on bool) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s.putting.Lock()
	defer s.putting.Unlock()
	infos, err := s.infos(ctx)
	if err != nil {
		return err
	}
	for _, info := range infos {
		c := info.Config
		limit, err := strconv.ParseInt(c.Metadata[noteLimit], 10, 64)
		if c.Discard != jetstream.DiscardNew || err != nil {
			continue
		}
		if on {
			limit = frozen(info.State.Bytes)
		}
		if c.MaxBytes == limit {
			continue
		}
		c.MaxBytes = limit
		if _, err := s.js.UpdateStream(ctx, c); err != nil {
			return fmt.Errorf("change the limit of stream %s: %w", c.Name, err)
		}
	}
	return nil
}

// Consumers lists the durable consumers of a stream.
func (s *Server) Consumers(ctx context.Context, stream string) ([]event.ConsumerState, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	st, err := s.js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", stream, err)
	}
	var states []event.ConsumerState
	list := st.ListConsumers(ctx)
	for info := range list.Info() {
		if info.Config.Durable != "" {
			state := consumerState(info)
			if state.Pending == 0 && st.CachedInfo().State.LastSeq > info.Delivered.Stream {
				state.Pending = missed(ctx, st, info)
			}
			if state.Pending > 0 || state.Unhandled > 0 {
				state.Oldest = oldest(ctx, st, info)
			}
			states = append(states, state)
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list consumers of %s: %w", stream, err)
	}
	return states, nil
}

// oldest is when the first message was stored that a consumer has not
// acknowledged: the next of its subject after those that it has without a gap.
// It is zero when there is none (any more).
func oldest(ctx context.Context, st jetstream.Stream, info *jetstream.ConsumerInfo) time.Time {
	m, err := st.GetMsg(ctx, info.AckFloor.Stream+1, jetstream.WithGetMsgSubject(info.Config.FilterSubject))
	if err != nil {
		return time.Time{}
	}
	return m.Time
}

// missed is 1 when the stream holds a message for a consumer that its own
// count does not have yet: the engine counts a moment after it has stored.
func missed(ctx context.Context, st jetstream.Stream, info *jetstream.ConsumerInfo) uint64 {
	last, err := st.GetLastMsgForSubject(ctx, info.Config.FilterSubject)
	if err != nil || last.Sequence <= info.Delivered.Stream { // there is none, or it was delivered
		return 0
	}
	return 1
}

// PutConsumer creates a durable consumer that begins with the stream's first
// message, or changes one to fit and leaves its position.
func (s *Server) PutConsumer(ctx context.Context, c event.ConsumerConfig) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var have jetstream.ConsumerConfig
	old, err := s.js.Consumer(ctx, c.Stream, c.Name)
	missing := errors.Is(err, jetstream.ErrConsumerNotFound)
	if err != nil && !missing {
		return fmt.Errorf("look up consumer %s: %w", c.Name, err)
	}
	if !missing {
		have = old.CachedInfo().Config
	}
	want := have
	want.Name, want.Durable = c.Name, c.Name
	want.DeliverPolicy, want.AckPolicy = jetstream.DeliverAllPolicy, jetstream.AckExplicitPolicy
	want.FilterSubject, want.MaxDeliver, want.MaxAckPending = c.Subject, int(unlimited(int64(c.Deliveries))), c.Unacked
	want.AckWait, want.BackOff = c.AckWait, c.BackOff
	want.Metadata = notes(have.Metadata, map[string]string{noteService: c.Service, noteEvent: c.Event})
	switch {
	case missing:
		_, err = s.js.CreateConsumer(ctx, c.Stream, want)
	case reflect.DeepEqual(have, want):
		return nil
	default:
		_, err = s.js.UpdateConsumer(ctx, c.Stream, want)
	}
	if err != nil {
		return fmt.Errorf("put consumer %s: %w", c.Name, err)
	}
	return nil
}

func streamState(info *jetstream.StreamInfo) event.StreamState {
	c := info.Config
	limit := c.MaxBytes
	if noted, err := strconv.ParseInt(c.Metadata[noteLimit], 10, 64); err == nil {
		limit = noted
	}
	state := event.StreamState{
		StreamConfig: event.StreamConfig{
			Name: c.Name, Provider: c.Metadata[noteProvider], Subjects: slices.Clone(c.Subjects),
			MaxAge: c.MaxAge, MaxBytes: limit, MaxSize: max(0, c.MaxMsgSize), Messages: max(0, c.MaxMsgs),
			Overwrite: c.Discard == jetstream.DiscardOld, Batches: c.AllowAtomicPublish, Duplicates: c.Duplicates,
		},
		Stored: info.State.Msgs, Bytes: info.State.Bytes,
		FirstSequence: info.State.FirstSeq, LastSequence: info.State.LastSeq,
	}
	if state.Stored > 0 {
		state.First, state.Last = info.State.FirstTime, info.State.LastTime
	}
	return state
}

func consumerState(info *jetstream.ConsumerInfo) event.ConsumerState {
	c := info.Config
	state := event.ConsumerState{
		ConsumerConfig: event.ConsumerConfig{
			Stream: info.Stream, Name: info.Name, Service: c.Metadata[noteService], Event: c.Metadata[noteEvent], Subject: c.FilterSubject,
			Deliveries: max(0, c.MaxDeliver), AckWait: c.AckWait, BackOff: c.BackOff, Unacked: c.MaxAckPending,
		},
		Pending: info.NumPending, Unhandled: info.NumAckPending, Redelivered: info.NumRedelivered, Handled: info.AckFloor.Consumer,
	}
	for _, at := range []jetstream.SequenceInfo{info.Delivered, info.AckFloor} {
		if at.Last != nil && at.Last.After(state.Active) {
			state.Active = *at.Last
		}
	}
	return state
}

// notes adds plat's notes to those of the engine; an empty one is left out.
func notes(have, add map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, have)
	for k, v := range add {
		if v == "" {
			delete(all, k)
		} else {
			all[k] = v
		}
	}
	return all
}

// frozen is a limit that a stream of this size has reached.
func frozen(bytes uint64) int64 { return max(1, int64(min(bytes, 1<<62))) } // #nosec G115 -- bounded

func unlimited(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}
