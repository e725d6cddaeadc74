package cli

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/plat-dev/plat/cli/lines"
)

// gap is the space between two columns.
const gap = 2

// width is how many columns a table may have; 0: as many as it takes, as in a
// pipe.
func (a *app) width() int {
	if a.Width > 0 {
		return a.Width
	}
	f, ok := a.Out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// first is the table with its first n columns.
func (t table) first(n int) table {
	cut := table{header: t.header[:n], key: t.key, spare: t.spare, cuts: t.cuts && n == len(t.header)}
	for _, row := range t.rows {
		cut.rows = append(cut.rows, row[:n])
	}
	return cut
}

// widths are those of the columns.
func (t table) widths() []int {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], visible(c))
		}
	}
	return widths
}

// visible is how many columns a text takes: colours take none.
func visible(s string) int {
	n := 0
	for {
		begin := strings.Index(s, "\x1b[")
		if begin < 0 {
			return n + utf8.RuneCountInString(s)
		}
		n += utf8.RuneCountInString(s[:begin])
		end := strings.IndexByte(s[begin:], 'm')
		if end < 0 {
			return n
		}
		s = s[begin+end+1:]
	}
}

// minText is the least that is worth showing of a text that is cut.
const minText = 12

// without is the table without one of its columns, which may not be there.
func (t table) without(column string) (table, bool) {
	at := slices.Index(t.header, column)
	if at < 0 {
		return t, false
	}
	cut := t
	cut.header = slices.Delete(slices.Clone(t.header), at, at+1)
	cut.rows = make([][]string, len(t.rows))
	for i, row := range t.rows {
		cut.rows[i] = slices.Delete(slices.Clone(row), at, at+1)
	}
	return cut, true
}

// fit makes a table that is no wider than a terminal, whose lines would wrap
// else: what it can do without is left out; then the first column that has no
// room is cut when it holds text, and those to the right of it are left out.
// What was left out is returned. A width of 0 is boundless.
func (t table) fit(width int) (table, []string) {
	if width <= 0 {
		return t, nil
	}
	var left []string
	for _, column := range t.spare {
		if t.span() <= width {
			return t, left
		}
		var found bool
		if t, found = t.without(column); found {
			left = append(left, column)
		}
	}
	used := 0
	for i, w := range t.widths() {
		if used+w <= width {
			used += w + gap
			continue
		}
		keep, room := i, width-used
		if room >= minText && (t.isText(i) || t.cuts && i == len(t.header)-1) {
			keep++
		}
		keep = max(keep, 1) // the name, whatever becomes of it
		cut := t.first(keep)
		for j, row := range cut.rows {
			if keep > i && i > 0 {
				row = slices.Clone(row)
				row[i] = shorten(row[i], room)
				cut.rows[j] = row
			}
		}
		return cut, append(left, t.header[keep:]...)
	}
	return t, left
}

// span is how wide the widest line may be.
func (t table) span() int {
	span := -gap
	for _, w := range t.widths() {
		span += w + gap
	}
	return span
}

// isText tells whether a column holds sentences rather than values.
func (t table) isText(column int) bool {
	return slices.ContainsFunc(t.rows, func(row []string) bool { return strings.Contains(row[column], " ") })
}

// shorten cuts a text to a number of characters.
func shorten(s string, most int) string {
	if visible(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// line is one row, as wide as the columns say.
func line(row []string, widths []int) string {
	var b strings.Builder
	for i, c := range row {
		if c == "" {
			c = "-"
		}
		b.WriteString(c)
		if i < len(row)-1 {
			b.WriteString(strings.Repeat(" ", max(widths[i]-visible(c), 0)+gap))
		}
	}
	return b.String()
}

// ours are the colours that a verb gives its cells.
var ours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// harmless lets no cell command the terminal, nor break its line.
func (t table) harmless() table {
	t.rows = slices.Clone(t.rows)
	for i, row := range t.rows {
		row = slices.Clone(row)
		for j, cell := range row {
			plain, colours := ours.Split(cell, -1), ours.FindAllString(cell, -1)
			row[j] = lines.Harmless(plain[0], `\n`)
			for k, colour := range colours {
				row[j] += colour + lines.Harmless(plain[k+1], `\n`)
			}
		}
		t.rows[i] = row
	}
	return t
}

// lines are the header and the rows.
func (t table) lines() []string {
	widths := t.widths()
	list := []string{line(t.header, widths)}
	for _, row := range t.rows {
		list = append(list, line(row, widths))
	}
	return list
}

func (t table) write(w io.Writer) error {
	_, err := fmt.Fprintln(w, strings.Join(t.lines(), "\n"))
	return err
}
