// Package runner holds the programs of a system to its plan: it builds what
// changed, starts instances, asks whether they are ready and alive, puts them
// in and out of rotation, restarts what ends, and stops everything in order.
// It owns the life of an instance and the format of the log files.
//
// It speaks plan and fault alone. How a program is built and started is told
// to it as Builder and Launcher (see runner/process), and it tells others who
// is in rotation through Announcer. It must never import another room, nor
// its own door runner/process.
package runner
