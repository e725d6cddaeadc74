package objective

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/whole"
)

// Matcher is a condition on a label; of an alert that lacks the label it is
// held against "".
type Matcher struct {
	Label string `json:"label"`
	Value string `json:"value"`
	Regex bool   `json:"regex,omitempty"` // Value is a pattern for the whole of it
	Not   bool   `json:"not,omitempty"`
}

func (m Matcher) matches(labels map[string]string) bool {
	found := labels[m.Label] == m.Value
	if m.Regex {
		re, err := regexp.Compile("^(?:" + m.Value + ")$")
		found = err == nil && re.MatchString(labels[m.Label])
	}
	return found != m.Not
}

// Silence mutes the alerts that all its matchers match, from Starts to Ends.
type Silence struct {
	ID       string    `json:"id"`
	Matchers []Matcher `json:"matchers"`
	By       string    `json:"by"`
	Reason   string    `json:"reason"`
	Starts   time.Time `json:"starts"`
	Ends     time.Time `json:"ends"`
}

// Active tells whether it mutes at that time.
func (s Silence) Active(at time.Time) bool { return !at.Before(s.Starts) && at.Before(s.Ends) }

// Matches tells whether it is about an alert with these labels.
func (s Silence) Matches(labels map[string]string) bool {
	for _, m := range s.Matchers {
		if !m.matches(labels) {
			return false
		}
	}
	return len(s.Matchers) > 0
}

// Bounds of silences.
const (
	maxSilence     = 30 * day
	maxSilences    = 1000
	maxMatchers    = 20
	maxSilenceText = 1000
	rememberEnded  = day // an ended silence is listed so long
	maxSilenceFile = 16 << 20
	silenceVersion = 1
)

// check finds why a silence cannot be made.
func (s Silence) check(now time.Time) *fault.Fault {
	refused := func(what, why string) *fault.Fault { return fault.New(fault.SilenceRefused, what).Why(why) }
	switch {
	case strings.TrimSpace(s.By) == "":
		return refused("the silence has no author", "expected who answers for it")
	case strings.TrimSpace(s.Reason) == "":
		return refused("the silence has no reason", "expected why nobody need be told")
	case len(s.By)+len(s.Reason) > maxSilenceText:
		return refused("the silence's words are too long", "expected at most 1000 bytes")
	case s.Ends.IsZero() || !s.Ends.After(now) || !s.Ends.After(s.Starts):
		return refused("the silence has no end to come", "expected when it ends, after it begins and after now")
	case s.Ends.Sub(now) > maxSilence:
		return refused("the silence lasts too long", "expected an end within 30 days")
	case len(s.Matchers) == 0 || len(s.Matchers) > maxMatchers:
		return refused("the silence matches by no label, or by too many", "expected 1 to 20 conditions such as service=order")
	}
	for _, m := range s.Matchers {
		if m.Label == "" {
			return refused("a condition names no label", "expected one such as service=order")
		}
		if _, err := regexp.Compile(m.Value); m.Regex && err != nil {
			return refused("the pattern for "+m.Label+" cannot be read", err.Error())
		}
	}
	if s.Matches(map[string]string{}) {
		return refused("the silence would match every alert", "expected at least one label that must be there")
	}
	return nil
}

type silenceFile struct {
	Version  int       `json:"version"`
	Silences []Silence `json:"silences"`
}

// loadSilences reads the file; a damaged one is moved aside and told by the
// fault.
func loadSilences(path string) ([]Silence, *fault.Fault, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	var text []byte
	if err == nil && info.Size() <= maxSilenceFile {
		text, err = os.ReadFile(path) // #nosec G304 -- a name of plat's own in the state folder
	}
	if err != nil {
		return nil, nil, fault.New(fault.SilencesUnfit, "the silences cannot be read").At(path, 0, 0).Because(err)
	}
	var f silenceFile
	if err := json.Unmarshal(text, &f); err != nil || f.Version != silenceVersion {
		damaged := fault.New(fault.SilencesDamaged, "the file of silences is damaged").At(path, 0, 0).Because(err).Warn()
		return nil, damaged, os.Rename(path, path+".damaged")
	}
	return f.Silences, nil, nil
}

// saveSilences writes the file whole, and onto the disk.
func saveSilences(path string, silences []Silence) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(silenceFile{silenceVersion, silences}, "", "  ")
	if err == nil {
		err = whole.Write(path, append(text, '\n'))
	}
	if err != nil {
		return fault.New(fault.SilencesUnfit, "the silences cannot be written").At(path, 0, 0).Because(err)
	}
	return nil
}

// Silence makes a silence and returns it with its ID. One without a start
// begins now. Faults: silence-refused, silences-unfit.
func (a *Alerts) Silence(s Silence) (Silence, error) {
	now := a.now()
	if s.Starts.Before(now) {
		s.Starts = now
	}
	if f := s.check(now); f != nil {
		return Silence{}, f
	}
	s.ID = strings.ToLower(rand.Text()[:8])
	s.Matchers = slices.Clone(s.Matchers)
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := slices.DeleteFunc(slices.Clone(a.silences), func(old Silence) bool { return now.Sub(old.Ends) > rememberEnded })
	if len(kept) >= maxSilences {
		return Silence{}, fault.New(fault.SilenceRefused, "there are a thousand silences").Why("expected fewer: more cannot be overlooked").Fix("plat silence list, and end what is not needed")
	}
	kept = append(kept, s)
	if err := saveSilences(a.path, kept); err != nil {
		return Silence{}, err
	}
	a.silences = kept
	return s, nil
}

// EndSilence ends a silence now. Faults: no-such-silence, silences-unfit.
func (a *Alerts) EndSilence(id string) error {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	at := slices.IndexFunc(a.silences, func(s Silence) bool { return s.ID == id })
	if at < 0 {
		return fault.Newf(fault.NoSuchSilence, "there is no silence %s", id)
	}
	if !a.silences[at].Ends.After(now) {
		return nil // it has ended already
	}
	changed := slices.Clone(a.silences)
	changed[at].Ends = now
	if err := saveSilences(a.path, changed); err != nil {
		return err
	}
	a.silences = changed
	a.hurry(now)
	return nil
}

// Silences lists them, what ends first first; those that ended within a day
// are among them.
func (a *Alerts) Silences() []Silence {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(a.silences), func(s Silence) bool { return now.Sub(s.Ends) > rememberEnded })
	slices.SortStableFunc(list, func(x, y Silence) int { return x.Ends.Compare(y.Ends) })
	return list
}

// Like makes the conditions that meet all alerts of the name, service,
// objective and owner of one; false when there is no such alert.
func (a *Alerts) Like(id string) ([]Matcher, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.alerts[id]
	if k == nil {
		return nil, false
	}
	var all []Matcher
	for _, label := range []string{"alertname", "service", "objective", "owner"} {
		if value := k.Labels[label]; value != "" {
			all = append(all, Matcher{Label: label, Value: value})
		}
	}
	return all, true
}
