package kit_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/plat-dev/plat/kit"
)

// TestSynthetic: a test customer is known in a handler, by whom it calls, and
// in the log.
func TestSynthetic(t *testing.T) {
	t.Parallel()
	const mark = "1.purchase.r1.1800000060.x"
	var passed string
	neighbour := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passed = r.Header.Get("Plat-Test")
		_, _ = io.WriteString(w, "{}")
	}))
	defer neighbour.Close()
	web := start(t, map[string]string{"PLAT_URL_ORDER": neighbour.URL}, func(s *kit.Service) error {
		c := s.Client("order")
		s.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
			journey, ok := kit.Synthetic(r.Context())
			s.Log().InfoContext(r.Context(), "asked", "ok", ok)
			if err := c.Get(r.Context(), "/", nil); err != nil {
				kit.WriteProblem(w, r, kit.ProblemFrom(err))
			}
			_, _ = io.WriteString(w, journey)
		})
		return nil
	})
	if a := ask(t, http.MethodGet, web.URL(), "", "Plat-Test", mark); a.body != "purchase" || passed != mark {
		t.Errorf("journey %q, the neighbour got %q", a.body, passed)
	}
	if line := web.log.find(t, "asked"); line["test"] != "purchase" || line["ok"] != true {
		t.Errorf("log line %v", line)
	}
	if a := ask(t, http.MethodGet, web.URL(), ""); a.body != "" || passed != "" {
		t.Errorf("journey %q of a customer, the neighbour got %q", a.body, passed)
	}
}

func TestMarkInAContext(t *testing.T) {
	t.Parallel()
	ctx := kit.WithTestMark(context.Background(), "2.later.format")
	if journey, ok := kit.Synthetic(ctx); journey != "later" || !ok {
		t.Errorf("of a later format: %q %v: it must stay a test", journey, ok)
	}
	if _, ok := kit.Synthetic(kit.WithTestMark(ctx, "")); ok {
		t.Error("an empty mark is none")
	}
	for _, wrong := range []string{"", "a\nb", strings.Repeat("x", 257)} {
		if _, ok := kit.Synthetic(kit.WithTestMark(context.Background(), wrong)); ok {
			t.Errorf("%q is a mark", wrong)
		}
	}
}
