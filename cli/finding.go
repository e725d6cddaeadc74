package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

// findingFault is a finding as a fault, so that it is printed as every other.
func findingFault(f api.Finding) *fault.Fault {
	return &fault.Fault{Code: f.Code, Severity: f.Severity, File: f.File, Line: f.Line, What: f.What, Expected: f.Why, Remedy: f.Remedy}
}

// evidence is a line about one thing that was seen, its parts apart by tabs;
// what it does not have is left out.
func evidence(e api.Evidence) string {
	var parts []string
	if !e.Time.IsZero() {
		parts = append(parts, e.Time.Local().Format(time.TimeOnly))
	}
	if what := strings.TrimSpace(e.Method + " " + e.Path); what != "" {
		parts = append(parts, what)
	}
	if e.ID != "" {
		parts = append(parts, strconv.Itoa(e.Status), e.ID)
	}
	if e.Note != "" {
		parts = append(parts, e.Note)
	}
	if e.CorrelationID != "" || e.ID != "" {
		parts = append(parts, "correlation "+e.CorrelationID)
	}
	return "  " + strings.Join(parts, "\t")
}
