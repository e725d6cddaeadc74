//go:build !linux

package process

// Listening cannot be told on this system.
func (g *Guard) Listening(int) []string { return nil }

// Holder cannot be told on this system.
func (g *Guard) Holder(int) string { return "" }

// PortHolder cannot be told on this system: it is always empty.
func PortHolder(string) string { return "" }
