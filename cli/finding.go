package cli

import (
	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

// findingFault is a finding as a fault, so that it is printed as every other.
func findingFault(f api.Finding) *fault.Fault {
	return &fault.Fault{Code: f.Code, Severity: f.Severity, File: f.File, Line: f.Line, What: f.What, Expected: f.Why, Remedy: f.Remedy}
}
