// Package policy protects a program from the services that it calls: time-outs,
// a circuit breaker, a bulkhead whose limit adapts to latency, retries within a
// budget, and the ejection of single instances that fail.
//
// It is one implementation for two places: the addresses by which plat lets
// one service call another, and Go programs that want the same elsewhere. It
// knows nothing of HTTP but the Retry-After field, and imports the standard
// library alone.
//
// A [Guard] stands for one dependency. Around a call that fits into a function,
// [Guard.Do] is all there is. Who streams answers takes a [Permit] by
// [Guard.Begin], reports how it went by [Permit.Report], and gives it back by
// [Permit.Release].
//
// Time is the standard library's; tests run in a bubble of testing/synctest.
package policy
