"""The verifier against the golden files: what Rust wrote, read by code that never saw Rust."""

import copy
import json
import os
import unittest

import ed25519
import verify_receipt as v

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
RECEIPTS = [
    "receipt.json",
    "receipt-later-header.json",
    "receipt-handover.json",
    "receipt-fell-due.json",
    "receipt-without-transaction.json",
]


def golden(name):
    with open(os.path.join(GOLDEN, name), "rb") as file:
        return file.read()


def pinned(name):
    """The lines `name = hexadecimal` of a golden file."""
    pairs = (line.split(" = ", 1) for line in golden(name).decode().splitlines())
    return {key: value for key, value in pairs}


def trust():
    return v.read_genesis(golden("genesis.json"))


class Signatures(unittest.TestCase):
    def test_rfc_8032(self):
        seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
        key = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        self.assertEqual(ed25519.public_key(seed), key)
        signature = ed25519.sign(seed, b"\x72")
        self.assertTrue(signature.hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"))
        self.assertTrue(ed25519.verify(key, b"\x72", signature))
        self.assertFalse(ed25519.verify(key, b"\x73", signature))

    def test_zip_215_takes_every_small_order_point(self):
        """ZIP 215's own vectors: 14 encodings of small-order points, as key and as R, with s = 0, over "Zcash"."""
        # A point of order 8 generates the others; each y below 19 has a second encoding above p.
        generator = next(
            ed25519.multiply(ed25519.ORDER, point)
            for point in (ed25519.decompress(bytes([y]) + bytes(31)) for y in range(2, 50))
            if point and not ed25519.is_identity(ed25519.multiply(4 * ed25519.ORDER, point))
        )
        encodings = set()
        for factor in range(8):
            encoding = ed25519.compress(ed25519.multiply(factor, generator))
            y = int.from_bytes(encoding, "little") & (2**255 - 1)
            for value in [y] + ([y + ed25519.P] if y + ed25519.P < 2**255 else []):
                for sign in (0, 1):
                    candidate = (value | sign << 255).to_bytes(32, "little")
                    if ed25519.decompress(candidate):
                        encodings.add(candidate)
        self.assertEqual(len(encodings), 14)
        for key in encodings:
            for r in encodings:
                self.assertTrue(ed25519.verify(key, b"Zcash", r + bytes(32)))

    def test_s_is_below_the_order(self):
        seed = bytes(32)
        signature = ed25519.sign(seed, b"message")
        s = int.from_bytes(signature[32:], "little") + ed25519.ORDER
        again = signature[:32] + s.to_bytes(32, "little")
        self.assertFalse(ed25519.verify(ed25519.public_key(seed), b"message", again))


class Formats(unittest.TestCase):
    def test_header(self):
        lines = pinned("header.txt")
        header = bytes.fromhex(lines["encoding"])
        self.assertEqual(len(header), v.HEADER_SIZE)
        self.assertEqual(v.header_hash(header).hex(), lines["hash"])
        self.assertEqual(v.decode(header, v.read_header).chain_id, trust().chain_id)

    def test_validators(self):
        self.assertEqual(v.validators_hash(trust().validators).hex(), pinned("validators.txt")["hash"])

    def test_ids(self):
        lines = pinned("ids.txt")
        place = bytes([0xAA]) * 32 + bytes([1]) * 16 + v.u16(258)
        self.assertEqual(trust().chain_id.hex(), lines["chain_id"])
        self.assertEqual(v.hash_in("causeway/account/v1", place).hex(), lines["account_id"])
        for kind, tag in (("order", 3), ("loan", 6)):
            self.assertEqual(v.hash_in("causeway/object/v1", place + bytes([tag])).hex(), lines[f"{kind}_id"])

    def test_outcomes(self):
        lines = pinned("outcome.txt")
        applied, declined = (bytes.fromhex(lines[f"{kind}.encoding"]) for kind in ("applied", "declined"))
        self.assertEqual(v.outcome_hash(applied).hex(), lines["applied.hash"])
        outcome = v.decode(applied, v.read_outcome)
        self.assertEqual([movement.kind for movement in outcome.movements], ["mint", "transfer", "lock", "unlock", "burn"])
        self.assertEqual(dict(outcome.effects[0].fields)["text"], "貨款 INV-2026-0001")
        self.assertEqual(len(outcome.effects[0].fields), 10)
        self.assertEqual(v.decode(declined, v.read_outcome).declined.code, 105)

    def test_reserve_lines(self):
        lines = pinned("reserve_line.txt")
        reader = v.Reader(bytes.fromhex(lines["encoding"]))
        self.assertEqual((reader.token(), reader.u64(), reader.u64(), reader.u64()), ("HKDX", 1_000_000, 990_000, 10_000))
        self.assertEqual(v.sha256(b"").hex(), lines["root_of_none"])


class Receipts(unittest.TestCase):
    def test_golden_receipts_verify(self):
        for name in RECEIPTS:
            with self.subTest(name):
                header, outcome, _ = v.verify(v.read_receipt_file(golden(name)), trust())
                self.assertEqual(header.chain_id, trust().chain_id)
                self.assertEqual(outcome.declined is not None, name == "receipt-later-header.json")

    def test_a_change_of_any_field_is_refused(self):
        for name in RECEIPTS:
            file = json.loads(golden(name))
            for place in self.places(file):
                with self.subTest(f"{name}: {place}"):
                    changed = copy.deepcopy(file)
                    self.change(changed, place)
                    with self.assertRaises(v.Refused):
                        v.verify(v.read_receipt_file(json.dumps(changed)), trust())

    def test_a_file_has_each_field_once_in_any_order(self):
        content = golden("receipt.json").decode()
        receipt = v.read_receipt_file(content)
        file = json.loads(content)
        self.assertEqual(v.read_receipt_file(json.dumps(dict(reversed(file.items())))), receipt)
        twice = content.replace('"height": 2,', '"height": 2, "height": 2,')
        unknown = json.dumps(file | {"remark": ""})
        missing = json.dumps({name: value for name, value in file.items() if name != "transaction"})
        upper = json.dumps(file | {"receipt_id": file["receipt_id"].upper()})
        for wrong in (twice, unknown, missing, upper):
            self.assertNotEqual(wrong, content)
            with self.assertRaises(v.Refused):
                v.read_receipt_file(wrong)

    def test_without_its_transaction_a_receipt_proves_the_same_outcome(self):
        whole, without = (v.read_receipt_file(golden(name)) for name in ("receipt.json", "receipt-without-transaction.json"))
        self.assertEqual(without, whole._replace(transaction=None))
        self.assertEqual(v.verify(without, trust()), v.verify(whole, trust()))
        self.assertEqual(v.receipt_id_of(without), v.receipt_id_of(whole))

    def test_nothing_else_is_shown_as_what_fell_due(self):
        fell_due, payment = (v.read_receipt_file(golden(name)) for name in ("receipt-fell-due.json", "receipt.json"))
        self.assertEqual(fell_due.header, payment.header)
        _, outcome, _ = v.verify(fell_due, trust())
        count = v.decode(fell_due.header, v.read_header).transaction_count
        self.assertEqual(outcome.transaction_id, v.due_id(2, fell_due.outcome_path.index - count))
        path = fell_due.outcome_path
        for forged in (
            fell_due._replace(outcome_path=payment.outcome_path),
            fell_due._replace(outcome_path=path._replace(index=path.index - 1)),
        ):
            with self.assertRaises(v.Refused):
                v.verify(forged, trust())
        for forged in (
            fell_due._replace(outcome=payment.outcome),
            fell_due._replace(outcome_path=path._replace(index=path.index + 2**32)),
            fell_due._replace(header=v.read_receipt_file(golden("receipt-handover.json")).header),
        ):
            with self.assertRaisesRegex(v.Refused, "fell due"):
                v.verify(forged, trust())
        with self.assertRaisesRegex(v.Refused, "another transaction"):
            v.verify(fell_due._replace(transaction=payment.transaction), trust())

    def test_balances_are_opened_to_their_holder_alone(self):
        """The golden receipt is the payee's: its own balance is open, the payer's is not."""
        receipt = v.read_receipt_file(golden("receipt.json"))
        _, outcome, balances = v.verify(receipt, trust())
        payer, payee = (commitment.account for commitment in outcome.balances)
        self.assertEqual([(each.account, each.available) for each in balances], [(payee, 12_345)])
        self.assertEqual(v.verify(receipt._replace(balances=[]), trust())[2], [])
        for wrong in (receipt.balances * 2, [receipt.balances[0].replace(payee, payer)]):
            with self.assertRaisesRegex(v.Refused, "commits"):
                v.verify(receipt._replace(balances=wrong), trust())

    def test_a_checkpoint_holds_receipts_to_its_history(self):
        receipt = v.read_receipt_file(golden("receipt-later-header.json"))
        header, certified = v.decode(receipt.header, v.read_header), v.decode(receipt.later.header, v.read_header)
        for height, hash in (
            (header.height, v.header_hash(receipt.header)),
            (certified.height, v.header_hash(receipt.later.header)),
            (receipt.anchor.path.index, receipt.anchor.header_hash),
        ):
            v.verify(receipt, trust(), (height, hash))
            for wrong in ((height, bytes(32)), (height + 10, hash)):
                with self.assertRaisesRegex(v.Refused, "checkpoint"):
                    v.verify(receipt, trust(), wrong)

    def test_handovers_lead_from_the_genesis_one_after_the_other(self):
        receipt = v.read_receipt_file(golden("receipt-handover.json"))
        first, second = receipt.handovers
        v.verify(receipt, trust())
        appointed = second._replace(next_validators=first.next_validators)
        crossed = second._replace(certificate=first.certificate)
        for handovers, said in (
            ([], "other validators"),
            ([first], "other validators"),
            ([second], "does not hand over"),
            ([second, first], "does not hand over"),
            ([first, first, second], "does not hand over"),
            ([first, appointed], "does not hand over"),
            ([first, crossed], "certificate"),
        ):
            with self.assertRaisesRegex(v.Refused, said):
                v.verify(receipt._replace(handovers=handovers), trust())
        late = trust()._replace(validators=first.next_validators)
        v.verify(receipt._replace(handovers=[second]), late)

    def test_another_ledgers_genesis_refuses(self):
        other = v.read_genesis(golden("genesis.json") + b"\n")
        for name in RECEIPTS:
            with self.assertRaises(v.Refused):
                v.verify(v.read_receipt_file(golden(name)), other)

    def test_fewer_than_a_quorum_are_refused(self):
        receipt = v.read_receipt_file(golden("receipt.json"))
        # Of 4 validators, 3 signed; the last signature and its bit are taken out.
        certificate = v.decode(receipt.certificate, v.read_certificate)
        head = b"".join(map(v.varint, (certificate.epoch, certificate.view, certificate.parent_view))) + certificate.block
        fewer = head + v.u64(4) + bytes([0b0101, 2]) + b"".join(signature for _, signature in certificate.signatures[:2])
        with self.assertRaisesRegex(v.Refused, "too few"):
            v.verify(receipt._replace(certificate=fewer), trust())

    def places(self, value, at=()):
        """Every string and number of the file, by its way there."""
        if isinstance(value, dict):
            return [place for key, inner in value.items() for place in self.places(inner, at + (key,))]
        if isinstance(value, list):
            return [place for index, inner in enumerate(value) for place in self.places(inner, at + (index,))]
        return [at] if value is not None else []

    def change(self, file, place):
        *way, last = place
        for step in way:
            file = file[step]
        value = file[last]
        if isinstance(value, int):
            file[last] = value + 1
        elif place == ("format",):
            file[last] = value + "0"
        else:
            # The last bit but one of the last byte: never only a sign that a reader could pass over.
            changed = bytearray.fromhex(value)
            changed[-1] ^= 2
            file[last] = changed.hex()


if __name__ == "__main__":
    unittest.main()
