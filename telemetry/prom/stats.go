package prom

import (
	"io/fs"
	"path/filepath"
	"time"

	"github.com/plat-dev/plat/telemetry"
)

// Stats is the state of a Store. Counts are since it was opened.
type Stats struct {
	Path     string
	Series   int       // live
	Samples  uint64    // kept
	Bytes    int64     // of sealed blocks
	LogBytes int64     // of what is not sealed yet
	Blocks   int       // sealed
	Oldest   time.Time // of what is kept; zero: nothing is
	DiskFull bool      // samples are refused now
	Refused  Refused
	Targets  int       // that are scraped
	Damage   []Damage  // the last ones, at most 100
	Damaged  int       // of these, found within telemetry.DamageTold
	Warnings []Warning // the last ones of the libraries, at most 20
}

// Refused counts samples that were not kept, by the reason.
type Refused struct {
	DiskFull  uint64
	Capped    uint64 // see Store.Capped
	Future    uint64 // beyond Options.Ahead
	Late      uint64 // beyond Options.OutOfOrder
	Twice     uint64 // another value for a time that has one
	Malformed uint64
}

// Stats tells how much is kept and what was refused or damaged.
func (s *Store) Stats() Stats {
	st := Stats{
		Path:     s.opts.Dir,
		Samples:  s.samples.Load(),
		LogBytes: size(s.opts.Dir, "wal") + size(s.opts.Dir, "wbl") + size(s.opts.Dir, "chunks_head"),
		DiskFull: s.disk.full(),
		Targets:  s.scraper.count(),
		Damage:   s.damage.all(),
		Warnings: s.heard.all(),
		Refused: Refused{
			DiskFull:  s.refused.disk.Load(),
			Capped:    s.refused.capped.Load(),
			Future:    s.refused.future.Load(),
			Late:      s.refused.late.Load(),
			Twice:     s.refused.twice.Load(),
			Malformed: s.refused.malformed.Load(),
		},
	}
	for now, i := time.Now(), len(st.Damage)-1; i >= 0 && now.Sub(st.Damage[i].Time) < telemetry.DamageTold; i-- {
		st.Damaged++
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return st
	}
	st.Series = int(s.db.Head().NumSeries()) //nolint:gosec // far below
	for _, b := range s.db.Blocks() {
		st.Blocks++
		st.Bytes += b.Size()
	}
	if oldest, err := s.db.StartTime(); err == nil && (st.Series > 0 || st.Blocks > 0) {
		st.Oldest = time.UnixMilli(oldest)
	}
	return st
}

// size adds up the files of a folder.
func size(dir, name string) (sum int64) {
	_ = filepath.WalkDir(filepath.Join(dir, name), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // see above
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
