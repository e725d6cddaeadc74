package telemetry_test

import (
	"slices"
	"testing"

	"github.com/plat-dev/plat/telemetry"
)

// TestWhoReceivedAnEvent: below the publisher's span, or in a trace of its own
// that links to it.
func TestWhoReceivedAnEvent(t *testing.T) {
	t.Parallel()
	publish := span("order", 1, 0, 0, 10)
	publish.Name, publish.Kind = "publish order.placed", telemetry.KindProducer
	soon := span("finance", 2, 1, 30, 10)
	late := span("loyalty", 3, 0, 100_000, 10)
	late.TraceID[0]++
	late.Kind, late.Links = telemetry.KindConsumer, []telemetry.Link{{TraceID: publish.TraceID, SpanID: publish.ID}}
	other := late
	other.ID[0]++
	other.Resource, other.Links = &telemetry.Resource{Service: "search"}, []telemetry.Link{{TraceID: late.TraceID, SpanID: publish.ID}}
	trees := []telemetry.Tree{telemetry.Assemble([]telemetry.Span{publish, soon}), telemetry.Assemble([]telemetry.Span{late, other})}
	lacking := telemetry.Undelivered(trees, map[string][]string{"order.placed": {"finance", "loyalty", "search"}})
	if got := lacking["order.placed"]; !slices.Equal(got, []string{"search"}) {
		t.Errorf("not delivered to %v", got)
	}
	if w := telemetry.LongestWait(trees); w.Service != "loyalty" || w.Event != "order.placed" || w.Length < 99_000 {
		t.Errorf("the longest wait %+v", w)
	}
}
