package runner_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
)

// quick is a pace for tests; health is out of their reach.
func quick() runner.Pace {
	return runner.Pace{
		Check: 20 * time.Millisecond, Failing: 10 * time.Millisecond, Timeout: 30 * time.Second,
		BackoffMin: 2 * time.Millisecond, BackoffMax: 20 * time.Millisecond, Healthy: time.Hour,
		Drain: 20 * time.Millisecond, Steady: 20 * time.Millisecond, Hint: 50 * time.Millisecond,
	}
}

// machine is a Launcher whose programs are HTTP servers in the test's own
// process. What programs do is set by service; zero: they are ready and live.
type machine struct {
	mu        sync.Mutex
	behave    map[string]*behaviour
	processes map[string]*proc // running, by instance
	launches  []string         // instances, in order
	notes     []string
	pids      int
	missing   string // fault of the next launches of this service
	installed map[string]bool
}

type behaviour struct {
	unready, dead, mute atomic.Bool  // answers 503; mute: does not listen
	elsewhere           string       // what Listening says
	exits               atomic.Int32 // so many next programs end at once …
	words               string       // … with these last words
	stubborn            bool         // stops only after its grace
	unenforced          string
}

type proc struct {
	m      *machine
	id     string
	pid    int
	b      *behaviour
	server *http.Server
	launch runner.Launch
	gone   chan runner.Exit
	once   sync.Once
}

func (p *proc) PID() int                 { return p.pid }
func (p *proc) Unenforced() string       { return p.b.unenforced }
func (p *proc) Gone() <-chan runner.Exit { return p.gone }
func (p *proc) Stop(grace time.Duration) { // as the guard: returns at once
	go func() {
		if p.b.stubborn {
			time.Sleep(grace)
			p.end(runner.Exit{Code: -1, Signal: "SIGKILL"})
			return
		}
		p.end(runner.Exit{Code: 0})
	}()
}

func (p *proc) end(e runner.Exit) {
	p.once.Do(func() {
		if p.server != nil {
			_ = p.server.Close()
		}
		e.Reaped = time.Now()
		p.m.mu.Lock()
		delete(p.m.processes, p.id)
		p.m.mu.Unlock()
		p.launch.Exited(e)
		if p.b.words != "" {
			e.Lines = strings.Split(p.b.words, "\n")
		}
		p.gone <- e
		close(p.gone)
	})
}

func (m *machine) of(service string) *behaviour {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.behave[service] == nil {
		m.behave[service] = &behaviour{}
	}
	return m.behave[service]
}

func (m *machine) Launch(_ context.Context, l runner.Launch) (runner.Process, error) {
	b := m.of(l.Service)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.missing == l.Service {
		return nil, fault.New(fault.RunNoProgram, "there is no program")
	}
	if m.processes[l.Instance] != nil {
		panic(l.Instance + " runs twice")
	}
	m.pids++
	m.launches = append(m.launches, l.Instance)
	p := &proc{m: m, id: l.Instance, pid: m.pids, b: b, launch: l, gone: make(chan runner.Exit, 1)}
	m.processes[l.Instance] = p
	if b.exits.Add(-1) >= 0 {
		go p.end(runner.Exit{Code: 1})
		return p, nil
	}
	if !b.mute.Load() {
		listener, err := net.Listen("tcp", "127.0.0.1:"+value(l.Env, "PORT"))
		if err != nil { // another test looked whether it is free: with these words it is tried elsewhere
			go p.end(runner.Exit{Code: 1, Lines: []string{err.Error()}})
			return p, nil
		}
		p.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/ready" && b.unready.Load() || r.URL.Path == "/live" && b.dead.Load() {
				http.Error(w, "not now", http.StatusServiceUnavailable)
			}
		})}
		go func() { _ = p.server.Serve(listener) }()
	}
	return p, nil
}

func (m *machine) Note(service, instance, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes = append(m.notes, strings.TrimSpace(service+" "+instance)+": "+text)
}

// noted waits for a line of plat's own.
func (m *machine) noted(t *testing.T, line string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		m.mu.Lock()
		found, all := slices.Contains(m.notes, line), strings.Join(m.notes, "\n")
		m.mu.Unlock()
		if found {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not noted: %s\n%s", line, all)
		}
	}
}

func (m *machine) Listening(pid int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.processes {
		if p.pid == pid && p.b.elsewhere != "" {
			return []string{p.b.elsewhere}
		}
	}
	return nil
}

func (m *machine) Holder(port int) string { return fmt.Sprintf("nginx (pid %d)", port) }

func (m *machine) Lacking(program string) *fault.Fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.installed[program] {
		return nil
	}
	return fault.New(fault.RunToolMissing, program+" is not installed")
}

func (m *machine) install(program string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.installed[program] = true
}

func (m *machine) remove(program string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.installed, program)
}

// crash ends an instance as by itself.
func (m *machine) crash(t *testing.T, id string) {
	t.Helper()
	m.mu.Lock()
	p := m.processes[id]
	m.mu.Unlock()
	if p == nil {
		t.Fatalf("%s does not run", id)
	}
	p.end(runner.Exit{Code: 2})
}

