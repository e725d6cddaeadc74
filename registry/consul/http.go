package consul

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
)

type counter = atomic.Uint64

// request is one call: what every handler needs.
type request struct {
	*http.Request
	w     http.ResponseWriter
	d     *Door
	query url.Values
	id    string
}

// handler answers a request, or gives the status and the fault to answer with.
type handler func(q *request) error

// failure is a fault with the status that Consul has for it.
type failure struct {
	status int
	*fault.Fault
}

func (f *failure) Unwrap() error { return f.Fault }

func fail(status int, f *fault.Fault) error { return &failure{status, f} }

func invalid(format string, args ...any) error {
	return fail(http.StatusBadRequest, fault.Newf(fault.ConsulInvalid, format, args...))
}

// routes is the whole API. Whatever is not here is refused by name.
func (d *Door) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /v1/status/leader":                     leader,
		"GET /v1/status/peers":                      peers,
		"GET /v1/agent/self":                        agentSelf,
		"GET /v1/agent/version":                     agentVersion,
		"GET /v1/agent/members":                     agentMembers,
		"GET /v1/agent/services":                    agentServices,
		"GET /v1/agent/service/{id...}":             agentService,
		"GET /v1/agent/checks":                      agentChecks,
		"GET /v1/agent/health/service/id/{id...}":   agentHealthByID,
		"GET /v1/agent/health/service/name/{name}":  agentHealthByName,
		"PUT /v1/agent/service/register":            serviceRegister,
		"PUT /v1/agent/service/deregister/{id...}":  serviceDeregister,
		"PUT /v1/agent/service/maintenance/{id...}": serviceMaintenance,
		"PUT /v1/agent/check/register":              checkRegister,
		"PUT /v1/agent/check/deregister/{id...}":    checkDeregister,
		"PUT /v1/agent/check/pass/{id...}":          checkSet(registry.Passing),
		"PUT /v1/agent/check/warn/{id...}":          checkSet(registry.Warning),
		"PUT /v1/agent/check/fail/{id...}":          checkSet(registry.Critical),
		"PUT /v1/agent/check/update/{id...}":        checkUpdate,
		"GET /v1/catalog/datacenters":               datacenters,
		"GET /v1/catalog/nodes":                     catalogNodes,
		"GET /v1/catalog/services":                  catalogServices,
		"GET /v1/catalog/service/{name}":            catalogService,
		"GET /v1/catalog/node/{node}":               catalogNode,
		"GET /v1/catalog/node-services/{node}":      catalogNodeServices,
		"PUT /v1/catalog/register":                  catalogRegister,
		"PUT /v1/catalog/deregister":                catalogDeregister,
		"GET /v1/health/service/{name}":             healthService,
		"GET /v1/health/checks/{name}":              healthChecks,
		"GET /v1/health/state/{state}":              healthState,
		"GET /v1/health/node/{node}":                healthNode,
	} {
		mux.Handle(pattern, d.answer(h))
	}
	return mux
}

// ServeHTTP answers one request of Consul's API.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Correlation-ID")
	if !plausible(id) {
		id = rand.Text()
		r.Header.Set("X-Correlation-ID", id)
	}
	h := w.Header()
	h.Set("X-Correlation-ID", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if err := trusted(r); err != nil {
		d.answer(func(*request) error { return err }).ServeHTTP(w, r)
		return
	}
	// Keys hold // and .., which the mux would clean away.
	if key, ok := strings.CutPrefix(r.URL.Path, "/v1/kv/"); ok {
		d.answer(func(q *request) error { return kv(q, key) }).ServeHTTP(w, r)
		return
	}
	if _, pattern := d.mux.Handler(r); pattern == "" {
		d.answer(d.unserved).ServeHTTP(w, r)
		return
	}
	d.mux.ServeHTTP(w, r)
}

// answer makes a handler of plat one of net/http.
func (d *Door) answer(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{Request: r, w: w, d: d, id: r.Header.Get("X-Correlation-ID")}
		var err error
		if q.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			err = invalid("the query of the URL cannot be read")
		} else if err = q.elsewhere(); err == nil {
			r.Body = http.MaxBytesReader(w, r.Body, MaxBody+1)
			err = h(q)
		}
		if err != nil {
			q.refuse(err)
		}
	})
}

