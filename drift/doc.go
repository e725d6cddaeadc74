// Package drift holds what was seen of the calls between services to the
// plan: it decides whether a call may pass, and finds where reality and the
// plan differ, with evidence and remedy.
//
// It is pure: it reads no clock, no file and no network, and must never import
// another room than plan and fault.
package drift
