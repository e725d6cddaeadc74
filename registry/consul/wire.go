package consul

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/hashicorp/go-bexpr"

	"github.com/plat-dev/plat/registry"
)

// What Consul's clients read. The names are Consul's, on the wire and in filter
// expressions.
type (
	node struct {
		ID              string
		Node            string
		Address         string
		Datacenter      string
		TaggedAddresses map[string]string
		Meta            map[string]string
		CreateIndex     uint64
		ModifyIndex     uint64
	}
	weights struct {
		Passing int
		Warning int
	}
	address struct {
		Address string
		Port    int
	}
	service struct {
		ID                string
		Service           string
		Tags              []string
		Meta              map[string]string
		Port              int
		Address           string
		TaggedAddresses   map[string]address
		Weights           weights
		EnableTagOverride bool
		CreateIndex       uint64
		ModifyIndex       uint64
		Datacenter        string `json:",omitempty"`
		ContentHash       string `json:",omitempty"`
	}
	definition struct {
		HTTP                           string              `json:",omitempty"`
		Header                         map[string][]string `json:",omitempty"`
		Method                         string              `json:",omitempty"`
		Body                           string              `json:",omitempty"`
		TCP                            string              `json:",omitempty"`
		TLSServerName                  string              `json:",omitempty"`
		TLSSkipVerify                  bool                `json:",omitempty"`
		TCPUseTLS                      bool                `json:",omitempty"`
		TTL                            string              `json:",omitempty"`
		Interval                       string              `json:",omitempty"`
		Timeout                        string              `json:",omitempty"`
		DeregisterCriticalServiceAfter string              `json:",omitempty"`
	}
	check struct {
		Node        string
		CheckID     string
		Name        string
		Status      string
		Notes       string
		Output      string
		ServiceID   string
		ServiceName string
		ServiceTags []string
		Type        string
		Interval    string
		Timeout     string
		ExposedPort int
		Definition  definition
		CreateIndex uint64
		ModifyIndex uint64
	}
	catalogEntry struct {
		ID                       string
		Node                     string
		Address                  string
		Datacenter               string
		TaggedAddresses          map[string]string
		NodeMeta                 map[string]string
		ServiceID                string
		ServiceName              string
		ServiceAddress           string
		ServiceTaggedAddresses   map[string]address
		ServiceTags              []string
		ServiceMeta              map[string]string
		ServicePort              int
		ServiceWeights           weights
		ServiceEnableTagOverride bool
		CreateIndex              uint64
		ModifyIndex              uint64
	}
	healthEntry struct {
		Node    node
		Service service
		Checks  []check
	}
)

// view is an instance as this door shows it; def is what an outsider said.
type view struct {
	d    *Door
	inst registry.Instance
	def  *declared // nil: plat's own
}

// views leaves out what an outsider has just taken away.
func (d *Door) views(instances []registry.Instance) []view {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]view, 0, len(instances))
	for _, inst := range instances {
		v := view{d: d, inst: inst}
		if inst.Source == Source {
			o := d.outsiders[inst.ID]
			if o == nil {
				continue
			}
			v.def = o.declared
		}
		list = append(list, v)
	}
	return list
}

func (v view) nodeName() string {
	if v.def != nil && v.def.Node != "" {
		return v.def.Node
	}
	return v.d.o.Node
}

func (v view) id() string {
	if v.def != nil {
		return v.def.ID
	}
	return v.inst.ID
}

func (v view) node() node {
	n := v.d.own()
	if v.def != nil && v.def.Node != "" {
		n.Node, n.Address, n.Meta = v.def.Node, v.def.NodeAddress, orEmpty(v.def.NodeMeta)
		n.ID = uuid("node", n.Node)
		n.TaggedAddresses = map[string]string{"lan": n.Address, "wan": n.Address}
		n.CreateIndex, n.ModifyIndex = v.inst.Created, v.inst.Created
	}
	return n
}

// own is the node that plat is.
func (d *Door) own() node {
	const here = "127.0.0.1"
	meta := map[string]string{}
	if d.o.Environment != "" {
		meta["environment"] = d.o.Environment
	}
	return node{
		ID: uuid("node", d.o.Node), Node: d.o.Node, Address: here, Datacenter: d.o.Datacenter,
		TaggedAddresses: map[string]string{"lan": here, "lan_ipv4": here, "wan": here, "wan_ipv4": here},
		Meta:            meta, CreateIndex: 1, ModifyIndex: 1,
	}
}

