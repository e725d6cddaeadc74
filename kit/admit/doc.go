// Package admit decides which requests are taken in and which are turned away,
// so that a service that is asked too much goes on answering as much as it can.
//
// A [Gate] stands before one service. It lets so many requests in at a time,
// and lets others wait for a moment, by what is known to work: the time that a
// request may wait is a tenth of a second, but a twentieth of that while the
// queue has not been empty for as long (controlled delay, Nichols and Jacobson,
// "Controlling Queue Delay", 2012), and then the newest go first, since whoever
// sent the oldest has given up (adaptive LIFO, Maurer, "Fail at Scale", 2015).
// What is declared to matter more goes before what matters less.
//
// [Rates] bound how often each of many callers may ask.
//
// The package imports the standard library and kit/policy, whose adaptive
// limit it shares. Time is the standard library's; tests run in a bubble of
// testing/synctest.
package admit
