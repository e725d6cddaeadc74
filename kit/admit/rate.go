package admit

import (
	"container/list"
	"sync"
	"time"
)

// Rate is how often one caller may ask.
type Rate struct {
	Limit int           // requests
	Per   time.Duration // in so long
	Burst int           // at once after a rest; default Limit
}

// MaxKeys bounds the callers that are remembered at a time.
const MaxKeys = 1 << 16

// Rates counts the requests of many callers, each by its key (the generic cell
// rate algorithm: one time for each). Callers that rest are forgotten first:
// for those nothing is lost, since they may ask again at once. Whoever has a
// million addresses makes it forget others, who are then allowed too much and
// never too little; that is counted. It is safe for concurrent use.
type Rates struct {
	mu      sync.Mutex
	rate    Rate
	most    int
	keys    map[string]*list.Element
	recent  *list.List // of *seen, the latest first
	evicted uint64
	refused uint64
}

type seen struct {
	key  string
	next time.Time // when all that it has asked for would be allowed at an even pace
}

// NewRates makes counters for at most MaxKeys callers.
func NewRates(r Rate) *Rates { return newRates(r, MaxKeys) }

func newRates(r Rate, most int) *Rates {
	return &Rates{rate: r.withDefaults(), most: most, keys: map[string]*list.Element{}, recent: list.New()}
}

func (r Rate) withDefaults() Rate {
	r.Limit = max(r.Limit, 1)
	if r.Per <= 0 {
		r.Per = time.Second
	}
	if r.Burst <= 0 {
		r.Burst = r.Limit
	}
	return r
}

// longest bounds times, far below what overflows.
const longest = 100 * 365 * 24 * time.Hour

// every is the time between two requests at an even pace.
func (r Rate) every() time.Duration {
	return max(time.Duration(min(float64(r.Per)/float64(r.Limit), float64(longest))), 1)
}

// Set changes the rate; what callers have asked for stays known.
func (r *Rates) Set(rate Rate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rate = rate.withDefaults()
}

// Rate is what is allowed.
func (r *Rates) Rate() Rate {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rate
}

// window is how much may be asked for at once.
func (r Rate) window() time.Duration {
	each := r.every()
	if r.Burst > int(longest/each) {
		return longest
	}
	return each * time.Duration(r.Burst)
}

// Take counts a request of a caller, or tells when it may ask again. left is
// how many more it may send at once.
func (r *Rates) Take(key string) (left int, refused *Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	each := r.rate.every()
	window := r.rate.window()
	e := r.keys[key]
	if e == nil {
		e = r.add(key, now)
	}
	r.recent.MoveToFront(e)
	s := e.Value.(*seen) //nolint:forcetypeassert,errcheck // the list holds nothing else
	if s.next.Before(now) {
		s.next = now
	}
	if wait := s.next.Add(each).Sub(now) - window; wait > 0 {
		r.refused++
		return 0, &Refusal{Reason: RateLimited, RetryAfter: wait}
	}
	s.next = s.next.Add(each)
	return int((window - s.next.Sub(now)) / each), nil
}

// add remembers a caller, in the place of the one that was silent longest.
func (r *Rates) add(key string, now time.Time) *list.Element {
	for len(r.keys) >= r.most {
		last := r.recent.Back()
		s := last.Value.(*seen) //nolint:forcetypeassert,errcheck // as above
		if s.next.After(now) {
			r.evicted++
		}
		r.recent.Remove(last)
		delete(r.keys, s.key)
	}
	e := r.recent.PushFront(&seen{key: key, next: now})
	r.keys[key] = e
	return e
}

// RatesSnapshot is how the counters stand.
type RatesSnapshot struct {
	Rate             Rate
	Keys             int
	Refused, Evicted uint64
}

// Snapshot reads how they stand.
func (r *Rates) Snapshot() RatesSnapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return RatesSnapshot{Rate: r.rate, Keys: len(r.keys), Refused: r.refused, Evicted: r.evicted}
}
