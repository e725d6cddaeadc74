package framing

// Heads follows a stream byte by byte, and gives where requests begin and
// whether all of it passes.
func Heads(stream []byte) (starts []int, ok bool) {
	var s scanner
	starts = []int{0}
	for i := range stream {
		if _, ok := s.feed(stream[i : i+1]); !ok {
			return starts, false
		}
		if s.state == scanLine && len(s.line) == 0 {
			starts = append(starts, i+1)
		}
	}
	return starts, true
}
