package main

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBasket(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]basket{
		"":                         nil,
		"MC-0001*2":                {{"MC-0001", 2}},
		"MC-0001*2.MC-0002*1":      {{"MC-0001", 2}, {"MC-0002", 1}},
		"MC-0001*2.MC-0001*7":      {{"MC-0001", 2}},
		"MC-0001*999":              {{"MC-0001", maxQuantity}},
		"MC-0001*0.MC-0002*-1":     nil,
		"MC-0001.*3.x*y.MC-0002*1": {{"MC-0002", 1}},
		"a b*1.<x>*1":              nil,
	} {
		if diff := cmp.Diff(want, parseBasket(text)); diff != "" {
			t.Errorf("parseBasket(%q) (-want +got):\n%s", text, diff)
		}
	}

	var full basket
	for i := range maxLines {
		var ok bool
		if full, ok = full.with(fmt.Sprintf("MC-%04d", i), 1); !ok {
			t.Fatalf("no room for album %d", i)
		}
	}
	if more, ok := full.with("MC-9999", 1); ok || len(more) != maxLines {
		t.Errorf("a full basket took another album")
	}
	if same, ok := full.with("MC-0003", 2); !ok || same.quantity("MC-0003") != 2 {
		t.Errorf("a full basket refused more of what is in it")
	}
	if less, ok := full.with("MC-0003", 0); !ok || len(less) != maxLines-1 {
		t.Errorf("a full basket could not be emptied")
	}
}

// FuzzParseBasket: whatever a cookie holds, the basket stays within its
// limits and survives being written and read.
func FuzzParseBasket(f *testing.F) {
	for _, seed := range []string{"", "MC-0001*2.MC-0002*1", "*", ".", "MC-0001*99999999999999999999", "\x00*1", "a*1.a*2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b := parseBasket(text)
		if len(b) > maxLines {
			t.Errorf("%d lines", len(b))
		}
		for _, l := range b {
			if l.Quantity < 1 || l.Quantity > maxQuantity || !skuPattern.MatchString(l.SKU) {
				t.Errorf("line %+v", l)
			}
		}
		if diff := cmp.Diff(b, parseBasket(b.String())); diff != "" {
			t.Errorf("written and read (-before +after):\n%s", diff)
		}
	})
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]money{
		"€0.00":             {0, "EUR"},
		"€0.05":             {5, "EUR"},
		"€12.99":            {1299, "EUR"},
		"€1,200.50":         {120050, "EUR"},
		"€1,234,567.89":     {123456789, "EUR"},
		"-€3.00":            {-300, "EUR"},
		"SEK\u00a01,000.00": {100000, "SEK"},
	} {
		if got := m.String(); got != want {
			t.Errorf("%d %s is %q, want %q", m.Amount, m.Currency, got, want)
		}
	}
}
