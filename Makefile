# What people type. `make help` lists it; README.md says what for.
#
# Everything that is installed or built goes under CACHE, outside the checkout, so that a second clone finds it again.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CACHE ?= $(HOME)/.cache/sandbox-guardrails
export CARGO_TARGET_DIR ?= $(CACHE)/target
PYTHON ?= python3

# The virtual environment carries the digest of what is in it: another list of packages is another environment.
REQUIREMENTS := tests/stage/requirements.txt
VENV := $(CACHE)/venv-$(shell cksum < $(REQUIREMENTS) | cut -d ' ' -f 1)
TWIN := tests/bench/twin
PEERS := tests/bench/peers

export STAGE_PYTHON := $(VENV)/bin/python
export STAGE_BINARIES := $(CARGO_TARGET_DIR)/stage
export STAGE_STATE := $(CACHE)/stage

# The packages that hold the functions, and the functions themselves.
ROOMS := athena availability emr glue hub-console hub-spend sagemaker
FUNCTIONS := athena-watch athena-enforce availability-step availability-update availability-reconcile emr-watch emr-enforce \
  glue-watch glue-enforce sagemaker-watch sagemaker-enforce console-feed console-command spend-meter spend-enforce
cargo_rooms := $(addprefix -p ,$(ROOMS))
stage := cargo run --quiet --locked -p stage --bin stage --

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## ------------------------------------------------------------------------------------------------------------ run it

.PHONY: demo
demo: prepare ## Play the story: real functions on a local stage, in a minute after the build
	@$(stage) demo

.PHONY: up
up: prepare ## Leave a local stage running, and say how to play with it
	@$(stage) up

.PHONY: watch
watch: tools ## Show what reaches the hub of the stage left running
	@$(stage) watch

.PHONY: down
down: tools ## End the stage left running
	@$(stage) down

.PHONY: invoke
invoke: tools ## Send a sample to a function of the stage left running: FN=athena-watch EVENT=sweep
	@test -n "$(FN)" -a -n "$(EVENT)" || { echo "usage: make invoke FN=athena-watch EVENT=sweep; samples: events/<function>/<event>.json"; exit 2; }
	@$(stage) invoke $(FN) $(EVENT)

## ------------------------------------------------------------------------------------------------------- prove it

.PHONY: test
test: prepare lint ## Format, lints, and every test, end to end on the stage included
	@echo "== every test; the end-to-end suite waits for real schedules and workflows and takes some nine minutes"
	@# Its tests wait most of their time, so there are more of them at once than there are processors.
	RUST_TEST_THREADS=4 cargo test --locked --workspace

.PHONY: lint
lint: tools ## Format, clippy, rustdoc; spelling and templates are among the tests
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items --quiet

.PHONY: validate
validate: tools ## `sam validate --lint` on both templates (installs aws-sam-cli, 340 MB, the first time)
	@test -x $(CACHE)/sam/bin/sam || { echo "== installing aws-sam-cli"; $(PYTHON) -m venv $(CACHE)/sam; $(CACHE)/sam/bin/pip install --quiet aws-sam-cli==1.170.0; }
	@for template in infra/sandbox.yaml infra/hub.yaml; do SAM_CLI_TELEMETRY=0 $(CACHE)/sam/bin/sam validate --lint --region us-east-1 -t $$template; done

.PHONY: bench
bench: prepare release-binaries $(CACHE)/twin/ready $(CACHE)/peers/ready ## Start-up, packages, calls, large sweeps, overrun, cost, cost exports; BENCH="--only sweep" for a part
	STAGE_BINARIES=$(CARGO_TARGET_DIR)/release cargo run --quiet --locked -p stage --bin bench -- --twin $(CACHE)/twin --peers $(CACHE)/peers $(BENCH)

.PHONY: generate
generate: tools ## Write what is generated: JSON Schemas, the guardrails in README.md and on each service's page
	cargo run --quiet --locked -p stage --bin generate

## ------------------------------------------------------------------------------------------------------ ship it

# What cargo-lambda calls each architecture's target, when this toolchain has it.
targets := $(foreach t,x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu,$(if $(wildcard $(shell rustc --print sysroot)/lib/rustlib/$(t)/lib),$(t)))
CARGO_LAMBDA := $(CACHE)/cargo-lambda/bin/cargo-lambda

