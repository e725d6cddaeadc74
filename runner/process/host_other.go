//go:build !linux

package process

// HostUsage tells what the whole machine uses; false where the system does not
// tell.
func HostUsage() (Host, bool) { return Host{}, false }
