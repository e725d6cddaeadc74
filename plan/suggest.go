package plan

import (
	"slices"
	"strings"
)

// didYouMean is a remedy that names the candidate nearest to what was
// written, or lists all candidates when none is near and they are few.
func didYouMean(written string, candidates []string) string {
	if best := Nearest(written, candidates); best != "" {
		return "did you mean " + best + "?"
	}
	if len(candidates) > 0 && len(candidates) <= 12 {
		return "known here: " + strings.Join(slices.Sorted(slices.Values(candidates)), ", ")
	}
	return ""
}

// Nearest is the candidate with the smallest edit distance to written, empty
// when none is near enough to be what was meant. Ties go to the first in
// alphabetical order. Failing that, it is the only one that begins with what
// was written, or that this begins with.
func Nearest(written string, candidates []string) string {
	if len(written) > maxMeant {
		return ""
	}
	limit := max(1, min(3, len(written)/3))
	best, begun := "", []string(nil)
	for _, c := range candidates {
		if alike(c, written) {
			return c
		}
		if len(written) >= 3 && strings.HasPrefix(c, written) || len(c) >= 3 && strings.HasPrefix(written, c) {
			begun = append(begun, c)
		}
		if d := distance(written, c, limit); d < limit || d == limit && (best == "" || c < best) {
			if d < limit {
				limit = d
			}
			best = c
		}
	}
	if best == "" && len(begun) == 1 {
		return begun[0]
	}
	return best
}

// alike reports whether two names differ only in what people vary: case,
// hyphens, underscores, dots, a plural s.
func alike(a, b string) bool { return strings.EqualFold(fold(a), fold(b)) }

func fold(s string) string {
	if strings.ContainsAny(s, "-_. ") {
		s = strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(s)
	}
	return strings.TrimSuffix(s, "s")
}

// maxMeant bounds the names that distance compares.
const maxMeant = 64

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that make b of a; what exceeds the limit is limit+1. Neither may
// be longer than maxMeant.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(b) > maxMeant {
		return limit + 1
	}
	var rows [3][maxMeant + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit+1)
}
