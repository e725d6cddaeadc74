package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// door is a server on free ports, and its registry.
type door struct {
	*registry.Registry
	server   *Server
	udp, tcp string
}

func open(t *testing.T, o Options) *door {
	t.Helper()
	d := &door{Registry: registry.New()}
	o.Registry = d.Registry
	d.server = New(o)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.udp, d.tcp = udp.LocalAddr().String(), tcp.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.server.Serve(ctx, udp, tcp) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("Serve did not end")
		}
	})
	return d
}

// instance registers one, with a check of this status.
func (d *door) instance(t *testing.T, id, service, addr string, status registry.Status, tags ...string) {
	t.Helper()
	if err := d.Register(registry.Instance{ID: id, Service: service, Addr: addr, Tags: tags}, 0); err != nil {
		t.Fatal(err)
	}
	d.SetCheck(id, "ready", status, "")
}

// shop is a door to a few services.
func shop(t *testing.T) *door {
	t.Helper()
	d := open(t, Options{Environment: "local"})
	d.instance(t, "web-1", "web", "127.0.0.1:10001", registry.Passing, "v1")
	d.instance(t, "web-2", "web", "127.0.0.1:10002", registry.Warning, "v2", "Blue")
	d.instance(t, "web-3", "web", "127.0.0.1:10003", registry.Critical, "v3")
	d.instance(t, "six-1", "six", "[2001:db8::1]:80", registry.Passing)
	d.instance(t, "both-1", "both", "10.0.0.1:81", registry.Passing)
	d.instance(t, "both-2", "both", "[2001:db8::2]:82", registry.Passing)
	d.instance(t, "named-1", "named", "legacy.example.com:443", registry.Passing)
	d.instance(t, "mixed-1", "mixed", "legacy.example.com:443", registry.Passing)
	d.instance(t, "mixed-2", "mixed", "10.0.0.2:444", registry.Passing)
	d.instance(t, "here-1", "here", "localhost:90", registry.Passing)
	d.instance(t, "Legacy-1", "Legacy_App", "10.0.0.9:80", registry.Passing)
	d.instance(t, "down-1", "down", "127.0.0.1:1", registry.Critical)
	d.instance(t, "odd-1", "odd", "no port", registry.Passing)
	d.instance(t, "odd-2", "odd", "not a host\x00:80", registry.Passing)
	return d
}

func (d *door) exchange(t *testing.T, network string, m *dns.Msg) *dns.Msg {
	t.Helper()
	addr := d.udp
	if network == "tcp" {
		addr = d.tcp
	}
	c := dns.Client{Net: network, Timeout: 20 * time.Second}
	r, _, err := c.Exchange(m, addr)
	if err != nil {
		t.Fatalf("%s %v: %v", network, m.Question, err)
	}
	return r
}

func (d *door) ask(t *testing.T, name string, kind uint16) *dns.Msg {
	t.Helper()
	return d.exchange(t, "udp", new(dns.Msg).SetQuestion(name, kind))
}

