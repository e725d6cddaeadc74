package telemetry

import "errors"

// ErrMalformed is what an intake's error wraps that can never take what was
// sent: it cannot be understood.
var ErrMalformed = errors.New("telemetry is malformed")
