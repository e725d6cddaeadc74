package runner

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// slowHints is how many hints' time a program has that may merely be slow:
// one that listens nowhere yet, or where it should. One that listens elsewhere
// will not come here.
const slowHints = 5

// hint tells, before the time to start is over, what seems to be wrong.
func (r *Runner) hint(i *instance, q question, c Check, after time.Duration, pid int) {
	listening := r.o.Launcher.Listening(pid)
	slow := len(listening) == 0 || slices.ContainsFunc(listening, func(addr string) bool {
		at, err := netip.ParseAddrPort(addr)
		return err == nil && strings.HasSuffix(q.addr, fmt.Sprintf(":%d", at.Port())) && at.Addr() != netip.IPv6Loopback()
	})
	if slow && after < slowHints*r.o.Pace.Hint {
		return
	}
	f := r.neverReady(i, q, c, after.Round(time.Second), listening).Warn()
	r.mu.Lock()
	defer r.mu.Unlock()
	i.fault = f
	r.changed()
}

// neverReady says what was asked and answered, and where the program listens
// if that is somewhere else.
func (r *Runner) neverReady(i *instance, q question, c Check, after time.Duration, listening []string) *fault.Fault {
	f := fault.Newf(fault.RunNeverReady, "%s is not ready after %s", i.id, after).
		Why(q.String()+": "+c.Answer).At(i.release.file(), 0, 0)
	_, port, _ := net.SplitHostPort(q.addr)
	return f.Fix(i.listenRemedy(port, listening))
}

// listenRemedy says where a program listens and what would bring it to where
// plat asks.
func (i *instance) listenRemedy(port string, listening []string) string {
	spec := i.release.spec
	told := "PORT=" + port
	if spec.Port != 0 {
		told = "port: " + port
	}
	var elsewhere, sockets []string
	for _, addr := range listening {
		if path, ok := strings.CutPrefix(addr, "unix:"); ok {
			sockets = append(sockets, path)
			continue
		}
		at, err := netip.ParseAddrPort(addr)
		switch {
		case err != nil:
			continue
		case fmt.Sprint(at.Port()) != port:
			elsewhere = append(elsewhere, addr)
		case at.Addr().IsLoopback() && at.Addr().Is6():
			return fmt.Sprintf("it listens on [::1]:%s only, which is what localhost means to some programs: let it listen on 127.0.0.1:%s", port, port)
		case !at.Addr().IsLoopback() && !at.Addr().IsUnspecified():
			return fmt.Sprintf("it listens on %s: let it listen on 127.0.0.1:%s", addr, port)
		default:
			return fmt.Sprintf("it listens on %s, but its check does not pass: see plat logs %s", addr, spec.Name)
		}
	}
	switch {
	case len(elsewhere) > 0:
		at, _ := netip.ParseAddrPort(elsewhere[0]) // parsed before
		if spec.Port != 0 {
			return fmt.Sprintf("it listens on %s, not on %s: set port: %d in %s", strings.Join(elsewhere, ", "), told, at.Port(), i.release.file())
		}
		return fmt.Sprintf("it listens on %s, not on %s: let it read PORT, or set port: %d in %s", strings.Join(elsewhere, ", "), told, at.Port(), i.release.file())
	case len(sockets) > 0:
		return fmt.Sprintf("it listens on the Unix socket %s alone: let it listen on 127.0.0.1:%s (%s)", strings.Join(sockets, ", "), port, told)
	}
	return fmt.Sprintf("it listens on no port: it should listen on 127.0.0.1:%s (%s); see plat logs %s. If it is slow raise start:, if it serves nobody set listens: false", port, told, spec.Name)
}

// lookAround looks, once an instance is ready, whether others than plat reach
// it too.
func (r *Runner) lookAround(i *instance, pid int) {
	var open []string
	for _, addr := range r.o.Launcher.Listening(pid) {
		if at, err := netip.ParseAddrPort(addr); err == nil && !at.Addr().IsLoopback() {
			open = append(open, addr)
		}
	}
	var f *fault.Fault
	if len(open) > 0 {
		f = fault.Newf(fault.RunAllInterfaces, "service %q listens on %s", i.release.spec.Name, strings.Join(open, ", ")).
			Why("others on the network reach it past plat").Fix("let it listen on 127.0.0.1 alone").At(i.release.file(), 0, 0).Warn()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[i.release.spec.Name]
	if s == nil || s.live != i.release {
		return
	}
	if news := (f == nil) != (s.exposed == nil) || f != nil && f.What != s.exposed.What; news {
		s.exposed = f
		r.changed()
	}
}

// backgroundFault is for a program that went into the background.
func (i *instance) backgroundFault(left int) *fault.Fault {
	return fault.Newf(fault.RunBackground, "the program of %s ended and left %d running", i.id, left).
		Why("plat follows the program that it started; what was left was ended").
		Fix("let it run in the foreground, without -d, --daemon or a final &").At(i.release.file(), 0, 0)
}
