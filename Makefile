# make demo   sets up, builds and shows raddle at work on examples/transfer.py
# make test   sets up, builds and runs all tests
#
# PYTHON chooses the interpreter (CPython 3.11 or later); the virtual environment is .venv.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PROFILE ?= release
export PYO3_PYTHON = $(abspath $(BIN)/python)

.PHONY: demo test test-python test-rust test-versions models lint wheel clean

$(BIN)/maturin: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(BIN)/pytest: $(BIN)/maturin requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

# Cargo knows what has changed; this is cheap when nothing has.
.PHONY: build
build: $(BIN)/maturin
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --quiet --profile $(PROFILE)

demo: build
	@echo "--- python examples/transfer.py, for 3 s"
	@timeout 3 $(BIN)/python examples/transfer.py; test $$? -eq 124 && echo "still hanging after 3 s"
	@echo "--- raddle run examples/transfer.py"
	@$(BIN)/raddle run examples/transfer.py; test $$? -eq 70
	@echo "--- the same in Rust: cargo run -p raddle --example deadlock"
	@cargo run --quiet --release -p raddle --example deadlock

test: test-rust test-python test-versions

test-rust: $(BIN)/maturin
	cargo test --quiet --release -p raddle -p raddle-report
	$(MAKE) --no-print-directory models

# Every interleaving of the wait queue's protocols; a build of its own, because the whole crate is made with loom.
models:
	RUSTFLAGS="--cfg loom" cargo test --quiet --release --target-dir target/loom -p raddle --lib models

test-python: build $(BIN)/pytest
	$(BIN)/python -m pytest -q

test-versions: $(BIN)/maturin
	./tests/versions.sh

lint: build $(BIN)/pytest
	cargo fmt --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy python/raddle
	$(BIN)/python -m mypy.stubtest raddle._raddle --allowlist tests/typing/stubtest-allow.txt
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps -p raddle -p raddle-report

wheel: $(BIN)/maturin
	$(BIN)/maturin build --profile dist --out dist

clean:
	rm -rf target dist $(VENV) .venv-*
