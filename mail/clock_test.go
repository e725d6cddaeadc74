package mail

import (
	"strings"
	"testing"
	"time"
)

// TestClock: IDs ascend though the clock stands still or goes back, over a
// restart too.
func TestClock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.UnixMilli(1_800_000_000_000)
	last := ""
	for range 3 {
		box, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		box.now = func() time.Time { return now }
		for range 3 {
			m, err := box.Add("a", nil, strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			if m.ID <= last || len(m.ID) != 9 {
				t.Fatalf("ID %s after %s", m.ID, last)
			}
			last = m.ID
		}
		now = now.Add(-time.Hour)
	}
	box, err := Open(dir, Options{})
	if err != nil || len(box.List()) != 9 || box.List()[0].ID != last {
		t.Fatalf("%d mails, %v", len(box.List()), err)
	}
}
