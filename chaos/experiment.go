package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// ExperimentFile declares what is to fail, and what must hold meanwhile.
type ExperimentFile struct {
	Plat       *int                  `json:"plat,omitempty" jsonschema:"enum=1,default=1" jsonschema_description:"Version of the plan's format."`
	Experiment string                `json:"experiment" jsonschema:"required" jsonschema_description:"Name of the experiment: lower case letters, digits and hyphens."`
	Owner      string                `json:"owner" jsonschema:"required" jsonschema_description:"Who answers for what it does; one of the system's owners."`
	About      string                `json:"about,omitempty" jsonschema_description:"What it shows, in a sentence."`
	Steady     SteadyFile            `json:"steady" jsonschema:"required" jsonschema_description:"What must hold before, while and after something fails; at least one of them."`
	Faults     []ExperimentFaultFile `json:"faults" jsonschema:"required" jsonschema_description:"What fails; at most 20."`
	Duration   *plan.Duration        `json:"duration,omitempty" plan:"positive" jsonschema:"default=30s" jsonschema_description:"How long it fails, at most 10m."`
	Limits     LimitsFile            `json:"limits,omitempty" jsonschema_description:"When customers are hurt so much that it ends early; absent: at the first failed journey, or below the share of answers that is steady."`
	Every      *plan.Duration        `json:"every,omitempty" plan:"positive" jsonschema_description:"About how often it runs by itself while a schedule is on, at least 1m and twice its duration; absent: by hand alone."`
}

// SteadyFile is what must hold before, while and after something fails.
type SteadyFile struct {
	Journeys   []string      `json:"journeys,omitempty" jsonschema_description:"Journeys of the plan, which test customers of the experiment's own go all the time, and which pass."`
	Objectives []string      `json:"objectives,omitempty" jsonschema_description:"Services of which no alert fires that is not silenced."`
	Answers    *plan.Percent `json:"answers,omitempty" jsonschema_description:"Share of all requests at the entrances that is answered below 500."`
}

// LimitsFile is when customers are hurt so much that it ends early.
type LimitsFile struct {
	Failures *int          `json:"failures,omitempty" jsonschema:"minimum=1,maximum=1000,default=1" jsonschema_description:"Failed journeys at which it ends."`
	Answers  *plan.Percent `json:"answers,omitempty" jsonschema_description:"Share of good answers below which it ends."`
}

// ExperimentFaultFile is one thing that fails.
type ExperimentFaultFile struct {
	Do        string            `json:"do" jsonschema:"required,enum=latency,enum=error,enum=abort,enum=reset,enum=truncate,enum=stall,enum=slow,enum=no-answer,enum=no-instance,enum=duplicate,enum=reorder,enum=kill,enum=pause" jsonschema_description:"What happens: kill and pause to an instance, reorder to events, all else to requests; latency and duplicate to events, too."`
	Service   string            `json:"service,omitempty" jsonschema_description:"Who is asked, or whose instance it is; with event, who receives it."`
	Event     string            `json:"event,omitempty" jsonschema_description:"Type of the events that the service receives."`
	Instance  string            `json:"instance,omitempty" jsonschema_description:"One instance, as order-1; absent: any one (kill, pause), or all."`
	From      string            `json:"from,omitempty" jsonschema_description:"The service that asks."`
	Gateway   string            `json:"gateway,omitempty" jsonschema_description:"The entrance, for requests from outside."`
	Route     string            `json:"route,omitempty" jsonschema_description:"The route's path, for requests from outside."`
	Header    map[string]string `json:"header,omitempty" jsonschema_description:"A field that the request must have; one."`
	Share     *plan.Percent     `json:"share,omitempty" jsonschema_description:"So many of them: of all that one customer's action leads to, all or nothing."`
	Customers string            `json:"customers,omitempty" jsonschema:"enum=test,enum=all,default=test" jsonschema_description:"Whom it meets: the experiment's own test customers, or real ones as well."`
	Delay     *plan.Duration    `json:"delay,omitempty" plan:"positive" jsonschema_description:"With latency, how long it is held back; with reorder, within which time events change places (1s)."`
	Jitter    *plan.Duration    `json:"jitter,omitempty" plan:"positive" jsonschema_description:"With latency, up to how much longer."`
	Status    *int              `json:"status,omitempty" jsonschema:"minimum=400,maximum=599,default=503" jsonschema_description:"With error, the answer."`
	Rate      *plan.Size        `json:"rate,omitempty" jsonschema_description:"With slow, bytes a second; absent: 1KiB."`
}

