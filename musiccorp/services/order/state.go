package main

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Status says where an order stands.
type Status string

// An order begins as placed; dispatched and cancelled are final.
const (
	Placed     Status = "placed"
	Paid       Status = "paid"
	Dispatched Status = "dispatched"
	Cancelled  Status = "cancelled"
)

// mayBecome is the whole state machine.
func (s Status) mayBecome(next Status) bool {
	switch s {
	case Placed:
		return next == Paid || next == Cancelled
	case Paid:
		return next == Dispatched || next == Cancelled
	default:
		return false
	}
}

// TransitionError names a transition that the state machine refused.
type TransitionError struct {
	Order    string
	From, To Status
}

// Error names the order and both states.
func (e *TransitionError) Error() string {
	return fmt.Sprintf("order %s is %s and cannot become %s", e.Order, e.From, e.To)
}

// Money is an amount in minor units, so that sums are exact.
type Money struct {
	Amount   int64  `json:"amount" doc:"Amount in minor units (cents)."`
	Currency string `json:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217 code."`
}

// String prints the amount with two decimals, as "12.50 EUR".
func (m Money) String() string {
	return fmt.Sprintf("%d.%02d %s", m.Amount/100, m.Amount%100, m.Currency)
}

// Line is one album of an order, with its title and price when it was placed.
type Line struct {
	SKU      string `json:"sku"`
	Title    string `json:"title"`
	Quantity int    `json:"quantity" minimum:"1"`
	Price    Money  `json:"price" doc:"Price of one."`
}

// Entry is one step in an order's history.
type Entry struct {
	Status Status    `json:"status" enum:"placed,paid,dispatched,cancelled"`
	At     time.Time `json:"at"`
	Note   string    `json:"note"`
}

// Order is the aggregate that this service owns. Its status changes by Pay,
// Dispatch and Cancel alone. Each may be called again without effect, since
// events arrive more than once.
type Order struct {
	ID       string
	Customer string
	Status   Status
	Reason   string // why it was cancelled, for people
	Code     string // and for programs
	Parcel   string
	Total    Money
	Lines    []Line
	History  []Entry
}

// newOrder places an order. It refuses lines in more than one currency.
func newOrder(customer string, lines []Line, now time.Time) (*Order, error) {
	total := Money{Currency: lines[0].Price.Currency}
	for _, l := range lines {
		if l.Price.Currency != total.Currency {
			return nil, fmt.Errorf("%s is priced in %s, other lines in %s", l.SKU, l.Price.Currency, total.Currency)
		}
		total.Amount += l.Price.Amount * int64(l.Quantity)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	return &Order{
		ID: id.String(), Customer: customer, Status: Placed, Total: total, Lines: lines,
		History: []Entry{{Status: Placed, At: now, Note: "for " + total.String()}},
	}, nil
}

// Pay records that the payment was taken. A parcel that was heard of before
// its payment leaves now.
func (o *Order) Pay(payment string, now time.Time) error {
	if o.Status == Paid || o.Status == Dispatched {
		return nil
	}
	if err := o.become(Paid, now, "payment "+payment); err != nil {
		return err
	}
	if o.Parcel == "" {
		return nil
	}
	return o.Dispatch(o.Parcel, now)
}

// Dispatch records that the parcel left. The warehouse sends nothing unpaid,
// so while the payment is unheard of the parcel is remembered for Pay.
func (o *Order) Dispatch(parcel string, now time.Time) error {
	switch o.Status {
	case Dispatched:
		return nil
	case Placed:
		o.Parcel = parcel
		return nil
	}
	if err := o.become(Dispatched, now, "parcel "+parcel); err != nil {
		return err
	}
	o.Parcel = parcel
	return nil
}

// Cancel ends the order. The first reason stays.
func (o *Order) Cancel(code, reason string, now time.Time) error {
	if o.Status == Cancelled {
		return nil
	}
	if err := o.become(Cancelled, now, reason); err != nil {
		return err
	}
	o.Code, o.Reason = code, reason
	return nil
}

func (o *Order) become(next Status, now time.Time, note string) error {
	if !o.Status.mayBecome(next) {
		return &TransitionError{Order: o.ID, From: o.Status, To: next}
	}
	o.Status = next
	o.History = append(o.History, Entry{Status: next, At: now, Note: note})
	return nil
}
