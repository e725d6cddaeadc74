package segment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry"
)

// Options says where a store is and how much it keeps. Only Dir is needed.
type Options struct {
	Dir     string
	Log     *slog.Logger
	Keep    time.Duration                    // 7 days; rows are deleted when they are older
	Size    int64                            // 2 GiB of sealed files; the oldest are deleted beyond
	Reserve uint64                           // bytes of the disk that are left free: 256 MiB
	Age     time.Duration                    // 10 minutes; rows are sealed when the head is as old
	Rows    int                              // 131,072; or when it has as many
	Now     func() time.Time                 // time.Now
	Free    func(dir string) (uint64, error) // what the disk has left

	create func(name string) (File, error) // createFile, or a hostile one
}

func (o *Options) defaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Keep == 0 {
		o.Keep = 7 * 24 * time.Hour
	}
	if o.Size == 0 {
		o.Size = 2 << 30
	}
	if o.Reserve == 0 {
		o.Reserve = 256 << 20
	}
	if o.Age == 0 {
		o.Age = 10 * time.Minute
	}
	if o.Rows == 0 {
		o.Rows = headRows
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Free == nil {
		o.Free = free
	}
	if o.create == nil {
		o.create = createFile
	}
}

func free(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil // #nosec G115 -- a size
}

// Store keeps spans and log records in a folder. It is safe for concurrent
// use; one process at a time may have the folder open. It is open until Close,
// and keeps itself in order while Run runs.
type Store struct {
	o      Options
	turn   chan struct{} // held by who appends
	writer *frameWriter  // by whom holds the turn
	space  space         // likewise

	upkeep  sync.Mutex // held by who seals, compacts or deletes; before mu
	mu      sync.Mutex // for what follows
	wal     *wal
	active  *head
	frozen  *head  // being sealed, or waiting for it
	old     *wal   // of frozen
	next    uint64 // number of the next file
	sealed  uint64 // heads up to this one are
	files   []*file
	open    readers
	leaving []*file // deleted when nobody reads them any more
	scrubs  uint64
	stats   telemetry.StoreStats
	closed  bool
	wake    chan struct{} // something may be sealed
	moved   chan struct{} // closed and replaced when frozen was sealed
}

// Open opens or makes the store of a folder. What is damaged there is
// reported by Stats and left out; only a folder that cannot be used is an
// error.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.defaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	s := &Store{
		o: o, turn: make(chan struct{}, 1), writer: newFrameWriter(),
		wake: make(chan struct{}, 1), moved: make(chan struct{}),
	}
	s.stats.Path = o.Dir
	if err := s.recoverFiles(); err != nil {
		return nil, fmt.Errorf("telemetry in %s: %w", o.Dir, err)
	}
	if err := s.recoverLogs(ctx); err != nil {
		return nil, fmt.Errorf("telemetry in %s: %w", o.Dir, err)
	}
	return s, nil
}

var errClosed = errors.New("the store is closed")

// Append takes rows into the log: see telemetry.Store. When the rows before
// cannot be sealed as fast as they come, it waits until ctx ends.
func (s *Store) Append(ctx context.Context, b telemetry.Batch) error {
	if b.Rows() == 0 {
		return nil
	}
	err := s.admit(ctx, b)
	if err != nil {
		s.refuse(b.Rows())
	}
	return err
}

