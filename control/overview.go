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
	overviewValues  = 10  // of one key
	sampledRecords  = 500 // the newest, whose attributes are looked at for more keys
	sampledKeys     = 8
)

// facetKeys are what every record has, by the names of facets.
var facetKeys = map[string]string{"service": "service.name", "severity": "severity", "instance": "service.instance.id", "version": "service.version"} //nolint:gochecknoglobals // a constant, but for the language

// LogOverview tells how the records of a question spread over time and values.
func (p *plane) LogOverview(ctx context.Context, q api.LogSearchQuery) (api.LogOverview, error) {
	query, err := p.logQuery(q)
	if err != nil {
		return api.LogOverview{}, err
	}
	if now := time.Now(); query.To.After(now) {
		query.To = now
	}
	if oldest := p.rows.Stats().Store.Oldest; oldest.After(query.From) && oldest.Before(query.To) {
		query.From = oldest
	}
	step := max(query.To.Sub(query.From)/overviewBuckets, time.Second).Round(time.Second)
	query.From = query.From.Truncate(step)
	n := int(query.To.Sub(query.From)/step) + 1
	query.To = query.From.Add(time.Duration(n) * step)
	out := api.LogOverview{From: query.From.UTC(), Step: int64(step), Buckets: []api.LogBucket{}, Facets: []api.Facet{}}
	histogram, err := p.stored.Histogram(ctx, query, n)
	if err != nil {
		return out, err
	}
	for _, b := range histogram {
		counts := map[string]int64{}
		for i, count := range b.Counts {
			if count > 0 {
				name := cmp.Or(telemetry.Severity(max(4*i-3, 0)).String(), "other")
				counts[name] = int64(count) // #nosec G115 -- a count of rows
				out.Total += counts[name]
			}
		}
		out.Buckets = append(out.Buckets, api.LogBucket{Counts: counts})
	}
	out.Facets, err = p.facets(ctx, query)
	return out, err
}

// facets counts what every record has, and the attributes that the newest ones
// have most.
func (p *plane) facets(ctx context.Context, query telemetry.LogQuery) ([]api.Facet, error) {
	names := []string{"service", "severity", "instance", "version"}
	keys := make([]string, 0, len(names)+sampledKeys)
	for _, name := range names {
		keys = append(keys, facetKeys[name])
	}
	seen, records := map[string]int{}, 0
	err := p.stored.Logs(ctx, query, func(l *telemetry.Log) error {
		for _, a := range l.Attributes {
			seen[a.Key]++
		}
		if records++; records == sampledRecords {
			return telemetry.ErrEnough
		}
		return nil
	})
	if err = enough(err); err != nil {
		return nil, err
	}
	most := slices.SortedFunc(maps.Keys(seen), func(a, b string) int { return cmp.Or(cmp.Compare(seen[b], seen[a]), cmp.Compare(a, b)) })
	for _, key := range most[:min(len(most), sampledKeys)] {
		names, keys = append(names, key), append(keys, key)
	}
	counted, err := p.stored.Facets(ctx, query, keys, overviewValues)
	if err != nil {
		return nil, err
	}
	list := []api.Facet{}
	for i, f := range counted {
		facet := api.Facet{Key: names[i]}
		for _, v := range f.Values {
			facet.Values = append(facet.Values, api.FacetValue{Value: v.Value, Count: int64(v.Count)}) // #nosec G115 -- a count of rows
		}
		if len(facet.Values) > 0 {
			list = append(list, facet)
		}
	}
	return list, nil
}
