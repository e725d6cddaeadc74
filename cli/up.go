package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
)

// upFlags are the flags of plat up.
type upFlags struct {
	detach  bool
	gateway string
	api     string
	timeout time.Duration
	watch   bool
	child   bool // this is the process in the background; see detach.go
}

func (a *app) up() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up [SERVICE…]",
		Short: "Build and run the system here",
		Long: "Builds what changed, starts every service behind the gateway, and supervises\nthem. In the foreground it prints the services' output until Ctrl-C, which stops\neverything; a second Ctrl-C does so without waiting. Nothing survives plat.\n" +
			"With -d it returns once every service is ready or has failed: exit code 1 when\none failed, 4 when the time is over. With services, only these run and what they\ncannot do without. With --watch, saving a file builds that service and replaces its\ninstances; when the build fails, the old ones stay.",
		Example:           "  plat up\n  plat up -d && plat ps\n  plat up --watch\n  plat up order\n  plat up -C musiccorp --gateway 127.0.0.1:9000",
		GroupID:           "app",
		Args:              args(0, -1, "services"),
		ValidArgsFunction: a.plannedNames,
	}
	cmd.Flags().BoolVarP(&f.detach, "detach", "d", false, "run in the background")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "build and start anew what is saved")
	cmd.Flags().StringVar(&f.gateway, "gateway", "", "address of the gateway (default 127.0.0.1:8000, or any free port)")
	cmd.Flags().StringVar(&f.api, "api", "", "address of the control API (default 127.0.0.1:8001, or any free port)")
	lengthVar(cmd, &f.timeout, "timeout", 5*time.Minute, "with -d: wait this long for the services")
	cmd.Flags().BoolVar(&f.child, "detached-child", false, "this is the process in the background of plat up -d")
	_ = cmd.Flags().MarkHidden("detached-child") // the flag was just made
	a.environment(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		root, err := a.system()
		if err != nil {
			return err
		}
		o := ServeOptions{Root: root, Environment: a.env, Version: a.version, Only: names, Watch: f.watch}
		for _, addr := range []struct {
			flag, value string
			to          *string
		}{{"--gateway", f.gateway, &o.Gateway}, {"--api", f.api, &o.API}} {
			if *addr.to, err = address(addr.value); err != nil {
				return usage(cmd, addr.flag+" "+addr.value+": "+err.Error())
			}
		}
		switch {
		case f.child:
			return a.serveDetached(cmd.Context(), o)
		case f.detach:
			return a.upDetached(cmd.Context(), o, f.timeout)
		}
		return a.upForeground(cmd.Context(), o)
	}
	return cmd
}

// address completes what a flag names: a port, or a port without a host, is
// on 127.0.0.1.
func address(given string) (string, error) {
	if given == "" {
		return "", nil
	}
	if !strings.Contains(given, ":") {
		given = ":" + given
	}
	host, port, err := net.SplitHostPort(given)
	if err != nil {
		return "", errors.New("expected an address such as 127.0.0.1:8000")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("the port is a number from 1 to 65535")
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// upForeground serves the system in this process and shows it through the
// same API as every other verb.
func (a *app) upForeground(ctx context.Context, o ServeOptions) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	hush := context.AfterFunc(ctx, func() { a.words("\nstopping; once more to stop at once") })
	context.AfterFunc(ctx, stop) // the second signal ends plat at once, and the guard everything else
	began := time.Now()
	ready := make(chan struct{})
	shown := make(chan error, 1)
	go func() {
		select {
		case <-ready:
			shown <- a.show(ctx, began)
		case <-ctx.Done():
			shown <- nil
		}
	}()
	err := a.machine.Serve(ctx, o, func() { close(ready) })
	hush()          // from here on it is no signal that ends ctx
	if err == nil { // by Ctrl-C, or by plat down
		a.words("stopped")
	}
	stop()
	return errors.Join(err, <-shown)
}

// show prints progress, the summary, and then the output of the services.
func (a *app) show(ctx context.Context, began time.Time) error {
	client, _, err := a.connect()
	if err != nil {
		return err
	}
	services, err := a.settle(ctx, client, nil, a.progress())
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // Ctrl-C while starting is no error
		}
		return err
	}
	if err := a.summary(ctx, client, began); err != nil {
		return err
	}
	_ = a.sayFailed(services) // what runs goes on, so the answer is not no
	if err := a.stream(ctx, client.Logs, api.LogQuery{Since: time.Now(), Follow: true}, services, false); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// progress shows each look at the services while they start: one line that
// changes on a terminal, a line for each change elsewhere.
func (a *app) progress() func([]api.Service) {
	type step struct {
		state string
		since time.Time
	}
	steps := map[string]step{}
	painted := ""
	return func(services []api.Service) {
		ready, busy := 0, []string(nil)
		settled := true
		for _, s := range services {
			if steps[s.Name].state != s.State {
				steps[s.Name] = step{s.State, time.Now()}
				if !a.paint.on {
					a.words("%s: %s", s.Name, s.State)
				}
			}
			if s.Settled {
				ready++
				continue
			}
			settled = false
			doing := s.Name + " " + s.State
			if took := time.Since(steps[s.Name].since); took >= time.Second {
				doing += " " + age(steps[s.Name].since)
			}
			busy = append(busy, doing)
		}
		if !a.paint.on {
			return
		}
		line := shorten(fmt.Sprintf("[%d/%d] %s", ready, len(services), strings.Join(busy, ", ")), 78)
		if settled {
			line = ""
		}
		if line == painted {
			return
		}
		painted = line
		_, _ = io.WriteString(a.Err, "\r\x1b[K"+line)
	}
}

// summaryRows is how many services the summary of plat up lists, so that it
// stays within 12 lines.
const summaryRows = 7

// summary is at most 12 lines: the services, the gateway, the API, the logs.
func (a *app) summary(ctx context.Context, client *api.Client, began time.Time) error {
	now, err := ask(ctx, client)
	if err != nil {
		return err
	}
	t := table{header: []string{"SERVICE", "STATE", "URL"}}
	rest := 0
	for _, failedFirst := range []bool{true, false} {
		for _, s := range now.Services {
			if (s.State != "ready") != failedFirst {
				continue
			}
			if len(t.rows) == summaryRows && len(now.Services) > summaryRows {
				rest++
				continue
			}
			t.rows = append(t.rows, []string{s.Name, s.State, openable(s.URL)})
		}
	}
	a.output = "table"
	if err := a.print(nil, t); err != nil {
		return err
	}
	if rest > 0 {
		_, _ = fmt.Fprintf(a.Out, "… and %d more: plat ps\n", rest)
	}
	for _, g := range now.System.Gateways {
		_, _ = fmt.Fprintf(a.Out, "gateway %s  %s\n", g.Name, openable(g.URL))
	}
	for _, d := range now.System.Doors {
		_, _ = fmt.Fprintf(a.Out, "door %s  %s\n", d.Name, d.Addr)
	}
	where := openable(now.System.Console)
	if session, err := client.Session(ctx); err == nil { // without a key the console says how to get one
		where = openable(session.URL)
	}
	_, _ = fmt.Fprintf(a.Out, "console  %s\nlogs     %s\n", where, a.display(now.System.Logs))
	a.sayOpen(now.System)
	a.words("up in %.1f s", time.Since(began).Seconds())
	a.sayWarnings(now.System.Warnings, now.Services, false)
	return nil
}
