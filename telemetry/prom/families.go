package prom

import (
	"strings"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/metadata"
)

// maxFamilies is how many metrics have their type and help remembered.
const maxFamilies = 10_000

// families remembers the type, unit and help of metrics, in memory alone: who
// sends a metric says them again.
type families struct {
	mu  sync.RWMutex
	all map[string]metadata.Metadata
}

func newFamilies() *families { return &families{all: make(map[string]metadata.Metadata)} }

func (f *families) learn(name string, m metadata.Metadata) {
	if m.IsEmpty() {
		return
	}
	if m.Type == model.MetricTypeHistogram || m.Type == model.MetricTypeSummary {
		for _, suffix := range [...]string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
	}
	f.mu.RLock()
	old, known := f.all[name]
	full := len(f.all) >= maxFamilies
	f.mu.RUnlock()
	if known && old.Equals(m) || !known && full {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[strings.Clone(name)] = metadata.Metadata{Type: m.Type, Unit: strings.Clone(m.Unit), Help: strings.Clone(m.Help)}
}
