// Package e2e holds the end-to-end tests: one journey a capability, through
// the real binary. It owns nothing else and nobody imports it.
package e2e
