package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/direct"
)

// Callers are the programs that call others by themselves.
type Callers interface {
	// WatchCalls gives a program its view as soon as it is another than the one
	// that it has, or after a while.
	WatchCalls(ctx context.Context, service, instance, has string, most time.Duration) (direct.View, error)
	TellCalls(service string, t direct.Telling) error
}

// longestWatch bounds how long a program waits for another view. By it each
// knows that the other is there, so it is shorter than callers are patient.
const longestWatch = 3 * time.Second

// watchCalls answers GET /v1/self/calls?instance=ID&revision=HAS&wait=MS.
func watchCalls(c Callers) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		wait, err := strconv.Atoi(q.Get("wait"))
		if err != nil && q.Get("wait") != "" || wait < 0 {
			writeProblem(w, http.StatusUnprocessableEntity, fault.New(fault.BadArgument, "wait is no number of milliseconds"))
			return
		}
		view, err := c.WatchCalls(r.Context(), serviceOf(r.Context()), q.Get("instance"), q.Get("revision"), min(time.Duration(wait)*time.Millisecond, longestWatch))
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(view) // the program went away: nobody to tell
	}
}

// tellCalls answers POST /v1/self/calls.
func tellCalls(c Callers) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var t direct.Telling
		if err := json.NewDecoder(r.Body).Decode(&t); err != nil {
			status := http.StatusUnprocessableEntity
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				status = http.StatusRequestEntityTooLarge
			}
			writeProblem(w, status, fault.New(fault.BadArgument, "what is told cannot be read").Why(err.Error()))
			return
		}
		if err := c.TellCalls(serviceOf(r.Context()), t); err != nil {
			refuse(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// refuse answers with an error that has a status of its own.
func refuse(w http.ResponseWriter, err error) {
	if codeOf(err) == fault.APIBusy {
		w.Header().Set("Retry-After", "5")
	}
	writeProblem(w, statusOf(codeOf(err)), err)
}