func (m *machine) running() (ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.processes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func value(env []string, name string) string {
	for _, v := range env {
		if rest, ok := strings.CutPrefix(v, name+"="); ok {
			return rest
		}
	}
	return ""
}

// workshop is a Builder: services build, but for those with a fault.
type workshop struct {
	mu     sync.Mutex
	faults map[string]*fault.Fault
	built  []string // service lists of each Build
	stamp  map[string]int
	hold   chan struct{} // when set, Build waits for it
}

func (w *workshop) fail(service string, f *fault.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[service] = f
}

// set gives services another program.
func (w *workshop) set(stamp int, services ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range services {
		w.stamp[s] = stamp
	}
}

func (w *workshop) wait(hold chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = hold
}

func (w *workshop) Build(ctx context.Context, services []plan.Service, done func(runner.Built)) error {
	w.mu.Lock()
	hold := w.hold
	w.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for _, svc := range services {
		names = append(names, svc.Name)
	}
	w.built = append(w.built, strings.Join(names, ","))
	for _, svc := range services {
		b := runner.Built{Service: svc.Name, Argv: []string{"/bin/" + svc.Name}, Version: fmt.Sprintf("%012d", w.stamp[svc.Name])}
		if f := w.faults[svc.Name]; f != nil {
			b = runner.Built{Service: svc.Name, Fault: f, Lines: []string{"broken"}}
		}
		done(b)
	}
	return nil
}

func (w *workshop) Sources(_ context.Context, services []plan.Service) (all []runner.Sources) {
	for _, svc := range services {
		all = append(all, runner.Sources{Service: svc.Name, Trees: []string{"/src/" + svc.Name}})
	}
	return all
}

func (w *workshop) batches() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.built)
}

// rotation is an Announcer that remembers.
type rotation struct {
	mu     sync.Mutex
	up     map[string]runner.Instance
	known  map[string]bool // announced, and its process not gone
	story  []string
	least  map[string]int // fewest in rotation of a service since it was watched
	busy   map[string]chan struct{}
	drains []string
}

func (r *rotation) Up(i runner.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, twice := r.up[i.ID]; twice {
		panic(i.ID + " is up twice")
	}
	r.up[i.ID] = i
	r.known[i.ID] = true
	r.story = append(r.story, "up "+i.ID)
}

func (r *rotation) Down(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.up[id]
	if !ok {
		panic(id + " is down and was not up")
	}
	delete(r.up, id)
	r.story = append(r.story, "down "+id)
	n := 0
	for _, other := range r.up {
		if other.Service == i.Service {
			n++
		}
	}
	if least, watched := r.least[i.Service]; watched {
		r.least[i.Service] = min(least, n)
	}
}

func (r *rotation) Gone(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, up := r.up[id]; up {
		panic(id + " is gone and was not taken down")
	}
	if !r.known[id] {
		panic(id + " is gone twice, or was never up")
	}
	delete(r.known, id)
}

func (r *rotation) Drained(ctx context.Context, id string) {
	r.mu.Lock()
	r.drains = append(r.drains, id)
	busy := r.busy[id]
	r.mu.Unlock()
	if busy != nil {
		select {
		case <-busy:
		case <-ctx.Done():
		}
	}
}

// occupy says that a request is with an instance until it is closed.
func (r *rotation) occupy(id string, done chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy == nil {
		r.busy = map[string]chan struct{}{}
	}
	r.busy[id] = done
}

func (r *rotation) ids() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.up {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (r *rotation) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.story)
}

func (r *rotation) drained() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.drains)
}

func (r *rotation) fewest(service string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.least[service]
}

func (r *rotation) watchLeast(service string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.least[service] = 1 << 20
}

// rig is a runner with its fakes, running until the test ends.
type rig struct {
	*runner.Runner
	machine  *machine
	workshop *workshop
	rotation *rotation
	stop     func() // ends Run and waits for it
}

func start(t *testing.T, pace runner.Pace, services ...plan.Service) *rig {
	t.Helper()
	return startWith(t, runner.Options{Pace: pace}, services...)
}

// startWith is start with options; the fakes are set here.
func startWith(t *testing.T, o runner.Options, services ...plan.Service) *rig {
	t.Helper()
	r := &rig{
		machine:  &machine{behave: map[string]*behaviour{}, processes: map[string]*proc{}, installed: map[string]bool{}},
		workshop: &workshop{faults: map[string]*fault.Fault{}, stamp: map[string]int{}},
		rotation: &rotation{up: map[string]runner.Instance{}, known: map[string]bool{}, least: map[string]int{}},
	}
	o.Builder, o.Launcher, o.Announcer = r.workshop, r.machine, r.rotation
	r.Runner = runner.New(o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	r.Apply(system(services...))
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("the runner did not end within a minute")
		}
		if left := r.machine.running(); len(left) > 0 {
			t.Errorf("left running: %v", left)
		}
		if up := r.rotation.ids(); len(up) > 0 {
			t.Errorf("left in rotation: %v", up)
		}
		if n := len(r.rotation.known); n > 0 { // nothing runs that could still write it
			t.Errorf("%d instances are not gone", n)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func system(services ...plan.Service) *plan.System {
	return &plan.System{Name: "s", Services: services}
}

// svc is a service that is asked over HTTP.
func svc(name string, instances int) plan.Service {
	return plan.Service{
		Name: name, Dir: "services/" + name, Instances: instances, Listens: true,
		Start: plan.Duration(time.Minute), Grace: plan.Duration(time.Second),
		HTTP: &plan.HTTP{Ready: "/ready", Live: "/live", Protocol: "http"},
	}
}

func (r *rig) status(service string) runner.ServiceStatus {
	for _, st := range r.Status() {
		if st.Service == service {
			return st
		}
	}
	return runner.ServiceStatus{}
}

func (r *rig) eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within a minute: %s\n%+v\n%v", what, r.Status(), r.rotation.told())
}

func (r *rig) wait(t *testing.T, service string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Wait(ctx, service); err != nil {
		t.Fatal(err)
	}
}
