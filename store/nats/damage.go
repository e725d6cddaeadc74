package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// watermarks is how far each stream has come. A stream that is shorter after
// a start has lost acknowledged messages.
type watermarks struct {
	Version  int               `json:"version"`
	Last     map[string]uint64 `json:"last"`
	Findings []string          `json:"findings,omitempty"` // until somebody removes the file
}

// inspect compares what the engine has loaded with what is on disk and with
// the watermarks. A stream or consumer that was not loaded is an error,
// since creating it anew would write over it; messages that are gone are a
// finding.
func (s *Server) inspect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	infos, err := s.infos(ctx)
	if err != nil {
		return fault.New(fault.EventUnavailable, "the event broker does not list its streams").Because(err)
	}
	loaded := map[string]*jetstream.StreamInfo{}
	for _, info := range infos {
		loaded[info.Config.Name] = info
	}
	root := filepath.Join(s.dir, "jetstream", "$G", "streams")
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
		faults = append(faults, s.inspectConsumers(ctx, e.Name(), filepath.Join(dir, "obs"))...)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	s.compare(loaded)
	return nil
}

// inspectConsumers finds consumers on disk that the engine has not loaded.
func (s *Server) inspectConsumers(ctx context.Context, stream, root string) []error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil // a stream without consumers
	}
	st, err := s.js.Stream(ctx, stream)
	if err != nil {
		return nil
	}
	var names []string
	list := st.ConsumerNames(ctx)
	for name := range list.Name() {
		names = append(names, name)
	}
	if list.Err() != nil {
		return []error{fault.Newf(fault.EventUnavailable, "the event broker does not list the consumers of %s", stream).Because(list.Err())}
	}
	var faults []error
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		info, err := os.Stat(filepath.Join(dir, "o.dat"))
		if err == nil && info.Size() > 0 && !slices.Contains(names, e.Name()) {
			faults = append(faults, s.damaged(fmt.Sprintf("consumer %s of stream %s cannot be read", e.Name(), stream), dir))
		}
	}
	return faults
}

// compare finds messages that are gone.
func (s *Server) compare(loaded map[string]*jetstream.StreamInfo) {
	marks := s.readWatermarks()
	found := len(marks.Findings)
	for name, last := range marks.Last {
		info := loaded[name]
		switch {
		case info == nil && last > 0:
			marks.add("stream %s is gone with its %d events", name, last)
		case info != nil && info.State.LastSeq < last:
			marks.add("events %d to %d of stream %s are gone", info.State.LastSeq+1, last, name)
		}
	}
	for name, info := range loaded {
		// INVARIANT: nothing is ever removed from the middle of a stream: age
		// and limits take from its beginning.
		if n := info.State.NumDeleted; n > 0 {
			marks.add("%d events between %d and %d of stream %s are gone", n, info.State.FirstSeq, info.State.LastSeq, name)
		}
		marks.Last[name] = info.State.LastSeq
	}
	for name := range marks.Last {
		if loaded[name] == nil {
			delete(marks.Last, name)
		}
	}
	if len(marks.Findings) > found {
		s.writeWatermarks(marks)
	}
	s.report(marks.Findings)
}

func (w *watermarks) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(w.Findings, text) && len(w.Findings) < maxFindings {
		w.Findings = append(w.Findings, text)
	}
}

// report turns findings into faults that stay in Storage.
func (s *Server) report(findings []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damage = nil
	for _, text := range findings {
		f := s.damaged(text, filepath.Join(s.dir, watermarkFile)).Fix("restore the folder from a backup, or remove this file to dismiss the finding")
		s.damage = append(s.damage, f)
		s.log.Error("the event store is damaged", "finding", text)
	}
}

func (s *Server) damaged(what, path string) *fault.Fault {
	return fault.New(fault.EventStoreDamaged, what).At(path, 0, 0).
		Why("files of the event store were truncated, altered or removed").
		Fix("restore it from a backup, or move this folder away to go on without it")
}

func (s *Server) readWatermarks() watermarks {
	marks := watermarks{Version: 1, Last: map[string]uint64{}}
	data, err := os.ReadFile(filepath.Join(s.dir, watermarkFile))
	if errors.Is(err, os.ErrNotExist) {
		return marks
	}
	var read watermarks
	if err != nil || json.Unmarshal(data, &read) != nil || read.Version != 1 || read.Last == nil {
		marks.add("the record of how far the streams had come cannot be read")
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
		name, last := info.Config.Name, info.State.LastSeq
		if name != probeStream && marks.Last[name] < last {
			marks.Last[name] = last
			changed = true
		}
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
		if err != nil || name == probeStream {
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
				s.find(fmt.Sprintf("event %d of stream %s is unreadable", seq, name))
			}
		}
	}
}

// find adds one finding.
func (s *Server) find(text string) {
	s.putting.Lock()
	marks := s.readWatermarks()
	marks.add("%s", text)
	s.writeWatermarks(marks)
	s.putting.Unlock()
	s.report(marks.Findings)
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
