# Two commands for a fresh machine: `make sandbox` and `make test`. Both use the dev profile, so RocksDB and the engine are
# compiled once. CARGO_TARGET_DIR is honoured.

.PHONY: help sandbox test simulate chaos fuzz mutants lint docs instructions release bench

help:
	@echo 'make sandbox   four validators on this machine; options in ARGS, such as ARGS="--validators 7"'
	@echo 'make test      everything that it takes to trust this: the Rust tests, then the Python programs'
	@echo 'make simulate  whole nodes on a network and disks that fail: SEEDS=100 runs so many, SEED=7 one again, FIRST_SEED=500 from there'
	@echo 'make chaos     real processes that are killed, cut off, starved and damaged under load: MINUTES=10 VALIDATORS=7, SEED=7 begins there'
	@echo 'make fuzz      every decoder against damaged bytes: SECONDS=60 of each, TARGET=receipt_files that one alone, SEED=7 from there, KEEP=1 grows the corpus'
	@echo 'make mutants   the rules broken one at a time, to see that a test notices: SAMPLE=100, SEED=7, FILES="src/domain/payments/*"'
	@echo 'make lint      formatting, clippy, proto files, dependencies'
	@echo 'make instructions   the instructions that the hot paths take, against those last accepted; ACCEPT="reason" records a rise'
	@echo 'make release   the binary to run in earnest and to measure: optimised, with the fastest signatures the processor has'
	@echo 'make bench     this machine against PostgreSQL and against its own signatures; options in ARGS'
	@echo 'make docs      the pages of the code, into the target directory'

sandbox:
	@scripts/prerequisites.sh
	cargo run -- sandbox $(ARGS)

test:
	@scripts/prerequisites.sh --python
	cargo test --workspace
	@scripts/python-programs.sh

simulate:
	@scripts/prerequisites.sh
	@RUST_LOG=off CAUSEWAY_SEED='$(SEED)' CAUSEWAY_SEEDS='$(SEEDS)' CAUSEWAY_FIRST_SEED='$(FIRST_SEED)' \
		cargo test --test suite whatever_a_seed_brings -- --nocapture

chaos:
	@scripts/prerequisites.sh
	@CAUSEWAY_SEED='$(SEED)' CAUSEWAY_MINUTES='$(if $(SEED)$(MINUTES),$(MINUTES),10)' CAUSEWAY_VALIDATORS='$(VALIDATORS)' \
		cargo test --test suite $(if $(SEED),whatever_happens_to_processes,chaos::) -- --nocapture --test-threads 1

fuzz:
	@scripts/prerequisites.sh
	@CAUSEWAY_FUZZ_SEED='$(SEED)' CAUSEWAY_FUZZ_KEEP='$(KEEP)' CAUSEWAY_FUZZ_SECONDS='$(or $(SECONDS),60)' \
		cargo test --test suite 'fuzz::$(TARGET)' -- --nocapture

mutants:
	@scripts/prerequisites.sh
	@scripts/mutants.py $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(if $(FILES),--files '$(FILES)')

lint:
	@scripts/prerequisites.sh --python
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@scripts/proto-files.sh
	@scripts/alerts.sh
	@scripts/check-supply-chain.py

docs:
	@scripts/prerequisites.sh
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps

instructions:
	@scripts/instruction-counts.sh

release:
	@scripts/prerequisites.sh
	cargo --config scripts/release.toml build --release

bench: release
	"$${CARGO_TARGET_DIR:-target}/release/causeway" bench peers $(ARGS)
