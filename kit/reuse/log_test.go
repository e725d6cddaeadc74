package reuse_test

import (
	"bytes"
	"log"
	"strings"
	"testing"

	"github.com/plat-dev/plat/kit/reuse"
)

// What a server sent too much is no part of the log, and no flood of it.
func TestLog(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	l := log.New(reuse.Log(&text), "", log.LstdFlags)
	l.Print("one")
	for range 100 {
		l.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "HTTP/1.1 200 OK\r\n\r\nsecret", nil)
	}
	l.Print("two")
	got := text.String()
	if strings.Contains(got, "secret") || !strings.Contains(got, "connections were closed: 1 since") {
		t.Errorf("it tells %q", got)
	}
	if n := strings.Count(got, "\n"); n < 3 || n > 4 || !strings.Contains(got, " one\n") || !strings.Contains(got, " two\n") {
		t.Errorf("%d lines, three expected: %q", n, got)
	}
}
