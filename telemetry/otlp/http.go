package otlp

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// HTTP answers POST /v1/traces, /v1/metrics and /v1/logs, in protobuf and in
// JSON.
func (r *Receiver) HTTP() http.Handler {
	mux := http.NewServeMux()
	for path, s := range map[string]signal{"/v1/traces": traces, "/v1/metrics": metrics, "/v1/logs": logs} {
		mux.HandleFunc(path, func(w http.ResponseWriter, q *http.Request) { r.serve(w, q, s) })
	}
	return mux
}

// ServeHTTP answers HTTP on l until ctx ends. Then it takes no more requests,
// lets those under way end for at most five seconds, and returns nil. It
// returns earlier, with the cause, when l fails. l is closed.
func (r *Receiver) ServeHTTP(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           r.HTTP(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := server.Shutdown(last)
	if err != nil {
		err = server.Close()
	}
	if served := <-done; err == nil && !errors.Is(served, http.ErrServerClosed) {
		err = served
	}
	return err
}

// drain is how long requests under way may take to end.
const drain = 5 * time.Second

const (
	mediaProtobuf = "application/x-protobuf"
	mediaJSON     = "application/json"
)

func (r *Receiver) serve(w http.ResponseWriter, q *http.Request, s signal) {
	media, _, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if media == "application/protobuf" {
		media = mediaProtobuf
	}
	asJSON := media != mediaProtobuf
	switch {
	case q.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		r.write(w, http.StatusMethodNotAllowed, outcome{kind: malformed, message: "telemetry is sent by POST"}, true, s)
		return
	case err != nil || media != mediaProtobuf && media != mediaJSON:
		r.write(w, http.StatusUnsupportedMediaType, outcome{kind: malformed, message: "Content-Type must be " + mediaProtobuf + " or " + mediaJSON}, true, s)
		return
	}
	encoding := strings.ToLower(strings.TrimSpace(q.Header.Get("Content-Encoding")))
	if encoding != "" && encoding != "identity" && encoding != "gzip" {
		w.Header().Set("Accept-Encoding", "gzip, identity") // RFC 9110, 12.5.3
		r.write(w, http.StatusUnsupportedMediaType, outcome{kind: malformed, message: "Content-Encoding must be gzip or identity"}, asJSON, s)
		return
	}
	o := r.exchange(w, q, s, encoding == "gzip", asJSON)
	code := [...]int{
		taken: http.StatusOK, malformed: http.StatusBadRequest, tooLarge: http.StatusRequestEntityTooLarge, tooSlow: http.StatusRequestTimeout,
		crowded: http.StatusTooManyRequests, refused: http.StatusServiceUnavailable, failed: http.StatusInternalServerError,
	}[o.kind]
	r.write(w, code, o, asJSON, s)
}

// exchange reads a request and has it taken.
func (r *Receiver) exchange(w http.ResponseWriter, q *http.Request, s signal, zipped, asJSON bool) outcome {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(r.limits.Read)) // a recorder of tests has none
	sent := http.MaxBytesReader(w, q.Body, int64(r.limits.Body))
	if !r.enter(q.Context()) {
		_, _ = io.Copy(io.Discard, sent) // else the sender may meet a closed connection before the answer
		return outcome{kind: crowded, message: "too many requests at once", later: laterCrowded}
	}
	defer r.leave()
	charged := 0
	defer func() { r.bytes.Add(-int64(charged)) }()
	first := 4 << 10
	if !zipped && q.ContentLength >= 0 {
		first = int(min(q.ContentLength, 1<<20)) + 1 // and the end is seen
	}
	raw, o := r.read(sent, zipped, first, &charged)
	if o.kind == crowded {
		_, _ = io.Copy(io.Discard, sent) // as above
	}
	if o.kind != taken {
		return o
	}
	if asJSON {
		var err error
		if raw, err = r.convert(s, raw); err != nil {
			return outcome{kind: malformed, message: err.Error()}
		}
	}
	return r.take(q.Context(), s, raw)
}

// convert makes protobuf of JSON. Large ones are made one after another, since
// their messages take several times the body's memory meanwhile.
func (r *Receiver) convert(s signal, raw []byte) ([]byte, error) {
	if len(raw) > 1<<20 {
		r.large.Lock()
		defer r.large.Unlock()
	}
	return fromJSON(s, raw)
}

// read reads a body, and charges its bytes to those of all requests. first is
// how many there may be.
func (r *Receiver) read(source io.Reader, zipped bool, first int, charged *int) ([]byte, outcome) {
	if zipped {
		z, err := gzip.NewReader(source)
		if err != nil {
			return nil, r.unread(err)
		}
		source = z
	}
	var raw []byte
	for {
		if len(raw) == cap(raw) {
			more := max(len(raw), first)
			if *charged += more; r.bytes.Add(int64(more)) > int64(r.limits.Bytes) {
				return nil, outcome{kind: crowded, message: "too many bytes at once", later: laterCrowded}
			}
			raw = append(make([]byte, 0, len(raw)+more), raw...)
		}
		n, err := source.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if len(raw) > r.limits.Body {
			return nil, r.tooLarge()
		}
		if errors.Is(err, io.EOF) {
			return raw, outcome{}
		}
		if err != nil {
			return nil, r.unread(err)
		}
	}
}

// unread is the outcome of a body that could not be read.
func (r *Receiver) unread(err error) outcome {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return r.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return outcome{kind: tooSlow, message: "the body did not come within " + r.limits.Read.String()}
	}
	return outcome{kind: malformed, message: "the body cannot be read: " + err.Error()}
}

// write answers, in the encoding of the request.
func (r *Receiver) write(w http.ResponseWriter, code int, o outcome, asJSON bool, s signal) {
	r.count(o.kind)
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if o.later > 0 {
		h.Set("Retry-After", strconv.Itoa(int(o.later/time.Second)))
	}
	if o.kind == tooSlow {
		h.Set("Connection", "close")
	}
	var body []byte
	switch {
	case asJSON && o.kind == taken:
		body = o.responseJSON(s)
	case asJSON:
		body = o.statusJSON()
	case o.kind == taken:
		body = o.response()
	default:
		body = o.status()
	}
	if asJSON {
		h.Set("Content-Type", mediaJSON)
	} else {
		h.Set("Content-Type", mediaProtobuf)
	}
	w.WriteHeader(code)
	_, _ = w.Write(body) // #nosec G705 -- never HTML; and if the sender has gone, there is nobody to tell
}
