package chaos

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/whole"
)

// The verdicts about an experiment.
const (
	Steady    = "steady"     // what must hold held
	NotSteady = "not-steady" // it did not, and customers were not hurt beyond the limit
	Hurt      = "hurt"       // customers were, and it ended early
	Unwell    = "unwell"     // all held but the recovery
	Unclear   = "unclear"    // nothing failed for anybody, or nobody came
)

// Report is what an experiment showed.
type Report struct {
	ID         string     `json:"id"`
	Experiment Experiment `json:"experiment"`
	State      string     `json:"state"`           // running, done, stopped, not-begun
	Phase      string     `json:"phase,omitempty"` // while it runs: before, during, after
	Verdict    string     `json:"verdict,omitempty"`
	Scheduled  bool       `json:"scheduled,omitempty"`

	Started   time.Time `json:"started"`
	Injected  time.Time `json:"injected,omitzero"`
	Undone    time.Time `json:"undone,omitzero"`
	Recovered time.Time `json:"recovered,omitzero"` // all held again
	Ended     time.Time `json:"ended,omitzero"`

	Why      []string         `json:"why,omitempty"` // what did not hold
	Fault    *fault.Fault     `json:"fault,omitempty"`
	Journeys []JourneyCount   `json:"journeys"`
	Answers  Answers          `json:"answers"` // while things failed
	Played   map[string]Count `json:"played"`  // by the fault's ID
	Done     []Deed           `json:"done,omitempty"`
}

// JourneyCount is how a journey went while things failed.
type JourneyCount struct {
	Journey string  `json:"journey"`
	Passed  int     `json:"passed"`
	Failed  int     `json:"failed"`
	Before  float64 `json:"before"`          // seconds that it took when nothing failed
	Slowest float64 `json:"slowest"`         // that it took, where it passed
	First   *Run    `json:"first,omitempty"` // the first that failed
}

// Answers counts requests at the entrances.
type Answers struct {
	All uint64 `json:"all"`
	Bad uint64 `json:"bad"` // answered by 500 and above, or not at all
}

// Deed is something that was done to an instance.
type Deed struct {
	At       time.Time `json:"at"`
	Do       string    `json:"do"`
	Service  string    `json:"service"`
	Instance string    `json:"instance"`
	Replaced time.Time `json:"replaced,omitzero"` // plat began it anew
	Ready    time.Time `json:"ready,omitzero"`    // the new one was in rotation
}

// maxReports bounds what is kept of experiments.
const maxReports = 100

// reportsFolder is where reports are kept.
func (r *Room) reportsFolder() string { return filepath.Join(r.o.Folder, "chaos") }

// keep writes a report, and forgets the oldest beyond the bound.
func (r *Room) keep(report Report) error {
	if err := os.MkdirAll(r.reportsFolder(), 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	if err := whole.Write(filepath.Join(r.reportsFolder(), report.ID+".json"), text); err != nil {
		return err
	}
	files, err := os.ReadDir(r.reportsFolder())
	if err != nil {
		return err
	}
	var names []string
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".json") {
			names = append(names, f.Name())
		}
	}
	slices.Sort(names) // their IDs begin with the time
	for ; len(names) > maxReports; names = names[1:] {
		err = errors.Join(err, os.Remove(filepath.Join(r.reportsFolder(), names[0])))
	}
	return err
}

// Reports are those that are kept, the newest first; what cannot be read is
// passed over.
func (r *Room) Reports() []Report {
	all := []Report{}
	if now, running := r.Running(); running {
		all = append(all, now)
	}
	files, err := os.ReadDir(r.reportsFolder())
	if err != nil {
		return all
	}
	for _, f := range files {
		if report, err := r.read(f.Name()); err == nil && (len(all) == 0 || all[0].ID != report.ID) {
			all = append(all, report)
		}
	}
	slices.SortFunc(all, func(a, b Report) int { return -cmp.Compare(a.ID, b.ID) })
	return all
}

func (r *Room) read(name string) (report Report, err error) {
	text, err := os.ReadFile(filepath.Join(r.reportsFolder(), name)) // #nosec G304 -- of plat's own folder
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err == nil && report.State == Running { // plat ended in the middle
		report.State = Stopped
	}
	return report, err
}

// Report is the one of this ID, or the newest of an experiment of this name;
// empty is the newest of all.
func (r *Room) Report(which string) (Report, error) {
	now, running := r.Running()
	if running && now.ID == which {
		return now, nil
	}
	if filepath.Base(which) == which { // no path, whoever asks
		if report, err := r.read(which + ".json"); err == nil {
			return report, nil
		}
	}
	for _, report := range r.Reports() {
		if which == "" || report.Experiment.Name == which {
			return report, nil
		}
	}
	if which == "" {
		return Report{}, fault.New(fault.ChaosUnknown, "no experiment has run here").Fix("plat chaos list shows those that could")
	}
	return Report{}, fault.New(fault.ChaosUnknown, "there is no report of "+which).Fix("plat chaos list shows what has run")
}

// Running is the report of the experiment that runs, as far as it has come.
func (r *Room) Running() (Report, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.report == nil {
		return Report{}, false
	}
	return *r.report, true
}

// Failing names the experiment that lets something fail at this moment, or did
// and looks whether all is well again, for others than its own customers; empty
// when none does.
func (r *Room) Failing() string {
	now, running := r.Running()
	x := now.Experiment
	if !running || now.Phase == "before" || now.Phase == "" ||
		len(x.Harms) == 0 && !slices.ContainsFunc(x.Faults, func(f Fault) bool { return !f.Synthetic }) {
		return ""
	}
	return "the experiment " + x.Name + " (plat chaos report " + now.ID + ")"
}