// trusted refuses what a web page sends, or a name that was bound to this
// machine behind the user's back.
func trusted(r *http.Request) error {
	refused := func(what, is string) error {
		return fail(http.StatusForbidden, fault.Newf(fault.ConsulRefused, "%s %q is not of this machine", what, is).
			Why("the door serves programs of this machine alone").Fix("use http://127.0.0.1:8500 or http://localhost:8500, from a program"))
	}
	if !loopback(r.Host) {
		return refused("Host", r.Host)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return refused("Origin", origin)
		}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return refused("a page that asks", site)
	}
	return nil
}

func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// elsewhere refuses what asks for another datacenter, namespace or peer.
func (q *request) elsewhere() error {
	if dc := q.query.Get("dc"); dc != "" && dc != q.d.o.Datacenter {
		return fail(http.StatusInternalServerError, fault.Newf(fault.ConsulInvalid, "No path to datacenter %q", dc).
			Why(fmt.Sprintf("there is one, %q", q.d.o.Datacenter)))
	}
	for _, name := range []string{"ns", "partition"} {
		if is := q.query.Get(name); is != "" && is != "default" {
			return invalid("query parameter %q: there is only the default", name)
		}
	}
	for _, name := range []string{"peer", "sg", "sameness-group"} {
		if q.query.Get(name) != "" {
			return unsupported("query parameter "+name, "one plat is one datacenter without peers")
		}
	}
	return nil
}

func unsupported(what, why string) error {
	return fail(http.StatusNotImplemented, fault.Newf(fault.ConsulUnsupported, "%s: not served by plat", what).Why(why).Fix("see docs/consul.md"))
}

// unserved says why a path has no handler.
func (d *Door) unserved(q *request) error {
	path := q.URL.Path
	const lock = "a lock or a session that one node keeps is lost with it, and then two hold it: a trap"
	for prefix, why := range map[string]string{
		"/v1/session/": lock, "/v1/txn": "several writes in one step come with the cluster; use cas",
		"/v1/acl/": "there are no tokens: who reaches the door may use it; X-Consul-Token is accepted and ignored", "/v1/agent/token/": "there are no tokens to set",
		"/v1/agent/maintenance": "the node is plat itself; its own instances are not an outsider's to stop",
		"/v1/agent/connect/":    "plat's own mesh needs no certificates of Consul", "/v1/connect/": "plat's own mesh needs no certificates or intentions of Consul",
		"/v1/query": "prepared queries are not kept; ask health/service", "/v1/event/": "events go through the plan; see docs/events.md",
		"/v1/coordinate/": "one node has no distances", "/v1/snapshot": "back up the folder .plat", "/v1/operator/": "there is no Raft to operate",
		"/v1/config": "routes and policies are in the plan", "/v1/discovery-chain/": "routes are in the plan",
		"/v1/internal/": "Consul's own interface has no wire to rely on", "/v1/health/connect/": "plat's own mesh needs no Connect", "/v1/catalog/connect/": "plat's own mesh needs no Connect",
		"/v1/health/ingress/": "the gateway is in the plan", "/v1/agent/join/": "one plat has no members", "/v1/agent/leave": "`plat down` ends plat",
		"/v1/agent/force-leave/": "one plat has no members", "/v1/agent/monitor": "see `plat logs`", "/v1/agent/metrics": "see plat's own metrics", "/v1/agent/reload": "plat follows its plan", "/v1/agent/host": "the machine is not the registry's to tell of",
	} {
		if strings.HasPrefix(path, prefix) {
			return unsupported(q.Method+" "+path, why)
		}
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		if _, pattern := d.mux.Handler(&http.Request{Method: method, URL: q.URL, Host: q.Host}); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		q.w.Header().Set("Allow", strings.Join(allowed, ", "))
		return fail(http.StatusMethodNotAllowed, fault.Newf(fault.ConsulInvalid, "method %s not allowed on %s", q.Method, path).Why("use "+strings.Join(allowed, " or ")))
	}
	return fail(http.StatusNotFound, fault.Newf(fault.ConsulUnknown, "nothing is served at %s", path).Fix("see docs/consul.md for what is"))
}

