#!/usr/bin/env python3
"""Checks the one JSON object that `causeway sandbox --exit --output json` prints: its shape, and that its steps make sense."""

import json
import os
import sys


def check(report):
    validators = report["validators"]
    count = validators if isinstance(validators, int) else len(validators)
    assert count >= 1, "no validators"
    steps = report["steps"]
    assert steps, "no steps"
    for step in steps:
        name = step["name"]
        assert isinstance(name, str) and name, "a step without a name"
        assert 1 <= step["height"] <= report["height"], f"{name}: height {step['height']} is not within the chain"
        assert 0 <= step["finality_ms"] < 60_000, f"{name}: finality took {step['finality_ms']} ms"
        receipt = step["receipt"]
        assert os.path.isfile(receipt), f"{name}: there is no receipt file {receipt}"
        genesis = os.path.join(os.path.dirname(receipt), "genesis.json")
        in_parent = os.path.join(os.path.dirname(os.path.dirname(receipt)), "genesis.json")
        assert os.path.isfile(genesis) or os.path.isfile(in_parent), f"no genesis.json beside {receipt}"
    return f"sandbox: {count} validators, {len(steps)} steps, height {report['height']}"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        print(check(json.load(file)))
