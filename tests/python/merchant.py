"""A merchant's side of the wire: opens an account, pays, follows the events, and verifies receipts by itself.

Written from docs/wire.md, docs/receipt-format.md and the proto files; the stubs are generated from these in every test
run. Against a sandbox:

    causeway sandbox --scenario none --ready-file ready.json &
    python merchant.py ready.json
"""

import hashlib
import json
import os
import sys
import time

import grpc
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from causeway.accounts.v1 import operations_pb2 as accounts
from causeway.accounts.v1 import service_pb2 as accounts_service
from causeway.accounts.v1 import service_pb2_grpc as accounts_stub
from causeway.ledger.v1 import receipt_pb2 as receipts
from causeway.ledger.v1 import service_pb2 as ledger
from causeway.ledger.v1 import service_pb2_grpc as ledger_stub
from causeway.ledger.v1 import transaction_pb2 as transactions
from causeway.node.v1 import service_pb2 as node
from causeway.node.v1 import service_pb2_grpc as node_stub

import ed25519
import verify_receipt

TRANSACTION_NAMESPACE = b"causeway/transaction/v1"
READ_NAMESPACE = b"causeway/read/v1"
BECH32_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def account_id_from_text(text):
    """Bech32m (BIP 350) with the prefix `cw`."""
    prefix, _, characters = text.rpartition("1")
    values = [BECH32_ALPHABET.index(character) for character in characters]
    checksum = 1
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values
    for value in expanded:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> bit & 1 else 0
    if prefix != "cw" or checksum != 0x2BC830A3:
        raise ValueError(f"{text} is not an account id")
    bits = 0
    for value in values[:-6]:
        bits = bits << 5 | value
    return (bits >> 4).to_bytes(32, "big")  # 52 characters are 260 bits, 4 of them padding.


def signed(seed, namespace, message):
    return ed25519.sign(seed, bytes([len(namespace)]) + namespace + message)


class Party:
    """An account and its key."""

    def __init__(self, account_id, seed):
        self.account_id, self.seed = account_id, seed
        self.public_key = ed25519.public_key(seed)

    @classmethod
    def of_sandbox(cls, data_dir, name):
        """A participant of a sandbox, whose passphrase lies beside its key."""
        folder = os.path.join(data_dir, "participants", name)
        with open(os.path.join(folder, "participant.json"), encoding="utf-8") as file:
            description = json.load(file)
        with open(os.path.join(folder, description["passphrase_file"]), "rb") as file:
            passphrase = file.read().strip()
        with open(os.path.join(folder, description["key"]), "rb") as file:
            key = load_pem_private_key(file.read(), passphrase)
        seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return cls(account_id_from_text(description["account_id"]), seed)


class Node:
    """One node, as a client sees it."""

    def __init__(self, endpoint):
        options = [("grpc.max_receive_message_length", 16 * 1024 * 1024)]
        self.channel = grpc.insecure_channel(endpoint.removeprefix("http://"), options)
        self.ledger = ledger_stub.LedgerServiceStub(self.channel)
        self.accounts = accounts_stub.AccountsServiceStub(self.channel)
        self.node = node_stub.NodeServiceStub(self.channel)
        self.chain_id = self.node.GetStatus(node.GetStatusRequest(), timeout=10).chain_id

    def genesis(self):
        """The genesis file, held to the chain id."""
        content = self.node.GetGenesis(node.GetGenesisRequest(), timeout=10).genesis
        if hashlib.sha256(content).digest() != self.chain_id:
            raise ValueError("the node's genesis file is not that of its chain id")
        return content

    def reads(self, party, method):
        """The metadata by which a party reads."""
        expires_at_ms = int(time.time() * 1000) + 60_000
        message = self.chain_id + party.account_id + expires_at_ms.to_bytes(8, "big") + method.encode("ascii")
        return (
            ("causeway-account", party.account_id.hex()),
            ("causeway-public-key", party.public_key.hex()),
            ("causeway-expires-ms", str(expires_at_ms)),
            ("causeway-signature", signed(party.seed, READ_NAMESPACE, message).hex()),
        )

    def sign(self, sender, *operations, request_id=None, new_keys=()):
        """A transaction: its bytes are what is sent, and sent again if need be."""
        request_id = os.urandom(16) if request_id is None else request_id
        body = transactions.TransactionBody(
            chain_id=self.chain_id,
            sender_account_id=sender.account_id,
            request_id=request_id,
            expires_at_ms=int(time.time() * 1000) + 10 * 60_000,
            operations=operations,
        ).SerializeToString()
        seeds = sorted((sender.seed, *new_keys), key=ed25519.public_key)
        signatures = [
            transactions.TransactionSignature(
                public_key=ed25519.public_key(seed), signature=signed(seed, TRANSACTION_NAMESPACE, body)
            )
            for seed in seeds
        ]
        return transactions.SignedTransaction(body=body, signatures=signatures), request_id

    def submit(self, transaction):
        return self.ledger.SubmitAndWait(ledger.SubmitAndWaitRequest(transaction=transaction), timeout=30)

    def open_account(self, opener, seed, roles):
        """Opens an account under an institution's. Its id is known before anything is sent, and its key signs too."""
        keys = accounts.KeySet(public_keys=[ed25519.public_key(seed)], threshold=1)
        operation = transactions.Operation(open_account=accounts.OpenAccount(keys=keys, roles=roles))
        transaction, request_id = self.sign(opener, operation, new_keys=[seed])
        place = opener.account_id + request_id + (0).to_bytes(2, "big")
        return Party(verify_receipt.hash_in("causeway/account/v1", place), seed), self.submit(transaction)

    def events(self, party, cursor, timeout):
        """Events that concern the party, from a cursor on."""
        method = "/causeway.ledger.v1.LedgerService/StreamEvents"
        request = ledger.StreamEventsRequest(cursor=cursor)
        for answer in self.ledger.StreamEvents(request, metadata=self.reads(party, method), timeout=timeout):
            if answer.WhichOneof("item") == "gap":
                raise RuntimeError("this reader was too slow: resume from the last cursor")
            yield answer.event

    def balances(self, reader, account_id):
        method = "/causeway.accounts.v1.AccountsService/ListBalances"
        request = accounts_service.ListBalancesRequest(account_id=account_id)
        answer = self.accounts.ListBalances(request, metadata=self.reads(reader, method), timeout=10)
        return {balance.token_id: balance.available for balance in answer.balances}

    def receipt(self, reader, transaction_id):
        method = "/causeway.ledger.v1.LedgerService/GetReceipt"
        request = ledger.GetReceiptRequest(transaction_id=transaction_id)
        return self.ledger.GetReceipt(request, metadata=self.reads(reader, method), timeout=10).receipt


