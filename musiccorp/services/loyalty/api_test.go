package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/plat-dev/plat/kit"
)

func TestPoints(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada, order := uuid.NewString(), uuid.NewString()
	r.mustDeliver(t, "customer.registered", customerRegistered{ada})
	r.mustDeliver(t, "order.placed", orderPlaced{order, ada, Money{1299, "EUR"}})
	r.mustDeliver(t, "order.dispatched", orderDispatched{order, ada})
	got := r.points(t, ada)
	want := pointsBody{
		Links: links{"self": {"/api/customers/" + ada + "/points?limit=20"}}, Customer: ada, Points: welcome + 12,
		Embedded: embedded{[]entryBody{{Points: 12, Reason: Ordered, Order: order}, {Points: welcome, Reason: Welcome}}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(entryBody{}, "At")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, e := range got.Embedded.Entries {
		if age := time.Since(e.At); age < 0 || age > time.Minute {
			t.Errorf("entry at %s", e.At)
		}
	}
	if capitals := r.points(t, strings.ToUpper(ada)); capitals.Points != want.Points {
		t.Errorf("in capitals the customer has %d points", capitals.Points)
	}
}

func TestNobodyHasNone(t *testing.T) {
	t.Parallel()
	r := start(t)
	if got := r.points(t, uuid.NewString()); got.Points != 0 || len(got.Embedded.Entries) != 0 {
		t.Errorf("%+v", got)
	}
	for _, path := range []string{"/api/customers/ada/points", "/api/customers/" + uuid.NewString() + "/points?limit=0", "/api/customers/" + uuid.NewString() + "/points?before=-1"} {
		if p := getAs[kit.Problem](t, r, path, http.StatusUnprocessableEntity); p.CorrelationID == "" || len(p.Errors) != 1 {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := uuid.NewString()
	for i := range 5 {
		order := uuid.NewString()
		r.mustDeliver(t, "order.dispatched", orderDispatched{order, ada})
		r.mustDeliver(t, "order.placed", orderPlaced{order, ada, Money{int64(i+1) * 100, "EUR"}})
	}
	var pages []string
	for path := "/api/customers/" + ada + "/points?limit=2"; path != ""; {
		page := getAs[pointsBody](t, r, path, http.StatusOK)
		var points []int64
		for _, e := range page.Embedded.Entries {
			points = append(points, e.Points)
		}
		pages = append(pages, fmt.Sprint(page.Points, points))
		path = page.Links["next"].Href
	}
	if diff := cmp.Diff([]string{"15 [5 4]", "15 [3 2]", "15 [1]"}, pages); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestStoreOpensAgain shows that points stay, and are not given again.
func TestStoreOpensAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "points.db")
	for i, fresh := range []bool{true, false, false} {
		db, err := openStore(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := enter(t.Context(), tx, Entry{Customer: "ada", Points: 7, Reason: Welcome, Subject: "ada", At: now()})
		if err != nil || got != fresh {
			t.Errorf("%d: fresh %t, %v", i, got, err)
		}
		if points, err := pointsOf(t.Context(), tx, "ada"); err != nil || points != 7 {
			t.Errorf("%d: %d points, %v", i, points, err)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
