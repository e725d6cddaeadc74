package prom

import (
	"context"
	"github.com/prometheus/prometheus/rules"
	"time"
)

type ruler struct{}

func newRuler(*Store, rules.QueryFunc) *ruler { return &ruler{} }
func (*ruler) run(context.Context)            {}
func (*ruler) stop()                          {}

type scraper struct{}

func newScraper(*Store) *scraper     { return &scraper{} }
func (*scraper) run(context.Context) {}
func (*scraper) stop()               {}
func (*scraper) count() int          { return 0 }

type deltas struct{}

func newDeltas(int) *deltas { return nil }

// ScrapeLimits bound what one scrape may cost.
type ScrapeLimits struct{ Interval time.Duration }

func (l ScrapeLimits) withDefaults() ScrapeLimits {
	l.Interval = or(l.Interval, 15*time.Second)
	return l
}

// Alert is one that fires or has ended.
type Alert struct{}
