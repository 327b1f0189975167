#!/usr/bin/env bash
# After `make test`, holds `make sandbox` to what was compiled already: if a feature differs between the two, cargo compiles
# the consensus engine again, which costs a newcomer many minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

again="$(cargo build --quiet --message-format=json |
    sed -n 's/^{"reason":"compiler-artifact","package_id":"\([^"]*\)".*"fresh":false.*/\1/p' |
    grep -v '[/#]causeway[#@]' | sort -u || true)"
if [[ -n "$again" ]]; then
    echo "compiled again for the binary, after the tests had compiled them with other features:"
    echo "$again"
    echo "Name the features that differ in Cargo.toml, as is done for rustix."
    exit 1
fi
echo 'compiled once: the binary needed no dependency that the tests had not built'
