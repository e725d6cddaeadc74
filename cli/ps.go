package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

// running is the answer of plat ps.
type running struct {
	System   api.System    `json:"system"`
	Services []api.Service `json:"services"`
}

func (a *app) ps() *cobra.Command {
	var platform bool
	cmd := &cobra.Command{
		Use:     "ps [SERVICE…]",
		Short:   "List the services and how they run",
		Long:    "Lists the services of the running system. When the plan's files have errors,\nthe last good plan stays live, and ps says so. What is wrong stands below the table,\nerrors first; warnings of one kind are one line, and of a service that is named they\nare told in full. On a narrow terminal the columns that say least are left out; -o wide\nadds the bounded context and the instances' processes, and plat get instances has a\nrow for each.",
		Example: "  plat ps\n  plat ps -o wide\n  plat ps --platform\n  plat ps -o json | jq '.services[] | select(.state != \"ready\")'",
		GroupID: "resources",
		Args:    args(0, -1, "services"),

		ValidArgsFunction: a.serviceNames,
	}
	cmd.Flags().BoolVar(&platform, "platform", false, "list what plat itself costs instead")
	a.outputs(cmd, "table", "wide", "json", "yaml", "name")
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, names []string) error {
		if platform {
			return a.platform(cmd.Context(), client)
		}
		answer, err := ask(cmd.Context(), client)
		if err != nil {
			return err
		}
		if answer.Services, err = choose(answer.Services, names); err != nil {
			return err
		}
		if err := a.print(answer, answer.table()); err != nil {
			return err
		}
		if a.output == "table" || a.output == "wide" {
			a.sayPlan(answer.System)
			a.sayFaults(answer.Services, fault.Error)
			a.sayErrors(answer.Services)
			a.sayFaults(answer.Services, fault.Warning)
			warnings := answer.System.Warnings
			if len(names) > 0 {
				warnings = warningsOf(warnings, answer.Services)
			}
			a.sayWarnings(warnings, answer.Services, len(names) == 1)
		}
		return nil
	})
	return cmd
}

// platform lists plat's own processes.
func (a *app) platform(ctx context.Context, client *api.Client) error {
	p, err := client.Platform(ctx)
	if err != nil {
		return err
	}
	t := table{header: []string{"PROCESS", "PID", "MEMORY", "CPU", "AGE"}}
	for _, proc := range p.Processes {
		t.rows = append(t.rows, []string{proc.Name, pid(proc.PID), size(proc.Memory), fmt.Sprintf("%.1fs", proc.CPU.Seconds()), age(proc.Started)})
	}
	return a.print(p, t)
}

// sayErrors tells which services say errors, and where to read them.
func (a *app) sayErrors(services []api.Service) {
	for _, s := range services {
		if s.Errors != nil && s.Errors.Count > 0 {
			a.words("%s", a.paint.yellow(fmt.Sprintf("%s said %s in 15 minutes: plat logs --errors %s", s.Name, count(s.Errors.Count, "error"), s.Name)))
		}
	}
}

func ask(ctx context.Context, client *api.Client) (running, error) {
	system, err := client.System(ctx)
	if err != nil {
		return running{}, err
	}
	services, err := client.Services(ctx)
	return running{system, services}, err
}

// table has a row a service; -o wide adds what the instances tell.
func (r running) table() table {
	t := table{
		header: []string{"SERVICE", "STATE", "READY", "RESTARTS", "AGE", "VERSION", "OWNER", "URL", "CONTEXT", "PID", "ADDR", "MEMORY", "LAST EXIT"},
		wide:   8,
		spare:  []string{"VERSION", "OWNER", "RESTARTS", "AGE", "READY"},
	}
	for _, svc := range r.Services {
		var pids, addrs, exits []string
		memory := int64(0)
		for _, in := range svc.Instances {
			memory += in.Memory
			for _, cell := range []struct {
				list  *[]string
				value string
			}{{&pids, pid(in.PID)}, {&addrs, in.Addr}, {&exits, in.LastExit}} {
				if cell.value != "" && !slices.Contains(*cell.list, cell.value) {
					*cell.list = append(*cell.list, cell.value)
				}
			}
		}
		t.rows = append(t.rows, []string{
			svc.Name, svc.State, readiness(svc), strconv.Itoa(svc.Restarts), age(oldest(svc)), svc.Version, owner(svc), openable(svc.URL),
			svc.Context, strings.Join(pids, ","), strings.Join(addrs, ","), size(memory), strings.Join(exits, ", "),
		})
	}
	return t
}

// owner is who answers for a service; outside for a program that registered
// itself, for which nobody may.
func owner(svc api.Service) string {
	if svc.Owner == "" && svc.Outside {
		return "outside"
	}
	return svc.Owner
}

func pid(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// readiness is ready/desired; a star marks a number that was set by hand.
func readiness(svc api.Service) string {
	star := ""
	if svc.Override {
		star = "*"
	}
	return fmt.Sprintf("%d/%d%s", svc.Ready, svc.Desired, star)
}

// oldest is when the service's longest running instance started.
func oldest(svc api.Service) time.Time {
	var first time.Time
	for _, in := range svc.Instances {
		if !in.Started.IsZero() && (first.IsZero() || in.Started.Before(first)) {
			first = in.Started
		}
	}
	return first
}

// sayFaults tells why services are not as they should be, a ready one too:
// the last build may have failed and the one before it still serves.
func (a *app) sayFaults(services []api.Service, severity fault.Severity) {
	for _, s := range services {
		if s.Fault == nil || s.Fault.Severity != severity {
			continue
		}
		if s.State == "ready" && !s.Outside {
			a.words("%s: version %s stays live, since:", s.Name, s.Version)
		}
		a.printFault(a.Err, s.Fault)
	}
}

// sayPlan tells, on standard error, whether the files are what runs.
func (a *app) sayPlan(s api.System) {
	if s.Plan.State == "refused" {
		a.words("plan: refused since %s; the last good plan (%s) stays live", s.Plan.Since.Local().Format(time.TimeOnly), s.Revision)
		for _, f := range s.Plan.Findings {
			a.printFault(a.Err, f)
		}
	}
}