// SchemaName is the name of the schema's file.
const SchemaName = "experiment.schema.json"

// Schema is the JSON Schema of experiments, for editors. It knows every key; what
// spans keys, and what the plan has, only [Read] knows.
func Schema() []byte {
	return plan.Schema("An experiment, a file of the folder experiments beside plat.yaml", &ExperimentFile{})
}

// Experiment is what is to fail, and what must hold meanwhile.
type Experiment struct {
	Name     string        `json:"experiment"`
	Owner    string        `json:"owner"`
	About    string        `json:"about,omitempty"`
	File     string        `json:"file"`
	Journeys []string      `json:"journeys"`
	Services []string      `json:"objectives,omitempty"`
	Answers  float64       `json:"answers,omitempty"` // share, 0: does not matter
	Duration time.Duration `json:"duration"`          // nanoseconds
	Failures int           `json:"failures"`          // of journeys, at which it ends
	Least    float64       `json:"leastAnswers"`      // share of answers below which it ends
	Every    time.Duration `json:"every,omitempty"`   // 0: by hand alone
	Faults   []Fault       `json:"faults"`            // of requests
	Harms    []Harm        `json:"harms,omitempty"`   // of instances
}

// Harm is something that is done to an instance.
type Harm struct {
	Do       string `json:"do"` // kill, pause
	Service  string `json:"service"`
	Instance string `json:"instance,omitempty"` // empty: any one
}

// Bounds of experiments.
const (
	folder          = "experiments" // beside plat.yaml
	maxExperiments  = 100
	maxFaults       = 20
	defaultDuration = 30 * time.Second
	longest         = 10 * time.Minute
	leastEvery      = time.Minute
	pusher          = "plat" // who brings events to the services that they are pushed to
)

// Folder reads the experiments that lie beside the plan, by name. The findings
// are of those that cannot be used.
func Folder(fsys fs.FS, sys *plan.System) (all []Experiment, findings []*fault.Fault) {
	entries, err := fs.ReadDir(fsys, folder)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			findings = append(findings, fault.New(fault.ChaosBadExperiment, "the folder "+folder+" cannot be read").Because(err))
		}
		return nil, findings
	}
	for _, e := range entries {
		file := path.Join(folder, e.Name())
		if ext := path.Ext(file); e.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		if len(all) == maxExperiments {
			findings = append(findings, fault.Newf(fault.ChaosBadExperiment, "there are more than %d experiments", maxExperiments).At(file, 0, 0))
			break
		}
		text, err := fs.ReadFile(fsys, file)
		if err != nil {
			findings = append(findings, fault.New(fault.ChaosBadExperiment, "the experiment cannot be read").Because(err).At(file, 0, 0))
			continue
		}
		x, wrong := Read(file, text, sys)
		if len(wrong) > 0 {
			findings = append(findings, wrong...)
			continue
		}
		if i := slices.IndexFunc(all, func(other Experiment) bool { return other.Name == x.Name }); i >= 0 {
			findings = append(findings, fault.Newf(fault.ChaosBadExperiment, "another experiment is called %s", x.Name).Why("it is in "+all[i].File).Fix("give one of them another name").At(file, 0, 0))
			continue
		}
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b Experiment) int { return strings.Compare(a.Name, b.Name) })
	return all, findings
}

