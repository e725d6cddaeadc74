// Package probe is synthetic monitoring: journeys of test customers through a
// gateway, once or on a schedule, with what each step found as evidence.
//
// It owns how a journey runs, what is remembered of runs, and plat's mark of
// test customers. It must never import another room: where the gateway is,
// and who wants to know of a result, control tells it.
package probe
