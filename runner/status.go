package runner

import (
	"cmp"
	"slices"
	"time"

	"github.com/plat-dev/plat/fault"
)

// State is where a service or an instance stands.
type State string

// The states. An instance is waiting, starting, ready, unready, crash-looping
// or stopping; a service has all but waiting.
const (
	Pending      State = "pending"       // not built yet
	Building     State = "building"      // its first build is on
	BuildFailed  State = "build-failed"  // there is no program to run
	Waiting      State = "waiting"       // ended, and started again after a back-off
	Starting     State = "starting"      // runs, not ready yet
	Ready        State = "ready"         // in rotation; of a service: all that the plan wants
	Unready      State = "unready"       // was ready, its check fails now
	Degraded     State = "degraded"      // fewer ready than the plan wants
	CrashLooping State = "crash-looping" // ended five times or more without a minute of health
	Stopping     State = "stopping"
	Stopped      State = "stopped" // nothing runs, and nothing should
	Skipped      State = "skipped" // a program that it needs is not installed: nothing is built or run
)

// ServiceStatus is what runs of one service, beside what should.
type ServiceStatus struct {
	Service   string           `json:"service"`
	State     State            `json:"state"`
	Building  bool             `json:"building,omitempty"` // also a later build, while instances run
	Version   string           `json:"version,omitempty"`  // of what was built last
	Desired   int              `json:"desired"`
	Scaled    bool             `json:"scaled,omitempty"` // Desired is set by hand, against the plan
	ScaledAt  time.Time        `json:"scaledAt,omitzero"`
	Ready     int              `json:"ready"`
	Instances []InstanceStatus `json:"instances,omitempty"` // sorted by ID
	Lines     []string         `json:"lines,omitempty"`     // last output of what failed
	Fault     *fault.Fault     `json:"fault,omitempty"`     // why it is not as it should be
	Findings  []*fault.Fault   `json:"findings,omitempty"`  // warnings
}

// InstanceStatus is one instance.
type InstanceStatus struct {
	ID       string       `json:"id"`
	State    State        `json:"state"`
	Version  string       `json:"version"`
	PID      int          `json:"pid,omitempty"`
	Addr     string       `json:"addr,omitempty"`
	Started  time.Time    `json:"started,omitzero"` // the process
	Since    time.Time    `json:"since"`            // in this state
	Restarts int          `json:"restarts"`
	LastExit *Exit        `json:"lastExit,omitempty"`
	Checks   []Check      `json:"checks,omitempty"`
	Fault    *fault.Fault `json:"fault,omitempty"`
}

// Check is what a readiness or liveness check answered last.
type Check struct {
	Name   string    `json:"name"` // ready, live
	Target string    `json:"target"`
	OK     bool      `json:"ok"`
	Answer string    `json:"answer"`
	At     time.Time `json:"at"`
}

// Status tells about every service, sorted by name. It is safe for concurrent
// use, and what it returns belongs to the caller.
func (r *Runner) Status() []ServiceStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]ServiceStatus, 0, len(r.services))
	for _, s := range r.services {
		st := s.status(r.stopping)
		if r.o.Watch != nil {
			if f := r.o.Watch.Warning(st.Service); f != nil {
				st.Findings = append(st.Findings, f)
			}
		}
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b ServiceStatus) int { return cmp.Compare(a.Service, b.Service) })
	return all
}

// status is called with the runner's mutex held.
func (s *service) status(stopping bool) ServiceStatus {
	st := ServiceStatus{
		Service: s.spec.Name, Desired: s.desired(), Scaled: s.scaled != nil, ScaledAt: s.since,
		Building: s.building, Fault: s.buildFault, Lines: s.buildLines,
	}
	if s.live != nil {
		st.Version = s.live.version
	}
	if s.skipped != nil {
		st.Fault, st.Lines = s.skipped, nil
	}
	for _, f := range []*fault.Fault{s.unenforced, s.clamped, s.exposed} {
		if f != nil {
			st.Findings = append(st.Findings, f)
		}
	}
	for _, i := range s.instances {
		st.Instances = append(st.Instances, i.status())
		if i.state == Ready {
			st.Ready++
		}
	}
	slices.SortFunc(st.Instances, func(a, b InstanceStatus) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	for _, in := range st.Instances {
		if i := s.instances[in.ID]; st.Fault == nil && i.fault != nil {
			st.Fault, st.Lines = i.fault, i.lines
		}
	}
	st.State = s.state(st, stopping)
	return st
}

func (s *service) state(st ServiceStatus, stopping bool) State {
	count := map[State]int{}
	for _, i := range st.Instances {
		count[i.State]++
	}
	switch {
	case stopping || s.removed:
		if len(st.Instances) == 0 {
			return Stopped
		}
		return Stopping
	case s.skipped != nil:
		if len(st.Instances) == 0 {
			return Skipped
		}
		return Stopping
	case st.Desired == 0 && len(st.Instances) == 0:
		return Stopped
	case s.live == nil && s.building:
		return Building
	case s.live == nil && s.buildFault != nil:
		return BuildFailed
	case s.live == nil:
		return Pending
	case st.Ready >= st.Desired:
		return Ready
	case st.Ready == 0 && count[CrashLooping] > 0:
		return CrashLooping
	case st.Ready > 0 && count[Starting]+count[Ready]+count[Stopping] < len(st.Instances):
		return Degraded
	case count[Unready] > 0:
		return Unready
	}
	return Starting
}

func (i *instance) status() InstanceStatus {
	st := InstanceStatus{
		ID: i.id, State: i.state, Version: i.release.version, PID: i.pid, Addr: i.addr,
		Started: i.started, Since: i.since, Restarts: i.restarts, Fault: i.fault,
	}
	if i.lastExit != nil {
		exit := *i.lastExit
		st.LastExit = &exit
	}
	for _, name := range []string{"ready", "live"} {
		if c, ok := i.checks[name]; ok {
			st.Checks = append(st.Checks, c)
		}
	}
	return st
}
