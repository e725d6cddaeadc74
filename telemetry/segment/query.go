package segment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/plat-dev/plat/telemetry"
)

const openFiles = 64 // that stay open when nobody reads them

// readers are files that are open. It is guarded by the store's mu.
type readers struct {
	list []*shared // the last used one last
}

type shared struct {
	*reader
	file *file
	uses int
}

// trim closes what nobody reads beyond the limit, and what is gone.
func (r *readers) trim() (err error) {
	spare := len(r.list) - openFiles
	r.list = slices.DeleteFunc(r.list, func(o *shared) bool {
		if o.uses > 0 || spare <= 0 && !o.file.gone {
			return false
		}
		spare--
		err = errors.Join(err, o.close())
		return true
	})
	return err
}

func (r *readers) close() (err error) {
	for _, o := range r.list {
		err = errors.Join(err, o.close())
	}
	r.list = nil
	return err
}

// acquire gives an open file; release gives it back.
func (s *Store) acquire(f *file) (*shared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range s.open.list {
		if o.file == f {
			o.uses++
			s.open.list = append(slices.Delete(s.open.list, i, i+1), o)
			return o, nil
		}
	}
	s.mu.Unlock()
	r, err := openReader(s.o.Dir, f)
	s.mu.Lock()
	if err != nil {
		return nil, err
	}
	o := &shared{reader: r, file: f, uses: 1} // two of one file may be open at once
	s.open.list = append(s.open.list, o)
	if err := s.open.trim(); err != nil { // of another file
		s.o.Log.Error("a file of telemetry cannot be closed", "error", err)
	}
	return o, nil
}

func (s *Store) release(o *shared) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.uses--
	return s.open.trim()
}

// snapshot is what a query reads: rows that are in it stay readable until it
// is released.
type snapshot struct {
	views []view
	files []*file // in order of time
}

// take makes a snapshot of one kind of rows within a time.
func (s *Store) take(k kind, f *filter) (snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return snapshot{}, errClosed
	}
	var snap snapshot
	for _, h := range []*head{s.active, s.frozen} {
		if h != nil && len(h.rows[k]) > 0 {
			snap.views = append(snap.views, h.view(k))
		}
	}
	for _, f2 := range s.files {
		if f2.kind == k && f2.Damaged == "" && f2.Max >= f.from && f2.Min < f.to {
			f2.uses++
			snap.files = append(snap.files, f2)
		}
	}
	return snap, nil
}

func (s *Store) drop(snap snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range snap.files {
		f.uses--
	}
	s.sweep()
}

// access tells how rows of a type are read.
type access[T any] struct {
	kind   kind
	decode func(*frame, int, *T) error
	match  func(*T) bool
	make   func(*scan, int, int, *T)
}

// Spans gives matching spans: see telemetry.Store.
func (s *Store) Spans(ctx context.Context, q telemetry.SpanQuery, yield func(*telemetry.Span) error) error {
	f := spanFilter(q)
	return query(ctx, s, f, access[telemetry.Span]{spans, (*frame).span, f.spanMatches, (*scan).span}, yield)
}

// Logs gives matching log records: see telemetry.Store.
func (s *Store) Logs(ctx context.Context, q telemetry.LogQuery, yield func(*telemetry.Log) error) error {
	f := logFilter(q)
	return query(ctx, s, f, access[telemetry.Log]{logs, (*frame).log, f.logMatches, (*scan).log}, yield)
}

func query[T any](ctx context.Context, s *Store, f *filter, a access[T], yield func(*T) error) error {
	return each(ctx, s, f, a, yield, func(sc *scan, page int) error { return rows(sc, page, a, yield) })
}

// each gives rows of the head to yield and pages of files to visit, from the
// newest to the oldest.
func each[T any](ctx context.Context, s *Store, f *filter, a access[T], yield func(*T) error, visit func(*scan, int) error) error {
	snap, err := s.take(a.kind, f)
	if err != nil {
		return err
	}
	defer s.drop(snap)
	type source struct {
		newest int64
		read   func() error
	}
	var sources []source
	for _, v := range snap.views {
		newest := int64(math.MinInt64)
		for _, r := range v.rows {
			newest = max(newest, r.time)
		}
		sources = append(sources, source{newest, func() error { return headQuery(ctx, v, f, a.decode, a.match, yield) }})
	}
	for _, file := range snap.files {
		sources = append(sources, source{file.Max, func() error { return s.read(ctx, file, f, visit) }})
	}
	slices.SortStableFunc(sources, func(a, b source) int { return cmp.Compare(b.newest, a.newest) })
	for _, source := range sources {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := source.read(); err != nil {
			return err
		}
	}
	return nil
}

// rows gives the chosen rows of a page, the newest first.
func rows[T any](s *scan, page int, a access[T], yield func(*T) error) error {
	var row T
	for i := len(s.rows) - 1; i >= 0; i-- {
		a.make(s, page, int(s.rows[i]), &row)
		if a.match(&row) {
			if err := yielded(&row, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// theirs is an error, or a panic, of whoever asked: not of a file.
type theirs struct {
	err   error
	panic any
}

// Error is theirs.
func (t theirs) Error() string { return fmt.Sprint(t.err, t.panic) }

// yielded calls yield so that its panic is not taken for damage.
func yielded[T any](row *T, yield func(*T) error) error {
	fine := false
	defer func() {
		if !fine {
			if p := recover(); p != nil {
				panic(theirs{panic: p})
			}
		}
	}()
	err := yield(row)
	fine = true
	if err != nil {
		return theirs{err: err}
	}
	return nil
}

// read gives the pages of a file that may have matching rows to visit, the
// newest first. A file that is damaged is reported and left out from then on.
func (s *Store) read(ctx context.Context, f *file, flt *filter, visit func(*scan, int) error) error {
	o, err := s.acquire(f)
	if err == nil {
		err = guard(func() error { return pages(ctx, o.reader, f.kind, flt, visit) })
		err = errors.Join(err, s.release(o))
	}
	var asker theirs
	if errors.As(err, &asker) {
		return asker.err
	}
	var d damage
	if errors.As(err, &d) {
		s.exclude(f, d.what)
		return nil
	}
	return err
}

// exclude leaves a damaged file out of answers.
func (s *Store) exclude(f *file, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Damaged == "" && !f.gone {
		f.Damaged = what
		s.damaged(f.Name, what)
	}
}

// guard makes damage of a panic: decoders meet bytes that they never expected.
func guard(do func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case theirs:
			panic(p.panic)
		case error:
			err = asDamage(p)
		default:
			err = damage{fmt.Sprint(p)}
		}
	}()
	return do()
}

func pages(ctx context.Context, r *reader, k kind, f *filter, visit func(*scan, int) error) error {
	for i := len(r.groups) - 1; i >= 0; i-- {
		if err := groupPages(ctx, r, i, k, f, visit); err != nil {
			return err
		}
	}
	return nil
}

func groupPages(ctx context.Context, r *reader, group int, k kind, f *filter, visit func(*scan, int) error) error {
	var sc *scan
	for page := len(r.groups[group]) - 1; page >= 0; page-- {
		if err := ctx.Err(); err != nil {
			return err
		}
		if skips(f, &r.groups[group][page]) {
			continue
		}
		if sc == nil {
			sc = newScan(r.open(group), f, k)
			defer sc.close() //nolint:revive // once, not in each turn
			if sc.impossible() {
				return nil
			}
		}
		sc.choose(page)
		if len(sc.rows) == 0 {
			continue
		}
		if err := visit(sc, page); err != nil {
			return err
		}
	}
	return nil
}
