package policy

import (
	"fmt"
	"math"
	"time"
)

// How much is looked at before the limit is thought over.
const (
	adaptiveSamples = 10
	adaptiveProof   = 30 // while calls are slow, since it is judged why
	adaptivePeriod  = 100 * time.Millisecond

	asQuick = 1.25 // times what is usual: the limit grows quickly
)

// adaptive is a limit of concurrency that follows latency, as the Gradient2
// limit of Netflix's concurrency-limits does, which stands on TCP Vegas (Brakmo
// and Peterson, 1994). While calls take more than Tolerance times as long as
// usual, as many may be under way as were ended meanwhile would need in that
// time (Little's law). Where fewer are not quicker and only fewer of them end,
// it was not their number: that latency is usual from then on, and the limit is
// what it was. What was not answered in time or was refused lowers it as a lost
// packet does (AIMD), by its share. It is not safe for concurrent use.
type adaptive struct {
	begin  int     // the limit at first, where nobody knows what it should be; 0: as many as may be
	limit  float64 // 0: not thought over yet
	usual  float64 // latency, nanoseconds
	seen   bool    // that calls are slow
	slowed stand   // how it stood when the limit was lowered for that; zero: it was not

	from    time.Duration // of the samples: what ends before does not show yet what the last step did
	since   time.Duration // when the first of them began, or the samples before were complete
	samples int
	missed  int           // of them not answered in time, or refused
	took    time.Duration // all that were answered
	missing time.Duration // all that were not
	peak    int           // calls under way, at most
	last    moment
}

// stand is how it stood at a moment.
type stand struct {
	limit   float64
	latency float64 // nanoseconds
	ended   float64 // a nanosecond
	peak    int
}

// now is the limit at this moment.
func (a *adaptive) now(most int, c *Adaptive) int {
	limit := int(a.limit)
	switch {
	case c.Off || limit == 0 && a.begin == 0:
		return most
	case limit == 0:
		limit = a.begin
	}
	return min(most, max(limit, min(c.Least, most)))
}

// start lets the limit begin at n; when that is more than before, it counts for
// one that has begun as well.
func (a *adaptive) start(n int) {
	if n > a.begin && a.limit > 0 {
		a.limit = max(a.limit, float64(n))
	}
	a.begin = n
}

// record takes a sample. Lost ones took at least so long.
func (a *adaptive) record(now, latency time.Duration, underWay int, lost bool, most int, c *Adaptive) {
	if c.Off || now < a.from {
		return
	}
	if a.samples == 0 {
		a.since = max(a.from, now-latency)
	}
	a.samples++
	a.peak = max(a.peak, underWay)
	if lost {
		a.missed++
		a.missing += latency
	} else {
		a.took += latency
	}
	enough := adaptiveSamples
	if a.slowed.peak > 0 {
		enough = adaptiveProof
	}
	if a.samples >= enough && now-a.since >= adaptivePeriod {
		a.from = now
		a.settle(now, most, c)
		a.samples, a.missed, a.took, a.missing, a.peak = 0, 0, 0, 0, 0
	}
}

// settle thinks the limit over.
func (a *adaptive) settle(now time.Duration, most int, c *Adaptive) {
	before := a.now(most, c)
	if a.limit == 0 {
		a.limit = float64(before)
	}
	busy := 2*a.peak >= before // else it is not the limit that holds calls back
	latency := a.learn(busy)
	slow := a.usual > 0 && latency > c.Tolerance*a.usual
	if !slow || !busy {
		a.seen, a.slowed = false, stand{}
	}
	if !busy {
		return
	}
	lost, why := float64(a.missed)/float64(a.samples), ""
	stands := stand{a.limit, latency, float64(a.samples-a.missed) / float64(now-a.since), a.peak}
	switch {
	case slow && a.peak <= before && a.inherent(stands):
		why = fmt.Sprintf("fewer calls at once take %s as well", words(latency))
		a.limit, a.usual, a.seen, a.slowed = max(a.limit, a.slowed.limit), latency, false, stand{}
		a.from = now + time.Duration(latency)
	case slow:
		why = fmt.Sprintf("calls take %s, usually %s", words(latency), words(a.usual))
		if !a.seen { // a part of it was before: it is looked at once more
			a.seen = true
			break
		}
		if a.slowed.peak == 0 {
			a.slowed = stands
		}
		a.limit = min(a.limit, stands.ended*c.Tolerance*a.usual)
		a.from = now + time.Duration(latency)
	case lost > 0:
		why = "calls were refused or not answered in time"
		a.limit += 0.2*math.Sqrt(a.limit)*(1-lost) - a.limit*min(0.1, lost/4)
	case a.peak >= before && latency <= asQuick*a.usual:
		a.limit *= 1.5
	default:
		a.limit += 0.2 * math.Sqrt(a.limit)
	}
	a.limit = min(float64(most), max(float64(min(c.Least, most)), a.limit))
	after := a.now(most, c)
	if why != "" && after != before {
		a.last = moment{at: now, why: fmt.Sprintf("%s the limit from %d to %d: %s", map[bool]string{true: "lowered", false: "raised"}[after < before], before, after, why)}
	}
}

// learn is how long calls take now, and what of it becomes usual: what is quick
// soon, and what is slow when it lasts, unless there is so much to do that it
// may be slow by that.
func (a *adaptive) learn(busy bool) float64 {
	answered := a.samples - a.missed
	if answered > 0 {
		took := float64(a.took) / float64(answered)
		switch {
		case a.usual == 0:
			a.usual = took
		case took < a.usual:
			a.usual += (took - a.usual) / 5
		case !busy:
			a.usual += (took - a.usual) / 50
		}
		if answered >= a.missed {
			return took
		}
	}
	return float64(a.took+a.missing) / float64(a.samples)
}

// inherent tells whether calls are slow whatever their number is: far fewer of
// them are hardly quicker than before the limit was lowered, and fewer end in
// a time. Were it their number, they would be quicker by as much as they are
// fewer, and as many would end.
func (a *adaptive) inherent(s stand) bool {
	if a.slowed.peak == 0 || 10*a.missed > a.samples {
		return false
	}
	fewer := float64(s.peak) / float64(a.slowed.peak)
	halfway := (1 + fewer) / 2
	return fewer <= 0.7 && s.latency > halfway*a.slowed.latency && s.ended < halfway*a.slowed.ended
}

func words(nanoseconds float64) string {
	return time.Duration(nanoseconds).Round(time.Microsecond).String()
}
