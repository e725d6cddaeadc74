package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
)

// outsider is a registration and how its checks stand.
type outsider struct {
	*declared
	states map[string]*state // by check ID
}

// state is how one check stands. A check that is declared anew, and otherwise,
// gets another, so that a result under way counts for nothing.
type state struct {
	status  registry.Status
	output  string
	since   time.Time // when it became critical
	due     time.Time // a TTL ends, or the check is run; zero: never
	running bool
	good    int // in a row
	bad     int
}

func (s *state) set(status registry.Status, output string) {
	if status == registry.Critical && s.status != status {
		s.since = time.Now()
	}
	s.status, s.output = status, output
}

// change makes a new declaration of an instance from the one that is there
// (nil: none) and puts it in force; nil from it deregisters.
//
// INVARIANT: it is on disk before it is in force, and d.changing is held over
// both, so that the last on disk is the last in force.
func (d *Door) change(ctx context.Context, instance string, declare func(old *declared) (*declared, error)) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	old := d.declared(instance)
	if inst, ok := d.reg.Instance(instance); ok && inst.Source != Source {
		return protected(instance)
	}
	now, err := declare(old)
	if err != nil {
		return err
	}
	if now == nil {
		if err := d.keep(ctx, instance, old, nil); err != nil {
			return err
		}
		d.forget(instance)
		return nil
	}
	if old != nil && (old.Node != now.Node || old.ID != now.ID) {
		return fail(http.StatusConflict, fault.Newf(fault.RegistryTaken, "instance %q belongs to service ID %q of node %q", instance, old.ID, old.Node))
	}
	if err := now.valid(); err != nil {
		return err
	}
	if err := d.room(instance, now); err != nil {
		return err
	}
	if err := d.keep(ctx, instance, old, now); err != nil {
		return err
	}
	if err := d.put(now); err != nil {
		_ = d.keep(ctx, instance, now, old) // the next start finds the ID taken and lets go of it
		return err
	}
	return nil
}

func protected(instance string) error {
	return fail(http.StatusForbidden, fault.Newf(fault.ConsulProtected, "instance %q is run by plat", instance).
		Why("a program from outside can neither replace nor remove it, nor change its checks").Fix("change the plan, or register under another ID"))
}

func (d *Door) declared(instance string) *declared {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.outsiders[instance]; o != nil {
		return o.declared
	}
	return nil
}

// room tells whether there is room for a declaration, and whether its checks'
// IDs are free.
func (d *Door) room(instance string, now *declared) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := running(now); n > 0 { // most have none, and need not count those of all others
		probes := 0
		for id, o := range d.outsiders {
			if id != instance {
				probes += running(o.declared)
			}
		}
		if probes+n > MaxProbes {
			return fault.Newf(fault.ConsulFull, "plat runs %d checks, its limit is %d", probes, MaxProbes).Fix("use TTL checks")
		}
	}
	if d.outsiders[instance] == nil && len(d.outsiders) >= MaxOutsiders {
		return fault.Newf(fault.ConsulFull, "%d instances are registered from outside, the limit", MaxOutsiders)
	}
	for _, p := range now.Checks {
		if owner, ok := d.owners[checkKey(now.Node, p.ID)]; ok && owner != instance {
			return fail(http.StatusConflict, fault.Newf(fault.RegistryTaken, "check ID %q belongs to service %q", p.ID, owner).Fix("give the check an ID of its own"))
		}
	}
	return nil
}

func running(d *declared) (n int) {
	for _, p := range d.Checks {
		if p.runs() {
			n++
		}
	}
	return n
}

func checkKey(node, check string) string { return node + "\x00" + check }

