package probe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/probe"
)

func TestMark(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	s := probe.NewSigner([]byte("key"))
	mark := s.Mark("purchase", "abc", now.Add(time.Minute))
	// The format is for ever: docs/wire/test-mark.md has this example.
	if want := "1.purchase.abc.1800000060.h5mW0xo8SClHDi3kKafElWduQKJkl-7ghxSULcooP3Q"; mark != want {
		t.Errorf("mark %s, want %s", mark, want)
	}
	if journey, ok := s.Verify(mark, now, true); journey != "purchase" || !ok {
		t.Errorf("%q %v", journey, ok)
	}
	for name, forged := range map[string]string{
		"empty":          "",
		"words":          "1.purchase",
		"another key":    probe.NewSigner([]byte("other")).Mark("purchase", "abc", now.Add(time.Minute)),
		"journey":        strings.Replace(mark, "purchase", "browse", 1),
		"run":            strings.Replace(mark, "abc", "abd", 1),
		"later expiry":   strings.Replace(mark, "1800000060", "1800009960", 1),
		"version":        "2" + mark[1:],
		"padding":        mark + "=",
		"cut":            mark[:len(mark)-1],
		"more":           mark + ".x",
		"no signature":   mark[:strings.LastIndex(mark, ".")+1],
		"long":           "1." + strings.Repeat("a", 300) + mark[1:],
		"moved dot":      strings.Replace(mark, ".abc", "a.bc", 1),
		"expired":        s.Mark("purchase", "abc", now),
		"far ahead":      s.Mark("purchase", "abc", now.Add(48*time.Hour)),
		"without run":    s.Mark("purchase", "", now.Add(time.Minute)),
		"no journey":     s.Mark("", "abc", now.Add(time.Minute)),
		"dotted journey": s.Mark("a.b", "abc", now.Add(time.Minute)),
	} {
		if journey, ok := s.Verify(forged, now, true); ok || journey != "" {
			t.Errorf("%s: %q passes as %q", name, forged, journey)
		}
	}
	late := s.Mark("purchase", "abc", now.Add(-time.Hour))
	if _, ok := s.Verify(late, now, false); !ok {
		t.Error("what follows late from a test customer is taken for a customer's")
	}
	if _, ok := s.Verify(strings.Replace(late, "abc", "abd", 1), now, false); ok {
		t.Error("a forged mark passes inside")
	}
}

// TestMarked: an event belongs to the journey whose mark it carries.
func TestMarked(t *testing.T) {
	t.Parallel()
	s := probe.NewSigner([]byte("key"))
	of := func(journey string) map[string][]string {
		return map[string][]string{"ce-plattest": {s.Mark(journey, "1", time.Now())}}
	}
	if meant := s.Marked("buy"); !meant(of("buy")) || meant(of("browse")) || meant(nil) || meant(map[string][]string{"ce-plattest": {"1.buy.1.1.x"}}) {
		t.Error("whose events are meant is not told")
	}
	if s.Marked("") != nil {
		t.Error("of no journey, not all are meant")
	}
}

func FuzzVerify(f *testing.F) {
	s := probe.NewSigner([]byte("key"))
	now := time.Unix(1_800_000_000, 0)
	good := s.Mark("purchase", "abc", now.Add(time.Minute))
	f.Add(good)
	f.Add("1.a.b.1.c")
	f.Fuzz(func(t *testing.T, mark string) {
		if _, ok := s.Verify(mark, now, false); ok && mark != good {
			t.Errorf("%q passes", mark)
		}
	})
}
