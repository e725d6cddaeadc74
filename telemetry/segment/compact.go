package segment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/plat-dev/plat/telemetry"
)

const compactFiles = 8 // small neighbours of one level become one file

// neighbours are files to make one of: small, of one kind and level, with none
// of that kind between them. They are so many, or half as many with which the
// next does not fit into one. It is called with mu.
func neighbours(files []*file) []*file {
	for _, k := range []kind{spans, logs} {
		var run []*file
		rows := 0
		for _, f := range files {
			if f.kind != k {
				continue
			}
			if small := f.Rows <= fileRows/2 && f.Damaged == ""; !small || len(run) > 0 && (f.Level != run[0].Level || rows+f.Rows > fileRows) {
				if len(run) >= compactFiles/2 && rows > fileRows/2 { // to write two anew for one is not worth it
					return run
				}
				if run, rows = nil, 0; !small {
					continue
				}
			}
			if run, rows = append(run, f), rows+f.Rows; len(run) == compactFiles {
				return run
			}
		}
	}
	return nil
}

// Compact makes one file of small neighbours, as long as there are some. Run
// does it by itself.
func (s *Store) Compact(ctx context.Context) error {
	for {
		again, err := s.compactOnce(ctx)
		if err != nil || !again {
			return err
		}
	}
}

func (s *Store) compactOnce(ctx context.Context) (again bool, err error) {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	s.mu.Lock()
	run := neighbours(s.files)
	if s.closed || run == nil {
		s.mu.Unlock()
		return false, nil
	}
	seq := s.next
	s.next++
	s.mu.Unlock()
	made, err := s.merge(ctx, run, seq)
	var hurt hurtFile
	if errors.As(err, &hurt) { // it is left out now, and the others get a new chance
		s.exclude(hurt.file, hurt.what)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if err := syncDir(s.o.Dir); err != nil {
		return false, err
	}
	s.mu.Lock()
	m := manifest{Next: s.next, Sealed: s.sealed, Files: []*file{made}}
	for _, f := range s.files {
		if !slices.Contains(run, f) {
			m.Files = append(m.Files, f)
		}
	}
	s.mu.Unlock()
	sorted(m.Files)
	if err := s.save(m); err != nil {
		return false, errors.Join(err, s.discard([]*file{made}))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = m.Files
	s.leave(run)
	return true, nil
}

// hurtFile is damage of one of the files that are merged.
type hurtFile struct {
	file *file
	what string
}

// Error names the file.
func (h hurtFile) Error() string { return h.file.Name + ": " + h.what }

// merge writes the rows of files into one, in order of time. A file is open
// from its first row to its last, so that neighbours cost no more than one.
func (s *Store) merge(ctx context.Context, from []*file, seq uint64) (*file, error) {
	made := &file{kind: from[0].kind, Seq: seq, Level: from[0].Level + 1}
	cursors := make([]*mergeCursor, len(from))
	for i, f := range from {
		cursors[i] = &mergeCursor{dir: s.o.Dir, file: f, time: f.Min}
		defer cursors[i].close() //nolint:revive,errcheck // eight at most, that are only read
		made.Rows += f.Rows
	}
	return s.write(made, zstd.SpeedDefault, func(w *fileWriter) error {
		var span telemetry.Span
		var log telemetry.Log
		for i := 0; ; i++ {
			if i%512 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			c := first(cursors)
			if c == nil {
				return nil
			}
			var err error
			if w.kind == spans {
				if err = c.take(func() { c.in.span(c.page, c.row, &span) }); err == nil {
					err = w.span(&span)
				}
			} else if err = c.take(func() { c.in.log(c.page, c.row, &log) }); err == nil {
				err = w.log(&log)
			}
			if err != nil {
				return err
			}
		}
	})
}

// first is the cursor whose row is the oldest; of rows of one time, that of the
// file that stands first.
func first(cursors []*mergeCursor) (oldest *mergeCursor) {
	for _, c := range cursors {
		if !c.done && (oldest == nil || c.time < oldest.time) {
			oldest = c
		}
	}
	return oldest
}

// mergeCursor reads a file row by row.
type mergeCursor struct {
	dir              string
	file             *file
	r                *reader // nil before the first row and after the last
	in               *scan   // of the group
	group, page, row int     // of the row that is next
	time             int64   // of that row
	done             bool    // there is none
}

// take reads the row that is next, and goes on to the one after.
func (c *mergeCursor) take(read func()) error {
	err := guard(func() error {
		if c.r == nil {
			if err := c.open(); err != nil {
				return err
			}
		}
		read()
		c.row++
		return c.settle()
	})
	var d damage
	if errors.As(err, &d) {
		return hurtFile{c.file, d.what}
	}
	return err
}

// open begins with the first row. The manifest told its time.
func (c *mergeCursor) open() (err error) {
	if c.r, err = openReader(c.dir, c.file); err == nil {
		err = c.settle()
	}
	return err
}

// settle goes on to the next page or group when it is behind the last row of
// one, and finds the row's time.
func (c *mergeCursor) settle() error {
	for ; c.group < len(c.r.groups); c.group, c.page = c.group+1, 0 {
		pages := c.r.groups[c.group]
		for ; c.page < len(pages); c.page, c.row = c.page+1, 0 {
			if c.row < pages[c.page].rows {
				if c.in == nil {
					c.in = newScan(c.r.open(c.group), &filter{}, c.file.kind)
				}
				c.time, _ = c.in.load(colTime, c.page).number(c.row)
				return nil
			}
		}
		c.leave()
	}
	c.done = true
	return c.close()
}

// leave ends with a group.
func (c *mergeCursor) leave() {
	if c.in != nil {
		c.in.close()
		c.in = nil
	}
}

func (c *mergeCursor) close() error {
	c.leave()
	r := c.r
	if c.r = nil; r == nil {
		return nil
	}
	return r.close()
}

// Scrub reads the sealed file whose turn it is and holds it to its checksums.
// Run does it by itself.
func (s *Store) Scrub() {
	s.mu.Lock()
	var f *file
	for _, candidate := range s.files {
		if candidate.Damaged == "" && (f == nil || candidate.scrubbed < f.scrubbed) {
			f = candidate
		}
	}
	if f == nil || s.closed {
		s.mu.Unlock()
		return
	}
	s.scrubs++
	f.scrubbed = s.scrubs
	f.uses++
	s.mu.Unlock()
	err := scrub(filepath.Join(s.o.Dir, f.Name), f)
	s.drop(snapshot{files: []*file{f}})
	if err != nil {
		s.exclude(f, asDamage(err).Error())
	}
}

func scrub(path string, f *file) error {
	in, err := os.Open(path) // #nosec G304 -- named by the manifest
	if errors.Is(err, os.ErrNotExist) {
		return damage{"is missing"}
	}
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	if st.Size() != f.Bytes {
		return damage{fmt.Sprintf("has %d bytes where %d were written", st.Size(), f.Bytes)}
	}
	b := &blocks{in, f.Bytes, f.Sums}
	buffer := make([]byte, blockSize)
	for at := int64(0); at < f.Bytes; at += blockSize {
		if _, err := b.ReadAt(buffer[:min(blockSize, f.Bytes-at)], at); err != nil {
			return err
		}
	}
	return nil
}
