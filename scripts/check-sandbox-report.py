#!/usr/bin/env python3
"""Checks what `causeway sandbox --exit --output json` printed, and verifies every receipt that it names with the Python
verifier, which shares no code with the node."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "python"))
import verify_receipt  # noqa: E402

# The steps of each scenario that must be declined. The default's: an issuance past the reserves, an invoice registered again, a
# loan without a record, and one on an invoice that has one.
DECLINED = {
    "default": 4,
    "closed-loop": 0,
    "late-payer": 1,
    "double-financing": 5,
    "joint-loan": 2,
    "voucher": 3,
}


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
    expected = DECLINED[report["scenario"]]
    assert declined == expected, f"{declined} steps were declined, and the scenario has {expected} that must be"
    check_money(report["balances"])
    verified = f"{len(steps)} receipts verified, {declined} of them of declined transactions"
    return f"sandbox: {report['validators']} validators, height {report['height']}, {verified}"


def check_money(balances):
    """What a story moved, it moved from one to another: the changes add up to nothing, token by token."""
    changes = {}
    for line in balances:
        if line["before"] is not None:
            change = line["available"] + line["locked"] - line["before"]
            changes[line["token"]] = changes.get(line["token"], 0) + change
    assert not any(changes.values()), f"money came from nowhere or went there: {changes}"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        print(check(json.load(file)))
