package event

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// MaxBatch is how many events may be published at once.
const MaxBatch = 1000

// Publish stores an event in the name of a service; it is on disk when
// Publish returns. An empty SpecVersion is 1.0, an empty Source is the
// service's. The same ID of the same source is stored once within Duplicates:
// the receipt tells so. Errors: event-undeclared when the service does not
// provide the type by the last Apply, event-invalid, event-too-large,
// event-store-full, event-unavailable.
func (r *Room) Publish(ctx context.Context, service string, e Event) (Receipt, error) {
	m, err := r.message(service, e)
	if err != nil {
		return Receipt{}, err
	}
	receipt, err := r.broker.Publish(ctx, m)
	if err != nil {
		return Receipt{}, unavailable("take the event", err)
	}
	return receipt, nil
}

// PublishAll stores several events of one service, at most MaxBatch, each as
// Publish does. All are checked first: one that is wrong keeps every one from
// being stored, and the faults of all are returned joined, each naming its
// place. They are stored as one, all or none, unless one of them was stored
// before: then one after the other, up to the first that the broker refuses.
// There is a receipt for each that is stored, those of a failed call included.
func (r *Room) PublishAll(ctx context.Context, service string, events []Event) ([]Receipt, error) {
	if len(events) > MaxBatch {
		return nil, fault.Newf(fault.EventTooLarge, "a batch of %d events", len(events)).
			Why(fmt.Sprintf("at most %d events at once", MaxBatch)).Fix("publish it in parts")
	}
	messages := make([]Message, len(events))
	var faults []error
	for i, e := range events {
		var err error
		if messages[i], err = r.message(service, e); err != nil {
			faults = append(faults, InBatch(i, err))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if len(messages) > 1 {
		receipts, err := r.broker.PublishAll(ctx, messages)
		if err == nil {
			return receipts, nil
		}
		if !errors.Is(err, ErrSingly) {
			return nil, unavailable("take the events", err)
		}
	}
	var receipts []Receipt
	for i, m := range messages {
		receipt, err := r.broker.Publish(ctx, m)
		if err != nil {
			return receipts, InBatch(i, unavailable("take the event", err))
		}
		receipts = append(receipts, receipt)
	}
	return receipts, nil
}

// InBatch names the place of the event that a fault is about, counted from 0
// in i and from 1 in the text.
func InBatch(i int, err error) error {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return err
	}
	placed := *f
	placed.What = fmt.Sprintf("event %d of the batch: %s", i+1, f.What)
	return placed.Because(err)
}

// Provider is the service that provides an event type by the last Apply; ""
// when nobody does.
func (r *Room) Provider(eventType string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.streams {
		if slices.Contains(s.Subjects, subjectPrefix+eventType) {
			return s.Provider
		}
	}
	return ""
}

// message checks an event and maps it to the wire.
func (r *Room) message(service string, e Event) (Message, error) {
	if e.SpecVersion == "" {
		e.SpecVersion = "1.0"
	}
	if e.Source == "" {
		e.Source = sourceOf(service)
	}
	if err := e.Validate(); err != nil {
		return Message{}, err
	}
	if provider := r.Provider(e.Type); provider != service || service == "" {
		r.note(service, e.Type)
		return Message{}, undeclared(service, e.Type, provider)
	}
	m := e.Message()
	m.Header["Nats-Msg-Id"] = []string{messageID(service, e)}
	return m, nil
}

// maxRefused is how many undeclared events are kept apart in the report.
const maxRefused = 200

// note counts what a service tried to publish against the plan, as the broker
// counts it for those who speak to it by themselves.
func (r *Room) note(service, eventType string) {
	if service == "" {
		return // an operator mistyped
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := Violation{Service: service, Action: "publish", Subject: subjectPrefix + eventType}
	v := r.refused[key]
	if v == nil {
		if len(r.refused) >= maxRefused {
			r.unnamed++
			return
		}
		if r.refused == nil {
			r.refused = map[Violation]*Violation{}
		}
		r.log.Warn("a service tried to publish an event that it does not declare", "service", service, "type", eventType)
		v = &Violation{Service: key.Service, Action: key.Action, Subject: key.Subject}
		r.refused[key] = v
	}
	v.Count++
	v.Last = time.Now().UTC()
}

// violations adds what note counted to what the broker did.
func (r *Room) violations() []Violation {
	all := r.broker.Violations()
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, v := range r.refused {
		i := slices.IndexFunc(all, func(have Violation) bool {
			return have.Service == key.Service && have.Action == key.Action && have.Subject == key.Subject
		})
		if i < 0 {
			all = append(all, *v)
			continue
		}
		all[i].Count += v.Count
		if v.Last.After(all[i].Last) {
			all[i].Last = v.Last
		}
	}
	slices.SortFunc(all, func(a, b Violation) int {
		return strings.Compare(a.Service+" "+a.Action+" "+a.Subject, b.Service+" "+b.Action+" "+b.Subject)
	})
	return all
}

// storage adds what note did not keep apart.
func (r *Room) storage() Storage {
	s := r.broker.Storage()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Dropped += r.unnamed
	return s
}

// undeclared says which line of the plan would declare the event.
func undeclared(service, eventType, provider string) error {
	f := fault.Newf(fault.EventUndeclared, "service %s does not declare event %q", service, eventType)
	switch {
	case service == "":
		return fault.Newf(fault.EventUndeclared, "no service declares event %q", eventType).
			Why("an event has one provider, which declares it").
			Fix(fmt.Sprintf("add `%s: {}` under provides.events in the service.yaml of the service that it belongs to", eventType))
	case provider != "":
		return f.Why(fmt.Sprintf("%s provides it, and an event has one provider", provider)).
			Fix(fmt.Sprintf("publish another type, or move `%s` from the provides.events of %s to that of %s", eventType, provider, service))
	}
	return f.Why("only declared events are published").
		Fix(fmt.Sprintf("add `%s: {}` under provides.events in the service.yaml of %s", eventType, service))
}

func sourceOf(service string) string { return "/services/" + service }

// messageID is what the broker knows a repetition by. The events of a service
// under its own source keep their ID; of others the source belongs to it,
// since two senders may both count from 1.
func messageID(service string, e Event) string {
	plain := !strings.ContainsFunc(e.ID, func(r rune) bool { return r <= ' ' || r > '~' })
	if e.Source == sourceOf(service) && plain && len(e.ID) <= 128 {
		return e.ID
	}
	sum := sha256.Sum256([]byte(e.Source + "\x00" + e.ID))
	return "sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])
}
