package edit

import (
	"fmt"
	"strings"
)

// Diff is what changes a file's text into another as a unified diff, which
// patch and git apply take; empty where nothing differs. It is made for files
// of the plan: its time grows with the product of their lengths.
func Diff(file string, before, after []byte) string {
	a, b := splitLines(before), splitLines(after)
	steps := compare(a, b)
	const context = 3
	var out strings.Builder
	for i := 0; i < len(steps); {
		if steps[i].sign == ' ' {
			i++
			continue
		}
		begin := max(0, i-context)
		end, quiet := i, 0 // of the hunk: where nothing differs for long enough
		for j := i; j < len(steps) && quiet <= 2*context; j++ {
			if quiet++; steps[j].sign != ' ' {
				end, quiet = j+1, 0
			}
		}
		end = min(len(steps), end+context)
		hunk(&out, steps[begin:end])
		i = end
	}
	if out.Len() == 0 {
		return ""
	}
	return "--- a/" + file + "\n+++ b/" + file + "\n" + out.String()
}

// step is one line of a diff: kept, taken out or put in.
type step struct {
	sign         byte // ' ', '-' or '+'
	line         string
	older, newer int // its number in each text, from 1
}

// compare gives the shortest way from one text to another.
func compare(a, b []string) []step {
	// common[i][j] is how many lines a[i:] and b[j:] have in common, in order.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var all []step
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, step{' ', a[i], i + 1, j + 1})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			all = append(all, step{'-', a[i], i + 1, j + 1})
			i++
		default:
			all = append(all, step{'+', b[j], i + 1, j + 1})
			j++
		}
	}
	return all
}

// hunk writes some lines with their head.
func hunk(out *strings.Builder, steps []step) {
	older, newer := 0, 0
	for _, s := range steps {
		if s.sign != '+' {
			older++
		}
		if s.sign != '-' {
			newer++
		}
	}
	place := func(line, count int) string {
		if count == 0 {
			line-- // behind that line
		}
		if count == 1 {
			return fmt.Sprint(line)
		}
		return fmt.Sprintf("%d,%d", line, count)
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", place(steps[0].older, older), place(steps[0].newer, newer))
	for _, s := range steps {
		out.WriteByte(s.sign)
		out.WriteString(s.line)
		if !strings.HasSuffix(s.line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// splitLines keeps the lines' ends.
func splitLines(text []byte) []string {
	var all []string
	for line := range strings.Lines(string(text)) {
		all = append(all, line)
	}
	return all
}
