package segment

import (
	"cmp"
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

// place is where a row of a file that is merged stands.
type place struct {
	time             int64
	file, group, row uint32
	page             uint32
}

// merge writes the rows of files into one, in order of time.
func (s *Store) merge(ctx context.Context, from []*file, seq uint64) (*file, error) {
	cursors := make([]*mergeCursor, len(from))
	var places []place
	for i, f := range from {
		r, err := openReader(s.o.Dir, f)
		var d damage
		if errors.As(err, &d) {
			return nil, hurtFile{f, d.what}
		}
		if err != nil {
			return nil, err
		}
		defer r.close() //nolint:revive,errcheck // up to eight files that are only read
		cursors[i] = &mergeCursor{file: f, r: r}
		defer cursors[i].close()                                                                                             //nolint:revive // likewise
		if err := cursors[i].guard(func() error { places = cursors[i].places(places, uint32(i)); return nil }); err != nil { // #nosec G115 -- eight
			return nil, err
		}
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(a.time, b.time) })
	return s.write(from[0].kind, seq, from[0].Level+1, zstd.SpeedDefault, func(w *fileWriter) error {
		var span telemetry.Span
		var log telemetry.Log
		for i, p := range places {
			if i%512 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			c := cursors[p.file]
			err := c.guard(func() error {
				sc := c.at(int(p.group))
				if w.kind == spans {
					sc.span(int(p.page), int(p.row), &span)
				} else {
					sc.log(int(p.page), int(p.row), &log)
				}
				return nil
			})
			if err == nil && w.kind == spans {
				err = w.span(&span)
			} else if err == nil {
				err = w.log(&log)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// mergeCursor reads a file row by row, which it is asked for in order.
type mergeCursor struct {
	file *file
	r    *reader
	in   *scan
}

func (c *mergeCursor) guard(do func() error) error {
	err := guard(do)
	var d damage
	if errors.As(err, &d) {
		return hurtFile{c.file, d.what}
	}
	return err
}

func (c *mergeCursor) at(group int) *scan {
	if c.in == nil || c.in.group != group {
		c.close()
		c.in = newScan(c.r.open(group), &filter{}, c.file.kind)
	}
	return c.in
}

func (c *mergeCursor) close() {
	if c.in != nil {
		c.in.close()
		c.in = nil
	}
}

func (c *mergeCursor) places(list []place, file uint32) []place {
	for g, pages := range c.r.groups {
		for p, info := range pages {
			times := c.at(g).load(colTime, p)
			for row := range info.rows {
				t, _ := times.number(row)
				list = append(list, place{t, file, uint32(g), uint32(row), uint32(p)}) // #nosec G115 -- within a file
			}
		}
	}
	return list
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
