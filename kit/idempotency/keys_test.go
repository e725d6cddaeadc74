package idempotency_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/idempotency"
)

func TestAgain(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	var calls atomic.Int32
	base := serve(t, db, idempotency.Options{}, create(&calls))
	first := ask(t, http.MethodPost, base+"/things", `"k-1"`, "body")
	if first.status != http.StatusCreated || first.body != "thing 1" || first.header.Get("Idempotent-Replayed") != "" || first.header.Get("Set-Cookie") == "" {
		t.Errorf("first: %+v", first)
	}
	for _, key := range []string{`"k-1"`, `k-1`} {
		again := ask(t, http.MethodPost, base+"/things", key, "body")
		if again.status != first.status || again.body != first.body || again.header.Get("Location") != "/things/1" ||
			again.header.Get("Content-Type") != first.header.Get("Content-Type") {
			t.Errorf("again: %+v, want %+v", again, first)
		}
		if again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Set-Cookie") != "" {
			t.Errorf("again: headers %v", again.header)
		}
	}
	for name, other := range map[string]reply{
		"body":   ask(t, http.MethodPost, base+"/things", `"k-1"`, "another"),
		"query":  ask(t, http.MethodPost, base+"/things?x=1", `"k-1"`, "body"),
		"path":   ask(t, http.MethodPost, base+"/others", `"k-1"`, "body"),
		"method": ask(t, http.MethodPut, base+"/things", `"k-1"`, "body"),
	} {
		p := other.problem(t, http.StatusUnprocessableEntity, idempotency.CodeKeyReused)
		if p.Title != "Idempotency-Key is already used" || !strings.Contains(p.Type, "draft-ietf-httpapi-idempotency-key-header") {
			t.Errorf("another %s: %+v", name, p)
		}
	}
	if n := effects(t, db); n != 1 || calls.Load() != 1 {
		t.Errorf("%d effects of %d calls, want 1", n, calls.Load())
	}
	if a := ask(t, http.MethodPost, base+"/things", `"k-2"`, "body"); a.body != "thing 2" {
		t.Errorf("another key: %+v", a)
	}
}

