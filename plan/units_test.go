package plan_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/plan"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"200ms": 200 * time.Millisecond, "1h30m": 90 * time.Minute, "1.5s": 1500 * time.Millisecond, "0s": 0, "7d": 7 * 24 * time.Hour,
		"2w": 14 * 24 * time.Hour, "7y": 7 * 365 * 24 * time.Hour, "0.5d": 12 * time.Hour, "10us": 10 * time.Microsecond, "3ns": 3,
	} {
		got, err := plan.ParseDuration(text)
		if err != nil || got.Std() != want {
			t.Errorf("%s is %v, %v; want %v", text, got.Std(), err, want)
		}
	}
	for text, word := range map[string]string{
		"": "no unit", "0": "no unit", "200": "no unit", "1.5": "no unit", "-1s": "not a duration", "+1s": "not a duration", "1 s": "not a duration",
		"s": "not a duration", "d": "not a duration", "1e3d": "not a duration", "0x1d": "not a duration", "infd": "not a duration", "nand": "not a duration",
		"-0d": "not a duration", "293y": "not a duration", "99999999999999999999s": "not a duration", ".5d": "not a duration", "1d1d": "not a duration",
	} {
		if got, err := plan.ParseDuration(text); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q is %v, %v; want an error with %q", text, got, err, word)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]plan.Size{
		"256MiB": 256 << 20, "1.5GiB": 3 << 29, "2GB": 2e9, "64KiB": 64 << 10, "7B": 7, "0B": 0, "1TB": 1e12, "1TiB": 1 << 40,
		"9007199254740993B": 9007199254740993, "1.1KB": 1100,
	} {
		if got, err := plan.ParseSize(text); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", text, got, err, want)
		}
	}
	for text, word := range map[string]string{
		"": "no unit", "256": "no unit", "256M": "not a size", "256mib": "not a size", "-1B": "not a size", "1 MiB": "not a size", "B": "not a size",
		"1e3B": "not a size", "0x1B": "not a size", "9999999999TiB": "not a size", "9223372036854775808B": "not a size",
	} {
		if got, err := plan.ParseSize(text); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q is %v, %v; want an error with %q", text, got, err, word)
		}
	}
}

func TestParsePercent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]plan.Percent{"99.9%": 99.9, "0%": 0, "100%": 100, "99.999%": 99.999} {
		if got, err := plan.ParsePercent(text); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	for text, word := range map[string]string{
		"": "no unit", "99.9": "no unit", "0.999": "no unit", "101%": "not a percentage", "-1%": "not a percentage", "NaN%": "not a percentage",
		"%": "not a percentage", "1e1%": "not a percentage", "99.9 %": "not a percentage", "many": "not a percentage",
	} {
		if got, err := plan.ParsePercent(text); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q is %v, %v; want an error with %q", text, got, err, word)
		}
	}
}

func TestUnitsPrintInTheirLargestWholeUnit(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"7y": plan.Duration(7 * 365 * 24 * time.Hour).String(), "36h": plan.Duration(36 * time.Hour).String(), "1500ms": plan.Duration(1500 * time.Millisecond).String(),
		"0s": plan.Duration(0).String(), "7ns": plan.Duration(7).String(), "256MiB": plan.Size(256 << 20).String(), "1500MB": plan.Size(1500e6).String(), "2GB": plan.Size(2e9).String(), "0B": plan.Size(0).String(),
		"1001B": plan.Size(1001).String(), "99.9%": plan.Percent(99.9).String(),
	} {
		if got != want {
			t.Errorf("printed %s, want %s", got, want)
		}
	}
}

// FuzzUnits holds that what is read is in range, and that what is printed
// reads back as the same.
func FuzzUnits(f *testing.F) {
	for _, seed := range []string{"", "0", "1s", "1h1m1.5s", "7y", "292y", "0.1d", "256MiB", "0.3TiB", "9223372036854775807B", "99.9%", "100%", "1e9s", "µs", "1µs", "-1s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := plan.ParseDuration(text); err == nil {
			if back, err := plan.ParseDuration(d.String()); err != nil || back != d || d < 0 {
				t.Errorf("%q read as %d prints %s and reads back as %d, %v", text, d, d, back, err)
			}
		}
		if s, err := plan.ParseSize(text); err == nil {
			if back, err := plan.ParseSize(s.String()); err != nil || back != s || s < 0 {
				t.Errorf("%q read as %d prints %s and reads back as %d, %v", text, s, s, back, err)
			}
		}
		if p, err := plan.ParsePercent(text); err == nil {
			if back, err := plan.ParsePercent(p.String()); err != nil || back != p || p < 0 || p > 100 || math.IsNaN(float64(p)) {
				t.Errorf("%q read as %v prints %s and reads back as %v, %v", text, float64(p), p, back, err)
			}
		}
	})
}
