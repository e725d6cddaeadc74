package control

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/telemetry"
)

// Bounds of an overview.
const (
	overviewBuckets = 60
	overviewRecords = 1_000_000 // that are looked at
	overviewFacets  = 12
	overviewValues  = 10
	facetValues     = 500 // different values of one key that are counted
)

// LogOverview tells how the records of a question spread over time and values.
func (p *plane) LogOverview(ctx context.Context, q api.LogSearchQuery) (api.LogOverview, error) {
	query, err := p.logQuery(q)
	if err != nil {
		return api.LogOverview{}, err
	}
	from, to := query.From, query.To
	if now := time.Now(); to.After(now) {
		to = now
	}
	if oldest := p.rows.Stats().Store.Oldest; oldest.After(from) && oldest.Before(to) {
		from = oldest
	}
	step := max(to.Sub(from)/overviewBuckets, time.Second).Round(time.Second)
	from = from.Truncate(step)
	n := int(to.Sub(from)/step) + 1
	out := api.LogOverview{From: from.UTC(), Step: int64(step), Buckets: make([]api.LogBucket, n), Facets: []api.Facet{}}
	for i := range out.Buckets {
		out.Buckets[i].Counts = map[string]int64{}
	}
	facets := facetCounts{}
	err = p.stored.Logs(ctx, query, func(l *telemetry.Log) error {
		if out.Total == overviewRecords {
			out.Partial = true
			return telemetry.ErrEnough
		}
		out.Total++
		severity := l.Severity.String()
		i := min(max(int(time.Unix(0, l.Time).Sub(from)/step), 0), n-1)
		out.Buckets[i].Counts[cmp.Or(severity, "other")]++
		facets.add("service", l.Resource.Service)
		facets.add("severity", severity)
		facets.add("instance", l.Resource.Instance)
		for _, a := range l.Attributes {
			facets.add(a.Key, a.Value)
		}
		return nil
	})
	out.Facets = facets.top()
	return out, enough(err)
}

// facetCounts counts records by key and value.
type facetCounts map[string]map[string]int64

func (f facetCounts) add(key, value string) {
	if value == "" || len(value) > 128 {
		return
	}
	values := f[key]
	if values == nil {
		if len(f) >= facetValues {
			return
		}
		values = map[string]int64{}
		f[key] = values
	}
	if _, known := values[value]; known || len(values) < facetValues {
		values[value]++
	}
}

// top gives the keys of most use to narrow a question: those that every record
// has, then those whose values recur.
func (f facetCounts) top() []api.Facet {
	first := []string{"service", "severity", "instance"}
	total := map[string]int64{}
	for key, values := range f {
		for _, n := range values {
			total[key] += n
		}
	}
	keys := slices.SortedFunc(maps.Keys(f), func(a, b string) int {
		known := func(key string) int {
			if i := slices.Index(first, key); i >= 0 {
				return i
			}
			return len(first)
		}
		return cmp.Or(cmp.Compare(known(a), known(b)), cmp.Compare(total[b], total[a]), cmp.Compare(a, b))
	})
	list := []api.Facet{}
	for _, key := range keys {
		if len(list) == overviewFacets {
			break
		}
		if len(f[key]) == facetValues && !slices.Contains(first, key) {
			continue // an ID: no value recurs
		}
		facet := api.Facet{Key: key}
		for _, value := range slices.SortedFunc(maps.Keys(f[key]), func(a, b string) int {
			return cmp.Or(cmp.Compare(f[key][b], f[key][a]), cmp.Compare(a, b))
		}) {
			if len(facet.Values) == overviewValues {
				break
			}
			facet.Values = append(facet.Values, api.FacetValue{Value: value, Count: f[key][value]})
		}
		list = append(list, facet)
	}
	return list
}
