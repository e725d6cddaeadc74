package cache

import (
	"net/http"
	"strings"
	"time"
)

// dateOf reads the first date of a field.
func dateOf(h http.Header, name string, now time.Time) (time.Time, bool) {
	lines := h[name]
	if len(lines) == 0 {
		return time.Time{}, false
	}
	return parseDate(lines[0], now)
}

const rfc850 = "Monday, 02-Jan-06 15:04:05 GMT"

// parseDate reads the three forms of an HTTP-date (RFC 9110, 5.6.7) to the
// letter, but for capitals (RFC 9111, 4.2): what is nearly a date may be meant
// otherwise, and then an answer would be fresh that is not. http.ParseTime is
// too kind for that.
func parseDate(s string, now time.Time) (time.Time, bool) {
	s = strings.ToUpper(s)
	plain := strings.Replace(s, ":60 ", ":59 ", 1) // a leap second, which Go does not know
	for _, layout := range []string{http.TimeFormat, rfc850, time.ANSIC} {
		t, err := time.Parse(layout, plain)
		if err != nil {
			continue
		}
		_, is, _ := strings.Cut(strings.ToUpper(t.Format(layout)), " ")
		if _, want, _ := strings.Cut(plain, " "); is != want {
			return time.Time{}, false // blanks or figures too many or too few
		}
		if plain != s {
			t = t.Add(time.Second)
		}
		if layout == rfc850 { // two figures: no more than 50 years ahead
			t = t.AddDate(now.Year()/100*100-t.Year()/100*100, 0, 0)
			if t.Year() > now.Year()+50 {
				t = t.AddDate(-100, 0, 0)
			}
		}
		return t, true
	}
	return time.Time{}, false
}
