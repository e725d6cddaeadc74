package event

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/plat-dev/plat/plan"
)

// What a worker that pushes events does at most.
const (
	PushAtOnce = 8  // events of one consumer under way to its service
	pushInHand = 16 // those that wait for their turn included

	pushStop      = 5 * time.Second        // what is under way gets so long when the worker ends
	pushLook      = 200 * time.Millisecond // between two looks whether the service is there
	pushFirst     = time.Second            // pause after the first failure
	pushGrowth    = 5                      // of the pause: a blip is soon over, an outage is outlasted
	pushLongest   = 10 * time.Minute       // also of those that a service asks for
	pushHeartbeat = AckWait / 3
)

// Receiver hands events to services; a door fulfils it. Its methods are safe
// for concurrent use.
type Receiver interface {
	// Ready tells whether somebody could answer for the service now.
	Ready(service string) bool
	// Receive hands one event to a service at a path, once, and returns nil
	// when the service took it. An error that is a *Refusal tells more. The
	// event was published at that time.
	Receive(ctx context.Context, service, path string, e Event, published time.Time) error
}

// Refusal is why a service did not take an event.
type Refusal struct {
	Reason string        // one line, for the dead letter
	After  time.Duration // the pause that the service asks for; 0: none
	Absent bool          // nobody was there to answer: it does not count as a delivery
}

// Error is the reason.
func (f *Refusal) Error() string { return f.Reason }

// PushReport is how the events of one consumer get to its service.
type PushReport struct {
	Path        string    `json:"path"`
	Waiting     bool      `json:"waiting,omitempty"` // the service has nobody in rotation: nothing is delivered
	InHand      int       `json:"inHand"`            // events under way, or waiting for their turn
	Delivered   uint64    `json:"delivered"`         // taken by the service since plat started
	Failed      uint64    `json:"failed"`            // deliveries that it did not take
	Last        time.Time `json:"last,omitzero"`     // when it last took one
	LastFailure time.Time `json:"lastFailure,omitzero"`
	Error       string    `json:"error,omitempty"` // of the last failure
}

// pushing keeps a worker for each consumer that is pushed to, as the last
// Apply has them, until ctx ends. It returns when all workers have ended.
func (r *Room) pushing(ctx context.Context) {
	running := map[string]*worker{}
	for {
		wanted := r.pushed()
		var ending []*worker
		for key, w := range running {
			if c, still := wanted[key]; !still || c != w.consumer || ctx.Err() != nil {
				w.stop()
				ending = append(ending, w)
				delete(running, key)
			}
		}
		for _, w := range ending {
			<-w.done
		}
		if ctx.Err() != nil {
			return
		}
		for key, c := range wanted {
			if running[key] == nil {
				running[key] = r.startWorker(ctx, c)
			}
		}
		r.mu.Lock()
		r.workers = make(map[string]*worker, len(running))
		for key, w := range running {
			r.workers[key] = w
		}
		r.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-r.changed:
		}
	}
}

// pushed lists the consumers that are pushed to, by stream/name.
func (r *Room) pushed() map[string]plan.Consumer {
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := map[string]plan.Consumer{}
	for key, c := range r.consumers {
		if c.Push != "" && r.receiver != nil {
			wanted[key] = c
		}
	}
	return wanted
}

// worker hands the events of one consumer to its service. Events of one key
// (ce-subject) take the same lane, one after the other.
type worker struct {
	room     *Room
	consumer plan.Consumer
	stop     context.CancelFunc
	done     chan struct{}

	slots chan struct{} // one for each event in hand
	lanes [PushAtOnce]chan Delivery

	mu     sync.Mutex
	inHand map[Delivery]struct{}
	report PushReport
}

func (r *Room) startWorker(ctx context.Context, c plan.Consumer) *worker {
	w := &worker{
		room: r, consumer: c, done: make(chan struct{}), slots: make(chan struct{}, pushInHand),
		inHand: map[Delivery]struct{}{}, report: PushReport{Path: c.Push},
	}
	ctx, w.stop = context.WithCancel(ctx)
	for i := range w.lanes {
		w.lanes[i] = make(chan Delivery, pushInHand)
	}
	go func() {
		defer close(w.done)
		defer w.stop()
		w.run(ctx)
	}()
	return w
}

// run pulls and hands out until ctx ends; then it waits for what is under way.
func (w *worker) run(ctx context.Context) {
	var lanes, beat sync.WaitGroup
	stopBeat := make(chan struct{})
	beat.Go(func() { w.heartbeat(stopBeat) })
	for _, lane := range w.lanes {
		lanes.Go(func() {
			for d := range lane {
				w.deliver(ctx, d)
				w.let(d)
			}
		})
	}
	w.pull(ctx)
	for _, lane := range w.lanes {
		close(lane)
	}
	lanes.Wait()
	close(stopBeat)
	beat.Wait()
}

// pull takes events from the broker as long as the service is there and there
// is a slot for them. What no service could answer stays in the broker.
func (w *worker) pull(ctx context.Context) {
	pause := 50 * time.Millisecond
	for next := 0; w.ready(ctx); {
		select {
		case <-ctx.Done():
			return
		case w.slots <- struct{}{}:
		}
		d, err := w.room.broker.Next(ctx, w.consumer.Stream, w.consumer.Name)
		if err != nil {
			<-w.slots
			if ctx.Err() == nil {
				w.room.log.DebugContext(ctx, "no event from the broker; asking again", "consumer", w.consumer.Name, "error", err)
			}
			wait(ctx, pause)
			pause = min(2*pause, 5*time.Second)
			continue
		}
		pause = 50 * time.Millisecond
		w.mu.Lock()
		w.inHand[d] = struct{}{}
		w.mu.Unlock()
		lane := next
		if key := d.Message().Header["ce-subject"]; len(key) > 0 {
			h := fnv.New32a()
			_, _ = h.Write([]byte(key[0])) // never fails
			lane = int(h.Sum32() % PushAtOnce)
		} else {
			next = (next + 1) % PushAtOnce
		}
		w.lanes[lane] <- d // INVARIANT: never blocks, a lane has room for all slots
	}
}