.PHONY: build
build: $(CARGO_LAMBDA) ## Release packages of every function in dist/, for each architecture whose target is installed
	@for target in $(targets); do \
	  echo "== $$target"; \
	  PATH="$(dir $(CARGO_LAMBDA)):$$PATH" $(CARGO_LAMBDA) lambda build --release --locked --target $$target $(cargo_rooms) --output-format zip --lambda-dir dist/$$target; \
	done
	@case "$(targets)" in *aarch64*) ;; *) echo "no arm64 packages: this toolchain has no aarch64-unknown-linux-gnu target (rustup target add aarch64-unknown-linux-gnu)";; esac
	@ls -l dist/*/*/bootstrap.zip

.PHONY: deploy
deploy: ## Deploy with SAM into the account of your credentials: STACK=sandbox|hub ARGS="--parameter-overrides …"
	@test -n "$(STACK)" || { echo "usage: make deploy STACK=sandbox|hub ARGS=\"--parameter-overrides …\"; infra/README.md lists the parameters"; exit 2; }
	@command -v sam > /dev/null || { echo "sam is missing: install aws-sam-cli, and cargo-lambda for its builds"; exit 1; }
	sam build --beta-features -t infra/$(STACK).yaml
	sam deploy --stack-name sandbox-guardrails --capabilities CAPABILITY_IAM --resolve-s3 $(ARGS)

.PHONY: clean
clean: ## Remove everything built and installed
	rm -rf $(CACHE) dist

## ------------------------------------------------------------------------------------------------ what they need

.PHONY: prepare
prepare: tools $(VENV)/ready
	@echo "== building the functions and the operator's command for the stage"
	@cargo build --locked --profile stage $(cargo_rooms) -p guardrails --bins

.PHONY: release-binaries
release-binaries: tools
	@echo "== building the functions for release; the first time this takes ten minutes"
	@cargo build --locked --release $(cargo_rooms) --bins
	@# Each on its own: beside the functions they would get their features, and the floor would be none.
	@cargo build --locked --release -p bench-floor
	@cargo build --locked --release -p bench-reader

# Cargo knows our packages by their place in the workspace, so what another checkout built in the same target folder passes
# for ours wherever our files are older than that. Touching them when the checkout has changed builds our own code anew.
.PHONY: tools
tools:
	@test "$$(cat $(CARGO_TARGET_DIR)/checkout 2> /dev/null)" = "$(CURDIR)" || { \
	  find functions shared tests -name '*.rs' -exec touch {} +; \
	  mkdir -p $(CARGO_TARGET_DIR) && echo "$(CURDIR)" > $(CARGO_TARGET_DIR)/checkout; }
	@command -v cargo > /dev/null || { echo "cargo is missing: install Rust 1.95 with rustup, https://rustup.rs"; exit 1; }
	@command -v cc > /dev/null || { echo "a C compiler is missing: install gcc or clang; the TLS library is partly C"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { echo "$(PYTHON) is missing or older than 3.11: install Python 3.11 or newer, or name one with PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null || { echo "$(PYTHON) has no venv: install it (on Debian: python3-venv)"; exit 1; }

$(VENV)/ready: $(REQUIREMENTS) | tools
	@echo "== installing the stage's Python packages into $(VENV)"
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $(REQUIREMENTS)
	@touch $@

$(CACHE)/twin/ready: $(TWIN)/requirements.txt $(TWIN)/runtime.txt | $(VENV)/ready
	@echo "== installing the Python twin's packages"
	@rm -rf $(CACHE)/twin
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --no-deps --require-hashes --target $(CACHE)/twin/package -r $(TWIN)/requirements.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --no-deps --require-hashes --target $(CACHE)/twin/runtime -r $(TWIN)/runtime.txt
	@touch $@

$(CACHE)/peers/ready: $(PEERS)/requirements.txt | $(VENV)/ready
	@echo "== installing what the cost reader is held against"
	@rm -rf $(CACHE)/peers/package
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $(CACHE)/peers/package -r $(PEERS)/requirements.txt
	@touch $@

$(CARGO_LAMBDA): | tools
	@echo "== installing cargo-lambda, which brings zig (470 MB)"
	@$(PYTHON) -m venv $(CACHE)/cargo-lambda
	@$(CACHE)/cargo-lambda/bin/pip install --quiet --disable-pip-version-check cargo-lambda==1.9.2
