//go:build !linux

package e2e_test

import "testing"

// TestOutsiders needs a network of its own for the doors' fixed ports.
func TestOutsiders(t *testing.T) {
	t.Skip("SKIPPED: only Linux has network namespaces, and the doors have fixed ports")
}
