// Command loyalty thanks customers with points: some when they come, and one
// for each whole euro of an order that was sent to them. It owns the store
// "points", learns everything from the events of customer and order, who do
// not know it, and calls nobody. It must never import a sibling service.
package main

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

func main() { kit.Main("loyalty", setup) }

// service is what the handlers of requests and events share.
type service struct {
	log     *slog.Logger
	db      *sql.DB
	welcome int64 // points for coming
}

// config is what service.yaml declares.
type config struct {
	WelcomePoints int64 `env:"WELCOME_POINTS" default:"100"`
}

func setup(k *kit.Service) error {
	_, err := newService(k)
	return err
}

func newService(k *kit.Service) (*service, error) {
	var c config
	if err := k.Config(&c); err != nil {
		return nil, err
	}
	db, err := openStore(context.Background(), k.Store("points"))
	if err != nil {
		return nil, err
	}
	k.OnStop("points", func(context.Context) error { return db.Close() })
	k.Ready("points", db.PingContext)
	bus, err := message.Open(k, db)
	if err != nil {
		return nil, err
	}
	s := &service{log: k.Log(), db: db, welcome: c.WelcomePoints}
	s.subscribe(bus)
	s.serve(k.Mux())
	return s, nil
}
