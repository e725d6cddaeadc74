package policy

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MarkHeader is the field by which tries after the first are known downstream:
// their number, in the whole chain. Who gets it does not try again by itself:
// two tries here and two there would be nine calls. In an answer it tells who
// is above that it was tried again already.
const MarkHeader = "Plat-Retry"

// Retried reads a mark; 0 where there is none.
func Retried(h http.Header) int {
	values := h[MarkHeader]
	if len(values) != 1 {
		return 0
	}
	n, err := strconv.Atoi(values[0])
	if err != nil || n < 0 {
		return 0
	}
	return min(n, 99)
}

// budget bounds retries to a share of the calls: a token bucket that calls fill
// and retries empty. A quiet dependency gets a token a second, so that it may
// retry at all.
type budget struct {
	tokens  float64
	at      time.Duration // of the last second's token
	spent   uint64
	refused uint64
	last    moment
}

func (b *budget) fill(now time.Duration, c *Retry) {
	b.tokens = min(c.Burst, b.tokens+c.Share+(now-b.at).Seconds())
	b.at = now
}

func (b *budget) take() bool {
	if b.tokens < 1 {
		b.refused++
		return false
	}
	b.tokens--
	b.spent++
	return true
}

// pause is how long to wait before a try: full jitter, as AWS measured it to
// be best ("Exponential Backoff and Jitter", 2015).
func (c *Retry) pause(after int) time.Duration {
	most := c.Base
	for range min(after-1, 16) {
		most = min(2*most, c.Cap)
	}
	return rand.N(most + 1) // #nosec G404 -- spreads load, protects nothing
}

// RetryAfter reads a Retry-After field (RFC 9110, 10.2.3): seconds, or a date
// in any of HTTP's three forms, whose time left counts from now. It is false
// for none and for what is malformed; a date that has passed is 0.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(365*24*time.Hour/time.Second) {
			return 365 * 24 * time.Hour, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(0, at.Sub(now)), true
}
