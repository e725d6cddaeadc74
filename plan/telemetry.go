package plan

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// TelemetryFile declares what is kept of traces, logs and metrics, and what
// must not be.
type TelemetryFile struct {
	Keep        *Duration           `json:"keep,omitempty" plan:"positive" jsonschema:"default=7d" jsonschema_description:"How long spans and log records are kept."`
	KeepMetrics *Duration           `json:"keep-metrics,omitempty" plan:"positive" jsonschema:"default=15d" jsonschema_description:"How long metrics are kept."`
	Size        Size                `json:"size,omitempty" jsonschema_description:"What spans and log records may take of the disk, and metrics likewise; then the oldest go. Absent: 2GiB."`
	Redact      RedactFile          `json:"redact,omitempty" jsonschema_description:"What is taken out before anything is kept, beside passwords, tokens, cookies, Authorization and card numbers, which always are."`
	Keys        map[string][]string `json:"keys,omitempty" jsonschema_description:"Business keys: the attributes of spans and log lines that hold one, as {order: [order, order_id]}; plat why VALUE finds what belongs to it."`
	Forward     []ForwardFile       `json:"forward,omitempty" jsonschema_description:"OTLP backends that get everything as well, live."`
}

// RedactFile declares what is secret.
type RedactFile struct {
	Names    []string `json:"names,omitempty" jsonschema_description:"Parts of names whose values are secret, as iban."`
	Patterns []string `json:"patterns,omitempty" jsonschema_description:"Regular expressions (RE2); what matches is secret."`
}

// ForwardFile declares one backend.
type ForwardFile struct {
	URL      string `json:"url" jsonschema:"required" jsonschema_description:"Base address, http or https, without credentials, as https://otlp.example.com:4318."`
	Protocol string `json:"protocol,omitempty" jsonschema:"enum=http,enum=grpc,default=http" jsonschema_description:"OTLP over HTTP with protobuf, or over gRPC."`
	Token    string `json:"token,omitempty" jsonschema_description:"Variable of plat's own environment that holds the bearer token; the token itself never stands in the plan."`
}

// Telemetry is what is kept of traces, logs and metrics.
type Telemetry struct {
	Keep        Duration            `json:"keep"`
	KeepMetrics Duration            `json:"keep-metrics"`
	Size        Size                `json:"size"`
	Names       []string            `json:"names,omitempty"`    // parts of names whose values are secret
	Patterns    []string            `json:"patterns,omitempty"` // what matches is secret
	Keys        map[string][]string `json:"keys,omitempty"`     // business key → attributes
	Forward     []Forward           `json:"forward,omitempty"`
}

// Forward is an OTLP backend.
type Forward struct {
	URL      string `json:"url"`
	Protocol string `json:"protocol"`        // http or grpc
	Token    string `json:"token,omitempty"` // variable of plat's environment
}

// Standards of telemetry.
const (
	defaultKeep        = Duration(7 * 24 * time.Hour)
	defaultKeepMetrics = Duration(15 * 24 * time.Hour)
	defaultKeptSize    = Size(2 << 30)
	leastKeptSize      = Size(64 << 20)
)

func telemetry(f *TelemetryFile) Telemetry {
	if f == nil {
		f = &TelemetryFile{}
	}
	t := Telemetry{
		Keep: pick(defaultKeep, f.Keep), KeepMetrics: pick(defaultKeepMetrics, f.KeepMetrics), Size: defaultKeptSize,
		Names: f.Redact.Names, Patterns: f.Redact.Patterns, Keys: f.Keys,
	}
	if f.Size != 0 {
		t.Size = f.Size
	}
	for _, w := range f.Forward {
		to := Forward{URL: strings.TrimSuffix(w.URL, "/"), Protocol: w.Protocol, Token: w.Token}
		if to.Protocol == "" {
			to.Protocol = "http"
		}
		t.Forward = append(t.Forward, to)
	}
	return t
}

// checkTelemetry finds what cannot be kept, redacted or forwarded so.
func (s *SystemDeclaration) checkTelemetry(f *TelemetryFile, path ...any) {
	if f == nil {
		return
	}
	at := func(more ...any) []any { return append(slices.Clone(path), more...) }
	if f.Size != 0 && f.Size < leastKeptSize {
		s.doc.value(fault.New(fault.PlanBadValue, "size is less than telemetry needs").Why("expected at least 64MiB").Fix("write one such as 2GiB, or delete the key"), at("size")...)
	}
	for i, name := range f.Redact.Names {
		if len(strings.Trim(name, "-_. ")) < 3 {
			s.doc.value(fault.Newf(fault.PlanBadValue, "%q would take out nearly everything", name).Why("expected a part of a name, of at least 3 letters").Fix("write more of the name"), at("redact", "names", i)...)
		}
	}
	for i, pattern := range f.Redact.Patterns {
		re, err := regexp.Compile(pattern)
		switch {
		case err != nil:
			s.doc.value(fault.New(fault.PlanBadValue, "this is no regular expression").Why(strings.TrimPrefix(err.Error(), "error parsing regexp: ")).Fix("write it as RE2 has it: https://github.com/google/re2/wiki/Syntax"), at("redact", "patterns", i)...)
		case re.MatchString(""):
			s.doc.value(fault.New(fault.PlanBadValue, "this regular expression matches everywhere").Why("it matches the empty text").Fix("write what the secret looks like"), at("redact", "patterns", i)...)
		}
	}
	for _, key := range sortedKeys(f.Keys) {
		s.doc.reportKey(badLabel("the business key", key), at("keys", key)...)
	}
	for i, w := range f.Forward {
		s.doc.required(w.URL, "the address of the backend", at("forward", i, "url")...)
		if w.URL != "" {
			s.doc.report(badURL("the address of the backend", w.URL), at("forward", i, "url")...)
		}
		s.checkVariable(w.Token, at("forward", i, "token")...)
	}
}

// checkVariable finds secrets where a variable's name should be.
func (s *SystemDeclaration) checkVariable(name string, path ...any) {
	if name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && name[0] > '9' {
		return
	}
	s.doc.value(fault.New(fault.PlanBadValue, "token is no name of an environment variable").
		Why("expected a name such as ALERTS_TOKEN; plat reads the token from its own environment").Fix("name the variable, and take the token out of the plan"), path...)
}
