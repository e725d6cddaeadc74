package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

func (a *app) rehearse() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rehearse [SERVICE…]",
		Short: "Let each dependency fail and see whether customers see what the plan promises",
		Long: "Lets every declared call of another service fail in every way: it answers 503, does\nnot answer, breaks the connection off, has no instance. Meanwhile the journeys of\ntest customers run, whom alone the failures meet, and what they see is held to the call's\non-failure: with fail, customers see a prompt and clean error; with anything else, or\noptional, they notice nothing.\n\n" +
			"The answer is no (exit 1) when a promise is false. A call to which no journey leads is\nnot rehearsed, and never counts as kept. What was found is kept until the plan or a\nversion changes: --last shows it without doing anything.",
		Example: "  plat rehearse\n  plat rehearse web\n  plat rehearse --last -o wide\n  plat rehearse --last -o json | jq '.promises[] | select(.verdict != \"kept\")'",
		GroupID: "monitoring",
		Args:    args(0, -1, "services"),
	}
	cmd.ValidArgsFunction = a.serviceNames
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	last := cmd.Flags().Bool("last", false, "show what the last rehearsals found, and do nothing")
	var timeout time.Duration
	lengthVar(cmd, &timeout, "timeout", 30*time.Minute, "give up, and undo, after this time")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, services []string) error {
		if !*last {
			if err := client.Rehearse(cmd.Context(), services); err != nil {
				return err
			}
			if err := a.followRehearsal(cmd.Context(), client, timeout); err != nil {
				return err
			}
		}
		found, err := client.Rehearsal(cmd.Context())
		if err != nil {
			return err
		}
		if len(services) > 0 {
			found.Promises = slices.DeleteFunc(found.Promises, func(p api.Promise) bool { return !slices.Contains(services, p.Caller) })
		}
		return a.sayRehearsal(found, *last)
	})
	return cmd
}

// lookEvery is how often what runs is looked at.
const lookEvery = 200 * time.Millisecond

// followRehearsal tells what is done until it is, and undoes it when the user
// breaks off.
func (a *app) followRehearsal(ctx context.Context, client *api.Client, timeout time.Duration) error {
	said := ""
	return a.attend(ctx, client, timeout, func(ctx context.Context) (bool, error) {
		now, err := client.Rehearsal(ctx)
		if err == nil && now.State == "running" && now.Now != said {
			said = now.Now
			a.words("%s", a.paint.dim(fmt.Sprintf("%d of %d: %s", now.Done+1, max(now.Total, now.Done+1), said)))
		}
		return err == nil && now.State != "running", err
	})
}

// attend looks again and again until what runs has ended. Ctrl-C and the end
// of the time stop it, and wait until it is undone.
func (a *app) attend(ctx context.Context, client *api.Client, timeout time.Duration, look func(context.Context) (over bool, err error)) error {
	interrupted, done := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, timeout+undoTime)
	defer cancel()
	late := time.NewTimer(timeout)
	defer late.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	broken, stop := interrupted.Done(), error(nil)
	for {
		over, err := look(ctx)
		if err != nil || over {
			return errors.Join(err, stop)
		}
		select {
		case <-tick.C:
			continue
		case <-broken:
			stop = errAnswered
			a.words("stops, and undoes what was done")
		case <-late.C:
			stop = fault.Newf(fault.WaitTimeout, "it was not done in %s", timeout).Fix("raise --timeout when it only needs longer")
		}
		broken = nil
		if err := client.StopChaos(ctx); err != nil && !fault.Is(err, fault.ChaosNotRunning) {
			return err
		}
	}
}

// undoTime is what undoing may take beyond the time that was given.
const undoTime = time.Minute

// sayRehearsal prints the table, and in words what is wrong.
func (a *app) sayRehearsal(found api.Rehearsal, last bool) error {
	t := table{header: []string{"CALLER", "IF IT FAILS", "CUSTOMERS SEE", "PROMISED", "VERDICT", "AGE", "CALLS FAILED", "STALE"}, wide: 5, key: 2}
	wrong, open, old := 0, 0, 0
	for _, p := range found.Promises {
		promised := p.OnFailure
		if p.Optional {
			promised += ", optional"
		}
		verdict, sees := p.Verdict, p.Sees
		switch p.Verdict {
		case "false":
			wrong++
		case "not-rehearsed":
			verdict, sees = "not rehearsed", p.Why
			open++
		}
		if p.Stale != "" {
			verdict += ", out of date"
			old++
		}
		var played uint64
		for _, w := range p.Ways {
			played += w.Played
		}
		caller := p.Caller
		if a.output == "name" { // a caller has several
			caller += "→" + p.Dependency
		}
		t.rows = append(t.rows, []string{caller, p.Dependency, sees, promised, verdict, age(p.At), fmt.Sprint(played), p.Stale})
	}
	if err := a.print(found, t); err != nil {
		return err
	}
	if a.output == "table" || a.output == "wide" {
		a.sayPromises(found, last, open, old)
	}
	switch {
	case found.Fault != nil && !last:
		return found.Fault
	case wrong > 0 || found.State != "done" && !last:
		return errAnswered
	}
	return nil
}

func (a *app) sayPromises(found api.Rehearsal, last bool, open, old int) {
	for _, p := range found.Promises {
		if p.Verdict != "false" {
			continue
		}
		a.printFault(a.Err, fault.Newf(fault.ChaosFalsePromise, "%s promises %s when %s fails, and does not keep it", p.Caller, p.OnFailure, p.Dependency).Why(p.Why).Fix(p.Remedy))
		if trace := proof(p); trace != "" {
			a.words("  plat trace %s shows what happened", trace)
		}
	}
	if len(found.Promises) == 0 {
		a.words("no service declares a call of another")
	}
	if open > 0 {
		a.words("%s not rehearsed: nobody knows what customers would see", counted(open, "call is", "calls are"))
	}
	switch {
	case old > 0:
		a.words("%s out of date: plat rehearse", counted(old, "verdict is", "verdicts are"))
	case last && found.State == "never":
		a.words("nothing was rehearsed yet: plat rehearse")
	case !last && found.State == "stopped" && found.Fault == nil:
		a.words("it was stopped before its end")
	}
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// proof is the trace of the first run that shows a promise to be false.
func proof(p api.Promise) string {
	for _, w := range p.Ways {
		if w.Verdict != "false" || !strings.HasPrefix(p.Why, w.Way+": ") {
			continue
		}
		for _, run := range w.Runs {
			if !run.Passed {
				return run.TraceID
			}
		}
	}
	return ""
}
