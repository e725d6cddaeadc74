package cache

import (
	"net/http"
	"testing"
	"time"
)

func TestParseDate(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	day := time.Date(2050, 8, 18, 2, 1, 18, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"Thu, 18 Aug 2050 02:01:18 GMT":        day,
		"THU, 18 auG 2050 02:01:18 gmt":        day,
		"Thursday, 18-Aug-50 02:01:18 GMT":     day,
		"thursday, 18-AUG-50 02:01:18 gMT":     day,
		"Thu Aug 18 02:01:18 2050":             day,
		"Thu Aug  8 02:01:18 2050":             day.AddDate(0, 0, -10),
		"Tuesday, 18-Aug-92 02:01:18 GMT":      time.Date(1992, 8, 18, 2, 1, 18, 0, time.UTC), // more than 50 years on is past
		"Monday, 18-Aug-70 02:01:18 GMT":       time.Date(2070, 8, 18, 2, 1, 18, 0, time.UTC), // less is to come
		"Thu, 31 Dec 1998 23:59:60 GMT":        time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		"Thu, 18 Aug 2050 02:01:18 UTC":        {},
		"Thu, 18 Aug 2050 02:01:18 +00":        {},
		"Thu, 18 Aug 2050 2:01:18 GMT":         {},
		"Thu, 18  Aug  2050 02:01:18 GMT":      {},
		"Thu, 18-Aug-2050 02:01:18 GMT":        {},
		"Thu, 18 Aug 2050 02.01.18 GMT":        {},
		"Thu 18 Aug 2050 02:01:18 GMT":         {},
		"Thu, 18 Aug 50 02:01:18 GMT":          {},
		"Thu, 8 Aug 2050 02:01:18 GMT":         {},
		"Thu, 31 Feb 2050 02:01:18 GMT":        {},
		"Thu, 00 Aug 2050 02:01:18 GMT":        {},
		"Thu, 18 Aug 2050 24:01:18 GMT":        {},
		"Thu, 18 Aug 2050 02:60:18 GMT":        {},
		"Thu, 18 Ugs 2050 02:01:18 GMT":        {},
		"Thx, 18 Aug 2050 02:01:18 GMT":        {},
		"Thursday, 18-Aug-2050 02:01:18 GMT":   {},
		"Thu, 18 Aug 2050 02:01:18 GMT, again": {},
		"0":                                    {},
		"":                                     {},
	} {
		if got, ok := parseDate(s, now); ok == want.IsZero() || !got.Equal(want) {
			t.Errorf("%q is %v %v, want %v", s, got, ok, want)
		}
	}
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{"Thu, 18 Aug 2050 02:01:18 GMT", "Thursday, 18-Aug-50 02:01:18 GMT", "Thu Aug  8 02:01:18 2050", "Sun, 31 Dec 0000 23:59:60 GMT", "0"} {
		f.Add(s)
	}
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseDate(s, now)
		if !ok {
			return
		}
		// Whatever is a date to the letter is one to Go, which knows no leap
		// seconds and has another century for two figures.
		want, err := http.ParseTime(s)
		if got.Second() == 0 || len(s) >= 30 {
			return
		}
		if err == nil && !got.Equal(want) {
			t.Errorf("%q is %v, Go has %v", s, got, want)
		}
	})
}
