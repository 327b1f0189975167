#!/usr/bin/env bash
# Counts the instructions of the hot paths and holds them to parts/instruction-counts.toml; with a reason in ACCEPT,
# which may be empty where nothing rose, takes the new counts over.
#
# Built by itself: counts are to be the same on every x86-64 machine, so curve, SHA-2 and ChaCha are held to their portable
# code, whatever the processor has. The counter would not run AVX-512 anyway.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/prerequisites.sh --valgrind
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/instruction-counts"
export RUSTFLAGS='--cfg curve25519_dalek_backend="serial" --cfg sha2_backend="soft" --cfg chacha20_backend="soft"'
program=(cargo run --quiet --release --package causeway-parts --bin instruction-counts --)
if [[ -n "${ACCEPT+given}" ]]; then
    "${program[@]}" accept "$ACCEPT"
else
    "${program[@]}" check
fi
