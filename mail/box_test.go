package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/mail"
)

func open(t *testing.T, dir string, o mail.Options) *mail.Box {
	t.Helper()
	box, err := mail.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func add(t *testing.T, box *mail.Box, source string) mail.Mail {
	t.Helper()
	m, err := box.Add("from@example.com", []string{"to@example.com"}, strings.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func subjects(box *mail.Box) string {
	var all []string
	for _, m := range box.List() {
		all = append(all, m.Subject)
	}
	return strings.Join(all, " ")
}

func TestKeepsAcrossRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	box := open(t, dir, mail.Options{})
	var want []mail.Mail
	for i := range 5 {
		want = append([]mail.Mail{add(t, box, fmt.Sprintf("Subject: %d\r\n\r\nbody %d\x00\r\n", i, i))}, want...)
	}
	again := open(t, dir, mail.Options{})
	if diff := cmp.Diff(want, again.List()); diff != "" {
		t.Fatal(diff)
	}
	if raw, err := again.Raw(want[0].ID); err != nil || string(raw) != "Subject: 4\r\n\r\nbody 4\x00\r\n" {
		t.Fatalf("source = %q, %v", raw, err)
	}
	if m := add(t, again, "Subject: 5\r\n\r\n"); m.ID <= want[0].ID {
		t.Fatalf("ID %s after %s", m.ID, want[0].ID)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 12 {
		t.Fatalf("%d files for 6 mails, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v", info.Mode())
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box := open(t, dir, mail.Options{Mails: 3})
	for i := range 5 {
		add(t, box, fmt.Sprintf("Subject: %d\r\n\r\n", i))
	}
	if got, s := subjects(box), box.Stats(); got != "4 3 2" || s.Dropped != 2 || s.Received != 5 || s.Mails != 3 {
		t.Fatalf("mails %s, %+v", got, s)
	}
	if box = open(t, dir, mail.Options{Mails: 2}); subjects(box) != "4 3" {
		t.Fatalf("with a lower bound: %s", subjects(box))
	}
	box = open(t, t.TempDir(), mail.Options{Bytes: 1000, MailBytes: 600})
	for i := range 4 {
		add(t, box, fmt.Sprintf("Subject: %d\r\n\r\n%s", i, strings.Repeat("x", 400)))
	}
	if got, s := subjects(box), box.Stats(); got != "3 2" || s.Bytes > 1000 || s.Bytes < 800 {
		t.Fatalf("mails %s, %+v", got, s)
	}
	_, err := box.Add("a", nil, strings.NewReader(strings.Repeat("x", 601)))
	if !fault.Is(err, fault.MailTooLarge) {
		t.Fatalf("a mail too large: %v", err)
	}
	if subjects(box) != "3 2" {
		t.Fatal("a refused mail pushed others out")
	}
}

func TestDeleteAndClear(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box := open(t, dir, mail.Options{})
	a, b := add(t, box, "Subject: a\r\n\r\n"), add(t, box, "Subject: b\r\n\r\n")
	add(t, box, "Subject: c\r\n\r\n")
	if err := box.Delete(b.ID); err != nil || subjects(box) != "c a" {
		t.Fatalf("%s, %v", subjects(box), err)
	}
	for _, id := range []string{b.ID, "", "../../etc/passwd", strings.Repeat("x", 10_000)} {
		if err := box.Delete(id); !fault.Is(err, fault.NoSuchMail) {
			t.Errorf("Delete(%.20q) = %v", id, err)
		}
		if _, err := box.Get(id); !fault.Is(err, fault.NoSuchMail) {
			t.Errorf("Get(%.20q) = %v", id, err)
		}
		if _, err := box.Raw(id); !fault.Is(err, fault.NoSuchMail) {
			t.Errorf("Raw(%.20q) = %v", id, err)
		}
	}
	if err := box.Clear(); err != nil || len(box.List()) != 0 || box.Stats().Bytes != 0 {
		t.Fatalf("after Clear: %+v, %v", box.Stats(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Fatalf("files are left: %v", entries)
	}
	if m := add(t, box, "Subject: d\r\n\r\n"); m.ID <= a.ID {
		t.Fatal("an ID was given twice")
	}
}

func TestDamageIsSetAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box := open(t, dir, mail.Options{})
	var ids []string
	for i := range 6 {
		ids = append(ids, add(t, box, fmt.Sprintf("Subject: %d\r\n\r\ntext\r\n", i)).ID)
	}
	file := func(i int, suffix string) string { return filepath.Join(dir, ids[i]+suffix) }
	for _, err := range []error{
		os.Truncate(file(0, ".eml"), 3),
		os.Remove(file(1, ".eml")),
		os.Remove(file(2, ".json")),
		os.WriteFile(file(3, ".json"), []byte("{half"), 0o600),
		os.WriteFile(filepath.Join(dir, "stranger.json"), []byte("{}"), 0o600),
		os.WriteFile(filepath.Join(dir, ".incoming-17"), []byte("torn"), 0o600),
		os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := box.Get(ids[0]); !fault.Is(err, fault.MailDamaged) {
		t.Errorf("a cut mail is read: %v", err)
	}
	if _, err := box.Raw(ids[1]); !fault.Is(err, fault.MailDamaged) {
		t.Errorf("a mail without its file is read: %v", err)
	}
	box = open(t, dir, mail.Options{})
	if got := subjects(box); got != "5 4" {
		t.Fatalf("mails %s, want 5 4", got)
	}
	if s := box.Stats(); s.Damaged != 7 { // 0: both, 1: envelope, 2: source, 3: both, the stranger's
		t.Fatalf("damaged = %d, want 7", s.Damaged)
	}
	if text, err := os.ReadFile(file(2, ".eml.damaged")); err != nil || !strings.Contains(string(text), "Subject: 2") {
		t.Fatalf("set aside: %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "notes.txt")); err != nil {
		t.Fatal("a file that is not the mailbox's was taken away")
	}
	if _, err := os.Stat(filepath.Join(dir, ".incoming-17")); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("a torn file is left")
	}
	if box = open(t, dir, mail.Options{}); box.Stats().Damaged != 0 {
		t.Fatal("what was set aside is counted again")
	}
}

func TestUnfitFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mail.Open(path, mail.Options{}); !fault.Is(err, fault.MailStoreUnfit) {
		t.Fatalf("Open on a file = %v", err)
	}
	dir := filepath.Join(t.TempDir(), "mail")
	box := open(t, dir, mail.Options{})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := box.Add("a", nil, strings.NewReader("x")); !fault.Is(err, fault.MailStoreUnfit) {
		t.Fatalf("Add without a folder = %v", err)
	}
}

func TestSourceFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box := open(t, dir, mail.Options{})
	broken := errors.New("the line broke")
	_, err := box.Add("a", nil, io.MultiReader(strings.NewReader("Subject: half\r\n"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || fault.Is(err, fault.MailStoreUnfit) {
		t.Fatalf("err = %v, want the reader's", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 || len(box.List()) != 0 {
		t.Fatalf("half a mail is left: %v", entries)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	box := open(t, t.TempDir(), mail.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ch := box.Watch(ctx)
	await := func(what string) {
		t.Helper()
		select {
		case <-ch:
		case <-time.After(time.Minute):
			t.Fatalf("nothing was told of %s", what)
		}
	}
	await("the beginning")
	m := add(t, box, "x")
	add(t, box, "y")
	await("two mails")
	select {
	case <-ch:
		t.Fatal("two changes were two values")
	default:
	}
	if err := box.Delete(m.ID); err != nil {
		t.Fatal(err)
	}
	await("a deletion")
	if err := box.Clear(); err != nil {
		t.Fatal(err)
	}
	await("a clearance")
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	box := open(t, t.TempDir(), mail.Options{Mails: 10})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				m, err := box.Add("a", nil, strings.NewReader("Subject: x\r\n\r\ntext"))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := box.Get(m.ID); err != nil && !fault.Is(err, fault.NoSuchMail) {
					t.Error(err)
				}
				if i == 0 {
					_ = box.Delete(m.ID) // may have been dropped
				}
				box.List()
			}
		})
	}
	wg.Wait()
	if s := box.Stats(); s.Mails > 10 || s.Received != 160 || s.Bytes != int64(s.Mails*len("Subject: x\r\n\r\ntext")) {
		t.Fatalf("stats = %+v", s)
	}
}
