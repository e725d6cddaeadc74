// Package cache keeps answers for others: a shared cache as RFC 9111 has it,
// with stale-while-revalidate and stale-if-error (RFC 5861), targeted fields
// (RFC 9213) and Cache-Status (RFC 9211). It owns what may be kept, how long
// it is fresh, and who gets it; it knows nothing of routes and instances: who
// asks it hands over a way to fetch.
//
// INVARIANT: whatever an answer depends on is in its key, in its Vary, or the
// answer is not kept. In doubt nothing is kept.
package cache
