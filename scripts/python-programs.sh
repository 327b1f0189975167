#!/usr/bin/env bash
# Runs the Python programs of tests/python: an independent verifier of receipts, and a merchant that calls a live node.
set -euo pipefail
cd "$(dirname "$0")/.."
programs="$(scripts/python-environment.sh)"
target="${CARGO_TARGET_DIR:-target}"
generated="$target/python-generated"

# Generated in every run: what the merchant calls is what the proto files say now.
rm -rf "$generated"
mkdir -p "$generated"
find proto -name '*.proto' | sort | xargs "$programs/python" -m grpc_tools.protoc \
    --proto_path=proto --python_out="$generated" --grpc_python_out="$generated"

CAUSEWAY_BINARY="${CAUSEWAY_BINARY:-$target/debug/causeway}" PYTHONPATH="$generated:tests/python" PYTHONDONTWRITEBYTECODE=1 \
    "$programs/python" -m unittest discover --start-directory tests/python --verbose
