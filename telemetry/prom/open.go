package prom

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
)

// openDB opens the TSDB, and sets aside what keeps it from opening: first
// blocks that cannot be read, then its logs, then everything.
func (s *Store) openDB(ctx context.Context) error {
	if err := os.MkdirAll(s.opts.Dir, 0o700); err != nil {
		return err
	}
	s.damage.unreadable(ctx)
	err := s.tryOpen()
	for _, what := range [][]string{{"wbl"}, {"wal", "wbl", "chunks_head"}, nil} {
		if err == nil || errors.Is(err, os.ErrPermission) || ctx.Err() != nil || taken(err) {
			break
		}
		s.damage.setAside(what, err)
		err = s.tryOpen()
	}
	if err != nil {
		return fmt.Errorf("open metrics: %w", err)
	}
	if n := s.figure("prometheus_tsdb_wal_corruptions_total"); n > 0 {
		s.damage.add("wal", "its end could not be read and was cut off: what was written last is lost")
	}
	if n := s.figure("prometheus_tsdb_mmap_chunk_corruptions_total"); n > 0 {
		s.damage.add("chunks_head", "samples that were written last could not be read; they are read from the log again")
	}
	// The log was replayed whole, however much it holds: refused is only what
	// is new.
	s.cap.enforce()
	return nil
}

// taken tells whether another process has the folder.
func taken(err error) bool { return strings.Contains(err.Error(), "lock DB directory") }

func (s *Store) tryOpen() error {
	s.figures = prometheus.NewRegistry()
	s.cap.clear()
	db, err := tsdb.Open(s.opts.Dir, s.log, s.figures, s.tsdbOptions(), nil)
	if err != nil {
		return err
	}
	s.db = db
	return nil
}

const maxExemplars = 10_000

// tsdbOptions are for little memory: plat has thousands of series, not
// millions.
func (s *Store) tsdbOptions() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.RetentionDuration = s.opts.Keep.Milliseconds()
	o.MaxBytes = s.opts.Size
	o.MaxBlockDuration = max(o.MinBlockDuration, min(s.opts.Keep/10, 31*24*time.Hour).Milliseconds())
	o.WALSegmentSize = 16 << 20
	o.WALCompression = compression.Snappy
	o.StripeSize = 512
	o.HeadChunksWriteBufferSize = 256 << 10
	o.OutOfOrderTimeWindow = s.opts.OutOfOrder.Milliseconds()
	o.EnableExemplarStorage = true
	o.MaxExemplars = maxExemplars
	o.SeriesLifecycleCallback = s.cap
	// A counter whose start is known begins with zero there, so that increase()
	// sees its first step.
	o.EnableSTAsZeroSample = true
	o.BlockQuerierFunc = func(b tsdb.BlockReader, mint, maxt int64) (storage.Querier, error) {
		if s.damage.has(b.Meta().ULID.String()) {
			return storage.NoopQuerier(), nil
		}
		return tsdb.NewBlockQuerier(b, mint, maxt)
	}
	return o
}

// figure is a number that the TSDB tells of itself, all its labels added up.
func (s *Store) figure(name string) float64 {
	families, err := s.figures.Gather()
	if err != nil {
		return 0
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// blocks lists the folders of blocks.
func blocks(dir string) (found []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		// A block's folder is named by a ULID.
		if e.IsDir() && len(e.Name()) == 26 && strings.Trim(e.Name(), "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == "" {
			found = append(found, e.Name())
		}
	}
	return found
}

// rename moves a file of dir into its folder of damaged ones, under a name
// that is free.
func rename(dir, name string) error {
	aside := filepath.Join(dir, "damaged")
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return err
	}
	to := filepath.Join(aside, name+"-"+time.Now().UTC().Format("20060102T150405.000"))
	return os.Rename(filepath.Join(dir, name), to)
}
