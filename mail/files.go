package mail

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// A mail is two files. The envelope is renamed last: INVARIANT: where an
// envelope is, its source is whole.
const (
	sourceSuffix   = ".eml"
	envelopeSuffix = ".json"
	damagedSuffix  = ".damaged"
	tempPrefix     = ".incoming-"

	maxEnvelope = 1 << 20 // bytes that are read of an envelope
	maxDamaged  = 20      // files that are kept aside, the newest
)

// envelope is what is kept beside a mail's source.
type envelope struct {
	Time    time.Time `json:"time"`
	From    string    `json:"from"`
	To      []string  `json:"to"`
	Subject string    `json:"subject"`
	Size    int       `json:"size"`

	CorrelationID string `json:"correlationId,omitempty"`
}

func (b *Box) path(id, suffix string) string { return filepath.Join(b.dir, id+suffix) }

func (b *Box) unfit(err error) error {
	return fault.Newf(fault.MailStoreUnfit, "the mailbox %s cannot be used", b.dir).Why(plain(err)).Because(err)
}

// plain is the reason of an error of the file system without its path.
func plain(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// receive writes a mail's source into a file of its own, whole and on disk,
// and reads its size and subject from it.
func (b *Box) receive(m *Mail, source io.Reader) (path string, err error) {
	file, err := os.CreateTemp(b.dir, tempPrefix)
	if err != nil {
		return "", b.unfit(err)
	}
	defer func() {
		_ = file.Close() // after Sync there is nothing that Close could lose
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	from := &remember{r: io.LimitReader(source, b.o.MailBytes+1)}
	n, err := io.Copy(file, from)
	switch {
	case from.err != nil:
		return "", from.err
	case err != nil:
		return "", b.unfit(err)
	case n > b.o.MailBytes:
		return "", fault.Newf(fault.MailTooLarge, "the mail is larger than %d bytes", b.o.MailBytes)
	}
	if err := file.Sync(); err != nil {
		return "", b.unfit(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", b.unfit(err)
	}
	m.Size = int(n)
	m.describe(file)
	return file.Name(), nil
}

// remember keeps the error of a reader apart from that of the writer to which
// it is copied.
type remember struct {
	r   io.Reader
	err error
}

func (r *remember) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// writeEnvelope writes a mail's envelope into a file that has no name yet.
func (b *Box) writeEnvelope(m Mail) (path string, err error) {
	text, err := json.Marshal(envelope{m.Time, m.From, m.To, m.Subject, m.Size, m.CorrelationID})
	if err != nil {
		return "", b.unfit(err)
	}
	file, err := os.CreateTemp(b.dir, tempPrefix)
	if err != nil {
		return "", b.unfit(err)
	}
	_, err = file.Write(append(text, '\n'))
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		_ = os.Remove(file.Name())
		return "", b.unfit(err)
	}
	return file.Name(), nil
}

// commit gives both files their names and brings the names to the disk. After
// an error nothing of the mail is left.
func (b *Box) commit(id, source, envelope string) error {
	err := os.Rename(source, b.path(id, sourceSuffix))
	if err == nil {
		err = os.Rename(envelope, b.path(id, envelopeSuffix))
	}
	if err == nil {
		err = b.syncDir()
	}
	if err == nil {
		return nil
	}
	for _, path := range []string{source, envelope, b.path(id, envelopeSuffix), b.path(id, sourceSuffix)} {
		_ = os.Remove(path) // what was renamed is not there, and the other way round
	}
	return b.unfit(err)
}

func (b *Box) syncDir() error {
	dir, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// remove takes a mail's files away; b.mu is held.
func (b *Box) remove(m Mail) error {
	for _, suffix := range []string{envelopeSuffix, sourceSuffix} {
		if err := os.Remove(b.path(m.ID, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return b.unfit(err)
		}
	}
	b.stats.Bytes -= int64(m.Size)
	return nil
}

// load reads the folder.
func (b *Box) load() error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return b.unfit(err)
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return b.unfit(err)
	}
	var sources, damaged []string
	for _, e := range entries { // sorted by name, thus by time
		name := e.Name()
		id, isEnvelope := strings.CutSuffix(name, envelopeSuffix)
		switch {
		case strings.HasPrefix(name, tempPrefix):
			_ = os.Remove(filepath.Join(b.dir, name)) // never acknowledged
		case strings.HasSuffix(name, sourceSuffix):
			sources = append(sources, strings.TrimSuffix(name, sourceSuffix))
		case strings.HasSuffix(name, damagedSuffix):
			damaged = append(damaged, name)
		case isEnvelope:
			m, ok := b.loadEnvelope(id)
			if !ok {
				damaged = b.setAside(damaged, name)
				continue
			}
			b.mails = append(b.mails, m)
			b.stats.Bytes += int64(m.Size)
		}
	}
	for _, id := range sources {
		if _, ok := b.find(id); !ok {
			damaged = b.setAside(damaged, id+sourceSuffix)
		}
	}
	slices.Sort(damaged)
	for len(damaged) > maxDamaged {
		_ = os.Remove(filepath.Join(b.dir, damaged[0])) // older than twenty others that are kept for a look
		damaged = damaged[1:]
	}
	return b.probe()
}

// probe finds out at once whether the folder can be written.
func (b *Box) probe() error {
	file, err := os.CreateTemp(b.dir, tempPrefix)
	if err != nil {
		return b.unfit(err)
	}
	if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil {
		return b.unfit(err)
	}
	return nil
}

// loadEnvelope reads one mail of an earlier run, and tells whether its files
// are what was written.
func (b *Box) loadEnvelope(id string) (Mail, bool) {
	millis, err := strconv.ParseInt(id, 36, 64)
	if err != nil || identifier(millis) != id {
		return Mail{}, false
	}
	b.last = max(b.last, millis)
	file, err := os.Open(b.path(id, envelopeSuffix))
	if err != nil {
		return Mail{}, false
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxEnvelope))
	if err != nil {
		return Mail{}, false
	}
	var e envelope
	if json.Unmarshal(text, &e) != nil {
		return Mail{}, false
	}
	info, err := os.Lstat(b.path(id, sourceSuffix))
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(e.Size) {
		return Mail{}, false
	}
	return Mail{ID: id, Time: e.Time, From: e.From, To: e.To, Subject: e.Subject, Size: e.Size, CorrelationID: e.CorrelationID}, true
}

// setAside renames a damaged file, so that a person may look at it.
func (b *Box) setAside(damaged []string, name string) []string {
	b.stats.Damaged++
	b.o.Log.Warn("a file of the mailbox is damaged and was set aside", "file", name+damagedSuffix)
	path := filepath.Join(b.dir, name)
	if err := os.Rename(path, path+damagedSuffix); err != nil {
		b.o.Log.Warn("it could not be renamed and is passed over", "file", name, "error", plain(err))
		return damaged
	}
	return append(damaged, name+damagedSuffix)
}
