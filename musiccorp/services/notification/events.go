package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/mail"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

// The events that this service consumes, as far as it reads them.
type (
	customerRegistered struct {
		Customer string `json:"customer"`
		Name     string `json:"name"`
		Email    string `json:"email"`
	}
	orderDispatched struct {
		Order    string `json:"order"`
		Customer string `json:"customer"`
		Parcel   string `json:"parcel"`
	}
)

func (s *service) subscribe(bus *message.Bus) {
	bus.Subscribe("customer.registered", s.customerRegistered)
	bus.Subscribe("order.dispatched", s.orderDispatched)
}

// customerRegistered keeps where mail for the customer goes, and welcomes
// them.
func (s *service) customerRegistered(ctx context.Context, tx *sql.Tx, e message.Event) error {
	came, err := message.Decode[customerRegistered](e)
	if err == nil && came.Customer == "" {
		err = errors.New("a customer without ID")
	}
	if err == nil {
		err = checkAddress(came.Email)
	}
	if err != nil {
		return message.Reject(err)
	}
	if err := saveCustomer(ctx, tx, came); err != nil {
		return err
	}
	return s.write(ctx, tx, Mail{Event: e.ID, Kind: Welcome, Customer: came.Customer, Work: e.CorrelationID})
}

// orderDispatched tells the customer. Where the address is not known yet the
// mail waits for it: events of different types arrive in any order.
func (s *service) orderDispatched(ctx context.Context, tx *sql.Tx, e message.Event) error {
	sent, err := message.Decode[orderDispatched](e)
	if err == nil && (sent.Order == "" || sent.Customer == "") {
		err = errors.New("an order without ID or customer")
	}
	if err != nil {
		return message.Reject(err)
	}
	return s.write(ctx, tx, Mail{
		Event: e.ID, Kind: Dispatched, Customer: sent.Customer, Order: sent.Order, Parcel: sent.Parcel, Work: e.CorrelationID,
	})
}

// write puts mail into the outbox, once for an event. No handler waits for a
// mail server, so no event is lost or held up when it is away.
//
// A test customer of plat's is written to by nobody.
func (s *service) write(ctx context.Context, tx *sql.Tx, m Mail) error {
	if _, test := kit.Synthetic(ctx); test {
		s.log.InfoContext(ctx, "no mail to a test customer", "kind", m.Kind, "customer", m.Customer)
		return nil
	}
	m.Created = now()
	if err := addMail(ctx, tx, m); err != nil {
		return err
	}
	// The post looks into the outbox in a transaction of its own, which
	// begins when this one, with the store's only write lock, has ended.
	s.wake()
	return nil
}

func (s *service) wake() {
	select {
	case s.woken <- struct{}{}:
	default: // it is told already
	}
}

// checkAddress accepts a bare address alone. The error does not repeat it,
// since dead letters and logs are no place for personal data.
func checkAddress(email string) error {
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email {
		return fmt.Errorf("the e-mail address, of %d bytes, is none", len(email))
	}
	return nil
}
