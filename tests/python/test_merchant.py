"""The merchant against four live validators: what the wire and the receipts are said to be, tried from outside."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import grpc
import merchant
import verify_receipt
from causeway.accounts.v1 import operations_pb2 as accounts
from causeway.ledger.v1 import receipt_pb2 as receipts
from causeway.ledger.v1 import service_pb2 as ledger
from causeway.ledger.v1 import transaction_pb2 as transactions

BINARY = os.environ.get("CAUSEWAY_BINARY", "target/debug/causeway")
READY_WITHIN_S = 120
STOPPED_WITHIN_S = 30


class Sandbox:
    """Four validators in a folder of their own, on free ports."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="causeway-merchant-")
        ready_file = os.path.join(self.folder, "ready.json")
        self.log = open(os.path.join(self.folder, "sandbox.log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [BINARY, "sandbox", "--scenario", "none", "--ports", "free", "--ready-file", ready_file]
            + ["--data-dir", os.path.join(self.folder, "data")],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        give_up_at = time.monotonic() + READY_WITHIN_S
        while not os.path.exists(ready_file):
            if self.process.poll() is not None or time.monotonic() > give_up_at:
                said = self.said()
                self.stop()
                raise RuntimeError(f"the sandbox is not ready after {READY_WITHIN_S} s at most; it said:\n{said}")
            time.sleep(0.1)
        with open(ready_file, encoding="utf-8") as file:
            self.ready = json.load(file)

    def said(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.process.returncode


class Bodies(unittest.TestCase):
    def test_the_golden_body_is_a_transaction_body(self):
        """What Rust's golden file holds by hand, the generated code reads and writes back as it was."""
        golden = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "receipt.json")
        with open(golden, "rb") as file:
            receipt = verify_receipt.read_receipt_file(file.read())
        body = transactions.TransactionBody.FromString(receipt.transaction.body)
        self.assertEqual(body.operations[0].transfer.amount, 12_345)
        self.assertEqual(body.operations[0].transfer.remittance.end_to_end_id, "INV-2026-0001")
        self.assertEqual(body.SerializeToString(), receipt.transaction.body)


class Merchant(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.stop)
        data_dir = cls.sandbox.ready["data_dir"]
        cls.nodes = [merchant.Node(endpoint) for endpoint in cls.sandbox.ready["endpoints"]]
        cls.node = cls.nodes[0]
        cls.genesis = cls.node.genesis()
        cls.bank, cls.buyer, cls.supplier = (
            merchant.Party.of_sandbox(data_dir, name) for name in ("bank-east", "buyer", "supplier")
        )
        cls.shop, cls.opened = cls.node.open_account(cls.bank, os.urandom(32), [accounts.ROLE_MERCHANT])

    def pay(self, amount, **sent):
        transaction, request_id = self.node.sign(self.buyer, merchant.transfer(self.buyer, self.shop, "HKDX", amount), **sent)
        return transaction, request_id

    def test_the_genesis_is_the_files(self):
        with open(os.path.join(self.sandbox.ready["data_dir"], "genesis.json"), "rb") as file:
            self.assertEqual(file.read(), self.genesis)
        self.assertEqual({node.chain_id for node in self.nodes}, {self.node.chain_id})

    def test_an_opened_account_has_the_id_that_was_computed(self):
        _, outcome, _ = merchant.proven(self.opened.receipt, self.genesis)
        opened = dict(outcome.effects[0].fields)
        self.assertEqual(outcome.effects[0].name, "accounts.opened")
        self.assertEqual((opened["account"], opened["parent"]), (self.shop.account_id, self.bank.account_id))

    def test_a_payment_is_proven_by_its_receipt(self):
        before = self.node.balances(self.shop, self.shop.account_id).get("HKDX", 0)
        paid = self.node.submit(self.pay(1_250)[0])
        header, outcome, _ = merchant.proven(paid.receipt, self.genesis)
        self.assertEqual(header.height, paid.receipt.height)
        (movement,) = outcome.movements
        self.assertEqual((movement.kind, movement.token, movement.amount), ("transfer", "HKDX", 1_250))
        self.assertEqual((movement.payer, movement.payee), (self.buyer.account_id, self.shop.account_id))
        self.assertEqual(self.node.balances(self.shop, self.shop.account_id)["HKDX"], before + 1_250)

    def test_a_changed_receipt_proves_nothing(self):
        receipt = self.node.submit(self.pay(1)[0]).receipt
        outcome = bytearray(receipt.outcome)
        outcome[-1] ^= 1
        receipt.outcome = bytes(outcome)
        with self.assertRaises(verify_receipt.Refused):
            merchant.proven(receipt, self.genesis)

    def test_every_node_gives_the_same_receipt(self):
        paid = self.node.submit(self.pay(2)[0])
        for node in self.nodes:
            with self.subTest(node=node):
                again = self.soon(lambda node=node: node.receipt(self.buyer, paid.outcome.transaction_id))
                merchant.proven(again, self.genesis)
                self.assertEqual(again.receipt_id, paid.receipt.receipt_id)

    def soon(self, read):
        """Nodes apply a block each in its own time: one may not have it yet."""
        for _ in range(100):
            try:
                return read()
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.NOT_FOUND:
                    raise
                time.sleep(0.1)
        return read()

    def test_the_same_bytes_happen_once(self):
        transaction, request_id = self.pay(3)
        first, second = self.node.submit(transaction), self.node.submit(transaction)
        self.assertEqual(first.receipt.receipt_id, second.receipt.receipt_id)
        other, _ = self.pay(4, request_id=request_id)
        with self.assertRaises(grpc.RpcError) as refused:
            self.node.submit(other)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.ALREADY_EXISTS)

    def test_a_payment_past_the_balance_is_declined_with_a_receipt(self):
        declined = self.node.submit(self.pay(2**60)[0])
        self.assertEqual(declined.outcome.status, receipts.TRANSACTION_STATUS_DECLINED)
        self.assertEqual(declined.outcome.decline.reason, "INSUFFICIENT_FUNDS")
        _, outcome, _ = merchant.proven(declined.receipt, self.genesis)
        self.assertEqual((outcome.declined.code, outcome.movements), (105, []))

    def test_a_body_that_is_not_canonical_is_refused(self):
        transaction, _ = self.pay(5)
        body = transaction.body + b"\xf8\x07\x01"  # An unknown field, number 127.
        signature = merchant.signed(self.buyer.seed, merchant.TRANSACTION_NAMESPACE, body)
        transaction.body, transaction.signatures[0].signature = body, signature
        with self.assertRaises(grpc.RpcError) as refused:
            self.node.submit(transaction)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_a_forged_signature_is_refused(self):
        transaction, _ = self.pay(6)
        transaction.signatures[0].signature = bytes(64)
        with self.assertRaises(grpc.RpcError) as refused:
            self.node.submit(transaction)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAUTHENTICATED)

    def test_the_stream_tells_the_shop_of_its_payments_and_resumes(self):
        first, second = (self.node.submit(self.pay(amount)[0]).outcome.transaction_id for amount in (7, 8))
        cursor = None
        for event in self.node.events(self.shop, "0", 30):
            self.assertTrue(self.concerns_the_shop(event), "an event that is not the shop's to see")
            if event.transaction_id == first:
                cursor = event.cursor
                break
        resumed = next(iter(self.node.events(self.shop, cursor, 30)))
        self.assertEqual(resumed.transaction_id, second)
        self.assertEqual([movement.amount for movement in resumed.movements], [8])

    def concerns_the_shop(self, event):
        shop = self.shop.account_id
        moved = any(shop in (movement.from_account_id, movement.to_account_id) for movement in event.movements)
        named = any(field.account_id == shop for effect in event.effects for field in effect.fields)
        return moved or named

    def test_payer_and_payee_each_see_only_what_they_have_left(self):
        paid = self.node.submit(self.pay(3)[0])
        self.assertEqual(list(paid.receipt.balances), [], "nobody said who reads")
        transaction_id = paid.outcome.transaction_id
        seen = {}
        for party in (self.buyer, self.shop):
            receipt = self.node.receipt(party, transaction_id)
            _, outcome, balances = merchant.proven(receipt, self.genesis)
            self.assertEqual([balance.account for balance in balances], [party.account_id])
            seen[party.account_id] = balances[0].available
        self.assertEqual({commitment.account for commitment in outcome.balances}, set(seen))
        self.assertEqual(seen[self.shop.account_id], self.node.balances(self.shop, self.shop.account_id)["HKDX"])

    def test_the_program_runs_as_its_header_says(self):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            merchant.main(os.path.join(self.sandbox.folder, "ready.json"))
        lines = printed.getvalue().splitlines()
        self.assertTrue(any(line.startswith("paid 12.50 HKDX at height ") for line in lines), lines)
        self.assertEqual(lines[-1], "balance {'HKDX': 1250}")

    def test_others_do_not_see_the_shop(self):
        with self.assertRaises(grpc.RpcError) as refused:
            self.node.balances(self.supplier, self.shop.account_id)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        with self.assertRaises(grpc.RpcError) as refused:
            self.node.ledger.GetReceipt(ledger.GetReceiptRequest(transaction_id=bytes(32)), timeout=10)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
        # The bank above the shop sees it.
        self.node.balances(self.bank, self.shop.account_id)


if __name__ == "__main__":
    unittest.main()
