package idempotency

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/plat-dev/plat/kit"
)

// ErrDone is the error of [Begin] when another instance has answered the same
// request meanwhile. Whatever the handler then answers is replaced by the
// first answer.
var ErrDone = errors.New("the request was answered by another instance")

type requestKey struct{}

// request is one request with its key, on its way through the handler. It is
// used by one goroutine at a time.
type request struct {
	keys        *Keys
	ctx         context.Context // the request's: a transaction must outlive one that the handler shortened
	keyed       bool
	id          id
	fingerprint [sha256.Size]byte

	conn   *sql.Conn
	tx     *sql.Tx
	keep   bool
	first  *record // found when the transaction began
	failed error   // of the package's own work
}

// read takes the key and the body. The body is read whole, since what is kept
// is compared with it.
func (k *Keys) read(w http.ResponseWriter, r *http.Request) (*request, *kit.Problem) {
	rq := &request{keys: k}
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 && !k.options.Optional {
		return nil, k.problem(http.StatusBadRequest, CodeKeyMissing)
	}
	if len(values) > 0 {
		key, err := parseKey(values, k.options.Strict)
		if err != nil {
			p := k.problem(http.StatusBadRequest, CodeKeyMalformed)
			p.Detail = err.Error()
			return nil, p
		}
		rq.keyed, rq.id.key = true, key
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, k.options.MaxBody)); err != nil {
			if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
				return nil, kit.ProblemFrom(err)
			}
			return nil, kit.NewProblem(http.StatusBadRequest, CodeBodyBroken, "the request's body ended before its end")
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	rq.id.scope = sha256.Sum256([]byte(k.options.Scope(r, body)))
	rq.fingerprint = fingerprint([]byte(r.Method), []byte(r.URL.RequestURI()), body)
	return rq, nil
}

// fingerprint tells requests apart: the length before each part keeps one from
// passing for another.
func fingerprint(parts ...[]byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, p := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}

// Begin is the transaction in which a handler behind [Keys.Wrap] has its
// effect; called again it is the same one. It holds the database's write lock
// (SQLite has one), so ask neighbours before. The package commits it with the
// answer, or rolls it back: a handler does neither.
//
// After an error the handler's own answer does not count: the package answers
// with the first answer ([ErrDone]), or with what went wrong.
func Begin(ctx context.Context) (*sql.Tx, error) {
	rq, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		return nil, errors.New("idempotency.Begin outside of a handler that Keys.Wrap wraps")
	}
	return rq.begin()
}

// Keep makes the answer the outcome of this request although its status is
// 400 or above: the handler's changes are committed and the answer is kept, as
// for a payment that was declined for good.
func Keep(ctx context.Context) {
	if rq, ok := ctx.Value(requestKey{}).(*request); ok {
		rq.keep = true
	}
}

// Key is the key of the request that ctx belongs to, empty without one. What a
// handler does outside of its transaction may happen twice: derive from this
// key the one that it sends on.
func Key(ctx context.Context) string {
	if rq, ok := ctx.Value(requestKey{}).(*request); ok {
		return rq.id.key
	}
	return ""
}

// begin opens the transaction and takes the key in it. Where two processes
// have the same request, the second waits here for the first's end.
func (rq *request) begin() (*sql.Tx, error) {
	if rq.tx != nil {
		return rq.tx, nil
	}
	if rq.failed != nil {
		return nil, rq.failed
	}
	if rq.first != nil {
		return nil, ErrDone
	}
	if err := rq.open(); err != nil {
		rq.rollback()
		if !errors.Is(err, ErrDone) {
			rq.failed = err
		}
		return nil, err
	}
	return rq.tx, nil
}

func (rq *request) open() (err error) {
	k := rq.keys
	if rq.conn, err = k.db.Conn(rq.ctx); err != nil {
		return err
	}
	// A context that ends would roll back behind our back, and what the handler
	// did afterwards would look done: commit looks at the context itself.
	if rq.tx, err = rq.conn.BeginTx(context.WithoutCancel(rq.ctx), nil); err != nil {
		return err
	}
	if !rq.keyed {
		return nil
	}
	if rq.first, err = k.sql.find(rq.ctx, rq.tx, rq.id, k.oldest()); err != nil {
		return err
	}
	if rq.first != nil {
		return ErrDone
	}
	return k.sql.take(rq.ctx, rq.tx, rq, k.options.MaxKeys, time.Now())
}

// commit makes the effect, the key and the answer one.
func (rq *request) commit(a answer) error {
	if rq.tx == nil && !rq.keyed {
		return nil
	}
	tx, err := rq.begin()
	if err != nil {
		return err
	}
	if err := rq.ctx.Err(); err != nil {
		return err // the caller has given up, and will ask again
	}
	if rq.keyed {
		err = rq.keys.sql.answered(rq.ctx, tx, rq.id, a)
	}
	if err == nil {
		err = tx.Commit()
	}
	if errors.Is(err, sql.ErrTxDone) {
		return rq.ended(a)
	}
	return err
}

// ended is for a handler that has committed or rolled back although it should
// not have. The key went the way of its changes: if it is there, so are they.
func (rq *request) ended(a answer) error {
	rq.keys.log.WarnContext(rq.ctx, "a handler ended the transaction of idempotency.Begin itself: if the process dies now, its answer is lost")
	rq.close()
	if !rq.keyed {
		return nil
	}
	return rq.keys.sql.answered(rq.ctx, rq.keys.db, rq.id, a)
}

// rollback undoes what was not committed. It may be called again.
func (rq *request) rollback() {
	if rq.tx != nil {
		_ = rq.tx.Rollback() // ErrTxDone: it is over
	}
	rq.close()
}

func (rq *request) close() {
	if rq.conn != nil {
		_ = rq.conn.Close() // gives it back to the pool
	}
	rq.conn, rq.tx = nil, nil
}
