package nats_test

import (
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/plat-dev/plat/store/nats"
)

// Close leaves nothing running. The test runs in a process of its own, where
// no other test has servers.
func TestCloseLeavesNothingRunning(t *testing.T) {
	const alone = "PLAT_TEST_ALONE"
	if os.Getenv(alone) == "" {
		t.Parallel()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(ctx(t), self, "-test.run", "^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), alone+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		return
	}
	before := goleak.IgnoreCurrent()
	srv, err := nats.Open(ctx(t), nats.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Streams(ctx(t)); err != nil {
		t.Fatal(err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}
