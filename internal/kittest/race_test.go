//go:build race

package kittest_test

// raced is whether the race detector is on, under which all takes ten times
// as long.
const raced = true
