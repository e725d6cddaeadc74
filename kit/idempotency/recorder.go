package idempotency

import (
	"errors"
	"maps"
	"net/http"
)

var errAnswerFull = errors.New("the answer is longer than MaxAnswer")

// recorder holds an answer back until all that it tells of is committed.
type recorder struct {
	header http.Header
	status int // 200 until one is written
	wrote  bool
	body   []byte
	limit  int
	full   bool
}

func newRecorder(header http.Header, limit int) *recorder {
	return &recorder{header: header.Clone(), status: http.StatusOK, limit: limit}
}

// Header is what the handler sets.
func (a *recorder) Header() http.Header { return a.header }

// WriteHeader notes the status; 1xx are not passed on.
func (a *recorder) WriteHeader(status int) {
	if !a.wrote && status >= http.StatusOK {
		a.status, a.wrote = status, true
	}
}

// Write keeps the bytes.
func (a *recorder) Write(b []byte) (int, error) {
	a.wrote = true
	if len(a.body)+len(b) > a.limit {
		a.full = true
		return 0, errAnswerFull
	}
	if a.header.Get("Content-Type") == "" && len(a.body) == 0 && len(b) > 0 {
		a.header.Set("Content-Type", http.DetectContentType(b)) // as net/http would, so that it is the same the next time
	}
	a.body = append(a.body, b...)
	return len(b), nil
}

// kept is the part that is answered again.
func (a *recorder) kept(names []string) answer {
	out := answer{Status: a.status, Header: http.Header{}, Body: a.body}
	for _, name := range names {
		if v := a.header.Values(name); len(v) > 0 {
			out.Header[http.CanonicalHeaderKey(name)] = v
		}
	}
	return out
}

// send lets the answer go.
func (a *recorder) send(w http.ResponseWriter) {
	h := w.Header()
	clear(h) // the recorder began with all of them
	maps.Copy(h, a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client has gone: it will ask again
}

// answer is what is kept of an answer.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}
