"""Verifies receipts offline, with nothing but the genesis file. Written from docs/receipt-format.md alone.

    python verify_receipt.py genesis.json receipt.json
"""

import hashlib
import json
import re
import sys
from collections import namedtuple

import ed25519

COUNT_MAX = 16_777_216
HEADER_SIZE = 352
TRANSACTION_NAMESPACE = b"causeway/transaction/v1"


class Refused(Exception):
    """Why a receipt proves nothing."""


def require(holds, why):
    if not holds:
        raise Refused(why)


# 1. The codec.


class Reader:
    """Reads canonical encodings, and refuses all others."""

    def __init__(self, content):
        self.content, self.offset = content, 0

    def take(self, count):
        require(self.offset + count <= len(self.content), "an encoding ends too early")
        self.offset += count
        return self.content[self.offset - count : self.offset]

    def integer(self, size):
        return int.from_bytes(self.take(size), "big")

    def u8(self):
        return self.integer(1)

    def u16(self):
        return self.integer(2)

    def u64(self):
        return self.integer(8)

    def hash(self):
        return self.take(32)

    def count(self, limit=COUNT_MAX):
        count = self.integer(4)
        require(count <= limit, "a count is too large")
        return count

    def bool(self):
        value = self.u8()
        require(value <= 1, "a flag is neither 0 nor 1")
        return value == 1

    def text(self):
        try:
            return self.take(self.count()).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("a text is not UTF-8") from None

    def token(self):
        text = self.take(self.u8())
        require(re.fullmatch(rb"[A-Z][A-Z0-9]{2,11}", text), "a token id is malformed")
        return text.decode("ascii")

    def list(self, item, limit=COUNT_MAX):
        return [item() for _ in range(self.count(limit))]

    def option(self, item):
        return item() if self.bool() else None

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                require(byte != 0 or shift == 0, "a varint is not in its shortest form")
                require(value < 2**64, "a varint exceeds 64 bits")
                return value
        raise Refused("a varint exceeds 64 bits")

    def finish(self):
        require(self.offset == len(self.content), "bytes remain after an encoding")


def decode(content, read):
    reader = Reader(content)
    value = read(reader)
    reader.finish()
    return value


def u16(value):
    return value.to_bytes(2, "big")


def u32(value):
    return value.to_bytes(4, "big")


def u64(value):
    return value.to_bytes(8, "big")


def varint(value):
    content = b""
    while value >= 0x80:
        content += bytes([value & 0x7F | 0x80])
        value >>= 7
    return content + bytes([value])


# 2. Hashes.


def sha256(content):
    return hashlib.sha256(content).digest()


def hash_in(domain, content):
    domain = domain.encode("ascii")
    return sha256(bytes([len(domain)]) + domain + content)


# 4. Signatures.


def signature_holds(public_key, namespace, message, signature):
    return ed25519.verify(public_key, varint(len(namespace)) + namespace + message, signature)


# 5. Transactions.

Transaction = namedtuple("Transaction", "body signatures path")


def transaction_id(transaction):
    return hash_in("causeway/transaction/v1", transaction.body)


def transaction_leaf(transaction):
    signatures = u32(len(transaction.signatures)) + b"".join(key + signature for key, signature in transaction.signatures)
    return transaction_id(transaction) + hash_in("causeway/signatures/v1", signatures)


def check_transaction_form(transaction):
    require(1 <= len(transaction.body) <= 65_536, "the body has no bytes or too many")
    require(1 <= len(transaction.signatures) <= 64, "the transaction has no signature or too many")
    keys = [key for key, _ in transaction.signatures]
    require(all(a < b for a, b in zip(keys, keys[1:])), "the signatures are not sorted by key, or a key signed twice")


# 6. Outcomes.

Outcome = namedtuple("Outcome", "transaction_id declined movements balances effects")
Decline = namedtuple("Decline", "operation_index code fields")
Movement = namedtuple("Movement", "kind token payer payee amount")
Commitment = namedtuple("Commitment", "account token commitment")
Balance = namedtuple("Balance", "account token available locked salt")
Effect = namedtuple("Effect", "name fields")

