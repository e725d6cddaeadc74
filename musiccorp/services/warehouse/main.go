// Command warehouse keeps the stock: it reserves what is ordered, sends what
// is paid and takes back what is cancelled. It owns the store "stock" and
// calls nobody. It must never import a sibling service.
package main

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

func main() { kit.Main("warehouse", setup) }

// service is what the handlers of requests and events share.
type service struct {
	log     *slog.Logger
	db      *sql.DB
	publish func(ctx context.Context, tx *sql.Tx, events ...message.Event) error
}

func setup(k *kit.Service) error {
	_, err := newService(k)
	return err
}

func newService(k *kit.Service) (*service, error) {
	db, err := openStore(context.Background(), k.Store("stock"))
	if err != nil {
		return nil, err
	}
	k.OnStop("stock", func(context.Context) error { return db.Close() })
	k.Ready("stock", db.PingContext)
	bus, err := message.Open(k, db)
	if err != nil {
		return nil, err
	}
	s := &service{log: k.Log(), db: db, publish: bus.Publish}
	s.subscribe(bus)
	s.serve(k.Mux())
	s.serveRPC(k.Mux())
	return s, nil
}
