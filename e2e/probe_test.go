package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// TestJourneysOfTestCustomers plays the journeys that MusicCorp declares: they
// pass, nothing real is done for them, and what is broken is named.
func TestJourneysOfTestCustomers(t *testing.T) {
	t.Parallel()
	h := house.Up(t, house.MusicCorp(t))
	client := operator(t, h)

	out, code := h.Plat("probe", "run")
	if code != 0 || strings.Count(out, "passed in") != 2 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	journeys, err := client.Journeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var last api.JourneyRun
	for _, j := range journeys {
		if len(j.Runs) == 0 || !j.Runs[0].Passed || j.Every == "" || j.Owner == "" {
			t.Errorf("%s: %+v", j.Name, j)
			continue
		}
		last = j.Runs[0]
	}
	if last.TraceID == "" || last.Steps[0].CorrelationID != last.Run {
		t.Errorf("a run is not one piece of work: %+v", last)
	}

	// The events that follow from a customer's own order are handled after
	// those of the test, so that its mail shows what the test's would have.
	shop := shop{t, h.Gateway}
	a := house.Call(t, "POST", h.Gateway+"/api/customers", map[string]any{"name": "Mallory", "email": "mallory@example.com"},
		"Plat-Test", "1.purchase."+last.Run+".4000000000.bm9ib2R5IGhhcyBzaWduZWQgdGhpcw")
	if a.Status != 201 {
		t.Fatalf("register: %d %s", a.Status, a.Body)
	}
	var customer struct{ ID string }
	a.JSON(t, &customer)
	shop.settled(shop.buy(customer.ID, "mallory-1", shop.search("a"), 1))
	house.Until(t, "mails to who only pretends to be a test", func() (bool, string) {
		box, err := client.Mails(t.Context())
		if err != nil {
			return false, err.Error()
		}
		n, text := 0, ""
		for _, m := range box.Mails {
			text += strings.Join(m.To, ",") + " " + m.Subject + "\n"
			if strings.Contains(strings.Join(m.To, ","), "probe.invalid") {
				t.Fatalf("a test customer got a mail: %+v", m)
			}
			if m.To[0] == "mallory@example.com" {
				n++
			}
		}
		return n == 2, text
	})

	if out, code := h.Plat("scale", "warehouse=0"); code != 0 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	began := time.Now()
	out, code = h.Plat("probe", "run", "purchase")
	if code != 1 {
		t.Fatalf("without a warehouse: exit %d:\n%s", code, out)
	}
	contains(t, "the failure", out, "purchase: failed", `dispatched: /status is "placed", expected "dispatched", after `, "[probe-failed]", "the answer began:", `"status":"placed"`)
	if took := time.Since(began); took > time.Minute { // one on schedule may have gone before
		t.Errorf("it took %s to say so", took)
	}
}
