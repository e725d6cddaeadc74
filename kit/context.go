package kit

import (
	"context"

	"github.com/plat-dev/plat/kit/internal/uuid"
)

// Headers of the HTTP wire between services.
const (
	headerCorrelation = "X-Correlation-ID"
	headerTimeout     = "Plat-Timeout" // milliseconds left for the answer
	headerCaller      = "Plat-Caller"  // the service that calls, set by plat's listener
)

const maxCorrelationID = 128

type contextKey int

const (
	correlationKey contextKey = iota
	callerKey
	environKey
	outputKey
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

func validCorrelationID(id string) bool {
	if id == "" || len(id) > maxCorrelationID {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}
