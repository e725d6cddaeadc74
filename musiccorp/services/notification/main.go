// Command notification writes to MusicCorp's customers: a welcome when they
// have registered, and a word when an order is on its way. It owns the store
// "mails", where it keeps their addresses and an outbox of mail, and calls
// nobody but a mail server. Customer and order do not know it. It must never
// import a sibling service.
package main

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

func main() { kit.Main("notification", setup) }

// service is what the handlers of requests and events and the post share.
type service struct {
	log     *slog.Logger
	db      *sql.DB
	letters *letters
	server  *server       // nil: there is none, and mail waits
	woken   chan struct{} // takes a signal when there is mail to send
}

// config is what service.yaml declares, and the mail server that plat gives.
type config struct {
	From   string `env:"FROM" default:"MusicCorp <shop@musiccorp.example>"`
	Server string `env:"SMTP_URL"`
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
	letters, err := newLetters(c.From)
	if err != nil {
		return nil, err
	}
	server, err := newServer(c.Server)
	if err != nil {
		return nil, err
	}
	db, err := openStore(context.Background(), k.Store("mails"))
	if err != nil {
		return nil, err
	}
	k.OnStop("mails", func(context.Context) error { return db.Close() })
	k.Ready("mails", db.PingContext)
	bus, err := message.Open(k, db)
	if err != nil {
		return nil, err
	}
	s := &service{log: k.Log(), db: db, letters: letters, server: server, woken: make(chan struct{}, 1)}
	s.subscribe(bus)
	s.serve(k.Mux())
	if server == nil {
		s.log.Warn("no SMTP_URL: mail waits in the outbox")
	} else {
		k.Go("post", s.post)
	}
	return s, nil
}
