package probe

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/plan"
)

// verdict collects what does not hold of an answer, and what is taken out of it.
type verdict struct {
	known    values
	answer   answer
	document func() (any, error) // the body as JSON
	captured values
	wrong    []string
}

// judge holds an answer to what the step expects. What it captures counts only
// when nothing is wrong.
func (c *customer) judge(s plan.Step, a answer) (captured values, wrong []string) {
	v := verdict{known: c.known, answer: a, captured: values{}}
	var (
		document any
		unread   error
		read     bool
	)
	v.document = func() (any, error) {
		if !read {
			document, unread = parse(a.body)
			read = true
		}
		return document, unread
	}
	v.status(s.Status)
	if needsBody(s) && a.cut {
		v.no("the body has more than %d KiB", maxBody>>10)
		return nil, v.wrong
	}
	for _, name := range slices.Sorted(maps.Keys(s.Header)) {
		values := a.header.Values(name)
		var found any
		if len(values) > 0 {
			found = values[0]
		}
		v.check("the header "+name, found, len(values) > 0, s.Header[name], true)
	}
	v.body(s.Body)
	for _, t := range s.Contains {
		if t = c.known.expand(t); !strings.Contains(string(a.body), t) {
			v.no("the body does not contain %s", shown(t))
		}
	}
	if limit := s.Time.Std(); limit > 0 && a.duration > limit {
		v.no("the answer took %s, expected at most %s", a.duration.Round(time.Millisecond), limit)
	}
	if len(v.wrong) == 0 {
		v.capture(s.Capture)
	}
	return v.captured, v.wrong
}

func needsBody(s plan.Step) bool {
	return len(s.Body)+len(s.Contains) > 0 || slices.ContainsFunc(s.Capture, func(c plan.Capture) bool { return c.Header == "" })
}

func (v *verdict) no(format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
}

func (v *verdict) status(want int) {
	switch got := v.answer.status; {
	case want == 0 && got/100 != 2:
		v.no("the status is %s, expected 2xx", status(got))
	case want != 0 && got != want:
		v.no("the status is %s, expected %d", status(got), want)
	}
}

func status(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// body holds the JSON of the body to what is expected by pointer.
func (v *verdict) body(checks map[string]plan.Expected) {
	if len(checks) == 0 {
		return
	}
	document, err := v.document()
	if err != nil {
		v.no("the body is no JSON: %s", bounded(err.Error(), maxShown))
		return
	}
	for _, pointer := range slices.Sorted(maps.Keys(checks)) {
		found, there := Lookup(document, pointer)
		what := pointer
		if pointer == "" {
			what = "the body"
		}
		v.check(what, found, there, checks[pointer], false)
	}
}

// check holds one value to what is expected of it; texts compares as text, as
// header fields have no other type.
func (v *verdict) check(what string, found any, there bool, want plan.Expected, texts bool) {
	switch {
	case want.Exists != nil && *want.Exists == there:
	case want.Exists != nil && there:
		v.no("%s is %s, expected not to be there", what, shown(found))
	case !there:
		v.no("%s is not there, expected %s", what, v.expected(want))
	case want.Is != nil:
		wanted := v.known.json(want.Is.V)
		if texts && text(found) == text(wanted) || !texts && equal(found, wanted) {
			return
		}
		v.no("%s is %s, expected %s", what, shown(found), v.expected(want))
	case want.Matches != "":
		re, err := regexp.Compile(want.Matches)
		if err != nil || !re.MatchString(text(found)) {
			v.no("%s is %s, expected %s", what, shown(found), v.expected(want))
		}
	}
}

func (v *verdict) expected(want plan.Expected) string {
	switch {
	case want.Is != nil:
		return shown(v.known.json(want.Is.V))
	case want.Matches != "":
		return "a match of " + bounded(want.Matches, maxShown)
	}
	return "it"
}

// capture takes out what later steps need.
func (v *verdict) capture(wanted []plan.Capture) {
	for _, c := range wanted {
		found, why := v.find(c.CaptureFile)
		if why != "" {
			v.no("%s cannot be captured: %s", c.Name, why)
			continue
		}
		v.captured[c.Name] = found
	}
}

func (v *verdict) find(from plan.CaptureFile) (found any, why string) {
	switch {
	case from.Header != "":
		if found := v.answer.header.Get(from.Header); found != "" {
			return found, ""
		}
		return nil, "there is no header " + from.Header
	case from.JSON != "":
		document, err := v.document()
		if err != nil {
			return nil, "the body is no JSON: " + bounded(err.Error(), maxShown)
		}
		if found, there := Lookup(document, from.JSON); there {
			return found, ""
		}
		return nil, from.JSON + " is not there"
	}
	re, err := regexp.Compile(from.Text)
	if err != nil {
		return nil, err.Error()
	}
	match := re.FindSubmatch(v.answer.body)
	if match == nil {
		return nil, "the body has no match of " + bounded(from.Text, maxShown)
	}
	return string(match[len(match)-1]), ""
}