// Named is the experiment of this name that lies beside the plan; with a
// finding it cannot be used.
func Named(fsys fs.FS, sys *plan.System, name string) (Experiment, []*fault.Fault) {
	all, findings := Folder(fsys, sys)
	var names []string
	for _, x := range all {
		if x.Name == name {
			return x, nil
		}
		names = append(names, x.Name)
	}
	f := fault.Newf(fault.ChaosUnknown, "there is no experiment %s in the folder %s", name, folder)
	if near := plan.Nearest(name, names); near != "" {
		f.Fix("did you mean " + near + "?")
	}
	return Experiment{}, append([]*fault.Fault{f}, findings...)
}

// Read reads one experiment and holds it to the plan; with a finding it cannot
// be used.
func Read(file string, text []byte, sys *plan.System) (Experiment, []*fault.Fault) {
	var f ExperimentFile
	r := &reading{Beside: plan.ReadBeside(file, text, &f), sys: sys, file: f}
	x := Experiment{File: file, Name: f.Experiment, Owner: f.Owner, About: strings.TrimSpace(f.About), Journeys: []string{}, Faults: []Fault{}}
	if r.Readable() {
		r.head()
		r.steady(&x)
		r.limits(&x)
		for i := range f.Faults {
			r.fault(&x, i)
		}
	}
	return x, r.Findings()
}

// reading checks one file.
type reading struct {
	*plan.Beside
	sys  *plan.System
	file ExperimentFile
}

// bad makes a finding.
func bad(format string, args ...any) *fault.Fault {
	return fault.Newf(fault.ChaosBadExperiment, format, args...)
}

// one finds a name that is none of those that there are.
func (r *reading) one(what, name string, known []string, path ...any) {
	if name == "" || slices.Contains(known, name) {
		return
	}
	f := bad("there is no %s %s", what, name)
	if len(known) > 0 {
		slices.Sort(known)
		f.Why("expected one of " + strings.Join(known, ", "))
	}
	if near := plan.Nearest(name, known); near != "" {
		f.Fix("did you mean " + near + "?")
	}
	r.Value(f, path...)
}

// services are those that can be asked; with others, also those not ours.
func (r *reading) services(others bool) (names []string) {
	for _, svc := range r.sys.Services {
		names = append(names, svc.Name)
	}
	if others {
		for _, e := range r.sys.External {
			names = append(names, e.Name)
		}
	}
	return names
}

func (r *reading) head() {
	if name := r.file.Experiment; name == "" && !r.Has("experiment") {
		r.Key(bad("the experiment has no name").Fix("add experiment: with a name such as web-without-stock"))
	} else if !label(name) {
		r.Value(bad("%q is no name", name).Why("expected lower case letters, digits and hyphens, at most 63").Fix("write it like web-without-stock"), "experiment")
	}
	owners := make([]string, 0, len(r.sys.Owners))
	for name := range r.sys.Owners {
		owners = append(owners, name)
	}
	if r.file.Owner == "" && !r.Has("owner") {
		r.Key(bad("the experiment has no owner").Why("somebody must answer for what it does").Fix("add owner: with one of the system's owners"))
	}
	r.one("owner", r.file.Owner, owners, "owner")
	switch {
	case len(r.file.Faults) == 0 && !r.Has("faults"):
		r.Key(bad("nothing fails").Why("expected faults").Fix("add faults: [{do: no-answer, service: NAME}]"))
	case len(r.file.Faults) > maxFaults:
		r.Key(bad("%d things fail at once", len(r.file.Faults)).Why(fmt.Sprintf("expected at most %d", maxFaults)).Fix("make several experiments of it"), "faults")
	}
}

