//go:build !linux

package process

// ProcessUsage cannot be told on this system.
func ProcessUsage(int) (Usage, bool) { return Usage{}, false }

// TreeUsage cannot be told on this system.
func TreeUsage(int) (Usage, bool) { return Usage{}, false }
