package idempotency_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/idempotency"
)

const patience = time.Minute

func TestMain(m *testing.M) {
	if os.Getenv("IDEMPOTENCY_TEST_PROGRAM") != "" {
		program()
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultClient.CloseIdleConnections()
		os.Exit(code)
	}))
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func openStore(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(60000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS effects (what TEXT NOT NULL)`)
	return db, err
}

// effects counts what has happened.
func effects(t *testing.T, db *sql.DB) int {
	t.Helper()
	var n int
	if err := db.QueryRow(`SELECT COUNT(*) FROM effects`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// serve runs a service with one wrapped route, POST /things, until the test
// ends, and says where.
func serve(t *testing.T, db *sql.DB, o idempotency.Options, h http.HandlerFunc) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var base string
	up, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- kit.Run(kit.WithOutput(kit.WithEnv(ctx, map[string]string{"PORT": "0"}), t.Output()), "shop", func(s *kit.Service) error {
			keys, err := idempotency.Open(s, db, o)
			if err != nil {
				close(up)
				return err
			}
			base = s.URL()
			s.Handle("/things", keys.Wrap(h))
			s.Handle("/others", keys.Wrap(h))
			s.Go("up", func(context.Context) error { close(up); return nil })
			return nil
		})
	}()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections() // dialled and never used, they would be waited for
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with: %v", err)
		}
	})
	<-up
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if a := ask(t, http.MethodGet, base+"/health/ready", "", ""); a.status == http.StatusOK {
			return base
		}
	}
	t.Fatal("the service does not become ready")
	return ""
}

type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; headers are name, value, name, value.
func ask(t *testing.T, method, url, key, body string, headers ...string) reply {
	t.Helper()
	a, err := try(t.Context(), method, url, key, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func try(ctx context.Context, method, url, key, body string, headers ...string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b)}, err
}

func (a reply) problem(t *testing.T, status int, code string) kit.Problem {
	t.Helper()
	var p kit.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != status || p.Code != code || p.CorrelationID == "" ||
		a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %s, want %d %s (%v)", a.status, a.body, status, code, err)
	}
	return p
}

// insert is a handler's effect.
func insert(ctx context.Context, what string) error {
	tx, err := idempotency.Begin(ctx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO effects (what) VALUES (?)`, what)
	return err
}

// create has an effect and numbers its answers.
func create(calls *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		if err := insert(r.Context(), idempotency.Key(r.Context())); err != nil {
			kit.WriteProblem(w, r, kit.ProblemFrom(err))
			return
		}
		w.Header().Set("Location", fmt.Sprintf("/things/%d", n))
		w.Header().Set("Set-Cookie", "session=secret")
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, "thing %d", n)
	}
}
