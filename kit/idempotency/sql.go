package idempotency

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

var errFull = errors.New("too many idempotency keys are remembered")

// dialect holds all that differs between databases. There is one of SQLite.
// On PostgreSQL take would wait on the unique index for another's
// transaction, and find would have to be asked again after it.
type dialect struct {
	tables []string
}

func sqlite() dialect {
	return dialect{tables: []string{
		`CREATE TABLE IF NOT EXISTS plat_idempotency (
			id          INTEGER PRIMARY KEY AUTOINCREMENT,
			scope       BLOB    NOT NULL,
			key         TEXT    NOT NULL,
			fingerprint BLOB    NOT NULL,
			created     INTEGER NOT NULL,
			status      INTEGER NOT NULL DEFAULT 0,
			header      TEXT    NOT NULL DEFAULT '{}',
			body        BLOB    NOT NULL DEFAULT x'',
			UNIQUE (scope, key))`,
		`CREATE INDEX IF NOT EXISTS plat_idempotency_created ON plat_idempotency (created)`,
	}}
}

func (d dialect) create(ctx context.Context, db *sql.DB) error {
	for _, table := range d.tables {
		if _, err := db.ExecContext(ctx, table); err != nil {
			return err
		}
	}
	return nil
}

// database is what a *sql.DB and a *sql.Tx have in common.
type database interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// record is what is known of a key.
type record struct {
	fingerprint [sha256.Size]byte
	answer      answer
}

// find reads what is known of a key, nil if nothing is, or nothing younger
// than oldest.
func (d dialect) find(ctx context.Context, db database, i id, oldest time.Time) (*record, error) {
	var r record
	var fingerprint, header []byte
	err := db.QueryRowContext(ctx, `SELECT fingerprint, status, header, body FROM plat_idempotency WHERE scope = ? AND key = ? AND created >= ?`,
		i.scope[:], i.key, oldest.UnixMilli()).Scan(&fingerprint, &r.answer.Status, &header, &r.answer.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(fingerprint) != len(r.fingerprint) {
		return nil, fmt.Errorf("plat_idempotency: a fingerprint of %d bytes", len(fingerprint))
	}
	copy(r.fingerprint[:], fingerprint)
	if err := json.Unmarshal(header, &r.answer.Header); err != nil {
		return nil, fmt.Errorf("plat_idempotency: headers: %w", err)
	}
	return &r, nil
}

// take writes the key, without an answer yet, in the place of an expired one.
// It fails when there are limit keys. Counting is slow, so it is done only
// when the distance between the first and the last row allows for so many.
func (d dialect) take(ctx context.Context, tx *sql.Tx, rq *request, limit int, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM plat_idempotency WHERE scope = ? AND key = ?`, rq.id.scope[:], rq.id.key); err != nil {
		return err
	}
	var count int
	err := tx.QueryRowContext(ctx, `SELECT COALESCE((SELECT MAX(id) FROM plat_idempotency) - (SELECT MIN(id) FROM plat_idempotency) + 1, 0)`).Scan(&count)
	if err == nil && count >= limit {
		err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM plat_idempotency`).Scan(&count)
	}
	if err != nil {
		return err
	}
	if count >= limit {
		return errFull
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO plat_idempotency (scope, key, fingerprint, created) VALUES (?, ?, ?, ?)`,
		rq.id.scope[:], rq.id.key, rq.fingerprint[:], now.UnixMilli())
	return err
}

// answered writes the answer to a key that was taken.
func (d dialect) answered(ctx context.Context, db database, i id, a answer) error {
	header, err := json.Marshal(a.Header)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `UPDATE plat_idempotency SET status = ?, header = ?, body = ? WHERE scope = ? AND key = ? AND status = 0`,
		a.Status, string(header), append([]byte{}, a.Body...), i.scope[:], i.key)
	return err
}

// forget removes keys older than before, at most limit, and says how many.
func (d dialect) forget(ctx context.Context, db *sql.DB, before time.Time, limit int) (int64, error) {
	result, err := db.ExecContext(ctx, `DELETE FROM plat_idempotency WHERE id IN (SELECT id FROM plat_idempotency WHERE created < ? ORDER BY created LIMIT ?)`,
		before.UnixMilli(), limit)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
