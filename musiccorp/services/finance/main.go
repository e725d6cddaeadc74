// Command finance takes the payment of an order, or declines it, and gives it
// back when the order is cancelled. It owns the store "payments" and calls
// nobody. It must never import a sibling service.
package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

func main() { kit.Main("finance", setup) }

// service is what the handlers of requests and events share.
type service struct {
	log     *slog.Logger
	db      *sql.DB
	publish func(ctx context.Context, tx *sql.Tx, events ...message.Event) error
	limit   int64
	latency time.Duration
}

// config is what service.yaml declares.
type config struct {
	CreditLimit     int64         `env:"CREDIT_LIMIT" default:"100000"` // in minor units; what costs more is declined
	ProviderLatency time.Duration `env:"PROVIDER_LATENCY" default:"0s"` // how long the payment provider takes
}

// longestLatency of the provider leaves the handler of an event, which waits
// for it, the time to end by itself.
const longestLatency = 10 * time.Second

func setup(k *kit.Service) error {
	_, err := newService(k)
	return err
}

func newService(k *kit.Service) (*service, error) {
	var c config
	if err := k.Config(&c); err != nil {
		return nil, err
	}
	if c.ProviderLatency < 0 || c.ProviderLatency > longestLatency {
		return nil, errors.New("PROVIDER_LATENCY is " + c.ProviderLatency.String() + ", not between 0s and " + longestLatency.String())
	}
	db, err := openStore(context.Background(), k.Store("payments"))
	if err != nil {
		return nil, err
	}
	k.OnStop("payments", func(context.Context) error { return db.Close() })
	k.Ready("payments", db.PingContext)
	bus, err := message.Open(k, db)
	if err != nil {
		return nil, err
	}
	s := &service{log: k.Log(), db: db, publish: bus.Publish, limit: c.CreditLimit, latency: c.ProviderLatency}
	s.subscribe(bus)
	s.serve(k.Mux())
	return s, nil
}
