// Package topology owns what was seen of who calls whom: counts, the last
// undeclared calls as evidence, since when each call is declared. It is told
// of every exchange by Observe, which is cheap, and remembers across restarts
// of plat in one file.
//
// Everything in it is bounded; what found no place is counted. It knows
// neither where exchanges come from nor what is right: it must never import
// another room than plan and fault.
package topology
