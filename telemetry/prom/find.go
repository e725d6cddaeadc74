package prom

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// search is what the questions for series and labels have in common.
type search struct {
	limit      int
	start, end time.Time
	sets       [][]*labels.Matcher
}

func (s *Store) search(r *http.Request) (f search, err error) {
	if f.limit, err = limitParam(r, "limit"); err != nil {
		return f, err
	}
	if f.start, err = timeParam(r, "start", minTime()); err != nil {
		return f, err
	}
	if f.end, err = timeParam(r, "end", maxTime()); err != nil {
		return f, err
	}
	f.sets, err = s.matchers(r)
	return f, err
}

// hint is the limit of the storage: one more, to know that there is more.
func (f search) hint() int {
	if f.limit == 0 {
		return 0
	}
	return f.limit + 1
}

func (s *Store) askSeries(r *http.Request) (answer, error) {
	if len(r.Form["match[]"]) == 0 {
		return answer{}, refuse(badData, "no match[] parameter provided")
	}
	f, err := s.search(r)
	if err != nil {
		return answer{}, err
	}
	ctx, end := context.WithTimeout(r.Context(), s.opts.Query.Timeout)
	defer end()
	q, err := s.Querier(f.start.UnixMilli(), f.end.UnixMilli())
	if err != nil {
		return answer{}, err
	}
	defer q.Close()
	hints := &storage.SelectHints{Start: f.start.UnixMilli(), End: f.end.UnixMilli(), Func: "series", Limit: f.hint()}
	sets := make([]storage.SeriesSet, len(f.sets))
	for i, set := range f.sets {
		sets[i] = q.Select(ctx, len(f.sets) > 1, hints, set...)
	}
	all := sets[0]
	if len(sets) > 1 {
		all = storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
	}
	var found []labels.Labels
	for all.Next() && (f.limit == 0 || len(found) <= f.limit) {
		if err := ctx.Err(); err != nil {
			return answer{}, s.looked(err)
		}
		found = append(found, all.At().Labels())
	}
	if err := all.Err(); err != nil {
		return answer{}, s.looked(err)
	}
	a := answer{warnings: all.Warnings()}
	found = truncated(found, f.limit, &a.warnings)
	a.raw = appendList(nil, found, appendLabels)
	return a, nil
}

// looked passes an error of the storage on; a block that turns out to be
// damaged is looked for.
func (s *Store) looked(err error) error {
	if unreadable(err) {
		s.damage.suspect()
	}
	return err
}

func (s *Store) askLabels(r *http.Request) (answer, error) {
	return s.names(r, func(ctx context.Context, q storage.Querier, h *storage.LabelHints, set []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelNames(ctx, h, set...)
	})
}

func (s *Store) askValues(r *http.Request) (answer, error) {
	name := r.PathValue("name")
	if strings.HasPrefix(name, "U__") {
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		return answer{}, refuse(badData, "invalid label name: %q", name)
	}
	return s.names(r, func(ctx context.Context, q storage.Querier, h *storage.LabelHints, set []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, h, set...)
	})
}

// names asks for names with each set of matchers and puts the answers
// together.
func (s *Store) names(r *http.Request, ask func(context.Context, storage.Querier, *storage.LabelHints, []*labels.Matcher) ([]string, annotations.Annotations, error)) (answer, error) {
	f, err := s.search(r)
	if err != nil {
		return answer{}, err
	}
	ctx, end := context.WithTimeout(r.Context(), s.opts.Query.Timeout)
	defer end()
	q, err := s.Querier(f.start.UnixMilli(), f.end.UnixMilli())
	if err != nil {
		return answer{}, err
	}
	defer q.Close()
	if len(f.sets) == 0 {
		f.sets = [][]*labels.Matcher{nil}
	}
	var a answer
	all := []string{}
	for _, set := range f.sets {
		some, warnings, err := ask(ctx, q, &storage.LabelHints{Limit: f.hint()}, set)
		if err != nil {
			return answer{}, s.looked(err)
		}
		a.warnings.Merge(warnings)
		all = append(all, some...)
	}
	slices.Sort(all)
	a.data = truncated(slices.Compact(all), f.limit, &a.warnings)
	return a, nil
}

func (s *Store) askMetadata(r *http.Request) (answer, error) {
	limit := -1
	for name, into := range map[string]*int{"limit": &limit, "limit_per_metric": new(int)} {
		if text := r.Form.Get(name); text != "" {
			var err error
			if *into, err = strconv.Atoi(text); err != nil {
				return answer{}, refuse(badData, "%s must be a number", name)
			}
		}
	}
	return answer{data: s.known.some(r.Form.Get("metric"), limit)}, nil
}

// some gives what is remembered of one metric, or of all, at most limit.
func (f *families) some(metric string, limit int) map[string][]metadata.Metadata {
	f.mu.RLock()
	defer f.mu.RUnlock()
	found := make(map[string][]metadata.Metadata)
	for name, m := range f.all {
		if metric != "" && metric != name {
			continue
		}
		if limit >= 0 && len(found) >= limit {
			break
		}
		found[name] = []metadata.Metadata{m}
	}
	return found
}
