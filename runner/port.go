package runner

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
)

// Ports for instances lie below 32768: the kernel hands out higher ones as
// ephemeral ports of outgoing connections, which would take them at random.
const (
	portMin = 20000
	portMax = 32000
)

// ports hands out free ports, no port twice at a time.
type ports struct {
	mu   sync.Mutex
	used map[int]bool
}

func newPorts() *ports { return &ports{used: map[int]bool{}} }

// take finds a port on which nobody listens. Another program may take it
// before ours does: then ours ends, and gets another.
func (p *ports) take() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 2000 {
		port := portMin + rand.IntN(portMax-portMin) // #nosec G404 -- spreads, hides nothing
		if !p.used[port] && free(port) {
			p.used[port] = true
			return port, nil
		}
	}
	return 0, errors.New("no free port between 20000 and 32000 in 2000 tries")
}

func (p *ports) release(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, port)
}

// free reports whether one can listen on the port, on loopback and on all
// addresses: a program may do either.
func free(port int) bool {
	for _, host := range []string{"127.0.0.1", ""} {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, port)) // #nosec G102 -- closed at once, accepts nothing
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// saysTaken reports whether a program's last words are that its port is
// taken, as Go, C, Node, Python, Java and Ruby put it.
func saysTaken(lines []string) bool {
	for _, line := range lines {
		lower := strings.ToLower(line)
		if strings.Contains(lower, "address already in use") || strings.Contains(lower, "eaddrinuse") || strings.Contains(lower, "address in use") {
			return true
		}
	}
	return false
}

// inherited are the variables of plat's own environment that programs get:
// what finds programs, files, words and the way out, and where languages have
// their tools. Others stay out, since they may be secrets of the person who
// runs plat.
const inherited = "PATH HOME USER LOGNAME SHELL LANG LANGUAGE LC_ALL LC_CTYPE TZ TMPDIR LD_LIBRARY_PATH " +
	"JAVA_HOME DOTNET_ROOT GOPATH GOCACHE GOMODCACHE CARGO_HOME RUSTUP_HOME BUN_INSTALL DENO_DIR NVM_DIR VOLTA_HOME " +
	"VIRTUAL_ENV PYENV_ROOT PYENV_VERSION RBENV_ROOT GEM_HOME GEM_PATH ASDF_DIR ASDF_DATA_DIR MISE_DATA_DIR " +
	"XDG_RUNTIME_DIR XDG_CACHE_HOME SSL_CERT_FILE SSL_CERT_DIR " +
	"HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy"

// unbuffered lets Python write its output line by line, as it does on a
// terminal: else what a program says appears when it ends.
const unbuffered = "PYTHONUNBUFFERED"

// withInherited puts the inherited variables before a contract's; what the
// contract sets counts.
func withInherited(contract []string) []string {
	set := map[string]bool{}
	for _, v := range contract {
		name, _, _ := strings.Cut(v, "=")
		set[name] = true
	}
	var env []string
	for _, name := range strings.Fields(inherited) {
		if v, ok := os.LookupEnv(name); ok && !set[name] {
			env = append(env, name+"="+v)
		}
	}
	if !set[unbuffered] {
		env = append(env, unbuffered+"=1")
	}
	return append(env, contract...)
}
