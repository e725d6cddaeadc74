package control

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/drift"
	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/plan/edit"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/process"
	"github.com/plat-dev/plat/topology"
)

// Findings is where reality and the plan differ. A declared call is one when
// its caller was in use for so long without it; 0 leaves that to drift.
func (p *plane) Findings(ctx context.Context, unused time.Duration) api.Findings {
	files := p.files()
	seen := p.observed(ctx)
	found := drift.Compare(p.live(), seen, unused, time.Now())
	out := api.Findings{Findings: make([]api.Finding, len(found))}
	patch := patches{root: p.o.Root}
	for i, f := range found {
		if file, line, _, declared := files.Where(f.Caller, "consumes", "services", f.Callee); declared && f.Callee != "" {
			f.File, f.Line = file, line
		}
		out.Findings[i] = findingOf(f)
		out.Findings[i].Diff, out.Findings[i].Part = patch.add(f.Change), f.Change.Part
		if f.Change.Remove {
			out.Findings[i].Patch = out.Findings[i].Diff
		}
	}
	out.Patch = patch.whole()
	for _, u := range drift.NotJudged(p.live(), seen.Calls, unused) {
		out.NotJudged = append(out.NotJudged, api.NotJudged{Caller: u.Caller, Callee: u.Callee, Used: u.Idle.Seconds(), Of: u.Of.Seconds()})
	}
	return out
}

// observed is what drift is told of.
func (p *plane) observed(ctx context.Context) drift.Observation {
	seen := p.topology.Snapshot()
	o := drift.Observation{Calls: make([]drift.Call, len(seen.Edges))}
	for i, e := range seen.Edges {
		c := drift.Call{
			Caller: e.Caller, Callee: e.Callee, DeclaredAt: e.DeclaredAt, Count: e.Count, Idle: e.Idle,
			Undeclared: e.Undeclared.Count, Refused: e.Undeclared.Refused, First: e.Undeclared.First, Last: e.Undeclared.Last,
			Actions: drift.Actions{Count: e.Actions.Count, Calls: e.Actions.Calls, Most: e.Actions.Most, Chatty: e.Actions.Chatty, Last: evidenceOf(e.Actions.Last, true)},
		}
		if e.Count > e.Refused {
			c.Used = e.Last
		}
		for _, v := range e.Evidence {
			c.Evidence = append(c.Evidence, drift.Evidence{ID: v.ID, Time: v.Time, Method: v.Method, Path: v.Path, Status: v.Status, CorrelationID: v.CorrelationID})
		}
		o.Calls[i] = c
	}
	for _, c := range seen.Chains {
		o.Chains = append(o.Chains, drift.Chain{Services: c.Services, Count: c.Count, First: c.First, Last: c.Last, Evidence: evidenceOf(c.Samples, false)})
	}
	status := p.runner.Status()
	for _, st := range status {
		if st.Scaled {
			o.Overrides = append(o.Overrides, drift.Override{Service: st.Service, Instances: st.Desired, Since: st.ScaledAt})
		}
	}
	o.Files = p.stores.of(filepath.Join(p.folder.Path, storesFolder), p.o.Root, status)
	report, err := p.events.Report(ctx)
	if err != nil {
		return o // what a broker that is away does not tell, nobody knows
	}
	for _, v := range report.Violations {
		if kind, ok := strings.CutPrefix(v.Subject, "event."); ok && plan.ValidEvent(kind) == nil {
			o.Refusals = append(o.Refusals, drift.Refusal{Service: v.Service, Event: kind, Publish: v.Action == "publish", Count: uint64(max(0, v.Count)), Last: v.Last})
		}
	}
	for _, c := range report.Consumers {
		if !c.Orphan {
			o.Consumers = append(o.Consumers, consumer(c, status))
		}
	}
	return o
}

func consumer(c event.ConsumerReport, status []runner.ServiceStatus) drift.Consumer {
	out := drift.Consumer{Service: c.Service, Event: c.Event, Handled: c.Handled, Unhandled: c.Unhandled, Lag: c.Lag}
	for _, st := range status {
		for _, in := range st.Instances {
			if st.Service == c.Service && in.State == runner.Ready {
				out.Running = max(out.Running, time.Since(in.Started))
			}
		}
	}
	return out
}

