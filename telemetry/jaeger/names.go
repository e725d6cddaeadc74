package jaeger

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/telemetry"
)

// names are the services and operations that were seen. Nobody keeps a list of
// them: spans of the last day are looked at once, and from then on those that
// came since.
type names struct {
	until    time.Time                     // looked at so far
	services map[string]map[operation]bool // at most maxServices, of each at most maxOperations
}

type operation struct {
	Name string             `json:"name"`
	Kind telemetry.SpanKind `json:"-"`
}

const (
	namesBack     = 24 * time.Hour
	namesFresh    = 2 * time.Second // no look again within
	namesLate     = time.Minute     // spans may come so late
	maxServices   = 1000
	maxOperations = 1000
	maxNamed      = 200_000 // spans of one look
)

// look gives what is known; it is not to be changed. mu is held.
func (h *handler) look(ctx context.Context) (map[string]map[operation]bool, error) {
	now := h.now()
	k := &h.known
	if now.Sub(k.until) < namesFresh {
		return k.services, nil
	}
	from := k.until.Add(-namesLate)
	if k.services == nil {
		k.services, from = map[string]map[operation]bool{}, now.Add(-namesBack)
	}
	scanned := 0
	err := h.source.Spans(ctx, telemetry.SpanQuery{From: from, To: now.Add(namesLate)}, func(s *telemetry.Span) error {
		if scanned++; scanned > maxNamed {
			return telemetry.ErrEnough
		}
		of, ok := k.services[s.Resource.Service]
		if !ok && len(k.services) < maxServices {
			of = map[operation]bool{}
			k.services[strings.Clone(s.Resource.Service)] = of
		}
		if o := (operation{s.Name, s.Kind}); of != nil && len(of) < maxOperations && !of[o] {
			of[operation{strings.Clone(s.Name), s.Kind}] = true
		}
		return nil
	})
	if err != nil && !errors.Is(err, telemetry.ErrEnough) {
		return nil, err
	}
	k.until = now
	return k.services, nil
}

func (h *handler) serviceNames(ctx context.Context) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known, err := h.look(ctx)
	if err != nil {
		return nil, err
	}
	return append([]string{}, slices.Sorted(maps.Keys(known))...), nil
}

// operationsOf lists a service's operations, of one kind or of all.
func (h *handler) operationsOf(ctx context.Context, service, kind string) ([]operation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known, err := h.look(ctx)
	if err != nil {
		return nil, err
	}
	list := []operation{}
	for o := range known[service] {
		if kind == "" || o.Kind.String() == kind {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b operation) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return list, nil
}

func (h *handler) services(w http.ResponseWriter, r *http.Request) error {
	list, err := h.serviceNames(r.Context())
	if err != nil {
		return err
	}
	write(w, http.StatusOK, structured{Data: list, Total: len(list)})
	return nil
}

// operationNames is the older question, answered by names alone.
func (h *handler) operationNames(w http.ResponseWriter, r *http.Request) error {
	list, err := h.operationsOf(r.Context(), r.PathValue("service"), "")
	if err != nil {
		return err
	}
	only := []string{}
	for _, o := range list {
		if len(only) == 0 || only[len(only)-1] != o.Name {
			only = append(only, o.Name)
		}
	}
	write(w, http.StatusOK, structured{Data: only, Total: len(only)})
	return nil
}

// namedOperation is an operation with its kind in words.
type namedOperation struct {
	Name     string `json:"name"`
	SpanKind string `json:"spanKind"`
}

func named(list []operation) []namedOperation {
	out := make([]namedOperation, len(list))
	for i, o := range list {
		out[i] = namedOperation{o.Name, o.Kind.String()}
	}
	return out
}

func (h *handler) operations(w http.ResponseWriter, r *http.Request) error {
	service := r.FormValue("service")
	if service == "" {
		return wrong("parameter 'service' is required")
	}
	list, err := h.operationsOf(r.Context(), service, strings.ToLower(r.FormValue("spanKind")))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, structured{Data: named(list), Total: len(list)})
	return nil
}

// dependency is how often one service called another.
type dependency struct {
	Parent    string `json:"parent"`
	Child     string `json:"child"`
	CallCount uint64 `json:"callCount"`
}

// dependencies counts, of the spans within a time, those whose parent is of
// another service.
func (h *handler) dependencies(w http.ResponseWriter, r *http.Request) error {
	end, err := strconv.ParseInt(r.FormValue("endTs"), 10, 64)
	if err != nil {
		return wrong("unable to parse param 'endTs': expected milliseconds since 1970")
	}
	back := 24 * time.Hour
	if text := r.FormValue("lookback"); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms < 0 || ms > int64(100*365*24*time.Hour/time.Millisecond) {
			return wrong("unable to parse param 'lookback': expected milliseconds")
		}
		back = time.Duration(ms) * time.Millisecond
	}
	to := time.UnixMilli(end)
	type key struct {
		trace telemetry.TraceID
		span  telemetry.SpanID
	}
	type child struct {
		parent  key
		service string
	}
	services, known := map[key]string{}, map[string]string{}
	var children []child
	err = h.source.Spans(r.Context(), telemetry.SpanQuery{From: to.Add(-back), To: to}, func(s *telemetry.Span) error {
		if len(services) >= maxNamed {
			return telemetry.ErrEnough
		}
		service, ok := known[s.Resource.Service]
		if !ok {
			service = strings.Clone(s.Resource.Service)
			known[service] = service
		}
		services[key{s.TraceID, s.ID}] = service
		if !s.Parent.IsZero() {
			children = append(children, child{key{s.TraceID, s.Parent}, service})
		}
		return nil
	})
	if err != nil && !errors.Is(err, telemetry.ErrEnough) {
		return err
	}
	counts := map[dependency]uint64{}
	for _, c := range children {
		if parent, ok := services[c.parent]; ok && parent != c.service {
			counts[dependency{Parent: parent, Child: c.service}]++
		}
	}
	list := make([]dependency, 0, len(counts))
	for d, n := range counts {
		d.CallCount = n
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b dependency) int {
		return cmp.Or(strings.Compare(a.Parent, b.Parent), strings.Compare(a.Child, b.Child))
	})
	write(w, http.StatusOK, structured{Data: list, Total: len(list)})
	return nil
}
