package telemetry

import "github.com/plat-dev/plat/redact"

// redactor takes secrets out of rows.
type redactor struct{ *redact.Redactor }

// batch redacts rows in place. Resources are shared, so those that change are
// replaced.
func (r redactor) batch(b Batch) {
	resources := map[*Resource]*Resource{}
	of := func(res *Resource) *Resource {
		clean, ok := resources[res]
		if !ok {
			clean = r.resource(res)
			resources[res] = clean
		}
		return clean
	}
	for i := range b.Spans {
		s := &b.Spans[i]
		s.Resource = of(s.Resource)
		s.Name = r.Text(s.Name)
		s.StatusMessage = r.Text(s.StatusMessage)
		r.attributes(s.Attributes)
		for j := range s.Events {
			s.Events[j].Name = r.Text(s.Events[j].Name)
			r.attributes(s.Events[j].Attributes)
		}
		for j := range s.Links {
			r.attributes(s.Links[j].Attributes)
		}
	}
	for i := range b.Logs {
		l := &b.Logs[i]
		l.Resource = of(l.Resource)
		l.Body = r.Text(l.Body)
		r.attributes(l.Attributes)
	}
}

func (r redactor) resource(res *Resource) *Resource {
	if res == nil || len(res.Attributes) == 0 {
		return res
	}
	clean := *res
	clean.Attributes = append([]Attribute{}, res.Attributes...)
	r.attributes(clean.Attributes)
	return &clean
}

func (r redactor) attributes(list []Attribute) {
	for i := range list {
		a := &list[i]
		if a.Kind == Float || a.Kind == Bool || a.Kind == Int && len(a.Value) < 13 { // no text, and no card's number
			if !r.Name(a.Key) {
				continue
			}
		}
		if kept, changed := r.Value(a.Key, a.Value); changed {
			a.Value, a.Kind = kept, redactedKind(a.Kind, kept)
		}
	}
}

// redactedKind is the kind of a value of which something was taken out.
func redactedKind(kind ValueKind, kept string) ValueKind {
	if kind == JSON && kept != redact.Mark {
		return JSON
	}
	return Text
}
