package main

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
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

const orderColumns = `id, customer, status, reason, code, parcel, total, lines, history`

// saveOrder writes the order, new or changed.
func saveOrder(ctx context.Context, tx *sql.Tx, o *Order) error {
	total, err := json.Marshal(o.Total)
	if err != nil {
		return err
	}
	lines, err := json.Marshal(o.Lines)
	if err != nil {
		return err
	}
	history, err := json.Marshal(o.History)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO orders (`+orderColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET status = excluded.status, reason = excluded.reason,
			code = excluded.code, parcel = excluded.parcel, history = excluded.history`,
		o.ID, o.Customer, o.Status, o.Reason, o.Code, o.Parcel, string(total), string(lines), string(history))
	return err
}

// findOrder reads one order, or answers errNotFound.
func findOrder(ctx context.Context, q querier, id string) (*Order, error) {
	return scanOrder(q.QueryRowContext(ctx, `SELECT `+orderColumns+` FROM orders WHERE id = ?`, id))
}

// ordersOf reads a customer's orders, newest first, up to limit, and only
// those older than the order before unless it is empty.
func ordersOf(ctx context.Context, db *sql.DB, customer, before string, limit int) (orders []*Order, err error) {
	rows, err := db.QueryContext(ctx, `SELECT `+orderColumns+` FROM orders
		WHERE customer = ? AND (? = '' OR id < ?) ORDER BY id DESC LIMIT ?`, customer, before, before, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		o, err := scanOrder(rows)
		if err != nil {
			return nil, err
		}
		orders = append(orders, o)
	}
	return orders, rows.Err()
}

func scanOrder(row interface{ Scan(dest ...any) error }) (*Order, error) {
	var o Order
	var total, lines, history []byte
	err := row.Scan(&o.ID, &o.Customer, &o.Status, &o.Reason, &o.Code, &o.Parcel, &total, &lines, &history)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	return &o, errors.Join(
		json.Unmarshal(total, &o.Total), json.Unmarshal(lines, &o.Lines), json.Unmarshal(history, &o.History))
}
