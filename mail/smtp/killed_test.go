package smtp

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	client "net/smtp"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/plat-dev/plat/mail"
)

// serveEnv names the folder of the mailbox that the test binary serves instead
// of testing.
const serveEnv = "MAIL_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		fmt.Fprintln(os.Stderr, serveForKill(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func serveForKill(dir string) error {
	box, err := mail.Open(dir, mail.Options{Mails: 10_000})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return Serve(context.Background(), l, box, slog.New(slog.DiscardHandler))
}

// TestKilled: whatever was acknowledged before the process was killed is there
// afterwards, and nothing else is damaged.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	for round := range 4 {
		command := exec.CommandContext(t.Context(), os.Args[0])
		command.Env = append(os.Environ(), serveEnv+"="+dir)
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		addr, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var clients sync.WaitGroup
		enough := make(chan struct{}, 1000)
		for c := range 4 {
			clients.Go(func() {
				for i := 0; ; i++ {
					name := fmt.Sprintf("%d/%d/%d", round, c, i)
					if client.SendMail(strings.TrimSpace(addr), nil, "a@b.c", []string{"d@e.f"}, []byte("Subject: "+name+"\r\n\r\n")) != nil {
						return // killed
					}
					mu.Lock()
					acknowledged[name] = true
					mu.Unlock()
					select {
					case enough <- struct{}{}:
					default:
					}
				}
			})
		}
		deadline := time.After(30 * time.Second)
		for range 20 {
			select {
			case <-enough:
			case <-deadline:
				t.Fatal("twenty mails take more than 30 s")
			}
		}
		if err := command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		clients.Wait()
		_ = command.Wait() // it was killed
	}
	box, err := mail.Open(dir, mail.Options{Mails: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for _, m := range box.List() {
		kept[m.Subject] = true
		if _, err := box.Raw(m.ID); err != nil {
			t.Error(err)
		}
	}
	for name := range acknowledged {
		if !kept[name] {
			t.Errorf("mail %s was acknowledged and is gone", name)
		}
	}
	// A kill between the two renames of a mail leaves a source alone: at most
	// one a kill, since they are made under one lock.
	if s := box.Stats(); len(acknowledged) < 80 || s.Damaged > 4 {
		t.Fatalf("%d acknowledged, %+v", len(acknowledged), s)
	}
}
