package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// minShares keeps a small system from giving all of the disk to one stream.
const minShares = 4

// Apply makes the broker fit the plan: streams and consumers that are missing
// are created, others changed where they differ. It is idempotent and works
// on a running system. Nothing is deleted: what the plan no longer declares
// stays as it is and is reported as an orphan.
//
// It checks everything before it changes anything, and returns all faults
// joined: event-two-providers when two streams want one subject, event-moved
// when an event changed its provider before its old events were handled,
// event-unavailable when the broker does not answer.
func (r *Room) Apply(ctx context.Context, streams []plan.Stream, consumers []plan.Consumer) error {
	r.applying.Lock()
	defer r.applying.Unlock()

	owner, err := owners(streams)
	if err != nil {
		return err
	}
	have, err := r.broker.Streams(ctx)
	if err != nil {
		return unavailable("list the streams", err)
	}
	lose, err := r.losses(ctx, have, owner)
	if err != nil {
		return err
	}
	if err := r.ensureOwn(ctx); err != nil {
		return unavailable("create plat's own streams", err)
	}
	// INVARIANT: a subject is given up by its old stream before its new one
	// asks for it, since the broker refuses two streams with one subject.
	for _, c := range lose {
		if err := r.broker.PutStream(ctx, c); err != nil {
			return unavailable("change stream "+c.Name, err)
		}
	}
	share := r.broker.Storage().Limit / int64(max(minShares, len(streams)))
	for _, s := range streams {
		if err := r.broker.PutStream(ctx, streamConfig(s, share, kept(have, s.Name, owner))); err != nil {
			return unavailable("create stream "+s.Name, err)
		}
	}
	for _, c := range consumers {
		if err := r.broker.PutConsumer(ctx, consumerConfig(c)); err != nil {
			return unavailable("create consumer "+c.Name, err)
		}
	}
	r.remember(streams, consumers)
	return nil
}

func (r *Room) remember(streams []plan.Stream, consumers []plan.Consumer) {
	s, c := map[string]plan.Stream{}, map[string]plan.Consumer{}
	for _, x := range streams {
		s[x.Name] = x
	}
	for _, x := range consumers {
		c[x.Stream+"/"+x.Name] = x
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams, r.consumers = s, c
	select {
	case r.changed <- struct{}{}:
	default: // one is noted already
	}
}

// owners maps each subject to its stream.
func owners(streams []plan.Stream) (map[string]string, error) {
	owner := map[string]string{}
	var faults []error
	for _, s := range streams {
		for _, subject := range s.Subjects {
			if other, taken := owner[subject]; taken && other != s.Name {
				faults = append(faults, fault.Newf(fault.EventTwoProviders, "event %q is provided by %s and by %s", eventType(subject), other, s.Name).
					Fix("remove it from one of the two services"))
				continue
			}
			owner[subject] = s.Name
		}
	}
	return owner, errors.Join(faults...)
}

// losses lists the streams that must give up subjects, as they should be
// afterwards. A subject that nobody declares any more stays with its stream.
func (r *Room) losses(ctx context.Context, have []StreamState, owner map[string]string) ([]StreamConfig, error) {
	var configs []StreamConfig
	var faults []error
	for _, s := range have {
		lost := func(subject string) bool {
			to, ok := owner[subject]
			return ok && to != s.Name
		}
		if !slices.ContainsFunc(s.Subjects, lost) {
			continue
		}
		consumers, err := r.broker.Consumers(ctx, s.Name)
		if err != nil {
			return nil, unavailable("list the consumers of "+s.Name, err)
		}
		for _, c := range consumers {
			if waiting := c.Pending + uint64(max(0, c.Unhandled)); lost(c.Subject) && waiting > 0 {
				faults = append(faults, fault.Newf(fault.EventMoved, "event %q moves from %s to %s, but %d events of %s still wait for %s", eventType(c.Subject), s.Name, owner[c.Subject], waiting, s.Name, c.Service).
					Why("they would never be delivered").
					Fix(fmt.Sprintf("let %s handle them first: `plat events` shows a lag of 0 for %s", c.Service, c.Name)))
			}
		}
		c := s.StreamConfig
		c.Subjects = slices.DeleteFunc(slices.Clone(s.Subjects), lost)
		if len(c.Subjects) == 0 {
			c.Subjects = []string{retiredPrefix + s.Name}
		}
		configs = append(configs, c)
	}
	return configs, errors.Join(faults...)
}

// kept lists the subjects of a stream that nobody declares any more: they stay,
// because consumers may still have events of them to handle. Nobody may
// publish to them.
func kept(have []StreamState, stream string, owner map[string]string) []string {
	var subjects []string
	for _, s := range have {
		if s.Name != stream {
			continue
		}
		for _, subject := range s.Subjects {
			if _, declared := owner[subject]; !declared && strings.HasPrefix(subject, subjectPrefix) {
				subjects = append(subjects, subject)
			}
		}
	}
	return subjects
}

func streamConfig(s plan.Stream, share int64, kept []string) StreamConfig {
	return StreamConfig{
		Name: s.Name, Provider: s.Provider, Subjects: append(slices.Clone(s.Subjects), kept...),
		MaxAge: MaxAge, MaxBytes: share, MaxSize: MaxSize,
		Batches: true, Duplicates: Duplicates,
	}
}

func consumerConfig(c plan.Consumer) ConsumerConfig {
	deliveries := max(0, c.Retries) + 1
	// No back-off of the broker's: it would add its steps to the pauses that a
	// receiver asks for.
	config := ConsumerConfig{
		Stream: c.Stream, Name: c.Name, Service: c.Service, Event: c.Event, Subject: c.Subject,
		Deliveries: deliveries, AckWait: AckWait, Unacked: Unacked,
	}
	if c.Push != "" {
		// The room's own worker counts and gives up with a reason. The broker
		// must not give up before it: an event that was in hand when plat died
		// may never have reached the service.
		config.Deliveries = 0
	}
	return config
}

func eventType(subject string) string { return strings.TrimPrefix(subject, subjectPrefix) }

// unavailable gives an error of the broker a code, unless it has one.
func unavailable(what string, err error) error {
	var f *fault.Fault
	if errors.As(err, &f) {
		return f
	}
	return fault.New(fault.EventUnavailable, "the event broker did not "+what).
		Fix("try again; the log of plat names the cause").Because(err)
}