// evidenceOf gives actions as evidence.
func evidenceOf(all []topology.Sample, counted bool) []drift.Evidence {
	out := make([]drift.Evidence, len(all))
	for i, s := range all {
		out[i] = drift.Evidence{Time: s.Time, CorrelationID: s.CorrelationID}
		if counted {
			out[i].Note = strconv.Itoa(s.Calls) + " calls"
		}
	}
	return out
}

// storesFor is how long a look at open files is good: it walks through /proc.
const storesFor = 2 * time.Second

// openStores remembers which stores are open. The zero value is ready.
type openStores struct {
	mu    sync.Mutex // guards what follows
	since time.Time
	files []drift.File
}

// of tells which files of stores, and which databases, the processes of the
// instances have open. folder has the stores, one folder a service.
func (o *openStores) of(folder, root string, status []runner.ServiceStatus) []drift.File {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); now.Sub(o.since) < storesFor {
		return slices.Clone(o.files)
	}
	o.files = nil
	if resolved, err := filepath.EvalSymlinks(folder); err == nil {
		folder = resolved
	}
	if resolved, err := filepath.EvalSymlinks(root); err == nil {
		root = resolved
	}
	for _, st := range status {
		for _, in := range st.Instances {
			if in.PID == 0 {
				continue
			}
			for _, f := range process.OpenStores(in.PID, folder) {
				file := drift.File{Service: st.Service, Instance: in.ID, PID: f.PID, Path: f.Path}
				if below, err := filepath.Rel(folder, f.Path); err == nil && filepath.IsLocal(below) {
					file.Owner, _, _ = strings.Cut(filepath.ToSlash(below), "/")
				}
				if below, err := filepath.Rel(root, f.Path); err == nil && filepath.IsLocal(below) {
					file.Path = filepath.ToSlash(below)
				}
				o.files = append(o.files, file)
			}
		}
	}
	o.since = time.Now()
	return slices.Clone(o.files)
}

// patches are the changes of the plan's files that settle findings.
type patches struct {
	root  string
	files []string // in the order in which they came
	texts map[string]*[2][]byte
}

// add makes a change, and gives it as a diff of its own; empty where it cannot
// be made by a program. What settles nothing alone is given, and not made.
func (p *patches) add(c drift.Change) string {
	if c.File == "" {
		return ""
	}
	text := p.texts[c.File]
	if text == nil {
		source, err := os.ReadFile(filepath.Join(p.root, filepath.FromSlash(c.File))) // #nosec G304 -- a file of the plan
		if err != nil {
			return ""
		}
		text = &[2][]byte{source, source}
	}
	change := edit.Add
	if c.Remove {
		change = edit.Remove
	}
	alone, err := change(c.File, text[0], c.Keys...)
	if err != nil {
		return ""
	}
	if with, err := change(c.File, text[1], c.Keys...); err == nil && !c.Part { // else another finding had it made
		if p.texts == nil {
			p.texts = map[string]*[2][]byte{}
		}
		if p.texts[c.File] == nil {
			p.texts[c.File] = text
			p.files = append(p.files, c.File)
		}
		text[1] = with.Source
	}
	return edit.Diff(c.File, text[0], alone.Source)
}

// whole is all that was added, as one diff.
func (p *patches) whole() string {
	var b strings.Builder
	for _, file := range p.files {
		b.WriteString(edit.Diff(file, p.texts[file][0], p.texts[file][1]))
	}
	return b.String()
}

func findingOf(f drift.Finding) api.Finding {
	out := api.Finding{
		ID: f.ID, Code: f.Code, Severity: f.Severity, Caller: f.Caller, Callee: f.Callee, Services: f.Services, What: f.What, Why: f.Why, Remedy: f.Remedy,
		File: f.File, Line: f.Line, Patch: f.Patch, Refused: f.Refused, Count: f.Count, First: f.First, Last: f.Last, Evidence: []api.Evidence{},
	}
	for _, e := range f.Evidence {
		out.Evidence = append(out.Evidence, api.Evidence(e))
	}
	return out
}
