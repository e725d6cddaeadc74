package main

import (
	"context"
	"database/sql"
	"embed"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the engine of the store
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed stock.csv
var firstStock string

// openStore opens the database file, brings its tables up to date and fills
// the shelves with what was never on them. Transactions take the write lock
// when they begin: one that reads before it writes sees no other in between.
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
	if err := fill(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("fill the stock: %w", err), db.Close())
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

// fill adds the albums of stock.csv that the store does not know.
func fill(ctx context.Context, db *sql.DB) error {
	records, err := csv.NewReader(strings.NewReader(firstStock)).ReadAll()
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit

	for _, r := range records[1:] { // after the heading
		_, err := tx.ExecContext(ctx, `INSERT INTO stock (sku, available) VALUES (?, ?) ON CONFLICT DO NOTHING`, r[0], r[1])
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Stock is how many of an album can be ordered.
type Stock struct {
	SKU       string `json:"sku"`
	Available int    `json:"available"`
}

// stockOf reads the stock of the albums that are known, by SKU.
func stockOf(ctx context.Context, db *sql.DB, skus []string) (stock []Stock, err error) {
	list, err := json.Marshal(skus)
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, `SELECT sku, available FROM stock
		WHERE sku IN (SELECT value FROM json_each(?)) ORDER BY sku`, string(list))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s Stock
		if err := rows.Scan(&s.SKU, &s.Available); err != nil {
			return nil, err
		}
		stock = append(stock, s)
	}
	return stock, rows.Err()
}

// take takes a line out of the stock if there is enough of it. It answers
// with how many there were, 0 for an album that is unknown.
func take(ctx context.Context, tx *sql.Tx, l Line) (available int, err error) {
	available, err = availableOf(ctx, tx, l.SKU)
	if err != nil || available < l.Quantity {
		return available, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE stock SET available = available - ? WHERE sku = ?`, l.Quantity, l.SKU)
	return available, err
}

// availableOf is how many there are of an album, 0 of one that is unknown.
func availableOf(ctx context.Context, tx *sql.Tx, sku string) (available int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT available FROM stock WHERE sku = ?`, sku).Scan(&available)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return available, err
}

// giveBack puts lines back into the stock.
func giveBack(ctx context.Context, tx *sql.Tx, lines []Line) error {
	for _, l := range lines {
		_, err := tx.ExecContext(ctx, `UPDATE stock SET available = available + ? WHERE sku = ?`, l.Quantity, l.SKU)
		if err != nil {
			return err
		}
	}
	return nil
}

// findReservation reads what is known of an order; of one never heard of that
// is nothing.
func findReservation(ctx context.Context, tx *sql.Tx, order string) (*Reservation, error) {
	r := &Reservation{Order: order, Status: Waiting}
	var lines []byte
	err := tx.QueryRowContext(ctx, `SELECT status, lines, paid, cancelled, test FROM reservations WHERE order_id = ?`, order).
		Scan(&r.Status, &lines, &r.Paid, &r.Cancelled, &r.Test)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(lines, &r.Lines)
}

// saveReservation writes the reservation, new or changed.
func saveReservation(ctx context.Context, tx *sql.Tx, r *Reservation) error {
	lines, err := json.Marshal(r.Lines)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO reservations (order_id, status, lines, paid, cancelled, test) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, lines = excluded.lines,
			paid = excluded.paid, cancelled = excluded.cancelled, test = excluded.test`,
		r.Order, r.Status, string(lines), r.Paid, r.Cancelled, r.Test)
	return err
}
