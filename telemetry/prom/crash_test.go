package prom_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/plat-dev/plat/telemetry/prom"
)

func asError(err error, e **v1.Error) bool { return errors.As(err, e) }

// crashed tells that this process was started by TestKill: it appends until
// it is killed, and prints how far it is.
func crashed() bool {
	dir := os.Getenv("PROM_TEST_CRASH")
	if dir == "" {
		return false
	}
	ctx, end := context.WithTimeout(context.Background(), 20*time.Second)
	defer end()
	s, err := prom.Open(ctx, prom.Options{Dir: dir, Reserve: -1})
	if err != nil {
		fmt.Println(err)
		return true
	}
	start := time.Now().Add(-time.Minute)
	for i := 0; ctx.Err() == nil; i++ {
		if err := s.Append(ctx, []prom.Sample{{Name: "n", Value: float64(i), Time: start.Add(time.Duration(i) * time.Millisecond)}}); err != nil {
			fmt.Println(err)
			return true
		}
		fmt.Println(i)
	}
	return true
}

func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "PROM_TEST_CRASH="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	last := ""
	for said.Scan() && last != "500" {
		last = said.Text()
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for said.Scan() {
		last = said.Text()
	}
	_ = c.Wait()
	var n float64
	if _, err := fmt.Sscan(last, &n); err != nil || n < 500 {
		t.Fatalf("%q: %v", last, err)
	}
	s := open(t, prom.Options{Dir: dir})
	got, err := s.Query(t.Context(), `max_over_time(n[1h])`, time.Now())
	if err != nil || len(got) != 1 || got[0].Points[0].Value < n {
		t.Fatalf("said to be kept: %g; found %v %v", n, got, err)
	}
	keep(t, s, prom.Sample{Name: "n", Value: 1e6, Time: time.Now()})
}
