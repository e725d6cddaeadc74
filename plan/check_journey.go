package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/plat-dev/plat/fault"
)

// checkJourneys finds what is wrong in the journeys of test customers.
func (s *SystemDeclaration) checkJourneys() {
	names := sortedKeys(s.File.Journeys)
	if len(names) > maxJourneys {
		s.doc.key(fault.Newf(fault.PlanBadValue, "there are %d journeys", len(names)).
			Why("expected at most "+strconv.Itoa(maxJourneys)).Fix("keep those that matter most to customers"), "journeys")
		return
	}
	for _, name := range names {
		s.checkJourney(name, s.File.Journeys[name])
	}
}

func (s *SystemDeclaration) checkJourney(name string, j JourneyFile) {
	at := func(path ...any) []any { return append([]any{"journeys", name}, path...) }
	s.doc.reportKey(badLabel("the journey", name), at()...)
	if j.Owner == "" && !s.doc.has(at("owner")...) {
		s.doc.key(fault.Newf(fault.PlanMissingOwner, "the journey %s has no owner", name).
			Why("somebody must answer when it fails").Fix("add owner: with one of the system's owners"), at()...)
	}
	if j.Every != nil && *j.Every < leastEvery {
		s.doc.value(fault.Newf(fault.PlanBadValue, "every is %s", *j.Every).Why("expected at least "+leastEvery.String()).
			Fix("write 1s or more: a load test is another thing"), at("every")...)
	}
	s.checkJourneyGateway(name, j.Gateway, at)
	switch {
	case len(j.Steps) == 0 && !s.doc.has(at("steps")...):
		s.doc.key(fault.Newf(fault.PlanMissingField, "the journey %s has no steps", name).Why("expected what the customer does").
			Fix("add steps: [{get: /}]"), at()...)
	case len(j.Steps) > maxSteps:
		s.doc.key(fault.Newf(fault.PlanBadValue, "the journey %s has %d steps", name, len(j.Steps)).
			Why("expected at most "+strconv.Itoa(maxSteps)).Fix("make several journeys of it"), at("steps")...)
		return
	}
	known := []string{RunName}
	for i := range j.Steps {
		c := stepCheck{s.doc, at("steps", i), &j.Steps[i]}
		c.request()
		c.texts(known)
		c.expect()
		for _, name := range c.captures(known) {
			if !slices.Contains(known, name) {
				known = append(known, name)
			}
		}
		if limit := pick(defaultJourneyTimeout, j.Timeout); pick(0, c.step.Within) > limit {
			s.doc.value(fault.Newf(fault.PlanBadValue, "within is %s", *c.step.Within).
				Why("the whole journey has "+limit.String()).Fix("give the journey a longer timeout, or the step less"), c.path("within")...)
		}
	}
}

func (s *SystemDeclaration) checkJourneyGateway(name, gateway string, at func(...any) []any) {
	gateways := sortedKeys(s.File.Gateways)
	if gateway == "" && len(gateways) == 1 || slices.Contains(gateways, gateway) {
		return
	}
	if len(gateways) == 0 {
		s.doc.key(fault.Newf(fault.PlanMissingField, "the journey %s has no way in", name).
			Why("a test customer comes through a gateway, and the plan declares none").Fix("add gateways: {public: {routes: [{path: /, service: NAME}]}}"), at()...)
		return
	}
	if gateway == "" {
		s.doc.key(fault.Newf(fault.PlanMissingField, "the journey %s names no gateway", name).
			Why("expected one of "+strings.Join(gateways, ", ")).Fix("add gateway: "+gateways[0]), at()...)
		return
	}
	s.doc.value(fault.Newf(fault.PlanUnknownValue, "there is no gateway %s", gateway).
		Why("expected one of "+strings.Join(gateways, ", ")).Fix(didYouMean(gateway, gateways)), at("gateway")...)
}

// stepCheck looks at one step.
type stepCheck struct {
	doc  *document
	at   []any
	step *StepFile
}

func (c stepCheck) path(more ...any) []any { return append(slices.Clone(c.at), more...) }

// request finds a step that is no request, or several.
func (c stepCheck) request() {
	_, key, path := c.step.request()
	if key == "" {
		if !slices.ContainsFunc([]any{"get", "post", "put", "patch", "delete"}, func(k any) bool { return c.doc.has(c.path(k)...) }) {
			c.doc.value(fault.New(fault.PlanMissingField, "the step makes no request").
				Why("expected one of get, post, put, patch, delete").Fix("write get: /path"), c.at...)
		}
		return
	}
	for _, m := range c.step.methods() {
		if other := strings.ToLower(m.method); m.path != "" && other != key {
			c.doc.key(fault.Newf(fault.PlanConflictingFields, "%s and %s at once", key, other).
				Why("a step is one request").Fix("make two steps of it"), c.path(other)...)
		}
	}
	if path[0] != '/' && path[0] != '{' || strings.ContainsAny(path, " \t\n#\\") || strings.HasPrefix(path, "//") {
		c.doc.value(fault.Newf(fault.PlanBadValue, "%s is %q", key, path).
			Why("expected a path of the gateway with its query, such as /api/orders?page=2").Fix("write it without scheme, host, spaces and fragment"), c.path(key)...)
	}
	if c.step.JSON != nil && c.step.Form != nil {
		c.doc.key(fault.New(fault.PlanConflictingFields, "json and form at once").Why("a request has one body").Fix("keep one of them"), c.path("form")...)
	}
	for body, there := range map[string]bool{"json": c.step.JSON != nil, "form": c.step.Form != nil} {
		if key == "get" && there {
			c.doc.key(fault.Newf(fault.PlanConflictingFields, "get with a body").Why("a GET carries none").Fix("write post, or put it into the query"), c.path(body)...)
		}
	}
	for _, name := range sortedKeys(c.step.Headers) {
		c.header(name, "headers", name)
		if strings.HasPrefix(strings.ToLower(name), "plat-") {
			c.doc.key(fault.Newf(fault.PlanReservedName, "the header %s is plat's own", name).
				Why("the gateway takes it out of what customers send").Fix("delete it"), c.path("headers", name)...)
		}
		if strings.ContainsAny(c.step.Headers[name], "\r\n\x00") {
			c.doc.value(fault.Newf(fault.PlanBadValue, "the header %s has several lines", name).Why("expected one line").Fix("write it in one line"), c.path("headers", name)...)
		}
	}
}

