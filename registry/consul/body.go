package consul

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/plat-dev/plat/registry"
)

const (
	minInterval    = time.Second // Consul raises shorter ones to this, too
	minTTL         = 100 * time.Millisecond
	defaultTimeout = 10 * time.Second
	maxTimeout     = time.Minute
	maxDuration    = 30 * 24 * time.Hour
)

// What Consul's clients send. Fields that are not here are left alone, since
// clients newer than this door send them.
type (
	serviceBody struct {
		ID                string
		Name              string
		Service           string // the name of Name in the catalog
		Tags              []string
		Meta              map[string]string
		Port              int
		Address           string
		SocketPath        string
		TaggedAddresses   map[string]address
		Weights           *weights
		EnableTagOverride bool
		Check             *checkBody
		Checks            []*checkBody
		Kind              string
		Proxy             json.RawMessage
		Connect           json.RawMessage
		Ports             json.RawMessage
		Namespace         string
		Partition         string
	}
	checkBody struct {
		ID        string
		CheckID   string
		Name      string
		Notes     string
		ServiceID string
		Status    string
		Output    string
		checkTarget
		checkTimes
		checkOthers
	}
	checkTarget struct {
		HTTP             string
		Method           string
		Header           map[string][]string
		Body             string
		TCP              string
		TCPUseTLS        bool
		TLSServerName    string
		TLSSkipVerify    bool
		DisableRedirects bool
	}
	checkTimes struct {
		Interval                       duration
		Timeout                        duration
		TTL                            duration
		DeregisterCriticalServiceAfter duration
		SuccessBeforePassing           int
		FailuresBeforeWarning          int
		FailuresBeforeCritical         int
	}
	// checkOthers is how Consul checks and plat does not.
	checkOthers struct {
		ScriptArgs, Args  []string
		Script            string
		DockerContainerID string
		UDP               string
		GRPC              string
		H2PING            string
		AliasNode         string
		AliasService      string
		OSService         string
	}
)

// duration is "10s", or a number of nanoseconds.
type duration time.Duration

// UnmarshalJSON reads either form.
func (d *duration) UnmarshalJSON(data []byte) error {
	var n int64
	if err := json.Unmarshal(data, &n); err == nil {
		*d = duration(n)
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("%.40s is no duration like \"10s\"", data)
	}
	if s == "" {
		return nil
	}
	t, err := time.ParseDuration(s)
	*d = duration(t)
	return err
}

// declare reads a service; its checks have IDs made from its own where they
// bring none.
func (b *serviceBody) declare() (*declared, error) {
	for name, is := range map[string]bool{
		"Kind " + b.Kind: b.Kind != "" && b.Kind != "typical", "SocketPath": b.SocketPath != "",
		"Proxy": given(b.Proxy), "Connect": given(b.Connect), "Ports": given(b.Ports),
		"Namespace " + b.Namespace: b.Namespace != "" && b.Namespace != "default", "Partition " + b.Partition: b.Partition != "" && b.Partition != "default",
	} {
		if is {
			return nil, unsupportedField(name, "an outsider is a plain service at a host and a port")
		}
	}
	d := &declared{
		Service: cmp.Or(b.Name, b.Service), ID: cmp.Or(b.ID, b.Name, b.Service), Tags: b.Tags, Meta: b.Meta, Port: b.Port, Address: b.Address,
		TaggedAddresses: b.TaggedAddresses, Weights: b.Weights, EnableTagOverride: b.EnableTagOverride,
	}
	if d.Weights != nil && *d.Weights == (weights{}) {
		d.Weights = nil // how clients say nothing
	}
	checks := slices.Clone(b.Checks)
	if b.Check != nil && !b.Check.empty() {
		checks = append([]*checkBody{b.Check}, checks...)
	}
	for i, c := range checks {
		if c == nil {
			return nil, invalid("Invalid check: null")
		}
		id := "service:" + d.ID
		if len(checks) > 1 {
			id = fmt.Sprintf("service:%s:%d", d.ID, i+1)
		}
		p, err := c.probe(id, fmt.Sprintf("Service '%s' check", d.Service))
		if err != nil {
			return nil, err
		}
		d.Checks = append(d.Checks, p)
	}
	return d, nil
}

func given(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && !slices.Contains([]string{"null", "{}", "[]", `""`, `{"Native":false}`}, string(raw))
}

