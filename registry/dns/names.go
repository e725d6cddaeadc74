package dns

import (
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// The zones that the server answers for.
const (
	zonePlat   = "plat."
	zoneConsul = "consul."
)

// meaning is what a name in one of the zones stands for.
type meaning struct {
	kind    kind
	service string     // lower case
	tag     string     // lower case, of a service; empty: any
	addr    netip.Addr // of an address
}

type kind int

const (
	nothing  kind = iota // there is no such name
	between              // there are names below it, and nothing at it
	apex                 // the zone itself
	server               // this server: ns.ZONE
	address              // an address in hexadecimal: 7f000001.addr.dc1.ZONE
	services             // instances of a service
)

// zone tells in which of the zones a name is; empty for none.
func zone(name string) string {
	for _, z := range []string{zonePlat, zoneConsul} {
		if dns.IsSubDomain(z, name) {
			return z
		}
	}
	return ""
}

// understand reads a name in a zone:
//
//	ZONE                             the apex
//	ns.ZONE                          this server
//	HEX.addr[.DC].ZONE               an address
//	[TAG.]NAME.service[.DC].ZONE     a service
//	_NAME._tcp.service[.DC].ZONE     the same, by RFC 2782
//	_NAME._TAG.service[.DC].ZONE
//
// and in plat. the same with the environment in place of service[.DC].
func (s *Server) understand(name, zone string) meaning {
	labels := dns.SplitDomainName(strings.ToLower(name))
	labels = labels[:len(labels)-1] // both zones have one label
	if n := len(labels); n > 0 && labels[n-1] == s.datacenter && (n == 1 || labels[n-2] == "service" || labels[n-2] == "addr") {
		labels = labels[:n-1]
		if n == 1 {
			return meaning{kind: between}
		}
	}
	if len(labels) == 0 {
		return meaning{kind: apex}
	}
	below, last := labels[:len(labels)-1], labels[len(labels)-1]
	switch {
	case last == "ns" && len(below) == 0:
		return meaning{kind: server}
	case last == "addr":
		return hexadecimal(below)
	case last == "service", zone == zonePlat && last == s.environment:
		return service(below)
	}
	return meaning{}
}

// hexadecimal reads what stands before addr.
func hexadecimal(labels []string) meaning {
	if len(labels) == 0 {
		return meaning{kind: between}
	}
	raw, err := hex.DecodeString(labels[len(labels)-1])
	if err != nil || len(labels) > 1 {
		return meaning{}
	}
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		return meaning{}
	}
	return meaning{kind: address, addr: addr.Unmap()}
}

// service reads what stands before service or the environment.
func service(labels []string) meaning {
	switch len(labels) {
	case 0:
		return meaning{kind: between}
	case 1:
		if strings.HasPrefix(labels[0], "_") {
			return meaning{kind: between} // _tcp, above _NAME._tcp
		}
		return meaning{kind: services, service: labels[0]}
	case 2:
		name, isName := strings.CutPrefix(labels[0], "_")
		tag, isTag := strings.CutPrefix(labels[1], "_")
		if isName && isTag {
			if tag == "tcp" {
				tag = ""
			}
			return meaning{kind: services, service: name, tag: tag}
		}
		return meaning{kind: services, service: labels[1], tag: labels[0]}
	}
	return meaning{}
}
