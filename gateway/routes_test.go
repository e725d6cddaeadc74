package gateway_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// TestPatterns: {NAME} stands for one segment; more segments win, then plain
// ones, whatever the order of declaration.
func TestPatterns(t *testing.T) {
	t.Parallel()
	routes := []plan.Route{
		route("/api/customers", "customer"),
		route("/api/customers/{customer}/points", "loyalty"),
		route("/api/customers/{who}/points/{when}", "history"),
		route("/api/customers/me/points", "me"),
		route("/api/{thing}/{id}/points", "points"),
		route("/{language}", "translated"),
		route("/", "web"),
	}
	for range 2 {
		for path, want := range map[string]string{
			"/":                                "web",
			"/de":                              "translated",
			"/de/albums":                       "translated",
			"/api":                             "translated",
			"/api/customers":                   "customer",
			"/api/customers/7":                 "customer",
			"/api/customers/7/orders":          "customer",
			"/api/customers/7/pointsold":       "customer",
			"/api/customers/points":            "customer",
			"/api/customers/7/points":          "loyalty",
			"/api/customers/7/points/":         "loyalty",
			"/api/customers/me/points":         "me",
			"/api/customers/me/points/2026":    "history",
			"/api/customers/7/points/2026/jan": "history",
			"/api/albums/7/points":             "points",
			"/api/albums/7":                    "translated",
		} {
			if got := gateway.Match(routes, path); got != want {
				t.Errorf("%s goes to %q, want %q", path, got, want)
			}
		}
		slices.Reverse(routes)
	}
	only := []plan.Route{route("/api/{thing}/points", "points")}
	for _, path := range []string{"/", "/api", "/api/x", "/other/x/points", "/api/x/y/points", strings.Repeat("/", 1000)} {
		if got := gateway.Match(only, path); got != "" {
			t.Errorf("%s goes to %q, want nowhere", path, got)
		}
	}
}