// put brings a declaration into force. Checks that are declared as before
// stand as before.
func (d *Door) put(now *declared) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := now.instance()
	o := &outsider{declared: now, states: map[string]*state{}}
	old := d.outsiders[id]
	for _, p := range now.Checks {
		s := &state{status: p.Status}
		if old != nil {
			at := slices.IndexFunc(old.Checks, func(was probe) bool { return was.ID == p.ID })
			switch {
			case at < 0 || p.Kind == kindStatic:
			case same(old.Checks[at], p):
				s = old.states[p.ID]
			case old.Checks[at].Kind == p.Kind:
				s.status, s.output = old.states[p.ID].status, old.states[p.ID].output
			}
		}
		if s.status == registry.Critical && s.since.IsZero() {
			s.since = time.Now()
		}
		switch {
		case p.Kind == kindTTL:
			s.due = time.Now().Add(p.TTL)
		case p.runs() && s.due.IsZero():
			s.due = time.Now()
		}
		o.states[p.ID] = s
	}
	inst := registry.Instance{
		ID: id, Service: now.Service, Addr: now.addr(), Version: now.Meta["version"], Tags: now.Tags,
		Metadata: maps.Clone(now.Meta), Checks: o.checks(), Source: Source,
	}
	if err := d.reg.Register(inst, 0); err != nil {
		return err
	}
	if old != nil {
		d.disown(old)
	}
	d.outsiders[id] = o
	for _, p := range now.Checks {
		d.owners[checkKey(now.Node, p.ID)] = id
	}
	d.rouse()
	return nil
}

func same(a, b probe) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// checks is what the registry is told.
func (o *outsider) checks() []registry.Check {
	list := make([]registry.Check, 0, len(o.Checks)+1)
	for _, p := range o.Checks {
		s := o.states[p.ID]
		list = append(list, registry.Check{ID: p.ID, Status: s.status, Output: s.output})
	}
	if o.Maintenance {
		list = append(list, registry.Check{ID: maintenanceID(o.ID), Status: registry.Critical, Output: o.Reason})
	}
	return list
}

// tell brings the checks of an outsider to the registry; d.mu is held. plat's
// own instances take an ID when they need it: then the outsider is over.
func (d *Door) tell(o *outsider) {
	id := o.instance()
	if d.outsiders[id] == o && !d.reg.SetChecks(id, Source, o.checks()) {
		d.log.Warn("an instance that was registered from outside gave way to one of plat's own", "instance", id)
		d.disown(o)
		delete(d.outsiders, id)
		d.gaveWay = append(d.gaveWay, id)
		d.rouse()
	}
}

// erase takes what gave way from the disk, too.
func (d *Door) erase(ctx context.Context) {
	d.mu.Lock()
	gone := d.gaveWay
	d.gaveWay = nil
	d.mu.Unlock()
	d.changing.Lock()
	defer d.changing.Unlock()
	for _, id := range gone {
		if d.declared(id) != nil {
			continue // registered again meanwhile
		}
		if err := d.keep(ctx, id, nil, nil); err != nil {
			d.log.Warn("a registration that gave way stays on disk until the next time", "instance", id, "error", err)
		}
	}
}

// forget takes an outsider out of force.
func (d *Door) forget(instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.outsiders[instance]; o != nil {
		d.disown(o)
		delete(d.outsiders, instance)
	}
	d.reg.Withdraw(instance, Source)
}

// disown gives the IDs of an outsider's checks free; d.mu is held.
func (d *Door) disown(o *outsider) {
	for _, p := range o.Checks {
		delete(d.owners, checkKey(o.Node, p.ID))
	}
}

// keep brings a declaration to disk, if it is another; nil removes it.
func (d *Door) keep(ctx context.Context, instance string, old, now *declared) error {
	if d.o.Registrations == nil {
		return nil
	}
	if now == nil {
		_, err := d.o.Registrations.Delete(ctx, instance, false, registry.Any)
		return err
	}
	data, err := json.Marshal(now)
	if err != nil {
		return fmt.Errorf("encode registration: %w", err)
	}
	if old != nil {
		if was, err := json.Marshal(old); err == nil && bytes.Equal(was, data) {
			return nil
		}
	}
	_, err = d.o.Registrations.Put(ctx, registry.Pair{Key: instance, Value: data}, registry.Any)
	return err
}

// restore registers again what is on disk.
func (d *Door) restore() {
	if d.o.Registrations == nil {
		return
	}
	list, _ := d.o.Registrations.List("")
	for _, p := range list {
		now := &declared{}
		err := json.Unmarshal(p.Value, now)
		if err == nil {
			err = now.valid()
		}
		if err == nil {
			err = d.room(p.Key, now)
		}
		if err == nil {
			err = d.put(now)
		}
		if err != nil {
			d.log.Warn("an instance that was registered from outside could not be registered again", "instance", p.Key, "error", err)
		}
	}
}
