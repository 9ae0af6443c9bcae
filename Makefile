# Portcullis. `make` alone lists the targets.
# Everything a target needs beyond rustup's toolchain, Node with npm and a C compiler, it installs itself.

CARGO ?= cargo
CODEX := codex/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench codex clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: codex ## Serve on 127.0.0.1:8000: with a provider's key in the environment, else with the demo model
	$(CARGO) build --release --locked --bin portcullis
	@if [ -n "$$OPENAI_API_KEY$$OPENAI_API_KEY_FILE$$LLM_PROVIDER$$PORTCULLIS_CONFIG" ]; then \
	    exec target/release/portcullis serve; \
	else \
	    PORTCULLIS_LOG_FORMAT=$${PORTCULLIS_LOG_FORMAT:-text} exec target/release/portcullis serve --demo; \
	fi

test: codex ## Run every test that needs no other server
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked --workspace

lint: ## Formatting, clippy, dependency rules, drift of generated files
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	./.ci/check-dependencies

format: ## Format the code
	$(CARGO) fmt

bench: codex ## Measure the gateway against the bare CLI, in one run, as ratios
	$(CARGO) bench --locked -p gateway --bench first_token

codex: $(CODEX) ## Install the pinned Codex CLI into codex/node_modules

$(CODEX): codex/package.json codex/package-lock.json
	npm ci --prefix codex --no-audit --no-fund
	@touch $(CODEX)

clean: ## Remove what was built and installed
	rm -rf target codex/node_modules data
