package consul

import (
	"net/http"
	"slices"
	"strings"

	"github.com/plat-dev/plat/registry"
)

func datacenters(q *request) error {
	return q.json(http.StatusOK, []string{q.d.o.Datacenter})
}

func leader(q *request) error { return q.json(http.StatusOK, "127.0.0.1:8300") }

func peers(q *request) error { return q.json(http.StatusOK, []string{"127.0.0.1:8300"}) }

// catalogNodes lists the node that plat is, and those that outsiders named.
func catalogNodes(q *request) error {
	if err := q.blockNames(); err != nil {
		return err
	}
	instances, _, index := q.d.reg.All()
	list, seen := []node{q.d.own()}, map[string]bool{q.d.o.Node: true}
	for _, v := range q.d.views(instances) {
		if name := v.nodeName(); !seen[name] {
			seen[name] = true
			list = append(list, v.node())
		}
	}
	list = slices.DeleteFunc(list, func(n node) bool { return !q.onNode(n) })
	slices.SortFunc(list, func(a, b node) int { return strings.Compare(a.Node, b.Node) })
	list, err := filter(q, list)
	if err != nil {
		return err
	}
	return q.found(index, list)
}

// catalogServices lists the names of services and the tags of each.
func catalogServices(q *request) error {
	if err := q.blockNames(); err != nil {
		return err
	}
	instances, _, index := q.d.reg.All()
	var entries []catalogEntry
	for _, v := range q.d.views(instances) {
		if q.onNode(v.node()) {
			entries = append(entries, v.catalog())
		}
	}
	entries, err := filter(q, entries)
	if err != nil {
		return err
	}
	tags := map[string][]string{}
	for _, e := range entries {
		all := append(tags[e.ServiceName], e.ServiceTags...)
		slices.Sort(all)
		if tags[e.ServiceName] = slices.Compact(all); all == nil {
			tags[e.ServiceName] = []string{}
		}
	}
	return q.found(index, tags)
}

// catalogService lists the instances of a service, healthy or not.
func catalogService(q *request) error {
	name := q.PathValue("name")
	if err := q.blockService(name); err != nil {
		return err
	}
	views, index := q.service(name)
	list := make([]catalogEntry, 0, len(views))
	for _, v := range views {
		list = append(list, v.catalog())
	}
	list, err := filter(q, list)
	if err != nil {
		return err
	}
	return q.found(index, list)
}

// node lists the instances of a node, and the node if it is known.
func (q *request) node(name string) ([]view, *node, uint64) {
	instances, index, _ := q.d.reg.All()
	var n *node
	if own := q.d.own(); name == own.Node {
		n = &own
	}
	var list []view
	for _, v := range q.d.views(instances) {
		if v.nodeName() == name {
			list = append(list, v)
			if n == nil {
				of := v.node()
				n = &of
			}
		}
	}
	return list, n, index
}

// servicesOf is the instances as the agent shows them, those that the filter
// keeps.
func (q *request) servicesOf(list []view) ([]service, error) {
	services := make([]service, 0, len(list))
	for _, v := range list {
		services = append(services, v.service())
	}
	return filter(q, services)
}

func catalogNode(q *request) error {
	if err := q.blockAny(); err != nil {
		return err
	}
	views, n, index := q.node(q.PathValue("node"))
	if n == nil {
		return q.found(index, nil)
	}
	services, err := q.servicesOf(views)
	if err != nil {
		return err
	}
	byID := map[string]service{}
	for _, s := range services {
		byID[s.ID] = s
	}
	return q.found(index, map[string]any{"Node": n, "Services": byID})
}

func catalogNodeServices(q *request) error {
	if err := q.blockAny(); err != nil {
		return err
	}
	views, n, index := q.node(q.PathValue("node"))
	services, err := q.servicesOf(views)
	if err != nil {
		return err
	}
	return q.found(index, map[string]any{"Node": n, "Services": services})
}

// service lists a service's instances that have all of ?tag= and are on a node
// with all of ?node-meta=.
func (q *request) service(name string) ([]view, uint64) {
	instances, index := q.d.reg.Instances(name)
	views := q.d.views(instances)
	return slices.DeleteFunc(views, func(v view) bool {
		for _, tag := range q.query["tag"] {
			if tag != "" && !slices.ContainsFunc(v.inst.Tags, func(have string) bool { return strings.EqualFold(have, tag) }) {
				return true
			}
		}
		return !q.onNode(v.node())
	}), index
}

// onNode tells whether a node has all of ?node-meta=.
func (q *request) onNode(n node) bool {
	for _, pair := range q.query["node-meta"] {
		key, value, _ := strings.Cut(pair, ":")
		if have, ok := n.Meta[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// healthService lists the instances of a service with their checks; with
// ?passing those alone whose checks all pass.
func healthService(q *request) error {
	name := q.PathValue("name")
	passing, err := q.flag("passing")
	if err != nil {
		return err
	}
	if err := q.blockService(name); err != nil {
		return err
	}
	views, index := q.service(name)
	list := make([]healthEntry, 0, len(views))
	for _, v := range views {
		if passing && v.inst.Status() != registry.Passing {
			continue
		}
		e := healthEntry{Node: v.node(), Service: v.service()}
		if v.nodeName() == q.d.o.Node {
			e.Checks = append(e.Checks, q.d.alive())
		}
		if e.Checks = append(e.Checks, v.checks()...); e.Checks == nil {
			e.Checks = []check{}
		}
		list = append(list, e)
	}
	if list, err = filter(q, list); err != nil {
		return err
	}
	return q.found(index, list)
}

func healthChecks(q *request) error {
	name := q.PathValue("name")
	if err := q.blockService(name); err != nil {
		return err
	}
	views, index := q.service(name)
	return q.foundChecks(index, views, "any", false)
}

func healthNode(q *request) error {
	if err := q.blockAny(); err != nil {
		return err
	}
	name := q.PathValue("node")
	views, _, index := q.node(name)
	return q.foundChecks(index, views, "any", name == q.d.o.Node)
}

func healthState(q *request) error {
	state := q.PathValue("state")
	if state != "any" && !status(state) {
		return invalid("state %q is none of any, passing, warning, critical", state)
	}
	if err := q.blockAny(); err != nil {
		return err
	}
	instances, index, _ := q.d.reg.All()
	views := slices.DeleteFunc(q.d.views(instances), func(v view) bool { return !q.onNode(v.node()) })
	return q.foundChecks(index, views, state, q.onNode(q.d.own()))
}

// foundChecks answers with the checks in a state, among them the node's own.
func (q *request) foundChecks(index uint64, views []view, state string, own bool) error {
	list := []check{}
	if own && (state == "any" || state == string(registry.Passing)) {
		list = append(list, q.d.alive())
	}
	for _, v := range views {
		for _, c := range v.checks() {
			if state == "any" || c.Status == state {
				list = append(list, c)
			}
		}
	}
	list, err := filter(q, list)
	if err != nil {
		return err
	}
	return q.found(index, list)
}

func status(s string) bool {
	return slices.Contains([]registry.Status{registry.Passing, registry.Warning, registry.Critical}, registry.Status(s))
}
