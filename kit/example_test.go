package kit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/plat-dev/plat/kit"
)

// serve runs a service in this process, as tests do, until use returns.
func serve(env map[string]string, setup func(*kit.Service) error, use func(s *kit.Service)) {
	env["PORT"] = "0"
	ctx, cancel := context.WithCancel(kit.WithOutput(kit.WithEnv(context.Background(), env), io.Discard))
	err := kit.Run(ctx, "hello", func(s *kit.Service) error {
		s.Go("example", func(context.Context) error { use(s); cancel(); return nil })
		return setup(s)
	})
	if err != nil {
		fmt.Println("Run:", err)
	}
}

// A whole service. It listens on $PORT and ends gracefully on SIGTERM.
func ExampleMain() {
	_ = func() { // func main
		kit.Main("hello", func(s *kit.Service) error {
			s.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
				s.Log().InfoContext(r.Context(), "greeting")
				_, _ = fmt.Fprintln(w, "Hello!")
			})
			return nil
		})
	}
}

// A test runs a service in its own process, with an environment of its own.
func ExampleRun() {
	ctx, cancel := context.WithCancel(context.Background())
	ctx = kit.WithEnv(ctx, map[string]string{"PORT": "0", "GREETING": "Hej"})
	ctx = kit.WithOutput(ctx, io.Discard)
	err := kit.Run(ctx, "hello", func(s *kit.Service) error {
		s.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintln(w, s.Env("GREETING"))
		})
		s.Go("test", func(context.Context) error {
			defer cancel()
			for { // 503 until setup has returned
				resp, err := http.Get(s.URL() + "/hello")
				if err != nil {
					return err
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					fmt.Print(string(body))
					return err
				}
			}
		})
		return nil
	})
	fmt.Println(err)
	// Output:
	// Hej
	// <nil>
}

// All mistakes come in one error.
func ExampleService_Config() {
	serve(map[string]string{"LIMIT": "many"}, func(s *kit.Service) error {
		var config struct {
			Currency string        `env:"CURRENCY" default:"EUR"`
			Limit    int           `env:"LIMIT" default:"10"`
			Key      string        `env:"API_KEY" required:"true" secret:"true"`
			Every    time.Duration `env:"EVERY" default:"30s"`
		}
		fmt.Println(s.Config(&config))
		return nil
	}, func(*kit.Service) {})
	// Output:
	// configuration: LIMIT: "many" is wrong, expected a whole number
	// API_KEY: is not set, expected a text
}

// A neighbour's refusal is a Problem that can be told by its code.
func ExampleClient_Get() {
	catalog := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/albums/kind-of-blue" {
			kit.WriteProblem(w, r, kit.NewProblem(http.StatusNotFound, "unknown-album", "no such album"))
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"title": "Kind of Blue", "price": 1299})
	}))
	defer catalog.Close()
	serve(map[string]string{"PLAT_URL_CATALOG": catalog.URL}, func(s *kit.Service) error {
		client := s.Client("catalog")
		var album struct{ Title string }
		err := client.Get(context.Background(), "/albums/kind-of-blue", &album)
		fmt.Println(album.Title, err)
		err = client.Get(context.Background(), "/albums/lost", &album)
		var p *kit.Problem
		if errors.As(err, &p) {
			fmt.Println(p.Status, p.Code)
		}
		return nil
	}, func(*kit.Service) {})
	// Output:
	// Kind of Blue <nil>
	// 404 unknown-album
}

// What a handler does not foresee is answered without its cause.
func ExampleProblemFrom() {
	find := func(id string) error {
		if id == "7" {
			return kit.NewProblem(http.StatusNotFound, "unknown-order", "there is no order 7")
		}
		return errors.New("dial tcp 10.0.0.7:5432: connection refused")
	}
	for _, id := range []string{"7", "8"} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders/"+id, nil)
		kit.WriteProblem(w, r, kit.ProblemFrom(find(id)))
		fmt.Print(w.Body)
	}
	// Output:
	// {"title":"Not Found","status":404,"detail":"there is no order 7","instance":"/orders/7","code":"unknown-order"}
	// {"title":"Internal Server Error","status":500,"detail":"an unforeseen error, see the log under the correlation ID","instance":"/orders/8","code":"internal"}
}
