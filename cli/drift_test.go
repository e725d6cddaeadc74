package cli_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/plat-dev/plat/api"
)

// TestDriftSaysWhatItCannotSay: declared calls that are not judged yet are
// named, and a patch has no change that alone settles nothing.
func TestDriftSaysWhatItCannotSay(t *testing.T) {
	t.Parallel()
	var found api.Findings
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/findings", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(found) })
	root := running(t, mux)
	found.NotJudged = []api.NotJudged{{Caller: "order", Callee: "catalog", Used: 0.1234, Of: 3600}, {Caller: "web", Callee: "loyalty", Used: 754.3, Of: 5400}}
	_, said, code := plat(t, 0, "-C", root, "drift")
	if want := "2 unused declarations not judged yet, since their callers were in use too shortly: order → catalog (100ms of 1h), web → loyalty (12m34s of 1h30m)"; code != 0 || !strings.Contains(said, want) || !strings.Contains(said, "the system is as the plan says") {
		t.Errorf("exit %d: %s", code, said)
	}
	for range 9 {
		found.NotJudged = append(found.NotJudged, api.NotJudged{Caller: "a", Callee: "b", Of: 3600})
	}
	if _, said, _ := plat(t, 0, "-C", root, "drift"); !strings.Contains(said, "(0s of 1h), 6 more") {
		t.Error(said)
	}
	found.Findings = []api.Finding{{ID: "ff2632b29", Code: "drift-shared-store", What: "reports opens the store of warehouse", Remedy: "let it ask", Diff: "+ warehouse: {}", Part: true}}
	out, said, code := plat(t, 0, "-C", root, "drift", "--patch")
	if code != 0 || out != "" || !strings.Contains(said, "ff2632b29: no change of the plan alone settles it: let it ask") {
		t.Errorf("exit %d: %s\n%s", code, out, said)
	}
}
