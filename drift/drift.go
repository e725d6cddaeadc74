package drift

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// Settled is how long a difference may last that did not happen again: then it
// is no finding any more.
const Settled = 7 * 24 * time.Hour

// Recent is how long what customers' actions did is a finding.
const Recent = time.Hour

// Limits from which on something is a finding.
const (
	Unused        = time.Hour        // for which a caller was in use without a declared call
	ChattyCalls   = 5                // of one service by another in one action
	ChattyActions = 3                // that made more
	Hops          = 4                // calls of a chain
	Deaf          = 10 * time.Minute // that a consumer runs without an acknowledgement
)

// maxEvidence bounds the evidence of one finding.
const maxEvidence = 10

// Observation is what was seen.
type Observation struct {
	Calls     []Call
	Chains    []Chain
	Files     []File
	Refusals  []Refusal
	Consumers []Consumer
	Overrides []Override
}

// Call is what was seen of the calls of one service by another.
type Call struct {
	Caller     string
	Callee     string
	DeclaredAt time.Time     // when the declaration was first seen; zero: it is not declared
	Count      uint64        // of all calls
	Used       time.Time     // when the last one was that was not refused
	Idle       time.Duration // for which the caller was in use since, when there was none
	Actions    Actions

	// Of those that were not declared at their time:
	Undeclared  uint64
	Refused     uint64
	First, Last time.Time
	Evidence    []Evidence // the newest first
}

// Actions is what customers' actions made of a call.
type Actions struct {
	Count, Calls uint64
	Most         int
	Chatty       uint64     // that made more than ChattyCalls
	Last         []Evidence // of these, the newest first
}

// Chain is a way on which each service waited for the next.
type Chain struct {
	Services    []string
	Count       uint64
	First, Last time.Time
	Evidence    []Evidence // the newest first
}

// File is a file of a store that a process of a service has open.
type File struct {
	Service, Instance string
	PID               int
	Path              string
	Owner             string // the service whose store it is; empty: nobody's
}

// Refusal is what a service tried with events and was not allowed to do.
type Refusal struct {
	Service, Event string
	Publish        bool // else it tried to read it
	Count          uint64
	Last           time.Time
}

// Consumer is a subscription as it stands.
type Consumer struct {
	Service, Event string
	Running        time.Duration // of the instance that runs longest
	Handled        uint64        // acknowledged
	Unhandled      int           // delivered and not acknowledged
	Lag            uint64
}

// Override is a number of instances that was set by hand.
type Override struct {
	Service   string
	Instances int
	Since     time.Time
}

// Evidence is one call that was seen.
type Evidence struct {
	ID            string
	Time          time.Time
	Method        string
	Path          string
	Status        int
	CorrelationID string
	Note          string // what else is to be known of it
}

// Finding is one difference between the plan and what was seen.
type Finding struct {
	ID       string // the same as long as the difference lasts
	Code     fault.Code
	Severity fault.Severity
	Caller   string
	Callee   string
	Services []string // all whom it is about, where these are more
	What     string
	Why      string
	Remedy   string // the command, or what to do
	File     string // where it would be declared, or is; empty: not in a file of this system
	Line     int    // 0: not known
	Patch    string // the lines for that file
	Change   Change // the same, for a program; zero: no change of the plan settles it
	Refused  bool
	Count    uint64
	First    time.Time
	Last     time.Time
	Evidence []Evidence // the newest first, at most 10
}

// Change is what settles a finding in a file of the plan, or is a part of that.
type Change struct {
	Part   bool     // the program must change, too, and first: alone it settles nothing
	Remove bool     // else it is added
	File   string   // empty: it is not in a file of this system
	Keys   []string // lead to the declaration
}

// ID names the finding of this kind about one caller and callee: f and eight
// hex digits.
func ID(code fault.Code, caller, callee string) string {
	sum := sha256.Sum256([]byte(string(code) + "\x00" + caller + "\x00" + callee))
	return "f" + hex.EncodeToString(sum[:4])
}

// IsID tells whether a text can be the ID of a finding.
func IsID(s string) bool {
	return len(s) == 9 && s[0] == 'f' && strings.Trim(s[1:], "0123456789abcdef") == ""
}

// Compare finds what differs, sorted by severity, caller, callee, code. A
// declared call is a finding when its caller was in use for so long without
// it; 0 means Unused.
func Compare(sys *plan.System, seen Observation, idle time.Duration, now time.Time) []Finding {
	if idle <= 0 {
		idle = Unused
	}
	declared := map[edge]bool{}
	for _, e := range plan.Edges(sys) {
		declared[edge{e.Caller, e.Callee}] = true
	}
	var findings []Finding
	for _, c := range seen.Calls {
		svc, known := sys.Service(c.Caller)
		if !known || c.Caller == c.Callee {
			continue
		}
		switch {
		case declared[edge{c.Caller, c.Callee}]:
			if c.Count == 0 && !c.DeclaredAt.IsZero() && c.Idle >= idle {
				findings = append(findings, unused(svc, c))
			}
		case c.Undeclared > 0 && now.Sub(c.Last) < Settled:
			findings = append(findings, undeclared(sys, svc, c))
		}
		if c.Actions.Chatty >= ChattyActions && len(c.Actions.Last) > 0 && now.Sub(c.Actions.Last[0].Time) < Recent {
			findings = append(findings, chatty(svc, c))
		}
	}
	findings = append(findings, cycles(sys, seen.Calls, now)...)
	findings = append(findings, chains(sys, seen.Chains, now)...)
	findings = append(findings, stores(sys, seen.Files, declared, now)...)
	findings = append(findings, single(sys)...)
	findings = append(findings, refused(sys, seen.Refusals, now)...)
	findings = append(findings, deaf(sys, seen.Consumers)...)
	findings = append(findings, overridden(sys, seen.Overrides)...)
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(string(a.Severity), string(b.Severity)), strings.Compare(a.Caller, b.Caller), strings.Compare(a.Callee, b.Callee), strings.Compare(string(a.Code), string(b.Code)))
	})
	return findings
}

