package control

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry/consul"
	"github.com/plat-dev/plat/registry/dns"
	"github.com/plat-dev/plat/runner/process"
	"github.com/plat-dev/plat/store/nats"
)

// Addresses of the doors: those that clients of these wires try by themselves.
const (
	dnsAddress    = "127.0.0.1:8600"
	consulAddress = "127.0.0.1:8500"
)

// openDoors opens the compatibility listeners that the plan names.
func (p *plane) openDoors(ctx context.Context, run part, _ *closers) error {
	var errs []error
	for _, door := range p.live().Doors {
		switch door {
		case "dns":
			errs = append(errs, p.openDNS(run))
		case "consul":
			errs = append(errs, p.openConsul(ctx, run))
		}
	}
	return errors.Join(errs...)
}

func (p *plane) openDNS(run part) error {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(dnsAddress)))
	if err != nil {
		return doorTaken("dns", dnsAddress, err)
	}
	tcp, err := net.Listen("tcp", dnsAddress)
	if err != nil {
		return errors.Join(doorTaken("dns", dnsAddress, err), udp.Close())
	}
	server := dns.New(dns.Options{Registry: p.registry, Environment: p.live().Environment, Log: p.log})
	p.doors = append(p.doors, api.Door{Name: "dns", Addr: dnsAddress})
	run("dns", func(ctx context.Context) error { return server.Serve(ctx, udp, tcp) })
	return nil
}

func (p *plane) openConsul(ctx context.Context, run part) error {
	l, err := net.Listen("tcp", consulAddress)
	if err != nil {
		return doorTaken("consul", consulAddress, err)
	}
	pairs, err := p.broker.OpenKeys(ctx, nats.KeysOptions{Name: "kv"})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	kept, err := p.broker.OpenKeys(ctx, nats.KeysOptions{Name: "registrations"})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	door, err := consul.New(consul.Options{
		Registry: p.registry, KV: pairs, Registrations: kept, Environment: p.live().Environment, Version: p.o.Version, Log: p.log,
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	p.doors = append(p.doors, api.Door{Name: "consul", Addr: "http://" + consulAddress})
	run("consul", func(ctx context.Context) error { return door.Serve(ctx, l) })
	run("consul checks", door.Run)
	return nil
}

// doorTaken names who has a door's address.
func doorTaken(door, addr string, err error) error {
	f := fault.Newf(fault.PortTaken, "the address %s of the door %s cannot be listened on", addr, door).Because(err)
	if holder := process.PortHolder(addr); holder != "" {
		return f.Why("it is taken by " + holder).Fix("end that program, or take " + door + " out of doors in plat.yaml")
	}
	return f.Why(reason(err)).Fix("take " + door + " out of doors in plat.yaml")
}

// sameDoors tells whether two plans open the same doors, in whatever order.
func sameDoors(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
