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
	var before clean
	for i := range b.Spans {
		s := &b.Spans[i]
		s.Resource = of(s.Resource)
		s.Name = r.Text(s.Name)
		s.StatusMessage = r.Text(s.StatusMessage)
		r.attributes(s.Attributes, &before)
		for j := range s.Events {
			s.Events[j].Name = r.Text(s.Events[j].Name)
			r.attributes(s.Events[j].Attributes, nil)
		}
		for j := range s.Links {
			r.attributes(s.Links[j].Attributes, nil)
		}
	}
	for i := range b.Logs {
		l := &b.Logs[i]
		l.Resource = of(l.Resource)
		l.Body = r.Text(l.Body)
		r.attributes(l.Attributes, &before)
	}
}

func (r redactor) resource(res *Resource) *Resource {
	if res == nil || len(res.Attributes) == 0 {
		return res
	}
	clean := *res
	clean.Attributes = append([]Attribute{}, res.Attributes...)
	r.attributes(clean.Attributes, nil)
	return &clean
}

// clean holds what the row before had at each place, if it was kept as it came:
// rows of one program are alike, and what is the same needs no second look.
type clean [32]Attribute

func (r redactor) attributes(list []Attribute, before *clean) {
	for i := range list {
		a := &list[i]
		var last *Attribute
		if before != nil && i < len(before) {
			if last = &before[i]; *last == *a && a.Value != "" {
				continue
			}
		}
		same := r.attribute(a, last != nil && last.Value != "" && last.Key == a.Key)
		switch {
		case last == nil:
		case same:
			*last = *a
		default:
			*last = Attribute{}
		}
	}
}

// attribute takes out what is secret, and tells whether it is kept as it came,
// under a name that is no secret's; open tells that the name is known for such.
func (r redactor) attribute(a *Attribute, open bool) (same bool) {
	if a.Value == "" {
		return false
	}
	if !open && r.Name(a.Key) {
		kept, _ := r.Value(a.Key, a.Value)
		a.Value, a.Kind = kept, Text
		return false
	}
	if a.Kind == Float || a.Kind == Bool || a.Kind == Int && len(a.Value) < 13 { // no text, and no card's number
		return true
	}
	kept := r.Text(a.Value)
	if kept == a.Value {
		return true
	}
	a.Value, a.Kind = kept, redactedKind(a.Kind, kept)
	return false
}

// redactedKind is the kind of a value of which something was taken out.
func redactedKind(kind ValueKind, kept string) ValueKind {
	if kind == JSON && kept != redact.Mark {
		return JSON
	}
	return Text
}
