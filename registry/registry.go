// Package registry knows which instances run, where they listen, in which
// version and how their checks stand. It is the only truth about who is in
// rotation: the gateway, discovery and the console read it, the runner and
// (through doors) outside programs write it.
//
// It keeps everything in memory: what runs is told again by whoever runs it.
// An instance has a source: plat itself, or the door by which an outsider
// registered it; no source can touch what another has registered.
// It must never import another room or a wire format; those are doors
// (registry/dns, registry/consul).
package registry

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Status is the outcome of a check, or the worst of an instance's checks.
type Status string

// An instance takes part in rotation while it is Passing or Warning.
const (
	Passing  Status = "passing"
	Warning  Status = "warning"
	Critical Status = "critical"
)

// Check is one health check of an instance.
type Check struct {
	ID     string    `json:"id"`
	Status Status    `json:"status"`
	Output string    `json:"output,omitempty"` // what the check last said, at most MaxOutput bytes
	Since  time.Time `json:"since"`            // when Status last changed
}

// Instance is one running copy of a service.
type Instance struct {
	ID         string            `json:"id"`
	Service    string            `json:"service"`
	Addr       string            `json:"addr"` // host:port
	Version    string            `json:"version,omitempty"`
	Tags       []string          `json:"tags,omitempty"` // in the order given
	Metadata   map[string]string `json:"metadata,omitempty"`
	Checks     []Check           `json:"checks"` // sorted by ID
	Registered time.Time         `json:"registered"`
	Expires    time.Time         `json:"expires,omitzero"` // end of the lease; zero: none

	// Source is the door by which an outsider registered the instance; empty
	// for plat's own. It also stands in Metadata, under MetaSource.
	Source   string `json:"source,omitempty"`
	Created  uint64 `json:"created"`  // index of the registration; set by the registry
	Modified uint64 `json:"modified"` // index of the last change; set by the registry
}

// MetaSource is the key in an instance's metadata that names its Source.
const MetaSource = "source"

// Status is the worst of the instance's checks; Passing without any.
func (i Instance) Status() Status {
	worst := Passing
	for _, c := range i.Checks {
		if c.Status == Critical {
			return Critical
		}
		if c.Status == Warning {
			worst = Warning
		}
	}
	return worst
}

// Limits of what one registry holds and keeps.
const (
	MaxInstances = 10_000
	MaxChecks    = 32
	MaxOutput    = 4 << 10

	maxGone = 4096 // services without instances whose index is remembered
)

// Registry holds instances. The zero value is not usable; see New. All its
// methods are safe for concurrent use.
type Registry struct {
	now func() time.Time

	mu        sync.Mutex
	index     uint64                         // of the last change; grows by one with each
	floor     uint64                         // index of every service that was never seen, or is long gone
	names     uint64                         // index of the last change of which instances there are, or of their tags
	instances map[string]Instance            // by ID; values are replaced, never changed in place
	services  map[string]map[string]Instance // by service, then ID: a reader of one service sees only its own
	indexes   map[string]uint64              // of each service's last change, also of those that are gone
	watchers  map[string]map[chan struct{}]struct{}
	wake      chan struct{} // tells Run that the next expiry may be nearer
	expired   uint64
}

// New makes an empty registry. Leases end only while Run runs.
//
// INVARIANT: an index never goes backwards, also over a restart: it begins with
// the microseconds since 1970, and no registry changes a million times a second
// for long. A clock that was set back breaks this, and readers that are ahead
// must be told so instead of made to wait.
func New() *Registry {
	r := &Registry{
		now:       time.Now,
		instances: map[string]Instance{},
		services:  map[string]map[string]Instance{},
		indexes:   map[string]uint64{},
		watchers:  map[string]map[chan struct{}]struct{}{},
		wake:      make(chan struct{}, 1),
	}
	r.index = uint64(max(1, r.now().UnixMicro())) // #nosec G115 -- above zero
	r.floor, r.names = r.index, r.index
	return r
}

