package segment

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/plat-dev/plat/telemetry"
)

const (
	syncEvery   = 500 * time.Millisecond
	upkeepEvery = 10 * time.Second
	scrubEvery  = time.Minute
	retryAfter  = 2 * time.Second

	// A head that fills is sealed long before it is full, so that under load as
	// much stands in memory after an hour as after a minute.
	soonAge  = 30 * time.Second
	soonRows = 8192
)

// Run keeps the store in order until ctx ends: it syncs the log, seals,
// deletes what is too old or too much, and looks for damage. Errors are logged
// and tried again.
func (s *Store) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() {
		s.every(ctx, syncEvery, nil, func() {
			if err := s.sync(); err != nil {
				s.o.Log.Error("the telemetry log cannot be synced", "error", err)
			}
		})
	})
	wg.Go(func() { s.every(ctx, scrubEvery, nil, s.Scrub) })
	wg.Go(func() { s.every(ctx, upkeepEvery, s.wake, func() { s.maintain(ctx) }) })
	wg.Wait()
	return nil
}

// every calls do now and again, and when it is woken.
func (s *Store) every(ctx context.Context, pause time.Duration, wake <-chan struct{}, do func()) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-wake:
		}
	}
}

// maintain seals and deletes what is due.
func (s *Store) maintain(ctx context.Context) {
	if err := s.Seal(ctx, false); err != nil && ctx.Err() == nil {
		s.o.Log.Error("telemetry cannot be sealed; it stays in the log", "error", err)
		select { // rows come meanwhile, and each would wake us
		case <-time.After(retryAfter):
		case <-ctx.Done():
		}
	}
	if err := s.expire(); err != nil {
		s.o.Log.Error("old telemetry cannot be deleted", "error", err)
	}
	if err := s.Compact(ctx); err != nil && ctx.Err() == nil {
		s.o.Log.Error("small files of telemetry cannot be made one", "error", err)
	}
}

// Seal writes what is frozen, and the head if it is due or all is asked for,
// to Parquet files. Run does it by itself.
func (s *Store) Seal(ctx context.Context, all bool) error {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	if err := s.sealFrozen(ctx); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	var err error
	n, age := s.active.count(), time.Duration(s.o.Now().UnixNano()-s.active.oldest)
	due := all || age >= s.o.Age || age >= soonAge && n >= soonRows || n >= s.o.Rows
	if !s.closed && s.frozen == nil && n > 0 && due {
		err = s.freeze()
	}
	s.mu.Unlock()
	<-s.turn
	if err != nil {
		return err
	}
	return s.sealFrozen(ctx)
}

// sealFrozen writes the frozen head's files. It is called with upkeep.
func (s *Store) sealFrozen(ctx context.Context) error {
	s.mu.Lock()
	h := s.frozen
	closed := s.closed
	s.mu.Unlock()
	if h == nil || closed {
		return nil
	}
	var made []*file
	for _, k := range []kind{spans, logs} {
		v := h.view(k)
		if len(v.rows) == 0 {
			continue
		}
		f, err := s.sealView(ctx, v, k, h.seq)
		if err != nil {
			return errors.Join(err, s.discard(made))
		}
		made = append(made, f)
	}
	return s.swap(h, made)
}

