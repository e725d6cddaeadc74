package idempotency_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/idempotency"
)

// A client that has heard nothing sends the same request again.
func ExampleKeys_Wrap() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(context.Background())
	ctx = kit.WithEnv(ctx, map[string]string{"PORT": "0", "PLAT_STORE_ORDERS": filepath.Join(dir, "orders.db")})
	err = kit.Run(kit.WithOutput(ctx, io.Discard), "order", func(s *kit.Service) error {
		db, err := sql.Open("sqlite", "file:"+s.Store("orders")+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)")
		if err != nil {
			return err
		}
		s.OnStop("database", func(context.Context) error { return db.Close() })
		if _, err := db.Exec(`CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT NOT NULL)`); err != nil {
			return err
		}
		keys, err := idempotency.Open(s, db, idempotency.Options{})
		if err != nil {
			return err
		}
		s.Handle("POST /orders", keys.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tx, err := idempotency.Begin(r.Context())
			if err != nil {
				kit.WriteProblem(w, r, kit.ProblemFrom(err))
				return
			}
			var id int
			err = tx.QueryRowContext(r.Context(), `INSERT INTO orders (what) VALUES ('a record') RETURNING id`).Scan(&id)
			if err != nil {
				kit.WriteProblem(w, r, kit.ProblemFrom(err))
				return
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprintf(w, "order %d", id)
		})))
		s.Go("client", func(context.Context) error {
			defer cancel()
			send := func(key, body string) {
				req, err := http.NewRequest(http.MethodPost, s.URL()+"/orders", strings.NewReader(body))
				if err != nil {
					fmt.Println(err)
					return
				}
				req.Header.Set("Idempotency-Key", key)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					fmt.Println(err)
					return
				}
				defer resp.Body.Close()
				fmt.Printf("%d replayed=%q\n", resp.StatusCode, resp.Header.Get("Idempotent-Replayed"))
			}
			send(`"8e03978e"`, "one record")
			send(`"8e03978e"`, "one record")
			send(`"8e03978e"`, "two records")
			return nil
		})
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 201 replayed=""
	// 201 replayed="true"
	// 422 replayed=""
}
