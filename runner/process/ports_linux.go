package process

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// listener is one listening TCP socket of this machine.
type listener struct {
	addr  netip.AddrPort
	inode string
}

// listeners reads the kernel's table; only of this network namespace.
func listeners() []listener {
	var all []listener
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file) // #nosec G304 -- /proc
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != "0A" { // LISTEN
				continue
			}
			if addr, ok := parseAddr(fields[1]); ok {
				all = append(all, listener{addr, fields[9]})
			}
		}
		_ = f.Close()
	}
	return all
}

// parseAddr reads ADDRESS:PORT in hex; the address is in words of 32 bits in
// the machine's order (little-endian on what plat is built for).
func parseAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	p, errPort := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || errPort != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(p)), ok // #nosec G115 -- parsed as 16 bits
}

// sockets are the inodes of a process's open sockets.
func sockets(pid int) map[string]bool {
	open := map[string]bool{}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return open
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			open[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return open
}

// unixListeners reads the kernel's table of Unix sockets that accept
// connections: inode to path.
func unixListeners() map[string]string {
	all := map[string]string{}
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		return all
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // Num RefCount Protocol Flags Type St Inode Path
		if len(fields) >= 8 && fields[3] == "00010000" {
			all[fields[6]] = fields[7]
		}
	}
	return all
}

// Listening tells the addresses on which a process and its descendants
// listen, sorted, TCP first: see runner.Launcher.
func (g *Guard) Listening(pid int) []string {
	open := map[string]bool{}
	for _, p := range append(descendants(pid), pid) {
		for inode := range sockets(p) {
			open[inode] = true
		}
	}
	var addrs []string
	for _, l := range listeners() {
		if open[l.inode] {
			addrs = append(addrs, l.addr.String())
		}
	}
	slices.Sort(addrs)
	var paths []string
	for inode, path := range unixListeners() {
		if open[inode] {
			paths = append(paths, "unix:"+path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(append(addrs, paths...))
}

// Holder names who listens on a port: see runner.Launcher and PortHolder.
func (g *Guard) Holder(port int) string { return PortHolder(fmt.Sprintf(":%d", port)) }

// PortHolder names who listens on the port of a TCP address of this machine,
// as "nginx (pid 12)"; empty when it cannot be told: nobody does, it is
// another user's process, or the system is not Linux.
func PortHolder(addr string) string {
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return ""
	}
	inodes := map[string]bool{}
	for _, l := range listeners() {
		if int(l.addr.Port()) == port {
			inodes[l.inode] = true
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return ""
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		for inode := range sockets(pid) {
			if inodes[inode] {
				return fmt.Sprintf("%s (pid %d)", command(pid), pid)
			}
		}
	}
	return ""
}

// command is a process's program, without its arguments: those may be secret.
func command(pid int) string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // #nosec G304 -- /proc
	if name, _, _ := strings.Cut(string(line), "\x00"); err == nil && name != "" {
		return filepath.Base(name)
	}
	return "a process"
}
