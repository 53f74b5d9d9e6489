# Every command we use. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
IMAGE ?= keyward/auth
COMMIT := $(shell git rev-parse --short=8 HEAD 2>/dev/null || echo unknown)
# Which part of docker/compose.yml: `single`, or `replicas` for three behind a balancer.
PROFILE ?= single
COMPOSE := docker compose --env-file .env --file docker/compose.yml

# For how many minutes to soak.
MINUTES ?= 10
# How long each target of `test-fuzz` gets new inputs; there are 32.
FUZZ_SECONDS ?= 3
# The release before this one: a tag or a commit. Unset: the last tag, or else the state before the newest migration.
PREVIOUS ?=

.PHONY: help run test test-races test-faults test-fuzz test-leaks test-upgrade soak check deny sbom mail-pictures bench release image up down

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build and start the service on the embedded store in ./data
	MF_AUTH_LOG_FORMAT=$${MF_AUTH_LOG_FORMAT:-human} cargo run --locked --package auth

test: ## Run every test, after installing the servers they start, if those are missing
	scripts/setup-tests
	cargo test --workspace --locked

test-races: ## Judge 200,000 answers of three replicas under attack, and 200,000 simulated schedules
	scripts/setup-tests
	KEYWARD_SIMULATION_SEEDS=200000 cargo test --locked --package auth-cache --test it simulation
	KEYWARD_RACES=200000 cargo test --locked --package auth --test it revocation_races -- --nocapture

test-faults: ## Break PostgreSQL, Redis, mail, disks, clocks and the service itself, under load, for longer than `make test` does
	scripts/test-faults

test-upgrade: ## Run the release before (PREVIOUS=commit) and this one on one schema, under load
	scripts/test-upgrade $(PREVIOUS)

soak: ## Load two replicas for MINUTES=10, break something now and then, and fail when anything grows
	scripts/soak $(MINUTES)

test-fuzz: ## Give every decoder hostile inputs for FUZZ_SECONDS, 3 unless said otherwise, each
	@cargo test --quiet --no-run --workspace --locked
	@KEYWARD_FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test --quiet --workspace --locked --no-fail-fast fuzz_ -- --test-threads=1 --nocapture > /dev/null

test-leaks: ## Run every test of the service with its servers at level trace, and search all they print for secrets and addresses
	scripts/setup-tests
	KEYWARD_TEST_LEAKS=1 cargo test --locked --no-fail-fast --package auth --test it

check: ## Check formatting, lints, documentation and the container files
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --locked
	scripts/check-docker

deny: ## Check licences, advisories and sources of what we depend on
	@command -v cargo-deny > /dev/null || { echo "cargo-deny is missing: cargo install --locked cargo-deny@0.20.2" >&2; exit 1; }
	cargo deny --locked check

sbom: ## Write what the binary is made of, and under which licences, to target/sbom
	cargo run --quiet --locked --package auth-sbom -- target/sbom

mail-pictures: ## Make the pictures in docs/mails with a headless Chromium
	scripts/mail-pictures

bench: ## Measure what a call costs, beside a bare server
	scripts/bench

release: ## Build the optimised binary, target/release/auth
	cargo build --release --locked --package auth

image: ## Build the container image
	docker build --file docker/Dockerfile --build-arg COMMIT=$(COMMIT) \
		--build-arg BUILD_TIME=$(shell date -u +%Y-%m-%d_%H:%M:%S) --tag $(IMAGE) .

up: .env ## Start the service with its databases, mail catcher and dashboards in containers; PROFILE=replicas: three behind a balancer
	$(COMPOSE) --profile $(PROFILE) up --build --detach --wait

down: .env ## Stop those containers; their data stays
	$(COMPOSE) --profile single --profile replicas down

.env:
	@echo "There is no .env yet. Make one with" >&2
	@echo "    cp .env.example .env" >&2
	@echo "and give MF_AUTH_SECRET a value, such as 'openssl rand -base64 32' prints, and MF_USERS_ADMIN_EMAIL" >&2
	@echo "and MF_USERS_ADMIN_PASSWORD those of your account." >&2
	@exit 1
