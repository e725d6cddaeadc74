package process_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/plat-dev/plat/runner"
)

func TestOutputIsMadeHarmless(t *testing.T) {
	t.Parallel()
	g, state := open(t)
	long := strings.Repeat("y", runner.MaxLine+10)
	p := launch(t, g, program("print", "order-1",
		strconv.Quote("plain\ttext grüß\n"),
		strconv.Quote("\x1b[31mred\x1b[0m \x00\xff\xfe \u0085\r\n"),
		strconv.Quote("\n"),
		strconv.Quote(long+"\n"),
		strconv.Quote("no end"),
	))
	gone(t, p)
	want := []string{
		"order-1 out plain\ttext grüß",
		`order-1 out \x1b[31mred\x1b[0m \x00\xff\xfe \xc2\x85`,
		"order-1 out ",
		"order-1 out " + long[:runner.MaxLine] + " [plat: 10 bytes cut]",
		"order-1 out no end",
	}
	got := strings.Split(strings.TrimSuffix(text(t, state, "order"), "\n"), "\n")
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d is %.200q, want %.200q", i, got[i], want[i])
		}
	}
}

func TestFloodIsRotatedAndStarvesNobody(t *testing.T) {
	t.Parallel()
	g, state := open(t)
	flood := launch(t, g, program("flood", "flood-1"))
	logs := filepath.Join(state, "logs")
	eventually(t, "the log is rotated", func() bool {
		_, err := os.Stat(filepath.Join(logs, "flood.log.1"))
		return err == nil
	})
	if exit := gone(t, launch(t, g, program("exit", "order-1", "3"))); exit.Code != 3 {
		t.Errorf("beside a flood a short program ended with %v", exit)
	}
	if got := text(t, state, "order"); got != "order-1 out last words\n" {
		t.Errorf("log is %q", got)
	}
	flood.Stop(0)
	if exit := gone(t, flood); len(exit.Lines) != 20 || !strings.HasPrefix(exit.Lines[0], "flood line ") {
		t.Errorf("the last lines are %q", exit.Lines)
	}
	info, err := os.Stat(filepath.Join(logs, "flood.log.1"))
	if err != nil || info.Size() > 10<<20 || info.Size() < 9<<20 {
		t.Errorf("a rotated file is %d bytes, %v", info.Size(), err)
	}
	// Not a line is lost between the files that are kept.
	next := -1
	err = runner.ReadLogs(t.Context(), logs, runner.LogQuery{Services: []string{"flood"}}, func(l runner.Line) error {
		fields := strings.Fields(l.Text)
		if len(fields) != 4 {
			return nil // the torn last one
		}
		n, err := strconv.Atoi(fields[2])
		if err != nil || next >= 0 && n != next {
			t.Errorf("line %q, want number %d", l.Text, next)
		}
		next = n + 1
		return nil
	})
	if err != nil || next < 1000 {
		t.Errorf("%d lines, %v", next, err)
	}
}

func TestNotesStandInTheLog(t *testing.T) {
	t.Parallel()
	g, state := open(t)
	g.Note("order", "order-1", "restarting in 2s")
	g.Note("order", "", "build failed")
	eventually(t, "the notes are written", func() bool {
		return text(t, state, "order") == "order-1 plat restarting in 2s\n- plat build failed\n"
	})
}

// TestSecretsAreTakenOut holds that no secret is in the log file or in the last
// lines: those that always are, and those that the plan names.
func TestSecretsAreTakenOut(t *testing.T) {
	t.Parallel()
	g, state := open(t)
	g.SetSecrets([]string{"iban"}, []string{`AKIA[0-9A-Z]{16}`, "("})
	p := launch(t, g, program("print", "order-1",
		strconv.Quote(`{"msg":"paid","password":"hunter2","iban":"DE02"}`+"\n"),
		strconv.Quote("Authorization: Bearer abc.def\nkey AKIAIOSFODNN7EXAMPLE\nplain\n"),
	))
	exit := gone(t, p)
	want := `order-1 out {"msg":"paid","password":"[redacted]","iban":"[redacted]"}
order-1 out Authorization: [redacted]
order-1 out key [redacted]
order-1 out plain
`
	if got := text(t, state, "order"); got != want {
		t.Errorf("the log is\n%s\nwant\n%s", got, want)
	}
	for _, secret := range []string{"hunter2", "DE02", "abc.def", "AKIA"} {
		if strings.Contains(strings.Join(exit.Lines, "\n"), secret) {
			t.Errorf("%s is in the last lines: %q", secret, exit.Lines)
		}
	}
}
