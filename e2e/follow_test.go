package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/plat-dev/plat/internal/house"
)

// follows wants all that follows a purchase in the services that listen: points
// at loyalty, letters of notification, what is bought together at
// recommendation, and the website's stock by gRPC.
func (s shop) follows(h *house.House) {
	t := s.t
	t.Helper()
	customer := s.register()
	points := func() (n int, said string) {
		a := house.Call(t, "GET", s.url+"/api/customers/"+customer+"/points", nil)
		var p struct{ Points int }
		if a.Status == 200 {
			a.JSON(t, &p)
		}
		return p.Points, fmt.Sprint(a.Status, " ", string(a.Body))
	}
	welcome := 0
	house.Until(t, "there are points for coming", func() (bool, string) {
		n, said := points()
		welcome = n
		return n > 0, said
	})

	skus := []string{"MC-0021", "MC-0022"}
	a := house.Call(t, "POST", s.url+"/api/orders", map[string]any{
		"customer": customer, "lines": []map[string]any{{"sku": skus[0], "quantity": 1}, {"sku": skus[1], "quantity": 1}},
	}, "Idempotency-Key", "follow-1")
	if a.Status != 202 {
		t.Fatalf("order: %d %s", a.Status, a.Body)
	}
	if got := s.settled(a.Header.Get("Location")); got.Status != "dispatched" {
		t.Fatalf("order is %+v", got)
	}
	house.Until(t, "there are points for the order", func() (bool, string) {
		n, said := points()
		return n > welcome, said
	})

	order := strings.TrimPrefix(a.Header.Get("Location"), "/api/orders/")
	house.Until(t, "a welcome and a dispatch are in the mailbox", func() (bool, string) {
		box, err := operator(t, h).Mails(t.Context())
		found := map[string]bool{}
		for _, m := range box.Mails {
			mail, err := operator(t, h).Mail(t.Context(), m.ID)
			if err != nil {
				return false, err.Error()
			}
			if !strings.Contains(strings.Join(m.To, " "), s.address()) {
				continue
			}
			if m.From != "shop@musiccorp.example" || mail.Text == "" || mail.HTML == "" || mail.Problem != "" {
				t.Errorf("mail %+v", mail)
			}
			found["welcome"] = found["welcome"] || strings.Contains(mail.Text, "welcome to MusicCorp")
			found["dispatch"] = found["dispatch"] || strings.Contains(mail.Text, order)
		}
		return err == nil && found["welcome"] && found["dispatch"], fmt.Sprintf("%v %v in %+v", err, found, box)
	})

	if r := states(t, h)["recommendation"]; r.State == "skipped" {
		t.Logf("SKIPPED: recommendation: %+v", r.Fault)
	} else {
		house.Until(t, "what was bought together is recommended", func() (bool, string) {
			a := house.Call(t, "GET", s.url+"/api/recommendations/"+skus[0], nil)
			return a.Status == 200 && strings.Contains(string(a.Body), skus[1]), fmt.Sprint(a.Status, " ", string(a.Body))
		})
	}

	if a := house.Call(t, "GET", s.url+"/albums/"+skus[0], nil); a.Status != 200 {
		t.Fatalf("the album's page: %d", a.Status)
	}
	house.Until(t, "web asked warehouse by Connect", func() (bool, string) {
		text, err := os.ReadFile(filepath.Join(h.Dir, ".plat", "access.log"))
		for line := range strings.Lines(string(text)) {
			var x struct {
				Caller, Edge, Service, Path, Method string
				Status                              int
			}
			if json.Unmarshal([]byte(line), &x) == nil && x.Service == "warehouse" && x.Path == "/musiccorp.warehouse.v1.StockService/GetAvailability" && x.Method == "GET" && x.Status == 200 && (x.Caller == "web" || x.Edge == "web") {
				return true, ""
			}
		}
		return false, fmt.Sprint(err)
	})
}