// short writes records without what is the same in all, sorted.
func short(rrs []dns.RR) string {
	var all []string
	for _, rr := range rrs {
		if rr.Header().Rrtype == dns.TypeOPT {
			continue
		}
		text := strings.TrimPrefix(rr.String(), rr.Header().String())
		all = append(all, dns.TypeToString[rr.Header().Rrtype]+" "+text)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	d := shop(t)
	const web = "SRV 1 1 10001 7f000001.addr.dc1.plat., SRV 1 1 10002 7f000001.addr.dc1.plat."
	for _, test := range []struct{ name, kind, want string }{
		{"web.service.plat.", "A", "A 127.0.0.1"},
		{"web.service.consul.", "A", "A 127.0.0.1"},
		{"web.service.dc1.consul.", "A", "A 127.0.0.1"},
		{"web.service.dc1.plat.", "A", "A 127.0.0.1"},
		{"web.local.plat.", "A", "A 127.0.0.1"},
		{"WEB.Service.PLAT.", "A", "A 127.0.0.1"},
		{"web.service.plat.", "SRV", web},
		{"web.local.plat.", "SRV", web},
		{"_web._tcp.service.plat.", "SRV", web},
		{"_web._tcp.local.plat.", "SRV", web},
		{"_web._tcp.service.consul.", "SRV", strings.ReplaceAll(web, "plat", "consul")},
		{"_web._v1.service.dc1.consul.", "SRV", "SRV 1 1 10001 7f000001.addr.dc1.consul."},
		{"v2.web.service.plat.", "SRV", "SRV 1 1 10002 7f000001.addr.dc1.plat."},
		{"blue.web.service.consul.", "SRV", "SRV 1 1 10002 7f000001.addr.dc1.consul."},
		{"BLUE.web.local.plat.", "SRV", "SRV 1 1 10002 7f000001.addr.dc1.plat."},
		{"six.service.plat.", "AAAA", "AAAA 2001:db8::1"},
		{"six.service.plat.", "SRV", "SRV 1 1 80 20010db8000000000000000000000001.addr.dc1.plat."},
		{"both.service.plat.", "A", "A 10.0.0.1"},
		{"both.service.plat.", "AAAA", "AAAA 2001:db8::2"},
		{"both.service.plat.", "ANY", "A 10.0.0.1, AAAA 2001:db8::2"},
		{"named.service.plat.", "A", "CNAME legacy.example.com."},
		{"named.service.plat.", "CNAME", "CNAME legacy.example.com."},
		{"named.service.plat.", "SRV", "SRV 1 1 443 legacy.example.com."},
		{"mixed.service.plat.", "A", "A 10.0.0.2"},
		{"mixed.service.plat.", "SRV", "SRV 1 1 443 legacy.example.com., SRV 1 1 444 0a000002.addr.dc1.plat."},
		{"here.service.plat.", "A", "A 127.0.0.1"},
		{"legacy_app.service.plat.", "A", "A 10.0.0.9"},
		{"7f000001.addr.dc1.plat.", "A", "A 127.0.0.1"},
		{"7F000001.addr.consul.", "ANY", "A 127.0.0.1"},
		{"20010db8000000000000000000000001.addr.dc1.consul.", "AAAA", "AAAA 2001:db8::1"},
		{"ns.plat.", "A", "A 127.0.0.1"},
		{"plat.", "NS", "NS ns.plat."},
		{"consul.", "NS", "NS ns.consul."},
	} {
		kind := dns.StringToType[test.kind]
		r := d.ask(t, test.name, kind)
		if got := short(r.Answer); got != test.want || r.Rcode != dns.RcodeSuccess {
			t.Errorf("%s %s = %s %q, want %q", test.name, test.kind, dns.RcodeToString[r.Rcode], got, test.want)
		}
		if !r.Authoritative || r.RecursionAvailable || len(r.Ns) != 0 || r.Question[0].Name != test.name {
			t.Errorf("%s %s: aa=%v ra=%v authority %q, question %q", test.name, test.kind, r.Authoritative, r.RecursionAvailable, short(r.Ns), r.Question[0].Name)
		}
		for _, rr := range r.Answer {
			if rr.Header().Ttl != 0 || rr.Header().Name != test.name {
				t.Errorf("%s %s: %v, want TTL 0 and the name as it was asked", test.name, test.kind, rr)
			}
		}
	}
}

// TestServiceTargets: what an SRV record names can be resolved, and is resolved
// already.
func TestServiceTargets(t *testing.T) {
	t.Parallel()
	d := shop(t)
	for _, service := range []string{"web", "six", "both"} {
		r := d.ask(t, service+".service.plat.", dns.TypeSRV)
		extra := map[string]string{}
		for _, rr := range r.Extra {
			extra[rr.Header().Name] = short([]dns.RR{rr})
		}
		for _, rr := range r.Answer {
			target := rr.(*dns.SRV).Target
			if again := short(d.ask(t, target, dns.TypeANY).Answer); again == "" || extra[target] != again {
				t.Errorf("%s: %q beside the answer, %q when asked", target, extra[target], again)
			}
		}
		if len(extra) == 0 || len(extra) > len(r.Answer) {
			t.Errorf("%s: beside the answer %q", service, short(r.Extra))
		}
	}
	if r := d.ask(t, "named.service.plat.", dns.TypeSRV); len(r.Extra) != 0 {
		t.Errorf("beside a foreign name stands %q", short(r.Extra))
	}
}

func TestNegativeAnswers(t *testing.T) {
	t.Parallel()
	d := shop(t)
	for _, test := range []struct {
		name, kind string
		rcode      int
	}{
		{"nobody.service.plat.", "A", dns.RcodeNameError},
		{"nobody.service.consul.", "SRV", dns.RcodeNameError},
		{"down.service.plat.", "A", dns.RcodeNameError}, // none in rotation: as Consul
		{"odd.service.plat.", "SRV", dns.RcodeNameError},
		{"v3.web.service.plat.", "SRV", dns.RcodeNameError},
		{"nothing.web.service.plat.", "A", dns.RcodeNameError},
		{"_web._v9.service.plat.", "SRV", dns.RcodeNameError},
		{"web.production.plat.", "A", dns.RcodeNameError},
		{"web.service.dc2.consul.", "A", dns.RcodeNameError},
		{"web.local.consul.", "A", dns.RcodeNameError},
		{"a.b.web.service.plat.", "A", dns.RcodeNameError},
		{"web.plat.", "A", dns.RcodeNameError},
		{"zz.addr.dc1.plat.", "A", dns.RcodeNameError},
		{"7f0001.addr.dc1.plat.", "A", dns.RcodeNameError},
		{"x.7f000001.addr.dc1.plat.", "A", dns.RcodeNameError},
		{`we\.b.service.plat.`, "A", dns.RcodeNameError},
		{strings.Repeat("x", 63) + ".service.plat.", "A", dns.RcodeNameError},
		{"web.service.plat.", "AAAA", dns.RcodeSuccess}, // there, but without that
		{"web.service.plat.", "TXT", dns.RcodeSuccess},
		{"web.service.plat.", "HTTPS", dns.RcodeSuccess},
		{"web.service.plat.", "SOA", dns.RcodeSuccess},
		{"six.service.plat.", "A", dns.RcodeSuccess},
		{"7f000001.addr.dc1.plat.", "AAAA", dns.RcodeSuccess},
		{"ns.plat.", "MX", dns.RcodeSuccess},
		{"plat.", "A", dns.RcodeSuccess},
		{"service.plat.", "A", dns.RcodeSuccess}, // names are below
		{"_tcp.service.plat.", "A", dns.RcodeSuccess},
		{"local.plat.", "NS", dns.RcodeSuccess},
		{"addr.plat.", "A", dns.RcodeSuccess},
		{"dc1.consul.", "A", dns.RcodeSuccess},
		{"service.dc1.consul.", "A", dns.RcodeSuccess},
	} {
		r := d.ask(t, test.name, dns.StringToType[test.kind])
		if r.Rcode != test.rcode || len(r.Answer) != 0 || !r.Authoritative {
			t.Errorf("%s %s = %s %q, want %s and nothing", test.name, test.kind, dns.RcodeToString[r.Rcode], short(r.Answer), dns.RcodeToString[test.rcode])
		}
		if len(r.Ns) != 1 || r.Ns[0].Header().Rrtype != dns.TypeSOA || r.Ns[0].Header().Ttl != 0 || r.Ns[0].(*dns.SOA).Minttl != 0 {
			t.Errorf("%s %s: authority %v, want the zone's SOA, not to be cached", test.name, test.kind, r.Ns)
		}
	}
	if s := d.server.Stats(); s.NoName != 17 {
		t.Errorf("NoName = %d, want 17", s.NoName)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d := shop(t)
	question := func(edit func(*dns.Msg)) *dns.Msg {
		m := new(dns.Msg).SetQuestion("web.service.plat.", dns.TypeA)
		edit(m)
		return m
	}
	for name, test := range map[string]struct {
		query *dns.Msg
		rcode int
	}{
		"another zone": {question(func(m *dns.Msg) { m.Question[0].Name = "example.com." }), dns.RcodeRefused},
		"a like zone":  {question(func(m *dns.Msg) { m.Question[0].Name = "web.service.myplat." }), dns.RcodeRefused},
		"the root":     {question(func(m *dns.Msg) { m.Question[0].Name = "." }), dns.RcodeRefused},
		"reverse":      {question(func(m *dns.Msg) { m.SetQuestion("1.0.0.127.in-addr.arpa.", dns.TypePTR) }), dns.RcodeRefused},
		"CHAOS": {question(func(m *dns.Msg) {
			m.Question[0] = dns.Question{Name: "version.bind.", Qtype: dns.TypeTXT, Qclass: dns.ClassCHAOS}
		}), dns.RcodeRefused},
		"CHAOS in zone": {question(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused},
		"transfer":      {question(func(m *dns.Msg) { m.SetAxfr("plat.") }), dns.RcodeRefused},
		"part transfer": {question(func(m *dns.Msg) { m.SetIxfr("plat.", 1, "a.", "b.") }), dns.RcodeRefused},
		"meta type":     {question(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMAILB }), dns.RcodeNotImplemented},
		"update":        {question(func(m *dns.Msg) { m.SetUpdate("plat.") }), dns.RcodeNotImplemented},
		"notify":        {question(func(m *dns.Msg) { m.SetNotify("plat.") }), dns.RcodeNotImplemented},
		"status":        {question(func(m *dns.Msg) { m.Opcode = dns.OpcodeStatus }), dns.RcodeNotImplemented},
		"two questions": {question(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), dns.RcodeFormatError},
		"no question":   {question(func(m *dns.Msg) { m.Question = nil }), dns.RcodeFormatError},
		"an answer in the question": {question(func(m *dns.Msg) {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "x.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(1, 2, 3, 4)}}
		}), dns.RcodeFormatError},
		"two options":    {question(func(m *dns.Msg) { m.SetEdns0(1232, false); m.SetEdns0(1232, false) }), dns.RcodeFormatError},
		"unknown option": {question(func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(7) }), dns.RcodeBadVers},
	} {
		for _, network := range []string{"udp", "tcp"} {
			r := d.exchange(t, network, test.query.Copy())
			if r.Rcode != test.rcode || len(r.Answer)+len(r.Ns) != 0 || r.Authoritative {
				t.Errorf("%s by %s: %s, answer %q, authority %q, aa %v, want %s alone", name, network, dns.RcodeToString[r.Rcode], short(r.Answer), short(r.Ns), r.Authoritative, dns.RcodeToString[test.rcode])
			}
		}
	}
}

// TestRotation: who leaves rotation is out of the very next answer, and who
// comes is in it.
func TestRotation(t *testing.T) {
	t.Parallel()
	d := open(t, Options{})
	d.instance(t, "a", "web", "10.0.0.1:1", registry.Passing)
	for i := range 500 {
		d.instance(t, "b", "web", "10.0.0.2:1", registry.Passing)
		if got := short(d.ask(t, "web.service.plat.", dns.TypeA).Answer); got != "A 10.0.0.1, A 10.0.0.2" {
			t.Fatalf("round %d, both in rotation: %s", i, got)
		}
		if i%2 == 0 {
			d.SetCheck("b", "ready", registry.Critical, "")
		} else {
			d.Deregister("b")
		}
		if got := short(d.ask(t, "web.service.plat.", dns.TypeA).Answer); got != "A 10.0.0.1" {
			t.Fatalf("round %d, one left: %s", i, got)
		}
	}
	for i := range 100 { // a service whose name has capitals
		id := fmt.Sprint("C", i)
		d.instance(t, id, id, "10.0.0.3:1", registry.Passing)
		if r := d.ask(t, strings.ToLower(id)+".service.plat.", dns.TypeA); short(r.Answer) != "A 10.0.0.3" {
			t.Fatalf("%s is not there: %v", id, r)
		}
		d.Deregister(id)
		if r := d.ask(t, strings.ToLower(id)+".service.plat.", dns.TypeA); r.Rcode != dns.RcodeNameError {
			t.Fatalf("%s is still there: %v", id, r)
		}
	}
}

func TestOrderIsRandom(t *testing.T) {
	t.Parallel()
	d := open(t, Options{})
	for i := range 4 {
		d.instance(t, fmt.Sprint(i), "web", fmt.Sprintf("10.0.0.%d:80", i), registry.Passing)
	}
	first := map[string]bool{}
	for range 200 { // all four come first once, but for one time in 10^24
		first[d.ask(t, "web.service.plat.", dns.TypeA).Answer[0].(*dns.A).A.String()] = true
	}
	if len(first) != 4 {
		t.Fatalf("first came only %v", first)
	}
}

func TestTTLAndDatacenter(t *testing.T) {
	t.Parallel()
	d := open(t, Options{TTL: 30 * time.Second, Datacenter: "East"})
	d.instance(t, "a", "web", "10.0.0.1:1", registry.Passing)
	r := d.ask(t, "web.service.east.consul.", dns.TypeSRV)
	if len(r.Answer) != 1 || r.Answer[0].Header().Ttl != 30 || r.Answer[0].(*dns.SRV).Target != "0a000001.addr.east.consul." {
		t.Fatalf("answer = %v", r.Answer)
	}
	if r = d.ask(t, "web.service.dc1.consul.", dns.TypeA); r.Rcode != dns.RcodeNameError || r.Ns[0].(*dns.SOA).Minttl != 30 {
		t.Fatalf("answer = %v", r)
	}
}

// TestSizes: UDP answers keep to what the client allows and never exceed
// MaxUDP; over TCP there is the rest.
func TestSizes(t *testing.T) {
	t.Parallel()
	d := open(t, Options{})
	for i := range 300 {
		d.instance(t, fmt.Sprint("i", i), "big", fmt.Sprintf("10.0.%d.%d:80", i/256, i%256), registry.Passing)
	}
	for _, kind := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypeANY} {
		for _, size := range []uint16{0, 100, 512, 800, 1232, 4096, 65535} {
			m := new(dns.Msg).SetQuestion("big.service.plat.", kind)
			if size > 0 {
				m.SetEdns0(size, true)
			}
			c := dns.Client{Timeout: 20 * time.Second, UDPSize: 65535}
			r, _, err := c.Exchange(m, d.udp)
			if err != nil {
				t.Fatal(err)
			}
			limit := min(max(int(size), 512), MaxUDP)
			r.Compress = true
			if !r.Truncated || len(r.Answer) == 0 || r.Len() > limit || r.Len() < limit/2 {
				t.Errorf("%d bytes allowed: %d bytes, truncated %v, %d answers", size, r.Len(), r.Truncated, len(r.Answer))
			}
			if opt := r.IsEdns0(); (opt != nil) != (size > 0) || opt != nil && (opt.UDPSize() != MaxUDP || !opt.Do()) {
				t.Errorf("%d bytes allowed: option %v", size, opt)
			}
		}
		r := d.exchange(t, "tcp", new(dns.Msg).SetQuestion("big.service.plat.", kind))
		if r.Truncated || len(r.Answer) != 300 {
			t.Errorf("over TCP: truncated %v, %d answers", r.Truncated, len(r.Answer))
		}
	}
	for i := range 2000 {
		d.instance(t, fmt.Sprint("h", i), "huge", fmt.Sprintf("10.1.%d.%d:80", i/256, i%256), registry.Passing)
	}
	if r := d.exchange(t, "tcp", new(dns.Msg).SetQuestion("huge.service.plat.", dns.TypeSRV)); len(r.Answer) != MaxInstances || r.Truncated {
		t.Errorf("of 2000 instances: %d answers, truncated %v", len(r.Answer), r.Truncated)
	}
	if s := d.server.Stats(); s.Truncated != 21 {
		t.Errorf("truncated = %d, want 21", s.Truncated)
	}
}

