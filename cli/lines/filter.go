// Package lines knows the lines of the services' output: which of them a person
// asked for, which tell of errors, and how they are printed.
//
// It must never import a room: it takes what the control API gives.
package lines

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/severity"
)

// Filter picks lines of output. Its zero value takes all. It is safe for
// concurrent use.
type Filter struct {
	Text   string // in upper or lower case; empty: any
	Errors bool   // only what tells of errors; plat's own lines do not
}

// Reader calls each for the lines of a query, in the order of time. It returns
// the first error that each returns.
type Reader func(ctx context.Context, q api.LogQuery, each func(api.LogLine) error) error

// Take tells whether a line is asked for.
func (f Filter) Take(l api.LogLine) bool {
	if f.Errors && (l.Stream == "plat" || !severity.IsError(l.Text)) {
		return false
	}
	return strings.Contains(strings.ToLower(l.Text), strings.ToLower(f.Text))
}

// From makes a reader of those lines of another that are asked for. The last
// lines of each service (LogQuery.Tail) are counted among these, unless the
// query follows: then they are counted before.
func (f Filter) From(read Reader) Reader {
	if f == (Filter{}) {
		return read
	}
	return func(ctx context.Context, q api.LogQuery, each func(api.LogLine) error) error {
		if q.Tail > 0 && !q.Follow {
			return f.tail(ctx, read, q, each)
		}
		return read(ctx, q, func(l api.LogLine) error {
			if !f.Take(l) {
				return nil
			}
			return each(l)
		})
	}
}

// tail holds so many lines of each service as are asked for.
func (f Filter) tail(ctx context.Context, read Reader, q api.LogQuery, each func(api.LogLine) error) error {
	most := q.Tail
	q.Tail = 0
	last := map[string][]api.LogLine{}
	if err := read(ctx, q, func(l api.LogLine) error {
		if f.Take(l) {
			kept := append(last[l.Service], l)
			last[l.Service] = kept[max(len(kept)-most, 0):]
		}
		return nil
	}); err != nil {
		return err
	}
	var lines []api.LogLine
	for _, kept := range last {
		lines = append(lines, kept...)
	}
	slices.SortStableFunc(lines, func(a, b api.LogLine) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Service, b.Service))
	})
	for _, l := range lines {
		if err := each(l); err != nil {
			return err
		}
	}
	return nil
}
