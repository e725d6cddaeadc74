// Package mail is the development mailbox: what services send by mail is kept
// here for people and tests to read, and goes nowhere else. It owns the folder
// in which the mails lie and knows how a mail is read (MIME, encodings,
// charsets); how mails come in is a door (mail/smtp).
//
// It must never import another room, and must never send anything.
package mail

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Options bound a mailbox. The zero value keeps 500 mails of at most 10 MiB
// each, 64 MiB together, and logs nothing.
type Options struct {
	Mails     int          // how many are kept
	Bytes     int64        // how many bytes of mail are kept
	MailBytes int64        // size of the largest mail
	Log       *slog.Logger // what was dropped or found damaged
}

func (o Options) withDefaults() Options {
	o.Mails = cmp.Or(max(o.Mails, 0), 500)
	o.Bytes = cmp.Or(max(o.Bytes, 0), 64<<20)
	o.MailBytes = min(cmp.Or(max(o.MailBytes, 0), 10<<20), o.Bytes)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Mail is one mail as it arrived.
type Mail struct {
	ID      string    // nine characters, ascending in order of arrival
	Time    time.Time // of its arrival
	From    string    // of the envelope; empty for the null sender
	To      []string  // of the envelope
	Subject string    // of the header, decoded; empty when there is none or it cannot be read
	Size    int       // bytes of the source

	// CorrelationID is of the work that sent it: the header X-Correlation-ID;
	// empty when there is none.
	CorrelationID string
}

// Stats are the figures of a mailbox since it was opened.
type Stats struct {
	Mails    int    // kept now
	Bytes    int64  // kept now
	Received uint64 // taken since it was opened
	Dropped  uint64 // the oldest, which had to make room
	Damaged  uint64 // found damaged when it was opened, and set aside
}

// Box is an open mailbox. Its methods are safe for concurrent use. It holds no
// file open, so it need not be closed; one folder is for one Box at a time.
type Box struct {
	dir string
	o   Options
	now func() time.Time

	mu       sync.Mutex
	mails    []Mail // by ID, the oldest first; elements are never changed in place
	last     int64  // of the newest ID ever given by this Box
	stats    Stats
	watchers map[chan struct{}]struct{}
}

// Open opens the mailbox in a folder, which is made if it is missing. Mails of
// an earlier run are there again; files that are no longer what was written
// are set aside as *.damaged and counted. The fault is mail-store-unfit when
// the folder cannot be used.
func Open(dir string, o Options) (*Box, error) {
	b := &Box{dir: dir, o: o.withDefaults(), now: time.Now, watchers: map[chan struct{}]struct{}{}}
	if err := b.load(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.makeRoom()
	return b, nil
}

// Add takes one mail: the envelope's sender and recipients, and the source as
// it came. When Add returns without an error, the mail is on disk. An error of
// source is returned as it is, and nothing is kept then. Faults: mail-too-large,
// mail-store-unfit.
func (b *Box) Add(from string, to []string, source io.Reader) (Mail, error) {
	m := Mail{Time: b.now().UTC(), From: from, To: slices.Clone(to)}
	body, err := b.receive(&m, source)
	if err != nil {
		return Mail{}, err
	}
	envelope, err := b.writeEnvelope(m)
	if err != nil {
		_ = os.Remove(body)
		return Mail{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = max(m.Time.UnixMilli(), b.last+1)
	m.ID = identifier(b.last)
	if err := b.commit(m.ID, body, envelope); err != nil {
		return Mail{}, err
	}
	b.mails = append(b.mails, m)
	b.stats.Bytes += int64(m.Size)
	b.stats.Received++
	b.makeRoom()
	b.changed()
	return m, nil
}

// List gives the mails that are kept, the newest first.
func (b *Box) List() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.Clone(b.mails)
	slices.Reverse(list)
	return list
}

// Stats gives the mailbox's figures.
func (b *Box) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Mails = len(b.mails)
	return s
}

// Get reads one mail. What cannot be read of it is named in Problem, and is no
// error. Faults: no-such-mail, mail-damaged.
func (b *Box) Get(id string) (Content, error) {
	m, source, err := b.source(id)
	if err != nil {
		return Content{}, err
	}
	c := read(source)
	c.Mail = m
	return c, nil
}

// Raw gives the source of one mail, byte for byte as it came. Faults:
// no-such-mail, mail-damaged.
func (b *Box) Raw(id string) ([]byte, error) {
	_, source, err := b.source(id)
	return source, err
}

// Delete removes one mail. The fault is no-such-mail when it is not there.
func (b *Box) Delete(id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.find(id)
	if !ok {
		return noSuchMail(id)
	}
	if err := b.remove(b.mails[i]); err != nil {
		return err
	}
	b.mails = slices.Delete(slices.Clone(b.mails), i, i+1)
	b.changed()
	return nil
}

// Clear removes every mail. What cannot be removed stays, and is the fault
// mail-store-unfit.
func (b *Box) Clear() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.changed()
	for len(b.mails) > 0 {
		if err := b.remove(b.mails[0]); err != nil {
			return err
		}
		b.mails = b.mails[1:]
	}
	return nil
}

// Watch tells of changes: the channel has a value when a mail came or went
// since the last receive. Changes that nobody received yet are one, so a slow
// reader holds nothing up. The first value is there at once. The channel is
// released when ctx ends; it is never closed.
func (b *Box) Watch(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	ch <- struct{}{}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers[ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, ch)
	})
	return ch
}

// source reads a mail's file.
func (b *Box) source(id string) (Mail, []byte, error) {
	b.mu.Lock()
	i, ok := b.find(id)
	if !ok {
		b.mu.Unlock()
		return Mail{}, nil, noSuchMail(id)
	}
	m := b.mails[i]
	b.mu.Unlock()
	source, err := os.ReadFile(b.path(id, sourceSuffix))
	if err == nil && len(source) == m.Size {
		return m, source, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.find(id); !ok { // dropped or deleted meanwhile
		return Mail{}, nil, noSuchMail(id)
	}
	return Mail{}, nil, fault.Newf(fault.MailDamaged, "the file of mail %s is not what was written", id).
		Because(err).Fix("delete the mail; its file is " + filepath.Join(b.dir, id+sourceSuffix))
}

// find gives the index of a mail; b.mu is held.
func (b *Box) find(id string) (int, bool) {
	return slices.BinarySearchFunc(b.mails, id, func(m Mail, id string) int { return cmp.Compare(m.ID, id) })
}

// makeRoom drops the oldest mails until the bounds hold; b.mu is held. A file
// that cannot be removed is counted out all the same: it comes back when the
// folder is opened next, and is then dropped anew.
func (b *Box) makeRoom() {
	for len(b.mails) > b.o.Mails || b.stats.Bytes > b.o.Bytes {
		oldest := b.mails[0]
		if err := b.remove(oldest); err != nil {
			b.o.Log.Warn("a mail that had to make room cannot be removed", "mail", oldest.ID, "error", err.Error())
			b.stats.Bytes -= int64(oldest.Size)
		}
		b.mails = b.mails[1:]
		b.stats.Dropped++
	}
}

// changed tells the watchers; b.mu is held.
func (b *Box) changed() {
	for ch := range b.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

func noSuchMail(id string) error {
	if len(id) > 40 {
		id = id[:40] + "…"
	}
	return fault.Newf(fault.NoSuchMail, "the mailbox has no mail %q", id).Fix("plat mail lists what is there")
}

// identifier writes milliseconds in nine characters whose order is theirs.
func identifier(millis int64) string {
	text := strconv.FormatInt(millis, 36)
	for len(text) < 9 {
		text = "0" + text
	}
	return text
}
