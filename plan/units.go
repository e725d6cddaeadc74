package plan

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time that is written with its unit ("200ms",
// "1s", "7y"). Days, weeks and years are 24 h, 7 d and 365 d: enough for
// retention, wrong for calendars.
type Duration time.Duration

// ParseDuration reads a duration with its unit: ns, us, ms, s, m, h as in
// time.ParseDuration, and d, w, y. "0s" is allowed, a bare "0" is not, nor is
// a sign. The error says whether the unit is what lacks.
func ParseDuration(s string) (Duration, error) {
	if _, bare := decimal(s); bare || s == "" {
		return 0, fmt.Errorf("%q %w", s, errNoUnit)
	}
	number, unit := s[:len(s)-1], time.Duration(0)
	switch s[len(s)-1] {
	case 'd':
		unit = day
	case 'w':
		unit = 7 * day
	case 'y':
		unit = 365 * day
	default:
		d, err := time.ParseDuration(s)
		if err != nil || s[0] == '-' || s[0] == '+' {
			return 0, fmt.Errorf("%q is not a duration", s)
		}
		return Duration(d), nil
	}
	n, ok := multiply(number, int64(unit))
	if !ok {
		return 0, fmt.Errorf("%q is not a duration", s)
	}
	return Duration(n), nil
}

// errNoUnit is wrapped by the errors of values that are only a number.
var errNoUnit = errors.New("has no unit")

// decimal reads digits with at most one fraction, and nothing else that
// strconv would take (signs, exponents, hexadecimal, infinity).
func decimal(s string) (float64, bool) {
	whole, fraction, dotted := strings.Cut(s, ".")
	if !digits(whole) || dotted && !digits(fraction) {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// multiply is number times unit, exact for whole numbers.
func multiply(number string, unit int64) (int64, bool) {
	n, ok := decimal(number)
	if !ok || n*float64(unit) >= math.MaxInt64 {
		return 0, false
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
		return whole * unit, whole <= math.MaxInt64/unit
	}
	return int64(math.Round(n * float64(unit))), true
}

const day = 24 * time.Hour

// Std is the duration as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String prints the duration in its largest whole unit.
func (d Duration) String() string {
	t := time.Duration(d)
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{365 * day, "y"}, {day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "us"}} {
		if t != 0 && t%u.unit == 0 {
			return strconv.FormatInt(int64(t/u.unit), 10) + u.name
		}
	}
	if t == 0 {
		return "0s"
	}
	return t.String()
}

// MarshalText writes what ParseDuration reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

// Size is a number of bytes, written with its unit ("256MiB").
type Size int64

type sizeUnit struct {
	name  string
	bytes int64
}

// sizeUnits lists the units, the largest of each kind first.
func sizeUnits() [9]sizeUnit {
	return [...]sizeUnit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}}
}

// ParseSize reads a size with its unit: B, KB, MB, GB, TB (powers of 1000)
// or KiB, MiB, GiB, TiB (powers of 1024).
func ParseSize(s string) (Size, error) {
	for _, u := range sizeUnits() {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, ok := multiply(number, u.bytes)
		if !ok {
			return 0, fmt.Errorf("%q is not a size", s)
		}
		return Size(n), nil
	}
	if _, bare := decimal(s); bare || s == "" {
		return 0, fmt.Errorf("%q %w", s, errNoUnit)
	}
	return 0, fmt.Errorf("%q is not a size", s)
}

// String prints the size in the whole unit that takes the fewest digits, and
// of two the power of 1024.
func (s Size) String() string {
	best := strconv.FormatInt(int64(s), 10) + "B"
	for _, u := range sizeUnits() {
		if s == 0 || int64(s)%u.bytes != 0 {
			continue
		}
		number := strconv.FormatInt(int64(s)/u.bytes, 10)
		if len(number) < len(strings.TrimRight(best, "TGMKiB")) {
			best = number + u.name
		}
	}
	return best
}

// MarshalText writes what ParseSize reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Size) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSize(string(text))
	return err
}

// Percent is a share of a hundred, written with its sign ("99.9%").
type Percent float64

// ParsePercent reads a percentage from 0% to 100%.
func ParsePercent(s string) (Percent, error) {
	number, signed := strings.CutSuffix(s, "%")
	n, ok := decimal(number)
	switch {
	case !signed && (ok || s == ""):
		return 0, fmt.Errorf("%q %w", s, errNoUnit)
	case !signed || !ok || n > 100:
		return 0, fmt.Errorf("%q is not a percentage from 0%% to 100%%", s)
	}
	return Percent(n), nil
}

// String prints the percentage with its sign.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// MarshalText writes what ParsePercent reads.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Percent) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePercent(string(text))
	return err
}

func isNoUnit(err error) bool { return errors.Is(err, errNoUnit) }
