# Portcullis. `make` alone lists the targets.
# Everything a target needs beyond rustup's toolchain, Node with npm and a C compiler, it installs itself.

CARGO ?= cargo
CODEX := codex/node_modules/.package-lock.json

PYTEST := target/tools/pytest/bin/pytest
PYTEST_VERSION := 8.4.2
XDIST_VERSION := 3.8.0
JAVASCRIPT := samples/javascript/node_modules/.package-lock.json
ISSUER := samples/issuer/node_modules/.package-lock.json

SSLYZE := target/tools/sslyze/bin/sslyze
SSLYZE_VERSION := 6.3.1

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench bench-redaction bench-peers soak chaos fuzz tls-scan codex postgres clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: codex ## Serve on 127.0.0.1:8000: with a provider's key in the environment, else with the demo model
	$(CARGO) build --release --locked --bin portcullis
	@if [ -z "$${PORTCULLIS_WORKSPACES+set}$$PORTCULLIS_CONFIG" ]; then \
	    export PORTCULLIS_WORKSPACES=sample=$(CURDIR)/samples/npm PORTCULLIS_WORKSPACE_TESTS=sample=npm; \
	fi; \
	if [ -n "$$OPENAI_API_KEY$$OPENAI_API_KEY_FILE$$LLM_PROVIDER$$PORTCULLIS_CONFIG" ]; then \
	    exec target/release/portcullis serve; \
	else \
	    PORTCULLIS_LOG_FORMAT=$${PORTCULLIS_LOG_FORMAT:-text} exec target/release/portcullis serve --demo; \
	fi

# TEST_WITHOUT_SANDBOX=1 leaves out what needs a sandbox, where none can be made.
test: codex postgres $(PYTEST) $(JAVASCRIPT) $(ISSUER) ## Run every test that needs no other server
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked --workspace

lint: ## Formatting, clippy, dependency rules, files that import each other
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	./.ci/check-dependencies
	./.ci/check-circles

format: ## Format the code
	$(CARGO) fmt

bench: codex bench-redaction ## Measure the gateway against the bare CLI, and the redaction engine
	$(CARGO) bench --locked -p gateway --bench first_token
	$(CARGO) bench --locked -p gateway --bench sandbox_cost
	$(CARGO) bench --locked -p gateway --bench code_search
	$(CARGO) bench --locked -p store --bench limits

bench-redaction: ## Measure the redaction engine: hidden by kind, speed, hold-back
	$(CARGO) bench --locked -p redact --bench redaction

bench-peers: ## Measure other redaction tools on the same text (installs them into a scratch folder)
	python3 crates/redact/benches/peers.py

# SOAK_SEED repeats the plan of an earlier run, which said its seed.
SOAK_TURNS ?= 1000
soak: codex ## Run SOAK_TURNS turns through the gateway while callers leave, deadlines pass and processes are killed
	$(CARGO) build --locked --release -p gateway --bin portcullis
	$(CARGO) run --locked --release -p soak -- --turns $(SOAK_TURNS) $(if $(SOAK_SEED),--seed $(SOAK_SEED))

chaos: postgres ## Kill PostgreSQL at random moments of 2,000 turns, and count what was settled
	CHAOS_TURNS=2000 $(CARGO) test --locked -p store --test it -- --nocapture chaos::

# libFuzzer on the stable toolchain: the same flags that cargo-fuzz passes to a nightly one.
FUZZ_SECONDS ?= 300
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Ccodegen-units=1
fuzz: ## Fuzz the streaming redactor for FUZZ_SECONDS (needs a C++ compiler beside the C one)
	mkdir -p fuzz/corpus
	cd fuzz && RUSTC_BOOTSTRAP=1 RUSTFLAGS="$(FUZZ_FLAGS)" $(CARGO) run --locked --release \
	    --target $$(rustc -vV | sed -n 's/^host: //p') --bin streaming -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -dict=streaming.dict corpus

# Programs alone: Debian's package would also make a cluster and start it. Where it cannot be installed, the
# tests say that they were skipped, and fail when CI is set.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo -n)
postgres: ## Install PostgreSQL for the tests, if it is missing, without starting it
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
	    $(SUDO) mkdir -p /etc/postgresql-common && \
	    echo 'create_main_cluster = false' | $(SUDO) tee /etc/postgresql-common/createcluster.conf >/dev/null && \
	    $(SUDO) apt-get update -qq && \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	        -o Dpkg::Options::=--force-confold postgresql; \
	} || echo 'PostgreSQL could not be installed; its tests will be skipped' >&2

codex: $(CODEX) ## Install the pinned Codex CLI into codex/node_modules

$(CODEX): codex/package.json codex/package-lock.json
	npm ci --prefix codex --ignore-scripts --no-audit --no-fund
	@touch $(CODEX)

# For the tests of `run-tests`; without Python they are left out, and say so.
$(PYTEST):
	-python3 -m venv target/tools/pytest && \
	    target/tools/pytest/bin/pip install --quiet --disable-pip-version-check pytest==$(PYTEST_VERSION) \
        pytest-xdist==$(XDIST_VERSION)

# Jest, Mocha and Vitest, for the same tests.
$(JAVASCRIPT): samples/javascript/package.json samples/javascript/package-lock.json
	npm ci --prefix samples/javascript --no-audit --no-fund --ignore-scripts
	@touch $(JAVASCRIPT)

# An identity provider, for the tests of tokens.
$(ISSUER): samples/issuer/package.json samples/issuer/package-lock.json
	npm ci --prefix samples/issuer --no-audit --no-fund --ignore-scripts
	@touch $(ISSUER)

tls-scan: codex $(SSLYZE) ## Look at the gateway's TLS from outside, and fail on what is weak
	$(CARGO) build --locked -p gateway --bin portcullis
	target/tools/sslyze/bin/python3 .ci/tls-scan

$(SSLYZE):
	python3 -m venv target/tools/sslyze
	target/tools/sslyze/bin/pip install --quiet --disable-pip-version-check sslyze==$(SSLYZE_VERSION)

clean: ## Remove what was built and installed
	rm -rf target codex/node_modules samples/javascript/node_modules samples/issuer/node_modules data
