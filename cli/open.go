package cli

import (
	"net"
	"net/netip"
	"net/url"

	"github.com/plat-dev/plat/api"
)

// openable is an address that can be opened on this machine: one of all
// interfaces cannot be called.
func openable(address string) string {
	u, err := url.Parse(address)
	if err != nil || !everywhere(u) {
		return address
	}
	u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	return u.String()
}

// everywhere tells whether an address stands for all interfaces.
func everywhere(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsUnspecified()
}

// sayOpen warns of what other machines can reach.
func (a *app) sayOpen(s api.System) {
	warn := func(what, address string) {
		if u, err := url.Parse(address); err == nil && everywhere(u) {
			a.words("%s", a.paint.yellow(what+" listens on all interfaces ("+u.Host+"): whoever reaches this machine can call it; name 127.0.0.1 to keep it here"))
		}
	}
	for _, g := range s.Gateways {
		warn("the gateway "+g.Name, g.URL)
	}
	warn("the control API", s.API)
}
