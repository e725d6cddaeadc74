package plan

import (
	"maps"
	"slices"
)

// Circles finds who waits for whom in circles: of each group of names that all
// reach one another the shortest way round, which begins with the name that
// sorts first, and is sorted with the others. calls has for each name those
// that it calls.
func Circles(calls map[string][]string) [][]string {
	names := slices.Sorted(maps.Keys(calls))
	sorted := make(map[string][]string, len(calls))
	for name, all := range calls {
		all = slices.DeleteFunc(slices.Clone(all), func(callee string) bool { return callee == name })
		slices.Sort(all)
		sorted[name] = slices.Compact(all)
	}
	var circles [][]string
	for _, group := range entangled(names, sorted) {
		var shortest []string
		for i := range group {
			way := circle(append(slices.Clone(group[i:]), group[:i]...), sorted)
			first := slices.Index(way, slices.Min(way))
			way = append(slices.Clone(way[first:]), way[:first]...)
			if shortest == nil || len(way) < len(shortest) || len(way) == len(shortest) && slices.Compare(way, shortest) < 0 {
				shortest = way
			}
		}
		circles = append(circles, shortest)
	}
	slices.SortFunc(circles, slices.Compare)
	return circles
}
