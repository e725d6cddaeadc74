package main

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/plat-dev/plat/kit/message"
)

//go:embed migrations/*.sql
var migrations embed.FS

var (
	// errNoCustomer says that no customer has the ID.
	errNoCustomer = errors.New("no such customer")
	// errEmailTaken says that a customer has the e-mail address already.
	errEmailTaken = errors.New("e-mail address taken")
)

// Customer is somebody who may order.
type Customer struct {
	ID         string
	Name       string
	Email      string
	Registered time.Time
}

// registered is the data of the event customer.registered.
type registered struct {
	Customer string `json:"customer"`
	Name     string `json:"name"`
	Email    string `json:"email"`
}

// Store keeps the customers in SQLite. It is safe for concurrent use.
type Store struct {
	db  *sql.DB
	bus *message.Bus
}

// openDB opens the database file at path and brings its schema up to date.
func openDB(ctx context.Context, path string) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open customers: %w", err)
	}
	db.SetMaxOpenConns(8)
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	m, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	_, err = m.Up(ctx)
	return err
}

// Register keeps a new customer and announces them: both or neither. The
// error is errEmailTaken if somebody has the address already.
func (s *Store) Register(ctx context.Context, name, email string) (Customer, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Customer{}, err
	}
	c := Customer{ID: id.String(), Name: name, Email: email, Registered: time.Now().UTC().Truncate(time.Millisecond)}
	event, err := message.New("customer.registered", c.ID, registered{c.ID, c.Name, c.Email})
	if err != nil {
		return Customer{}, err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return Customer{}, err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit

	_, err = tx.ExecContext(ctx, `INSERT INTO customers (id, name, email, registered) VALUES (?, ?, ?, ?)`,
		c.ID, c.Name, c.Email, c.Registered.UnixMilli())
	if isTaken(err) {
		return Customer{}, errEmailTaken
	}
	if err != nil {
		return Customer{}, err
	}
	if err := s.bus.Publish(ctx, tx, event); err != nil {
		return Customer{}, err
	}
	return c, tx.Commit()
}

// isTaken tells whether the only unique column, the address, was there.
func isTaken(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE
}

// Customer returns the customer with the ID, or errNoCustomer.
func (s *Store) Customer(ctx context.Context, id string) (Customer, error) {
	c := Customer{ID: id}
	var registered int64
	err := s.db.QueryRowContext(ctx, `SELECT name, email, registered FROM customers WHERE id = ?`, id).Scan(&c.Name, &c.Email, &registered)
	if errors.Is(err, sql.ErrNoRows) {
		return Customer{}, errNoCustomer
	}
	c.Registered = time.UnixMilli(registered).UTC()
	return c, err
}
