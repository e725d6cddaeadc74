// Package environ names the variables of the environment contract.
package environ

import "strings"

// Variable is the variable of this prefix for a name of the plan: upper case,
// with underscores for hyphens and dots.
func Variable(prefix, name string) string {
	return prefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
}
