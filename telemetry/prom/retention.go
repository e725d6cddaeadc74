package prom

import (
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
)

// retention is how long metrics are kept, and how large they may be.
type retention struct {
	keep time.Duration
	size int64
}

// SetLimits says how long samples are kept, and how large the blocks may be
// together; zero is the default. What is beyond goes with the next compaction.
func (s *Store) SetLimits(keep time.Duration, size int64) error {
	o := Options{Keep: keep, Size: size}.withDefaults()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil
	}
	if now := s.kept(); now.keep == o.Keep && now.size == o.Size {
		return nil
	}
	retain := config.TSDBRetentionConfig{Time: model.Duration(o.Keep)}
	setBytes(&retain.Size, o.Size)
	// What is not said here would be taken as unset.
	err := s.db.ApplyConfig(&config.Config{StorageConfig: config.StorageConfig{
		TSDBConfig:      &config.TSDBConfig{OutOfOrderTimeWindow: s.opts.OutOfOrder.Milliseconds(), Retention: &retain},
		ExemplarsConfig: &config.ExemplarsConfig{MaxExemplars: maxExemplars},
	}})
	if err == nil {
		s.disk.retain.Store(&retention{o.Keep, o.Size})
	}
	return err
}

// setBytes sets a size whose type is of a module that need not be named.
func setBytes[T ~int64](to *T, bytes int64) { *to = T(bytes) }

// kept is what holds now.
func (s *Store) kept() retention {
	if set := s.disk.retain.Load(); set != nil {
		return *set
	}
	return retention{s.opts.Keep, s.opts.Size}
}

// words are the limits for a person.
func (r retention) words() string {
	return r.keep.String() + " or " + strconv.FormatInt(r.size>>20, 10) + "MiB"
}
