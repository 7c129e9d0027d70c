# Everything a newcomer needs is two words: `make run` and `make test`.
SHELL := /bin/bash
CARGO ?= cargo
DATA ?= var
BIND ?=
FUZZ_SECONDS ?= 60
KILLS ?= 50
SECONDS ?= 60
CALLS ?= 500
MINUTES ?= 30

.PHONY: run test bench soak talk kills ledger outage siege floor fuzz check fmt prompts detection deny clean help

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: ## install what is missing, build, start the demo switch
	@docker/packages.sh run
	@echo "Building the release; the first time takes up to ten minutes on two cores."
	@$(CARGO) build --release --locked -p tandem
	@exec "$$($(CARGO) metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]+)".*/\1/')/release/tandem" \
		serve --config demo --data $(DATA) $(if $(BIND),--bind $(BIND))

test: ## install what the tests need, then format, lints, unit, simulation and loopback tests
	@docker/packages.sh test
	@tests/run.sh

bench: ## measure; prints a table and writes target/bench.json
	@docker/packages.sh test
	@tests/load/bench.sh

soak: talk kills ## both of these

talk: ## CALLS calls with SRTP, notice and recording for MINUTES against the release: loss, memory, recordings
	@docker/packages.sh test
	@$(CARGO) build --release --locked --quiet -p tandem
	@tests/load/talk.py --calls $(CALLS) --minutes $(MINUTES) --program "$$($(CARGO) metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]+)".*/\1/')/release/tandem"

kills: ## kill a switch KILLS times with a hundred calls up and a hundred waiting; says what that cost
	@docker/packages.sh test
	@TANDEM_KILLS=$(KILLS) $(CARGO) test --locked -p tandem-tests --test loopback -- --nocapture soak::

siege: ## floods and mutants at full length against the release, with times: some minutes
	@docker/packages.sh test
	@$(CARGO) build --release --locked --quiet -p tandem
	@TANDEM_FULL=1 TANDEM_TEST_PROGRAM="$$($(CARGO) metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]+)".*/\1/')/release/tandem" \
		$(CARGO) test --locked -p tandem-tests --test loopback -- --test-threads 1 --nocapture abuse::

floor: ## a mixed floor in simulation, ten seeds of a million steps; TANDEM_SEED=n runs one: some minutes
	@TANDEM_FULL=1 $(CARGO) test --locked -p tandem-switch --lib -- --nocapture mixed::a_mixed_floor

ledger: ## kill a switch KILLS times on each database, with a ledger outside of all that was acknowledged; KILLS=200 takes half an hour
	@docker/packages.sh test
	@TANDEM_KILLS=$(KILLS) $(CARGO) test --locked -p tandem-tests --test loopback -- --nocapture survive_ledger::

outage: ## take the database away for SECONDS under load: PostgreSQL stopped, the disk of SQLite full (as root)
	@docker/packages.sh test
	@TANDEM_OUTAGE_SECONDS=$(SECONDS) $(CARGO) test --locked -p tandem-tests --test loopback -- --nocapture --test-threads 1 outage::

fuzz: ## fuzz every parser for FUZZ_SECONDS each
	@docker/packages.sh test
	@tests/fuzz/run.sh $(FUZZ_SECONDS)

check: ## the quick look before a commit: format and lints
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

fmt: ## format
	@$(CARGO) fmt --all

prompts: ## make the prompts anew from their texts
	@docker/packages.sh prompts
	@dialplans/prompts/make.sh

detection: ## measure voice, key, tone and machine detection on a corpus; writes docs/detection.md
	@docker/packages.sh detection
	@tests/detection/run.sh

deny: ## licences and bans by cargo-deny, when it is installed
	@$(CARGO) deny check licenses bans sources

clean: ## remove what was built; var/ stays
	@$(CARGO) clean