MOVEMENT_KINDS = {1: "transfer", 2: "mint", 3: "burn", 4: "lock", 5: "unlock"}


def read_value(reader):
    tag = reader.u8()
    readers = {
        1: reader.u64, 2: reader.u64, 3: reader.hash, 4: reader.hash, 5: reader.token,
        6: reader.hash, 7: reader.u64, 8: reader.text, 9: reader.bool,
    }  # fmt: skip
    require(tag in readers, f"a value has the unknown tag {tag}")
    return readers[tag]()


def read_field(reader):
    return reader.text(), read_value(reader)


def read_fields(reader):
    return reader.list(lambda: read_field(reader))


def read_movement(reader):
    kind = reader.u8()
    require(kind in MOVEMENT_KINDS, "a movement has an unknown kind")
    token, payer, payee = reader.token(), reader.option(reader.hash), reader.option(reader.hash)
    return Movement(MOVEMENT_KINDS[kind], token, payer, payee, reader.u64())


def read_outcome(reader):
    identity, status = reader.hash(), reader.u8()
    require(status in (1, 2), "an outcome has an unknown status")
    declined = Decline(reader.u16(), reader.u16(), read_fields(reader)) if status == 2 else None
    movements = reader.list(lambda: read_movement(reader))
    balances = reader.list(lambda: Commitment(reader.hash(), reader.token(), reader.hash()))
    effects = reader.list(lambda: Effect(reader.text(), read_fields(reader)))
    return Outcome(identity, declined, movements, balances, effects)


def read_balance(reader):
    return Balance(reader.hash(), reader.token(), reader.u64(), reader.u64(), reader.hash())


def opened(content):
    """A balance, and the commitment that it opens."""
    balance = decode(content, read_balance)
    return balance, Commitment(balance.account, balance.token, hash_in("causeway/balance/v1", content))


def open_balances(contents, commitments):
    """The balances, each held to its commitment: in the order of those, none twice."""
    remaining = iter(commitments)
    balances = []
    for content in contents:
        balance, commitment = opened(content)
        require(any(commitment == each for each in remaining), "a balance is not what the outcome commits to")
        balances.append(balance)
    return balances


def due_id(height, place):
    """The id of what fell due in a block, by its place among that."""
    return hash_in("causeway/due/v1", u64(height) + u32(place))


def outcome_hash(content):
    return hash_in("causeway/outcome/v1", content)


# 7. Headers.

Header = namedtuple(
    "Header",
    "chain_id epoch height parent time proposer transaction_count transactions_root outcome_count outcomes_root "
    "parent_state_digest history_root validators_hash next_validators_hash reserves_root",
)


def read_header(reader):
    chain_id, epoch, height = reader.hash(), reader.u64(), reader.u64()
    parent, time, proposer = reader.hash(), reader.u64(), reader.hash()
    transactions, outcomes = (reader.integer(4), reader.hash()), (reader.integer(4), reader.hash())
    roots = [reader.hash() for _ in range(5)]
    return Header(chain_id, epoch, height, parent, time, proposer, *transactions, *outcomes, *roots)


def header_hash(content):
    return hash_in("causeway/header/v1", content)


def validators_hash(validators):
    return hash_in("causeway/validators/v1", u32(len(validators)) + b"".join(validators))


def check_validator_set(validators):
    require(1 <= len(validators) <= 100, "a validator set is empty or too large")
    require(all(a < b for a, b in zip(validators, validators[1:])), "a validator set is not sorted and distinct")


# 8. Paths.

Path = namedtuple("Path", "index size siblings")


def leaf_hash(leaf):
    return sha256(b"\x00" + leaf)


