# plat: `make up` and `make test` are all that a newcomer needs.

# Tests and tools see each module as its users do, without go.work.
MODULES  := . kit musiccorp bench registry/consul/prometheustest
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
BUILD    := -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)'
RELEASES := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
LINT     := bin/golangci-lint-$(shell cat tools/go.mod tools/go.sum | cksum | cut -d' ' -f1)
BEGAN    := $(shell date +%s)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help up test prepare check lint rooms generate generate-check test-unit test-e2e test-browser \
	console screenshots bench release-check vuln tools clean bin/plat bin/testsum

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

up: bin/plat ## build plat and run MusicCorp here, until Ctrl-C
	@exec bin/plat up -C musiccorp

test: prepare check lint test-unit test-e2e test-browser ## everything that must pass, set-up included
	@echo "make test took $$(( ($$(date +%s) - $(BEGAN)) / 60 )) min $$(( ($$(date +%s) - $(BEGAN)) % 60 )) s"
	@bin/testsum -total bin/counts

prepare: ## install gcc, Node, Chromium and promtool where they lack
	@tools/step "prepare: gcc, Node, Chromium, promtool" tools/prepare
	@mkdir -p bin && rm -f bin/counts

check: bin/testsum bin/plat ## the quick checks: gofmt, rooms.txt, generated files
	@tools/step "gofmt" tools/gofmt
	@tools/step "rooms.txt" tools/gotest . ./internal/roomstest ./internal/testsum
	@tools/step "generated files" tools/generate --check
	@tools/step "the console's assets" tools/console --check

lint: $(LINT) ## golangci-lint over every module
	@for m in $(MODULES); do tools/step "lint $$m" tools/lint $(LINT) $$m || exit 1; done

test-unit: bin/testsum ## tests of rooms, kit and services, with the race detector
	@for m in $(MODULES); do tools/step "unit tests of $$m" tools/gotest -race $$m unit || exit 1; done

test-e2e: bin/testsum bin/plat ## the command line's stories and whole systems, with the race detector
	@for m in $(MODULES); do tools/step "end-to-end tests of $$m" tools/gotest -race $$m e2e || exit 1; done

test-browser: bin/plat ## MusicCorp's website and the console in headless Chromium
	@tools/step "browser tests" tools/browser

generate: bin/plat ## write the generated files anew: schemas/, docs/errors.md, docs/alerts.md, docs/reference.md
	@tools/generate

console: ## build the console's assets anew (needs Node)
	@tools/console

screenshots: bin/plat ## the documentation's pictures, by the browser tests
	@SCREENSHOTS=docs/img tools/browser

bench: ## the benchmarks, beside their peers
	@cd bench && GOWORK=off go run .

release-check: ## cross-compile plat for every platform
	@for p in $(RELEASES); do \
		tools/step "plat for $$p" env CGO_ENABLED=0 GOWORK=off GOOS=$${p%/*} GOARCH=$${p#*/} \
			go build $(BUILD) -o dist/plat-$${p%/*}-$${p#*/} ./cmd/plat || exit 1; \
	done

vuln: bin/govulncheck ## known vulnerabilities (asks the internet's database)
	@for m in $(MODULES); do tools/step "govulncheck $$m" tools/vuln $$m || exit 1; done

tools: $(LINT) bin/govulncheck ## build the linter and govulncheck into bin/

clean: ## take away what was built and MusicCorp's state, unless it runs
	@if [ -e bin/plat ] && bin/plat ps -C musiccorp >/dev/null 2>&1; then \
		echo "MusicCorp runs: stop it first, with bin/plat down -C musiccorp"; exit 1; fi
	rm -rf bin dist musiccorp/.plat musiccorp/browser/node_modules musiccorp/services/*/node_modules \
		console/web/node_modules event/cloudevents/testdata/node/node_modules \
		telemetry/otlp/testdata/node/node_modules telemetry/segment/testdata/duckdb/node_modules

# The go command knows what changed.
bin/plat:
	@[ -e $@ ] || echo "Building plat: some minutes the first time, seconds afterwards."
	@CGO_ENABLED=0 GOWORK=off go build $(BUILD) -o $@ ./cmd/plat

bin/testsum:
	@CGO_ENABLED=0 GOWORK=off go build -trimpath -buildvcs=false -o $@ ./internal/testsum

$(LINT):
	@mkdir -p bin && rm -f bin/golangci-lint-*
	@tools/step "build golangci-lint (some minutes the first time)" env CGO_ENABLED=0 GOWORK=off \
		go build -C tools -trimpath -buildvcs=false -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/govulncheck: tools/go.sum
	@mkdir -p bin
	@tools/step "build govulncheck" env CGO_ENABLED=0 GOWORK=off \
		go build -C tools -trimpath -buildvcs=false -o ../$@ golang.org/x/vuln/cmd/govulncheck
