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
	} {
		if got := telemetry.ParseText(text).In("Card declined for order_7", "ÜNÏON order_7"); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
