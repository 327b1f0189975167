#!/usr/bin/env python3
"""Holds the dependencies to deny.toml, and docs/supply-chain.md to the dependencies.

With cargo-deny installed, that is asked, which knows advisories too. In any case, from the lock file and what cargo knows of the
packages: every licence is allowed, no banned crate is there, everything is from crates.io with a checksum, every dependency
of our own choice has a purpose on the page, every crate that is there twice is listed there, and so is every file of ours that
may hold `unsafe`.
"""

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def listed(text, name):
    """The strings of a list in deny.toml. Python has no TOML before 3.11."""
    body = re.search(rf"^{name} = \[(.*?)^\]", text, re.M | re.S)[1]
    return set(re.findall(r'"([^"]+)"', re.sub(r"#.*", "", body)))


def is_allowed(expression, allowed):
    """Whether an SPDX expression can be met by allowed licences alone."""
    tokens = re.findall(r"\(|\)|[\w.+-]+", expression.replace("/", " OR "))

    def any_of():
        holds = all_of()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            # Both sides are read, whatever the first one says.
            holds = all_of() or holds
        return holds

    def all_of():
        holds = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            holds = one() and holds
        return holds

    def one():
        token = tokens.pop(0)
        if token == "(":
            holds = any_of()
            tokens.pop(0)
            return holds
        holds = token in allowed
        if tokens and tokens[0] == "WITH":
            # An exception permits more than its licence does.
            del tokens[:2]
        return holds

    holds = any_of()
    if tokens:
        raise ValueError(f"'{expression}' is no SPDX expression")
    return holds


def packages():
    answer = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    return json.loads(answer.stdout)["packages"]


def faults():
    deny = (ROOT / "deny.toml").read_text()
    page = (ROOT / "docs/supply-chain.md").read_text()
    allowed, banned = listed(deny, "allow"), listed(deny, "deny")
    found = packages()
    ours = [package for package in found if package["source"] is None]
    foreign = [package for package in found if package["source"] is not None]
    versions = defaultdict(set)
    for package in foreign:
        name = f"{package['name']} {package['version']}"
        versions[package["name"]].add(package["version"])
        if not package["license"] or not is_allowed(package["license"], allowed):
            yield f"{name}: its licence is '{package['license']}', and deny.toml does not allow it"
        if package["name"] in banned:
            yield f"{name} is banned by deny.toml"
        if package["source"] != CRATES_IO:
            yield f"{name} is from {package['source']}, not from crates.io"
    lock = (ROOT / "Cargo.lock").read_text().split("[[package]]")[1:]
    for entry in lock:
        if "source = " in entry and "checksum = " not in entry:
            yield f"Cargo.lock has no checksum of {re.search('name = .*', entry)[0]}"
    for name in sorted({each["name"] for package in ours for each in package["dependencies"]}):
        if f"`{name}`" not in page:
            yield f"docs/supply-chain.md does not say what {name} is for"
    for name, several in sorted(versions.items()):
        if len(several) > 1 and f"`{name}`" not in page:
            yield f"docs/supply-chain.md does not list {name}, which is there in versions {', '.join(sorted(several))}"
    for source in sorted((ROOT / "src").rglob("*.rs")):
        name = str(source.relative_to(ROOT))
        if "allow(unsafe_code)" in source.read_text() and f"`{name}`" not in page:
            yield f"docs/supply-chain.md does not say why {name} has unsafe code"
    print(f"supply chain: {len(foreign)} packages from crates.io, their licences, sources and checksums looked at")


def main():
    assert is_allowed("MIT/Apache-2.0", {"MIT"}) and not is_allowed("MIT AND GPL-2.0", {"MIT"})
    assert is_allowed("(GPL-2.0 OR MIT) AND ISC", {"MIT", "ISC"}) and not is_allowed("(GPL-2.0 OR MIT) AND ISC", {"MIT"})
    broken = list(faults())
    if broken:
        sys.exit("\n".join(broken))
    if shutil.which("cargo-deny"):
        subprocess.run(["cargo", "deny", "--workspace", "check"], cwd=ROOT, check=True)
    else:
        print("supply chain: cargo-deny is not installed, so advisories were not looked at (cargo install cargo-deny)")


if __name__ == "__main__":
    main()
