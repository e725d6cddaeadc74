package main

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the engine of the store
)

//go:embed migrations/*.sql
var migrations embed.FS

var errNotFound = errors.New("not found")

// querier reads from the store, inside a transaction or outside.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

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

// findPayment reads what is known of an order, or answers errNotFound.
func findPayment(ctx context.Context, q querier, order string) (*Payment, error) {
	p := &Payment{Order: order}
	err := q.QueryRowContext(ctx, `SELECT status, payment, reason, amount, currency, reserved, cancelled, test
		FROM payments WHERE order_id = ?`, order).
		Scan(&p.Status, &p.ID, &p.Reason, &p.Due.Amount, &p.Due.Currency, &p.Reserved, &p.Cancelled, &p.Test)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNotFound
	}
	return p, err
}

// savePayment writes the payment, new or changed.
func savePayment(ctx context.Context, tx *sql.Tx, p *Payment) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO payments (order_id, status, payment, reason, amount, currency, reserved, cancelled, test)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, payment = excluded.payment, reason = excluded.reason,
			amount = excluded.amount, currency = excluded.currency, reserved = excluded.reserved, cancelled = excluded.cancelled,
			test = excluded.test`,
		p.Order, p.Status, p.ID, p.Reason, p.Due.Amount, p.Due.Currency, p.Reserved, p.Cancelled, p.Test)
	return err
}
