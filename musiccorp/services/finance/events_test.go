package main

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

// TestEventsInAnyOrder delivers every sequence of up to three of the events,
// each of them twice.
func TestEventsInAnyOrder(t *testing.T) {
	t.Parallel()
	r := start(t)
	kinds := []string{"order.placed", "stock.reserved", "order.cancelled"}
	sequences := [][]string{nil}
	for i := 0; i < len(sequences); i++ {
		if len(sequences[i]) == 3 {
			continue
		}
		for _, k := range kinds {
			sequences = append(sequences, append(slices.Clone(sequences[i]), k))
		}
	}
	for _, events := range sequences[1:] {
		order := uuid.NewString()
		data := orderPlaced{Order: order, Total: Money{limit, "EUR"}}
		for _, e := range events {
			r.mustDeliver(t, e, data)
			r.mustDeliver(t, e, data)
		}
		status, published := expected(events)
		if got := getAs[paymentBody](t, r, "/api/payments/"+order, http.StatusOK); got.Status != status {
			t.Errorf("%v: %s, want %s", events, got.Status, status)
		}
		if diff := cmp.Diff(published, r.events(order)); diff != "" {
			t.Errorf("%v: published (-want +got):\n%s", events, diff)
		}
	}
}

// expected says what shall come of a sequence of events.
func expected(events []string) (Status, []string) {
	at := func(e string) int {
		if i := slices.Index(events, e); i >= 0 {
			return i
		}
		return len(events)
	}
	never := len(events)
	due, cancelled := max(at("order.placed"), at("stock.reserved")), at("order.cancelled")
	switch {
	case due < cancelled && cancelled < never:
		return Refunded, []string{"payment.taken", "payment.refunded"}
	case due < never && cancelled == never:
		return Taken, []string{"payment.taken"}
	case cancelled < never:
		return Void, nil
	}
	return Waiting, nil
}

func TestDecline(t *testing.T) {
	t.Parallel()
	r := start(t)
	order := uuid.NewString()
	r.mustDeliver(t, "stock.reserved", stockReserved{order})
	r.mustDeliver(t, "order.placed", orderPlaced{order, Money{limit + 1, "EUR"}})
	r.mustDeliver(t, "order.cancelled", orderCancelled{order})
	if diff := cmp.Diff([]string{"payment.declined"}, r.events(order)); diff != "" {
		t.Fatalf("published (-want +got):\n%s", diff)
	}
	got := getAs[paymentBody](t, r, "/api/payments/"+order, http.StatusOK)
	want := paymentBody{
		Links: links{"self": {"/api/payments/" + order}}, Order: order, Status: Declined,
		Amount: &Money{limit + 1, "EUR"}, Reason: "50.01 EUR is over the credit limit of 50.00 EUR",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRefundGivesBackWhatWasTaken(t *testing.T) {
	t.Parallel()
	r := start(t)
	order := uuid.NewString()
	r.mustDeliver(t, "order.placed", orderPlaced{order, Money{1299, "EUR"}})
	r.mustDeliver(t, "stock.reserved", stockReserved{order})
	r.mustDeliver(t, "order.cancelled", orderCancelled{order})
	taken, err := message.Decode[paymentTaken](r.published[order][0])
	if err != nil {
		t.Fatal(err)
	}
	refunded, err := message.Decode[paymentRefunded](r.published[order][1])
	if err != nil {
		t.Fatal(err)
	}
	if want := (paymentTaken{order, taken.Payment, Money{1299, "EUR"}}); taken != want || taken.Payment == "" {
		t.Errorf("taken %+v, want %+v", taken, want)
	}
	if refunded != paymentRefunded(taken) {
		t.Errorf("refunded %+v, taken %+v", refunded, taken)
	}
}

func TestEventsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	for event, data := range map[string]any{"order.placed": orderPlaced{Order: "1"}, "stock.reserved": "nonsense", "order.cancelled": 1} {
		if err := r.deliver(t, event, data); err == nil {
			t.Errorf("%s: %v is taken", event, data)
		}
	}
}

func TestReadUnknown(t *testing.T) {
	t.Parallel()
	r := start(t)
	p := getAs[kit.Problem](t, r, "/api/payments/"+uuid.NewString(), http.StatusNotFound)
	if !strings.Contains(p.Detail, "nothing is known") || p.CorrelationID == "" {
		t.Errorf("%+v", p)
	}
	getAs[kit.Problem](t, r, "/api/payments/1", http.StatusUnprocessableEntity)
}

// TestProviderTakesItsTime takes a payment only after the provider answered,
// and asks it for nothing else.
func TestProviderTakesItsTime(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.latency = 50 * time.Millisecond
	order := uuid.NewString()
	began := time.Now()
	r.mustDeliver(t, "order.placed", orderPlaced{order, Money{1299, "EUR"}})
	r.mustDeliver(t, "stock.reserved", stockReserved{order})
	if took := time.Since(began); took < r.latency {
		t.Errorf("the payment is taken after %s, before the provider answered", took)
	}
	r.latency = time.Hour
	declined := uuid.NewString()
	r.mustDeliver(t, "order.cancelled", orderCancelled{order})
	r.mustDeliver(t, "stock.reserved", stockReserved{declined})
	r.mustDeliver(t, "order.placed", orderPlaced{declined, Money{limit + 1, "EUR"}})
}

// TestProviderHangs leaves no payment behind that nobody took.
func TestProviderHangs(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.latency = time.Hour
	order := uuid.NewString()
	r.mustDeliver(t, "order.placed", orderPlaced{order, Money{1299, "EUR"}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := r.deliverWithin(ctx, "stock.reserved", stockReserved{order})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the handler ends with %v", err)
	}
	if got := getAs[paymentBody](t, r, "/api/payments/"+order, http.StatusOK); got.Status != Waiting || len(r.events(order)) > 0 {
		t.Errorf("%s, published %v", got.Status, r.events(order))
	}
}

func TestLatencyIsBounded(t *testing.T) {
	t.Parallel()
	for _, latency := range []string{"-1s", "11s"} {
		ctx := kit.WithOutput(kit.WithEnv(t.Context(), map[string]string{
			"PORT": "0", "PLAT_STORE_PAYMENTS": filepath.Join(t.TempDir(), "payments.db"), "PROVIDER_LATENCY": latency,
		}), t.Output())
		if err := kit.Run(ctx, "finance", setup); err == nil || !strings.Contains(err.Error(), "PROVIDER_LATENCY") {
			t.Errorf("%s: %v", latency, err)
		}
	}
}
