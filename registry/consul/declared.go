package consul

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
)

// declared is what an outsider said about one instance; it is kept on disk as
// JSON. It is never changed in place.
type declared struct {
	Node              string             `json:"node,omitempty"` // empty: the node that plat is
	NodeAddress       string             `json:"nodeAddress,omitempty"`
	NodeMeta          map[string]string  `json:"nodeMeta,omitempty"`
	ID                string             `json:"id"` // of its node
	Service           string             `json:"service"`
	Tags              []string           `json:"tags,omitempty"`
	Meta              map[string]string  `json:"meta,omitempty"`
	Address           string             `json:"address,omitempty"` // empty: the node's
	Port              int                `json:"port"`
	TaggedAddresses   map[string]address `json:"taggedAddresses,omitempty"`
	Weights           *weights           `json:"weights,omitempty"`
	EnableTagOverride bool               `json:"enableTagOverride,omitempty"`
	Checks            []probe            `json:"checks,omitempty"`
	Maintenance       bool               `json:"maintenance,omitempty"`
	Reason            string             `json:"reason,omitempty"` // of the maintenance
}

// Kinds of checks.
const (
	kindTTL    = "ttl"    // the outsider tells, within TTL
	kindHTTP   = "http"   // plat asks
	kindTCP    = "tcp"    // plat connects
	kindStatic = "static" // stands as it was registered in the catalog
)

// probe is one check of an outsider.
type probe struct {
	ID            string              `json:"id"`
	Name          string              `json:"name"`
	Notes         string              `json:"notes,omitempty"`
	Kind          string              `json:"kind"`
	Status        registry.Status     `json:"status"`           // to begin with
	Target        string              `json:"target,omitempty"` // URL or host:port
	Method        string              `json:"method,omitempty"`
	Header        map[string][]string `json:"header,omitempty"`
	Body          string              `json:"body,omitempty"`
	TLS           bool                `json:"tls,omitempty"`
	TLSServerName string              `json:"tlsServerName,omitempty"`
	TLSSkipVerify bool                `json:"tlsSkipVerify,omitempty"`
	NoRedirects   bool                `json:"noRedirects,omitempty"`
	Interval      time.Duration       `json:"interval,omitempty"`
	Timeout       time.Duration       `json:"timeout,omitempty"`
	TTL           time.Duration       `json:"ttl,omitempty"`
	Reap          time.Duration       `json:"reap,omitempty"`      // critical for so long: deregistered
	Successes     int                 `json:"successes,omitempty"` // in a row before passing
	Warnings      int                 `json:"warnings,omitempty"`  // failures in a row before warning
	Failures      int                 `json:"failures,omitempty"`  // failures in a row before critical
}

func (p probe) runs() bool { return p.Kind == kindHTTP || p.Kind == kindTCP }

// wire is the definition as clients read it.
func (p probe) wire() definition {
	d := definition{Header: p.Header, Method: p.Method, Body: p.Body, TLSServerName: p.TLSServerName, TLSSkipVerify: p.TLSSkipVerify, TCPUseTLS: p.TLS}
	switch p.Kind {
	case kindHTTP:
		d.HTTP = p.Target
	case kindTCP:
		d.TCP = p.Target
	}
	for into, is := range map[*string]time.Duration{&d.Interval: p.Interval, &d.Timeout: p.Timeout, &d.TTL: p.TTL, &d.DeregisterCriticalServiceAfter: p.Reap} {
		if is > 0 {
			*into = is.String()
		}
	}
	return d
}

// instance is the registry's ID of what is declared.
func (d *declared) instance() string {
	if d.Node == "" {
		return d.ID
	}
	return d.Node + "/" + d.ID
}

func (d *declared) addr() string {
	return net.JoinHostPort(cmp.Or(d.Address, d.NodeAddress, "127.0.0.1"), strconv.Itoa(d.Port))
}

