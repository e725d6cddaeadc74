package serve_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/api/serve"
)

// kept is a Queuer with a few calls.
type kept struct{ serve.Queuer }

func (kept) KeptCalls(dead bool) api.KeptCalls {
	all := api.KeptCalls{}
	for _, c := range []api.KeptCall{
		{ID: "1", Caller: "order", Service: "finance", State: "waiting"},
		{ID: "2", Caller: "order", Service: "finance", State: "waiting"},
		{ID: "3", Caller: "order", Service: "finance", State: "dead"},
		{ID: "4", Caller: "order", Service: "finance", State: "waiting", Test: true},
		{ID: "5", Caller: "web", Service: "finance", State: "dead"},
	} {
		if !dead || c.State == "dead" {
			all.Calls = append(all.Calls, c)
		}
	}
	return all
}

func TestKeptCallsOfOneQueue(t *testing.T) {
	t.Parallel()
	f := &fake{}
	handler := serve.New(serve.Options{Source: f, Operator: f, Viewer: f, Mailbox: f, Queuer: kept{}, Wires: f.wires(), Base: "http://127.0.0.1:1", Token: "operator", Version: "1"})
	for query, want := range map[string]struct {
		ids  []string
		more int
	}{
		"":                              {[]string{"1", "2", "3", "4", "5"}, 0},
		"?caller=order&service=finance": {[]string{"1", "2", "3", "4"}, 0},
		"?caller=order&service=finance&test=false": {[]string{"1", "2", "3"}, 0},
		"?caller=order&service=finance&test=true":  {[]string{"4"}, 0},
		"?dead=true&caller=web":                    {[]string{"5"}, 0},
		"?limit=2":                                 {[]string{"1", "2"}, 3},
		"?caller=order&dead=true&limit=1":          {[]string{"3"}, 0},
		"?service=order":                           {nil, 0},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/v1/queues/calls"+query, nil)
		r.Header.Set("Authorization", "Bearer operator")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var got api.KeptCalls
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
			continue
		}
		var ids []string
		for _, c := range got.Calls {
			ids = append(ids, c.ID)
		}
		if diff := cmp.Diff(want.ids, ids); diff != "" || got.More != want.more {
			t.Errorf("%q: %d more, want %d (-want +got):\n%s", query, got.More, want.more, diff)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/v1/queues/calls?limit=-1", nil)
	r.Header.Set("Authorization", "Bearer operator")
	w := httptest.NewRecorder()
	if handler.ServeHTTP(w, r); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("limit -1: %d %s", w.Code, w.Body)
	}
}
