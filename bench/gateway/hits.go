package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// keeping are the proxies that answer from their caches, in the same order of
// rounds. Caddy keeps nothing without a plugin.
func keeping(ctx context.Context, o options, dir, backend string, out io.Writer) []starter {
	return []starter{
		{"plat", func() (*process, error) { return startPlat(ctx, o, dir, backend, "keeping") }},
		{"varnish", func() (*process, error) { return startVarnish(ctx, dir, backend, out) }},
		{"nginx", func() (*process, error) {
			return startNginx(ctx, dir, backend, fmt.Sprintf(nginxKeeps, dir), "proxy_cache kept;", out)
		}},
	}
}

const nginxKeeps = "proxy_cache_path %[1]s/nginx-kept levels=1:2 keys_zone=kept:10m use_temp_path=off;"

// varnishRules have it look a request with a cookie up, too, as the others do.
const varnishRules = `vcl 4.1;
backend default { .host = "%s"; .port = "%s"; }
sub vcl_recv { unset req.http.Cookie; }
`

// program finds one that is seldom in a user's path; empty: there is none.
func program(name string) string {
	for _, name := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// startVarnish starts Varnish with a program that writes its access log, as
// the others write theirs; nil where it is not installed.
func startVarnish(ctx context.Context, dir, backend string, out io.Writer) (*process, error) {
	binary, logger := program("varnishd"), program("varnishncsa")
	if binary == "" || logger == "" {
		_, _ = fmt.Fprintln(out, "SKIPPED varnish: not installed (apt-get install varnish)")
		return nil, nil
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	rules := filepath.Join(dir, "varnish.vcl")
	host, port, err := net.SplitHostPort(backend)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(rules, fmt.Appendf(nil, varnishRules, host, port), 0o600); err != nil {
		return nil, err
	}
	home := filepath.Join(dir, "varnish")
	p, err := start(ctx, "varnish", addr, dir, "sh", "-c",
		`"$2" -n "$3" -t 20 -w "$4" & exec "$1" -j none -F -n "$3" -a "$5" -f "$6" -s malloc,64m`,
		"sh", binary, logger, home, filepath.Join(dir, "varnish-access.log"), addr, rules)
	if err != nil {
		return nil, err
	}
	return p, p.listening(ctx)
}
