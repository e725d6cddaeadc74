package dns

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/plat-dev/plat/registry"
)

// reply answers one message; nil is no answer. It never panics: the process
// does more than DNS.
func (s *Server) reply(packet []byte, udp bool) (answer []byte) {
	defer func() {
		if p := recover(); p != nil {
			answer = nil
			if s.failed.Add(1) <= 10 {
				s.log.Error("dns: a query could not be answered", "panic", fmt.Sprint(p), "query", hex.EncodeToString(packet[:min(len(packet), 512)]))
			}
		}
	}()
	query, size := new(dns.Msg), dns.MaxMsgSize
	err := query.Unpack(packet)
	if len(packet) < 12 || query.Response {
		s.malformed.Add(1) // an answer to an answer could go on for ever
		return nil
	}
	response := s.respond(query, err)
	if udp {
		size = dns.MinMsgSize
		if opt := query.IsEdns0(); opt != nil && err == nil {
			size = min(max(int(opt.UDPSize()), dns.MinMsgSize), MaxUDP)
		}
	}
	response.Truncate(size)
	if response.Truncated {
		s.truncated.Add(1)
	}
	if answer, err = response.Pack(); err != nil {
		panic(err) // to be counted and logged above
	}
	return answer
}

// respond gives the response to a message that is no response itself; err says
// why the message could not be read behind its header.
func (s *Server) respond(query *dns.Msg, err error) *dns.Msg {
	switch {
	case query.Opcode != dns.OpcodeQuery:
		return bare(query, dns.RcodeNotImplemented)
	case err != nil || len(query.Question) != 1 || len(query.Answer) > 0:
		s.malformed.Add(1)
		return bare(query, dns.RcodeFormatError)
	}
	r := new(dns.Msg).SetReply(query)
	r.Compress = true
	opts := 0
	for _, extra := range query.Extra {
		if opt, ok := extra.(*dns.OPT); ok {
			if opts++; opts > 1 {
				s.malformed.Add(1)
				return bare(query, dns.RcodeFormatError)
			}
			r.SetEdns0(MaxUDP, opt.Do())
			if opt.Version() != 0 {
				r.Rcode = dns.RcodeBadVers
			}
		}
	}
	if r.Rcode != dns.RcodeSuccess {
		return r
	}
	s.resolve(r, query.Question[0])
	switch r.Rcode {
	case dns.RcodeNameError:
		s.noName.Add(1)
	case dns.RcodeRefused:
		s.refused.Add(1)
	}
	return r
}

// bare is a response that repeats nothing but the ID.
func bare(query *dns.Msg, rcode int) *dns.Msg {
	r := new(dns.Msg)
	r.Id, r.Response, r.Opcode, r.Rcode = query.Id, true, query.Opcode, rcode
	r.RecursionDesired = query.RecursionDesired
	return r
}

// resolve answers a question into r.
func (s *Server) resolve(r *dns.Msg, q dns.Question) {
	zone := zone(q.Name)
	switch {
	case zone == "", q.Qclass != dns.ClassINET, q.Qtype == dns.TypeAXFR, q.Qtype == dns.TypeIXFR:
		r.Rcode = dns.RcodeRefused
		return
	case q.Qtype == dns.TypeOPT, q.Qtype > 127 && q.Qtype < dns.TypeANY: // of transactions, and of mail long ago
		r.Rcode = dns.RcodeNotImplemented
		return
	}
	r.Authoritative = true
	a := &answers{r: r, q: q, zone: zone, s: s, seen: map[string]bool{}}
	m := s.understand(q.Name, zone)
	switch m.kind {
	case nothing:
		r.Rcode = dns.RcodeNameError
	case between:
	case apex:
		a.apex()
	case server:
		a.address(&r.Answer, q.Name, s.own, q.Qtype)
	case address:
		a.address(&r.Answer, q.Name, m.addr, q.Qtype)
	case services:
		a.services(s.rotation(m.service, m.tag))
	}
	if len(r.Answer) == 0 {
		r.Ns = append(r.Ns, a.soa(zone)) // how long the absence may be believed
	}
}

// answers collects the records of one response.
type answers struct {
	r    *dns.Msg
	q    dns.Question
	zone string
	s    *Server
	seen map[string]bool // records that are there already
}

func (a *answers) header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: a.s.ttl}
}

func (a *answers) soa(name string) dns.RR {
	index, _ := a.s.registry.Index("")
	return &dns.SOA{
		Hdr: a.header(name, dns.TypeSOA), Ns: "ns." + a.zone, Mbox: "hostmaster." + a.zone,
		Serial:  uint32(index), //nolint:gosec // serial numbers wrap around (RFC 1982)
		Refresh: 3600, Retry: 600, Expire: 86400, Minttl: a.s.ttl,
	}
}

