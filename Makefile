# Mazad: what a person needs to type. Nothing but Go, Node.js, npm and make is needed.
SHELL := /bin/bash
GO    ?= go
DATA  := $(abspath $(wildcard ../shared/data))
MAZAD_DATA ?= $(DATA)
export MAZAD_DATA
# No C compiler needed, and one build cache for tests and binary.
export CGO_ENABLED := 0

# Packages with few dependencies, cheap to build a second time for the race detector.
RACE := ./targeting/... ./audience/... ./auction/... ./prediction/... ./pacing/... ./internal/...

# Suites that start whole nodes with all engines and wait for them: beside others on
# two cores their limits of seconds would measure the others.
ALONE := cmd/mazad bench/crash
ALONE_PATTERN := $(subst $() ,|,$(ALONE))

.PHONY: help demo test soak check build bench engines fuzz clean-data need

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: engines build ## build, start everything on this machine, seed a small world, send traffic
	@bin/mazad demo

test: engines ## every test, at most 20 minutes from cold on 2 cores
	$(GO) vet ./...
	set -o pipefail; $(GO) test -json -timeout 15m $$($(GO) list ./... | grep -vE '/($(ALONE_PATTERN))$$') | $(GO) run ./internal/testlog
	@echo "one after another: the suites that run whole nodes"
	set -o pipefail; $(GO) test -p 1 -json -timeout 15m $(ALONE:%=./%) | $(GO) run ./internal/testlog
	@if command -v "$$($(GO) env CC)" >/dev/null; then \
	  set -o pipefail; echo "again with the race detector: the quiet rooms"; \
	  CGO_ENABLED=1 $(GO) test -race -short -json $$($(GO) list $(RACE) | grep -v /internal/house) | $(GO) run ./internal/testlog; \
	else echo "SKIPPED: the race detector needs a C compiler, and there is none" >&2; [ -z "$(CI)" ]; fi

soak: engines ## the long forms of the fault tests: ten times as many power cuts (as root), 1,000 kills
	set -o pipefail; MAZAD_SOAK=1 $(GO) test -json -timeout 3h -run 'TestI4|PowerCut|KilledAnywhere' ./cmd/mazad ./bench/crash | $(GO) run ./internal/testlog
	set -o pipefail; MAZAD_SOAK=1 $(GO) test -json -timeout 3h -run 'Flipped' ./events/archive | $(GO) run ./internal/testlog
	set -o pipefail; MAZAD_AUCTIONS=1000000 $(GO) test -json -timeout 3h -run 'NodesNeverPassALimit' ./serving | $(GO) run ./internal/testlog

check: need ## what to run before a commit: vet, the house rules, the short tests
	$(GO) vet ./...
	$(GO) test ./internal/house
	set -o pipefail; $(GO) test -short -json ./... | $(GO) run ./internal/testlog

build: need ## bin/mazad
	$(GO) build -o bin/mazad ./cmd/mazad

bench: build ## every suite in its quick form
	@set -e; for suite in match decide http ingest overload; do bin/mazad bench $$suite --quick; done

engines: need ## install the embedded ClickHouse library, and PostgreSQL for the tests
	@.ci/engines

fuzz: need ## every fuzz target for 10 seconds; FUZZTIME=1m for longer
	@.ci/fuzz

clean-data: ## remove ./var, all that demo and serve have kept
	rm -rf var

need:
	@.ci/need
