package objective

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Options say where alerts are kept and how they are told. Zero durations
// mean Alertmanager's: 30s, 5m and 4h; in the environment local, where a
// developer watches, 2s, 30s and 4h.
type Options struct {
	Folder      string        // for silences.json; empty: silences end with plat
	System      string        // a label of every alert
	Environment string        // likewise
	Console     func() string // address of the console, to complete links; nil: links stay paths

	Wait     time.Duration // from the first alert of a group to the first word
	Interval time.Duration // between words of a group that changes
	Repeat   time.Duration // until what goes on is told again
	Forget   time.Duration // a firing alert that is not told again so long has ended; 5m
}

// Bounds of what is kept.
const (
	maxAlerts      = 10_000
	rememberAlerts = 15 * time.Minute // an alert that ended is listed so long
)

// Alerts knows what fires, and tells it: grouped, once, and not what is
// silenced or explained by another alert. Its methods are safe for concurrent
// use.
type Alerts struct {
	o      Options
	pace   pace   // of the environment
	path   string // of the silences
	damage *fault.Fault
	wake   chan struct{} // of Run; holds one

	mu        sync.Mutex
	alerts    map[string]*known // by ID
	groups    map[string]*group // by key
	silences  []Silence
	receivers []Receiver
	version   int // of receivers
	dropped   uint64
	told      map[string]*Delivery // by receiver
	failing   func() string        // see Blame
}

// OpenAlerts reads the silences. What was damaged is told by Faults.
func OpenAlerts(o Options) (*Alerts, error) {
	wait, interval := 30*time.Second, 5*time.Minute
	if o.Environment == "local" {
		wait, interval = 2*time.Second, 30*time.Second
	}
	o.Wait, o.Interval, o.Repeat, o.Forget = cmp.Or(o.Wait, wait), cmp.Or(o.Interval, interval), cmp.Or(o.Repeat, 4*time.Hour), cmp.Or(o.Forget, 5*time.Minute)
	a := &Alerts{o: o, pace: paceOf(o.Environment), wake: make(chan struct{}, 1), alerts: map[string]*known{}, groups: map[string]*group{}, told: map[string]*Delivery{}}
	if o.Folder != "" {
		a.path = filepath.Join(o.Folder, "silences.json")
		var err error
		if a.silences, a.damage, err = loadSilences(a.path); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Blame has every alert marked that begins while failing names an experiment
// that lets something fail on purpose.
func (a *Alerts) Blame(failing func() string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failing = failing
}

func (a *Alerts) now() time.Time { return time.Now() }

// Faults tells what was found to be wrong when it was opened.
func (a *Alerts) Faults() []*fault.Fault {
	if a.damage == nil {
		return nil
	}
	return []*fault.Fault{a.damage}
}

// Take is told what fires and what has ended (EndsAt is set). What fires
// must be told again within Options.Forget, else it counts as ended; what is
// told twice is one alert.
func (a *Alerts) Take(_ context.Context, alerts []Alert) {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, alert := range alerts {
		a.take(alert.clone(), now)
	}
}

func (a *Alerts) take(alert Alert, now time.Time) {
	if alert.Labels == nil {
		return
	}
	for label, value := range map[string]string{"system": a.o.System, "environment": a.o.Environment} {
		if value != "" && alert.Labels[label] == "" {
			alert.Labels[label] = value
		}
	}
	id := alert.ID()
	k := a.alerts[id]
	blamed := ""
	switch {
	case k != nil && k.Firing():
		blamed = k.blamed
	case alert.Firing() && a.failing != nil:
		blamed = a.failing()
	}
	alert.blame(blamed)
	switch {
	case k == nil && !alert.Firing():
		return // nobody heard of it
	case k == nil && len(a.alerts) >= maxAlerts:
		a.dropped++
		return
	case k == nil:
		k = &known{windows: map[string]*sight{}}
		a.alerts[id] = k
	}
	k.blamed = blamed
	k.see(alert, now)
	a.settle(id, k, now)
}

// settle decides whether an alert goes on; the mutex is held.
func (a *Alerts) settle(id string, k *known, now time.Time) {
	if k.settle(now, a.pace) {
		a.group(k.Alert, now).members[id] = true
	}
}

// expire ends what was not told again, and forgets what ended long ago.
func (a *Alerts) expire(now time.Time) {
	for id, k := range a.alerts {
		k.forget(now, a.o.Forget)
		a.settle(id, k, now)
		if k.over(now, a.pace) && !a.grouped(id) {
			delete(a.alerts, id)
		}
	}
}

func (a *Alerts) grouped(id string) bool {
	for _, g := range a.groups {
		if g.members[id] {
			return true
		}
	}
	return false
}

// List gives what fires, and what ended within a quarter of an hour: pages
// before tickets, and the newest first.
func (a *Alerts) List() []Entry {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire(now)
	list := make([]Entry, 0, len(a.alerts))
	for id, k := range a.alerts {
		if k.Firing() || now.Sub(k.EndsAt) <= rememberAlerts {
			list = append(list, a.entry(id, k, now))
		}
	}
	slices.SortFunc(list, func(x, y Entry) int {
		return cmp.Or(rank(x)-rank(y), y.StartsAt.Compare(x.StartsAt), strings.Compare(x.ID, y.ID))
	})
	return list
}

func rank(e Entry) int {
	n := 0
	if !e.Firing() {
		n += 4
	}
	if e.Muted() {
		n += 2
	}
	if e.Labels["severity"] != Page {
		n++
	}
	return n
}

// entry is what is known of an alert; the mutex is held.
func (a *Alerts) entry(id string, k *known, now time.Time) Entry {
	e := Entry{Alert: k.clone(), ID: id, Windows: k.evidence(now, a.pace)}
	for _, s := range a.silences {
		if s.Active(now) && s.Matches(k.Labels) {
			e.Silences = append(e.Silences, s.ID)
		}
	}
	for _, i := range inhibitions() {
		if !i.target(k.Alert) {
			continue
		}
		for other, source := range a.alerts {
			if other != id && i.mutes(source.Alert, k.Alert, now, a.pace.memory(a.pace.tiers[0])) {
				e.Inhibitor = append(e.Inhibitor, other)
			}
		}
	}
	slices.Sort(e.Inhibitor)
	e.Inhibitor = slices.Compact(e.Inhibitor)
	return e
}

// Stats are the figures of alerts.
type Stats struct {
	Firing     int
	Dropped    uint64 // alerts beyond ten thousand
	Deliveries []Delivery
}

// Delivery is what became of what was told to one receiver since plat
// started.
type Delivery struct {
	Receiver  string
	Delivered uint64
	Failed    uint64    // given up after every attempt; told again at the next interval
	Error     string    // the last one; empty when the last delivery succeeded
	Last      time.Time // of the last attempt
}

// Stats gives the figures.
func (a *Alerts) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Stats{Dropped: a.dropped}
	for _, k := range a.alerts {
		if k.Firing() {
			s.Firing++
		}
	}
	for _, r := range a.receivers {
		d := Delivery{Receiver: r.Name()}
		if told := a.told[r.Name()]; told != nil {
			d = *told
		}
		s.Deliveries = append(s.Deliveries, d)
	}
	return s
}
