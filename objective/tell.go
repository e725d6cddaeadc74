package objective

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Receiver is who is told: a webhook, owners by mail.
type Receiver interface {
	Name() string // tells receivers apart

	// Deliver tells. An error is tried again unless it wraps ErrRefused.
	Deliver(ctx context.Context, n Notification) error
}

// ErrRefused is wrapped by the errors of deliveries that would fail again.
var ErrRefused = errors.New("refused")

// Notification is what is told at once: a group of alerts.
type Notification struct {
	Key         string            // of the group
	GroupLabels map[string]string // what its alerts have in common: alertname, service, owner
	Alerts      []Entry           // firing ones first
	Console     string            // address of the console
}

// Firing is how many of its alerts fire.
func (n Notification) Firing() int {
	count := 0
	for _, a := range n.Alerts {
		if a.Firing() {
			count++
		}
	}
	return count
}

// group is alerts that are told together.
type group struct {
	key     string
	labels  map[string]string
	members map[string]bool // IDs
	next    time.Time       // when it is looked at
	records map[string]record
	waiting map[string]bool // receivers that are being told
}

// record is what a receiver was told of a group.
type record struct {
	at     time.Time
	firing map[string]string // severities, by ID
}

// group finds or makes the group of an alert; the mutex is held.
func (a *Alerts) group(alert Alert, now time.Time) *group {
	labels := map[string]string{}
	for _, name := range []string{"alertname", "service", "owner"} {
		labels[name] = alert.Labels[name]
	}
	key := fmt.Sprintf("{}:{alertname=%q, owner=%q, service=%q}", labels["alertname"], labels["owner"], labels["service"])
	g := a.groups[key]
	if g == nil {
		g = &group{key: key, labels: labels, members: map[string]bool{}, next: now.Add(a.o.Wait), records: map[string]record{}, waiting: map[string]bool{}}
		a.groups[key] = g
		a.poke()
	}
	return g
}

func (a *Alerts) poke() {
	select {
	case a.wake <- struct{}{}:
	default: // Run will look anyway
	}
}

// hurry has every group looked at soon, as after a silence ended; the mutex
// is held.
func (a *Alerts) hurry(now time.Time) {
	for _, g := range a.groups {
		if soon := now.Add(a.o.Wait); soon.Before(g.next) {
			g.next = soon
		}
	}
	a.poke()
}

// Tell sets who is told from now on, in place of whoever was before.
func (a *Alerts) Tell(receivers []Receiver) {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.receivers = slices.Clone(receivers)
	a.version++
	a.hurry(now)
}

// delivery is one notification on its way to one receiver.
type delivery struct {
	group  *group
	n      Notification
	firing map[string]string // severities, by ID
}

// maxWaiting bounds what waits for one receiver. What finds no room is told
// at its group's next interval.
const maxWaiting = 1000

// worker tells one receiver, one notification after the other, so that one
// that hangs holds up no other.
type worker struct {
	receiver Receiver
	queue    chan delivery
	stop     context.CancelFunc
}

