package plan

import (
	"reflect"
	"slices"
	"strings"

	"github.com/plat-dev/plat/plan/yaml"
)

// habit is what a key of another tool's files is called here.
type habit struct {
	key     string // of the same mapping, or above it
	instead string // what to write
}

// habits are keys that people bring along from Compose and Kubernetes, by the
// mapping that they are written in.
func habits() map[reflect.Type]map[string]habit {
	config := habit{"config", "config: {log-level: {default: info}}, which arrives as LOG_LEVEL"}
	calls := habit{"consumes", "consumes: {services: {NAME: {}}}, for each service that it calls"}
	port := habit{"port", "port: 8080, or nothing where the program listens on PORT"}
	run := habit{"run", "run: [./program, argument]"}
	image := habit{"build", "build: {image: NAME}"}
	instances := habit{"instances", "instances: 2"}
	ready := habit{"provides", "provides: {http: {ready: /health/ready, live: /health/live}}"}
	name := habit{"service", "service: NAME"}
	owner := habit{"owner", "owner: NAME, one of the owners in plat.yaml"}
	limits := habit{"limits", "limits: {memory: 256MiB, cpu: 0.5}"}
	stores := habit{"stores", "stores: {main: {}}, each a database of its own"}
	events := habit{"provides", "provides: {events: {order.placed: {}}} where it publishes, consumes: {events: {order.placed: {}}} where it receives"}
	needs := habit{"needs", "needs: [node], programs that must be on the PATH"}
	standard := func(key, value string) habit {
		return habit{"defaults", "defaults: {" + key + ": " + value + "}, or the same in a service.yaml"}
	}
	return map[reflect.Type]map[string]habit{
		reflect.TypeFor[ServiceFile](): {
			"env": config, "environment": config, "env_file": config, "env_from": config, "setting": config, "variable": config,
			"depends_on": calls, "dependency": calls, "dependencies": calls, "link": calls, "service": calls, "call": calls, "upstream": calls,
			"port": port, "expose": port, "container_port": port,
			"command": run, "entrypoint": run, "cmd": run, "arg": run, "start_command": run, "exec": run, "script": run,
			"image": image, "dockerfile": {"build", "build: {go: .}, or build: {command: [make]} with run: [./program]"},
			"replica": instances, "scale": instances, "count": instances,
			"healthcheck": ready, "health": ready, "readiness": ready, "readiness_probe": ready, "liveness": ready, "liveness_probe": ready,
			"ready": ready, "live": ready, "http": ready, "openapi": {"provides", "provides: {http: {openapi: openapi.yaml}}"},
			"name": name, "id": name, "team": owner, "maintainer": owner,
			"description": {"about", "about: What it does, in a sentence"}, "resource": limits, "memory": limits, "cpu": limits,
			"volume": stores, "database": stores, "db": stores, "event": events, "topic": events, "publishes": events, "subscribe": events,
			"stop_grace_period": {"grace", "grace: 10s"}, "termination_grace_period_seconds": {"grace", "grace: 10s"},
			"tool": needs, "require": needs, "domain": {"context", "context: NAME"},
			"route": {"gateways", "a route in plat.yaml: gateways: {public: {routes: [{path: /, service: NAME}]}}"},
		},
		reflect.TypeFor[SystemFile](): {
			"access": {"defaults", "defaults: {access: enforce}, or environments: {NAME: {access: enforce}}"},
			"name":   {"system", "system: NAME"}, "project": {"system", "system: NAME"},
			"team":  {"owners", "owners: {team: {mail: team@example.com}}"},
			"owner": {"owners", "owners: {team: {mail: team@example.com}}"},
			"route": {"gateways", "gateways: {public: {routes: [{path: /, service: NAME}]}}"}, "ingress": {"gateways", "gateways: {public: {routes: [{path: /, service: NAME}]}}"},
			"env":     {"environments", "environments: {prod: {}}"},
			"timeout": standard("timeout", "1s"), "limit": standard("limits", "{memory: 256MiB}"), "objective": standard("objectives", "{availability: 99.9%}"),
			"dns": {"doors", "doors: [dns]"}, "consul": {"doors", "doors: [consul]"},
		},
		reflect.TypeFor[HTTPFile]():         {"readiness": {"ready", "ready: /health/ready"}, "liveness": {"live", "live: /health/live"}, "healthcheck": {"ready", "ready: /health/ready"}, "health": {"ready", "ready: /health/ready"}},
		reflect.TypeFor[BuildFile]():        {"cmd": {"command", "command: [make]"}, "context": {"go", "go: ., or command: [make]"}, "dockerfile": {"command", "command: [make], and run: [./program] beside build"}},
		reflect.TypeFor[SettingFile]():      {"value": {"default", "default: VALUE"}},
		reflect.TypeFor[ServiceSet]():       {"env": {"config", "config: {log-level: debug}"}, "environment": {"config", "config: {log-level: debug}"}, "replica": instances},
		reflect.TypeFor[ConsumesFile]():     {"http": {"services", "services: {NAME: {}}"}, "call": {"services", "services: {NAME: {}}"}},
		reflect.TypeFor[RouteFile]():        {"prefix": {"path", "path: /"}, "url": {"path", "path: /"}, "backend": {"service", "service: NAME"}, "target": {"service", "service: NAME"}, "method": {"methods", "methods: [GET]"}},
		reflect.TypeFor[ServiceRef]():       {"dir": {"path", "path: services/NAME"}, "folder": {"path", "path: services/NAME"}, "name": {"path", "path: services/NAME"}},
		reflect.TypeFor[DefaultsFile]():     {"memory": limits, "cpu": limits, "resource": limits},
		reflect.TypeFor[CallFile]():         {"fallback": {"on-failure", "on-failure: degrade"}, "required": {"optional", "optional: true where it can do without"}, "retry": {"retries", "retries: 2"}, "bulkhead": {"concurrent", "concurrent: 100"}, "circuit-breaker": {"breaker", "breaker: {failures: 50%}"}},
		reflect.TypeFor[ExternalFile]():     {"address": {"url", "url: https://host"}, "host": {"url", "url: https://host"}, "team": owner},
		reflect.TypeFor[GatewayFile]():      {"path": {"routes", "routes: [{path: /, service: NAME}]"}},
		reflect.TypeFor[StoreFile]():        {"type": {"engine", "engine: sqlite"}, "retention": {"keep", "keep: 7d"}},
		reflect.TypeFor[ProvidesFile]():     {"publishes": {"events", "events: {order.placed: {}}"}, "api": {"http", "http: {openapi: openapi.yaml}"}},
		reflect.TypeFor[SubscriptionFile](): {"url": {"push", "push: /events"}, "max_retries": {"retries", "retries: 5"}, "retry": {"retries", "retries: 5"}},
	}
}

// meant is what a key that the mapping of this type does not have stands for:
// the key of the plan, and the remedy. Both are empty where nothing is known.
func meant(in reflect.Type, key string, known []string) (stands, remedy string) {
	same := func(k string) bool { return strings.EqualFold(k, key) }
	if !slices.ContainsFunc(known, same) {
		for k, h := range habits()[in] {
			if alike(k, key) {
				return h.key, "write " + h.instead
			}
		}
	}
	if best := Nearest(key, known); best != "" {
		return best, "did you mean " + best + "?"
	}
	return "", ""
}

// tried reports that the key stands at the top of the file, or one that means
// it and has a finding of its own.
func (d *document) tried(key string) bool { return d.has(key) || slices.Contains(d.meant, key) }

// extras reports that the mapping at the path has keys, known or not, beside
// those that begin with x-.
func (d *document) extras(path ...any) bool {
	n, _, whole := d.find(path)
	if !whole || n.Kind != yaml.Mapping {
		return false
	}
	for _, e := range n.Entries {
		if !strings.HasPrefix(e.Key, "x-") {
			return true
		}
	}
	return false
}