// Unjudged is a declared call that was never made, by a caller that was not in
// use for long enough to say so.
type Unjudged struct {
	Caller, Callee string
	Idle, Of       time.Duration
}

// NotJudged are the declared calls of which Compare cannot say yet whether they
// are made; idle as there.
func NotJudged(sys *plan.System, seen []Call, idle time.Duration) (all []Unjudged) {
	if idle <= 0 {
		idle = Unused
	}
	declared := map[edge]bool{}
	for _, e := range plan.Edges(sys) {
		declared[edge{e.Caller, e.Callee}] = true
	}
	for _, c := range seen {
		if declared[edge{c.Caller, c.Callee}] && c.Count == 0 && !c.DeclaredAt.IsZero() && c.Idle < idle {
			all = append(all, Unjudged{c.Caller, c.Callee, c.Idle, idle})
		}
	}
	return all
}

// finding begins one about a service of the plan.
func finding(code fault.Code, caller plan.Service, callee string) Finding {
	return Finding{
		ID: ID(code, caller.Name, callee), Code: code, Severity: fault.Warning,
		Caller: caller.Name, Callee: callee, File: file(caller), Evidence: []Evidence{},
	}
}

// few are the newest of the evidence.
func few(all []Evidence) []Evidence {
	return append([]Evidence{}, all[:min(len(all), maxEvidence)]...)
}

// declare is the change by which a service declares a call, with its lines.
func declare(svc plan.Service, callee string) (Change, string) {
	return Change{File: file(svc), Keys: []string{"consumes", "services", callee}}, "consumes:\n  services:\n    " + callee + ": {}\n"
}

// undeclared is the finding about a call that happened.
func undeclared(sys *plan.System, caller plan.Service, c Call) Finding {
	f := finding(fault.DriftUndeclaredCall, caller, c.Callee)
	f.Count, f.First, f.Last, f.Evidence = c.Undeclared, c.First, c.Last, few(c.Evidence)
	f.What = c.Caller + " calls " + c.Callee + " without declaring it"
	f.Why = seenTimes(c)
	f.Change, f.Patch = declare(caller, c.Callee)
	if c.Refused > 0 {
		f.Severity, f.Refused = fault.Error, true
		f.What = c.Caller + " may not call " + c.Callee + ", which it does not declare"
	}
	outside := isOutside(sys, c.Callee)
	f.Remedy = remedy(c.Caller, c.Callee, outside)
	if outside {
		f.Why += "; " + c.Callee + " is not in the plan, but has registered itself"
		f.File, f.Patch, f.Change = "plat.yaml", "", Change{} // it must be known there first
		if declarable(c.Callee) {
			f.Patch = "external:\n  " + c.Callee + ": {url: http://" + c.Callee + ".internal, owner: " + caller.Owner + "}\n"
		}
	}
	return f
}

// unused is the finding about a declaration without a call.
func unused(caller plan.Service, c Call) Finding {
	f := finding(fault.DriftUnusedCall, caller, c.Callee)
	f.What = c.Caller + " declares that it calls " + c.Callee + ", and never did"
	f.Why = "it is declared since " + c.DeclaredAt.UTC().Format(time.DateTime) + ", and " + c.Caller + " was in use for " + span(c.Idle) + " since then"
	f.Remedy = "call it by PLAT_URL_" + plan.EnvName(c.Callee) + ", or plat plan remove " + c.Caller + " consumes " + c.Callee
	f.Change, _ = declare(caller, c.Callee)
	f.Change.Remove = true
	return f
}

// seenTimes says how often, and what last.
func seenTimes(c Call) string {
	times := strconv.FormatUint(c.Undeclared, 10) + " calls were seen"
	if c.Undeclared == 1 {
		times = "1 call was seen"
	}
	if c.Refused > 0 {
		times += ", " + strconv.FormatUint(c.Refused, 10) + " refused"
	}
	if len(c.Evidence) > 0 {
		last := c.Evidence[0]
		times += fmt.Sprintf(", the last %s %s", last.Method, last.Path)
	}
	return times
}

// remedy is what settles an undeclared call.
func remedy(caller, callee string, outside bool) string {
	add := "plat plan add " + caller + " consumes " + callee
	switch {
	case !outside:
		return add
	case declarable(callee):
		return "declare " + callee + " under external: in plat.yaml, then " + add
	}
	return "register " + callee + " under a name of lower-case letters, digits and hyphens, declare it under external: in plat.yaml, then plat plan add " + caller + " consumes NAME"
}

// isOutside tells whether the plan knows nobody of this name.
func isOutside(sys *plan.System, name string) bool {
	if _, ok := sys.Service(name); ok {
		return false
	}
	return !slices.ContainsFunc(sys.External, func(e plan.External) bool { return e.Name == name })
}

// declarable tells whether the plan can hold the name: a DNS label.
func declarable(name string) bool {
	if name == "" || len(name) > 63 || name[0] < 'a' || name[0] > 'z' || name[len(name)-1] == '-' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// file is where a service declares what it consumes; "" for one that is built
// elsewhere.
func file(svc plan.Service) string {
	if svc.Artifact != "" {
		return ""
	}
	return path.Join(svc.Dir, "service.yaml")
}

// span is a stretch of time for a person to read.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + " days"
	case d >= 2*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " hours"
	case d >= 2*time.Minute:
		return strconv.Itoa(int(d/time.Minute)) + " minutes"
	}
	return strconv.Itoa(int(d/time.Second)) + " s"
}