// header finds a name that no header field can have.
func (c stepCheck) header(name string, path ...any) {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}) {
		c.doc.value(fault.Newf(fault.PlanBadValue, "%q is no name of a header field", name).
			Why("expected letters, digits and hyphens").Fix("write it like Idempotency-Key"), c.path(path...)...)
	}
}

// texts finds {NAME} of which no earlier step knows the value.
func (c stepCheck) texts(known []string) {
	check := func(text string, path ...any) {
		for _, name := range Names(text) {
			if slices.Contains(known, name) {
				continue
			}
			f := fault.Newf(fault.PlanUnknownCapture, "no step before this one captures %s", name).
				Why("expected one of " + strings.Join(known, ", ")).Fix(didYouMean(name, known))
			if _, own := c.step.Capture[name]; own {
				f.Fix("capture it in an earlier step: this one's answer is not there yet")
			}
			c.doc.value(f, c.path(path...)...)
		}
	}
	_, key, path := c.step.request()
	check(path, key)
	for _, name := range sortedKeys(c.step.Headers) {
		check(c.step.Headers[name], "headers", name)
	}
	for _, name := range sortedKeys(c.step.Form) {
		check(c.step.Form[name], "form", name)
	}
	c.step.JSON.texts(func(text string) { check(text, "json") })
	for kind, checks := range map[string]map[string]Expected{"header": c.step.Expect.Header, "json": c.step.Expect.JSON} {
		for _, name := range sortedKeys(checks) {
			checks[name].Is.texts(func(text string) { check(text, "expect", kind, name) })
		}
	}
	for i, text := range c.step.Expect.Contains {
		check(text, "expect", "contains", i)
	}
}

// expect finds expectations that make no sense.
func (c stepCheck) expect() {
	for _, pointer := range sortedKeys(c.step.Expect.JSON) {
		c.doc.reportKey(badPointer(pointer), c.path("expect", "json", pointer)...)
		c.check(c.step.Expect.JSON[pointer], "expect", "json", pointer)
	}
	for _, name := range sortedKeys(c.step.Expect.Header) {
		c.header(name, "expect", "header", name)
		c.check(c.step.Expect.Header[name], "expect", "header", name)
	}
}

func (c stepCheck) check(check Expected, path ...any) {
	n := 0
	for _, set := range []bool{check.Is != nil, check.Matches != "", check.Exists != nil} {
		if set {
			n++
		}
	}
	switch {
	case n > 1:
		c.doc.key(fault.New(fault.PlanConflictingFields, "two checks of one value").Why("expected one of is, matches, exists").Fix("keep one of them"), c.path(path...)...)
	case n == 0 && !c.doc.extras(c.path(path...)...):
		c.doc.key(fault.New(fault.PlanMissingField, "nothing is expected of it").Why("expected a value, or one of is, matches, exists").
			Fix("write a value, or {exists: true}"), c.path(path...)...)
	case check.Matches != "":
		c.doc.report(badPattern(check.Matches, maxSteps), c.path(append(slices.Clone(path), "matches")...)...)
	}
}

// captures checks what is taken out of the answer, and gives the names.
func (c stepCheck) captures(known []string) []string {
	names := sortedKeys(c.step.Capture)
	for _, name := range names {
		from, at := c.step.Capture[name], c.path("capture", name)
		c.doc.reportKey(badLabel("the captured value", name), at...)
		if name == RunName || slices.Contains(known, name) {
			c.doc.key(fault.Newf(fault.PlanReservedName, "%s is captured already", name).
				Why("a name stands for one value in the whole journey; run is the run's ID").Fix("choose another name"), at...)
		}
		n := 0
		for _, set := range []string{from.JSON, from.Header, from.Text} {
			if set != "" {
				n++
			}
		}
		switch {
		case n > 1:
			c.doc.key(fault.Newf(fault.PlanConflictingFields, "%s is captured from several places", name).Why("expected one of json, header, text").Fix("keep one of them"), at...)
		case n == 0 && !c.doc.extras(at...):
			c.doc.key(fault.Newf(fault.PlanMissingField, "%s is captured from nowhere", name).Why("expected one of json, header, text").Fix("write "+name+": {json: /id}"), at...)
		case from.JSON != "":
			c.doc.report(badPointer(from.JSON), append(slices.Clone(at), "json")...)
		case from.Text != "":
			c.doc.report(badPattern(from.Text, 1), append(slices.Clone(at), "text")...)
		case from.Header != "":
			c.header(from.Header, "capture", name, "header")
		}
	}
	return names
}
