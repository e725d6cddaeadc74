package admit

import (
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/plat-dev/plat/kit/policy"
)

// RejectedHeader tells why a request was turned away, so that clients of the
// kit wait by themselves.
const RejectedHeader = "Plat-Rejected"

// Tell says in the header of the answer when the request may come again, and
// returns the status of the answer: 503, or 429 with the fields of
// draft-ietf-httpapi-ratelimit-headers when rates refused it.
func (r *Refusal) Tell(h http.Header, rates *Rates) (status int) {
	wait := strconv.FormatInt(int64(math.Ceil(r.RetryAfter.Seconds())), 10)
	h["Retry-After"] = []string{wait}
	if rates == nil {
		return http.StatusServiceUnavailable
	}
	rate := rates.Rate()
	h["Ratelimit-Policy"] = []string{fmt.Sprintf(`"default";q=%d;w=%d`, rate.Limit, int64(math.Ceil(rate.Per.Seconds())))}
	h["Ratelimit"] = []string{`"default";r=0;t=` + wait}
	h[RejectedHeader] = []string{string(r.Reason)}
	return http.StatusTooManyRequests
}

// Line is the gate in words.
func (s Snapshot) Line() policy.Line {
	l := policy.Line{
		Policy: "shedding", Setting: fmt.Sprintf("%d at once, %d may wait %s", s.Config.Concurrent, max(0, s.Config.Queue), s.Config.Wait),
		State: fmt.Sprintf("%d of %d inside, %d wait", s.Inside, s.Limit, s.Waiting), Last: s.Last,
		Holds: s.Inside >= s.Limit,
	}
	for _, n := range s.Shed {
		l.Count += n
	}
	return l
}

// Line is the rate in words; who is who is counted.
func (s RatesSnapshot) Line(who string) policy.Line {
	return policy.Line{
		Policy: "rate", Setting: fmt.Sprintf("%s: %d in %s, %d at once", who, s.Rate.Limit, s.Rate.Per, s.Rate.Burst),
		State: fmt.Sprintf("%d known, %d forgotten early", s.Keys, s.Evicted), Count: s.Refused,
	}
}