// Register adds an instance, or replaces the one with its ID. With a lease it
// must be renewed within that time or it is removed; 0 is no lease. plat's own
// instances replace whatever has their ID; one with a Source replaces none but
// those of its Source. Errors: registry-invalid for a missing ID, service or
// address, registry-full beyond MaxInstances, registry-taken for an ID that
// another source has.
func (r *Registry) Register(inst Instance, lease time.Duration) error {
	if inst.ID == "" || inst.Service == "" || inst.Addr == "" || len(inst.Checks) > MaxChecks {
		return fault.Newf(fault.RegistryInvalid, "instance %q of service %q at %q cannot be registered", inst.ID, inst.Service, inst.Addr).
			Why("an instance needs an ID, a service and an address, and has at most 32 checks")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old, known := r.instances[inst.ID]
	if !known && len(r.instances) >= MaxInstances {
		return fault.Newf(fault.RegistryFull, "the registry holds %d instances, its limit", MaxInstances)
	}
	if known && inst.Source != "" && old.Source != inst.Source {
		return fault.Newf(fault.RegistryTaken, "instance %q is known and belongs to %s", inst.ID, owner(old.Source))
	}
	inst.Tags = slices.Clone(inst.Tags)
	inst.Metadata = maps.Clone(inst.Metadata)
	if inst.Source != "" {
		if inst.Metadata == nil {
			inst.Metadata = map[string]string{}
		}
		inst.Metadata[MetaSource] = inst.Source
	}
	inst.Checks = slices.Clone(inst.Checks)
	slices.SortFunc(inst.Checks, func(a, b Check) int { return strings.Compare(a.ID, b.ID) })
	now := r.now()
	for i := range inst.Checks {
		if inst.Checks[i].Since.IsZero() {
			inst.Checks[i].Since = now
		}
		inst.Checks[i].Output = truncate(inst.Checks[i].Output)
	}
	inst.Registered, inst.Created = now, 0
	if known && old.Service == inst.Service {
		inst.Registered, inst.Created = old.Registered, old.Created
	} else if known {
		r.remove(old)
	}
	inst.Expires = time.Time{}
	if lease > 0 {
		inst.Expires = now.Add(lease)
	}
	r.put(inst)
	return nil
}

// Renew prolongs an instance's lease, counted from now, and tells whether the
// instance is known. It is no change to watchers.
func (r *Registry) Renew(id string, lease time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	inst, ok := r.instances[id]
	if !ok {
		return false
	}
	inst.Expires = r.now().Add(lease)
	r.instances[id] = inst
	r.services[inst.Service][id] = inst
	r.signal()
	return true
}

// Deregister removes an instance and tells whether it was there.
func (r *Registry) Deregister(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	inst, ok := r.instances[id]
	if ok {
		r.remove(inst)
	}
	return ok
}

// Withdraw removes an instance if it is of that source, and tells whether it
// was.
func (r *Registry) Withdraw(id, source string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	inst, ok := r.instances[id]
	if !ok || inst.Source != source {
		return false
	}
	r.remove(inst)
	return true
}

// SetChecks replaces all checks of an instance if it is of that source, and
// tells whether it was. A check whose status did not change keeps its Since. A
// new output with the old status is no change to watchers: outsiders like to put
// the time into it. At most MaxChecks are kept.
func (r *Registry) SetChecks(id, source string, checks []Check) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	inst, ok := r.instances[id]
	if !ok || inst.Source != source {
		return false
	}
	now := r.now()
	checks = slices.Clone(checks[:min(len(checks), MaxChecks)])
	slices.SortFunc(checks, func(a, b Check) int { return strings.Compare(a.ID, b.ID) })
	for i := range checks {
		c := &checks[i]
		c.Output, c.Since = truncate(c.Output), now
		at, found := slices.BinarySearchFunc(inst.Checks, c.ID, func(c Check, id string) int { return strings.Compare(c.ID, id) })
		if found && inst.Checks[at].Status == c.Status {
			c.Since = inst.Checks[at].Since
		}
	}
	same := slices.EqualFunc(checks, inst.Checks, func(a, b Check) bool { return a.ID == b.ID && a.Status == b.Status })
	inst.Checks = checks
	if !same {
		r.put(inst)
		return true
	}
	r.instances[id] = inst
	r.services[inst.Service][id] = inst
	return true
}

// SetCheck records the outcome of one check and tells whether the instance is
// known and has room for the check. An unchanged status with an unchanged
// output is no change to watchers.
func (r *Registry) SetCheck(id, check string, status Status, output string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	inst, ok := r.instances[id]
	if !ok {
		return false
	}
	output = truncate(output)
	inst.Checks = slices.Clone(inst.Checks)
	at, found := slices.BinarySearchFunc(inst.Checks, check, func(c Check, id string) int { return strings.Compare(c.ID, id) })
	if !found {
		if len(inst.Checks) >= MaxChecks {
			return false
		}
		inst.Checks = slices.Insert(inst.Checks, at, Check{ID: check})
	}
	c := &inst.Checks[at]
	if c.Status == status && c.Output == output {
		return true
	}
	if c.Status != status {
		c.Since = r.now()
	}
	c.Status, c.Output = status, output
	r.put(inst)
	return true
}

