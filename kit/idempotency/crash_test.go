package idempotency_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/idempotency"
)

// program is a service that dies where the header Die-At says.
func program() {
	db, err := openStore(os.Getenv("IDEMPOTENCY_TEST_STORE"))
	if err != nil {
		panic(err)
	}
	kit.Main("shop", func(s *kit.Service) error {
		keys, err := idempotency.Open(s, db, idempotency.Options{Wait: time.Second})
		if err != nil {
			return err
		}
		wrapped := keys.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := insert(r.Context(), idempotency.Key(r.Context())); err != nil {
				kit.WriteProblem(w, r, kit.ProblemFrom(err))
				return
			}
			dieAt(r, "effect")
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprint(w, "done ", idempotency.Key(r.Context()))
		}))
		s.HandleFunc("POST /things", func(w http.ResponseWriter, r *http.Request) {
			wrapped.ServeHTTP(&fatal{w, r}, r)
		})
		s.Go("up", func(context.Context) error { _, err := fmt.Println("UP", s.URL()); return err })
		return nil
	})
}

// fatal dies between the commit and the answer.
type fatal struct {
	http.ResponseWriter
	r *http.Request
}

func (f *fatal) WriteHeader(status int) {
	dieAt(f.r, "answer")
	f.ResponseWriter.WriteHeader(status)
}

func dieAt(r *http.Request, place string) {
	if r.Header.Get("Die-At") == place {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it comes at once
	}
}

// process starts the program on a store and waits until it serves.
func process(t *testing.T, store string) (base string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "IDEMPOTENCY_TEST_PROGRAM=1", "IDEMPOTENCY_TEST_STORE="+store, "PORT=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	t.Cleanup(kill)
	lines := bufio.NewScanner(out)
	var said []string
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "UP "); ok {
			base = url
		}
		said = append(said, lines.Text())
		if base != "" && strings.Contains(strings.Join(said, "\n"), `"msg":"serving"`) {
			return base, kill
		}
	}
	t.Fatalf("the program ended: %s", strings.Join(said, "\n"))
	return "", nil
}

func TestKilledBetweenEffectAndAnswer(t *testing.T) {
	t.Parallel()
	for place, replayed := range map[string]string{"effect": "", "answer": "true"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			store := filepath.Join(t.TempDir(), "s.db")
			base, kill := process(t, store)
			if a, err := try(t.Context(), http.MethodPost, base+"/things", "k", "body", "Die-At", place); err == nil {
				t.Fatalf("it lives: %+v", a)
			}
			kill()
			base, _ = process(t, store)
			for range 2 {
				a := ask(t, http.MethodPost, base+"/things", "k", "body")
				if a.status != http.StatusCreated || a.body != "done k" || a.header.Get("Idempotent-Replayed") != replayed {
					t.Errorf("%+v, want Idempotent-Replayed: %q", a, replayed)
				}
				replayed = "true"
			}
			if n := effects(t, open(t, store)); n != 1 {
				t.Errorf("%d effects, want 1", n)
			}
		})
	}
}

// Clients that never give up, and a service that dies again and again.
func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	const clients, each, deaths = 4, 15, 5
	store := filepath.Join(t.TempDir(), "s.db")
	var mu sync.Mutex
	base, kill := process(t, store)
	where := func() string {
		mu.Lock()
		defer mu.Unlock()
		return base
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	died := make(chan struct{}) // closed when it dies no more
	for c := range clients {
		group.Go(func() {
			for i := range each {
				if i == each-1 {
					<-died
				}
				key := fmt.Sprintf("%d-%d", c, i)
				for once := true; ctx.Err() == nil; {
					a, err := try(ctx, http.MethodPost, where()+"/things", key, "body")
					if err == nil && a.status == http.StatusCreated && a.body == "done "+key {
						if !once || i%3 > 0 {
							break
						}
						once = false // and again, as one who has not listened
					}
				}
			}
		})
	}
	for range deaths {
		time.Sleep(time.Duration(5+rand.IntN(40)) * time.Millisecond) // any time is a good time
		kill()
		next, end := process(t, store)
		mu.Lock()
		base, kill = next, end
		mu.Unlock()
	}
	close(died)
	group.Wait()
	if ctx.Err() != nil {
		t.Fatal("the clients do not come to an end")
	}
	db := open(t, store)
	var keys int
	if err := db.QueryRow(`SELECT COUNT(DISTINCT what) FROM effects`).Scan(&keys); err != nil {
		t.Fatal(err)
	}
	if n := effects(t, db); n != clients*each || keys != n {
		t.Errorf("%d effects of %d keys, want %d of each", n, keys, clients*each)
	}
}
