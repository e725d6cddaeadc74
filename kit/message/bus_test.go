package message_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(60000)&_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// within runs a service with a bus on db until use returns.
func within(t *testing.T, env map[string]string, db *sql.DB, use func(s *kit.Service, b *message.Bus)) (log string, err error) {
	t.Helper()
	all := map[string]string{"PORT": "0", "PLAT_SERVICE": "order", "PLAT_INSTANCE": "order-1"}
	for k, v := range env {
		all[k] = v
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out := &lines{}
	err = kit.Run(kit.WithOutput(kit.WithEnv(ctx, all), out), "order", func(s *kit.Service) error {
		b, err := message.Open(s, db)
		if err != nil {
			return err
		}
		s.Go("test", func(context.Context) error { defer cancel(); use(s, b); return nil })
		return nil
	})
	return out.String(), err
}

const declared = `{"publish":["order.placed"],"consume":{"payment.taken":{"stream":"finance","consumer":"order_payment_taken","retries":5}}}`

func count(t *testing.T, db *sql.DB, table string) int {
	t.Helper()
	var n int
	if err := db.QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// inTx commits unless do fails.
func inTx(db *sql.DB, do func(tx *sql.Tx) error) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func TestDetachedEventsWaitInTheOutbox(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "o.db"))
	log, err := within(t, map[string]string{"PLAT_EVENTS": declared}, db, func(_ *kit.Service, b *message.Bus) {
		b.Subscribe("payment.taken", func(context.Context, *sql.Tx, message.Event) error { return nil })
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		ctx := kit.WithCorrelationID(context.Background(), "c-1")
		err := inTx(db, func(tx *sql.Tx) error {
			return b.Publish(ctx, tx,
				message.Event{ID: "1", Type: "order.placed", Subject: "Åsa 7", Time: at, Data: json.RawMessage(`{"a":1}`), Source: "/forged"},
				message.Event{Type: "order.placed", Data: json.RawMessage(`2`), CorrelationID: "own", TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
				message.Event{Type: "order.placed", Data: json.RawMessage(`3`), CorrelationID: "two\r\nlines", TraceParent: "x\r\ny"},
			)
		})
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log, `"level":"WARN"`); n != 1 || !strings.Contains(log, "no NATS_URL: events stay in the outbox and none are received") {
		t.Errorf("%d warnings:\n%s", n, log)
	}
	rows, err := db.Query(`SELECT event_id, type, subject, headers, data FROM plat_outbox ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []map[string]string
	for rows.Next() {
		var id, eventType, subject, headers, data string
		if err := rows.Scan(&id, &eventType, &subject, &headers, &data); err != nil {
			t.Fatal(err)
		}
		h := map[string]string{}
		if err := json.Unmarshal([]byte(headers), &h); err != nil {
			t.Fatal(err)
		}
		if id != h["ce-id"] || id != h["Nats-Msg-Id"] || eventType != "order.placed" || subject != "event.order.placed" {
			t.Errorf("row %s %s %s %s", id, eventType, subject, headers)
		}
		h["data"] = data
		all = append(all, h)
	}
	if err := rows.Err(); err != nil || len(all) != 3 {
		t.Fatalf("%d rows, %v", len(all), err)
	}
	if !strings.HasPrefix(all[0]["traceparent"], "00-") {
		t.Errorf("first: no trace begins: %v", all[0])
	}
	delete(all[0], "traceparent")
	want := map[string]string{
		"ce-specversion": "1.0", "ce-id": "1", "Nats-Msg-Id": "1", "ce-type": "order.placed", "ce-source": "/services/order",
		"ce-time": "2026-01-02T03:04:05Z", "ce-subject": "%C3%85sa%207", "ce-correlationid": "c-1", "content-type": "application/json", "data": `{"a":1}`,
	}
	if d := cmp.Diff(want, all[0]); d != "" {
		t.Errorf("first (-want +got):\n%s", d)
	}
	if h := all[1]; h["ce-correlationid"] != "own" || !strings.HasPrefix(h["traceparent"], "00-4bf92f3577b34da6a3ce929d0e0e4736-") || h["ce-time"] == "" {
		t.Errorf("second: %v", h)
	}
	if h := all[2]; len(h["ce-correlationid"]) != 36 || strings.HasPrefix(h["traceparent"], "00-4bf92f3577b34da6a3ce929d0e0e4736-") {
		t.Errorf("third: %v", h)
	}
}

func TestWhatCannotBePublished(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "o.db"))
	fine := message.Event{Type: "order.placed", Data: json.RawMessage(`1`)}
	tests := map[string]message.Event{
		`event "order.lost" is not declared: add provides.events.order.lost to service.yaml`:                     {Type: "order.lost", Data: json.RawMessage(`1`)},
		`event type "order.*" is wrong, expected one such as order.placed`:                                       {Type: "order.*", Data: json.RawMessage(`1`)},
		`event type "" is wrong, expected one such as order.placed`:                                              {},
		`event order.placed: its data are not JSON`:                                                              {Type: "order.placed", Data: json.RawMessage(`{`)},
		`event order.placed: its data are 1032193 bytes, the limit is 1032192`:                                   {Type: "order.placed", Data: bytes.Repeat([]byte(" "), message.MaxData+1)},
		`event order.placed: its ID is wrong, expected at most 128 characters of printable ASCII without spaces`: {Type: "order.placed", ID: "a b", Data: json.RawMessage(`1`)},
	}
	_, err := within(t, map[string]string{"PLAT_EVENTS": declared}, db, func(_ *kit.Service, b *message.Bus) {
		err := inTx(db, func(tx *sql.Tx) error {
			for want, e := range tests {
				if err := b.Publish(t.Context(), tx, fine, e); err == nil || err.Error() != want {
					t.Errorf("got %v, want %s", err, want)
				}
			}
			return b.Publish(t.Context(), tx) // nothing
		})
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil || count(t, db, "plat_outbox") != 0 {
		t.Errorf("%v, %d rows", err, count(t, db, "plat_outbox"))
	}
	// Under plat a service without PLAT_EVENTS has declared nothing; without
	// plat everything may be published.
	for instance, want := range map[string]int{"order-1": 0, "": 1} {
		_, err := within(t, map[string]string{"PLAT_INSTANCE": instance}, db, func(_ *kit.Service, b *message.Bus) {
			_ = inTx(db, func(tx *sql.Tx) error { return b.Publish(t.Context(), tx, fine) })
		})
		if got := count(t, db, "plat_outbox"); err != nil || got != want {
			t.Errorf("instance %q: %v, %d rows", instance, err, got)
		}
		if _, err := db.Exec(`DELETE FROM plat_outbox`); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheOutboxIsBounded(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "o.db"))
	publish := func(b *message.Bus) error {
		return inTx(db, func(tx *sql.Tx) error {
			return b.Publish(t.Context(), tx, message.Event{Type: "order.placed", Data: json.RawMessage(`1`)})
		})
	}
	_, err := within(t, map[string]string{"PLAT_EVENTS": declared}, db, func(_ *kit.Service, b *message.Bus) {
		_, err := db.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)
			INSERT INTO plat_outbox (event_id, type, subject, headers, data, created) SELECT i, 'order.placed', 's', '{}', 'x', 0 FROM n`, message.MaxPending))
		if err != nil {
			t.Error(err)
			return
		}
		if err := publish(b); !errors.Is(err, message.ErrOutboxFull) {
			t.Errorf("full: %v", err)
		}
		if _, err := db.Exec(`DELETE FROM plat_outbox WHERE id = 5000`); err != nil {
			t.Error(err)
		}
		if err := publish(b); err != nil {
			t.Errorf("with room for one: %v", err)
		}
		if err := publish(b); !errors.Is(err, message.ErrOutboxFull) {
			t.Errorf("full again: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheInboxForgetsWhatIsOld(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "o.db"))
	if _, err := within(t, nil, db, func(*kit.Service, *message.Bus) {}); err != nil {
		t.Fatal(err)
	}
	insert := func(name string, n int, age time.Duration) {
		_, err := db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
			INSERT INTO plat_inbox (consumer, event_id, received) SELECT ?, i, ? FROM n`, n, name, time.Now().Add(-age).UnixMilli())
		if err != nil {
			t.Fatal(err)
		}
	}
	insert("old", 2500, 15*24*time.Hour)
	insert("young", 10, 13*24*time.Hour)
	_, err := within(t, nil, db, func(*kit.Service, *message.Bus) {
		for deadline := time.Now().Add(patience); count(t, db, "plat_inbox") != 10 && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
	})
	if n := count(t, db, "plat_inbox"); err != nil || n != 10 {
		t.Errorf("%v, %d rows", err, n)
	}
}

func TestWhatOpenRefuses(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		`PLAT_EVENTS={`: `PLAT_EVENTS is wrong: unexpected end of JSON input`,
		`PLAT_EVENTS={"consume":{"a.b":{"stream":"a","retries":1}}}`: `PLAT_EVENTS is wrong: consume "a.b" needs a stream, a consumer and retries of 0 or more`,
		`NATS_URL=nats://u:hunter2@[`:                                `NATS_URL is wrong, expected nats://user:password@host:port`,
	} {
		key, value, _ := strings.Cut(setting, "=")
		db := open(t, filepath.Join(t.TempDir(), "o.db"))
		_, err := within(t, map[string]string{key: value}, db, func(*kit.Service, *message.Bus) { t.Error("opened") })
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", setting, err, want)
		}
	}
	db := open(t, filepath.Join(t.TempDir(), "o.db"))
	_ = db.Close()
	if _, err := within(t, nil, db, func(*kit.Service, *message.Bus) {}); err == nil || !strings.HasPrefix(err.Error(), "event tables: ") {
		t.Errorf("closed database: %v", err)
	}
}

// The server may be away when the service starts: it starts all the same, is
// not ready, and ends without delay.
func TestAnAbsentServerIsWaitedFor(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "o.db"))
	begun := time.Now()
	_, err := within(t, map[string]string{"PLAT_EVENTS": declared, "NATS_URL": "nats://order:hunter2@127.0.0.1:1"}, db, func(_ *kit.Service, b *message.Bus) {
		e, err := message.New("order.placed", "", 1)
		if err != nil {
			t.Error(err)
		}
		if err := inTx(db, func(tx *sql.Tx) error { return b.Publish(t.Context(), tx, e) }); err != nil {
			t.Error(err)
		}
	})
	if took := time.Since(begun); err != nil || took > patience/2 || count(t, db, "plat_outbox") != 1 {
		t.Errorf("%v after %s, %d rows", err, took, count(t, db, "plat_outbox"))
	}
}

func TestNewAndDecode(t *testing.T) {
	t.Parallel()
	type placed struct{ Total int }
	e, err := message.New("order.placed", "7", placed{5})
	if err != nil || e.Type != "order.placed" || e.Subject != "7" || len(e.ID) != 36 || time.Since(e.Time) > time.Minute {
		t.Errorf("%+v, %v", e, err)
	}
	if got, err := message.Decode[placed](e); err != nil || got.Total != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := message.New("order.placed", "", func() {}); err == nil {
		t.Error("a function is data")
	}
	if _, err := message.New("order placed", "", 1); err == nil {
		t.Error("a type with a space")
	}
	if err := message.Reject(nil); err != nil {
		t.Errorf("Reject(nil): %v", err)
	}
	if err := message.Reject(io.EOF); !errors.Is(err, io.EOF) || err.Error() != "EOF" {
		t.Errorf("Reject: %v", err)
	}
}
