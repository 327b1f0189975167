"""The page's rules against the golden file: what Rust computed, computed again by code that never saw Rust."""

import unittest

import trade_documents as trade
from test_verify_receipt import pinned


class TradeDocuments(unittest.TestCase):
    def setUp(self):
        self.lines = pinned("trade.txt")
        self.key, self.salt = (bytes.fromhex(self.lines[name]) for name in ("key", "salt"))

    def test_the_keys_commitment(self):
        self.assertEqual(trade.key_commitment(self.key).hex(), self.lines["key_commitment"])

    def test_fingerprints(self):
        for name in ("plain", "untidy"):
            with self.subTest(name):
                fact = lambda field: self.lines[f"{name}.{field}"]  # noqa: E731, B023
                typed = bytes.fromhex(fact("number_typed")).decode("utf-8")
                self.assertEqual(trade.normalised_number(typed), fact("number"))
                found = trade.fingerprint(
                    self.key, fact("supplier_legal_id"), fact("buyer_legal_id"), typed, fact("issue_date"),
                    fact("currency"), int(fact("amount")),
                )  # fmt: skip
                self.assertEqual(found.hex(), fact("fingerprint"))

    def test_salted_commitments(self):
        document = trade.document_commitment(self.salt, self.lines["document"].encode("utf-8"))
        self.assertEqual(document.hex(), self.lines["document_commitment"])
        self.assertEqual(trade.payout_commitment(self.salt, self.lines["payout"]).hex(), self.lines["payout_commitment"])


if __name__ == "__main__":
    unittest.main()
