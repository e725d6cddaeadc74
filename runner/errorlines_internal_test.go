package runner

import "testing"

func TestMessageOfALine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"level":"ERROR","msg":"cannot pay","error":"no money","trace_id":"1"}`: "cannot pay: no money",
		`{"level":50,"message":"broken"}`:                                        "broken",
		`{"level":"error","msg":"cannot pay","error":{"kind":"object"}}`:         "cannot pay",
		`{"level":"error"}`:        `{"level":"error"}`,
		`{"level":"error","msg":7`: `{"level":"error","msg":7`,
		"panic: no map":            "panic: no map",
	} {
		if got := message(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
