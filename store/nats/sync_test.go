package nats_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
)

// A kill -9 proves recovery, not durability: the kernel keeps what was
// written. That an event is on disk before it is acknowledged is shown by the
// system calls themselves.
func TestTheSyncStandsBetweenWriteAndAcknowledgement(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("needs strace")
	}
	if out, err := exec.CommandContext(ctx(t), strace, "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v: %s", err, out)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	url, kill := child(t, t.TempDir(), strace, "-f", "-s", "4096", "-e", "trace=openat,close,write,pwrite64,writev,sendto,fsync,fdatasync", "-o", trace)
	defer kill()
	nc, err := natsgo.Connect(url, natsgo.CustomInboxPrefix("_INBOX.order"), natsgo.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js := stream(t, nc)
	const rounds = 5
	for i := range rounds {
		m := placed(fmt.Sprint(i))
		m.Data = []byte(fmt.Sprintf("marker-%d-of-this-test", i))
		if _, err := js.PublishMsg(ctx(t), m); err != nil {
			t.Fatal(err)
		}
	}
	nc.Close()
	kill()
	data, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for i := range rounds {
		if err := proves(lines, fmt.Sprintf("marker-%d-of-this-test", i), fmt.Sprintf(`\"seq\":%d`, i+1)); err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
}

var (
	openCall  = regexp.MustCompile(`openat\(.*"([^"]+)", ([A-Z_|]+).*= (\d+)$`)
	writeCall = regexp.MustCompile(`(?:write|pwrite64|writev)\((\d+), `)
	syncCall  = regexp.MustCompile(`f(?:data)?sync\((\d+)`)
)

// proves follows one event through a trace: written to a block, that file
// synced, and only then the acknowledgement sent.
func proves(lines []string, marker, ack string) error {
	synced := map[string]bool{} // by descriptor: opened so that each write is synced
	file := map[string]string{}
	written, durable := "", false
	for _, line := range lines {
		if m := openCall.FindStringSubmatch(line); m != nil {
			file[m[3]], synced[m[3]] = m[1], strings.Contains(m[2], "SYNC")
		}
		if m := writeCall.FindStringSubmatch(line); m != nil && strings.Contains(line, marker) && strings.HasSuffix(file[m[1]], ".blk") {
			written, durable = m[1], synced[m[1]]
		}
		if m := syncCall.FindStringSubmatch(line); m != nil && m[1] == written {
			durable = true
		}
		if strings.Contains(line, ack) && strings.Contains(line, `\"stream\":\"order\"`) {
			switch {
			case written == "":
				return fmt.Errorf("acknowledged before it was written to a block: %.200s", line)
			case !durable:
				return fmt.Errorf("acknowledged before the block was synced: %.200s", line)
			}
			return nil
		}
	}
	return fmt.Errorf("no acknowledgement in the trace (written to %q)", file[written])
}
