package telemetry_test

import (
	"testing"

	"github.com/plat-dev/plat/telemetry"
)

// TestTerms: words stand in any case and whole, a phrase as it is.
func TestTerms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"":                     true,
		"card DECLINED":        true,
		"declin":               false,
		`"Card declined"`:      true,
		`"card declined"`:      false,
		`order "Card declin"`:  false, // its words are not there whole
		`order "rd declined"`:  false,
		"ünïon order_7":        true,
		`7`:                    false,
		`"Card" missing`:       false,
		`declined "order_7" `:  true,
		`"unended order_7 for`: false,
		"rock-n-roll":          true, // a word with hyphens stands as it is written
		"ROCK-n":               true,
		"roll-n-rock":          false,
		"n":                    true,
		"cafe":                 false, // a mark belongs to its letter
		"Cafe\u0301":           true,
		"plan":                 false, // a key, no value
		`" "`:                  true,
	} {
		if got := telemetry.ParseText(text).In([]telemetry.Attribute{{Key: "plan", Value: "ÜNÏON order_7"}}, "Card declined for order_7", "rock-n-roll at the cafe\u0301"); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
