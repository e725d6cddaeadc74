package process

import (
	"testing"
	"time"
)

func TestHostUsage(t *testing.T) {
	t.Parallel()
	const stat = "cpu  100 200 300 4000 500 60 7 8 90 0\ncpu0 1 2 3 4 5 6 7 8 9 0\ncpu1 1 2 3 4 5 6 7 8 9 0\nintr 1 2 3\n"
	const memory = "MemTotal:       2048 kB\nMemFree:        1 kB\nMemAvailable:   1024 kB\n"
	want := Host{Cores: 2, Busy: 6750 * time.Millisecond, Memory: 2 << 20, Available: 1 << 20}
	if h, ok := parseHost(stat, memory); !ok || h != want {
		t.Errorf("%+v, %v; want %+v", h, ok, want)
	}
	for _, broken := range []string{"", "cpu a b c d e f g h\n", "cpu 1 2\n"} {
		if h, ok := parseHost(broken, memory); ok {
			t.Errorf("%q gives %+v", broken, h)
		}
	}
	if h, ok := HostUsage(); !ok || h.Busy <= 0 || h.Available <= 0 || h.Available > h.Memory {
		t.Errorf("of this machine: %+v, %v", h, ok)
	}
}