// Services lists the names that have instances, sorted.
func (r *Registry) Services() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.services))
}

// Instances lists a service's instances by ID, and the index of the service's
// last change, for Changed.
func (r *Registry) Instances(service string) ([]Instance, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.SortedFunc(maps.Values(r.services[service]), func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	index, ok := r.indexes[service]
	if !ok {
		index = r.floor
	}
	return list, index
}

// All lists every instance by service and ID, the index of the last change of
// anything, and that of the last change of which instances there are, in which
// service and with which tags.
func (r *Registry) All() (list []Instance, index, names uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list = slices.SortedFunc(maps.Values(r.instances), func(a, b Instance) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.ID, b.ID))
	})
	return list, r.index, r.names
}

// Index tells the index of a service's last change, or of anything's for "",
// also when the service has no instances any more, and the index of the last
// change of which instances there are or of their tags. It costs nothing.
func (r *Registry) Index(service string) (index, names uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if service == "" {
		return r.index, r.names
	}
	index, ok := r.indexes[service]
	if !ok {
		index = r.floor
	}
	return index, r.names
}

// Instance finds one instance.
func (r *Registry) Instance(id string) (Instance, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	inst, ok := r.instances[id]
	return inst, ok
}

// Expired counts the instances that were removed because nobody renewed them.
func (r *Registry) Expired() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.expired
}

// Watch tells of a service's changes (of any service's, for ""): the channel
// has a value when something changed since the last receive. Changes that
// nobody received yet are one, so a slow reader holds nothing up. The first
// value is there at once. The channel is released when ctx ends; it is never
// closed.
func (r *Registry) Watch(ctx context.Context, service string) <-chan struct{} {
	ch := make(chan struct{}, 1)
	ch <- struct{}{}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watchers[service] == nil {
		r.watchers[service] = map[chan struct{}]struct{}{}
	}
	r.watchers[service][ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers[service], ch)
		if len(r.watchers[service]) == 0 {
			delete(r.watchers, service)
		}
	})
	return ch
}

// Run ends leases until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(r.expire())
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-timer.C:
		}
	}
}

// expire removes what is over and says how long until the next may be.
func (r *Registry) expire() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, next := r.now(), time.Hour
	for _, inst := range r.instances {
		if inst.Expires.IsZero() {
			continue
		}
		left := inst.Expires.Sub(now)
		if left <= 0 {
			r.remove(inst)
			r.expired++
			continue
		}
		next = min(next, left)
	}
	return next
}

// put stores an instance and tells the watchers; r.mu is held.
func (r *Registry) put(inst Instance) {
	old, known := r.instances[inst.ID]
	r.changed(inst.Service, !known || old.Addr != inst.Addr || !slices.Equal(old.Tags, inst.Tags))
	inst.Modified = r.index
	if inst.Created == 0 {
		inst.Created = r.index
	}
	r.instances[inst.ID] = inst
	if r.services[inst.Service] == nil {
		r.services[inst.Service] = map[string]Instance{}
	}
	r.services[inst.Service][inst.ID] = inst
	if !inst.Expires.IsZero() {
		r.signal()
	}
}

// remove forgets an instance and tells the watchers; r.mu is held.
func (r *Registry) remove(inst Instance) {
	delete(r.instances, inst.ID)
	delete(r.services[inst.Service], inst.ID)
	if len(r.services[inst.Service]) == 0 {
		delete(r.services, inst.Service)
	}
	r.changed(inst.Service, true)
	if len(r.indexes) > len(r.services)+maxGone {
		r.forget()
	}
}

// forget lets go of the indexes of all services that are gone. Theirs, and that
// of whatever was never seen, becomes the newest of them; r.mu is held.
func (r *Registry) forget() {
	for service, index := range r.indexes {
		if r.services[service] == nil {
			r.floor = max(r.floor, index)
			delete(r.indexes, service)
		}
	}
}

// changed counts a change and tells the watchers. r.mu is held until the change
// is made: a watcher who looks at once waits for it.
func (r *Registry) changed(service string, names bool) {
	r.index++
	r.indexes[service] = r.index
	if names {
		r.names = r.index
	}
	for _, key := range []string{service, ""} {
		for ch := range r.watchers[key] {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
	}
}

func owner(source string) string {
	if source == "" {
		return "plat"
	}
	return "a program that registered by " + source
}

func (r *Registry) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func truncate(s string) string {
	if len(s) <= MaxOutput {
		return s
	}
	return strings.ToValidUTF8(s[:MaxOutput], "")
}
