package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// poll is how often a verb that waits looks again.
const poll = 100 * time.Millisecond

func (a *app) restart() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "restart SERVICE…",
		Short:             "Replace a service's instances one by one",
		Long:              "Builds the service anew and replaces its instances one by one: a new one is\nready before an old one leaves. Returns when that is done.",
		Example:           "  plat restart order\n  plat restart order web",
		GroupID:           "release",
		Args:              args(1, -1, "at least one service"),
		ValidArgsFunction: a.serviceNames,
	}
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, names []string) error {
		if _, err := a.known(cmd.Context(), client, names); err != nil {
			return err
		}
		for _, name := range names {
			if err := client.Restart(cmd.Context(), name); err != nil {
				return err
			}
			a.words("%s: restarted", name)
		}
		return nil
	})
	return cmd
}

// asPlanned stands for the plan's own number of instances.
const asPlanned = -1

func (a *app) scale() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "scale SERVICE=N|plan…",
		Short:             "Set a service's number of instances",
		Long:              "Sets the number of instances by hand until plat ends or SERVICE=plan lets the plan's\nown number hold again. plat ps marks a number set by hand with a star, and plat drift\nlists it.",
		Example:           "  plat scale order=3\n  plat scale order=1 web=2\n  plat scale order=0    # stops it\n  plat scale order=plan",
		GroupID:           "release",
		Args:              args(1, -1, "at least one SERVICE=N or SERVICE=plan"),
		ValidArgsFunction: a.scaleNames,
	}
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		type wish struct {
			name string
			n    int
		}
		var wishes []wish
		for _, arg := range given {
			name, number, ok := strings.Cut(arg, "=")
			n, err := strconv.Atoi(number)
			if number == "plan" {
				n, err = asPlanned, nil
			}
			if !ok || name == "" || err != nil || n > 100 || n < 0 && number != "plan" {
				return usage(cmd, fmt.Sprintf("%q is not SERVICE=N with N from 0 to 100, or SERVICE=plan", arg))
			}
			wishes = append(wishes, wish{name, n})
		}
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		names := make([]string, len(wishes))
		for i, w := range wishes {
			names[i] = w.name
		}
		if _, err := a.known(cmd.Context(), client, names); err != nil {
			return err
		}
		for _, w := range wishes {
			if w.n == asPlanned {
				if err := client.Unscale(cmd.Context(), w.name); err != nil {
					return err
				}
				a.words("%s: as the plan says", w.name)
				continue
			}
			if err := client.Scale(cmd.Context(), w.name, w.n); err != nil {
				return err
			}
			a.words("%s: %s", w.name, count(w.n, "instance"))
		}
		return nil
	}
	return cmd
}

func (a *app) wait() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:               "wait [SERVICE…]",
		Short:             "Wait until services are ready",
		Long:              "Waits until the named services, or all, are ready. Exit code 1 when one of\nthem failed instead, 4 when the time is over.",
		Example:           "  plat wait order --timeout 30s\n  plat up -d && plat wait && ./smoke.sh",
		GroupID:           "app",
		Args:              args(0, -1, "services"),
		ValidArgsFunction: a.serviceNames,
	}
	lengthVar(cmd, &timeout, "timeout", time.Minute, "give up after this time")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, names []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		services, err := a.settle(ctx, client, names, func([]api.Service) {})
		if err != nil {
			return err
		}
		return a.sayFailed(services)
	})
	return cmd
}

// settle waits until none of the named services (all, without names) is on
// its way any more, and returns them. Each look is shown to watch. The fault
// is wait-timeout when ctx ends first, no-such-service for a wrong name.
func (a *app) settle(ctx context.Context, client *api.Client, names []string, watch func([]api.Service)) ([]api.Service, error) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var last []api.Service
	for {
		services, err := client.Services(ctx)
		if ctx.Err() != nil {
			return nil, notInTime(last)
		}
		if err != nil {
			return nil, err
		}
		if services, err = choose(services, names); err != nil {
			return nil, err
		}
		last = services
		watch(services)
		if !slices.ContainsFunc(services, func(s api.Service) bool { return !s.Settled }) {
			return services, nil
		}
		select {
		case <-ctx.Done():
			return nil, notInTime(last)
		case <-tick.C:
		}
	}
}

// known finds the named services (all, without names) and refuses a name that
// the plan does not have, before anything is done.
func (a *app) known(ctx context.Context, client *api.Client, names []string) ([]api.Service, error) {
	services, err := client.Services(ctx)
	if err != nil {
		return nil, err
	}
	return choose(services, names)
}

// choose finds the named services (all, without names); the fault is
// no-such-service, for each name that is wrong.
func choose(services []api.Service, names []string) ([]api.Service, error) {
	if len(names) == 0 {
		return services, nil
	}
	var (
		chosen []api.Service
		errs   []error
		all    []string
	)
	for _, s := range services {
		all = append(all, s.Name)
	}
	for _, name := range names {
		i := slices.Index(all, name)
		if i >= 0 {
			chosen = append(chosen, services[i])
			continue
		}
		f := fault.New(fault.NoSuchService, "the plan has no service "+name).Fix("plat ps lists them")
		if near := plan.Nearest(name, all); near != "" {
			f.Fix("did you mean " + near + "?")
		}
		errs = append(errs, f)
	}
	return chosen, errors.Join(errs...)
}

func notInTime(services []api.Service) error {
	var waiting []string
	for _, s := range services {
		if !s.Settled {
			waiting = append(waiting, s.Name+" is "+s.State)
		}
	}
	f := fault.New(fault.WaitTimeout, "the time is over")
	if len(waiting) > 0 {
		f.Why(strings.Join(waiting, ", "))
	}
	return f.Fix("plat ps shows the states; plat logs SERVICE what it said; --timeout waits longer")
}

// sayFailed prints why services are not ready, with their last lines, and
// answers no when there is one.
func (a *app) sayFailed(services []api.Service) error {
	failed := false
	for _, s := range services {
		if s.State == "ready" || s.State == "skipped" || s.Outside || s.State == "stopped" && s.Desired == 0 {
			continue
		}
		failed = true
		if s.Fault != nil {
			a.printFault(a.Err, s.Fault)
		} else {
			a.words("%s is %s", s.Name, s.State)
		}
		for _, line := range s.LastLines {
			_, _ = fmt.Fprintf(a.Err, "  | %s\n", line) // as it was said
		}
	}
	if failed {
		return errAnswered
	}
	return nil
}
