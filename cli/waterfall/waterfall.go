// Package waterfall prints a trace for a terminal: its spans as a tree, each
// with a bar where it lies in time, and its log records between them.
//
// It must never import a room: it takes what the control API gives.
package waterfall

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/lines"
)

// Options say how it looks; the zero value is plain, without bars.
type Options struct {
	Width int                         // columns; 0: no bars, as in a pipe
	Paint func(code, s string) string // colours words; nil: leaves them plain
	Logs  bool                        // with log records
}

// row is a line: a span, or a record.
type row struct {
	name, note string
	span       *api.Span // nil for a record
	at         time.Time
	failed     bool
}

// Most columns of names, and least of bars.
const (
	maxName = 72
	minBar  = 12
)

// Print writes a trace.
func Print(w io.Writer, t api.Trace, o Options) error {
	if o.Paint == nil {
		o.Paint = func(_, s string) string { return s }
	}
	rows := rowsOf(t, o.Logs)
	width := 0
	for _, r := range rows {
		if r.span != nil {
			width = max(width, min(utf8.RuneCountInString(r.name), maxName))
		}
	}
	bar := 0
	if o.Width > 0 {
		width = min(width, max(o.Width/2, 20))
		bar = max(o.Width-width-2-9-2, 0)
		if bar < minBar {
			bar = 0
		}
	}
	for _, r := range rows {
		if _, err := fmt.Fprintln(w, r.line(t, o, width, bar)); err != nil {
			return err
		}
	}
	return nil
}

// rowsOf puts each record below the span that it was written in, and those of no
// span where their time is.
func rowsOf(t api.Trace, logs bool) []row {
	within := map[string][]row{}
	var loose []row
	if logs {
		known := map[string]int{}
		for i := range t.Spans {
			known[t.Spans[i].ID] = t.Spans[i].Depth
		}
		for _, l := range t.Logs {
			depth, ok := known[l.SpanID]
			text := l.Body
			for _, key := range slices.Sorted(keysOf(l.Attributes)) {
				text += " " + key + "=" + l.Attributes[key]
			}
			text = lines.Harmless(text, `\n`)
			if l.Inferred {
				text += inferred(l.OneOf)
			}
			r := row{name: strings.Repeat("  ", depth+1) + "· " + strings.TrimSpace(l.Severity+" "+text), at: l.Time, failed: l.Severity == "ERROR" || l.Severity == "FATAL"}
			if ok {
				within[l.SpanID] = append(within[l.SpanID], r)
			} else {
				r.name = "· " + lines.Harmless(l.Service, `\n`) + ": " + strings.TrimSpace(l.Severity+" "+text)
				loose = append(loose, r)
			}
		}
	}
	var rows []row
	for i := range t.Spans {
		s := &t.Spans[i]
		for len(loose) > 0 && loose[0].at.Before(s.Start) {
			rows, loose = append(rows, loose[0]), loose[1:]
		}
		r := row{name: strings.Repeat("  ", s.Depth) + lines.Harmless(s.Service+"  "+s.Name, `\n`), span: s, at: s.Start, failed: s.Status == "error"}
		if r.failed {
			r.note = lines.Harmless(s.StatusMessage, `\n`)
			if r.note == "" {
				r.note = lines.Harmless(s.Attributes["http.response.status_code"], `\n`)
			}
		}
		rows = append(rows, r)
		rows = append(rows, within[s.ID]...)
	}
	return append(rows, loose...)
}

// inferred marks a record whose trace is no fact.
func inferred(oneOf int) string {
	if oneOf > 1 {
		return fmt.Sprintf(" (inferred: one of %d traces)", oneOf)
	}
	return " (inferred)"
}

func keysOf(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (r row) line(t api.Trace, o Options, width, bar int) string {
	if r.span == nil {
		text := cut(r.name, o.Width)
		if r.failed {
			return o.Paint("31", text)
		}
		return o.Paint("2", text)
	}
	name := cut(r.name, width)
	pad := strings.Repeat(" ", width-utf8.RuneCountInString(name))
	switch {
	case r.failed:
		name = o.Paint("31", name)
	case r.span.Critical:
		name = o.Paint("1", name)
	}
	line := fmt.Sprintf("%s%s  %9s", name, pad, Short(time.Duration(r.span.Duration)))
	if bar > 0 {
		line += "  " + r.bar(t, o, bar)
	}
	if r.failed {
		line = strings.TrimRight(line, " ") + "  " + o.Paint("31", "failed")
		if r.note != "" {
			line += o.Paint("31", ": "+r.note)
		}
	}
	return strings.TrimRight(line, " ")
}

// bar draws where a span lies in its trace.
func (r row) bar(t api.Trace, o Options, width int) string {
	total := max(t.Duration, 1)
	from := int(float64(r.span.Start.Sub(t.Start)) / float64(total) * float64(width))
	from = min(max(from, 0), width-1)
	length := min(max(int(float64(r.span.Duration)/float64(total)*float64(width)), 1), width-from)
	sign := "─"
	if r.span.Critical {
		sign = "━"
	}
	drawn := strings.Repeat(sign, length)
	if r.failed {
		drawn = o.Paint("31", drawn)
	}
	return strings.Repeat(" ", from) + drawn + strings.Repeat(" ", width-from-length)
}

func cut(s string, width int) string {
	if width <= 0 || utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(width-1, 0)]) + "…"
}

// Short is a duration with three digits.
func Short(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%dns", d.Nanoseconds())
	case d < 999500*time.Nanosecond: // what rounds to a thousand has the next unit
		return fmt.Sprintf("%.3gµs", float64(d)/float64(time.Microsecond))
	case d < 999500*time.Microsecond:
		return fmt.Sprintf("%.3gms", float64(d)/float64(time.Millisecond))
	case d < time.Minute:
		return fmt.Sprintf("%.3gs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