// sealView writes rows in order of time.
func (s *Store) sealView(ctx context.Context, v view, k kind, seq uint64) (*file, error) {
	rows := slices.Clone(v.rows)
	slices.SortStableFunc(rows, func(a, b ref) int {
		switch {
		case a.time < b.time:
			return -1
		case a.time > b.time:
			return 1
		}
		return 0
	})
	return s.write(&file{kind: k, Seq: seq, Rows: len(rows)}, zstd.SpeedFastest, func(w *fileWriter) error {
		var span telemetry.Span
		var log telemetry.Log
		for i, r := range rows {
			if i%512 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			f := v.frames[r.frame]
			var err error
			if k == spans {
				if err = f.span(int(r.at), &span); err == nil {
					err = w.span(&span)
				}
			} else {
				if err = f.log(int(r.at), &log); err == nil {
					err = w.log(&log)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// write makes a sealed file, of which kind, number, level and about how many
// rows are known: under another name until it is whole and durable.
func (s *Store) write(f *file, speed zstd.EncoderLevel, fill func(*fileWriter) error) (_ *file, err error) {
	tmp := filepath.Join(s.o.Dir, fileName(f.kind, 0, 0, f.Seq)+".tmp")
	out, err := s.o.create(tmp)
	if err != nil {
		return nil, err
	}
	sum := &checked{to: out}
	w := newFileWriter(sum, f.kind, f.Rows, speed)
	err = guard(func() error {
		if err := fill(w); err != nil {
			return err
		}
		return w.close()
	})
	if err == nil {
		err = out.Sync()
	}
	err = errors.Join(err, out.Close())
	f.Name, f.Rows, f.Bytes, f.Min, f.Max, f.Sums = fileName(f.kind, w.min, w.max, f.Seq), w.total, sum.size, w.min, w.max, sum.sums()
	if err == nil {
		if err = os.Rename(tmp, filepath.Join(s.o.Dir, f.Name)); err == nil {
			return f, nil
		}
	}
	return nil, errors.Join(err, os.Remove(tmp))
}

func (s *Store) discard(files []*file) (err error) {
	for _, f := range files {
		err = errors.Join(err, os.Remove(filepath.Join(s.o.Dir, f.Name)))
	}
	return err
}

// swap shows sealed files in the place of a head, and ends its log.
func (s *Store) swap(h *head, made []*file) error {
	if err := syncDir(s.o.Dir); err != nil {
		return err
	}
	s.mu.Lock()
	m := manifest{Next: s.next, Sealed: h.seq, Files: append(slices.Clone(s.files), made...)}
	s.mu.Unlock()
	sorted(m.Files)
	if err := s.save(m); err != nil {
		return errors.Join(err, s.discard(made))
	}
	s.mu.Lock()
	s.files, s.sealed = m.Files, m.Sealed
	old := s.old
	s.frozen, s.old = nil, nil
	close(s.moved)
	s.moved = make(chan struct{})
	s.mu.Unlock()
	var err error
	if old != nil {
		err = old.file.Close()
	}
	for _, name := range h.logs {
		err = errors.Join(err, os.Remove(filepath.Join(s.o.Dir, name)))
	}
	return err
}

// save writes the manifest. It is called with upkeep, which alone changes the
// list of files.
func (s *Store) save(m manifest) error {
	s.mu.Lock()
	text, err := m.encode()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return replace(s.o.Dir, manifestName, text)
}

// expire deletes whole files, the oldest first, by age and by size.
func (s *Store) expire() error {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	var bytes int64
	for _, f := range s.files {
		bytes += f.Bytes
	}
	oldest := s.o.Now().Add(-s.o.Keep).UnixNano()
	var kept, gone []*file
	for _, f := range s.files {
		if f.Max < oldest || bytes > s.o.Size {
			gone = append(gone, f)
			bytes -= f.Bytes
		} else {
			kept = append(kept, f)
		}
	}
	m := manifest{Next: s.next, Sealed: s.sealed, Files: kept}
	s.mu.Unlock()
	if len(gone) == 0 {
		return nil
	}
	if err := s.save(m); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = kept
	for _, f := range gone {
		s.stats.Expired += uint64(f.Rows) // #nosec G115 -- never negative
	}
	s.leave(gone)
	return nil
}

// leave takes files that the manifest does not list any more off the disk, as
// soon as nobody reads them. It is called with mu.
func (s *Store) leave(files []*file) {
	for _, f := range files {
		f.gone = true
	}
	s.leaving = append(s.leaving, files...)
	s.sweep()
}

// sweep deletes files that are gone and that nobody reads. It is called with
// mu.
func (s *Store) sweep() {
	if len(s.leaving) == 0 {
		return
	}
	s.leaving = slices.DeleteFunc(s.leaving, func(f *file) bool {
		if f.uses > 0 {
			return false
		}
		if err := os.Remove(filepath.Join(s.o.Dir, f.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.o.Log.Error("a file of telemetry cannot be deleted", "file", f.Name, "error", err)
		}
		return true
	})
	if err := s.open.trim(); err != nil {
		s.o.Log.Error("a file of telemetry cannot be closed", "error", err)
	}
}
