# SPDX-License-Identifier: Apache-2.0
# The one task runner. Every target does the set-up that it needs; `make help` lists them.
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:
# CI runs as root in a checkout that is somebody else's; git would refuse to list its files.
export GIT_CONFIG_COUNT := 1
export GIT_CONFIG_KEY_0 := safe.directory
export GIT_CONFIG_VALUE_0 := $(CURDIR)
BIN := .venv/bin/
PYTHON := $(BIN)python
NPM := PATH="$(CURDIR)/.venv/bin:$$PATH" npm run --silent
AGENT ?= codex
ARGS ?=
QUICK := tests/unit tests/application tests/contract tests/entrypoints
REGISTRY ?=

# Evaluated by the shell that uses it, after setup: where bbox itself looks (infra/host).
CACHE = $$($(PYTHON) -c 'import os; from bbox_server.infra.host.directories \
	import resolve_directories; print(resolve_directories(os.environ, uid=os.geteuid()).cache)')
SHELL_FILES = git ls-files --cached --others --exclude-standard '*.sh'; git grep --untracked -lE \
	'^(\#! ?/[a-z/]+(busybox |env )?(ba|da)?sh|\# shellcheck shell=)' -- ':!*.md' ':!*.py' ':!Makefile'

.DEFAULT_GOAL := help
.PHONY: help setup setup-extension setup-editor build build-wheel build-extension build-guest fetch-runtime guest-pins test test-coverage check lint \
	lint-fix fmt tidy verify install run demo demo-guarded bench bench-editor bench-egress soak clean docs upgrade image-base \
	image-all $(AGENT_IMAGES) image-pins image-push quick-tests docs-check

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / { sub(/%/, "NAME", $$1); printf "  %-15s %s\n", $$1, $$2 }' Makefile

setup: ## packages (apt, as root), uv and .venv; the others call it
	@python3 -m setup

setup-extension:
	@python3 -m setup extension

setup-editor:
	@python3 -m setup editor

build: build-wheel build-extension ## the wheel and the VS Code extension, into dist/