// Names.
const (
	maxID   = 255 // bytes
	maxTags = 64
	maxMeta = 64 // pairs
)

var (
	labelForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	nodeForm  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$`)
	metaForm  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	hostForm  = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$`)
)

func label(s string) bool { return labelForm.MatchString(s) }

func nodeName(s string) bool { return nodeForm.MatchString(s) }

// printable tells whether a text has at most max bytes and none that moves a
// cursor.
func printable(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// valid tells what is wrong with what an outsider declares.
func (d *declared) valid() error {
	wrong := func(why, format string, args ...any) error {
		f := fault.Newf(fault.ConsulInvalid, format, args...)
		return fail(400, f.Why(why))
	}
	switch {
	case d.Service == "":
		return wrong("a service needs one", "Missing service name")
	case !label(d.Service):
		return wrong("it is looked up by DNS and as Host NAME.internal: lower-case letters, digits and hyphens, at most 63", "Invalid service name %.80q", d.Service)
	case d.ID == "" || !printable(d.ID, maxID):
		return wrong(fmt.Sprintf("1 to %d bytes of printable text", maxID), "Invalid service ID %.80q", d.ID)
	case d.Port < 1 || d.Port > 65535:
		return wrong("from 1 to 65535: whatever is registered is called there", "Invalid service port %d", d.Port)
	case d.Address != "" && !host(d.Address):
		return wrong("an IP address or a host name without a port; 0.0.0.0 is nobody's", "Invalid service address %.80q", d.Address)
	case d.Node != "" && !nodeName(d.Node):
		return wrong("letters, digits, dots, hyphens and underscores, at most 128", "Invalid node name %.80q", d.Node)
	case d.Node != "" && !host(d.NodeAddress):
		return wrong("an IP address or a host name", "Invalid node address %.80q", d.NodeAddress)
	case len(d.Tags) > maxTags || slices.ContainsFunc(d.Tags, func(t string) bool { return t == "" || !printable(t, maxID) }):
		return wrong(fmt.Sprintf("at most %d tags of 1 to %d bytes of printable text", maxTags, maxID), "Invalid tags")
	case !metadata(d.Meta) || !metadata(d.NodeMeta):
		return wrong(fmt.Sprintf("at most %d pairs; a key has 1 to 128 letters, digits, hyphens and underscores, a value at most 512 bytes", maxMeta), "Invalid meta")
	case len(d.Checks) >= registry.MaxChecks:
		return wrong(fmt.Sprintf("at most %d", registry.MaxChecks-1), "%d checks for service %q", len(d.Checks), d.ID)
	}
	for name, a := range d.TaggedAddresses {
		if !printable(name, maxID) || !host(a.Address) || a.Port < 0 || a.Port > 65535 || len(d.TaggedAddresses) > maxTags {
			return wrong("an IP address or host name and a port", "Invalid tagged address %.80q", name)
		}
	}
	if w := d.Weights; w != nil && (w.Passing < 1 || w.Passing > 65535 || w.Warning < 0 || w.Warning > 65535) {
		return wrong("Passing from 1, Warning from 0, both to 65535", "Invalid weights")
	}
	seen := map[string]bool{}
	for _, p := range d.Checks {
		if seen[p.ID] || p.ID == maintenanceID(d.ID) {
			return wrong("each check has its own", "Duplicate check ID %q", p.ID)
		}
		seen[p.ID] = true
	}
	return nil
}

func metadata(m map[string]string) bool {
	for k, v := range m {
		if !metaForm.MatchString(k) || !printable(v, 512) {
			return false
		}
	}
	return len(m) <= maxMeta
}

// host tells whether something can be called by this name.
func host(s string) bool {
	if ip, err := netip.ParseAddr(s); err == nil {
		return !ip.IsUnspecified() && !ip.IsMulticast()
	}
	return len(s) <= 253 && hostForm.MatchString(s)
}

// target tells whether a URL can be asked.
func target(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
}