func (s *Store) admit(ctx context.Context, b telemetry.Batch) error {
	for {
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		moved, err := s.attempt(b)
		<-s.turn
		if moved == nil {
			return err
		}
		// The turn is free while this waits, since who seals needs it.
		s.kick()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// attempt appends, or tells what to wait for. It is called with the turn.
func (s *Store) attempt(b telemetry.Batch) (moved <-chan struct{}, err error) {
	if err := s.hasRoom(); err != nil {
		return nil, err
	}
	written, frames, err := s.encode(b)
	if err != nil {
		return nil, err
	}
	if moved, err := s.prepare(b.Rows(), len(written)); moved != nil || err != nil {
		return moved, err
	}
	return nil, s.commit(written, frames)
}

func (s *Store) refuse(rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Dropped += uint64(rows) // #nosec G115 -- never negative
}

// encode makes frames of a batch: as they are written, until the next call,
// and as the head keeps them.
func (s *Store) encode(b telemetry.Batch) ([]byte, []*frame, error) {
	w := s.writer
	out := w.out[:0]
	defer func() {
		if w.out = out; cap(out) > 2*softFrameSize {
			w.out = nil
		}
	}()
	var frames []*frame
	flush := func(k byte) error {
		if w.count == 0 {
			return nil
		}
		start := len(out) + frameSpace
		out = appendFrame(out, func(b []byte) []byte { return w.payload(b, k) })
		w.reset()
		if len(out)-start > maxFrameSize {
			return errRowSize
		}
		f, err := openFrame(string(out[start:]))
		frames = append(frames, f)
		return err
	}
	w.reset()
	for i := range b.Spans {
		if err := w.span(&b.Spans[i]); err != nil {
			return nil, nil, err
		}
		if w.full() {
			if err := flush(frameSpans); err != nil {
				return nil, nil, err
			}
		}
	}
	if err := flush(frameSpans); err != nil {
		return nil, nil, err
	}
	for i := range b.Logs {
		if err := w.log(&b.Logs[i]); err != nil {
			return nil, nil, err
		}
		if w.full() {
			if err := flush(frameLogs); err != nil {
				return nil, nil, err
			}
		}
	}
	return out, frames, flush(frameLogs)
}

// space remembers for a moment how much the disk has left.
type space struct {
	asked time.Time
	left  uint64
}

// hasRoom tells whether the disk has its reserve.
func (s *Store) hasRoom() error {
	if now := s.o.Now(); now.Sub(s.space.asked) > 250*time.Millisecond || now.Before(s.space.asked) || s.space.left < s.o.Reserve {
		left, err := s.o.Free(s.o.Dir)
		if err != nil {
			return err
		}
		s.space = space{now, left}
	}
	if s.space.left < s.o.Reserve {
		return s.full(fmt.Sprintf("the disk has %d MiB left", s.space.left>>20), nil)
	}
	return nil
}

func (s *Store) full(what string, cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isFull(what, cause)
}

// isFull is called with mu.
func (s *Store) isFull(what string, cause error) error {
	if !s.stats.DiskFull {
		s.o.Log.Error("telemetry is refused: "+what, "reserve", s.o.Reserve)
	}
	s.stats.DiskFull = true
	return fault.New(fault.TelemetryDiskFull, "there is no room for telemetry").
		Why(fmt.Sprintf("%s, of which %d MiB are kept free", what, s.o.Reserve>>20)).At(s.o.Dir, 0, 0).Because(cause)
}

// prepare sees to a head that takes the rows, by freezing the one that is
// full. While the one before that is not sealed, it tells what to wait for.
func (s *Store) prepare(rows, bytes int) (moved <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, errClosed
	case s.active.fits(rows, bytes) && s.active.count() < s.o.Rows:
		return nil, nil
	case s.frozen != nil:
		return s.moved, nil
	}
	if err := s.freeze(); err != nil {
		return nil, s.failed(err)
	}
	return nil, nil
}

// failed makes a fault of an error of the disk. It is called with mu.
func (s *Store) failed(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return s.isFull("the disk is full", err)
	}
	return err
}

// freeze begins a new file of the log and a head for it. It is called with
// the turn and mu.
func (s *Store) freeze() error {
	w, err := s.newLog()
	if err != nil {
		return err
	}
	s.frozen, s.old = s.active, s.wal
	s.active, s.wal = &head{seq: s.next - 1, logs: []string{w.name}}, w
	s.kick()
	return nil
}

// newLog makes a file of the log. It is called with mu.
func (s *Store) newLog() (*wal, error) {
	name := walName(s.next)
	out, err := s.o.create(filepath.Join(s.o.Dir, name))
	if err != nil {
		return nil, err
	}
	w := &wal{name: name, file: out}
	if err = w.write([]byte(walMagic)); err == nil {
		w.size, w.dirty = int64(len(walMagic)), true
		err = syncDir(s.o.Dir)
	}
	if err != nil {
		return nil, errors.Join(err, out.Close(), os.Remove(filepath.Join(s.o.Dir, name)))
	}
	s.next++
	return w, nil
}

