package main

import "time"

// Reason says what earned points.
type Reason string

// Points are given for coming, and for an order that was sent.
const (
	Welcome Reason = "welcome"
	Ordered Reason = "order"
)

// Money is an amount in minor units, so that sums are exact.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Entry is one line of the ledger. Reason and Subject name what earned the
// points; nothing earns them twice.
type Entry struct {
	ID       int64 // grows with each entry
	Customer string
	Points   int64
	Reason   Reason
	Subject  string // the customer who came, or the order
	At       time.Time
}

// Order is what loyalty knows of an order: facts that events bring, in any
// order.
type Order struct {
	ID         string
	Customer   string
	Total      Money // without currency until order.placed arrived
	Dispatched bool
}

// earned is what the order has earned: one point for each whole unit of its
// currency, once it is known what it costs and that it was sent. It is not ok
// before that, nor for an order too cheap for a point.
func (o Order) earned(at time.Time) (e Entry, ok bool) {
	points := o.Total.Amount / 100
	if !o.Dispatched || o.Total.Currency == "" || points <= 0 {
		return Entry{}, false
	}
	return Entry{Customer: o.Customer, Points: points, Reason: Ordered, Subject: o.ID, At: at}, true
}