func label(s string) bool {
	return s != "" && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func (r *reading) steady(x *Experiment) {
	s := r.file.Steady
	if len(s.Journeys) == 0 && s.Answers == nil && len(s.Objectives) == 0 {
		r.Key(bad("nothing must hold while things fail").Why("an experiment without a steady state tells nothing").
			Fix("add steady: {journeys: [NAME]}, {objectives: [SERVICE]} or {answers: 99%}"), "steady")
	}
	var journeys []string
	for _, j := range r.sys.Journeys {
		journeys = append(journeys, j.Name)
	}
	for i, name := range s.Journeys {
		r.one("journey", name, journeys, "steady", "journeys", i)
	}
	for i, name := range s.Objectives {
		r.one("service", name, r.services(false), "steady", "objectives", i)
	}
	x.Journeys, x.Services = append(x.Journeys, s.Journeys...), s.Objectives
	if s.Answers != nil {
		x.Answers = float64(*s.Answers) / 100
	}
}

func (r *reading) limits(x *Experiment) {
	x.Duration, x.Failures, x.Least = defaultDuration, 1, x.Answers
	if d := r.file.Duration; d != nil {
		if x.Duration = d.Std(); x.Duration > longest {
			r.Value(bad("it lasts %s", *d).Why("expected at most "+longest.String()).Fix("make it shorter, and let it run more often: every"), "duration")
		}
	}
	if n := r.file.Limits.Failures; n != nil {
		x.Failures = *n
		if runs := int(x.Duration/betweenRuns) + 2; len(r.file.Steady.Journeys) == 0 {
			r.Key(bad("the limit of failures can never act").Why("no journey is gone").Fix("add steady: {journeys: [NAME]}, or delete it"), "limits", "failures")
		} else if *n > runs {
			r.Value(bad("the limit of %d failures can never act", *n).Why(fmt.Sprintf("at most %d journeys are gone in %s, one after the other", runs, x.Duration)).Fix("write a lower limit"), "limits", "failures")
		}
	}
	if least := r.file.Limits.Answers; least != nil && *least == 0 {
		r.Value(bad("the limit of 0%% can never act").Why("no share is below it").Fix("write a share, or delete it"), "limits", "answers")
	} else if least != nil {
		x.Least = float64(*least) / 100
		if x.Least > x.Answers && x.Answers > 0 {
			r.Value(bad("it ends below %s, and is steady from %s on", *least, *r.file.Steady.Answers).Why("a limit is what goes further than the steady state").Fix("write a lower limit, or leave it out"), "limits", "answers")
		}
	}
	if every := r.file.Every; every != nil {
		if x.Every = every.Std(); x.Every < leastEvery || x.Every < 2*x.Duration {
			r.Value(bad("every is %s", *every).Why(fmt.Sprintf("expected at least %s, and twice its duration", leastEvery)).Fix("let it run less often"), "every")
		}
	}
}

// fault checks and takes one of the faults.
func (r *reading) fault(x *Experiment, i int) {
	f := r.file.Faults[i]
	at := func(key string) []any { return []any{"faults", i, key} }
	harm := f.Do == "kill" || f.Do == "pause"
	if f.Do == "" && !r.Has(at("do")...) {
		r.Key(bad("it is not said what fails").Fix("add do: with one of latency, error, abort, reset, truncate, stall, slow, no-answer, no-instance, duplicate, reorder, kill, pause"), "faults", i)
		return
	}
	if f.Service == "" && f.Event == "" && (harm || f.From == "" && f.Gateway == "" && f.Route == "") {
		r.Key(bad("it is not said who fails").Why("expected a service, or for requests from, gateway or route").Fix("add service: NAME"), "faults", i)
	}
	r.one("service", f.Service, r.services(!harm), at("service")...)
	r.one("service", f.From, append(r.services(false), pusher), at("from")...)
	var gateways, routes []string
	for _, g := range r.sys.Gateways {
		gateways = append(gateways, g.Name)
		for _, route := range g.Routes {
			if f.Gateway == "" || f.Gateway == g.Name {
				routes = append(routes, route.Path)
			}
		}
	}
	if f.Instance != "" && f.Service != "" && !strings.HasPrefix(f.Instance, f.Service+"-") {
		r.Value(bad("%s is no instance of %s", f.Instance, f.Service).Why("they are called "+f.Service+"-1 and so on").Fix("write "+f.Service+"-1, or delete it"), at("instance")...)
	}
	r.one("gateway", f.Gateway, gateways, at("gateway")...)
	r.one("route", f.Route, routes, at("route")...)
	r.fits(f, at, harm)
	if f.Event != "" && !harm {
		r.event(x, f, fmt.Sprintf("%s/%d", x.Name, i+1), at)
		return
	}
	if f.From != "" && (f.Gateway != "" || f.Route != "") {
		r.Key(bad("from and an entrance at once").Why("a request comes from a service, or from outside").Fix("make two faults of it"), at("from")...)
	}
	if harm {
		x.Harms = append(x.Harms, Harm{f.Do, f.Service, f.Instance})
		return
	}
	x.Faults = append(x.Faults, f.fault(fmt.Sprintf("%s/%d", x.Name, i+1)))
}

// fits finds keys that mean nothing for what is done, and those that lack.
func (r *reading) fits(f ExperimentFaultFile, at func(string) []any, harm bool) {
	for _, k := range []struct {
		key  string
		set  bool
		fits bool
	}{
		{"delay", f.Delay != nil, f.Do == "latency" || f.Do == reorder}, {"jitter", f.Jitter != nil, f.Do == "latency"},
		{"status", f.Status != nil, f.Do == "error"}, {"rate", f.Rate != nil, f.Do == "slow"},
		{"from", f.From != "", !harm}, {"gateway", f.Gateway != "", !harm}, {"route", f.Route != "", !harm},
		{"header", len(f.Header) > 0, !harm}, {"share", f.Share != nil, !harm}, {"customers", f.Customers != "", !harm}, {"event", f.Event != "", !harm},
	} {
		if k.set && !k.fits {
			r.Key(bad("%s means nothing for %s", k.key, f.Do).Fix("delete it"), at(k.key)...)
		}
	}
	if f.Do == "latency" && f.Delay == nil && !r.Has(at("delay")...) {
		r.Key(bad("it is not said how long a request is held back").Fix("add delay: 2s"), at("do")...)
	}
	if f.Do == reorder && f.Event == "" && !r.Has(at("event")...) {
		r.Key(bad("it is not said of which event").Why("requests have no order").Fix("add event: with one that the service consumes"), at("do")...)
	}
	if len(f.Header) > 1 {
		r.Key(bad("%d header fields at once", len(f.Header)).Why("expected one").Fix("keep one of them"), at("header")...)
	}
	if !harm && f.Customers != "all" && len(r.file.Steady.Journeys) == 0 {
		r.Key(bad("nobody is met").Why("it is for the experiment's own customers, who go the journeys under steady, and there is none").Fix("add steady: {journeys: [NAME]}, or customers: all"), "faults", at("do")[1])
	}
	if f.Share != nil && *f.Share == 0 {
		r.Value(bad("the share is 0%%").Why("nobody would be met").Fix("write a share above 0%"), at("share")...)
	}
}

// fault is what the gateway plays.
func (f ExperimentFaultFile) fault(id string) Fault {
	out := Fault{
		ID: id, Kind: f.Do, Service: f.Service, Caller: f.From, Instance: f.Instance, Gateway: f.Gateway, Route: f.Route,
	}
	if f.Customers != "all" {
		out.Synthetic, out.Journey = true, ExperimentMark
	}
	for name, value := range f.Header {
		out.Header, out.Value = name, value
	}
	if f.Share != nil {
		out.Share = float64(*f.Share) / 100
	}
	if f.Delay != nil {
		out.Delay = f.Delay.Std()
	}
	if f.Jitter != nil {
		out.Jitter = f.Jitter.Std()
	}
	if f.Status != nil {
		out.Status = *f.Status
	} else if f.Do == "error" {
		out.Status = http.StatusServiceUnavailable
	}
	if f.Rate != nil {
		out.Rate = int64(*f.Rate)
	} else if f.Do == "slow" {
		out.Rate = 1024
	}
	return out
}
