// Package dns is the door by which programs find instances with DNS: it
// answers for the zones plat. and consul. from the registry, over UDP and TCP.
// It owns the names of these zones and what a query may cost; who is in
// rotation is the registry's to say. It keeps no answer: an instance that
// leaves rotation is out of the next one.
//
// It must never resolve anything for anybody (no recursion), and import no
// other room.
package dns

import (
	"cmp"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/registry"
)

// Limits of what a query may cost.
const (
	MaxUDP         = 1232             // bytes of an answer over UDP, whatever the client allows
	MaxInstances   = 512              // that one answer names, drawn anew each time
	MaxConnections = 128              // over TCP at once; one more is closed
	MaxQueries     = 1000             // over one connection, which is closed then
	IdleTimeout    = 10 * time.Second // for one query and its answer over TCP
	Lifetime       = 10 * time.Minute // of a connection
	MaxWaiting     = 512              // queries over UDP that wait for an answer; more are dropped
)

// Registry is what the door asks; *registry.Registry is one.
type Registry interface {
	Services() []string
	Instances(service string) ([]registry.Instance, uint64)
	Index(service string) (index, names uint64)
}

// Options say what is answered. The zero value but for Registry works.
type Options struct {
	Registry    Registry
	Environment string        // the label in NAME.ENVIRONMENT.plat.; without it there are no such names
	Datacenter  string        // the label in NAME.service.DATACENTER.consul.; dc1 unless set
	TTL         time.Duration // of every answer, in whole seconds; 0: never cached
	Log         *slog.Logger
}

// Stats count since the start. Every query is in UDP or TCP, once.
type Stats struct {
	UDP       uint64 `json:"udp"`       // packets received
	TCP       uint64 `json:"tcp"`       // messages received
	NoName    uint64 `json:"noName"`    // answered: there is no such name (NXDOMAIN)
	Refused   uint64 `json:"refused"`   // answered: not for this zone, class or transfer
	Malformed uint64 `json:"malformed"` // answered as a format error, or not at all
	Truncated uint64 `json:"truncated"` // answered in part: over TCP there is the rest
	Dropped   uint64 `json:"dropped"`   // packets that were too many to answer
	Closed    uint64 `json:"closed"`    // connections that were too many to serve
	Failed    uint64 `json:"failed"`    // not answered for a defect of plat, which the log names
}

// Server answers queries. Its methods are safe for concurrent use.
type Server struct {
	registry    Registry
	environment string
	datacenter  string
	ttl         uint32
	log         *slog.Logger
	idle        time.Duration
	lifetime    time.Duration
	own         netip.Addr // of the server itself, for ns.ZONE; set by Serve before any query

	udp, tcp, noName, refused, malformed, truncated, dropped, closed, failed atomic.Uint64

	mu     sync.Mutex
	folded map[string][]string // services by their lower-case names, where these differ
	names  uint64              // the registry's index at which folded was made
}

// New makes a server; Serve makes it answer.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		registry:    o.Registry,
		environment: strings.ToLower(o.Environment),
		datacenter:  strings.ToLower(cmp.Or(o.Datacenter, "dc1")),
		ttl:         uint32(min(max(o.TTL/time.Second, 0), math.MaxInt32)),
		log:         o.Log,
		idle:        IdleTimeout,
		lifetime:    Lifetime,
	}
}

// Stats gives the server's figures.
func (s *Server) Stats() Stats {
	return Stats{
		UDP: s.udp.Load(), TCP: s.tcp.Load(),
		NoName: s.noName.Load(), Refused: s.refused.Load(), Malformed: s.malformed.Load(), Truncated: s.truncated.Load(),
		Dropped: s.dropped.Load(), Closed: s.closed.Load(), Failed: s.failed.Load(),
	}
}

// rotation lists the instances of a service that are in rotation and have the
// tag, if one is asked for. Both names are lower case.
func (s *Server) rotation(service, tag string) []registry.Instance {
	var all []registry.Instance
	for _, name := range s.spelled(service) {
		list, _ := s.registry.Instances(name)
		for _, inst := range list {
			if inst.Status() != registry.Critical && tagged(inst, tag) {
				all = append(all, inst)
			}
		}
	}
	return all
}

func tagged(inst registry.Instance, tag string) bool {
	for _, t := range inst.Tags {
		if strings.EqualFold(t, tag) {
			return true
		}
	}
	return tag == ""
}

// spelled lists the services whose names are this one but for their capitals,
// which DNS does not tell apart.
func (s *Server) spelled(service string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, names := s.registry.Index(""); s.folded == nil || names != s.names {
		s.folded, s.names = map[string][]string{}, names
		for _, name := range s.registry.Services() {
			if lower := strings.ToLower(name); lower != name {
				s.folded[lower] = append(s.folded[lower], name)
			}
		}
	}
	return append([]string{service}, s.folded[service]...)
}
