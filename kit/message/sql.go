package message

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// dialect holds all that differs between databases. There is one of SQLite;
// PostgreSQL would bring its own tables and placeholders, and would have to
// order the outbox by commit, which the ids of SQLite's single writer do.
type dialect struct {
	tables []string
	bind   func(query string) string // turns ? into the database's placeholders
}

func sqlite() dialect {
	return dialect{
		tables: []string{
			`CREATE TABLE IF NOT EXISTS plat_outbox (
				id       INTEGER PRIMARY KEY AUTOINCREMENT,
				event_id TEXT    NOT NULL,
				type     TEXT    NOT NULL,
				subject  TEXT    NOT NULL,
				headers  TEXT    NOT NULL,
				data     BLOB    NOT NULL,
				created  INTEGER NOT NULL,
				attempts INTEGER NOT NULL DEFAULT 0,
				error    TEXT    NOT NULL DEFAULT '')`,
			`CREATE TABLE IF NOT EXISTS plat_inbox (
				consumer TEXT    NOT NULL,
				event_id TEXT    NOT NULL,
				received INTEGER NOT NULL,
				PRIMARY KEY (consumer, event_id)) WITHOUT ROWID`,
			`CREATE INDEX IF NOT EXISTS plat_inbox_received ON plat_inbox (received)`,
		},
		bind: func(query string) string { return query },
	}
}

func (d dialect) create(ctx context.Context, db *sql.DB) error {
	for _, table := range d.tables {
		if _, err := db.ExecContext(ctx, table); err != nil {
			return err
		}
	}
	return nil
}

// room fails when the outbox is full. Counting is slow, so it is done only
// when the distance between the first and the last row allows for so many.
func (d dialect) room(ctx context.Context, tx *sql.Tx) error {
	var distance int64
	err := tx.QueryRowContext(ctx, `SELECT COALESCE((SELECT MAX(id) FROM plat_outbox) - (SELECT MIN(id) FROM plat_outbox), 0)`).Scan(&distance)
	if err != nil || distance < MaxPending-1 {
		return err
	}
	var count int64
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM plat_outbox`).Scan(&count); err != nil {
		return err
	}
	if count >= MaxPending {
		return fmt.Errorf("%w (%d wait)", ErrOutboxFull, count)
	}
	return nil
}

func (d dialect) put(ctx context.Context, tx *sql.Tx, e Event, headers map[string]string) error {
	encoded, err := json.Marshal(headers)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, d.bind(`INSERT INTO plat_outbox (event_id, type, subject, headers, data, created) VALUES (?, ?, ?, ?, ?, ?)`),
		e.ID, e.Type, subjectOf(e.Type), string(encoded), []byte(e.Data), time.Now().UnixMilli())
	return err
}

func subjectOf(eventType string) string { return "event." + eventType }

// row is one event that waits in the outbox.
type row struct {
	id        int64
	eventID   string
	eventType string
	subject   string
	headers   map[string]string
	data      []byte
}

// pending gives the first rows, in order, without the types that are held,
// at most limit and about maxBytes.
func (d dialect) pending(ctx context.Context, db *sql.DB, held []string, limit, maxBytes int) (rows []row, err error) {
	query, args := `SELECT id, event_id, type, subject, headers, data FROM plat_outbox`, []any{}
	if len(held) > 0 {
		query += ` WHERE type NOT IN (?` + strings.Repeat(`, ?`, len(held)-1) + `)`
		for _, h := range held {
			args = append(args, h)
		}
	}
	result, err := db.QueryContext(ctx, d.bind(query+` ORDER BY id LIMIT ?`), append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, result.Close()) }()
	for size := 0; size < maxBytes && result.Next(); {
		var r row
		var headers string
		if err := result.Scan(&r.id, &r.eventID, &r.eventType, &r.subject, &headers, &r.data); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(headers), &r.headers); err != nil {
			return nil, fmt.Errorf("plat_outbox row %d: its headers: %w", r.id, err)
		}
		size += len(headers) + len(r.data)
		rows = append(rows, r)
	}
	return rows, result.Err()
}

// sent removes rows, those of one call in one transaction.
func (d dialect) sent(ctx context.Context, db *sql.DB, rows []row) error {
	const atOnce = 500 // placeholders
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		n := min(len(rows), atOnce)
		args := make([]any, n)
		for i, r := range rows[:n] {
			args[i] = r.id
		}
		if _, err := tx.ExecContext(ctx, d.bind(`DELETE FROM plat_outbox WHERE id IN (?`+strings.Repeat(`, ?`, n-1)+`)`), args...); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		rows = rows[n:]
	}
	return tx.Commit()
}

// failed notes why the row could not be sent.
func (d dialect) failed(ctx context.Context, db *sql.DB, r row, reason string) error {
	_, err := db.ExecContext(ctx, d.bind(`UPDATE plat_outbox SET attempts = attempts + 1, error = ? WHERE id = ?`), reason, r.id)
	return err
}

// receive records the event; false means that it was recorded before.
func (d dialect) receive(ctx context.Context, tx *sql.Tx, consumer, eventID string) (bool, error) {
	result, err := tx.ExecContext(ctx, d.bind(`INSERT INTO plat_inbox (consumer, event_id, received) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`),
		consumer, eventID, time.Now().UnixMilli())
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// forget removes inbox rows older than before, at most limit, and says how
// many.
func (d dialect) forget(ctx context.Context, db *sql.DB, before time.Time, limit int) (int64, error) {
	result, err := db.ExecContext(ctx, d.bind(`DELETE FROM plat_inbox WHERE (consumer, event_id) IN
		(SELECT consumer, event_id FROM plat_inbox WHERE received < ? ORDER BY received LIMIT ?)`), before.UnixMilli(), limit)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
