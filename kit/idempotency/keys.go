package idempotency

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/plat-dev/plat/kit"
)

// Options say how keys are treated. The zero value works.
type Options struct {
	// Keep is how long a key is remembered; default 24 h. A request that comes
	// again later is a new one: tell your clients.
	Keep time.Duration
	// MaxKeys bounds the keys that are remembered; default 1,000,000. Beyond it
	// new keys are answered 503, since to forget one early could mean a second
	// effect.
	MaxKeys int
	// MaxBody bounds a request's body in bytes; default 1 MiB. It is held in
	// memory while the request runs.
	MaxBody int64
	// MaxAnswer bounds an answer's body in bytes; default 256 KiB. A handler
	// that writes more has failed: nothing is done and the answer is 500.
	MaxAnswer int
	// Headers of an answer that are kept with it; by default those that
	// describe the body and where the result is. Cookies are not.
	Headers []string
	// Scope says whose key it is, so that nobody can read the answer of
	// another; by default the calling service and the Authorization header.
	// Only a hash of it is stored.
	Scope func(r *http.Request, body []byte) string
	// Wait is how long a request waits when the same one is running already.
	// By default it does not: it is answered 409 with Retry-After at once.
	Wait time.Duration
	// Optional lets requests without a key through, which then have their
	// effect each time. By default they are answered 400.
	Optional bool
	// Strict takes only a key in quotes, as the draft has it. By default one
	// without is taken too, since many clients send it so.
	Strict bool
	// Docs is the type of the problems: the address of your own words about
	// keys. By default it is the draft's.
	Docs string
}

func (o Options) withDefaults() Options {
	if o.Keep <= 0 {
		o.Keep = 24 * time.Hour
	}
	if o.MaxKeys <= 0 {
		o.MaxKeys = 1_000_000
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 20
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = 256 << 10
	}
	if o.Headers == nil {
		o.Headers = []string{
			"Cache-Control", "Content-Encoding", "Content-Language", "Content-Location",
			"Content-Type", "ETag", "Last-Modified", "Link", "Location",
		}
	}
	if o.Scope == nil {
		o.Scope = func(r *http.Request, _ []byte) string {
			return kit.Caller(r.Context()) + "\n" + r.Header.Get("Authorization")
		}
	}
	if o.Docs == "" {
		o.Docs = "https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/"
	}
	return o
}

// Keys remembers the keys of one service. Its methods are safe for concurrent
// use.
type Keys struct {
	log     *slog.Logger
	db      *sql.DB
	sql     dialect
	options Options

	mu      sync.Mutex
	running map[id]chan struct{} // closed when the request is over
}

// id is a key within its scope.
type id struct {
	scope [sha256.Size]byte
	key   string
}

// Open makes the table plat_idempotency in db, the service's own database, if
// it is missing, and forgets in the background what is older than Keep. With
// SQLite open db with _txlock=immediate and a busy_timeout. Several instances
// may share one database.
func Open(s *kit.Service, db *sql.DB, o Options) (*Keys, error) {
	k := &Keys{log: s.Log(), db: db, sql: sqlite(), options: o.withDefaults(), running: map[id]chan struct{}{}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := k.sql.create(ctx, db); err != nil {
		return nil, fmt.Errorf("idempotency keys: %w", err)
	}
	s.Go("idempotency", k.sweep)
	return k, nil
}

// Wrap puts the rules around a route. Of an answer below 400 both the
// handler's changes (see [Begin]) and the answer are kept, and a request that
// comes again is answered by it, marked with Idempotent-Replayed: true. Of an
// answer from 400 on the changes are rolled back and the key is free again,
// unless the handler called [Keep].
//
// A missing, malformed or too long key is answered 400, a key that came
// before with another request (method, address, body) 422, and one whose
// request is running 409 with Retry-After. Safe methods pass untouched. The
// answer is held back until all is committed, so a wrapped handler cannot
// stream.
func (k *Keys) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
			next.ServeHTTP(w, r)
			return
		}
		rq, p := k.read(w, r)
		if p != nil {
			kit.WriteProblem(w, r, p)
			return
		}
		if !rq.keyed {
			k.run(w, r, rq, next)(w)
			return
		}
		if !k.claim(r.Context(), rq.id) {
			w.Header().Set("Retry-After", "1")
			kit.WriteProblem(w, r, k.problem(http.StatusConflict, CodeKeyRunning))
			return
		}
		k.once(w, r, rq, next)(w)
	})
}

