// Package fresh passes entities of other services as references, and reads
// them no older than the plan allows.
//
// What one service tells another of a third one's entity, an order of its
// customer say, is old as soon as it is told. So it tells where the entity is
// and when it read it, a [Reference]. Whoever needs more asks the owner by a
// [Reader], which keeps copies and revalidates one (RFC 9110, section 13;
// RFC 9111, section 4.3) when it is older than the declared staleness, or
// older than the reference:
//
//	consumes:
//	  services:
//	    customer: {fresh: 30s}
//
//	customers := fresh.Open(s, "customer")
//	var who Customer
//	ref, err := customers.Read(ctx, fresh.At("/api/customers/42"), &who)
package fresh

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/internal/environ"
)

// Reference points at an entity of another service, as it was when it was
// read. It is made to be sent: in an event, or in a request.
type Reference struct {
	URI  string    `json:"uri"`            // path, with its query, at the service that owns it
	Read time.Time `json:"read,omitzero"`  // when; zero: never, any copy may serve
	ETag string    `json:"etag,omitempty"` // the version that was read, if its owner counts versions
}

// At is a reference to an entity that was not read yet.
func At(path string) Reference { return Reference{URI: path} }

// Age is how long ago the entity was read; 0 of one that was not.
func (r Reference) Age() time.Duration {
	if r.Read.IsZero() {
		return 0
	}
	return max(time.Since(r.Read), 0)
}

// Reader reads the entities of one neighbour. It is safe for concurrent use;
// make one in setup and keep it.
type Reader struct {
	client   *kit.Client
	maxStale time.Duration
	copies   *copies
}

// Open makes a reader of a neighbour that service.yaml declares under
// consumes.services. How old a copy may be it declares there too, as fresh
// (PLAT_FRESH_<SERVICE>); without it every read asks the owner, at least
// whether the copy is still right.
func Open(s *kit.Service, service string) *Reader {
	variable := environ.Variable("PLAT_FRESH_", service)
	text := s.Env(variable)
	maxStale, err := time.ParseDuration(text)
	if text != "" && (err != nil || maxStale < 0) {
		s.Log().Warn("a staleness that is none: each read asks the owner", "variable", variable, "value", text)
		maxStale = 0
	}
	return New(s.Client(service), max(maxStale, 0))
}

// New makes a reader of a client whose copies may be so old.
func New(c *kit.Client, maxStale time.Duration) *Reader {
	return &Reader{client: c, maxStale: maxStale, copies: newCopies()}
}

// ReadOption changes one [Reader.Read].
type ReadOption func(*read)

type read struct{ maxStale time.Duration }

// AtMost asks for a copy that is no older than d, where that is less than what
// is declared; 0 asks the owner.
func AtMost(d time.Duration) ReadOption {
	return func(r *read) { r.maxStale = min(r.maxStale, max(d, 0)) }
}

// Read decodes the JSON of the entity into out (nil: it is only read), and
// returns the reference to what it has decoded, to be passed on. A copy serves
// if it is within the staleness, and as young as ref or of the same ETag: who
// was told of a version is not shown an older one, as far as the clocks agree.
// Otherwise the owner is asked, by If-None-Match or If-Modified-Since where
// there is a copy.
//
// Errors are those of [kit.Client.Do]; a copy that is too old is never an
// answer, and is thrown away when its owner says 404 or 410. An answer with
// no-store or private is not kept; one with no-cache is asked for each time.
func (r *Reader) Read(ctx context.Context, ref Reference, out any, opts ...ReadOption) (Reference, error) {
	asked := read{maxStale: r.maxStale}
	for _, opt := range opts {
		opt(&asked)
	}
	have := r.copies.get(ref.URI)
	if have != nil && have.serves(ref, asked.maxStale, time.Now()) {
		r.copies.served()
		return have.decode(out)
	}
	got, err := r.ask(ctx, ref.URI, have, asked.maxStale)
	if err != nil {
		return Reference{}, err
	}
	return got.decode(out)
}

