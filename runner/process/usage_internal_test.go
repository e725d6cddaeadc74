//go:build linux

package process

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	boot := func() time.Time { return time.Unix(1000, 0) }
	got, ok := parseStat("12 (a) b) S 1 12 12 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 700 1000 25 18446744073709551615 0", boot)
	if !ok || got.CPU != 2*time.Second || !got.Started.Equal(time.Unix(1007, 0)) || got.Memory <= 0 || got.Memory%25 != 0 {
		t.Errorf("got %+v, %t", got, ok)
	}
	for _, text := range []string{"", "12 (x) S 1", "12 (x) Z 1 12 12 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 700 1000 25 0 0", "12 (x) S 1 12 12 0 -1 0 0 0 0 0 x 50 0 0 20 0 1 0 700 1000 25 0 0"} {
		if got, ok := parseStat(text, boot); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}