build-wheel: setup
	@rm -f dist/*.whl
	@.cache/uv/bin/uv build --quiet --wheel --no-build-isolation --python $(PYTHON) --out-dir dist .
	@ls dist/*.whl

build-extension: setup-extension build-wheel
	@rm -rf vscode-extension/bundled && mkdir vscode-extension/bundled
	@cp dist/*.whl vscode-extension/bundled
	@grep -oE '^[A-Za-z0-9._-]+==[^ ;]+' requirements.lock >vscode-extension/bundled/constraints.txt
	@$(NPM) package >.cache/setup/package.log 2>&1 || { cat .cache/setup/package.log; exit 1; }
	@ls dist/*.vsix

fetch-runtime: setup ## download the Debian packages that the guest system is made of
	@$(PYTHON) -m guest.build fetch --packages .cache/guest/packages

build-guest: setup ## the guest system: kernel and initramfs
	@$(PYTHON) -m guest.build build --packages .cache/guest/packages --output "$(CACHE)/guest"

guest-pins: setup ## pin the newest packages of the guest system
	@$(PYTHON) -m guest.build pins

# What needs no guest runs on both cores, then two files of guests at a time: each emulated guest
# takes one core, and tests of one file share theirs.
test: lint docs-check build-guest image-all setup-editor build-extension ## everything: check's parts, contracts, adapters, booted guests, demo, editor
	@$(NPM) test
	@$(BIN)pytest -q -m "not vm and not e2e" -n 2 $(ARGS)
	@$(BIN)pytest -q -m "(vm or e2e) and not agents" -n 2 --dist loadfile --durations=25 $(ARGS)

test-coverage: build-guest image-all setup-editor build-extension ## the same tests, with what they leave uncovered
	@$(BIN)pytest -m "" --cov=bbox_server --cov-report=term-missing:skip-covered $(ARGS)

check: lint docs-check quick-tests ## formatting, lint, types, layers, docs, quick tests: under a minute

lint: setup-extension ## ruff, mypy, import-linter, prettier, eslint, tsc, shellcheck; changes nothing
	@echo "lint: ruff"
	@$(BIN)ruff format --check --quiet . || { echo "lint: run \`make fmt\`" >&2; exit 1; }
	@$(BIN)ruff check --quiet .
	@echo "lint: mypy"
	@$(BIN)mypy --no-error-summary
	@echo "lint: import-linter"
	@$(BIN)lint-imports >.cache/setup/lint-imports.log || { cat .cache/setup/lint-imports.log; exit 1; }
	@echo "lint: prettier, eslint, tsc"
	@$(NPM) lint
	@echo "lint: shellcheck"
	@{ $(SHELL_FILES); } | sort -u | xargs shellcheck -x -P guest/system -e SC2187  # ash is dash to it

quick-tests: setup-extension
	@$(NPM) test
	@$(BIN)pytest -q -n 2 $(QUICK) $(ARGS)

docs-check: setup
	@$(PYTHON) -m docs.generate --check

lint-fix: setup ## ruff's own repairs, then formatting
	@$(BIN)ruff check --fix --quiet .
	@$(BIN)ruff format --quiet .

fmt: setup-extension ## format
	@$(BIN)ruff format .
	@$(NPM) fmt

tidy: setup ## bring the locks in line with pyproject.toml, keeping versions
	@$(PYTHON) -m setup.lock

upgrade: setup ## newest versions that are at least seven days old, into the locks; shows newer agents
	@$(PYTHON) -m setup.lock --upgrade
	@$(PYTHON) -m images.upgrade

image-pins: setup ## the agents' newest versions that are at least seven days old, into images/pins.yaml
	@$(PYTHON) -m images.upgrade --write

verify: fmt lint test ## fmt + lint + test

docs: setup ## generate docs/errors.md, docs/protocol.md and the extension's types
	@$(PYTHON) -m docs.generate

install: build-wheel ## bbox and bbox-server for this user (root: into /usr/local)
	@$(PYTHON) -m setup.install dist/*.whl

run: build-guest image-$(AGENT) ## bbox, e.g. make run AGENT=codex ARGS='--review -- exec "fix it"'
	@$(BIN)bbox $(AGENT) $(ARGS)

demo: build-guest image-base image-codex ## a real agent in a real microVM changes a project; you decide
	@$(PYTHON) -m demo

demo-guarded: build-guest image-base image-codex ## a blocked host, one that is allowed once, a key that no search of the guest finds
	@$(PYTHON) -m demo.guarded

bench: build-guest image-base ## every bench/*.py: ratios within one run
	@for measure in bench/[a-z]*.py; do $(PYTHON) -m "bench.$$(basename "$$measure" .py)"; done

bench-egress: setup ## the relay alone beside direct loopback: throughput, connects, latency
	@$(PYTHON) -m bench.egress $(ARGS)

soak: setup ## as root: half an hour of silence, 1 GB up and down, 32 at once; ARGS=MINUTES
	@$(PYTHON) -m tests.soak.network $(ARGS)

bench-editor: build-guest image-base ## bench/editor_*.py: start, live changes, terminal
	@for measure in bench/editor_*.py; do $(PYTHON) -m "bench.$$(basename "$$measure" .py)"; done

AGENT_IMAGES := image-codex image-claude-code image-opencode image-gemini image-hermes
image-base $(AGENT_IMAGES) image-all: image-%: setup
	@$(PYTHON) -m images.build $*

image-base: ## the root filesystem that agents' images start from
image-codex: ## one agent's image; image-claude-code, -opencode, -gemini and -hermes, too
image-all: ## every image under images/

image-push: image-all ## REGISTRY=HOST/PROJECT: push the images there
	@$(PYTHON) -m images.build push $(REGISTRY)

e2e-neovim: setup-editor
e2e-vscode e2e-all: setup-editor build-extension
e2e-%: build-guest image-all ## tests/e2e/test_NAME.py alone; e2e-all is all of them
	@$(PYTHON) -m pytest -m "" $(if $(filter all,$*),tests/e2e,tests/e2e/test_$*.py) $(ARGS)

clean: ## what was built or cached in this tree, but .venv and downloads
	@rm -rf dist build .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -not -path './.cache/*' -prune -exec rm -rf {} +
