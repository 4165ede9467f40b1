# make bench   set up and measure the zoo on the emulated nano33      make test    set up and run every check
# make setup   set up alone                                           make fuzz    5,000 damaged files of each model
# make lint    format, style, types, who may import whom              make lock    resolve the dependencies again
# make docs    build docs/ into site/, to be read from disk
# make baseline   measure results/baselines and results/engine again, after a change that is meant to move them

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm
BROWSER := chromium chromium-driver
MLPERF := $(wildcard $(HARNESS_DATA)/mlperf_tiny/models/*.tflite)

.PHONY: setup bench test fuzz lint docs lock baseline clean

setup: $(VENV)/bench.stamp

bench: setup
	$(BIN)/harness bench --board nano33

test: lint
	$(BIN)/pytest -n 2 -m "not slow"
	$(BIN)/pytest -n 2 -m slow

fuzz: $(VENV)/all.stamp
	$(BIN)/python -m tests.fuzz

lint: $(VENV)/all.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	find firmware harness tests -name '*.[ch]' -o -name '*.cpp' | xargs $(BIN)/clang-format --style=file:firmware/.clang-format --dry-run -Werror

docs: $(VENV)/all.stamp
	$(BIN)/zensical build --strict --clean

baseline: setup
	rm -rf results/baselines
	env -u HARNESS_DATA $(BIN)/harness bench --board nano33 --on qemu --samples 32 --out results/baselines/zoo
	$(BIN)/harness bench $(MLPERF) --board nano33 --on qemu --samples 32 --out results/baselines/mlperf
	rm -rf results/baselines/*/elf results/baselines/*/report.html
	$(BIN)/python -m benchmarks.engine --write

# uv resolves for every platform and Python; pip, with pip's own settings, installs.
UV := $(BIN)/uv pip compile pyproject.toml requirements/build.in --universal --generate-hashes --no-header --quiet \
	--constraint requirements/constraints.txt --python-version 3.11
lock: $(VENV)/system.stamp
	$(BIN)/pip install --quiet uv
	index=$$($(BIN)/pip config get global.index-url 2>/dev/null) && export UV_DEFAULT_INDEX="$$index"; \
	$(UV) --output-file requirements/bench.lock && \
	$(UV) --extra train --extra cluster --extra test --extra docs --output-file requirements/all.lock

clean:
	rm -rf $(VENV) results/runs site .cache

# What a warm run costs is these stamps: each is made when its step is done, and again when what it depends on changes.
$(VENV)/all.stamp: requirements/all.lock $(VENV)/bench.stamp
	@command -v cc >/dev/null || { $(APT_GET) && $$apt gcc libc6-dev; }
	@command -v chromedriver >/dev/null || ( $(APT_GET) && $$apt $(BROWSER) ) 2>/dev/null \
		|| echo "note: without a browser the tests of report.html in one are skipped (install: $(BROWSER))" >&2
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/all.lock
	@touch $@

$(VENV)/bench.stamp: requirements/bench.lock pyproject.toml $(VENV)/system.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/system.stamp: Makefile
	@command -v arm-none-eabi-gcc >/dev/null && command -v qemu-system-arm >/dev/null \
		&& test -e "$$(arm-none-eabi-gcc -print-file-name=libc_nano.a)" \
		|| { $(APT_GET) && $$apt $(PACKAGES); }
	@test -x $(BIN)/pip || { $(FIND_PYTHON) && { $$python -m venv --clear $(VENV) || { $(APT_GET) && $$apt python3-venv \
		&& $$python -m venv --clear $(VENV); }; }; }
	@touch $@

# Sets $$apt to the command that installs packages; without the right to, prints the one command to run and stops.
APT_GET = if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then sudo=; \
	elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then sudo=sudo; \
	else echo "error: system packages are missing, run: sudo apt-get install -y $(PACKAGES) gcc libc6-dev python3-venv" >&2; exit 1; fi; \
	$$sudo apt-get update -q >&2; apt="$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends"

# Sets $$python to a Python that the lock files are for.
FIND_PYTHON = for python in python3 python3.13 python3.12 python3.11 none; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; done; \
	[ $$python != none ] || { echo "error: expected Python 3.11, 3.12 or 3.13, found $$(python3 --version 2>&1); install one" >&2; exit 1; }
