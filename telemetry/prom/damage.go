package prom

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// maxDamage is how many damages are remembered.
const maxDamage = 100

// Damage is a file of which a part or the whole cannot be used.
type Damage struct {
	Time time.Time
	File string // name within Options.Dir; what could not be mended lies in its folder "damaged"
	What string
}

// damage knows which blocks are damaged and keeps them out of answers.
type damage struct {
	dir   string
	log   *slog.Logger
	check chan struct{} // asks watch to look at all blocks

	mu    sync.Mutex
	found []Damage
	bad   map[string]bool // still open, no longer asked
}

func newDamage(dir string, log *slog.Logger) *damage {
	return &damage{dir: dir, log: log, check: make(chan struct{}, 1), bad: make(map[string]bool)}
}

func (d *damage) add(file, what string) {
	d.log.Warn("metrics: damaged", "file", file, "what", what)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = append(d.found, Damage{time.Now(), file, what})
	d.found = d.found[max(0, len(d.found)-maxDamage):]
}

func (d *damage) all() []Damage {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.found)
}

func (d *damage) has(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bad[id]
}

// unreadable sets aside the blocks that cannot be opened.
func (d *damage) unreadable(ctx context.Context) {
	for _, name := range blocks(d.dir) {
		if ctx.Err() != nil {
			return
		}
		b, err := openBlock(filepath.Join(d.dir, name))
		if err != nil {
			d.block(name, err)
			continue
		}
		if err := b.Close(); err != nil {
			d.log.Warn("metrics: close block", "block", name, "err", err)
		}
	}
}

func openBlock(dir string) (b *tsdb.Block, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return tsdb.OpenBlock(slog.New(slog.DiscardHandler), dir, nil, nil)
}

// block sets a block aside.
func (d *damage) block(name string, why error) {
	if err := rename(d.dir, name); err != nil {
		d.add(name, fmt.Sprintf("it cannot be read (%v), nor set aside (%v)", why, err))
		return
	}
	d.add(name, fmt.Sprintf("this block cannot be read (%v) and was set aside", why))
}

// setAside sets files aside; none named means all there are.
func (d *damage) setAside(names []string, why error) {
	if names == nil {
		entries, _ := os.ReadDir(d.dir)
		for _, e := range entries {
			if e.Name() != "damaged" {
				names = append(names, e.Name())
			}
		}
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(d.dir, name)); err != nil {
			continue
		}
		if err := rename(d.dir, name); err != nil {
			d.add(name, fmt.Sprintf("it cannot be read (%v), nor set aside (%v)", why, err))
			continue
		}
		d.add(name, fmt.Sprintf("it cannot be read (%v) and was set aside", why))
	}
}

// suspect has all blocks looked at, soon.
func (d *damage) suspect() {
	select {
	case d.check <- struct{}{}:
	default:
	}
}

// watch looks at all blocks when one is suspected.
func (d *damage) watch(ctx context.Context, s *Store) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.check:
		}
		for _, b := range s.db.Blocks() {
			if ctx.Err() != nil {
				return
			}
			id := b.Meta().ULID.String()
			if d.has(id) {
				continue
			}
			if err := scrub(ctx, b); err != nil && ctx.Err() == nil {
				d.mu.Lock()
				d.bad[id] = true
				d.mu.Unlock()
				d.block(id, err)
			}
		}
	}
}

// scrub reads a block whole; each part of it has a checksum.
func scrub(ctx context.Context, b *tsdb.Block) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	ir, err := b.Index()
	if err != nil {
		return err
	}
	defer ir.Close()
	cr, err := b.Chunks()
	if err != nil {
		return err
	}
	defer cr.Close()
	name, value := index.AllPostingsKey()
	series, err := ir.Postings(ctx, name, value)
	if err != nil {
		return err
	}
	var builder labels.ScratchBuilder
	var metas []chunks.Meta
	for series.Next() {
		if err := ir.Series(series.At(), &builder, &metas); err != nil {
			return err
		}
		for _, m := range metas {
			if _, _, err := cr.ChunkOrIterable(m); err != nil {
				return err
			}
		}
	}
	return series.Err()
}