// Nobody reads the answer of another, although they guess key and body.
func TestScopes(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	var calls atomic.Int32
	base := serve(t, db, idempotency.Options{}, create(&calls))
	as := func(headers ...string) string {
		return ask(t, http.MethodPost, base+"/things", "k", "body", headers...).body
	}
	got := []string{
		as("Authorization", "Bearer ada"), as("Authorization", "Bearer bob"), as(), as("Plat-Caller", "web"),
		as("Authorization", "Bearer ada"), as("Authorization", "Bearer bob"), as(), as("Plat-Caller", "web"),
	}
	want := []string{"thing 1", "thing 2", "thing 3", "thing 4", "thing 1", "thing 2", "thing 3", "thing 4"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// What lets in is not written down.
	var plain int
	if err := db.QueryRow(`SELECT COUNT(*) FROM plat_idempotency WHERE instr(scope, CAST('ada' AS BLOB)) > 0`).Scan(&plain); err != nil || plain > 0 {
		t.Errorf("%d scopes are readable, %v", plain, err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	base := serve(t, db, idempotency.Options{}, create(&calls))
	p := ask(t, http.MethodPost, base+"/things", "", "body").problem(t, http.StatusBadRequest, idempotency.CodeKeyMissing)
	if p.Title != "Idempotency-Key is missing" {
		t.Errorf("missing: %+v", p)
	}
	long := strings.Repeat("k", idempotency.MaxKey)
	for _, key := range []string{`""`, `"a`, `"a"b`, `"a";p=1`, `"a\b"`, `"a\`, `a b`, `a,b`, `"ä"`, `ä`, "\"a\tb\"", long + "k", `"` + long + `k"`, `?1`} {
		if p := ask(t, http.MethodPost, base+"/things", key, "body").problem(t, http.StatusBadRequest, idempotency.CodeKeyMalformed); p.Detail == "" {
			t.Errorf("%s: no reason", key)
		}
	}
	ask(t, http.MethodPost, base+"/things", "a", "body", "Idempotency-Key", "b").problem(t, http.StatusBadRequest, idempotency.CodeKeyMalformed)
	ask(t, http.MethodPost, base+"/things", "a", "body", "Idempotency-Key", "").problem(t, http.StatusBadRequest, idempotency.CodeKeyMalformed)
	if calls.Load() != 0 || effects(t, db) != 0 {
		t.Error("a refused request reached the handler")
	}
	for _, key := range []string{long, `"` + strings.Repeat("k", idempotency.MaxKey-1) + `"`, `"a \"b\" \\ c"`, "8e03978e-40d5-43dd-bc93-6894a57f9324", " x "} {
		if a := ask(t, http.MethodPost, base+"/things", key, "body"); a.status != http.StatusCreated {
			t.Errorf("%s: %+v", key, a)
		}
	}
	if a := ask(t, http.MethodGet, base+"/things", "", ""); a.status != http.StatusInternalServerError {
		t.Errorf("a safe method has a transaction: %+v", a)
	}
	strict := serve(t, db, idempotency.Options{Strict: true}, create(&calls))
	ask(t, http.MethodPost, strict+"/things", "bare", "").problem(t, http.StatusBadRequest, idempotency.CodeKeyMalformed)
}

func TestOptionalKeys(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	base := serve(t, db, idempotency.Options{Optional: true}, create(&calls))
	for _, want := range []string{"thing 1", "thing 2"} {
		if a := ask(t, http.MethodPost, base+"/things", "", "body"); a.body != want {
			t.Errorf("%+v, want %s", a, want)
		}
	}
	ask(t, http.MethodPost, base+"/things", `"`, "body").problem(t, http.StatusBadRequest, idempotency.CodeKeyMalformed)
	if n := effects(t, db); n != 2 {
		t.Errorf("%d effects, want 2", n)
	}
}

// What failed has had no effect, and its key is free.
func TestFailuresFreeTheKey(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	var fail atomic.Value
	fail.Store("")
	base := serve(t, db, idempotency.Options{MaxAnswer: 1000, MaxBody: 1000}, func(w http.ResponseWriter, r *http.Request) {
		if err := insert(r.Context(), "x"); err != nil {
			t.Error(err)
		}
		switch fail.Load() {
		case "500", "503", "404", "422":
			var status int
			_, _ = fmt.Sscan(fail.Load().(string), &status)
			w.WriteHeader(status)
		case "panic":
			panic("at the disco")
		case "abort":
			panic(http.ErrAbortHandler)
		case "long":
			if _, err := w.Write(make([]byte, 1001)); err == nil {
				t.Error("an answer without bounds")
			}
		case "gone":
			<-r.Context().Done()
		case "declined":
			idempotency.Keep(r.Context())
			w.WriteHeader(http.StatusPaymentRequired)
		}
	})
	for how, want := range map[string]int{"500": 500, "503": 503, "404": 404, "422": 422, "panic": 500, "long": 500, "abort": 0, "gone": 0} {
		fail.Store(how)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if how == "gone" {
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
		}
		a, err := try(ctx, http.MethodPost, base+"/things", "k-"+how, "body")
		cancel()
		if a.status != want || (err != nil) != (want == 0) {
			t.Errorf("%s: %+v, %v", how, a, err)
		}
	}
	fail.Store("")
	// The one that gave up may still hold the database.
	for deadline := time.Now().Add(patience); ; {
		a := ask(t, http.MethodPost, base+"/things", "k-gone", "body")
		if a.status == http.StatusOK && a.header.Get("Idempotent-Replayed") == "" {
			break
		}
		if a.status != http.StatusConflict || time.Now().After(deadline) {
			t.Fatalf("after the client had gone: %+v", a)
		}
	}
	for _, how := range []string{"500", "503", "404", "422", "panic", "long", "abort"} {
		if a := ask(t, http.MethodPost, base+"/things", "k-"+how, "another body"); a.status != http.StatusOK || a.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("after %s: %+v", how, a)
		}
	}
	if n := effects(t, db); n != 8 {
		t.Errorf("%d effects, want 8", n)
	}
	fail.Store("declined")
	for _, replayed := range []string{"", "true"} {
		if a := ask(t, http.MethodPost, base+"/things", "k-declined", ""); a.status != http.StatusPaymentRequired || a.header.Get("Idempotent-Replayed") != replayed {
			t.Errorf("kept: %+v", a)
		}
		fail.Store("")
	}
	if n := effects(t, db); n != 9 {
		t.Errorf("%d effects, want 9", n)
	}
	ask(t, http.MethodPost, base+"/things", "k-big", strings.Repeat("x", 1001)).problem(t, http.StatusRequestEntityTooLarge, kit.CodeTooLarge)
}

// While the same request runs: 409, or patience.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"409": 0, "waits": patience} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t, filepath.Join(t.TempDir(), "s.db"))
			var calls atomic.Int32
			entered, leave := make(chan struct{}, 100), make(chan struct{})
			base := serve(t, db, idempotency.Options{Wait: wait}, func(w http.ResponseWriter, r *http.Request) {
				entered <- struct{}{}
				<-leave
				create(&calls)(w, r)
			})
			var group sync.WaitGroup
			var created, conflicts atomic.Int32
			send := func() {
				a := ask(t, http.MethodPost, base+"/things", "k", "body")
				switch {
				case a.status == http.StatusCreated && a.body == "thing 1":
					created.Add(1)
				case a.status == http.StatusConflict && a.header.Get("Retry-After") == "1":
					a.problem(t, http.StatusConflict, idempotency.CodeKeyRunning)
					conflicts.Add(1)
				default:
					t.Errorf("%+v", a)
				}
			}
			group.Go(send)
			<-entered
			if wait == 0 {
				for range 20 {
					send()
				}
				close(leave)
			} else {
				for range 20 {
					group.Go(send)
				}
				close(leave)
			}
			group.Wait()
			wantConflicts := int32(20)
			if wait > 0 {
				wantConflicts = 0
			}
			if created.Load()+conflicts.Load() != 21 || conflicts.Load() != wantConflicts || effects(t, db) != 1 || calls.Load() != 1 {
				t.Errorf("%d created, %d conflicts, %d effects of %d calls", created.Load(), conflicts.Load(), effects(t, db), calls.Load())
			}
		})
	}
}