// resolver is Go's own, asking the door.
func (d *door) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		addr := d.udp
		if strings.HasPrefix(network, "tcp") {
			addr = d.tcp
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
}

func TestGoResolver(t *testing.T) {
	t.Parallel()
	d := shop(t)
	for i := range 200 {
		d.instance(t, fmt.Sprint("i", i), "big", fmt.Sprintf("10.0.%d.%d:80", i/256, i%256), registry.Passing)
	}
	ctx, r := t.Context(), d.resolver()
	if hosts, err := r.LookupHost(ctx, "both.service.plat."); err != nil || len(hosts) != 2 || !slices.Contains(hosts, "10.0.0.1") || !slices.Contains(hosts, "2001:db8::2") {
		t.Errorf("LookupHost = %v, %v", hosts, err)
	}
	if hosts, err := r.LookupHost(ctx, "WEB.local.plat."); err != nil || len(hosts) != 1 || hosts[0] != "127.0.0.1" {
		t.Errorf("LookupHost = %v, %v", hosts, err)
	}
	if hosts, err := r.LookupHost(ctx, "big.service.consul."); err != nil || len(hosts) != 200 {
		t.Errorf("LookupHost of 200 instances = %d, %v", len(hosts), err)
	}
	_, services, err := r.LookupSRV(ctx, "web", "tcp", "service.plat.")
	if err != nil || len(services) != 2 || services[0].Target != "7f000001.addr.dc1.plat." {
		t.Errorf("LookupSRV = %v, %v", services, err)
	}
	if addrs, err := r.LookupNetIP(ctx, "ip4", services[0].Target); err != nil || len(addrs) != 1 || addrs[0] != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the target of a service = %v, %v", addrs, err)
	}
	for _, name := range []string{"nobody.service.plat.", "down.service.plat.", "named.service.nowhere.plat."} {
		var none *net.DNSError
		if _, err := r.LookupHost(ctx, name); !errors.As(err, &none) || !none.IsNotFound {
			t.Errorf("LookupHost(%s) = %v, want not found", name, err)
		}
	}
}

func TestListenersFail(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"udp", "tcp"} {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if which == "udp" {
			udp.Close()
		} else {
			tcp.Close()
		}
		s := New(Options{Registry: registry.New(), Log: slog.New(slog.DiscardHandler)})
		if err := s.Serve(t.Context(), udp, tcp); err == nil {
			t.Errorf("Serve on a closed %s socket ended without an error", which)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("enough"))
	if err := New(Options{Registry: registry.New()}).Serve(ctx, nil, nil); err != nil {
		t.Errorf("Serve after its end = %v", err)
	}
}