def root_from(path, leaf):
    """The root that the path leads to, or None."""
    if path.index >= path.size or len(path.siblings) > 64:
        return None
    node, last, reached = path.index, path.size - 1, leaf_hash(leaf)
    for sibling in path.siblings:
        if last == 0:
            return None
        if node % 2 == 1 or node == last:
            reached = sha256(b"\x01" + sibling + reached)
            while node % 2 == 0 and node != 0:
                node, last = node >> 1, last >> 1
        else:
            reached = sha256(b"\x01" + reached + sibling)
        node, last = node >> 1, last >> 1
    return reached if last == 0 else None


# 9. Certificates.

Certificate = namedtuple("Certificate", "epoch view parent_view block validator_count signatures")


def read_certificate(reader):
    epoch, view, parent_view, block = reader.varint(), reader.varint(), reader.varint(), reader.hash()
    count = reader.u64()
    require(count <= 100, "a certificate speaks of too many validators")
    bits = int.from_bytes(reader.take((count + 7) // 8), "little")
    require(bits >> count == 0, "a certificate has bits beyond its last validator")
    places = [place for place in range(count) if bits >> place & 1]
    require(reader.varint() == len(places), "a certificate has not as many signatures as signers")
    return Certificate(epoch, view, parent_view, block, count, [(place, reader.take(64)) for place in places])


def check_certificate(content, header, header_id, trust, validators):
    certificate = decode(content, read_certificate)
    require(certificate.block == header_id, "the certificate is of another header")
    epoch = header.height // trust.epoch_length
    require(header.epoch == epoch and certificate.epoch == epoch, "an epoch is not that of its height")
    require(certificate.validator_count == len(validators), "the certificate is of another number of validators")
    quorum = len(validators) - (len(validators) - 1) // 3
    require(len(certificate.signatures) >= quorum, "too few validators signed")
    namespace = b"causeway/consensus/v1/" + trust.chain_id + b"_FINALIZE"
    numbers = (certificate.epoch, certificate.view, certificate.parent_view)
    message = b"".join(map(varint, numbers)) + certificate.block
    for place, signature in certificate.signatures:
        require(signature_holds(validators[place], namespace, message, signature), "a validator's signature fails")


# 10. The genesis.

Trust = namedtuple("Trust", "chain_id validators epoch_length")


def read_genesis(content):
    genesis = json.loads(content)
    require(genesis["format"] == 1, "the genesis file is of another format")
    require(genesis["epoch_length"] >= 1, "an epoch has at least one height")
    validators = sorted(bytes.fromhex(validator["public_key"]) for validator in genesis["validators"])
    check_validator_set(validators)
    for key in validators:
        point = ed25519.decompress(key)
        canonical = point is not None and ed25519.compress(point) == key
        require(canonical and not ed25519.is_identity(ed25519.multiply(8, point)), "a validator's key is not one")
    return Trust(sha256(content), validators, genesis["epoch_length"])


# 11. Receipts.

Later = namedtuple("Later", "path header")
Anchor = namedtuple("Anchor", "header_hash path")
Handover = namedtuple("Handover", "header certificate next_validators")
Receipt = namedtuple(
    "Receipt", "transaction outcome balances outcome_path header later anchor certificate handovers"
)


def unhex(text):
    require(isinstance(text, str) and re.fullmatch("([0-9a-f]{2})*", text), "bytes are not lower-case hexadecimal")
    return bytes.fromhex(text)


def fields(value, *names):
    require(isinstance(value, dict) and set(value) == set(names), f"expected exactly the fields {', '.join(names)}")
    return [value[name] for name in names]


def listed(value):
    require(isinstance(value, list), "expected a list")
    return value


def number(value):
    require(type(value) is int and 0 <= value < 2**64, "a number is not a 64-bit integer")
    return value


def path_of(value):
    index, size, siblings = fields(value, "index", "size", "siblings")
    siblings = [unhex(sibling) for sibling in listed(siblings)]
    require(all(len(sibling) == 32 for sibling in siblings), "a sibling has not 32 bytes")
    return Path(number(index), number(size), siblings)


def signature_of(value):
    key, signature = map(unhex, fields(value, "public_key", "signature"))
    require(len(key) == 32 and len(signature) == 64, "a key or a signature has the wrong size")
    return key, signature


def handover_of(value):
    header, certificate, validators = fields(value, "header", "certificate", "next_validators")
    validators = [unhex(key) for key in listed(validators)]
    require(all(len(key) == 32 for key in validators), "a validator's key has not 32 bytes")
    check_validator_set(validators)
    return Handover(unhex(header), unhex(certificate), validators)


def once(pairs):
    """An object's fields. JSON itself lets a field stand twice, and readers differ on which of them counts."""
    value = dict(pairs)
    require(len(value) == len(pairs), "a field stands twice")
    return value


def read_receipt_file(content):
    try:
        # Decoded here: given bytes, the reader would guess among the encodings of Unicode.
        text = content if isinstance(content, str) else content.decode("utf-8")
        file = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Refused("the file is not JSON") from None
    require(isinstance(file, dict) and file.get("format") == "causeway-receipt/1", "the file is of another format")
    (_, receipt_id, height, transaction, outcome, balances, outcome_path, header, later, anchor, certificate, handovers) = fields(
        file, "format", "receipt_id", "height", "transaction", "outcome", "balances", "outcome_path",
        "header", "later", "anchor", "certificate", "handovers",
    )  # fmt: skip
    if transaction is not None:
        body, signatures, path = fields(transaction, "body", "signatures", "path")
        transaction = Transaction(unhex(body), [signature_of(each) for each in listed(signatures)], path_of(path))
        check_transaction_form(transaction)
    if later is not None:
        path, later_header = fields(later, "path", "header")
        later = Later(path_of(path), unhex(later_header))
    if anchor is not None:
        header_hash, path = fields(anchor, "header_hash", "path")
        anchor = Anchor(unhex(header_hash), path_of(path))
    require(len(listed(handovers)) <= 4_096, "there are too many handovers")
    receipt = Receipt(
        transaction,
        unhex(outcome),
        [unhex(balance) for balance in listed(balances)],
        path_of(outcome_path),
        unhex(header),
        later,
        anchor,
        unhex(certificate),
        [handover_of(each) for each in handovers],
    )
    require(decode(receipt.header, read_header).height == number(height), "the file's height is not its header's")
    require(receipt_id_of(receipt) == unhex(receipt_id), "the file's id is not that of its content")
    return receipt


def receipt_id_of(receipt):
    if receipt.transaction is None:
        of_transaction = decode(receipt.outcome, read_outcome).transaction_id
    else:
        of_transaction = transaction_id(receipt.transaction)
    return hash_in(
        "causeway/receipt/v1",
        header_hash(receipt.header) + of_transaction + outcome_hash(receipt.outcome),
    )


# 12. Verification.


def verify(receipt, trust, checkpoint=None):
    """The header, the outcome and the opened balances, proven. Raises Refused otherwise.

    A checkpoint is a height and the hash of the header there, known from elsewhere.
    """
    transaction, header = receipt.transaction, decode(receipt.header, read_header)
    outcome = decode(receipt.outcome, read_outcome)
    require(header.chain_id == trust.chain_id, "the receipt is of another ledger")
    if transaction is None and receipt.outcome_path.index >= header.transaction_count:
        place = receipt.outcome_path.index - header.transaction_count
        fell_due = place < 2**32 and outcome.transaction_id == due_id(header.height, place)
        require(fell_due, "there is no transaction, and the outcome is of nothing that fell due there")
    elif transaction is not None:
        check_transaction(transaction, header)
        require(outcome.transaction_id == transaction_id(transaction), "the outcome is of another transaction")
        same_place = receipt.outcome_path.index == transaction.path.index
        require(same_place, "the outcome is not at the transaction's place")
    reached = root_from(receipt.outcome_path, outcome_hash(receipt.outcome))
    sized = receipt.outcome_path.size == header.outcome_count
    require(sized and reached == header.outcomes_root, "the outcome is not in the block")
    balances = open_balances(receipt.balances, outcome.balances)

    certified, certified_bytes = header, receipt.header
    if receipt.later is not None:
        certified_bytes = receipt.later.header
        certified = decode(certified_bytes, read_header)
        path = receipt.later.path
        leads = root_from(path, header_hash(receipt.header)) == certified.history_root
        placed = path.index == header.height and path.size == certified.height
        require(leads and placed and certified.chain_id == trust.chain_id, "the header is not in the later one's history")

    if receipt.anchor is not None:
        path = receipt.anchor.path
        leads = root_from(path, receipt.anchor.header_hash) == certified.history_root
        require(leads and path.size == certified.height, "the anchor is not in the certified header's history")

    validators = validators_in_charge(receipt, certified, trust)
    check_certificate(receipt.certificate, certified, header_hash(certified_bytes), trust, validators)
    if checkpoint is not None:
        shown = [(header.height, header_hash(receipt.header)), (certified.height, header_hash(certified_bytes))]
        if receipt.anchor is not None:
            shown.append((receipt.anchor.path.index, receipt.anchor.header_hash))
        require(checkpoint in shown, "the receipt does not show that it is of the checkpoint's history")
    return header, outcome, balances


def check_transaction(transaction, header):
    check_transaction_form(transaction)
    for key, signature in transaction.signatures:
        holds = signature_holds(key, TRANSACTION_NAMESPACE, transaction.body, signature)
        require(holds, "a signature of the transaction fails")
    reached = root_from(transaction.path, transaction_leaf(transaction))
    sized = transaction.path.size == header.transaction_count
    require(sized and reached == header.transactions_root, "the transaction is not in the block")


def validators_in_charge(receipt, certified, trust):
    validators, reached = trust.validators, 0
    for handover in receipt.handovers:
        header = decode(handover.header, read_header)
        hands_over = (
            header.chain_id == trust.chain_id
            and header.epoch >= reached
            and (header.height + 1) % trust.epoch_length == 0
            and header.height < certified.height
            and header.validators_hash == validators_hash(validators)
            and header.next_validators_hash == validators_hash(handover.next_validators)
        )
        require(hands_over, "a handover does not hand over")
        check_certificate(handover.certificate, header, header_hash(handover.header), trust, validators)
        validators, reached = handover.next_validators, header.epoch + 1
    require(certified.validators_hash == validators_hash(validators), "other validators were in charge")
    return validators


def shown(value):
    return value.hex() if isinstance(value, bytes) else str(value)


def main(genesis_file, receipt_file):
    with open(genesis_file, "rb") as file:
        trust = read_genesis(file.read())
    with open(receipt_file, "rb") as file:
        receipt = read_receipt_file(file.read())
    header, outcome, balances = verify(receipt, trust)
    print(f"verified: receipt {receipt_id_of(receipt).hex()}")
    print(f"ledger {trust.chain_id.hex()}, height {header.height}, time {header.time} ms")
    if receipt.transaction is None and receipt.outcome_path.index >= header.transaction_count:
        print("fell due: nobody sent it")
    elif receipt.transaction is None:
        print("the transaction is not carried along, only named")
    if outcome.declined:
        figures = ", ".join(f"{name} {shown(value)}" for name, value in outcome.declined.fields)
        print(f"declined: operation {outcome.declined.operation_index}, code {outcome.declined.code} ({figures})")
    for movement in outcome.movements:
        payer, payee = (shown(account) if account else "-" for account in (movement.payer, movement.payee))
        print(f"{movement.kind} {movement.amount} {movement.token}: {payer} -> {payee}")
    for balance in balances:
        left = f"{balance.available} available, {balance.locked} locked"
        print(f"balance after: {shown(balance.account)} {balance.token}: {left}")
    for effect in outcome.effects:
        print(f"{effect.name}: {', '.join(f'{name} {shown(value)}' for name, value in effect.fields)}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Refused as refused:
        sys.exit(f"refused: {refused}")
