package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/plat-dev/plat/kit"
)

func TestEventsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, openBox(t, "").address)
	for eventType, bad := range map[string][]any{
		"customer.registered": {
			"nonsense", customerRegistered{Name: "Ada", Email: "ada@example.com"}, customerRegistered{"1", "Ada", ""},
			customerRegistered{"1", "Ada", "ada"}, customerRegistered{"1", "Ada", "Ada <ada@example.com>"},
			customerRegistered{"1", "Ada", "ada@example.com\r\nBcc: eve@example.com"}, customerRegistered{"1", "Ada", "ada@example.com, eve@example.com"},
		},
		"order.dispatched": {1, orderDispatched{Order: "1"}, orderDispatched{Customer: "2"}},
	} {
		for _, data := range bad {
			if err := r.deliver(t, event(t, eventType, data)); err == nil || strings.Contains(err.Error(), "@") {
				t.Errorf("%s: %v: %v", eventType, data, err)
			}
		}
	}
	if mails := r.mails(t, ""); len(mails) != 0 {
		t.Errorf("mails: %+v", mails)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	b := openBox(t, "")
	r := start(t, b.address)
	zoe := ada()
	r.happens(t, "customer.registered", zoe)
	for range 4 {
		r.happens(t, "order.dispatched", orderDispatched{Order: uuid.NewString(), Customer: zoe.Customer, Parcel: uuid.NewString()})
	}
	r.happens(t, "order.dispatched", orderDispatched{Order: uuid.NewString(), Customer: uuid.NewString(), Parcel: uuid.NewString()})
	b.take(t, 5)
	await(t, "the marks", func() bool { return len(r.mails(t, "status=sent")) == 5 })

	var kinds []Kind
	for path := "/api/mails?limit=2&customer=" + strings.ToUpper(zoe.Customer); path != ""; {
		page := getAs[mailList](t, r, path, http.StatusOK)
		for _, m := range page.Embedded.Mails {
			if kinds = append(kinds, m.Kind); m.Status != Sent || m.Sent == nil || m.Attempts != 1 {
				t.Errorf("%+v", m)
			}
		}
		path = page.Links["next"].Href
	}
	if len(kinds) != 5 || kinds[0] != Dispatched || kinds[4] != Welcome {
		t.Errorf("kinds %v", kinds)
	}
	if waiting := r.mails(t, "status=waiting"); len(waiting) != 1 || waiting[0].Sent != nil {
		t.Errorf("waiting: %+v", waiting)
	}
	for _, query := range []string{"customer=ada", "status=lost", "limit=0"} {
		if p := getAs[kit.Problem](t, r, "/api/mails?"+query, http.StatusUnprocessableEntity); p.CorrelationID == "" {
			t.Errorf("%s: %+v", query, p)
		}
	}
	if status, body := r.get(t, "/api/mails"); status != http.StatusOK || strings.Contains(string(body), "zoe@example.com") {
		t.Errorf("%d: the list holds addresses: %s", status, body)
	}
}
