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

// parseDate reads the three forms of an HTTP-date (RFC 9110, 5.6.7) to the
// letter, but for capitals (RFC 9111, 4.2): what is nearly a date may be meant
// otherwise, and then an answer would be fresh that is not. http.ParseTime is
// too kind for that.
func parseDate(s string, now time.Time) (time.Time, bool) {
	var d date
	switch {
	case len(s) == 29: // Sun, 06 Nov 1994 08:49:37 GMT
		d.ok = weekday(s[:3], 3) && s[3:5] == ", " && s[7] == ' ' && s[11] == ' ' && s[16] == ' ' && strings.EqualFold(s[25:], " GMT")
		d.day, d.month, d.year = d.number(s[5:7]), d.monthOf(s[8:11]), d.number(s[12:16])
		d.clock(s[17:25])
	case len(s) == 24 && s[3] == ' ': // Sun Nov  6 08:49:37 1994
		d.ok = weekday(s[:3], 3) && s[7] == ' ' && s[10] == ' ' && s[19] == ' '
		d.month, d.day, d.year = d.monthOf(s[4:7]), d.number(strings.TrimPrefix(s[8:10], " ")), d.number(s[20:])
		d.clock(s[11:19])
	case len(s) >= 30 && s[len(s)-24] == ',': // Sunday, 06-Nov-94 08:49:37 GMT
		day, rest := s[:len(s)-24], s[len(s)-22:]
		d.ok = weekday(day, 0) && s[len(s)-23] == ' ' && rest[2] == '-' && rest[6] == '-' && rest[9] == ' ' && strings.EqualFold(rest[18:], " GMT")
		d.day, d.month, d.year = d.number(rest[:2]), d.monthOf(rest[3:6]), d.number(rest[7:9])
		d.clock(rest[10:18])
		if d.year += now.Year() / 100 * 100; d.year > now.Year()+50 {
			d.year -= 100
		}
	}
	return d.time()
}

type date struct {
	ok                                     bool
	year, month, day, hour, minute, second int
}

// number reads digits; anything else makes that there is no date.
func (d *date) number(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			d.ok = false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n
}

func (d *date) monthOf(s string) int {
	const months = "janfebmaraprmayjunjulaugsepoctnovdec"
	at := strings.Index(months, strings.ToLower(s))
	d.ok = d.ok && at >= 0 && at%3 == 0
	return at/3 + 1
}

func (d *date) clock(s string) {
	d.ok = d.ok && s[2] == ':' && s[5] == ':'
	d.hour, d.minute, d.second = d.number(s[:2]), d.number(s[3:5]), d.number(s[6:])
}

func (d *date) time() (time.Time, bool) {
	if !d.ok || d.hour > 23 || d.minute > 59 || d.second > 60 { // 60: a leap second
		return time.Time{}, false
	}
	day := time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC)
	if day.Day() != d.day {
		return time.Time{}, false // there is no such day
	}
	return day.Add(time.Duration(d.hour)*time.Hour + time.Duration(d.minute)*time.Minute + time.Duration(d.second)*time.Second), true
}

// weekday tells whether a name is that of a day; letters: so many of it, 0: all.
func weekday(s string, letters int) bool {
	for day := time.Sunday; day <= time.Saturday; day++ {
		name := day.String()
		if letters > 0 {
			name = name[:letters]
		}
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}
