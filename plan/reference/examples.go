package reference

// examples show keys with a value, by file and path. A test reads each of them
// as a plan.
func examples() map[string]string {
	all := map[string]string{}
	for file, paths := range map[string]map[string]string{SystemFile: systemExamples(), ServiceFile: serviceExamples()} {
		for path, text := range paths {
			all[file+" "+path] = text
		}
	}
	return all
}

func systemExamples() map[string]string {
	return map[string]string{
		"plat":                                 "plat: 1",
		"system":                               "system: musiccorp",
		"owners":                               "owners:\n  ordering: {mail: ordering@musiccorp.example, chat: \"#ordering\"}",
		"owners.<name>.url":                    "url: https://wiki.musiccorp.example/ordering",
		"services":                             "services:\n  - path: services/*\n  - path: legacy/mailer",
		"services[].artifact":                  "artifact: registry.example/shop/order:1.2",
		"external":                             "external:\n  stripe: {url: https://api.stripe.com, owner: ordering}\n  legacy: {url: http://legacy.internal, owner: ordering}   # registers itself",
		"external.<name>.url":                  "url: http://legacy.internal",
		"gateways":                             "gateways:\n  public:\n    timeout: 10s\n    routes:\n      - {path: /, service: web}\n      - {path: /api/orders, service: order, methods: [GET, POST], timeout: 5s}",
		"gateways.<name>.cache":                "cache: {memory: 64MiB}",
		"gateways.<name>.cache.memory":         "memory: 256MiB",
		"gateways.<name>.cache.longest":        "longest: 1d",
		"gateways.<name>.cache.stale-if-error": "stale-if-error: 1h",
		"gateways.<name>.cache.stale-while-revalidate": "stale-while-revalidate: 30s",
		"gateways.<name>.routes[].host":                "host: shop.example.com",
		"gateways.<name>.routes[].path":                "path: /api/orders",
		"gateways.<name>.routes[].methods":             "methods: [GET, POST]",
		"journeys":                                     "journeys:\n  browse:\n    owner: ordering\n    every: 1m\n    steps:\n      - {get: /, expect: {contains: [Welcome]}}\n      - {get: /api/albums, capture: {sku: {json: /albums/0/sku}}}\n      - {get: \"/api/albums/{sku}\", expect: {json: {/sku: \"{sku}\", /price: {exists: true}}}}",
		"journeys.<name>.steps[].post":                 "post: /api/orders",
		"journeys.<name>.steps[].headers":              "headers: {Idempotency-Key: \"{run}\"}",
		"journeys.<name>.steps[].json":                 "json: {customer: Ada, lines: [{sku: MC-0001, quantity: 1}]}",
		"journeys.<name>.steps[].form":                 "form: {name: Ada, email: \"probe-{run}@probe.invalid\"}",
		"journeys.<name>.steps[].expect":               "expect: {status: 201, header: {Location: {matches: ^/api/}}, json: {/state: placed}, time: 1s}",
		"journeys.<name>.steps[].capture":              "capture: {order: {json: /id}, key: {text: 'name=\"key\" value=\"([^\"]+)\"'}}",
		"journeys.<name>.steps[].within":               "within: 10s",
		"defaults":                                     "defaults:\n  timeout: 1s\n  access: enforce\n  objectives: {availability: 99.5%, latency: {p95: 300ms}}",
		"defaults.timeout":                             "timeout: 800ms",
		"defaults.limits":                              "limits: {memory: 512MiB, cpu: 2}",
		"defaults.objectives":                          "objectives: {availability: 99.5%, latency: {p95: 300ms}}",
		"defaults.access":                              "access: enforce",
		"defaults.calls":                               "calls: {retries: 1, concurrent: 50, breaker: {open: 10s}}",
		"environments":                                 "environments:\n  staging:\n    access: observe\n    set:\n      order: {instances: 3, config: {credit-limit: 50000}}",
		"environments.<name>.access":                   "access: observe",
		"environments.<name>.set":                      "set:\n  order:\n    instances: 3\n    config: {credit-limit: 50000}\n    consumes: {services: {catalog: {timeout: 1s}}}",
		"environments.<name>.set.<name>.port":          "port: 9090",
		"alerts":                                       "alerts:\n  owner: ordering\n  webhooks:\n    - {url: https://chat.example.com/hooks/plat, token: ALERTS_TOKEN}",
		"alerts.webhooks":                              "webhooks:\n  - {url: https://chat.example.com/hooks/plat, token: ALERTS_TOKEN}",
		"alerts.webhooks[].token":                      "token: ALERTS_TOKEN   # plat's own environment has it",
		"telemetry":                                    "telemetry:\n  keep: 14d\n  size: 4GiB\n  redact: {names: [iban]}\n  keys: {order: [order, order_id]}",
		"telemetry.keep":                               "keep: 14d",
		"telemetry.size":                               "size: 4GiB",
		"telemetry.redact":                             "redact:\n  names: [iban]\n  patterns: ['\\bAKIA[0-9A-Z]{16}\\b']",
		"telemetry.redact.patterns":                    "patterns: ['\\bAKIA[0-9A-Z]{16}\\b']",
		"telemetry.keys":                               "keys: {order: [order, order_id]}",
		"telemetry.forward":                            "forward:\n  - {url: https://otlp.example.com:4318, token: OTLP_TOKEN}",
		"telemetry.forward[].token":                    "token: OTLP_TOKEN   # plat's own environment has it", // #nosec G101 -- a variable's name
		"environments.<name>.alerts":                   "alerts: {mail: false}",
		"doors":                                        "doors: [dns, consul]",
	}
}

