package consul

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
)

// speaks is the version of Consul whose API this is: clients choose by it.
const speaks = "1.21.0"

func agentSelf(q *request) error {
	n := q.d.own()
	return q.json(http.StatusOK, map[string]any{
		"Config": map[string]any{
			"Datacenter": n.Datacenter, "PrimaryDatacenter": n.Datacenter, "NodeName": n.Node, "NodeID": n.ID,
			"Server": true, "Revision": "plat", "Version": speaks, "VersionMetadata": "plat " + q.d.o.Version,
		},
		"DebugConfig": map[string]any{},
		"Coord":       nil,
		"Member":      q.d.member(),
		"Stats":       map[string]any{},
		"Meta":        n.Meta,
	})
}

func agentVersion(q *request) error {
	return q.json(http.StatusOK, map[string]any{"SHA": "", "HumanVersion": speaks + " (plat " + q.d.o.Version + ")", "FIPS": ""})
}

func agentMembers(q *request) error { return q.json(http.StatusOK, []any{q.d.member()}) }

func (d *Door) member() map[string]any {
	n := d.own()
	return map[string]any{
		"Name": n.Node, "Addr": n.Address, "Port": 8301, "Status": 1,
		"Tags":        map[string]string{"role": "consul", "dc": n.Datacenter, "id": n.ID, "build": speaks},
		"ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2, "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4,
	}
}

// here lists the instances of the node that plat is.
func (q *request) here() []view {
	instances, _, _ := q.d.reg.All()
	return slices.DeleteFunc(q.d.views(instances), func(v view) bool { return v.nodeName() != q.d.o.Node })
}

func agentServices(q *request) error {
	list, err := q.servicesOf(q.here())
	if err != nil {
		return err
	}
	out := map[string]service{}
	for _, s := range list {
		s.Datacenter = q.d.o.Datacenter
		out[s.ID] = s
	}
	return q.json(http.StatusOK, out)
}

func agentChecks(q *request) error {
	list := []check{}
	for _, v := range q.here() {
		list = append(list, v.checks()...)
	}
	list, err := filter(q, list)
	if err != nil {
		return err
	}
	out := map[string]check{}
	for _, c := range list {
		out[c.CheckID] = c
	}
	return q.json(http.StatusOK, out)
}

// byID finds an instance of the node that plat is.
func (q *request) byID(id string) (view, bool) {
	inst, ok := q.d.reg.Instance(id)
	if !ok {
		return view{}, false
	}
	list := q.d.views([]registry.Instance{inst})
	if len(list) == 0 || list[0].nodeName() != q.d.o.Node {
		return view{}, false
	}
	return list[0], true
}

func unknownService(id string) error {
	return fail(http.StatusNotFound, fault.Newf(fault.ConsulUnknown, "Unknown service ID %.80q", id).Fix("give the ID of an instance, not the name of its service: /v1/agent/services lists them"))
}

// agentService tells of one instance; with ?hash= it waits until it is another.
func agentService(q *request) error {
	id := q.PathValue("id")
	known := q.query.Get("hash")
	var now service
	look := func() bool {
		v, ok := q.byID(id)
		if !ok {
			return false
		}
		now = v.service()
		now.CreateIndex, now.ModifyIndex, now.Datacenter = 0, 0, q.d.o.Datacenter
		data, _ := json.Marshal(now) // of strings and numbers
		sum := sha256.Sum256(data)
		now.ContentHash = hex.EncodeToString(sum[:8])
		now.CreateIndex, now.ModifyIndex = v.inst.Created, v.inst.Modified
		return true
	}
	there := look()
	if there && known != "" && known == now.ContentHash {
		if q.query.Has("index") {
			return invalid("Conflicting parameters: hash and index")
		}
		q.query.Set("index", "1")
		err := q.block(func() uint64 {
			if there = look(); there && now.ContentHash == known {
				return 1
			}
			return 2
		}, func(ctx context.Context) <-chan struct{} { return q.d.reg.Watch(ctx, now.Service) })
		if err != nil {
			return err
		}
		there = look()
	}
	if !there {
		return unknownService(id)
	}
	q.w.Header().Set("X-Consul-ContentHash", now.ContentHash)
	return q.json(http.StatusOK, now)
}

type serviceHealth struct {
	AggregatedStatus string
	Service          service
	Checks           []check
}

func (v view) health() serviceHealth {
	h := serviceHealth{AggregatedStatus: string(v.inst.Status()), Service: v.service(), Checks: v.checks()}
	if v.def != nil && v.def.Maintenance {
		h.AggregatedStatus = "maintenance"
	}
	return h
}

// code is the status by which a load balancer reads health without the body.
func code(aggregated string) int {
	switch aggregated {
	case string(registry.Passing):
		return http.StatusOK
	case string(registry.Warning):
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}

func agentHealthByID(q *request) error {
	v, ok := q.byID(q.PathValue("id"))
	if !ok {
		return unknownService(q.PathValue("id"))
	}
	h := v.health()
	return q.health(h.AggregatedStatus, h)
}

func agentHealthByName(q *request) error {
	instances, _ := q.d.reg.Instances(q.PathValue("name"))
	worst, list := "", []serviceHealth{}
	for _, v := range q.d.views(instances) {
		if v.nodeName() != q.d.o.Node {
			continue
		}
		h := v.health()
		if list = append(list, h); worst == "" || code(h.AggregatedStatus) > code(worst) {
			worst = h.AggregatedStatus
		}
	}
	if len(list) == 0 {
		return fail(http.StatusNotFound, fault.Newf(fault.ConsulUnknown, "No service %.80q is registered here", q.PathValue("name")))
	}
	return q.health(worst, list)
}

func (q *request) health(aggregated string, v any) error {
	if q.query.Get("format") == "text" || strings.HasPrefix(q.Header.Get("Accept"), "text/plain") {
		q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		q.w.WriteHeader(code(aggregated))
		fmt.Fprint(q.w, aggregated)
		return nil
	}
	return q.json(code(aggregated), v)
}
