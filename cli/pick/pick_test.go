package pick_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/pick"
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
		if got := (pick.Lines{Errors: true}).Take(api.LogLine{Stream: "out", Text: line}); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
	if (pick.Lines{Errors: true}).Take(api.LogLine{Stream: "plat", Text: "ERROR"}) {
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
	err := pick.Lines{Text: "yEs"}.From(read)(t.Context(), api.LogQuery{Tail: 2}, func(l api.LogLine) error {
		got = append(got, l.Service+" "+l.Text)
		return nil
	})
	if want := []string{"b yes 2", "a yes 3", "a yes 4", "b YES 5"}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}
