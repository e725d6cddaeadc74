package plan

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// JourneyFile declares what a test customer does, and what must come of it.
type JourneyFile struct {
	Owner   string     `json:"owner" jsonschema:"required" jsonschema_description:"Who answers for it; one of owners."`
	About   string     `json:"about,omitempty" jsonschema_description:"What the customer does, in a sentence."`
	Every   *Duration  `json:"every,omitempty" plan:"positive" jsonschema_description:"Time from one run to the next while the system runs, at least 1s; absent: it runs only when somebody asks (plat probe run)."`
	Timeout *Duration  `json:"timeout,omitempty" plan:"positive" jsonschema:"default=30s" jsonschema_description:"Time allowed for all steps together."`
	Gateway string     `json:"gateway,omitempty" jsonschema_description:"The gateway that it goes through; absent: the only one."`
	Steps   []StepFile `json:"steps" jsonschema:"required" jsonschema_description:"Requests, one after the other, of one customer with one set of cookies; at most 100. The first that fails ends the journey."`
}

// StepFile is one request of a journey: exactly one of the methods is set.
type StepFile struct {
	Name    string                 `json:"name,omitempty" jsonschema_description:"What the step is called where it is shown; absent: its request line."`
	Get     string                 `json:"get,omitempty" jsonschema_description:"Path to GET, with its query. In paths, headers, bodies and expected values {NAME} stands for what an earlier step captured, {run} for the run's own ID."`
	Post    string                 `json:"post,omitempty" jsonschema_description:"Path to POST to."`
	Put     string                 `json:"put,omitempty" jsonschema_description:"Path to PUT to."`
	Patch   string                 `json:"patch,omitempty" jsonschema_description:"Path to PATCH."`
	Delete  string                 `json:"delete,omitempty" jsonschema_description:"Path to DELETE."`
	Headers map[string]string      `json:"headers,omitempty" jsonschema_description:"Header fields of the request, by name."`
	JSON    *Value                 `json:"json,omitempty" jsonschema_description:"Body of the request, sent as JSON. A text that is {NAME} alone becomes what was captured with its type."`
	Form    map[string]string      `json:"form,omitempty" jsonschema_description:"Body of the request, sent as a browser sends a form."`
	Expect  ExpectFile             `json:"expect,omitempty" jsonschema_description:"What must hold of the answer."`
	Capture map[string]CaptureFile `json:"capture,omitempty" jsonschema_description:"What later steps need of the answer, by name."`
	Within  *Duration              `json:"within,omitempty" plan:"positive" jsonschema_description:"The request is sent again until all that is expected holds, for at most this long; absent: once."`
}

// ExpectFile is what must hold of an answer.
type ExpectFile struct {
	Status   *int                `json:"status,omitempty" jsonschema:"minimum=200,maximum=599" jsonschema_description:"Status of the answer; absent: any 2xx. Redirects are followed (within the gateway, at most 10) unless a status of 3xx is expected."`
	Header   map[string]Expected `json:"header,omitempty" jsonschema_description:"What header fields must be, by name."`
	JSON     map[string]Expected `json:"json,omitempty" jsonschema_description:"What the body must have, by JSON pointer (RFC 6901), as {/status: paid}."`
	Contains []string            `json:"contains,omitempty" jsonschema_description:"Texts that must stand in the body."`
	Time     *Duration           `json:"time,omitempty" plan:"positive" jsonschema_description:"Time that the answer may take at most."`
}

// CaptureFile says where a value is found in an answer: exactly one is set.
type CaptureFile struct {
	JSON   string `json:"json,omitempty" jsonschema_description:"JSON pointer into the body."`
	Header string `json:"header,omitempty" jsonschema_description:"Name of a header field."`
	Text   string `json:"text,omitempty" jsonschema_description:"Regular expression (RE2) on the body; its group is the value, else the whole match."`
}

