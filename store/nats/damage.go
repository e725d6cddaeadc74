package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plat-dev/plat/fault"
)

const (
	watermarkFile = "watermarks.json"
	maxFindings   = 100
	scrubNewest   = 100_000 // messages of each stream that are read once after a start
	scrubPause    = 10 * time.Millisecond
	scrubBatch    = 10 // messages between two pauses
)

// watermarks is what each stream held when plat last looked, and what was
// found missing since.
type watermarks struct {
	Version  int               `json:"version"`
	Streams  map[string]mark   `json:"streams"`
	Findings map[string]string `json:"findings,omitempty"` // until somebody removes the file
}

// mark is one stream. Sequences only grow, nothing is ever removed from the
// middle of a stream, and age alone takes from its beginning: what a mark
// promises and a start does not find is lost.
type mark struct {
	First     uint64    `json:"first"`
	FirstTime time.Time `json:"first-time"`
	Last      uint64    `json:"last"`
	LastTime  time.Time `json:"last-time"`
	Holes     int       `json:"holes,omitempty"` // found and dismissed
}

// inspect compares what the engine has loaded with what is on disk and with
// the watermarks. A stream or consumer that was not loaded is an error,
// since creating it anew would write over it; messages that are gone are a
// finding.
func (s *Server) inspect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	infos, err := s.infos(ctx)
	if fault.Is(err, fault.EventStoreDamaged) {
		return err
	}
	if err != nil {
		return fault.New(fault.EventUnavailable, "the event broker does not list its streams").Because(err)
	}
	loaded := map[string]*jetstream.StreamInfo{}
	for _, info := range infos {
		loaded[info.Config.Name] = info
	}
	root := s.streamDir("")
	entries, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return unfit(root, err)
	}
	var faults []error
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		if _, ok := loaded[e.Name()]; !ok && e.Name()[0] != '.' && holdsData(filepath.Join(dir, "msgs")) {
			faults = append(faults, s.damaged(fmt.Sprintf("stream %s cannot be read", e.Name()), dir))
			continue
		}
		if info := loaded[e.Name()]; info != nil {
			faults = append(faults, s.inspectConsumers(ctx, info, filepath.Join(dir, "obs"))...)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	s.compare(loaded)
	return nil
}

// inspectConsumers finds consumers on disk that the engine has not loaded, and
// sets back those that are ahead of a stream that lost its end: they would
// skip what is published next.
func (s *Server) inspectConsumers(ctx context.Context, stream *jetstream.StreamInfo, root string) []error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil // a stream without consumers
	}
	name, last := stream.Config.Name, stream.State.LastSeq
	loaded := map[string]bool{}
	st, err := s.js.Stream(ctx, name)
	if err == nil {
		list := st.ListConsumers(ctx)
		for info := range list.Info() {
			loaded[info.Name] = true
			if info.Delivered.Stream > last || info.AckFloor.Stream > last {
				s.log.Error("a consumer is ahead of its stream and is set back", "consumer", info.Name, "stream", name, "delivered", info.Delivered.Stream, "last", last)
				if _, reset := s.js.ResetConsumerToSequence(ctx, name, info.Name, last+1); reset != nil {
					err = errors.Join(err, reset)
				}
			}
		}
		err = errors.Join(err, list.Err())
	}
	if err != nil {
		return []error{fault.Newf(fault.EventUnavailable, "the event broker does not list the consumers of %s", name).Because(err)}
	}
	var faults []error
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		info, err := os.Stat(filepath.Join(dir, "o.dat"))
		if err == nil && info.Size() > 0 && !loaded[e.Name()] {
			faults = append(faults, s.damaged(fmt.Sprintf("consumer %s of stream %s cannot be read", e.Name(), name), dir))
		}
	}
	return faults
}

// compare finds messages that are gone.
func (s *Server) compare(loaded map[string]*jetstream.StreamInfo) {
	marks := s.readWatermarks()
	found := len(marks.Findings)
	now := time.Now()
	for name, was := range marks.Streams {
		info := loaded[name]
		if info == nil {
			if was.Last > 0 {
				marks.add("gone/"+name, "stream %s is gone, which had come to event %d", name, was.Last)
			}
			delete(marks.Streams, name)
			continue
		}
		is, age := info.State, info.Config.MaxAge
		young := func(t time.Time) bool { return age == 0 || t.Add(age).After(now) }
		switch {
		case is.LastSeq < was.Last:
			marks.add("end/"+name, "events %d to %d of stream %s are gone", is.LastSeq+1, was.Last, name)
		case is.NumDeleted > was.Holes:
			marks.add("middle/"+name, "%d events between %d and %d of stream %s are gone", is.NumDeleted-was.Holes, is.FirstSeq, is.LastSeq, name)
		case info.Config.Discard != jetstream.DiscardNew:
			// Overwritten when full.
		case is.FirstSeq > was.Last && was.Last > 0 && young(was.LastTime), is.FirstSeq > was.First && was.First > 0 && young(was.FirstTime):
			marks.add("begin/"+name, "events %d to %d of stream %s are gone before their time", was.First, is.FirstSeq-1, name)
		}
	}
	if len(marks.Findings) > found {
		for _, info := range loaded {
			marks.note(info)
		}
		s.writeWatermarks(marks)
	}
	findings := slices.Collect(maps.Values(marks.Findings))
	slices.Sort(findings)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damage = nil
	for _, text := range findings {
		s.report(s.damaged(text, filepath.Join(s.dir, watermarkFile)).
			Fix("restore the folder from a backup, or remove this file to dismiss the finding"))
	}
}

