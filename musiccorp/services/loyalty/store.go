package main

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the engine of the store
)

//go:embed migrations/*.sql
var migrations embed.FS

var errNotFound = errors.New("not found")

// openStore opens the database file and brings its tables up to date.
// Transactions take the write lock when they begin: one that reads before it
// writes never has to start again.
func openStore(ctx context.Context, path string) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(8)
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate %s: %w", path, err), db.Close())
	}
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// findOrder reads what is known of an order, or answers errNotFound.
func findOrder(ctx context.Context, tx *sql.Tx, id string) (Order, error) {
	o := Order{ID: id}
	err := tx.QueryRowContext(ctx, `SELECT customer, amount, currency, dispatched FROM orders WHERE order_id = ?`, id).
		Scan(&o.Customer, &o.Total.Amount, &o.Total.Currency, &o.Dispatched)
	if errors.Is(err, sql.ErrNoRows) {
		return Order{}, errNotFound
	}
	return o, err
}

// saveOrder writes what is known of an order. Whose it is never changes.
func saveOrder(ctx context.Context, tx *sql.Tx, o Order) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO orders (order_id, customer, amount, currency, dispatched) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (order_id) DO UPDATE SET amount = excluded.amount, currency = excluded.currency, dispatched = excluded.dispatched`,
		o.ID, o.Customer, o.Total.Amount, o.Total.Currency, o.Dispatched)
	return err
}

// enter writes an entry into the ledger. It is not fresh, and nothing is
// written, where the same reason and subject are there already.
func enter(ctx context.Context, tx *sql.Tx, e Entry) (fresh bool, err error) {
	result, err := tx.ExecContext(ctx, `INSERT INTO ledger (customer, points, reason, subject, at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (reason, subject) DO NOTHING`, e.Customer, e.Points, e.Reason, e.Subject, e.At.UnixMilli())
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// pointsOf is what a customer has: 0 of one who was never heard of.
func pointsOf(ctx context.Context, tx *sql.Tx, customer string) (points int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT coalesce(sum(points), 0) FROM ledger WHERE customer = ?`, customer).Scan(&points)
	return points, err
}

// entriesOf reads the entries of a customer that are older than one, or all
// where before is 0; the newest first, at most so many.
func entriesOf(ctx context.Context, tx *sql.Tx, customer string, before int64, most int) (entries []Entry, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := tx.QueryContext(ctx, `SELECT id, points, reason, subject, at FROM ledger
		WHERE customer = ? AND id < ? ORDER BY id DESC LIMIT ?`, customer, before, most)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		e := Entry{Customer: customer}
		var at int64
		if err := rows.Scan(&e.ID, &e.Points, &e.Reason, &e.Subject, &at); err != nil {
			return nil, err
		}
		e.At = time.UnixMilli(at).UTC()
		entries = append(entries, e)
	}
	return entries, rows.Err()
}