func serviceExamples() map[string]string {
	return map[string]string{
		"service":                             "service: order",
		"owner":                               "owner: ordering",
		"context":                             "context: ordering",
		"about":                               "about: Takes an order from basket to dispatch.",
		"build":                               "build: {go: .}",
		"build.go":                            "go: ./cmd/order",
		"build.command":                       "command: [npm, ci]",
		"run":                                 "run: [node, server.js]",
		"needs":                               "needs: [node]",
		"port":                                "port: 9090",
		"instances":                           "instances: 2",
		"grace":                               "grace: 30s",
		"start":                               "start: 2m",
		"provides":                            "provides:\n  http: {ready: /health/ready}\n  events:\n    order.placed: {key: /customer}",
		"provides.http":                       "http: {openapi: api/openapi.yaml, ready: /health/ready, live: /health/live}",
		"provides.http.protocol":              "protocol: h2c   # gRPC",
		"provides.events":                     "events:\n  order.placed: {schema: api/order-placed.json, key: /customer}",
		"provides.events.<type>.key":          "key: /customer",
		"consumes":                            "consumes:\n  services:\n    catalog: {timeout: 400ms}\n  events:\n    payment.taken: {}",
		"consumes.services":                   "services:\n  catalog: {timeout: 400ms, on-failure: degrade, optional: true}",
		"consumes.services.<name>.timeout":    "timeout: 400ms",
		"consumes.services.<name>.optional":   "optional: true",
		"consumes.events":                     "events:\n  payment.taken: {}\n  customer.registered: {push: /events, retries: 10}",
		"consumes.events.<type>.retries":      "retries: 10",
		"consumes.events.<type>.fresh":        "fresh: 30s",
		"runbook":                             "runbook: https://wiki.musiccorp.example/order#alerts",
		"consumes.events.<type>.push":         "push: /events/customer-registered",
		"stores":                              "stores:\n  orders: {engine: sqlite, holds: [personal], keep: 7y, may-lose: 0s}",
		"stores.<name>.holds":                 "holds: [personal, payment]",
		"stores.<name>.keep":                  "keep: 7y",
		"stores.<name>.may-lose":              "may-lose: 5m",
		"config":                              "config:\n  currency: {default: EUR}             # text; arrives as CURRENCY\n  credit-limit: {type: int, default: 100000}\n  poll-every: {type: duration, default: 5s}\n  cookie-key: {secret: true}",
		"config.<name>.type":                  "type: duration",
		"config.<name>.secret":                "secret: true",
		"limits":                              "limits: {memory: 256MiB, cpu: 1}",
		"limits.memory":                       "memory: 256MiB",
		"limits.cpu":                          "cpu: 0.5",
		"objectives":                          "objectives:\n  availability: 99.9%\n  latency: {p90: 300ms, concurrent: 200}",
		"objectives.availability":             "availability: 99.9%",
		"objectives.latency":                  "latency: {p90: 300ms, concurrent: 200}",
		"objectives.latency.<percentile>":     "p99.9: 2s",
		"config.<name>.default":               "default: EUR",
		"stores.<name>.engine":                "engine: sqlite",
		"consumes.services.<name>.on-failure": "on-failure: degrade",
		"consumes.services.<name>.default":    "default: {body: '{\"items\":[]}'}",
		"consumes.services.<name>.last-good":  "last-good: {keep: 10m}",
		"consumes.services.<name>.breaker":    "breaker: {failures: 30%, calls: 50}",
	}
}
