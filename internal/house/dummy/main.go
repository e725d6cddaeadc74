// Command dummy is a service for tests: what it does wrong is chosen by its
// flags.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/smtp"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	exit := flag.Int("exit", -1, "exit at once with this code")
	deaf := flag.Bool("deaf", false, "ignore SIGTERM")
	never := flag.Bool("never", false, "listen nowhere")
	port := flag.String("port", os.Getenv("PORT"), "listen on another port than PORT")
	fork := flag.Bool("fork", false, "start a grandchild, and one in a session of its own")
	flood := flag.Int("flood", 0, "print this many lines at once")
	sleep := flag.Bool("sleep", false, "only sleep: what -fork starts")
	open := flag.String("open", "", "hold this file open")
	flag.Parse()
	if *sleep {
		time.Sleep(10 * time.Minute)
		return
	}
	if *exit >= 0 {
		fmt.Println("about to exit with", *exit)
		fmt.Fprintln(os.Stderr, "the reason is a flag")
		os.Exit(*exit)
	}
	for i := range *flood {
		fmt.Println("line", i, strings.Repeat("x", 200))
	}
	if *fork {
		for _, setsid := range []bool{false, true} {
			child := exec.CommandContext(context.Background(), os.Args[0], "-sleep")
			child.SysProcAttr = &syscall.SysProcAttr{Setsid: setsid}
			if err := child.Start(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			fmt.Println("started", child.Process.Pid)
		}
	}
	if *open != "" {
		f, err := os.Open(*open)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		defer func() { _ = f.Close() }()
	}
	if *deaf {
		signal.Ignore(syscall.SIGTERM)
	}
	if *never {
		select {}
	}
	serve(*port)
}

// serve answers with what a test wants to know of the caller and of itself.
func serve(port string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"service": os.Getenv("PLAT_SERVICE"), "instance": os.Getenv("PLAT_INSTANCE"), "path": r.URL.Path,
			"headers": r.Header, "env": names(),
		})
	})
	mux.HandleFunc("/say/", func(w http.ResponseWriter, r *http.Request) { // the header that its caller wishes
		for name, values := range r.URL.Query() {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		_, _ = fmt.Fprintln(w, "as you say")
	})
	var sick atomic.Bool
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			http.Error(w, "sick", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/sicken", func(http.ResponseWriter, *http.Request) { sick.Store(true) })
	mux.HandleFunc("/call/", func(w http.ResponseWriter, r *http.Request) {
		callee := strings.TrimPrefix(r.URL.Path, "/call/")
		ask(w, r, os.Getenv("PLAT_URL_"+strings.ToUpper(strings.ReplaceAll(callee, "-", "_"))), "")
	})
	mux.HandleFunc("/without/", func(w http.ResponseWriter, r *http.Request) { // it does without what it does not get
		callee := strings.TrimPrefix(r.URL.Path, "/without/")
		status, err := call(r, os.Getenv("PLAT_URL_"+strings.ToUpper(strings.ReplaceAll(callee, "-", "_"))), 300*time.Millisecond)
		_, _ = fmt.Fprintln(w, "whole, or nearly so:", status, err)
	})
	mux.HandleFunc("/mesh/", func(w http.ResponseWriter, r *http.Request) {
		ask(w, r, os.Getenv("PLAT_MESH"), strings.TrimPrefix(r.URL.Path, "/mesh/")+".internal")
	})
	mux.HandleFunc("/mail", func(w http.ResponseWriter, _ *http.Request) {
		text := "Subject: a dummy writes\r\n\r\nnothing much\r\n"
		if err := smtp.SendMail(strings.TrimPrefix(os.Getenv("SMTP_URL"), "smtp://"), nil, "dummy@dummy.example", []string{"you@dummy.example"}, []byte(text)); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	var taken, refuse, hang atomic.Int64 // events: those that were taken, and the next ones that will not be
	mux.HandleFunc("/mood", func(_ http.ResponseWriter, r *http.Request) {
		for name, n := range map[string]*atomic.Int64{"refuse": &refuse, "hang": &hang} {
			times, _ := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
			n.Store(times)
		}
	})
	mux.HandleFunc("POST /events", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case hang.Add(-1) >= 0:
			fmt.Println("hangs", r.Header.Get("ce-id"))
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		case refuse.Add(-1) >= 0:
			http.Error(w, "not in the mood", http.StatusInternalServerError)
			return
		}
		taken.Add(1)
		fmt.Println("took", r.Header.Get("ce-type"), r.Header.Get("ce-id"))
	})
	mux.HandleFunc("POST /refuse", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not in the mood", http.StatusInternalServerError)
	})
	mux.HandleFunc("/taken", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, taken.Load()) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(asked(r)):
		case <-r.Context().Done():
		}
		_, _ = fmt.Fprintln(w, "late")
	})
	mux.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(1) })
	fmt.Println("listening on", port)
	server := &http.Server{Addr: "127.0.0.1:" + port, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}

// asked is how long a request wants to take.
func asked(r *http.Request) time.Duration {
	if length, err := time.ParseDuration(r.URL.Query().Get("for")); err == nil {
		return length
	}
	return 2 * time.Second
}

// ask calls /called at base, under a host where one is named.
func ask(w http.ResponseWriter, r *http.Request, base, host string) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, base+"/called", nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	req.Host = host
	pass(r, req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	w.WriteHeader(resp.StatusCode)
	_ = resp.Write(w)
}

// call calls /called at base, for a while.
func call(r *http.Request, base string, patience time.Duration) (status int, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/called", nil)
	if err != nil {
		return 0, err
	}
	pass(r, req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// pass passes on what belongs to the customer's action, as every good
// neighbour does.
func pass(from, to *http.Request) {
	for _, name := range []string{"Traceparent", "X-Correlation-Id", "Plat-Test"} {
		if value := from.Header.Get(name); value != "" {
			to.Header.Set(name, value)
		}
	}
}

// names are the variables that plat gave, without their values.
func names() []string {
	var list []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		list = append(list, name)
	}
	return list
}