// once finds the answer, or makes it. The key is free before the answer
// leaves: who has got it may ask again at once.
func (k *Keys) once(w http.ResponseWriter, r *http.Request, rq *request, next http.Handler) reply {
	defer k.release(rq.id)
	first, err := k.sql.find(r.Context(), k.db, rq.id, k.oldest())
	if err != nil {
		return k.failed(r, err)
	}
	if first != nil {
		return k.again(r, rq, first)
	}
	return k.run(w, r, rq, next)
}

// reply sends what was decided.
type reply func(http.ResponseWriter)

// claim makes the request the only one of its key in this process, and may
// wait for it. Between processes the database decides, see [Begin].
func (k *Keys) claim(ctx context.Context, i id) bool {
	patience := time.NewTimer(k.options.Wait)
	defer patience.Stop()
	for {
		k.mu.Lock()
		over, taken := k.running[i]
		if !taken {
			k.running[i] = make(chan struct{})
		}
		k.mu.Unlock()
		if !taken {
			return true
		}
		if k.options.Wait <= 0 {
			return false
		}
		select {
		case <-over:
		case <-patience.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

func (k *Keys) release(i id) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.running[i])
	delete(k.running, i)
}

// run lets the handler answer, and commits or rolls back.
func (k *Keys) run(w http.ResponseWriter, r *http.Request, rq *request, next http.Handler) reply {
	a := newRecorder(w.Header(), k.options.MaxAnswer)
	rq.ctx = r.Context()
	defer rq.rollback() // also when the handler panics; nothing after a commit
	next.ServeHTTP(a, r.WithContext(context.WithValue(r.Context(), requestKey{}, rq)))
	if a.full && rq.failed == nil {
		rq.failed = fmt.Errorf("the answer to %s %s is longer than %d bytes (MaxAnswer)", r.Method, r.URL.Path, k.options.MaxAnswer)
	}
	if rq.failed == nil && rq.first == nil && (a.status < http.StatusBadRequest || rq.keep) {
		rq.failed = rq.commit(a.kept(k.options.Headers))
	}
	switch {
	case rq.first != nil:
		return k.again(r, rq, rq.first)
	case rq.failed != nil:
		return k.failed(r, rq.failed)
	}
	return a.send
}

// again answers as the first time.
func (k *Keys) again(r *http.Request, rq *request, first *record) reply {
	return func(w http.ResponseWriter) {
		if first.fingerprint != rq.fingerprint {
			kit.WriteProblem(w, r, k.problem(http.StatusUnprocessableEntity, CodeKeyReused))
			return
		}
		if first.answer.Status == 0 {
			kit.WriteProblem(w, r, k.problem(http.StatusConflict, CodeAnswerLost))
			return
		}
		h := w.Header()
		maps.Copy(h, first.answer.Header)
		h.Set("Idempotent-Replayed", "true")
		w.WriteHeader(first.answer.Status)
		_, _ = w.Write(first.answer.Body) // the client has gone: nobody to tell
	}
}

// failed answers with what the package itself could not do.
func (k *Keys) failed(r *http.Request, err error) reply {
	return func(w http.ResponseWriter) {
		if errors.Is(err, errFull) {
			k.log.ErrorContext(r.Context(), "no idempotency key can be remembered", "keys", k.options.MaxKeys)
			w.Header().Set("Retry-After", "60")
			kit.WriteProblem(w, r, k.problem(http.StatusServiceUnavailable, CodeKeysFull))
			return
		}
		k.log.ErrorContext(r.Context(), "idempotent request failed", "method", r.Method, "path", r.URL.Path, "error", err.Error())
		kit.WriteProblem(w, r, kit.ProblemFrom(err))
	}
}

func (k *Keys) oldest() time.Time { return time.Now().Add(-k.options.Keep) }

// sweep forgets old keys, some at a time, so that no write waits for long.
func (k *Keys) sweep(ctx context.Context) error {
	const atOnce = 500
	pause := min(time.Minute, max(k.options.Keep/10, 10*time.Millisecond))
	for {
		n, err := k.sql.forget(ctx, k.db, k.oldest(), atOnce)
		if err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "idempotency keys were not swept", "error", err.Error())
		}
		if n == atOnce {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}
