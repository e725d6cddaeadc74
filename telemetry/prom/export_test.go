package prom

import "github.com/prometheus/prometheus/tsdb"

// Seal makes a block of all that is in memory, for tests.
func Seal(s *Store) error {
	h := s.db.Head()
	return s.db.CompactHead(tsdb.NewRangeHead(h, h.MinTime(), h.MaxTime()))
}
