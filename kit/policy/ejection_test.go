package policy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/plat-dev/plat/kit/policy"
)

func TestOutliers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := policy.NewOutliers(policy.Ejection{})
		o.SetMembers([]string{"a", "b", "c", "d"})
		report := func(id string, n int, outcome policy.Outcome) {
			for range n {
				o.Report(id, outcome)
			}
		}
		report("a", 4, policy.Failure)
		report("a", 1, policy.Success)
		report("a", 4, policy.Failure)
		if o.Any() {
			t.Error("ejected before five in a row")
		}
		report("a", 1, policy.Slow)
		if !o.Ejected("a") || o.Ejected("b") {
			t.Errorf("%+v", o.Snapshot())
		}
		for range 20 { // every second call fails
			report("b", 1, policy.Failure)
			report("b", 1, policy.Success)
		}
		report("c", 100, policy.Failure)
		report("d", 100, policy.Failure)
		if !o.Ejected("b") || o.Ejected("c") || o.Ejected("d") {
			t.Errorf("more than half: %+v", o.Snapshot())
		}
		time.Sleep(10 * time.Second)
		if o.Ejected("a") || o.Ejected("b") || o.Any() {
			t.Errorf("still out: %+v", o.Snapshot())
		}
		report("a", 5, policy.Failure)
		time.Sleep(19 * time.Second)
		if s := o.Snapshot()["a"]; !s.Ejected || s.Times != 2 || s.Last.Why != "ejected for 20s: 5 failures in a row" {
			t.Errorf("the second time: %+v", s)
		}
		o.SetMembers([]string{"b", "e"})
		if o.Any() {
			t.Error("who has gone is out")
		}
		report("a", 10, policy.Failure)
		o.SetMembers([]string{"e"})
		report("e", 100, policy.Failure)
		if o.Ejected("e") {
			t.Error("the last one was ejected")
		}
	})
}

// TestOutliersChange: what is configured anew holds for the next failure, and
// who is out goes back when nobody is to be ejected any more.
func TestOutliersChange(t *testing.T) {
	t.Parallel()
	o := policy.NewOutliers(policy.Ejection{Consecutive: 2})
	o.SetMembers([]string{"a", "b", "c"})
	o.Report("a", policy.Failure)
	o.Set(policy.Ejection{Consecutive: 3, Most: 1, Base: time.Hour})
	o.Report("a", policy.Failure)
	if o.Ejected("a") {
		t.Error("ejected after two failures, expected three")
	}
	o.Report("a", policy.Failure)
	if got := o.Line().Setting; !o.Ejected("a") || got != "3 in a row or 50% of 20, out 1h, at most 100%" {
		t.Errorf("%q, %+v", got, o.Snapshot())
	}
	o.Set(policy.Ejection{Off: true})
	for range 100 {
		o.Report("b", policy.Failure)
	}
	if o.Ejected("a") || o.Ejected("b") || o.Any() || o.Line().Setting != "off" {
		t.Errorf("%q, %+v", o.Line().Setting, o.Snapshot())
	}
}
