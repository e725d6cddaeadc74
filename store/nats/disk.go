package nats

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"github.com/plat-dev/plat/event"
)

const (
	defaultReserve = 256 << 20
	defaultStore   = 32 << 30
	minStore       = 16 << 20
	probeStream    = "plat_probe"
	probeTimeout   = 5 * time.Second
)

// Storage tells how much room there is, and what is wrong.
func (s *Server) Storage() event.Storage {
	s.mu.Lock()
	faults := append(s.damage[:0:0], s.damage...)
	s.mu.Unlock()
	return event.Storage{
		Limit: s.opts.MaxStore, Free: s.free.Load(), Reserve: s.opts.Reserve, Refusing: s.refusing.Load(),
		Restarts: int(s.restarts.Load()), Dropped: s.watching.droppedCount(), Faults: faults,
	}
}

// limits fills what Options left open from the disk.
func (s *Server) limits() error {
	free, total, err := s.opts.Disk(s.dir)
	if err != nil {
		return unfit(s.dir, err)
	}
	s.free.Store(int64(min(free, 1<<62))) // #nosec G115 -- bounded
	if s.opts.Reserve <= 0 {
		s.opts.Reserve = min(defaultReserve, int64(min(total/10, 1<<62))) // #nosec G115 -- bounded
	}
	if s.opts.MaxStore <= 0 {
		s.opts.MaxStore = min(defaultStore, max(minStore, s.free.Load()+used(s.dir)-s.opts.Reserve))
	}
	s.refusing.Store(s.free.Load() < s.opts.Reserve)
	return nil
}

// watchDisk refuses publishing before the disk is full, because an engine on
// a full disk stops answering without an error.
func (s *Server) watchDisk(ctx context.Context) {
	applied := false // the streams are as s.refusing says
	for {
		if !applied {
			err := s.freeze(ctx, s.refusing.Load())
			applied = err == nil
			if err != nil && ctx.Err() == nil {
				s.log.Warn("the limits of the streams could not be changed; trying again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.opts.Check):
		}
		free, _, err := s.opts.Disk(s.dir)
		if err != nil {
			s.log.Warn("the free space under the event store is unknown", "error", err)
			continue
		}
		s.free.Store(int64(min(free, 1<<62))) // #nosec G115 -- bounded
		switch {
		case !s.refusing.Load() && s.free.Load() < s.opts.Reserve:
			s.refusing.Store(true)
			applied = false
			s.log.Error("publishing events is refused: the disk is nearly full", "free", s.free.Load(), "reserve", s.opts.Reserve)
		case s.refusing.Load() && s.free.Load() >= s.opts.Reserve+s.opts.Reserve/4:
			s.refusing.Store(false)
			applied = false
			s.log.Info("publishing events is allowed again", "free", s.free.Load())
		}
	}
}

// watchStalls replaces an engine that stores nothing any more: it says so in
// its log, or does not answer a probe.
func (s *Server) watchStalls(ctx context.Context) {
	wait := time.Second // between two restarts
	for {
		reason := ""
		select {
		case <-ctx.Done():
			return
		case reason = <-s.watching.stalled:
		case <-time.After(s.opts.Probe):
			if err := s.probe(ctx); err != nil && ctx.Err() == nil {
				reason = "a probe was not stored: " + err.Error()
			} else {
				wait = time.Second
				s.saveWatermarks()
			}
		}
		for reason != "" && ctx.Err() == nil {
			// On a full disk a new engine would stall as the old one did.
			if s.enoughToStart() {
				err := s.restart(reason)
				if err == nil {
					reason = ""
				} else {
					s.log.Error("the event broker could not be restarted; trying again", "error", err)
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
				wait = min(2*wait, time.Minute)
			}
			if reason != "" {
				wait = min(wait, 5*time.Second)
			}
		}
	}
}

// enoughToStart tells whether an engine can write at all.
func (s *Server) enoughToStart() bool {
	free, _, err := s.opts.Disk(s.dir)
	return err == nil && int64(min(free, 1<<62)) >= min(s.opts.Reserve, 4<<20) // #nosec G115 -- bounded
}

// probe stores one message in a stream of its own.
func (s *Server) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err := s.js.Publish(ctx, "plat.probe", nil, jetstream.WithRetryAttempts(0))
	if !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, natsgo.ErrNoResponders) {
		return err
	}
	return errors.Join(s.PutStream(ctx, event.StreamConfig{Name: probeStream, Subjects: []string{"plat.probe"}, Messages: 1, MaxBytes: 1 << 20, Overwrite: true, Duplicates: time.Second}))
}

func diskSpace(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	size := uint64(st.Bsize) // #nosec G115 -- never negative
	return st.Bavail * size, st.Blocks * size, nil
}

// used is how much the store holds now.
func used(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil // what cannot be read is not counted
	})
	return sum
}
