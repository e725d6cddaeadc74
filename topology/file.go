package topology

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/whole"
)

// version is the file's format.
const version = 1

// maxFile bounds what is read.
const maxFile = 64 << 20

// file is what the file holds.
type file struct {
	Version int `json:"version"`
	Observation
	Refused []Call `json:"refused,omitempty"` // the oldest first
}

// Run writes the file when something changed, until ctx ends, and then a last
// time. A write that fails is logged and tried again; Run returns nil.
func (t *Topology) Run(ctx context.Context) error {
	if t.path == "" {
		<-ctx.Done()
		return nil
	}
	broken := false
	save := func() time.Duration {
		if !t.changed.Swap(false) {
			return t.every
		}
		begun := time.Now()
		err := t.save()
		if err != nil {
			t.changed.Store(true)
		}
		if (err != nil) != broken {
			if broken = err != nil; broken {
				t.log.Error("the record of calls cannot be written", "file", t.path, "error", err)
			} else {
				t.log.Info("the record of calls is written again", "file", t.path)
			}
		}
		return max(t.every, 20*time.Since(begun)) // a large one is not written all the time
	}
	timer := time.NewTimer(t.every)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			timer.Reset(save())
		case <-ctx.Done():
			save()
			return nil
		}
	}
}

// save writes the file whole: whoever reads it sees the old or the new one.
func (t *Topology) save() error {
	f := file{Version: version, Observation: t.Snapshot()}
	t.mu.Lock()
	f.Refused = append(f.Refused, t.refused[t.next:]...)
	f.Refused = append(f.Refused, t.refused[:t.next]...)
	t.mu.Unlock()
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return whole.Write(t.path, append(data, '\n'))
}

// load takes over what the file holds.
func (t *Topology) load() *fault.Fault {
	if t.path == "" {
		return nil
	}
	f, err := read(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		damaged := fault.Newf(fault.TopologyDamaged, "the record of calls %s could not be read", t.path).
			Why(reason(err)).Because(err).Warn()
		if err := os.Rename(t.path, t.path+".damaged"); err != nil {
			return damaged.Fix("move it away: it cannot be renamed, " + reason(err))
		}
		return damaged.Fix("nothing needs to be done: it lies at " + t.path + ".damaged, and calls are counted anew")
	}
	t.take(f)
	return nil
}

// read decodes the file and looks whether it is one.
func read(path string) (*file, error) {
	r, err := os.Open(path) // #nosec G304 -- a name of plat's own in the state folder
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("it is not whole: %w", err)
	}
	if f.Version != version {
		return nil, fmt.Errorf("its version is %d, this plat reads %d", f.Version, version)
	}
	return &f, nil
}

// take fills an empty Topology.
func (t *Topology) take(f *file) {
	now := t.now()
	if !f.Since.IsZero() && f.Since.Before(now) {
		t.since = f.Since
	}
	t.dropped.Store(f.Dropped)
	for _, from := range f.Edges {
		k := key{"", from.Caller, from.Callee}
		if from.Caller == "" || from.Callee == "" || !t.add(k, !from.DeclaredAt.IsZero(), from.DeclaredAt) {
			continue
		}
		e := t.shard(k).edges[k]
		e.all.set(from.Uses)
		e.refused.Store(from.Refused)
		e.undeclared.set(from.Undeclared.Uses)
		e.undeclaredRefused.Store(from.Undeclared.Refused)
		if e.idleFrom = 0; from.Idle > 0 {
			e.idleFrom = -from.Idle
		}
		e.evidence = nil // of the same edge before, which no plat wrote
		for i := min(len(from.Evidence), MaxEvidence) - 1; i >= 0; i-- {
			e.evidence = append(e.evidence, from.Evidence[i])
		}
		t.drop(k, e, now)
	}
	for _, from := range f.Routes {
		k := key{from.Gateway, from.Path, from.Service}
		if from.Gateway == "" || from.Service == "" || !t.add(k, false, now) {
			continue
		}
		e := t.shard(k).edges[k]
		e.all.set(from.Uses)
		t.drop(k, e, now)
	}
	t.refused = f.Refused[max(0, len(f.Refused)-MaxRefused):]
}

// drop forgets an edge that was just loaded, when it is stale.
func (t *Topology) drop(k key, e *edge, now time.Time) {
	if e.stale(now) {
		delete(t.shard(k).edges, k)
		t.kept.Add(-1)
	}
}

// reason is the operating system's word without the path, which is said
// already.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err.Error()
	}
	return err.Error()
}
