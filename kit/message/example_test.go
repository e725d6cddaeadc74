package message_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

type orderPlaced struct {
	Order string `json:"order"`
	Total int    `json:"total"`
}

// Data are encoded by New and decoded by Decode.
func ExampleDecode() {
	e, err := message.New("order.placed", "order-7", orderPlaced{"order-7", 1299})
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := message.Decode[orderPlaced](e)
	fmt.Println(e.Type, data.Total, err)
	// Output: order.placed 1299 <nil>
}

// An event is published in the transaction of the change that it tells of.
func ExampleBus_Publish() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(context.Background())
	ctx = kit.WithEnv(ctx, map[string]string{"PORT": "0", "PLAT_STORE_ORDERS": filepath.Join(dir, "orders.db")})
	err = kit.Run(kit.WithOutput(ctx, io.Discard), "order", func(s *kit.Service) error {
		defer cancel()
		db, err := sql.Open("sqlite", "file:"+s.Store("orders")+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)")
		if err != nil {
			return err
		}
		s.OnStop("database", func(context.Context) error { return db.Close() })
		bus, err := message.Open(s, db)
		if err != nil {
			return err
		}
		place := func(ctx context.Context) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			// … write the order …
			e, err := message.New("order.placed", "order-7", orderPlaced{"order-7", 1299})
			if err != nil {
				return err
			}
			if err := bus.Publish(ctx, tx, e); err != nil {
				return err
			}
			return tx.Commit()
		}
		s.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
			if err := place(r.Context()); err != nil {
				s.Log().ErrorContext(r.Context(), "order not placed", "error", err)
				kit.WriteProblem(w, r, kit.ProblemFrom(err))
				return
			}
			w.WriteHeader(http.StatusAccepted)
		})
		fmt.Println("placed:", place(context.Background()))
		var waiting int
		err = db.QueryRow(`SELECT COUNT(*) FROM plat_outbox`).Scan(&waiting)
		fmt.Println("waiting to be sent:", waiting, err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// placed: <nil>
	// waiting to be sent: 1 <nil>
	// <nil>
}
