package control

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

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

// doors are the compatibility listeners that are open. The zero value has
// none.
type doors struct {
	run part // set before the first is opened

	mu   sync.Mutex // guards what follows
	open map[string]*door
}

type door struct {
	addr   string        // as it is shown
	closed chan struct{} // closed when it is to end
	parts  sync.WaitGroup
}

// serve runs a part of the door until it is closed, or plat ends.
func (d *door) serve(run part, name string, f func(context.Context) error) {
	d.parts.Add(1)
	run(name, func(ctx context.Context) error {
		defer d.parts.Done()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			defer stop()
			select {
			case <-d.closed:
			case <-ctx.Done():
			}
		}()
		err := f(ctx)
		select {
		case <-d.closed:
			return nil // it was to end
		default:
			return err
		}
	})
}

// close ends the door and waits for its parts.
func (d *door) close() {
	close(d.closed)
	d.parts.Wait()
}

// list shows the open doors by name.
func (d *doors) list() []api.Door {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := []api.Door{}
	for name, open := range d.open {
		all = append(all, api.Door{Name: name, Addr: open.addr})
	}
	slices.SortFunc(all, func(a, b api.Door) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// setDoors opens and closes doors until those are open that the plan names.
// What cannot be opened is a fault, and changes nothing else.
func (p *plane) setDoors(ctx context.Context, named []string) error {
	p.doors.mu.Lock()
	defer p.doors.mu.Unlock()
	var errs []error
	for _, name := range named {
		if p.doors.open[name] != nil {
			continue
		}
		opened, err := p.openDoor(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if p.doors.open == nil {
			p.doors.open = map[string]*door{}
		}
		p.doors.open[name] = opened
	}
	for name, open := range p.doors.open {
		if !slices.Contains(named, name) {
			open.close()
			p.forgetBy(name)
			delete(p.doors.open, name)
		}
	}
	return errors.Join(errs...)
}

// forgetBy takes out of the registry who came in by a door that is closed now:
// nobody runs their checks any more. They are back when it opens again.
func (p *plane) forgetBy(door string) {
	all, _, _ := p.registry.All()
	for _, in := range all {
		if in.Source == door {
			p.registry.Withdraw(in.ID, door)
		}
	}
}

func (p *plane) openDoor(ctx context.Context, name string) (*door, error) {
	d := &door{closed: make(chan struct{})}
	if name == "dns" {
		return d, p.openDNS(d)
	}
	return d, p.openConsul(ctx, d)
}

func (p *plane) openDNS(d *door) error {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(dnsAddress)))
	if err != nil {
		return doorTaken("dns", dnsAddress, err)
	}
	tcp, err := net.Listen("tcp", dnsAddress)
	if err != nil {
		return errors.Join(doorTaken("dns", dnsAddress, err), udp.Close())
	}
	server := dns.New(dns.Options{Registry: p.registry, Environment: p.live().Environment, Log: p.log})
	d.addr = dnsAddress
	d.serve(p.doors.run, "dns", func(ctx context.Context) error { return server.Serve(ctx, udp, tcp) })
	return nil
}

func (p *plane) openConsul(ctx context.Context, d *door) error {
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
	answers, err := consul.New(consul.Options{
		Registry: p.registry, KV: pairs, Registrations: kept, Environment: p.live().Environment, Version: p.o.Version, Log: p.log,
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	d.addr = "http://" + consulAddress
	d.serve(p.doors.run, "consul", func(ctx context.Context) error { return answers.Serve(ctx, l) })
	d.serve(p.doors.run, "consul checks", answers.Run)
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
