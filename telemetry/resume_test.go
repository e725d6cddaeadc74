package telemetry_test

import (
	"slices"
	"testing"
	"time"

	"github.com/plat-dev/plat/telemetry"
)

// TestResume: each line is a record once, over a start and over files that are
// read again, though several lines bear one time.
func TestResume(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	file := []time.Duration{0, 1, 1, 1, 2, 2, 5, 5} // as many lines as a burst has
	for kept := range len(file) + 1 {
		var r telemetry.Resume
		// What is stored, newest first, with older lines beneath that need not be looked at.
		for _, at := range slices.Backward(file[:kept]) {
			if !r.Stored("a", day.Add(at)) {
				break
			}
		}
		since := r.Begin(day, time.Minute)
		if want := day.Add(-time.Minute); kept > 0 && since.After(day) || kept == 1 && !since.Equal(want) {
			t.Errorf("%d kept: read since %s", kept, since)
		}
		told := 0
		read := func(lines []time.Duration) {
			for _, at := range lines {
				if r.New("a", day.Add(at)) {
					told++
				}
			}
		}
		half := max(kept, len(file)/2)
		read(file[:half])
		if told != half-kept {
			t.Errorf("%d kept: %d lines of %d are new, want %d", kept, told, half, half-kept)
		}
		r.Begin(day, time.Minute) // the files could not be read for a while
		read(file)
		if told != len(file)-kept {
			t.Errorf("%d kept: %d lines are new, want %d", kept, told, len(file)-kept)
		}
		read([]time.Duration{5, 5, 4, 6}) // nothing is left out while the files are followed
		if told != len(file)-kept+4 {
			t.Errorf("%d kept: %d lines are new, want %d", kept, told, len(file)-kept+4)
		}
	}
	var r telemetry.Resume
	if since := r.Begin(day, time.Minute); !since.Equal(day) {
		t.Errorf("nothing is kept, and files are read since %s", since)
	}
	if !r.New("a", day) || !r.New("b", day.Add(-time.Hour)) || !r.New("b", day.Add(-time.Hour)) {
		t.Error("a line of a service of which nothing is kept is left out")
	}
}