// note takes over what a stream is now, and tells whether that is news.
func (w *watermarks) note(info *jetstream.StreamInfo) bool {
	if unmarked(info.Config.Name) {
		return false
	}
	is := info.State
	now := mark{First: is.FirstSeq, FirstTime: is.FirstTime.UTC(), Last: is.LastSeq, LastTime: is.LastTime.UTC(), Holes: is.NumDeleted}
	was, known := w.Streams[info.Config.Name]
	w.Streams[info.Config.Name] = now
	return !known || was != now
}

func (w *watermarks) add(key, format string, args ...any) {
	if len(w.Findings) < maxFindings && w.Findings[key] == "" {
		w.Findings[key] = fmt.Sprintf(format, args...)
	}
}

// report needs s.mu.
func (s *Server) report(f *fault.Fault) {
	if len(s.damage) >= maxFindings {
		return
	}
	s.damage = append(s.damage, f)
	s.log.Error("the event store is damaged", "finding", f.What, "remedy", f.Remedy)
}

func (s *Server) damaged(what, path string) *fault.Fault {
	return fault.New(fault.EventStoreDamaged, what).At(path, 0, 0).
		Why("files of the event store were truncated, altered or removed").
		Fix("restore it from a backup, or move this folder away to go on without it")
}

func (s *Server) readWatermarks() watermarks {
	marks := watermarks{Version: 1, Streams: map[string]mark{}, Findings: map[string]string{}}
	data, err := os.ReadFile(filepath.Join(s.dir, watermarkFile))
	if errors.Is(err, os.ErrNotExist) {
		return marks
	}
	read := marks
	if err != nil || json.Unmarshal(data, &read) != nil || read.Version != 1 || read.Streams == nil || read.Findings == nil {
		marks.add("marks", "the record of how far the streams had come cannot be read")
		return marks
	}
	return read
}

func (s *Server) writeWatermarks(marks watermarks) {
	data, err := json.MarshalIndent(marks, "", "  ")
	if err == nil {
		err = writeFile(filepath.Join(s.dir, watermarkFile), data)
	}
	if err != nil {
		s.log.Warn("the progress of the streams could not be noted", "error", err)
	}
}

// saveWatermarks notes how far each stream has come, if that changed.
func (s *Server) saveWatermarks() {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	infos, err := s.infos(ctx)
	if err != nil {
		return // the next time will do
	}
	s.putting.Lock()
	defer s.putting.Unlock()
	marks := s.readWatermarks()
	changed := false
	for _, info := range infos {
		changed = marks.note(info) || changed
	}
	if changed {
		s.writeWatermarks(marks)
	}
}

// scrub reads the newest messages of each stream once, slowly: the engine
// verifies a message's checksum when it reads it, and leaves a bad one out
// without a word.
func (s *Server) scrub(ctx context.Context) {
	infos, err := s.infos(ctx)
	if err != nil {
		return
	}
	read := 0
	for _, info := range infos {
		name, last := info.Config.Name, info.State.LastSeq
		stream, err := s.js.Stream(ctx, name)
		if err != nil || unmarked(name) {
			continue
		}
		first := info.State.FirstSeq
		if last > scrubNewest {
			first = max(first, last-scrubNewest)
		}
		for seq := first; seq <= last && seq > 0; seq++ {
			if read++; read%scrubBatch == 0 {
				select {
				case <-ctx.Done():
					return
				case <-time.After(scrubPause):
				}
			}
			ask, cancel := context.WithTimeout(ctx, askTimeout)
			_, err := stream.GetMsg(ask, seq)
			cancel()
			if err == nil || !errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			// It may have aged out meanwhile.
			if now, err := stream.Info(ctx); err == nil && now.State.FirstSeq <= seq {
				s.mu.Lock()
				s.report(s.damaged(fmt.Sprintf("event %d of stream %s is unreadable", seq, name), s.dir).
					Fix("restore the folder from a backup; without one, the finding ends when the event ages out"))
				s.mu.Unlock()
			}
		}
	}
}

// holdsData tells whether a stream's folder holds messages: one that a crash
// left half made does not, and is made again.
func holdsData(dir string) bool {
	blocks, _ := filepath.Glob(filepath.Join(dir, "*.blk"))
	return slices.ContainsFunc(blocks, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() > 0
	})
}
