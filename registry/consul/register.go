package consul

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
)

// serviceRegister takes an instance that runs on this machine, or replaces it.
// Checks that were registered apart stay, unless ?replace-existing-checks.
func serviceRegister(q *request) error {
	var b serviceBody
	if err := q.body(&b); err != nil {
		return err
	}
	replace, err := q.flag("replace-existing-checks")
	if err != nil {
		return err
	}
	b.Service = "" // the catalog's word
	now, err := b.declare()
	if err != nil {
		return err
	}
	return q.d.change(q.Context(), now.instance(), func(old *declared) (*declared, error) {
		if old == nil {
			return now, nil
		}
		now.Maintenance, now.Reason = old.Maintenance, old.Reason
		if replace {
			return now, nil
		}
		for _, p := range old.Checks {
			if !slices.ContainsFunc(now.Checks, func(have probe) bool { return have.ID == p.ID }) {
				now.Checks = append(now.Checks, p)
			}
		}
		return now, nil
	})
}

// unknown refuses what nobody has registered here.
func unknown(old *declared, id string) error {
	if old == nil {
		return unknownService(id)
	}
	return nil
}

func serviceDeregister(q *request) error {
	id := q.PathValue("id")
	return q.d.change(q.Context(), id, func(old *declared) (*declared, error) { return nil, unknown(old, id) })
}

func serviceMaintenance(q *request) error {
	id := q.PathValue("id")
	if !q.query.Has("enable") {
		return invalid("Missing value for enable")
	}
	on, err := q.flag("enable")
	if err != nil {
		return err
	}
	reason := cmp.Or(q.query.Get("reason"), "Maintenance mode is enabled for this service, but no reason was provided. This is a default message.")
	if !printable(reason, registry.MaxOutput) {
		return invalid("Invalid reason: at most %d bytes of printable text", registry.MaxOutput)
	}
	return q.d.change(q.Context(), id, func(old *declared) (*declared, error) {
		if err := unknown(old, id); err != nil {
			return nil, err
		}
		now := *old
		if now.Maintenance, now.Reason = on, reason; !on {
			now.Reason = ""
		}
		return &now, nil
	})
}

func checkRegister(q *request) error {
	var c checkBody
	if err := q.body(&c); err != nil {
		return err
	}
	if c.ServiceID == "" {
		return unsupportedField("a check without ServiceID", "it would be one of the whole node, and take what plat runs out of rotation")
	}
	if c.Name == "" {
		return invalid("Missing check name")
	}
	p, err := c.probe(c.Name, c.Name)
	if err != nil {
		return err
	}
	return q.d.change(q.Context(), c.ServiceID, func(old *declared) (*declared, error) {
		if err := unknown(old, c.ServiceID); err != nil {
			return nil, err
		}
		return old.with(p), nil
	})
}

// with is a declaration with a check added or replaced.
func (d *declared) with(p probe) *declared {
	now := *d
	now.Checks = slices.DeleteFunc(slices.Clone(d.Checks), func(have probe) bool { return have.ID == p.ID })
	now.Checks = append(now.Checks, p)
	return &now
}

// without is a declaration with a check taken away.
func (d *declared) without(check string) *declared {
	now := *d
	now.Checks = slices.DeleteFunc(slices.Clone(d.Checks), func(have probe) bool { return have.ID == check })
	return &now
}

// owner finds whose a check of the node that plat is, is.
func (q *request) owner(check string) (string, error) {
	q.d.mu.Lock()
	instance, ok := q.d.owners[checkKey("", check)]
	q.d.mu.Unlock()
	if ok {
		return instance, nil
	}
	for _, v := range q.here() {
		if v.def == nil && strings.HasPrefix(check, v.inst.ID+":") {
			return "", protected(v.inst.ID)
		}
	}
	return "", fail(http.StatusNotFound, fault.Newf(fault.ConsulUnknown, "Unknown check ID %.80q", check).Fix("give the check's ID, not its name: /v1/agent/checks lists them"))
}

func checkDeregister(q *request) error {
	id := q.PathValue("id")
	instance, err := q.owner(id)
	if err != nil {
		return err
	}
	return q.d.change(q.Context(), instance, func(old *declared) (*declared, error) {
		if err := unknown(old, instance); err != nil {
			return nil, err
		}
		return old.without(id), nil
	})
}

// checkSet takes the word of an outsider about its TTL check.
func checkSet(status registry.Status) handler {
	return func(q *request) error { return q.heard(q.PathValue("id"), status, q.query.Get("note")) }
}

func checkUpdate(q *request) error {
	var b struct{ Status, Output string }
	if err := q.body(&b); err != nil {
		return err
	}
	if !status(b.Status) {
		return invalid("Invalid check status %.40q: passing, warning or critical", b.Status)
	}
	return q.heard(q.PathValue("id"), registry.Status(b.Status), b.Output)
}

func (q *request) heard(id string, status registry.Status, output string) error {
	instance, err := q.owner(id)
	if err != nil {
		return err
	}
	if !q.d.hear(instance, id, status, strings.ToValidUTF8(output, "?")) {
		return invalid("CheckID %q does not have associated TTL", id)
	}
	return nil
}

// catalogBody is a registration by somebody who watches on an outsider's behalf.
type catalogBody struct {
	ID             string
	Node           string
	Address        string
	NodeMeta       map[string]string
	Datacenter     string
	Partition      string
	Service        *serviceBody
	Check          *checkBody
	Checks         []*checkBody
	SkipNodeUpdate bool
}

