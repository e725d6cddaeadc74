package segment_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/segment"
)

// reading counts the sealed files of a folder that this process has open,
// whenever something is written.
type reading struct {
	segment.File
	dir  string
	most *atomic.Int64
}

func (r reading) Write(b []byte) (int, error) {
	open := int64(0)
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil && filepath.Dir(to) == r.dir && strings.HasSuffix(to, ".parquet") {
			open++
		}
	}
	r.most.Store(max(r.most.Load(), open))
	return r.File.Write(b)
}

// TestFilesAreMadeOne: rows stand in order of time afterwards, each as it was,
// and only files whose times overlap are open together.
func TestFilesAreMadeOne(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var most atomic.Int64
	s := open(t, segment.Options{Dir: dir}.WithFiles(func(name string) (segment.File, error) {
		f, err := segment.CreateFile(name)
		return reading{f, dir, &most}, err
	}))
	const files, rows = 8, 6000
	r := &telemetry.Resource{Service: "order"}
	body := func(file, i int) string {
		text := fmt.Sprintf("row %d of %d", i, file)
		if i%1000 == 0 { // longer than what values are kept in at a time
			text += strings.Repeat(" and so on", 10_000)
		}
		return text
	}
	var want []telemetry.Log
	for file := range files {
		var b telemetry.Batch
		for i := range rows {
			// Half of a file lies beside the next one, with rows of the same time.
			at := began.UnixNano() + int64(file*rows/2+i)
			b.Logs = append(b.Logs, telemetry.Log{Resource: r, Time: at, Body: body(file, i)})
		}
		want = append(want, b.Logs...)
		for part := range slices.Chunk(b.Logs, 500) {
			if err := s.Append(t.Context(), telemetry.Batch{Logs: part}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Seal(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	most.Store(0)
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Files != 1 || st.Logs != files*rows {
		t.Fatalf("%d files with %d rows", st.Files, st.Logs)
	}
	if n := most.Load(); n > 3 {
		t.Errorf("%d files were open together, of which at most three overlap", n)
	}
	slices.SortStableFunc(want, func(a, b telemetry.Log) int { return int(b.Time - a.Time) })
	n := 0
	seen := map[string]bool{}
	err = s.Logs(t.Context(), telemetry.LogQuery{}, func(l *telemetry.Log) error {
		if l.Time != want[n].Time {
			t.Fatalf("row %d: time %d, want %d", n, l.Time, want[n].Time)
		}
		n++
		seen[l.Body] = true
		return nil
	})
	if err != nil || n != len(want) {
		t.Fatalf("%d rows, %v, want %d", n, err, len(want))
	}
	for i := range want {
		if !seen[want[i].Body] {
			t.Fatalf("%.40q is gone", want[i].Body)
		}
	}
}
