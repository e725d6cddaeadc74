package lines_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/lines"
)

func TestTellsOfError(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		`{"level":"ERROR","msg":"x"}`:            true,
		`{"level":"ERROR+4","msg":"x"}`:          true,
		` {"severity":"critical","message":"x"}`: true,
		`{"level":50,"msg":"x"}`:                 true,
		`{"levelname":"CRITICAL"}`:               true,
		`{"level":40,"msg":"ERROR"}`:             false,
		`{"level":"info","msg":"panic: no"}`:     false,
		`{"level":"errorless"}`:                  false,
		`{"level":null,"lvl":"error"}`:           true,
		`{"msg":"ERROR"}`:                        false,
		`{"level":"ERROR"`:                       true,
		`{not JSON: ERROR`:                       true,
		"2026/01/02 ERROR no disk":               true,
		"[ERROR] no disk":                        true,
		"FATAL":                                  true,
		"panic: no map":                          true,
		"Traceback (most recent call last):":     true,
		"TypeError: x is undefined":              true,
		"sqlite3.OperationalError: locked":       true,
		"error: no disk":                         true,
		`time=1 level=error msg="no disk"`:       true,
		"no errors":                              false,
		"ERRORS=0":                               false,
		"ERR=0":                                  false,
		"TERROR":                                 false,
		"an error: it may be":                    false,
		"":                                       false,
	} {
		if got := (lines.Filter{Errors: true}).Take(api.LogLine{Stream: "out", Text: line}); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
	if (lines.Filter{Errors: true}).Take(api.LogLine{Stream: "plat", Text: "ERROR"}) {
		t.Error("what plat says of a service is no error of its output")
	}
}

// TestTailOfWhatIsPicked counts the lines that the filter takes, of each
// service, and keeps them in the order of time.
func TestTailOfWhatIsPicked(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	read := func(_ context.Context, q api.LogQuery, each func(api.LogLine) error) error {
		if q.Tail != 0 {
			t.Errorf("the tail of %d was taken before", q.Tail)
		}
		for i, text := range []string{"a Yes 1", "b yes 2", "a yes 3", "b no", "a yes 4", "b YES 5", "a no"} {
			service, text, _ := strings.Cut(text, " ")
			if err := each(api.LogLine{Time: at.Add(time.Duration(i) * time.Second), Service: service, Text: text}); err != nil {
				return err
			}
		}
		return nil
	}
	var got []string
	err := lines.Filter{Text: "yEs"}.From(read)(t.Context(), api.LogQuery{Tail: 2}, func(l api.LogLine) error {
		got = append(got, l.Service+" "+l.Text)
		return nil
	})
	if want := []string{"b yes 2", "a yes 3", "a yes 4", "b YES 5"}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// TestTimes are local and short for a person, and whole for a machine.
func TestTimes(t *testing.T) {
	t.Parallel()
	l := api.LogLine{Time: time.Date(2026, 1, 2, 3, 4, 5, 67e6, time.UTC), Service: "web", Instance: "web-1", Stream: "out", Text: "hello"}
	for person, want := range map[bool]string{
		false: "2026-01-02T03:04:05.067Z web-1 | hello\n",
		true:  l.Time.Local().Format("15:04:05.000") + " web-1 | hello\n",
	} {
		var out bytes.Buffer
		p := lines.Printer{Out: &out, Paint: func(_, s string) string { return s }, Person: person, Times: true}
		if err := p.Print(l); err != nil || out.String() != want {
			t.Errorf("%q, %v; want %q", out.String(), err, want)
		}
	}
}

// TestForAPerson shortens a JSON line, and leaves any other, and any in a pipe.
func TestForAPerson(t *testing.T) {
	t.Parallel()
	text := `{"time":"now","level":"ERROR","msg":"cannot pay","trace_id":"7","order":42,"why":"no money"}`
	for _, c := range []struct {
		person     bool
		text, want string
	}{
		{true, text, `web-1 | <31:ERROR> cannot pay <2:order=>42 <2:why=>"no money"` + "\n"},
		{true, `{"time":"now"}`, `web-1 | {"time":"now"}` + "\n"},
		{true, "ERROR", "web-1 | ERROR\n"},
		{false, text, "web-1 | " + text + "\n"},
	} {
		var out bytes.Buffer
		paint := func(code, s string) string {
			if code == "36" { // the name's
				return s
			}
			return "<" + code + ":" + s + ">"
		}
		p := lines.Printer{Out: &out, Paint: paint, Person: c.person}
		if err := p.Print(api.LogLine{Service: "web", Instance: "web-1", Stream: "err", Text: c.text}); err != nil || out.String() != c.want {
			t.Errorf("%q, %v; want %q", out.String(), err, c.want)
		}
	}
}
