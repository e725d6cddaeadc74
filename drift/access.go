package drift

import (
	"time"

	"github.com/plat-dev/plat/plan"
)

// UndeclaredTimeout is how long the answer to an undeclared call is waited
// for: nobody has said how long it may take.
const UndeclaredTimeout = 30 * time.Second

// Decision is what the plan says about one call. Its fields are those of the
// gateway's MeshDecision, in their order, so that one converts to the other.
type Decision struct {
	Name     string        // of the callee; empty: nobody of the name is known
	Pool     string        // under which its instances are registered; empty with URL
	URL      string        // of an external callee
	Timeout  time.Duration // of the declaration, else UndeclaredTimeout
	Declared bool
	Refused  bool   // it is not declared, and the plan's access is enforce
	Remedy   string // of a refused call
	Meant    string // of an unknown name: one that is like it
}

// Access decides by one plan who may call whom. It is immutable and safe for
// concurrent use.
type Access struct {
	enforce bool
	callees map[string]callee      // by name, and registered externals by that name too
	calls   map[edge]plan.Duration // the declared
	names   []string
	outside func(name string) (string, bool)
}

type callee struct{ name, pool, url string }

type edge struct{ caller, callee string }

// NewAccess prepares the decisions by a plan. outside finds a program that has
// registered itself and is not in the plan, by its name in lower case, and
// gives the name as it is registered; nil: there are none. It must be quick
// and safe for concurrent use.
func NewAccess(sys *plan.System, outside func(name string) (registered string, ok bool)) *Access {
	a := &Access{enforce: sys.Access == plan.AccessEnforce, callees: map[string]callee{}, calls: map[edge]plan.Duration{}, outside: outside}
	for _, e := range sys.External {
		c := callee{name: e.Name, url: e.URL}
		if e.Registered != "" {
			c = callee{name: e.Name, pool: e.Registered}
			a.callees[e.Registered] = c
		}
		a.callees[e.Name] = c
		a.names = append(a.names, e.Name)
	}
	for _, svc := range sys.Services {
		a.callees[svc.Name] = callee{name: svc.Name, pool: svc.Name}
		a.names = append(a.names, svc.Name)
	}
	for _, e := range plan.Edges(sys) {
		a.calls[edge{e.Caller, e.Callee}] = e.Timeout
	}
	return a
}

// Decide says whether caller may call name (in lower case), and where that is.
// A service may always call itself.
func (a *Access) Decide(caller, name string) Decision {
	to, known := a.callees[name]
	if !known && a.outside != nil {
		if registered, ok := a.outside(name); ok {
			to, known = callee{name: registered, pool: registered}, true
		}
	}
	if !known {
		return Decision{Meant: plan.Nearest(name, a.names)}
	}
	d := Decision{Name: to.name, Pool: to.pool, URL: to.url, Timeout: UndeclaredTimeout}
	if timeout, declared := a.calls[edge{caller, to.name}]; declared {
		d.Declared, d.Timeout = true, timeout.Std()
		return d
	}
	if caller == to.name {
		d.Declared = true
		return d
	}
	if a.enforce {
		d.Refused = true
		d.Remedy = remedy(caller, to.name, a.callees[to.name].name == "")
	}
	return d
}