def transfer(payer, payee, token, amount, end_to_end_id=""):
    operation = transactions.Operation()
    operation.transfer.payer_account_id = payer.account_id
    operation.transfer.payee_account_id = payee.account_id
    operation.transfer.token_id = token
    operation.transfer.amount = amount
    if end_to_end_id:
        operation.transfer.remittance.end_to_end_id = end_to_end_id
        operation.transfer.remittance.purpose_code = "SUPP"
    return operation


def proven(message, genesis):
    """Verifies a receipt that came over the wire. Returns its header, what the transaction did, and the balances opened."""
    path = lambda each: verify_receipt.Path(each.index, each.size, list(each.siblings))  # noqa: E731
    later = None
    if message.certified_header:
        later = verify_receipt.Later(path(message.history_path), message.certified_header)
    transaction = None
    if message.HasField("transaction"):
        signatures = [(each.public_key, each.signature) for each in message.transaction.signatures]
        transaction = verify_receipt.Transaction(message.transaction.body, signatures, path(message.transaction_path))
    receipt = verify_receipt.Receipt(
        transaction,
        message.outcome,
        list(message.balances),
        path(message.outcome_path),
        message.header,
        later,
        verify_receipt.Anchor(message.anchor_header_hash, path(message.anchor_path)) if message.anchor_header_hash else None,
        message.certificate,
        [verify_receipt.Handover(h.header, h.certificate, list(h.next_validators)) for h in message.handovers],
    )
    if verify_receipt.receipt_id_of(receipt) != message.receipt_id:
        raise verify_receipt.Refused("the receipt's id is not that of its content")
    return verify_receipt.verify(receipt, verify_receipt.read_genesis(genesis))


def main(ready_file):
    with open(ready_file, encoding="utf-8") as file:
        ready = json.load(file)
    bank, buyer = (Party.of_sandbox(ready["data_dir"], name) for name in ("bank-east", "buyer"))
    gateway = Node(ready["endpoints"][0])
    genesis = gateway.genesis()
    print(f"ledger {gateway.chain_id.hex()}")

    shop, opened = gateway.open_account(bank, os.urandom(32), [accounts.ROLE_MERCHANT])
    proven(opened.receipt, genesis)
    print(f"opened account {shop.account_id.hex()} at height {opened.receipt.height}")

    payment, _ = gateway.sign(buyer, transfer(buyer, shop, "HKDX", 1_250, "ORDER-1"))
    paid = gateway.submit(payment)
    header, outcome, _ = proven(paid.receipt, genesis)
    print(f"paid 12.50 HKDX at height {header.height}, final in {paid.finality_us / 1000:.1f} ms")
    print(f"receipt {paid.receipt.receipt_id.hex()} verified: {outcome.movements[0]}")

    event = next(event for event in gateway.events(shop, "0", 10) if event.transaction_id == outcome.transaction_id)
    print(f"event {event.cursor}: {receipts.MovementKind.Name(event.movements[0].kind)} {event.movements[0].amount}")
    print(f"balance {gateway.balances(shop, shop.account_id)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
