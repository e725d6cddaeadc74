package callers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/plat-dev/plat/kit/direct"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/plan"
)

// edgeFor tells why a call needs plat's listener; empty: the program may make
// it by itself.
func edgeFor(e plan.Edge, callee plan.Service, ours bool) string {
	switch {
	case !ours:
		return "plat does not run " + e.Callee
	case e.OnFailure != plan.OnFail && e.OnFailure != plan.OnDegrade:
		return "plat keeps what stands in for its answers"
	case callee.HTTP != nil && callee.HTTP.Protocol == "h2c":
		return e.Callee + " speaks HTTP/2 alone"
	case callee.Limits.Concurrent > 0 || callee.Limits.Queue > 0 || callee.Limits.Rate != nil:
		return "plat keeps the limits that " + e.Callee + " declares"
	}
	return ""
}

// views makes what each service may call, by service; c.mu is held.
func (c *Callers) views() map[string]direct.View {
	views := map[string]direct.View{}
	for _, s := range c.services {
		views[s.Name] = direct.View{Calls: []direct.Call{}}
	}
	for _, e := range c.edges {
		callee, ours := c.services[e.Callee]
		call := direct.Call{
			Service: e.Callee, By: direct.ByKit, Why: edgeFor(e, callee, ours), Instances: []direct.Instance{},
			Timeout: e.Timeout.Std(), OnFailure: e.OnFailure,
		}
		call.Policy, call.Ejection = c.guard(e)
		if e.Pool() != "" {
			call.Instances = append(call.Instances, c.instances[e.Pool()]...)
		}
		if call.Why == "" && c.broken {
			call.Why = "an experiment lets calls fail on purpose"
		}
		if call.Why != "" {
			call.By = direct.ByEdge
		}
		v := views[e.Caller]
		v.Calls = append(v.Calls, call)
		views[e.Caller] = v
	}
	for name, v := range views {
		v.Revision = revision(v.Calls)
		views[name] = v
	}
	return views
}

// revision names a content.
func revision(calls []direct.Call) string {
	text, err := json.Marshal(calls)
	if err != nil {
		panic("callers: a view cannot be told: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Guard says in the policies' words what protects the calls of an edge.
type Guard func(plan.Edge) (policy.Config, policy.Ejection)

// SetPlan says which services there are and what they declare to call.
func (c *Callers) SetPlan(services []plan.Service, edges []plan.Edge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.services = make(map[string]plan.Service, len(services))
	for _, s := range services {
		c.services[s.Name] = s
	}
	c.edges = slices.Clone(edges)
	c.renew()
}

// SetInstances says who is in rotation for a service, by the registry's name.
func (c *Callers) SetInstances(service string, instances []direct.Instance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(instances) == 0 {
		delete(c.instances, service)
	} else {
		c.instances[service] = slices.SortedFunc(slices.Values(instances), func(a, b direct.Instance) int { return strings.Compare(a.ID, b.ID) })
	}
	c.renew()
}

// SetBroken says whether calls fail on purpose: then all of them pass plat's
// listeners, where that is played.
func (c *Callers) SetBroken(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = yes
	c.renew()
}

// renew makes the views anew and wakes who waits for them; c.mu is held.
func (c *Callers) renew() {
	c.current = c.views()
	close(c.changed)
	c.changed = make(chan struct{})
}
