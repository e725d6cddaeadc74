package consul

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/plat-dev/plat/fault"
)

const (
	defaultWait = 5 * time.Minute
	aheadWait   = time.Second // how long a query that is ahead of us is held
)

// block holds a query with ?index= until the index of what it asks for is
// another one, ?wait= and its jitter are over, the client leaves or plat ends.
// What it watches is watched before its index is read, so that no change falls
// between; a change of anything else wakes it, is compared, and is slept over.
func (q *request) block(index func() uint64, watch func(context.Context) <-chan struct{}) error {
	wait, known, err := q.patience()
	if err != nil || known == 0 || index() > known {
		return err
	}
	select {
	case q.d.waiting <- struct{}{}:
		defer func() { <-q.d.waiting }()
	default:
		q.w.Header().Set("Retry-After", "1")
		return fail(http.StatusTooManyRequests, fault.Newf(fault.ConsulBusy, "%d queries wait already", MaxWaiting).Fix("ask again in a moment"))
	}
	if index() < known {
		// Only a clock that was set back, or an index of something else, leads
		// here. The client must learn of it soon, but not spin.
		wait = min(wait, aheadWait)
	}
	ctx, cancel := context.WithTimeout(q.Context(), wait)
	defer cancel()
	changed := watch(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-q.d.done:
			return nil
		case <-changed:
			if index() > known {
				return nil
			}
		}
	}
}

// patience reads ?index= and ?wait=. Jitter keeps clients that began together
// from returning together.
func (q *request) patience() (wait time.Duration, known uint64, err error) {
	if is := q.query.Get("index"); is != "" {
		if known, err = strconv.ParseUint(is, 10, 64); err != nil {
			return 0, 0, invalid("Invalid index %q", is)
		}
	}
	wait = defaultWait
	if is := q.query.Get("wait"); is != "" {
		if wait, err = time.ParseDuration(is); err != nil || wait < 0 {
			return 0, 0, invalid("Invalid wait time %q", is)
		}
		wait = min(wait, MaxWait*time.Second)
	}
	if wait == 0 {
		wait = defaultWait
	}
	return wait + rand.N(wait/16+1), known, nil // #nosec G404 -- spreads load
}

// blockService blocks on one service's index.
func (q *request) blockService(name string) error {
	return q.block(func() uint64 {
		index, _ := q.d.reg.Index(name)
		return index
	}, func(ctx context.Context) <-chan struct{} { return q.d.reg.Watch(ctx, name) })
}

// blockAny blocks on the index of all instances and their checks.
func (q *request) blockAny() error { return q.blockService("") }

// blockNames blocks on which instances there are, and their tags.
func (q *request) blockNames() error {
	return q.block(func() uint64 {
		_, names := q.d.reg.Index("")
		return names
	}, func(ctx context.Context) <-chan struct{} { return q.d.reg.Watch(ctx, "") })
}