// Run tells receivers until ctx ends.
func (a *Alerts) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers []worker
	version := -1
	for {
		now := a.now()
		a.mu.Lock()
		if version != a.version {
			version = a.version
			for _, w := range workers {
				w.stop()
			}
			for _, g := range a.groups {
				clear(g.waiting)
			}
			workers = a.employ(ctx, &running)
		}
		a.expire(now)
		next := a.look(now, workers)
		a.mu.Unlock()
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-a.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// employ starts a worker for each receiver; the mutex is held.
func (a *Alerts) employ(ctx context.Context, running *sync.WaitGroup) []worker {
	workers := make([]worker, len(a.receivers))
	for i, r := range a.receivers {
		own, stop := context.WithCancel(ctx)
		workers[i] = worker{r, make(chan delivery, maxWaiting), stop}
		running.Go(func() { a.work(own, r, workers[i].queue) })
	}
	return workers
}

// look tells what is due and says when to look again; the mutex is held.
func (a *Alerts) look(now time.Time, workers []worker) time.Time {
	next := now.Add(time.Minute)
	for key, g := range a.groups {
		if !g.next.After(now) {
			a.flush(g, now, workers)
			if len(g.members) == 0 {
				delete(a.groups, key)
				continue
			}
			g.next = now.Add(a.o.Interval)
		}
		if g.next.Before(next) {
			next = g.next
		}
	}
	return next
}

// flush tells each receiver what it does not know of a group yet.
func (a *Alerts) flush(g *group, now time.Time, workers []worker) {
	var firing, ended []Entry
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		k := a.alerts[id]
		if k == nil {
			delete(g.members, id)
			continue
		}
		switch e := a.entry(id, k, now); {
		case !e.Firing():
			ended = append(ended, e)
		case !e.Muted():
			firing = append(firing, e)
		}
	}
	owed := map[string]bool{} // ended ones that somebody is still to be told of
	for _, w := range workers {
		d, due := g.due(w.receiver.Name(), firing, ended, now, a.o.Repeat)
		for _, e := range ended {
			if g.waiting[w.receiver.Name()] || g.records[w.receiver.Name()].firing[e.ID] != "" && !e.Muted() {
				owed[e.ID] = true
			}
		}
		if !due {
			continue
		}
		if a.o.Console != nil {
			d.n.Console = a.o.Console()
		}
		select {
		case w.queue <- d:
			g.waiting[w.receiver.Name()] = true
		default: // it is told when the group is looked at again
			a.count(w.receiver.Name(), now, errors.New("too much waits for it"))
		}
	}
	for _, e := range ended {
		if !owed[e.ID] {
			delete(g.members, e.ID)
		}
	}
}

// due tells whether a receiver must be told, and what: something new fires, a
// ticket became a page, something that it knows of has ended, or what goes on was told long ago.
func (g *group) due(receiver string, firing, ended []Entry, now time.Time, repeat time.Duration) (delivery, bool) {
	if g.waiting[receiver] {
		return delivery{}, false
	}
	last := g.records[receiver]
	d := delivery{group: g, n: Notification{Key: g.key, GroupLabels: maps.Clone(g.labels), Alerts: slices.Clone(firing)}, firing: map[string]string{}}
	news := false
	for _, e := range firing {
		before, severity := last.firing[e.ID], cmp.Or(e.Labels["severity"], Ticket)
		d.firing[e.ID] = severity
		news = news || before == "" || before != Page && severity == Page
	}
	for _, e := range ended {
		if last.firing[e.ID] != "" && !e.Muted() {
			d.n.Alerts = append(d.n.Alerts, e)
			news = true
		}
	}
	return d, news || len(firing) > 0 && now.Sub(last.at) >= repeat
}

// How often a delivery is tried, and how long each try may take.
const (
	attempts       = 6
	firstPause     = time.Second
	attemptTimeout = 10 * time.Second
)

func (a *Alerts) work(ctx context.Context, r Receiver, queue <-chan delivery) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-queue:
			err := try(ctx, r, d.n)
			if ctx.Err() != nil {
				return // another worker tells it
			}
			now := a.now()
			a.mu.Lock()
			a.count(r.Name(), now, err)
			delete(d.group.waiting, r.Name())
			if err == nil {
				d.group.records[r.Name()] = record{now, d.firing}
			}
			a.mu.Unlock()
		}
	}
}

func try(ctx context.Context, r Receiver, n Notification) error {
	pause := firstPause
	for i := 1; ; i++ {
		own, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := r.Deliver(own, n)
		cancel()
		if err == nil || errors.Is(err, ErrRefused) || i == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// count remembers how a delivery went; the mutex is held.
func (a *Alerts) count(receiver string, now time.Time, err error) {
	d := a.told[receiver]
	if d == nil {
		d = &Delivery{Receiver: receiver}
		a.told[receiver] = d
	}
	d.Last, d.Error = now, ""
	if err == nil {
		d.Delivered++
		return
	}
	d.Failed++
	d.Error = err.Error()
}