// ready waits until the service is there; false when ctx ended.
func (w *worker) ready(ctx context.Context) bool {
	for ctx.Err() == nil {
		there := w.room.receiver.Ready(w.consumer.Service)
		w.mu.Lock()
		w.report.Waiting = !there
		w.mu.Unlock()
		if there {
			return true
		}
		wait(ctx, pushLook)
	}
	return false
}

// let forgets an event that was answered.
func (w *worker) let(d Delivery) {
	w.mu.Lock()
	delete(w.inHand, d)
	w.mu.Unlock()
	<-w.slots
}

// heartbeat keeps the broker from delivering again what is in hand.
func (w *worker) heartbeat(stop <-chan struct{}) {
	ticker := time.NewTicker(pushHeartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		w.mu.Lock()
		all := make([]Delivery, 0, len(w.inHand))
		for d := range w.inHand {
			all = append(all, d)
		}
		w.mu.Unlock()
		for _, d := range all {
			_ = d.Working() // without the broker the event comes again
		}
	}
}

// deliver hands one event to the service and answers the broker.
func (w *worker) deliver(ctx context.Context, d Delivery) {
	m := d.Message()
	e, err := FromMessage(m.Subject, m.Header, m.Data)
	if err != nil {
		w.answer(ctx, d, e, &Refusal{Reason: "not a valid event: " + err.Error()}, true)
		return
	}
	for pause := pushLook; ; pause = min(2*pause, 5*time.Second) {
		if !w.ready(ctx) {
			// Plat ends, or the plan says otherwise. The broker remembers a
			// pause over its end, but no return without one.
			w.answered(ctx, e, d.Again(time.Millisecond))
			return
		}
		err := w.receive(ctx, e, m.Time)
		var refusal *Refusal
		if !errors.As(err, &refusal) || !refusal.Absent {
			w.answer(ctx, d, e, err, false)
			return
		}
		w.note(refusal)
		wait(ctx, pause)
	}
}

// receive may finish what it has begun when the worker ends. What plat cuts
// off then says nothing about the service.
func (w *worker) receive(ctx context.Context, e Event, published time.Time) error {
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		wait(inner, pushStop)
		cancel(errEnding)
	})()
	err := w.room.receiver.Receive(inner, w.consumer.Service, w.consumer.Push, e, published)
	if err != nil && errors.Is(context.Cause(inner), errEnding) {
		return &Refusal{Reason: errEnding.Error(), Absent: true}
	}
	return err
}

var errEnding = errors.New("plat ended while the service handled the event")

// answer tells the broker what became of a delivery.
func (w *worker) answer(ctx context.Context, d Delivery, e Event, err error, hopeless bool) {
	log := w.room.log.With("consumer", w.consumer.Name, "type", e.Type, "id", e.ID, "attempt", d.Message().Attempt)
	if err == nil {
		w.note(nil)
		confirm, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushStop)
		defer cancel()
		w.answered(ctx, e, d.Acknowledge(confirm))
		return
	}
	w.note(err)
	reason := oneLine(err.Error())
	if hopeless || d.Message().Attempt > w.consumer.Retries {
		log.ErrorContext(ctx, "a pushed event becomes a dead letter", "error", reason)
		w.answered(ctx, e, d.GiveUp(reason))
		return
	}
	pause := w.pause(d.Message().Attempt)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		pause = max(pause, min(refusal.After, pushLongest))
	}
	log.WarnContext(ctx, "a pushed event was not taken and comes again", "in", pause.Round(time.Millisecond).String(), "error", reason)
	w.answered(ctx, e, d.Again(pause))
}

func (w *worker) answered(ctx context.Context, e Event, err error) {
	if err != nil {
		w.room.log.DebugContext(ctx, "the broker did not hear the answer: the event comes again", "consumer", w.consumer.Name, "id", e.ID, "error", err)
	}
}

// pause grows from delivery to delivery, with jitter.
func (w *worker) pause(attempt int) time.Duration {
	d := w.room.pushFirst
	for ; attempt > 1 && d < pushLongest; attempt-- {
		d *= pushGrowth
	}
	d = min(d, pushLongest)
	return d - rand.N(d/5+1) // #nosec G404 -- jitter, no secret
}

// note counts what became of a delivery.
func (w *worker) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.report.Delivered++
		w.report.Last = time.Now().UTC()
		return
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) || !refusal.Absent {
		w.report.Failed++
	}
	w.report.LastFailure, w.report.Error = time.Now().UTC(), oneLine(err.Error())
}

func (w *worker) state() PushReport {
	w.mu.Lock()
	defer w.mu.Unlock()
	report := w.report
	report.InHand = len(w.inHand)
	return report
}

// pushState is the report of a consumer that is pushed to, or was until a
// moment ago and still is; nil for others.
func (r *Room) pushState(key string) *PushReport {
	r.mu.Lock()
	c, w := r.consumers[key], r.workers[key]
	r.mu.Unlock()
	switch {
	case w != nil:
		report := w.state()
		return &report
	case c.Push != "":
		return &PushReport{Path: c.Push, Waiting: true}
	}
	return nil
}

// wait waits, or not when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
