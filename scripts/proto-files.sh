#!/usr/bin/env bash
# Lints the proto files, and holds them to those of the commit before: a client that was generated from them must go on
# working.
#
# While the formats are not frozen, a commit may break them if it says so with a trailer, `Wire-break: <what and why>`.
set -euo pipefail
cd "$(dirname "$0")/.."
buf="$(scripts/python-environment.sh)/buf"

"$buf" lint
echo 'buf lint: the proto files keep to STANDARD and COMMENTS'

if ! git rev-parse --quiet --verify 'HEAD~1:proto' >/dev/null; then
    echo 'buf breaking: no earlier commit with proto files is here, so there is nothing to compare with'
    exit 0
fi
declared="$(git log -1 --format='%(trailers:key=Wire-break,valueonly)')"
if [[ -n "$declared" ]]; then
    echo "buf breaking: this commit breaks the wire and says so: $declared"
    exit 0
fi
# Exported rather than read from `.git`, which is a file in a worktree and may be shallow on a build machine.
before="$(mktemp -d)"
trap 'rm -rf "$before"' EXIT
git archive HEAD~1 proto | tar -x -C "$before"
cp buf.yaml "$before/"
"$buf" breaking --against "$before"
echo "buf breaking: nothing that a client relies on has changed since $(git rev-parse --short HEAD~1)"
