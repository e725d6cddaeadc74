package nats

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/plat-dev/plat/fault"
)

const (
	loopback     = "127.0.0.1"
	firstPort    = 20000 // free ports are sought below the ephemeral range, where others are given out at random
	lastPort     = 32000
	portAttempts = 50
)

// wantedPort reads Options.Addr; 0 is any.
func wantedPort(addr string) (int, error) {
	if addr == "" {
		return 0, nil
	}
	host, text, err := net.SplitHostPort(addr)
	port, perr := strconv.Atoi(text)
	if err != nil || perr != nil || port < 0 || port > 65535 || host != loopback {
		return 0, fault.Newf(fault.EventUnavailable, "the event broker cannot listen on %q", addr).Why("expected " + loopback + ":PORT").Fix("use " + loopback + ":0")
	}
	return port, nil
}

// portTaken tells whether something listens on a port now. The engine finds
// out for itself when that changes in between.
func portTaken(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return true
	}
	_ = l.Close()
	return false
}

func freePort() int {
	n, err := rand.Int(rand.Reader, big.NewInt(lastPort-firstPort))
	if err != nil {
		return firstPort
	}
	return firstPort + int(n.Int64())
}

// newPassword makes 192 random bits that need no escaping in a URL.
func newPassword() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// lockDir makes sure that one server at a time uses the folder. The lock goes
// with the process, however that ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- the folder is the caller's
	if err != nil {
		return nil, unfit(dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { // #nosec G115 -- a file descriptor is small
		_ = f.Close()
		return nil, fault.New(fault.EventStoreLocked, "another process uses the event store").At(dir, 0, 0).
			Fix("stop the other plat with `plat down`").Because(err)
	}
	return f, nil
}

// unlockDir gives the folder free. It unlocks before it closes: a child that
// is being forked at this moment has the descriptor too, and closing alone
// would leave it the lock until it executes its program.
func unlockDir(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close()) // #nosec G115 -- as above
}
