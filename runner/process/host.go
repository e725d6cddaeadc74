package process

import "time"

// Host is what a whole machine uses.
type Host struct {
	Cores     int
	Busy      time.Duration // of all cores, since it started
	Memory    int64         // bytes
	Available int64         // bytes that programs could still have
}
