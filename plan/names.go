package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/plat-dev/plat/fault"
)

// isLabel reports whether s is a DNS label that every runtime takes (RFC
// 1035): lower case, digits, hyphens, beginning with a letter, at most 63.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] < 'a' || s[0] > 'z' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// isEventType reports whether s is two or more labels with dots between. No
// underscores: a consumer's name joins the labels by them.
func isEventType(s string) bool {
	labels := strings.Split(s, ".")
	return len(labels) > 1 && len(s) <= 128 && !slices.ContainsFunc(labels, func(l string) bool { return !isLabel(l) })
}

// isSettingName reports whether s is labels with dots between, or one label.
func isSettingName(s string) bool {
	return len(s) <= 63 && !slices.ContainsFunc(strings.Split(s, "."), func(l string) bool { return !isLabel(l) })
}

// suggestLabel makes a label of what was written, empty when that fails.
func suggestLabel(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r >= 'A' && r <= 'Z':
			if i > 0 && s[i-1] >= 'a' && s[i-1] <= 'z' {
				b.WriteByte('-')
			}
			b.WriteRune(r - 'A' + 'a')
		case r == '_' || r == ' ' || r == '.':
			b.WriteByte('-')
		default:
			b.WriteRune(r)
		}
	}
	if l := strings.Trim(strings.ReplaceAll(b.String(), "--", "-"), "-"); isLabel(l) {
		return l
	}
	return ""
}

// badLabel is the finding about a name that is no label, nil when it is one.
func badLabel(what, name string) *fault.Fault {
	if strings.HasPrefix(name, "x-") {
		return fault.Newf(fault.PlanReservedName, "%s %q begins with x-", what, name).
			Why("such keys are extensions, which plat passes over").Fix("choose another name")
	}
	if isLabel(name) {
		return nil
	}
	f := fault.Newf(fault.PlanBadName, "%s %s is not a name", what, strconv.Quote(name)).
		Why("expected lower-case letters, digits and hyphens, beginning with a letter, at most 63")
	if l := suggestLabel(name); l != "" {
		f.Fix("write " + l)
	}
	return f
}

// badEventType is the finding about a malformed event type, nil when it is
// well formed.
func badEventType(name string) *fault.Fault {
	if isEventType(name) {
		return nil
	}
	f := fault.Newf(fault.PlanBadName, "%q is not an event type", name).
		Why("expected lower-case names with dots between, such as order.placed; hyphens but no underscores, at most 128")
	if better := strings.ReplaceAll(strings.ToLower(name), "_", "."); isEventType(better) {
		f.Fix("write " + better)
	}
	return f
}

// badServiceName is badLabel, and refuses the names that plat has itself.
func badServiceName(what, name string) *fault.Fault {
	switch name {
	case "plat", "internal", "localhost":
		return fault.Newf(fault.PlanReservedName, "%s cannot be called %s", what, name).
			Why("plat uses this name itself").Fix("choose another name")
	}
	return badLabel(what, name)
}

// badSettingName is the finding about a setting whose variable would be
// malformed or is plat's or the system's own.
func badSettingName(name string) *fault.Fault {
	if !isSettingName(name) {
		if f := badLabel("the setting", name); f != nil {
			return f
		}
	}
	env := EnvName(name)
	switch env {
	case "PORT", "PATH", "HOME", "USER", "SHELL", "PWD", "TMPDIR", "HOSTNAME", "NATS_URL", "DATABASE_URL", "SMTP_URL":
	default:
		if !strings.HasPrefix(env, "PLAT_") && !strings.HasPrefix(env, "OTEL_") && !strings.HasPrefix(env, "LD_") && !strings.HasPrefix(env, "DYLD_") {
			return nil
		}
	}
	return fault.Newf(fault.PlanReservedName, "the setting %s would be the variable %s", name, env).
		Why("plat or the operating system sets it").Fix("choose another name")
}

// ValidService tells whether a service can have this name: the error is a
// fault of code plan-bad-name or plan-reserved-name.
func ValidService(name string) error {
	if f := badServiceName("the service", name); f != nil {
		return f
	}
	return nil
}

// ValidEvent tells whether an event can have this type: the error is a fault
// of code plan-bad-name.
func ValidEvent(eventType string) error {
	if f := badEventType(eventType); f != nil {
		return f
	}
	return nil
}
