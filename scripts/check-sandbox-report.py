#!/usr/bin/env python3
"""Checks what `causeway sandbox --exit --output json` printed, and verifies every receipt that it names with the Python
verifier, which shares no code with the node."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "python"))
import verify_receipt  # noqa: E402


def check(report):
    assert report["validators"] >= 1, "no validators"
    steps = report["steps"]
    assert steps, "no steps"
    data_dir = os.path.dirname(os.path.dirname(steps[0]["receipt"]))
    with open(os.path.join(data_dir, "genesis.json"), "rb") as file:
        trust = verify_receipt.read_genesis(file.read())
    declined = 0
    for step in steps:
        name = step["name"]
        with open(step["receipt"], "rb") as file:
            header, outcome, _ = verify_receipt.verify(verify_receipt.read_receipt_file(file.read()), trust)
        assert header.height == step["height"] <= report["height"], f"{name}: the receipt is of height {header.height}"
        assert 0 <= step["finality_ms"] < 60_000, f"{name}: final after {step['finality_ms']} ms"
        declined += outcome.declined is not None
    # An issuance past the reserves, an invoice registered again, a loan without a record, and one on an invoice that has one.
    assert declined == 4, f"{declined} steps were declined, and the scenario has four that must be"
    verified = f"{len(steps)} receipts verified, {declined} of them of declined transactions"
    return f"sandbox: {report['validators']} validators, height {report['height']}, {verified}"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        print(check(json.load(file)))
