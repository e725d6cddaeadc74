package segment

import (
	"cmp"
	"context"
	"slices"
)

// The bounds of what stands in memory.
const (
	headRows  = fileRows
	headBytes = 48 << 20
)

// ref is a row of a head.
type ref struct {
	time  int64
	frame uint32
	at    uint32
}

// head is rows that are not sealed yet: the frames of one file of the log, as
// they stand there, and an index.
type head struct {
	seq    uint64   // of its file
	logs   []string // its file; after a crash there may be more
	frames []*frame
	rows   [2][]ref // by kind, as they came
	bytes  int
	oldest int64 // when its first row came, Unix nanoseconds
}

func (h *head) add(f *frame) error {
	if f.kind == frameEnd {
		return nil
	}
	k := spans
	if f.kind == frameLogs {
		k = logs
	}
	before := len(h.rows[k])
	i := uint32(len(h.frames)) // #nosec G115 -- bounded by headRows
	err := f.rowsAt(func(at int, time int64) {
		h.rows[k] = append(h.rows[k], ref{time, i, uint32(at)}) // #nosec G115 -- within a frame
	})
	if err != nil {
		h.rows[k] = h.rows[k][:before]
		return err
	}
	h.frames = append(h.frames, f)
	h.bytes += len(f.data) + 16*f.count + 64*len(f.resources)
	return nil
}

func (h *head) count() int { return len(h.rows[spans]) + len(h.rows[logs]) }

// fits tells whether more rows may be added; an empty head takes any batch.
func (h *head) fits(rows, bytes int) bool {
	return h.count() == 0 || h.count()+rows <= headRows && h.bytes+bytes <= headBytes
}

// view is a head as it is at a moment: what it points to does not change.
type view struct {
	frames []*frame
	rows   []ref
}

func (h *head) view(k kind) view {
	return view{h.frames[:len(h.frames):len(h.frames)], h.rows[k][:len(h.rows[k]):len(h.rows[k])]}
}

// chosen are the rows that can match by their fixed fields, the newest first.
func (v view) chosen(f *filter) []ref {
	var list []ref
	trace, span := string(f.trace[:]), string(f.span[:])
	for _, r := range v.rows {
		if r.time < f.from || r.time >= f.to {
			continue
		}
		if data := v.frames[r.frame].data[r.at:]; !f.trace.IsZero() && data[atTrace:atSpan] != trace ||
			!f.span.IsZero() && data[atSpan:atSpan+8] != span {
			continue
		}
		list = append(list, r)
	}
	slices.SortStableFunc(list, func(a, b ref) int { return cmp.Compare(b.time, a.time) })
	return list
}

// headQuery gives the rows of a head that match.
func headQuery[T any](ctx context.Context, v view, f *filter, decode func(*frame, int, *T) error, match func(*T) bool, yield func(*T) error) error {
	var row T
	for i, r := range v.chosen(f) {
		if i%512 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := decode(v.frames[r.frame], int(r.at), &row); err != nil {
			continue // INVARIANT: frames were decoded when they were added
		}
		if match(&row) {
			if err := yield(&row); err != nil {
				return err
			}
		}
	}
	return nil
}
