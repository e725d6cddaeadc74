package event

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Report is what `plat events` shows.
type Report struct {
	Streams    []StreamReport   `json:"streams"`
	Consumers  []ConsumerReport `json:"consumers"`
	Dead       DeadReport       `json:"dead"`
	Violations []Violation      `json:"violations"`
	Storage    Storage          `json:"storage"`
}

// StreamReport is one provider's stream.
type StreamReport struct {
	Name     string    `json:"name"`
	Provider string    `json:"provider"`
	Events   []string  `json:"events"`
	Stored   uint64    `json:"stored"` // events kept
	Bytes    uint64    `json:"bytes"`
	Limit    int64     `json:"limit"` // bytes it may hold
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	Orphan   bool      `json:"orphan,omitempty"` // the plan declares it no longer
}

// ConsumerReport is one service's subscription to one event.
type ConsumerReport struct {
	Name        string    `json:"name"`
	Stream      string    `json:"stream"`
	Service     string    `json:"service"`
	Event       string    `json:"event"`
	Lag         uint64    `json:"lag"`             // events not delivered yet
	Unhandled   int       `json:"unhandled"`       // delivered, not acknowledged yet
	Redelivered int       `json:"redelivered"`     // of those, delivered more than once
	Handled     uint64    `json:"handled"`         // deliveries up to which everything is acknowledged
	Oldest      time.Time `json:"oldest,omitzero"` // when the first was stored that is not acknowledged
	Active      time.Time `json:"active,omitzero"`
	Dead        uint64    `json:"dead,omitempty"` // dead letters of it that are kept
	Orphan      bool      `json:"orphan,omitempty"`

	Push *PushReport `json:"push,omitempty"` // nil: the service pulls by itself
}

// DeadReport counts the dead letters.
type DeadReport struct {
	Count   uint64    `json:"count"`   // kept
	Dropped uint64    `json:"dropped"` // too old or too many to be kept
	Waiting uint64    `json:"waiting"` // given up, not kept here yet
	Last    time.Time `json:"last,omitzero"`
}

// Report reads the state of all streams and consumers, sorted by name. Before
// the first Apply nothing is called an orphan.
func (r *Room) Report(ctx context.Context) (Report, error) {
	report := Report{Streams: []StreamReport{}, Consumers: []ConsumerReport{}, Violations: r.violations(), Storage: r.storage()}
	streams, err := r.broker.Streams(ctx)
	if err != nil {
		return report, unavailable("list the streams", err)
	}
	dead, err := r.deadCounts(ctx, streams)
	if err != nil {
		return report, unavailable("count the dead letters", err)
	}
	r.mu.Lock()
	declaredStreams, declaredConsumers := r.streams, r.consumers
	r.mu.Unlock()
	for _, s := range streams {
		switch {
		case s.Name == deadStream:
			report.Dead.Count, report.Dead.Last = s.Stored, s.Last
			report.Dead.Dropped = s.LastSequence - s.Stored
			continue
		case s.Name == advisoryStream:
			if own, err := r.broker.Consumers(ctx, s.Name); err == nil && len(own) > 0 {
				report.Dead.Waiting = own[0].Pending + uint64(max(0, own[0].Unhandled))
			}
			continue
		case s.Provider == "":
			continue
		}
		_, declared := declaredStreams[s.Name]
		report.Streams = append(report.Streams, StreamReport{
			Name: s.Name, Provider: s.Provider, Events: eventTypes(s.Subjects),
			Stored: s.Stored, Bytes: s.Bytes, Limit: s.MaxBytes, First: s.First, Last: s.Last,
			Orphan: declaredStreams != nil && !declared,
		})
		consumers, err := r.broker.Consumers(ctx, s.Name)
		if err != nil {
			return report, unavailable("list the consumers of "+s.Name, err)
		}
		for _, c := range consumers {
			_, declared := declaredConsumers[c.Stream+"/"+c.Name]
			report.Consumers = append(report.Consumers, ConsumerReport{
				Name: c.Name, Stream: c.Stream, Service: c.Service, Event: c.Event,
				Lag: c.Pending, Unhandled: c.Unhandled, Redelivered: c.Redelivered, Handled: c.Handled, Oldest: c.Oldest, Active: c.Active,
				Dead:   dead[c.Stream+"."+c.Name],
				Orphan: declaredConsumers != nil && !declared,
				Push:   r.pushState(c.Stream + "/" + c.Name),
			})
		}
	}
	slices.SortFunc(report.Streams, func(a, b StreamReport) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(report.Consumers, func(a, b ConsumerReport) int {
		return strings.Compare(a.Name+" "+a.Stream, b.Name+" "+b.Stream)
	})
	return report, nil
}

func eventTypes(subjects []string) []string {
	types := []string{}
	for _, s := range subjects {
		if strings.HasPrefix(s, subjectPrefix) {
			types = append(types, eventType(s))
		}
	}
	slices.Sort(types)
	return types
}
