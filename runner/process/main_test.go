package process_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/process"
)

// The test binary is also the guard, and every program that the tests start:
// the variable ACT says which.
func TestMain(m *testing.M) {
	process.GuardMain()
	if act := os.Getenv("ACT"); act != "" {
		play(act, os.Args[1:])
		os.Exit(0)
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // else each program of a race test lasts a second longer
	cover, err := os.MkdirTemp("", "cover")      // else each program of a coverage test prints a warning
	if err != nil {
		panic(err)
	}
	_ = os.Setenv("GOCOVERDIR", cover)
	code := m.Run()
	_ = os.RemoveAll(cover)
	os.Exit(code)
}

// patience bounds every wait of these tests, and half the life of programs.
const patience = time.Minute

// quiet is the environment that keeps the race detector and coverage out of
// what programs print and how long they last.
func quiet() []string {
	return []string{"GORACE=" + os.Getenv("GORACE"), "GOCOVERDIR=" + os.Getenv("GOCOVERDIR")}
}

// play is one program of the tests.
func play(act string, args []string) {
	switch act {
	case "exit":
		fmt.Println("last words")
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	case "sleep":
		fmt.Println("up")
		time.Sleep(2 * patience)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("up")
		time.Sleep(2 * patience)
	case "family": // a child, a grandchild, a nohup, a daemon; then exits or sleeps
		spawn("sleep", false)
		spawn("parent", false)
		spawn("hup", true)
		spawn("daemon", true)
		fmt.Println("up")
		if args[0] == "exit" {
			os.Exit(3)
		}
		time.Sleep(2 * patience)
	case "parent":
		spawn("sleep", false)
		time.Sleep(2 * patience)
	case "hup":
		signal.Ignore(syscall.SIGHUP, syscall.SIGTERM)
		time.Sleep(2 * patience)
	case "daemon": // the middle of a double fork
		spawn("hup", true)
		os.Exit(0)
	case "flood":
		out := bufio.NewWriterSize(os.Stdout, 1<<16)
		for n := 0; ; n++ {
			fmt.Fprintf(out, "flood line %d %s\n", n, strings.Repeat("x", 80))
		}
	case "print":
		for _, text := range args {
			s, err := strconv.Unquote(text)
			if err != nil {
				panic(err)
			}
			_, _ = os.Stdout.WriteString(s)
		}
	case "serve": // on PORT, or on a port of its own
		addr := "127.0.0.1:" + os.Getenv("PORT")
		if len(args) > 0 {
			addr = args[0]
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		go func() { <-signals; os.Exit(0) }()
		_ = http.Serve(l, http.NotFoundHandler()) // #nosec G114 -- a test's
	case "unix": // serves on a Unix socket alone
		l, err := net.Listen("unix", args[0])
		if err != nil {
			panic(err)
		}
		_ = http.Serve(l, http.NotFoundHandler()) // #nosec G114 -- a test's
	case "wrapped": // as npm: a shell that starts the program
		cmd := exec.Command("/bin/sh", "-c", os.Args[0]+"; true")
		cmd.Env = append(os.Environ(), "ACT=serve")
		if err := cmd.Run(); err != nil {
			panic(err)
		}
	case "daemonise": // starts the server in a session of its own, and ends
		spawn("serve", true)
		fmt.Println("started")
	case "hog":
		var hold [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			hold = append(hold, b)
			fmt.Println(len(hold), "MiB")
		}
	case "plat": // opens a guard, starts families, and waits to be killed
		g, err := process.Open(context.Background(), args[0], nil)
		if err != nil {
			panic(err)
		}
		for n := range 3 {
			_, err := g.Launch(context.Background(), program("family", fmt.Sprintf("f-%d", n), "stay"))
			if err != nil {
				panic(err)
			}
		}
		fmt.Println("guard", g.PID())
		time.Sleep(2 * patience)
	}
}

// spawn starts this binary once more, in a session of its own if asked.
func spawn(act string, session bool) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{"ACT=" + act, "PORT=" + os.Getenv("PORT"), "PLAT_RUN=" + os.Getenv("PLAT_RUN"), "FAMILY=" + os.Getenv("FAMILY")}
	cmd.Env = append(cmd.Env, quiet()...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
}

// program is the launch of one of these programs.
func program(act, instance string, args ...string) runner.Launch {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	service, _, _ := strings.Cut(instance, "-")
	return runner.Launch{
		Instance: instance, Service: service, Argv: append([]string{self}, args...), Dir: os.TempDir(),
		Env: append([]string{"ACT=" + act, "FAMILY=" + os.Getenv("FAMILY")}, quiet()...),
	}
}

// of makes a launch and all below it of a family of processes.
func of(family string, l runner.Launch) runner.Launch {
	l.Env[1] = "FAMILY=" + family
	return l
}

// open opens a guard on a state folder of its own.
func open(t *testing.T) (g *process.Guard, state string) {
	t.Helper()
	state = t.TempDir()
	g, err := process.Open(t.Context(), state, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g, state
}

// launch starts a program, which must start.
func launch(t *testing.T, g *process.Guard, l runner.Launch) runner.Process {
	t.Helper()
	p, err := g.Launch(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// gone waits for the end of a program.
func gone(t *testing.T, p runner.Process) runner.Exit {
	t.Helper()
	select {
	case exit := <-p.Gone():
		return exit
	case <-time.After(patience):
		t.Fatal("the program is not gone")
		return runner.Exit{}
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within %s: %s", patience, what)
}

// family lists the processes that carry FAMILY=name.
func family(name string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil || !strings.Contains("\x00"+string(env), "\x00FAMILY="+name+"\x00") {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		pids = append(pids, pid)
	}
	return pids
}

// text is a service's log.
func text(t *testing.T, state, service string) string {
	t.Helper()
	var b strings.Builder
	err := runner.ReadLogs(t.Context(), filepath.Join(state, "logs"), runner.LogQuery{Services: []string{service}}, func(l runner.Line) error {
		fmt.Fprintf(&b, "%s %s %s\n", l.Instance, l.Stream, l.Text)
		return nil
	})
	if err != nil && !fault.Is(err, fault.RunLogUnreadable) {
		t.Fatal(err)
	}
	return b.String()
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

func itoa(n int) string { return strconv.Itoa(n) }

// freePort finds one that the system gives to nobody meanwhile: below the
// ephemeral ones, of which each connection takes one.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 18000 + rand.IntN(2000)
		l, err := net.Listen("tcp", "127.0.0.1:"+itoa(port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// childrenOf lists a process's children that run.
func childrenOf(t *testing.T, pid int) (pids []int) {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that has ended meanwhile
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && alive(pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
