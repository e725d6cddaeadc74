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

// Settled is how long a difference must or may last: an undeclared call that
// did not happen again for so long is no finding any more, and a declared call
// becomes one when it was not used for so long since it was declared.
const Settled = 7 * 24 * time.Hour

// maxEvidence bounds the evidence of one finding.
const maxEvidence = 10

// Observation is what was seen of the calls.
type Observation struct{ Calls []Call }

// Call is what was seen of the calls of one service by another.
type Call struct {
	Caller     string
	Callee     string
	DeclaredAt time.Time // when the declaration was first seen; zero: it is not declared
	Count      uint64    // of all calls

	// Of those that were not declared at their time:
	Undeclared  uint64
	Refused     uint64
	First, Last time.Time
	Evidence    []Evidence // the newest first
}

// Evidence is one call that was seen.
type Evidence struct {
	ID            string
	Time          time.Time
	Method        string
	Path          string
	Status        int
	CorrelationID string
}

// Finding is one difference between the plan and what was seen.
type Finding struct {
	ID       string // the same as long as the difference lasts
	Code     fault.Code
	Severity fault.Severity
	Caller   string
	Callee   string
	What     string
	Why      string
	Remedy   string // the command, or what to do
	File     string // where it would be declared, or is; empty: not in a file of this system
	Line     int    // 0: not known
	Patch    string // the lines for that file
	Refused  bool
	Count    uint64
	First    time.Time
	Last     time.Time
	Evidence []Evidence // the newest first, at most 10
}

// ID names the finding of this kind about one caller and callee: f and eight
// hex digits.
func ID(code fault.Code, caller, callee string) string {
	sum := sha256.Sum256([]byte(string(code) + "\x00" + caller + "\x00" + callee))
	return "f" + hex.EncodeToString(sum[:4])
}

// Compare finds what differs, sorted by severity, caller, callee: calls of the
// plan's services that happened without being declared (a warning, an error
// once one was refused), and calls that are declared for Settled and were
// never used (a warning).
func Compare(sys *plan.System, seen Observation, now time.Time) []Finding {
	declared := map[edge]bool{}
	for _, e := range plan.Edges(sys) {
		declared[edge{e.Caller, e.Callee}] = true
	}
	var findings []Finding
	for _, c := range seen.Calls {
		svc, known := sys.Service(c.Caller)
		switch {
		case !known || c.Caller == c.Callee:
		case declared[edge{c.Caller, c.Callee}]:
			if c.Count == 0 && !c.DeclaredAt.IsZero() && now.Sub(c.DeclaredAt) >= Settled {
				findings = append(findings, unused(svc, c, now))
			}
		case c.Undeclared > 0 && now.Sub(c.Last) < Settled:
			findings = append(findings, undeclared(sys, svc, c))
		}
	}
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(string(a.Severity), string(b.Severity)), strings.Compare(a.Caller, b.Caller), strings.Compare(a.Callee, b.Callee))
	})
	return findings
}

// undeclared is the finding about a call that happened.
func undeclared(sys *plan.System, caller plan.Service, c Call) Finding {
	f := Finding{
		ID: ID(fault.DriftUndeclaredCall, c.Caller, c.Callee), Code: fault.DriftUndeclaredCall, Severity: fault.Warning,
		Caller: c.Caller, Callee: c.Callee, Count: c.Undeclared, First: c.First, Last: c.Last,
		Evidence: c.Evidence[:min(len(c.Evidence), maxEvidence)],
		What:     c.Caller + " calls " + c.Callee + " without declaring it",
		Why:      seenTimes(c),
		File:     file(caller),
		Patch:    "consumes:\n  services:\n    " + c.Callee + ": {}\n",
	}
	if c.Refused > 0 {
		f.Severity, f.Refused = fault.Error, true
		f.What = c.Caller + " may not call " + c.Callee + ", which it does not declare"
	}
	outside := isOutside(sys, c.Callee)
	f.Remedy = remedy(c.Caller, c.Callee, outside)
	if outside {
		f.Why += "; " + c.Callee + " is not in the plan, but has registered itself"
		f.File, f.Patch = "plat.yaml", "" // it must be known there first
		if declarable(c.Callee) {
			f.Patch = "external:\n  " + c.Callee + ": {url: http://" + c.Callee + ".internal, owner: " + caller.Owner + "}\n"
		}
	}
	return f
}

// unused is the finding about a declaration without a call.
func unused(caller plan.Service, c Call, now time.Time) Finding {
	where := "the plan of " + c.Caller
	if f := file(caller); f != "" {
		where = f
	}
	return Finding{
		ID: ID(fault.DriftUnusedCall, c.Caller, c.Callee), Code: fault.DriftUnusedCall, Severity: fault.Warning,
		Caller: c.Caller, Callee: c.Callee, File: file(caller), Evidence: []Evidence{},
		What:   c.Caller + " declares that it calls " + c.Callee + ", and never did",
		Why:    "it is declared since " + c.DeclaredAt.UTC().Format(time.DateOnly) + ", " + days(now.Sub(c.DeclaredAt)),
		Remedy: "take " + c.Callee + " out of consumes: services in " + where + ", or call it by " + "PLAT_URL_" + plan.EnvName(c.Callee),
	}
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

func days(d time.Duration) string {
	if n := int(d / (24 * time.Hour)); n != 1 {
		return strconv.Itoa(n) + " days"
	}
	return "1 day"
}