// read tells which instance is meant and how its checks stand.
func (b *catalogBody) read() (id string, checks []probe, err error) {
	if b.Service != nil {
		id = cmp.Or(b.Service.ID, b.Service.Service, b.Service.Name)
	}
	bodies := slices.Clone(b.Checks)
	if b.Check != nil {
		bodies = append(bodies, b.Check)
	}
	for _, c := range bodies {
		if c == nil || c.ServiceID == "" {
			return "", nil, unsupportedField("a check without ServiceID", "checks of whole nodes are not kept; give each service its own")
		}
		if id = cmp.Or(id, c.ServiceID); c.ServiceID != id {
			return "", nil, invalid("Check %q belongs to service ID %q, not to %q: one service a request", c.CheckID, c.ServiceID, id)
		}
		p := probe{
			ID: cmp.Or(c.CheckID, c.ID, c.Name, "service:"+id), Name: cmp.Or(c.Name, c.CheckID, "Service check"), Notes: c.Notes, Kind: kindStatic,
			Status: registry.Status(cmp.Or(c.Status, string(registry.Critical))),
		}
		if !status(string(p.Status)) || !printable(p.ID, maxID) || !printable(p.Name, maxID) || len(p.Notes) > registry.MaxOutput {
			return "", nil, invalid("Invalid check %.80q: its status is passing, warning or critical, its ID and name at most %d bytes of printable text", p.ID, maxID)
		}
		checks = append(checks, p)
	}
	if id == "" {
		return "", nil, unsupportedField("a node without a service", "there would be nothing to call")
	}
	return id, checks, nil
}

func (q *request) datacenter(is string) error {
	if is == "" || is == q.d.o.Datacenter {
		return nil
	}
	return fail(http.StatusInternalServerError, fault.Newf(fault.ConsulInvalid, "No path to datacenter %.80q", is).Why("there is one, \""+q.d.o.Datacenter+"\""))
}

func catalogRegister(q *request) error {
	var b catalogBody
	if err := q.body(&b); err != nil {
		return err
	}
	if err := q.datacenter(b.Datacenter); err != nil {
		return err
	}
	if b.Node == "" || b.Address == "" {
		return invalid("Must provide Node and Address")
	}
	id, checks, err := b.read()
	if err != nil {
		return err
	}
	var service *declared
	if b.Service != nil {
		b.Service.Name, b.Service.Check, b.Service.Checks = "", nil, nil // the agent's words
		if service, err = b.Service.declare(); err != nil {
			return err
		}
	}
	at := declared{ID: id, NodeAddress: b.Address, NodeMeta: b.NodeMeta}
	if at.Node = b.Node; b.Node == q.d.o.Node {
		at.Node, at.NodeAddress, at.NodeMeta = "", "", nil
	}
	err = q.d.change(q.Context(), at.instance(), func(old *declared) (*declared, error) {
		now := service
		switch {
		case service == nil && old == nil:
			return nil, unknownService(id)
		case service == nil:
			now = old
		case old != nil:
			now.Checks, now.Maintenance, now.Reason = old.Checks, old.Maintenance, old.Reason
		}
		whole := *now
		whole.Node, whole.NodeAddress, whole.NodeMeta = at.Node, at.NodeAddress, at.NodeMeta
		now = &whole
		for _, p := range checks {
			now = now.with(p)
		}
		return now, nil
	})
	if err != nil {
		return err
	}
	return q.json(http.StatusOK, true)
}

func catalogDeregister(q *request) error {
	var b struct{ Node, Datacenter, ServiceID, CheckID string }
	if err := q.body(&b); err != nil {
		return err
	}
	if err := q.datacenter(b.Datacenter); err != nil {
		return err
	}
	if b.Node == "" {
		return invalid("Must provide Node")
	}
	at := declared{ID: b.ServiceID}
	if at.Node = b.Node; b.Node == q.d.o.Node {
		at.Node = ""
	}
	var err error
	switch {
	case b.ServiceID == "" && b.CheckID == "" && at.Node == "":
		return protected(b.Node)
	case b.ServiceID == "" && b.CheckID == "":
		err = q.dropNode(at.Node)
	case b.ServiceID == "":
		err = q.dropCheck(at.Node, b.CheckID)
	default:
		err = q.d.change(q.Context(), at.instance(), func(old *declared) (*declared, error) {
			if old != nil && b.CheckID != "" {
				return old.without(b.CheckID), nil
			}
			return nil, nil // gone already is as good
		})
	}
	if err != nil {
		return err
	}
	return q.json(http.StatusOK, true)
}

func (q *request) dropNode(node string) error {
	q.d.mu.Lock()
	var instances []string
	for id, o := range q.d.outsiders {
		if o.Node == node {
			instances = append(instances, id)
		}
	}
	q.d.mu.Unlock()
	for _, id := range instances {
		if err := q.d.change(q.Context(), id, func(*declared) (*declared, error) { return nil, nil }); err != nil {
			return err
		}
	}
	return nil
}

func (q *request) dropCheck(node, check string) error {
	q.d.mu.Lock()
	instance, ok := q.d.owners[checkKey(node, check)]
	q.d.mu.Unlock()
	if !ok {
		return nil
	}
	return q.d.change(q.Context(), instance, func(old *declared) (*declared, error) {
		if old == nil {
			return nil, nil
		}
		return old.without(check), nil
	})
}