// Expected is what one value must be: written as the value itself, or as keys of
// which exactly one is set.
type Expected struct {
	Is      *Value `json:"is,omitempty" jsonschema_description:"The value itself; for one that is a mapping."`
	Matches string `json:"matches,omitempty" jsonschema_description:"Regular expression (RE2) that is found in it; numbers and other JSON as they are written."`
	Exists  *bool  `json:"exists,omitempty" jsonschema_description:"Whether it is there at all."`
}

// Value is any JSON: null, bool, json.Number, string, []any, map[string]any.
type Value struct{ V any }

// MarshalJSON writes the value as it is.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(v.V) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	return d.Decode(&v.V)
}

// Journey is a resolved journey of a test customer.
type Journey struct {
	Name    string   `json:"journey"`
	Owner   string   `json:"owner"`
	About   string   `json:"about,omitempty"`
	Every   Duration `json:"every,omitempty"` // 0: only by hand
	Timeout Duration `json:"timeout"`
	Gateway string   `json:"gateway"`
	Steps   []Step   `json:"steps"`
}

// Step is one request of a journey and what must come of it.
type Step struct {
	Name     string              `json:"step"`
	Method   string              `json:"method"`
	Path     string              `json:"path"` // with query and {NAME}
	Headers  map[string]string   `json:"headers,omitempty"`
	JSON     *Value              `json:"json,omitempty"`
	Form     map[string]string   `json:"form,omitempty"`
	Status   int                 `json:"status,omitempty"` // 0: any 2xx
	Header   map[string]Expected `json:"header,omitempty"`
	Body     map[string]Expected `json:"body,omitempty"` // by JSON pointer
	Contains []string            `json:"contains,omitempty"`
	Time     Duration            `json:"time,omitempty"`
	Capture  []Capture           `json:"capture,omitempty"` // sorted by name
	Within   Duration            `json:"within,omitempty"`  // 0: sent once
}

// Capture is a value that is taken out of an answer.
type Capture struct {
	Name string `json:"name"`
	CaptureFile
}

const (
	defaultJourneyTimeout = Duration(30 * time.Second)
	leastEvery            = Duration(time.Second)
	maxSteps              = 100
	maxJourneys           = 100
)

// RunName is the name that stands for the run's ID in a journey's texts.
const RunName = "run"

// request is the step's method and path; empty when none is declared.
func (s *StepFile) request() (method, key, path string) {
	for _, m := range s.methods() {
		if m.path != "" {
			return m.method, strings.ToLower(m.method), m.path
		}
	}
	return "", "", ""
}

type methodPath struct{ method, path string }

func (s *StepFile) methods() []methodPath {
	return []methodPath{{"GET", s.Get}, {"POST", s.Post}, {"PUT", s.Put}, {"PATCH", s.Patch}, {"DELETE", s.Delete}}
}

// journey resolves one journey.
func (s *SystemDeclaration) journey(name string) Journey {
	f := s.File.Journeys[name]
	j := Journey{
		Name: name, Owner: f.Owner, About: strings.TrimSpace(f.About), Gateway: f.Gateway,
		Every: pick(0, f.Every), Timeout: pick(defaultJourneyTimeout, f.Timeout),
	}
	if gateways := sortedKeys(s.File.Gateways); j.Gateway == "" && len(gateways) > 0 {
		j.Gateway = gateways[0]
	}
	for _, step := range f.Steps {
		j.Steps = append(j.Steps, step.resolve())
	}
	return j
}

func (s *StepFile) resolve() Step {
	method, _, path := s.request()
	out := Step{
		Name: s.Name, Method: method, Path: path, Headers: s.Headers, JSON: s.JSON, Form: s.Form,
		Status: pick(0, s.Expect.Status), Header: s.Expect.Header, Body: s.Expect.JSON, Contains: s.Expect.Contains,
		Time: pick(0, s.Expect.Time), Within: pick(0, s.Within),
	}
	if out.Name == "" {
		out.Name = method + " " + path
	}
	for _, name := range sortedKeys(s.Capture) {
		out.Capture = append(out.Capture, Capture{name, s.Capture[name]})
	}
	return out
}

