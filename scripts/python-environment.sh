#!/usr/bin/env bash
# Makes the Python environment of the tests under the target directory, once for each list of requirements, and prints the
# folder of its programs.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=tests/python/requirements.txt
environment="${CARGO_TARGET_DIR:-target}/python"
programs="$environment/bin"
made_from="$environment/made-from.txt"

if ! cmp -s "$requirements" "$made_from"; then
    echo "causeway: installing $(grep -c == "$requirements") Python packages into $environment" >&2
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$programs/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" ||
        { echo "causeway: the Python packages of $requirements could not be installed: is PyPI within reach?" >&2; exit 1; }
    cp "$requirements" "$made_from"
fi
cd "$programs"
pwd