func (a *answers) apex() {
	switch a.q.Qtype {
	case dns.TypeSOA, dns.TypeANY: // one set of records is answer enough for ANY (RFC 8482)
		a.r.Answer = append(a.r.Answer, a.soa(a.q.Name))
	case dns.TypeNS:
		a.r.Answer = append(a.r.Answer, &dns.NS{Hdr: a.header(a.q.Name, dns.TypeNS), Ns: "ns." + a.zone})
		a.address(&a.r.Extra, "ns."+a.zone, a.s.own, dns.TypeANY)
	}
}

// address adds an address to a section if the type asks for it and it is not
// there yet.
func (a *answers) address(section *[]dns.RR, name string, addr netip.Addr, kind uint16) {
	if !addr.IsValid() || a.seen[name+" "+addr.String()] {
		return
	}
	is4 := addr.Is4()
	switch {
	case is4 && (kind == dns.TypeA || kind == dns.TypeANY):
		*section = append(*section, &dns.A{Hdr: a.header(name, dns.TypeA), A: addr.AsSlice()})
	case !is4 && (kind == dns.TypeAAAA || kind == dns.TypeANY):
		*section = append(*section, &dns.AAAA{Hdr: a.header(name, dns.TypeAAAA), AAAA: addr.AsSlice()})
	default:
		return
	}
	a.seen[name+" "+addr.String()] = true
}

// hostCharacters are those of a host's name; others have meanings in DNS, or
// none.
const hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// endpoint is where an instance listens.
type endpoint struct {
	addr netip.Addr // invalid when the instance is known by a host's name
	host string     // that name, with its final dot
	port uint16
}

// endpointOf reads an instance's address; false when DNS cannot express it.
func endpointOf(inst registry.Instance) (endpoint, bool) {
	host, text, err := net.SplitHostPort(inst.Addr)
	if err != nil {
		return endpoint{}, false
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return endpoint{}, false
	}
	if host == "localhost" { // always this machine (RFC 6761)
		host = "127.0.0.1"
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return endpoint{addr: addr.Unmap().WithZone(""), port: uint16(port)}, true
	}
	if _, ok := dns.IsDomainName(host); !ok || host == "" || strings.ContainsFunc(host, func(r rune) bool { return !strings.ContainsRune(hostCharacters, r) }) {
		return endpoint{}, false
	}
	return endpoint{host: dns.Fqdn(host), port: uint16(port)}, true
}

// services answers with instances in rotation, in random order. Without any,
// there is no such name.
func (a *answers) services(list []registry.Instance) {
	var ends []endpoint
	for _, inst := range list {
		if e, ok := endpointOf(inst); ok {
			ends = append(ends, e)
		}
	}
	if len(ends) == 0 {
		a.r.Rcode = dns.RcodeNameError
		return
	}
	rand.Shuffle(len(ends), func(i, j int) { // #nosec G404 -- spreads load, protects nothing
		ends[i], ends[j] = ends[j], ends[i]
	})
	ends = ends[:min(len(ends), MaxInstances)]
	switch a.q.Qtype {
	case dns.TypeSRV:
		for _, e := range ends {
			a.service(e)
		}
	case dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeCNAME:
		a.addresses(ends)
	}
}

// addresses answers with the instances' addresses. Where they are known by
// name alone, the service's name is another one for one of these: a name has
// one CNAME, and nothing beside it.
func (a *answers) addresses(ends []endpoint) {
	name := ""
	for _, e := range ends {
		if !e.addr.IsValid() {
			name = e.host
			continue
		}
		for _, other := range ends {
			a.address(&a.r.Answer, a.q.Name, other.addr, a.q.Qtype)
		}
		return
	}
	a.r.Answer = append(a.r.Answer, &dns.CNAME{Hdr: a.header(a.q.Name, dns.TypeCNAME), Target: name})
}

// service adds the SRV record of one instance, and the address of its target.
func (a *answers) service(e endpoint) {
	target := e.host
	if e.addr.IsValid() {
		target = hex.EncodeToString(e.addr.AsSlice()) + ".addr." + a.s.datacenter + "." + a.zone
	}
	key := target + " " + strconv.Itoa(int(e.port))
	if a.seen[key] {
		return
	}
	a.seen[key] = true
	a.r.Answer = append(a.r.Answer, &dns.SRV{Hdr: a.header(a.q.Name, dns.TypeSRV), Priority: 1, Weight: 1, Port: e.port, Target: target})
	a.address(&a.r.Extra, target, e.addr, dns.TypeANY)
}