// Names lists what a text of a journey asks for: NAME of each {NAME}. Braces
// around anything but a name stand for themselves.
func Names(text string) (names []string) {
	Expand(text, func(name string) string { names = append(names, name); return "" })
	return names
}

// Expand replaces each {NAME} of a journey's text by what value gives for it.
func Expand(text string, value func(name string) string) string {
	var out strings.Builder
	for {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			break
		}
		length := strings.IndexByte(text[open:], '}')
		if length < 0 {
			break
		}
		if name := text[open+1 : open+length]; isLabel(name) {
			out.WriteString(text[:open] + value(name))
			text = text[open+length+1:]
			continue
		}
		out.WriteString(text[:open+1])
		text = text[open+1:]
	}
	out.WriteString(text)
	return out.String()
}

// texts calls f with every text of a JSON value, keys included.
func (v *Value) texts(f func(string)) {
	if v == nil {
		return
	}
	switch x := v.V.(type) {
	case string:
		f(x)
	case []any:
		for _, item := range x {
			(&Value{item}).texts(f)
		}
	case map[string]any:
		for _, key := range sortedKeys(x) {
			(&Value{x[key]}).texts(f)
		}
	}
}

// ValidPointer tells whether s is a JSON pointer (RFC 6901): empty for the
// whole document, else keys with a slash before each, in which ~1 stands for a
// slash and ~0 for a tilde.
func ValidPointer(s string) bool {
	if s != "" && s[0] != '/' {
		return false
	}
	for i := range len(s) {
		if s[i] == '~' && (i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1') {
			return false
		}
	}
	return true
}

// badPointer is the finding about a malformed JSON pointer; nil for a right one.
func badPointer(s string) *fault.Fault {
	if ValidPointer(s) {
		return nil
	}
	return fault.Newf(fault.PlanBadValue, "%q is no JSON pointer", s).
		Why("expected keys with a slash before each, such as /lines/0/sku; ~1 stands for a slash, ~0 for a tilde").Fix("write " + pointerLike(s))
}

// pointerLike makes a JSON pointer of what was meant as one.
func pointerLike(s string) string {
	return "/" + strings.TrimLeft(strings.NewReplacer("~0", "~0", "~1", "~1", "~", "~0").Replace(s), "/.$")
}

// badPattern is the finding about a regular expression that cannot be used.
func badPattern(s string, groups int) *fault.Fault {
	re, err := regexp.Compile(s)
	switch {
	case err != nil:
		return fault.Newf(fault.PlanBadValue, "%q is no regular expression", s).
			Why("expected one of RE2's syntax: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")).Fix("correct it; a backslash before a character takes it as it is")
	case re.NumSubexp() > groups:
		return fault.Newf(fault.PlanBadValue, "%q has %d groups", s, re.NumSubexp()).
			Why("expected one at most, which is what is captured").Fix("write (?: for a group that is not captured")
	}
	return nil
}

// anything reads a node as JSON.
func (w *walk) anything(n *yaml.Node) any {
	depth := len(w.trail)
	defer func() { w.trail = w.trail[:depth] }()
	switch n.Kind {
	case yaml.Text:
		return n.Text
	case yaml.Integer, yaml.Number:
		if !json.Valid([]byte(n.Text)) {
			w.ambiguous(n, "a number as JSON writes it, such as 10 or 0.5")
			return nil
		}
		return json.Number(n.Text)
	case yaml.Boolean:
		if n.Text != "true" && n.Text != "false" {
			w.ambiguous(n, "true or false in lower case")
		}
		return n.Text == "true"
	case yaml.List:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			w.trail = append(w.trail[:depth], strconv.Itoa(i))
			list[i] = w.anything(item)
		}
		return list
	case yaml.Mapping:
		m := make(map[string]any, len(n.Entries))
		for _, e := range n.Entries {
			w.trail = append(w.trail[:depth], e.Key)
			m[e.Key] = w.anything(e.Value)
		}
		return m
	}
	return nil
}
