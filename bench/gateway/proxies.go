package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

type starter struct {
	name  string
	start func() (*process, error)
}

// startProxies starts plat's gateway and the peers that can be had. What it
// started is returned also with an error.
func startProxies(ctx context.Context, o options, dir, backend string, out io.Writer) ([]*process, error) {
	var proxies []*process
	starters := []starter{
		{"plat", func() (*process, error) { return startPlat(ctx, o, dir, backend, "plat") }},
		{"caddy", func() (*process, error) { return startCaddy(ctx, o, dir, backend, out) }},
		{"nginx", func() (*process, error) { return startNginx(ctx, dir, backend, "", "", out) }},
	}
	if o.hits {
		starters = keeping(ctx, o, dir, backend, out)
	}
	for _, s := range starters {
		if o.only != "" && o.only != s.name {
			continue
		}
		p, err := s.start()
		if err != nil {
			return proxies, err
		}
		if p != nil {
			proxies = append(proxies, p)
		}
	}
	return proxies, nil
}

// startPlat starts this binary as plat's gateway, in a role that has a cache or
// not.
func startPlat(ctx context.Context, o options, dir, backend, role string) (*process, error) {
	args := []string{backend, filepath.Join(dir, "plat-access.log")}
	if o.profile != "" {
		abs, err := filepath.Abs(o.profile)
		if err != nil {
			return nil, err
		}
		args = append(args, abs)
	}
	p, err := startSelf(ctx, dir, role, args...)
	if p != nil {
		p.name = "plat"
	}
	return p, err
}

const caddyConfig = `{
  "admin": {"disabled": true},
  "logging": {"logs": {
    "default": {"level": "ERROR"},
    "access": {"include": ["http.log.access"], "encoder": {"format": "json"},
               "writer": {"output": "file", "filename": "%[1]s", "roll": false}}
  }},
  "apps": {"http": {
    "metrics": {},
    "servers": {"bench": {
      "listen": ["%[2]s"],
      "automatic_https": {"disable": true},
      "logs": {},
      "routes": [{"handle": [{
        "handler": "reverse_proxy",
        "transport": {"protocol": "http", "keep_alive": {"max_idle_conns_per_host": 512}},
        "upstreams": [{"dial": "%[3]s"}]
      }]}]
    }}
  }}
}`

// startCaddy builds Caddy, unless it is there, and starts it with its access
// log as JSON and its metrics on.
func startCaddy(ctx context.Context, o options, dir, backend string, out io.Writer) (*process, error) {
	binary := o.caddy
	if binary == "" {
		bench, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/plat-dev/plat/bench")
		if err != nil {
			return nil, err
		}
		binary = filepath.Join(bench, "..", "bin", "caddy")
		_, _ = fmt.Fprintln(out, "building Caddy (minutes when nothing is cached)")
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./caddy") // #nosec G204 -- our own path
		build.Dir = filepath.Join(bench, "peers")
		build.Env = append(os.Environ(), "GOWORK=off")
		if said, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building Caddy: %w\n%s", err, said)
		}
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "caddy.json")
	text := fmt.Sprintf(caddyConfig, filepath.Join(dir, "caddy-access.log"), addr, backend)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := start(ctx, "caddy", addr, dir, binary, "run", "--config", config)
	if err != nil {
		return nil, err
	}
	return p, p.listening(ctx)
}

const nginxConfig = `daemon off;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx-error.log;
events { worker_connections 1024; }
http {
  access_log %[1]s/nginx-access.log combined;
  client_body_temp_path %[1]s/nginx-body;
  proxy_temp_path %[1]s/nginx-proxy;
  fastcgi_temp_path %[1]s/nginx-fastcgi;
  uwsgi_temp_path %[1]s/nginx-uwsgi;
  scgi_temp_path %[1]s/nginx-scgi;
  keepalive_requests 10000000;
  %[4]s
  upstream backend { server %[3]s; keepalive 512; keepalive_requests 10000000; }
  server {
    listen %[2]s;
    location / {
      %[5]s
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Correlation-ID $request_id;
    }
  }
}
`

// startNginx starts nginx where it is installed, with more said for all and for
// its only place; nil where it is not.
func startNginx(ctx context.Context, dir, backend, forAll, forPlace string, out io.Writer) (*process, error) {
	binary := program("nginx")
	if binary == "" {
		_, _ = fmt.Fprintln(out, "SKIPPED nginx: not installed (apt-get install nginx-light)")
		return nil, nil
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, addr, backend, forAll, forPlace), 0o600); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 { // its workers are somebody else
		if err := os.Chmod(dir, 0o755); err != nil { // #nosec G302 -- a temporary folder without secrets
			return nil, err
		}
	}
	p, err := start(ctx, "nginx", addr, dir, binary, "-c", config, "-e", filepath.Join(dir, "nginx-error.log"))
	if err != nil {
		return nil, err
	}
	return p, p.listening(ctx)
}
