// Command caddy is Caddy with its standard modules, built from the pinned
// version in go.mod, so that the benchmarks run beside a known peer.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard" // the modules that Caddy registers on import
)

func main() { caddycmd.Main() }
