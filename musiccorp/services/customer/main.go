// Command customer knows who MusicCorp's customers are. It owns the store
// "customers", which holds personal data, announces customer.registered and
// calls nobody. It must never import a sibling service.
package main

import (
	"context"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

func main() { kit.Main("customer", setup) }

func setup(s *kit.Service) error {
	db, err := openDB(context.Background(), s.Store("customers"))
	if err != nil {
		return err
	}
	s.OnStop("customers", func(context.Context) error { return db.Close() })
	s.Ready("customers", db.PingContext)
	bus, err := message.Open(s, db)
	if err != nil {
		return err
	}
	newAPI(s.Mux(), s.Log(), &Store{db, bus})
	return nil
}
