// Command order takes an order from basket to dispatch. It owns the store
// "orders" and the order's state machine (state.go). It asks customer and
// catalog when an order is placed; how the order goes on it learns from the
// events of warehouse and finance. It must never import a sibling service.
package main

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/idempotency"
	"github.com/plat-dev/plat/kit/message"
)

func main() { kit.Main("order", setup) }

// service is what the handlers of requests and events share.
type service struct {
	log       *slog.Logger
	db        *sql.DB
	customers *kit.Client
	catalog   *kit.Client
	publish   func(ctx context.Context, tx *sql.Tx, events ...message.Event) error
}

func setup(k *kit.Service) error {
	_, err := newService(k)
	return err
}

func newService(k *kit.Service) (*service, error) {
	db, err := openStore(context.Background(), k.Store("orders"))
	if err != nil {
		return nil, err
	}
	k.OnStop("orders", func(context.Context) error { return db.Close() })
	k.Ready("orders", db.PingContext)
	bus, err := message.Open(k, db)
	if err != nil {
		return nil, err
	}
	s := &service{
		log: k.Log(), db: db,
		customers: k.Client("customer"), catalog: k.Client("catalog"),
		publish: bus.Publish,
	}
	s.subscribe(bus)
	keys, err := idempotency.Open(k, db, onceEach())
	if err != nil {
		return nil, err
	}
	api := http.NewServeMux()
	s.serve(api)
	k.Handle("/", api)
	k.Handle("POST /api/orders", keys.Wrap(api))
	return s, nil
}