func (v view) service() service {
	host, port, _ := net.SplitHostPort(v.inst.Addr)
	number, _ := strconv.Atoi(port)
	s := service{
		ID: v.id(), Service: v.inst.Service, Tags: v.inst.Tags, Meta: v.meta(), Port: number, Address: host,
		TaggedAddresses: map[string]address{}, Weights: weights{1, 1},
		CreateIndex: v.inst.Created, ModifyIndex: v.inst.Modified,
	}
	if s.Tags == nil {
		s.Tags = []string{}
	}
	if v.def != nil {
		s.Address, s.EnableTagOverride = v.def.Address, v.def.EnableTagOverride
		if v.def.Weights != nil {
			s.Weights = *v.def.Weights
		}
		if v.def.TaggedAddresses != nil {
			s.TaggedAddresses = v.def.TaggedAddresses
		}
	}
	return s
}

// meta is what a client reads about an instance; of an outsider's, what it said.
func (v view) meta() map[string]string {
	if v.def != nil {
		return orEmpty(v.def.Meta)
	}
	meta := orEmpty(maps.Clone(v.inst.Metadata))
	for key, value := range map[string]string{"version": v.inst.Version, "environment": v.d.o.Environment} {
		if value != "" {
			meta[key] = value
		}
	}
	return meta
}

func (v view) catalog() catalogEntry {
	n, s := v.node(), v.service()
	return catalogEntry{
		ID: n.ID, Node: n.Node, Address: n.Address, Datacenter: n.Datacenter, TaggedAddresses: n.TaggedAddresses, NodeMeta: n.Meta,
		ServiceID: s.ID, ServiceName: s.Service, ServiceAddress: s.Address, ServiceTaggedAddresses: s.TaggedAddresses,
		ServiceTags: s.Tags, ServiceMeta: s.Meta, ServicePort: s.Port, ServiceWeights: s.Weights,
		ServiceEnableTagOverride: s.EnableTagOverride, CreateIndex: s.CreateIndex, ModifyIndex: s.ModifyIndex,
	}
}

// checks lists the checks of the instance; for plat's own, its checks in the
// registry under an ID that no other instance has.
func (v view) checks() []check {
	list := make([]check, 0, len(v.inst.Checks))
	for _, c := range v.inst.Checks {
		out := check{
			Node: v.nodeName(), CheckID: c.ID, Name: c.ID, Status: string(c.Status), Output: c.Output,
			ServiceID: v.id(), ServiceName: v.inst.Service, ServiceTags: v.service().Tags,
			CreateIndex: v.inst.Created, ModifyIndex: v.inst.Modified,
		}
		if v.def == nil {
			out.CheckID, out.Type = v.inst.ID+":"+c.ID, "plat"
		} else if c.ID == maintenanceID(v.def.ID) {
			out.Name, out.Type, out.Notes = "Service Maintenance Mode", "maintenance", v.def.Reason
		} else if at := slices.IndexFunc(v.def.Checks, func(p probe) bool { return p.ID == c.ID }); at >= 0 {
			p := v.def.Checks[at]
			out.Name, out.Notes, out.Type, out.Definition = p.Name, p.Notes, p.Kind, p.wire()
			out.Interval, out.Timeout = out.Definition.Interval, out.Definition.Timeout
		}
		list = append(list, out)
	}
	return list
}

// alive is the check of the node that plat is: who can ask, reaches it.
func (d *Door) alive() check {
	return check{
		Node: d.o.Node, CheckID: "serfHealth", Name: "plat answers", Status: string(registry.Passing), Output: "plat is alive and reachable",
		ServiceTags: []string{}, CreateIndex: 1, ModifyIndex: 1,
	}
}

func maintenanceID(service string) string { return "_service_maintenance:" + service }

// filter keeps what ?filter= holds for.
func filter[T any](q *request, list []T) ([]T, error) {
	expression := q.query.Get("filter")
	if expression == "" {
		return list, nil
	}
	if len(expression) > maxFilter {
		return nil, invalid("the filter has %d bytes: at most %d", len(expression), maxFilter)
	}
	e, err := bexpr.CreateEvaluator(expression, bexpr.WithMaxExpressions(10_000))
	if err != nil {
		return nil, invalid("Failed to create boolean expression evaluator: %v", err)
	}
	kept := make([]T, 0, len(list))
	for _, x := range list {
		ok, err := e.Evaluate(x)
		if err != nil {
			return nil, invalid("Failed to evaluate the filter: %v", err)
		}
		if ok {
			kept = append(kept, x)
		}
	}
	if len(list) == 0 {
		// A selector that names nothing is wrong also when nothing is there.
		var none T
		if _, err := e.Evaluate(none); err != nil {
			return nil, invalid("Failed to evaluate the filter: %v", err)
		}
	}
	return kept, nil
}

// uuid is the same for the same words, in the form of a UUID of version 8.
func uuid(words ...string) string {
	sum := sha256.Sum256(fmt.Append(nil, words))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
