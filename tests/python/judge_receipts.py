"""What the verifier says of many files, a line for each in the order of their names: accepted, refused with the reason, or that it
broke, which it never may.

    python judge_receipts.py genesis.json folder
"""

import os
import sys

import verify_receipt as v


def judge(content, trust):
    try:
        v.verify(v.read_receipt_file(content), trust)
    except v.Refused as refused:
        return f"refused: {refused}"
    except Exception as broken:
        return f"broke: {type(broken).__name__}: {broken}"
    return "accepted"


def main(genesis_file, folder):
    with open(genesis_file, "rb") as file:
        trust = v.read_genesis(file.read())
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            print(judge(file.read(), trust).replace("\n", " "))


if __name__ == "__main__":
    main(*sys.argv[1:])
