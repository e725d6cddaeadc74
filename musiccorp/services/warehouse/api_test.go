package main

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/kit"
)

func TestStock(t *testing.T) {
	t.Parallel()
	r := start(t)
	for sku, want := range map[string]int{"MC-0001": 51, "MC-0013": 0, "MC-0100": 0, "MC-0200": 0} {
		if got := r.available(t, sku); got != want {
			t.Errorf("%s: %d in stock, want %d", sku, got, want)
		}
	}
	p := getAs[kit.Problem](t, r, "/api/stock/MC-9999", http.StatusNotFound)
	if p.CorrelationID == "" {
		t.Error("the problem has no correlation ID")
	}
	getAs[kit.Problem](t, r, "/api/stock", http.StatusUnprocessableEntity)
}

func TestStockList(t *testing.T) {
	t.Parallel()
	r := start(t)
	got := getAs[stockList](t, r, "/api/stock?sku=MC-0013&sku=MC-0001&sku=MC-9999", http.StatusOK)
	want := stockList{
		Links: links{"self": {"/api/stock?sku=MC-0013&sku=MC-0001&sku=MC-9999"}},
		Embedded: embedded{[]stockBody{
			{links{"self": {"/api/stock/MC-0001"}}, Stock{"MC-0001", 51}},
			{links{"self": {"/api/stock/MC-0013"}}, Stock{"MC-0013", 0}},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestStoreOpensAgain shows that what was sold stays sold.
func TestStoreOpensAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "stock.db")
	for _, want := range []int{51, 41, 31} {
		db, err := openStore(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		all, err := stockOf(t.Context(), db, []string{"MC-0001"})
		if err != nil || all[0].Available != want {
			t.Errorf("stock %v, %v, want %d", all, err, want)
		}
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := take(t.Context(), tx, Line{"MC-0001", 10}); err != nil {
			t.Error(err)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