func unsupportedField(what, why string) error {
	err := unsupported(what, why)
	if f, ok := err.(*failure); ok { //nolint:errorlint // made above
		f.status = http.StatusBadRequest
	}
	return err
}

func (c *checkBody) empty() bool {
	data, err := json.Marshal(c)
	none, _ := json.Marshal(&checkBody{})
	return err == nil && bytes.Equal(data, none)
}

// probe reads a check that is run or told; id and name are for one without.
func (c *checkBody) probe(id, name string) (probe, error) {
	o := c.checkOthers
	for what, is := range map[string]bool{
		"a script": o.Script != "" || len(o.Args)+len(o.ScriptArgs) > 0, "Docker": o.DockerContainerID != "", "UDP": o.UDP != "", "GRPC": o.GRPC != "",
		"H2PING": o.H2PING != "", "an alias": o.AliasNode != "" || o.AliasService != "", "OSService": o.OSService != "",
	} {
		if is {
			return probe{}, unsupportedField("a check by "+what, "plat checks by TTL, HTTP and TCP")
		}
	}
	p := probe{
		ID: cmp.Or(c.CheckID, c.ID, id), Name: cmp.Or(c.Name, name), Notes: c.Notes, Status: registry.Status(cmp.Or(c.Status, string(registry.Critical))),
		Method: c.Method, Header: maps.Clone(c.Header), Body: c.Body, TLS: c.TCPUseTLS, TLSServerName: c.TLSServerName,
		TLSSkipVerify: c.TLSSkipVerify, NoRedirects: c.DisableRedirects,
		Interval: time.Duration(c.Interval), Timeout: time.Duration(c.Timeout), TTL: time.Duration(c.TTL), Reap: time.Duration(c.DeregisterCriticalServiceAfter),
		Successes: c.SuccessBeforePassing, Warnings: c.FailuresBeforeWarning, Failures: c.FailuresBeforeCritical,
	}
	if !status(string(p.Status)) {
		return p, invalid("Invalid check status %.40q: passing, warning or critical", c.Status)
	}
	if p.ID == "" || !printable(p.ID, maxID) || !printable(p.Name, maxID) || len(p.Notes) > registry.MaxOutput {
		return p, invalid("Invalid check ID, name or notes: ID and name have at most %d bytes of printable text", maxID)
	}
	for _, t := range []time.Duration{p.Interval, p.Timeout, p.TTL, p.Reap} {
		if t < 0 || t > maxDuration {
			return p, invalid("Invalid duration %s of check %q: from 0 to 720h", t, p.ID)
		}
	}
	return p, p.kind(c)
}

// kind decides how the check is made.
func (p *probe) kind(c *checkBody) error {
	ways := 0
	for kind, is := range map[string]string{kindHTTP: c.HTTP, kindTCP: c.TCP} {
		if is != "" {
			p.Kind, p.Target = kind, is
			ways++
		}
	}
	if p.TTL > 0 && ways == 0 {
		p.Kind = kindTTL
		p.TTL = max(p.TTL, minTTL)
		return nil
	}
	switch {
	case p.TTL > 0 || ways > 1:
		return invalid("Check %q has more than one of TTL, HTTP and TCP", p.ID)
	case ways == 0:
		return invalid("Check %q has none of TTL, HTTP and TCP", p.ID)
	case p.Interval == 0:
		return invalid("Interval must be > 0 for the %s check %q", p.Kind, p.ID)
	case p.Kind == kindHTTP && !target(p.Target):
		return invalid("Invalid HTTP of check %q: a URL that begins with http:// or https://, without a password", p.ID)
	}
	if p.Kind == kindTCP {
		name, port, err := net.SplitHostPort(p.Target)
		if err != nil || !host(name) || port == "" {
			return invalid("Invalid TCP of check %q: host:port", p.ID)
		}
	}
	if _, err := http.NewRequest(cmp.Or(p.Method, http.MethodGet), "http://localhost", nil); err != nil { //nolint:noctx // never sent
		return invalid("Invalid Method %.40q of check %q", p.Method, p.ID)
	}
	p.Interval = max(p.Interval, minInterval)
	if p.Timeout == 0 {
		p.Timeout = defaultTimeout
	}
	p.Timeout = min(p.Timeout, maxTimeout)
	return nil
}
