package policy

import (
	"fmt"
	"time"
)

// Line is one policy of a snapshot in words.
type Line struct {
	Policy  string `json:"policy"`          // timeout, retries, breaker, bulkhead, adaptive
	Setting string `json:"setting"`         // what is configured
	State   string `json:"state"`           // how it stands
	Count   uint64 `json:"count"`           // how often it acted: calls given up, refused, tried again
	Last    *Act   `json:"last,omitempty"`  // nil: it did not act yet
	Holds   bool   `json:"holds,omitempty"` // it holds calls back at this moment, or tries whether it still must
}

// Lines puts a snapshot into words, a policy a line.
func (s Snapshot) Lines() []Line {
	c := s.Config
	timeout := Line{Policy: "timeout", State: fmt.Sprintf("%d given up", s.Timeout.Slow), Count: s.Timeout.Slow, Last: s.Timeout.Last}
	timeout.Setting = "connect " + short(c.Timeouts.Connect)
	if c.Timeouts.Header > 0 {
		timeout.Setting += ", a try " + short(c.Timeouts.Header)
	}
	if c.Timeouts.Total > 0 {
		timeout.Setting += ", in all " + short(c.Timeouts.Total)
	}
	retries := Line{Policy: "retries", Setting: "off", State: fmt.Sprintf("%d made", s.Retry.Retries), Count: s.Retry.Retries, Last: s.Retry.Last}
	if !c.Retry.Off {
		retries.Setting = fmt.Sprintf("%d, of %.0f%% of the calls", c.Retry.Max, 100*c.Retry.Share)
		retries.State += fmt.Sprintf(", %.0f left", s.Retry.Budget)
	}
	if s.Retry.Refused > 0 {
		retries.State += fmt.Sprintf(", %d not for want of budget", s.Retry.Refused)
	}
	breaker := Line{Policy: "breaker", Setting: "off", State: "off", Count: s.Breaker.Rejected, Last: s.Breaker.Last}
	if !c.Breaker.Off {
		breaker.Setting = fmt.Sprintf("%.3g%% of %d calls in %s, open %s", 100*c.Breaker.Share, c.Breaker.Minimum, short(c.Breaker.Window), short(c.Breaker.Open))
		breaker.State, breaker.Holds = s.Breaker.words(), s.Breaker.State != Closed
		if s.Breaker.Rejected > 0 {
			breaker.State += fmt.Sprintf(", %d refused", s.Breaker.Rejected)
		}
	}
	bulkhead := Line{
		Policy: "bulkhead", Setting: fmt.Sprintf("%d at once, wait %s", c.Bulkhead.Concurrent, short(c.Bulkhead.Wait)),
		State: fmt.Sprintf("%d under way, %d wait", s.Bulkhead.InUse, s.Bulkhead.Waiting), Count: s.Bulkhead.Rejected, Last: s.Bulkhead.Last,
		Holds: s.Bulkhead.Waiting > 0,
	}
	if s.Bulkhead.Rejected > 0 {
		bulkhead.State += fmt.Sprintf(", %d refused", s.Bulkhead.Rejected)
	}
	adaptive := Line{Policy: "adaptive", Setting: "off", State: "off", Count: s.Adaptive.Rejected, Last: s.Adaptive.Last}
	if !c.Adaptive.Off {
		adaptive.Setting = fmt.Sprintf("down to %d", min(c.Adaptive.Least, c.Bulkhead.Concurrent))
		adaptive.State, adaptive.Holds = fmt.Sprintf("limit %d", s.Adaptive.Limit), s.Adaptive.Limit < c.Bulkhead.Concurrent
		if s.Adaptive.Usual > 0 {
			adaptive.State += ", usually " + s.Adaptive.Usual.Round(10*time.Microsecond).String()
		}
	}
	return []Line{timeout, retries, breaker, bulkhead, adaptive}
}

// words are the breaker's state; one that is open stays so until it is asked
// once its time is over.
func (b BreakerState) words() string {
	counted := fmt.Sprintf(", %d of %d failed", b.Failed, b.Calls)
	if b.State != Open {
		return b.State.String() + counted
	}
	if left := time.Until(b.Until); left > 0 {
		return "open for " + max(left.Round(time.Second), time.Second).String() + counted
	}
	return "open, the next call tries" + counted
}

// short is a duration without what is zero at its end.
func short(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