// refuse answers with an error as Consul's clients expect it: plain text.
func (q *request) refuse(err error) {
	var f *failure
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &f):
	case errors.As(err, &large):
		f = &failure{http.StatusRequestEntityTooLarge, fault.Newf(fault.ConsulInvalid, "the body is larger than %d bytes", MaxBody)}
	default:
		f = &failure{status: http.StatusInternalServerError, Fault: fault.All(err)[0]}
		switch {
		case fault.Is(err, fault.ConsulFull), fault.Is(err, fault.RegistryFull):
			f.status = http.StatusInsufficientStorage
		case fault.Is(err, fault.ConsulUnavailable):
			f.status = http.StatusServiceUnavailable
		case fault.Is(err, fault.RegistryTaken):
			f.status = http.StatusConflict
		case fault.Is(err, fault.RegistryInvalid):
			f.status = http.StatusBadRequest
		}
	}
	text := f.What
	if f.Expected != "" {
		text += ": " + f.Expected
	}
	if f.Remedy != "" {
		text += "; " + f.Remedy
	}
	if f.Code == fault.Internal {
		text = "something went wrong inside plat; its log has the correlation ID " + q.id
	}
	if f.status >= http.StatusInternalServerError && f.status != http.StatusNotImplemented {
		q.d.log.Warn("a request to the Consul door failed", "method", q.Method, "path", q.URL.Path, "status", f.status, "error", err, "correlation_id", q.id)
	}
	q.d.refused.Add(1)
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	q.w.WriteHeader(f.status)
	fmt.Fprintf(q.w, "%s [%s]", text, f.Code)
}

// json answers with a value.
func (q *request) json(status int, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if _, pretty := q.query["pretty"]; pretty {
		enc.SetIndent("", "    ")
	}
	if err := enc.Encode(v); err != nil {
		return err
	}
	out := b.Bytes()
	if _, pretty := q.query["pretty"]; !pretty {
		out = bytes.TrimSuffix(out, []byte("\n"))
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.w.WriteHeader(status)
	_, _ = q.w.Write(out) // whoever asked may be gone
	return nil
}

// found answers with what a query of the catalog or the keys found.
func (q *request) found(index uint64, v any) error {
	q.meta(index)
	return q.json(http.StatusOK, v)
}

// meta sets the headers of an answer that can be waited for.
func (q *request) meta(index uint64) {
	h := q.w.Header()
	h.Set("X-Consul-Index", strconv.FormatUint(max(index, 1), 10))
	h.Set("X-Consul-KnownLeader", "true")
	h.Set("X-Consul-LastContact", "0")
	h.Set("X-Consul-Translate-Addresses", "false")
	h.Set("X-Consul-Default-ACL-Policy", "allow")
	h.Set("X-Consul-Effective-Consistency", "leader")
}

// body reads a JSON object.
func (q *request) body(into any) error {
	data, err := io.ReadAll(q.Body)
	if err != nil {
		return err
	}
	if len(data) > MaxBody {
		return &http.MaxBytesError{Limit: MaxBody}
	}
	if !utf8.Valid(data) {
		return invalid("Request decode failed: the body is not UTF-8")
	}
	if err := json.Unmarshal(data, into); err != nil {
		return invalid("Request decode failed: %v", err)
	}
	return nil
}

// flag tells whether a parameter is there and not false.
func (q *request) flag(name string) (bool, error) {
	values, there := q.query[name]
	if !there {
		return false, nil
	}
	if values[0] == "" {
		return true, nil
	}
	on, err := strconv.ParseBool(values[0])
	if err != nil {
		return false, invalid("query parameter %q is neither true nor false: %q", name, values[0])
	}
	return on, nil
}

// plausible tells whether a correlation ID can be passed on.
func plausible(id string) bool {
	return id != "" && len(id) <= 128 && !slices.ContainsFunc([]byte(id), func(c byte) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.:", rune(c))
	})
}