// Stats counts what a reader did since it was opened.
type Stats struct {
	Served      uint64 // reads that a copy answered
	Revalidated uint64 // reads whose copy the owner found right
	Fetched     uint64 // reads for which the owner sent the entity
	Dropped     uint64 // copies that had to make room
	Copies      int    // kept now
	Bytes       int64  // of the copies
}

// Stats tells what the reader did so far.
func (r *Reader) Stats() Stats { return r.copies.stats() }

// ask reads the entity from its owner, conditionally where there is a copy.
func (r *Reader) ask(ctx context.Context, uri string, have *entity, maxStale time.Duration) (*entity, error) {
	var body json.RawMessage
	var header http.Header
	var same bool
	// A cache on the way may be as stale as we may.
	opts := []kit.CallOption{kit.AnswerHeader(&header), kit.Header("Cache-Control", "max-age="+strconv.FormatInt(int64(maxStale/time.Second), 10))}
	switch {
	case have == nil:
	case have.ref.ETag != "":
		opts = append(opts, kit.NotModified(&same), kit.Header("If-None-Match", have.ref.ETag))
	case have.modified != "":
		opts = append(opts, kit.NotModified(&same), kit.Header("If-Modified-Since", have.modified))
	}
	began := time.Now()
	err := r.client.Do(ctx, http.MethodGet, uri, nil, &body, opts...)
	switch status := kit.StatusOf(err); {
	case status == http.StatusNotFound || status == http.StatusGone:
		r.copies.drop(uri)
		return nil, err
	case err != nil:
		return nil, err
	}
	if same {
		body = have.body
	}
	e := newEntity(uri, body, header, began)
	if same { // a 304 need not repeat everything (RFC 9110, section 15.4.5)
		if e.ref.ETag == "" {
			e.ref.ETag, e.modified = have.ref.ETag, have.modified
		}
		if header.Get("Cache-Control") == "" {
			e.keep, e.always = have.keep, have.always
		}
	}
	r.copies.put(e, same)
	return e, nil
}

// entity is one copy. It does not change.
type entity struct {
	ref      Reference
	modified string // Last-Modified, as it was sent
	body     json.RawMessage
	keep     bool // an answer that may be kept
	always   bool // no-cache: to be asked for each time
}

// newEntity makes a copy of an answer to a request that began then. Its age is
// what caches on the way say, and counts from the request: it may be a little
// younger than it is taken for, never older.
func newEntity(uri string, body json.RawMessage, header http.Header, began time.Time) *entity {
	e := &entity{body: body, modified: header.Get("Last-Modified"), keep: true}
	e.ref = Reference{URI: uri, Read: began, ETag: header.Get("ETag")}
	if seconds, err := strconv.ParseUint(header.Get("Age"), 10, 31); err == nil {
		e.ref.Read = began.Add(-time.Duration(seconds) * time.Second) // #nosec G115 -- 31 bits
	}
	// Names alone count: one that stands in quotes or has fields makes a copy
	// stricter than it need be, never laxer. So a list is enough of a parser.
	for _, line := range header.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
			switch name {
			case "no-store", "private":
				e.keep = false
			case "no-cache":
				e.always = true
			}
		}
	}
	return e
}

// serves tells whether the copy may answer without asking.
func (e *entity) serves(ref Reference, maxStale time.Duration, now time.Time) bool {
	switch {
	case e.always || now.Sub(e.ref.Read) >= maxStale:
		return false
	case ref.ETag != "" && ref.ETag == e.ref.ETag:
		return true
	}
	return !e.ref.Read.Before(ref.Read)
}

func (e *entity) decode(out any) (Reference, error) {
	if out != nil {
		if err := json.Unmarshal(e.body, out); err != nil {
			return Reference{}, fmt.Errorf("decode %s: %w", e.ref.URI, err)
		}
	}
	return e.ref, nil
}