// Two instances of a service share its database and not its memory.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	db := open(t, path)
	var calls atomic.Int32
	both := make(chan struct{})
	var inside atomic.Int32
	handler := func(w http.ResponseWriter, r *http.Request) {
		if inside.Add(1) == 2 {
			close(both)
		}
		<-both // so that each is beyond the first look
		create(&calls)(w, r)
	}
	bases := []string{serve(t, db, idempotency.Options{}, handler), serve(t, open(t, path), idempotency.Options{}, handler)}
	answers := make([]reply, 2)
	var group sync.WaitGroup
	for i, base := range bases {
		group.Go(func() { answers[i] = ask(t, http.MethodPost, base+"/things", "k", "body") })
	}
	group.Wait()
	if answers[0].body != answers[1].body || answers[0].status != http.StatusCreated || answers[1].status != http.StatusCreated {
		t.Errorf("answers %+v", answers)
	}
	if answers[0].header.Get("Idempotent-Replayed") == answers[1].header.Get("Idempotent-Replayed") {
		t.Errorf("which is the first? %+v", answers)
	}
	if n := effects(t, db); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	var calls atomic.Int32
	base := serve(t, db, idempotency.Options{MaxKeys: 3}, create(&calls))
	for i := range 3 {
		if a := ask(t, http.MethodPost, base+"/things", fmt.Sprint(i), ""); a.status != http.StatusCreated {
			t.Errorf("%+v", a)
		}
	}
	a := ask(t, http.MethodPost, base+"/things", "one-more", "")
	a.problem(t, http.StatusServiceUnavailable, idempotency.CodeKeysFull)
	if a.header.Get("Retry-After") == "" || effects(t, db) != 3 {
		t.Errorf("full: %v, %d effects", a.header, effects(t, db))
	}
	if a := ask(t, http.MethodPost, base+"/things", "1", ""); a.body != "thing 2" {
		t.Errorf("known: %+v", a)
	}
}

func TestKeysExpire(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	var calls atomic.Int32
	base := serve(t, db, idempotency.Options{Keep: time.Hour}, create(&calls))
	ask(t, http.MethodPost, base+"/things", "k", "")
	if _, err := db.Exec(`UPDATE plat_idempotency SET created = created - 3600001`); err != nil {
		t.Fatal(err)
	}
	if a := ask(t, http.MethodPost, base+"/things", "k", "another"); a.body != "thing 2" {
		t.Errorf("expired and not yet swept: %+v", a)
	}
	swept := serve(t, db, idempotency.Options{Keep: 50 * time.Millisecond}, create(&calls))
	ask(t, http.MethodPost, swept+"/things", "k-2", "")
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var n int
		if err := db.QueryRow(`SELECT COUNT(*) FROM plat_idempotency`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d keys are never forgotten", n)
		}
	}
}

// A handler that ends the transaction itself loses nothing but the proof.
func TestAHandlerThatCommits(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	how := (*sql.Tx).Commit
	base := serve(t, db, idempotency.Options{}, func(w http.ResponseWriter, r *http.Request) {
		if err := insert(r.Context(), "x"); err != nil {
			t.Error(err)
		}
		tx, err := idempotency.Begin(r.Context())
		if err = errors.Join(err, how(tx)); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, "done")
	})
	for _, replayed := range []string{"", "true"} {
		if a := ask(t, http.MethodPost, base+"/things", "k", ""); a.body != "done" || a.header.Get("Idempotent-Replayed") != replayed {
			t.Errorf("%+v", a)
		}
	}
	if n := effects(t, db); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
	// Killed in between, it has left its key without an answer.
	if _, err := db.Exec(`UPDATE plat_idempotency SET status = 0`); err != nil {
		t.Fatal(err)
	}
	ask(t, http.MethodPost, base+"/things", "k", "").problem(t, http.StatusConflict, idempotency.CodeAnswerLost)
	// One that rolled back has done nothing.
	how = (*sql.Tx).Rollback
	for range 2 {
		if a := ask(t, http.MethodPost, base+"/things", "k-2", ""); a.body != "done" || a.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%+v", a)
		}
	}
	if n := effects(t, db); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	_ = db.Close()
	err := kit.Run(kit.WithOutput(kit.WithEnv(t.Context(), map[string]string{"PORT": "0"}), io.Discard), "shop", func(s *kit.Service) error {
		_, err := idempotency.Open(s, db, idempotency.Options{})
		return err
	})
	if err == nil || !strings.HasPrefix(err.Error(), "idempotency keys: ") {
		t.Errorf("a closed database: %v", err)
	}
	if _, err := idempotency.Begin(t.Context()); err == nil || idempotency.Key(t.Context()) != "" {
		t.Errorf("outside of a handler: %v", err)
	}
}
