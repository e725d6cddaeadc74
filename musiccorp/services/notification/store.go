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

// saveCustomer keeps name and address, the newest that was heard.
func saveCustomer(ctx context.Context, tx *sql.Tx, c customerRegistered) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO customers (customer, name, email) VALUES (?, ?, ?)
		ON CONFLICT (customer) DO UPDATE SET name = excluded.name, email = excluded.email`, c.Customer, c.Name, c.Email)
	return err
}

// addMail puts a mail into the outbox, due at once. Of the same event there
// is one mail, however often it is added.
func addMail(ctx context.Context, tx *sql.Tx, m Mail) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO mails (event, kind, customer, order_id, parcel, work, status, attempts, error, created, due, sent)
		VALUES (?, ?, ?, ?, ?, ?, 'waiting', 0, '', ?, ?, 0) ON CONFLICT (event) DO NOTHING`,
		m.Event, m.Kind, m.Customer, m.Order, m.Parcel, m.Work, m.Created.UnixMilli(), m.Created.UnixMilli())
	return err
}

// claim takes the mail that has been due the longest and whose address is
// known, and counts the attempt. Nobody else gets it for the time of the
// lease. The error is errNotFound where there is none.
func claim(ctx context.Context, db *sql.DB, at time.Time, lease time.Duration) (Mail, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return Mail{}, err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit

	m := Mail{Status: Waiting}
	var created int64
	err = tx.QueryRowContext(ctx, `SELECT id, event, kind, customer, order_id, parcel, work, attempts, created, name, email
		FROM mails JOIN customers USING (customer) WHERE status = 'waiting' AND due <= ? ORDER BY due, id LIMIT 1`, at.UnixMilli()).
		Scan(&m.ID, &m.Event, &m.Kind, &m.Customer, &m.Order, &m.Parcel, &m.Work, &m.Attempts, &created, &m.name, &m.email)
	if errors.Is(err, sql.ErrNoRows) {
		return Mail{}, errNotFound
	}
	if err != nil {
		return Mail{}, err
	}
	m.Created = time.UnixMilli(created).UTC()
	m.Attempts++
	_, err = tx.ExecContext(ctx, `UPDATE mails SET attempts = ?, due = ? WHERE id = ?`, m.Attempts, at.Add(lease).UnixMilli(), m.ID)
	if err != nil {
		return Mail{}, err
	}
	return m, tx.Commit()
}

// finish writes what came of an attempt, and when the next is due.
func finish(ctx context.Context, db *sql.DB, m Mail, due time.Time) error {
	sent := int64(0)
	if !m.Sent.IsZero() {
		sent = m.Sent.UnixMilli()
	}
	_, err := db.ExecContext(ctx, `UPDATE mails SET status = ?, attempts = ?, error = ?, due = ?, sent = ? WHERE id = ?`,
		m.Status, m.Attempts, m.Error, due.UnixMilli(), sent, m.ID)
	return err
}

// mailsOf reads the mails with a status, to a customer ("": any), that are
// older than one (0: all); the newest first, at most so many.
func mailsOf(ctx context.Context, db *sql.DB, status Status, customer string, before int64, most int) (mails []Mail, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := db.QueryContext(ctx, `SELECT id, event, kind, customer, order_id, status, attempts, error, created, sent FROM mails
		WHERE (status = ?1 OR ?1 = '') AND (customer = ?2 OR ?2 = '') AND id < ?3 ORDER BY id DESC LIMIT ?4`, status, customer, before, most)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m Mail
		var created, sent int64
		if err := rows.Scan(&m.ID, &m.Event, &m.Kind, &m.Customer, &m.Order, &m.Status, &m.Attempts, &m.Error, &created, &sent); err != nil {
			return nil, err
		}
		m.Created = time.UnixMilli(created).UTC()
		if sent > 0 {
			m.Sent = time.UnixMilli(sent).UTC()
		}
		mails = append(mails, m)
	}
	return mails, rows.Err()
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