func (s *Store) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// commit writes frames and shows them to queries.
func (s *Store) commit(written []byte, frames []*frame) error {
	s.mu.Lock()
	w := s.wal
	s.mu.Unlock()
	err := w.write(written)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return s.failed(err)
	}
	w.size += int64(len(written))
	w.dirty = true
	s.stats.DiskFull = false
	if s.active.count() == 0 {
		s.active.oldest = s.o.Now().UnixNano()
	}
	for _, f := range frames {
		if err := s.active.add(f); err != nil {
			return err
		}
	}
	if s.active.count() >= s.o.Rows {
		s.kick()
	}
	return nil
}

// sync makes durable what was written to the log.
func (s *Store) sync() error {
	s.mu.Lock()
	var list []*wal
	for _, w := range []*wal{s.old, s.wal} {
		if w != nil && w.dirty {
			w.dirty = false
			list = append(list, w)
		}
	}
	s.mu.Unlock()
	var err error
	for _, w := range list {
		if e := w.file.Sync(); e != nil && !errors.Is(e, os.ErrClosed) { // it was sealed meanwhile
			err = errors.Join(err, e)
		}
	}
	return err
}

// Close ends the store. Run must have ended. What is not sealed stays in the
// log, for the next Open.
func (s *Store) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.wal.write(appendFrame(nil, func(b []byte) []byte { return append(b, frameEnd) }))
	for _, w := range []*wal{s.old, s.wal} {
		if w != nil {
			err = errors.Join(err, w.file.Sync(), w.file.Close())
		}
	}
	return errors.Join(err, s.open.close())
}

// Stats tells how full the store is and what was lost.
func (s *Store) Stats() telemetry.StoreStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Damage = slices.Clone(st.Damage)
	st.Damaged = s.standing()
	st.LogBytes = s.wal.size
	if s.old != nil {
		st.LogBytes += s.old.size
	}
	oldest := int64(0)
	seen := func(t int64) {
		if oldest == 0 || t < oldest {
			oldest = t
		}
	}
	for _, f := range s.files {
		st.Files++
		st.Bytes += f.Bytes
		if f.Damaged != "" {
			continue
		}
		seen(f.Min)
		if f.kind == spans {
			st.Spans += int64(f.Rows)
		} else {
			st.Logs += int64(f.Rows)
		}
	}
	for _, h := range []*head{s.active, s.frozen} {
		if h == nil {
			continue
		}
		st.HeadRows += h.count()
		st.Spans += int64(len(h.rows[spans]))
		st.Logs += int64(len(h.rows[logs]))
		if st.Files == 0 {
			for k := range h.rows {
				for _, r := range h.rows[k] {
					seen(r.time)
				}
			}
		}
	}
	if oldest != 0 {
		st.Oldest = time.Unix(0, oldest)
	}
	return st
}

// standing counts the damage that is still to be told. It is called with mu.
func (s *Store) standing() (n int) {
	now := s.o.Now()
	kept := map[string]bool{}
	for _, f := range s.files {
		if f.Damaged != "" {
			n++
			kept[f.Name] = true
		}
	}
	for _, d := range s.stats.Damage {
		if !kept[d.File] && now.Sub(d.Time) < telemetry.DamageTold {
			n++
		}
	}
	return n
}

// damaged reports a file that is not as it was written. It is called with mu.
func (s *Store) damaged(name, what string) {
	s.o.Log.Error("kept telemetry is damaged", "file", name, "what", what)
	s.stats.Damage = append(s.stats.Damage, telemetry.Damage{Time: s.o.Now(), File: name, What: what})
	if n := len(s.stats.Damage); n > 100 {
		s.stats.Damage = slices.Delete(s.stats.Damage, 0, n-100)
	}
}

// SetLimits says how long rows are kept, and how large the sealed files may be
// together; zero is the default. What is beyond goes soon.
func (s *Store) SetLimits(keep time.Duration, size int64) {
	limits := Options{Keep: keep, Size: size}
	limits.defaults()
	s.mu.Lock()
	s.o.Keep, s.o.Size = limits.Keep, limits.Size
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}
