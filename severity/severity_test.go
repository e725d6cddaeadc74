package severity_test

import (
	"testing"

	"github.com/plat-dev/plat/severity"
)

func TestIsError(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		`{"level":"ERROR+4","msg":"x"}`:      true,
		`{"level":50,"msg":"x"}`:             true,
		`{"level":null,"lvl":"error"}`:       true,
		`{"level":40,"msg":"ERROR"}`:         false,
		`{"level":"info","msg":"panic: no"}`: false,
		`{"level":{"name":"error"}}`:         false,
		`{"level":"ERROR"`:                   true, // cut off: no JSON
		"2026/01/02 ERROR no disk":           true,
		"sqlite3.OperationalError: locked":   true,
		"Traceback (most recent call last):": true,
		"TERROR":                             false,
		"ERR=0":                              false,
		"an error: it may be":                false,
		"":                                   false,
	} {
		if got := severity.IsError(line); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}
