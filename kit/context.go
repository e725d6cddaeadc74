package kit

import (
	"context"
	"strings"

	"github.com/plat-dev/plat/kit/internal/uuid"
)

// Headers of the HTTP wire between services.
const (
	headerCorrelation = "X-Correlation-ID"
	headerTimeout     = "Plat-Timeout" // milliseconds left for the answer
	headerCaller      = "Plat-Caller"  // the service that calls, set by plat's listener
	headerTest        = "Plat-Test"    // the mark of a test customer, which plat's listeners verify
)

const (
	maxCorrelationID = 128
	maxTestMark      = 256
)

type contextKey int

const (
	correlationKey contextKey = iota
	callerKey
	environKey
	outputKey
	testKey
	marksKey
)

// CorrelationID is the ID of the piece of work that ctx belongs to: the one
// that came with the request or event, or was made where it came in. It is
// empty outside of one.
func CorrelationID(ctx context.Context) string {
	id, _ := ctx.Value(correlationKey).(string)
	return id
}

// WithCorrelationID gives ctx a correlation ID: log lines, calls and events
// made with it carry it on. An empty id, or one that is too long or holds
// anything but printable ASCII, is replaced by a new one.
func WithCorrelationID(ctx context.Context, id string) context.Context {
	if !validCorrelationID(id) {
		id = uuid.New()
	}
	return context.WithValue(ctx, correlationKey, id)
}

// Caller is the name of the service whose request ctx belongs to, as plat's
// listener says. It is empty for a request from outside and without plat.
// It says who calls, for logs and limits; it proves nothing.
func Caller(ctx context.Context) string {
	name, _ := ctx.Value(callerKey).(string)
	return name
}

// Synthetic tells whether ctx belongs to what a test customer of plat's does,
// and in which journey: what cannot be taken back must not be done for one,
// as sending a parcel or taking money, and no report counts it. plat signs the
// mark and its listeners let no other through, so that no customer can pass
// for one. Calls and events made with ctx carry it on.
func Synthetic(ctx context.Context) (journey string, ok bool) {
	mark := TestMark(ctx)
	if mark == "" {
		return "", false
	}
	_, journey, _ = strings.Cut(mark, ".") // version, journey and what follows
	journey, _, _ = strings.Cut(journey, ".")
	return journey, true
}

// TestMark is the mark itself, to be carried where the kit does not: into a row
// that work is done from later, or a queue of your own. It is empty for a
// customer.
func TestMark(ctx context.Context) string {
	mark, _ := ctx.Value(testKey).(string)
	return mark
}

// WithTestMark gives ctx a mark that [TestMark] gave; an empty one, or one
// that no header could carry, is none.
func WithTestMark(ctx context.Context, mark string) context.Context {
	if mark == TestMark(ctx) || len(mark) > maxTestMark || mark != "" && !printable(mark) {
		return ctx
	}
	return context.WithValue(ctx, testKey, mark)
}

func validCorrelationID(id string) bool {
	return id != "" && len(id) <= maxCorrelationID && printable(id)
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
