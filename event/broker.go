package event

import (
	"context"
	"errors"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Errors of a Broker that the room acts on. A broker wraps them.
var (
	// ErrNotFound says that a stream, consumer or message is not there.
	ErrNotFound = errors.New("not found")
	// ErrExists says that a message was not stored since Once was set and its
	// subject holds one already.
	ErrExists = errors.New("exists already")
	// ErrSingly says that none of the messages was stored, since they cannot be
	// stored as one, as when one of them is known already: each may be on its
	// own.
	ErrSingly = errors.New("not stored as one")
)

// Broker is what the room needs of the engine that keeps the events. Its
// methods are safe for concurrent use.
type Broker interface {
	Catalog
	Journal
	Watch
}

// Catalog is what the broker keeps. Nothing in it is ever deleted through
// this interface.
type Catalog interface {
	// Streams lists every stream, plat's own included.
	Streams(ctx context.Context) ([]StreamState, error)
	// PutStream creates a stream, or changes it to fit.
	PutStream(ctx context.Context, c StreamConfig) error
	// Subjects counts the messages of a stream by subject, for those that match
	// the filter, without reading them.
	Subjects(ctx context.Context, stream, filter string) (map[string]uint64, error)
	// Consumers lists the durable consumers of a stream.
	Consumers(ctx context.Context, stream string) ([]ConsumerState, error)
	// PutConsumer creates a durable consumer that begins with the stream's
	// first message, or changes one and leaves its position.
	PutConsumer(ctx context.Context, c ConsumerConfig) error
}

// Journal reads and writes messages.
type Journal interface {
	// Publish returns when the message is on disk.
	Publish(ctx context.Context, m Message) (Receipt, error)
	// PublishAll stores messages of one stream, all or none, and returns when
	// they are on disk. It fails with ErrSingly when they cannot be one.
	PublishAll(ctx context.Context, all []Message) ([]Receipt, error)
	// Read reads one message of a stream; ErrNotFound if it is not there.
	Read(ctx context.Context, stream string, sequence uint64) (Message, error)
	// Work hands each message of a durable consumer to handle, one at a
	// time, acknowledges it when handle returns nil and delivers it again
	// later when not. It returns when ctx ends, and outlives a restart of
	// the broker.
	Work(ctx context.Context, stream, consumer string, handle func(context.Context, Message) error) error
	// Next waits for the next message of a durable consumer and hands it out.
	// It fails when ctx ends, and when the broker does not answer: then it may
	// be asked again.
	Next(ctx context.Context, stream, consumer string) (Delivery, error)
}

// Delivery is one message that a durable consumer handed out. It is answered
// once: acknowledged, given back, or given up. One that is not answered comes
// again. Its methods are safe for concurrent use.
type Delivery interface {
	Message() Message
	// Acknowledge returns when the broker has noted it.
	Acknowledge(ctx context.Context) error
	// Again gives it back, to come again after a pause.
	Again(after time.Duration) error
	// GiveUp makes it a dead letter with this reason, one line.
	GiveUp(reason string) error
	// Working tells the broker that the answer takes longer.
	Working() error
}

// Watch is what the broker knows of its own state.
type Watch interface {
	// Violations lists what services tried and were not allowed to do.
	Violations() []Violation
	// Storage tells how much room there is, and what is wrong with it.
	Storage() Storage
}

// StreamConfig is what a stream should be.
type StreamConfig struct {
	Name       string
	Provider   string // the service whose events it holds; empty: plat's own stream
	Subjects   []string
	MaxAge     time.Duration
	MaxBytes   int64
	MaxSize    int32 // of one message; 0: the broker's own limit
	Messages   int64 // at most; 0: no limit
	Overwrite  bool  // drop the oldest when full; otherwise refuse the new
	Batches    bool  // several messages may be stored as one, all or none
	Duplicates time.Duration
}

// StreamState is a stream as it is.
type StreamState struct {
	StreamConfig
	Stored        uint64
	Bytes         uint64
	FirstSequence uint64
	LastSequence  uint64
	First, Last   time.Time // zero when empty
}

// ConsumerConfig is what a durable consumer should be.
type ConsumerConfig struct {
	Stream     string
	Name       string
	Service    string // empty: plat's own
	Event      string
	Subject    string
	Deliveries int // at most, the first included; 0: no limit
	AckWait    time.Duration
	BackOff    []time.Duration // instead of AckWait, for each delivery; the last repeats
	Unacked    int             // handed out and not yet acknowledged, at most
}

// ConsumerState is a durable consumer as it is.
type ConsumerState struct {
	ConsumerConfig
	Pending     uint64    // not delivered yet
	Unhandled   int       // delivered and not yet acknowledged
	Redelivered int       // of those, delivered more than once
	Handled     uint64    // deliveries up to which everything is acknowledged
	Oldest      time.Time // when the first was stored that is not acknowledged; zero: all are
	Active      time.Time
}

// Message is one message of a stream.
type Message struct {
	Stream   string
	Subject  string
	Header   map[string][]string
	Data     []byte
	Sequence uint64
	Time     time.Time
	Attempt  int // which delivery it is, from 1; 0 when it was read

	// Once makes Publish refuse with ErrExists when the subject holds a
	// message already.
	Once bool
}

// Receipt tells where a published message is kept.
type Receipt struct {
	Stream    string
	Sequence  uint64
	Duplicate bool // it was there already, known by its Nats-Msg-Id
}

// Violation counts what one service tried and was not allowed to do.
type Violation struct {
	Service string    `json:"service"`
	Action  string    `json:"action"` // publish, subscribe or connect
	Subject string    `json:"subject,omitempty"`
	Count   int64     `json:"count"`
	Last    time.Time `json:"last"`
}

// Storage is the state of the disk under the broker.
type Storage struct {
	Limit    int64          `json:"limit"`    // bytes that all streams may hold together
	Free     int64          `json:"free"`     // bytes free on the file system
	Reserve  int64          `json:"reserve"`  // bytes that must stay free
	Refusing bool           `json:"refusing"` // publishing is refused, since Free is below Reserve
	Restarts int            `json:"restarts"` // of the broker, after it stopped answering
	Dropped  int64          `json:"dropped"`  // violations that were not kept apart, there being too many
	Faults   []*fault.Fault `json:"faults,omitempty"`
}
