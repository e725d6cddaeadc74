package process

import "time"

// Usage is what a process, or a process with all below it, uses.
type Usage struct {
	Memory  int64         // resident bytes; pages that several processes share count in each
	CPU     time.Duration // processor time since its start, of those that still run
	Started time.Time     // of the process itself
}
