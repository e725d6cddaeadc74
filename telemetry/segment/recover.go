package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/plat-dev/plat/telemetry"
)

// recoverFiles reads the manifest and holds the folder to it.
func (s *Store) recoverFiles() error {
	m, there, err := readManifest(s.o.Dir)
	var d damage
	if errors.As(err, &d) {
		s.damaged(manifestName, d.what)
		there = false
	} else if err != nil {
		return err
	}
	s.next, s.sealed, s.files = max(m.Next, 1), m.Sealed, m.Files
	present := map[string]int64{}
	for _, pattern := range []string{"*.parquet", "*.tmp"} {
		names, err := listed(s.o.Dir, pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".tmp") {
				if err := os.Remove(filepath.Join(s.o.Dir, name)); err != nil {
					return err
				}
				continue
			}
			st, err := os.Stat(filepath.Join(s.o.Dir, name))
			if err != nil {
				return err
			}
			present[name] = st.Size()
		}
	}
	for _, f := range s.files {
		size, is := present[f.Name]
		delete(present, f.Name)
		switch {
		case !is:
			f.Damaged = "is missing"
		case size != f.Bytes:
			f.Damaged = fmt.Sprintf("has %d bytes where %d were written", size, f.Bytes)
		}
		if f.Damaged != "" {
			s.damaged(f.Name, f.Damaged)
		}
		s.next = max(s.next, f.Seq+1)
	}
	for name := range present {
		if err := s.unlisted(name, there); err != nil {
			return err
		}
	}
	return nil
}

// unlisted sees to a sealed file that the manifest does not know. Beside a
// good manifest it is what a crash left of a seal or a compaction, whose rows
// stand elsewhere still. Without one it is all there is.
func (s *Store) unlisted(name string, manifest bool) error {
	k, ours := kindOf(name)
	if !ours {
		return nil // somebody else's
	}
	parts := strings.Split(strings.TrimSuffix(name, ".parquet"), "-")
	seq, err := strconv.ParseUint(parts[len(parts)-1], 10, 64)
	if err != nil {
		return nil //nolint:nilerr // not named by us
	}
	s.next = max(s.next, seq+1)
	path := filepath.Join(s.o.Dir, name)
	if _, err := os.Stat(filepath.Join(s.o.Dir, walName(seq))); manifest || err == nil {
		return os.Remove(path)
	}
	f := &file{Name: name, Seq: seq, kind: k}
	if err := s.adopt(path, f); err != nil {
		f.Damaged = asDamage(err).Error()
		s.damaged(name, f.Damaged)
	}
	s.files = append(s.files, f)
	return nil
}

// adopt takes a file whose checksums are lost, if all of it can be decoded.
func (s *Store) adopt(path string, f *file) (err error) {
	in, err := os.Open(path) // #nosec G304 -- in the store's folder
	if err != nil {
		return err
	}
	defer in.Close()
	sum := &checked{to: io.Discard}
	if f.Bytes, err = io.Copy(sum, in); err != nil {
		return err
	}
	f.Sums = sum.sums()
	r, err := openReader(s.o.Dir, f)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = damage{fmt.Sprint(p)}
		}
		err = errors.Join(err, r.close())
	}()
	for i, pages := range r.groups {
		g := r.open(i)
		for page, info := range pages {
			if f.Rows == 0 {
				f.Min, f.Max = info.min, info.max
			}
			f.Rows, f.Min, f.Max = f.Rows+info.rows, min(f.Min, info.min), max(f.Max, info.max)
			for c := range columns {
				g.load(c, page)
			}
		}
		g.close()
	}
	return nil
}

// recoverLogs reads what is not sealed into the head.
func (s *Store) recoverLogs(ctx context.Context) error {
	names, err := listed(s.o.Dir, "wal-*.log")
	if err != nil {
		return err
	}
	h := &head{oldest: s.o.Now().UnixNano()}
	var last string
	damaged := false
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		seq, ok := walSeq(name)
		if !ok {
			continue
		}
		s.next = max(s.next, seq+1)
		if seq <= s.sealed { // a crash stood between its sealing and its end
			if err := os.Remove(filepath.Join(s.o.Dir, name)); err != nil {
				return err
			}
			continue
		}
		bad, err := s.replay(h, name, i == len(names)-1)
		if err != nil {
			return err
		}
		damaged = damaged || bad
		h.seq, last = seq, name
		h.logs = append(h.logs, name)
	}
	if len(h.logs) == 1 && !damaged && h.fits(0, 0) {
		return s.goOn(h, last)
	}
	if len(h.logs) > 0 {
		s.frozen = h
		s.kick()
	}
	w, err := s.newLog()
	if err != nil {
		return err
	}
	s.wal, s.active = w, &head{seq: s.next - 1, logs: []string{w.name}}
	return nil
}

// goOn appends to the log that was there.
func (s *Store) goOn(h *head, name string) error {
	path := filepath.Join(s.o.Dir, name)
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600) // #nosec G304 -- in the store's folder
	if err != nil {
		return err
	}
	st, err := out.Stat()
	if err != nil {
		return errors.Join(err, out.Close())
	}
	s.active, s.wal = h, &wal{name: name, file: out, size: st.Size()}
	if s.wal.size < int64(len(walMagic)) {
		if err := s.wal.write([]byte(walMagic)); err != nil {
			return err
		}
		s.wal.size = int64(len(walMagic))
	}
	return nil
}

// replay adds a file of the log to a head, cuts a torn end and reports what it
// cannot read. Only the last file tells whether the stop was clean.
func (s *Store) replay(h *head, name string, last bool) (damaged bool, err error) {
	path := filepath.Join(s.o.Dir, name)
	data, err := os.ReadFile(path) // #nosec G304 -- in the store's folder
	if err != nil {
		return false, err
	}
	st, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	clean := false
	end, gaps := readLog(data, func(payload []byte) {
		f, err := openFrame(string(payload))
		if err == nil {
			err = f.check()
		}
		if err == nil {
			err = h.add(f)
		}
		if err != nil {
			damaged = true
			s.damaged(name, err.Error())
			return
		}
		clean = f.kind == frameEnd
	})
	for _, g := range gaps {
		damaged = true
		s.damaged(name, fmt.Sprintf("%d bytes at %d are not as they were written and are left out", g.to-g.from, g.from))
	}
	if torn := len(data) - end; torn > 0 {
		s.damaged(name, fmt.Sprintf("ends within a frame: %d bytes are cut", torn))
		clean = false
		if err := os.Truncate(path, int64(end)); err != nil {
			return damaged, err
		}
	}
	if last && !clean {
		s.stats.LostUntil = st.ModTime()
		s.o.Log.Warn("the last stop was not clean: telemetry of up to a second before it may be lost", "until", st.ModTime())
	}
	return damaged, nil
}

// check decodes every row, so that who reads later need not doubt.
func (f *frame) check() error {
	if f.kind == frameEnd {
		return nil
	}
	var span telemetry.Span
	var log telemetry.Log
	bad := false
	err := f.rowsAt(func(at int, _ int64) {
		if f.kind == frameSpans {
			bad = bad || f.span(at, &span) != nil
		} else {
			bad = bad || f.log(at, &log) != nil
		}
	})
	if bad {
		return errFrame
	}
	return err
}

// sorted puts files in order of time, the oldest first.
func sorted(files []*file) {
	slices.SortFunc(files, func(a, b *file) int {
		if a.Max != b.Max {
			if a.Max < b.Max {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
}
