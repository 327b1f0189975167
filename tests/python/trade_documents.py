"""What of trade documents enters the ledger. Written from docs/trade-documents.md alone."""

import hashlib
import hmac
import re


def _text(value):
    content = value.encode("utf-8")
    return len(content).to_bytes(4, "big") + content


def _hash_in(domain, content):
    return hashlib.sha256(bytes([len(domain)]) + domain + content).digest()


def key_commitment(key):
    return _hash_in(b"causeway/fingerprint-key/v1", key)


def normalised_number(number):
    """ASCII whitespace and ASCII letters only: what `str.split` and `str.upper` do would reach further."""
    words = re.sub("[ \t\n\f\r]+", " ", number).strip(" ")
    return re.sub("[a-z]+", lambda letters: letters[0].upper(), words)


def fingerprint(key, supplier_legal_id, buyer_legal_id, number, issue_date, currency, amount):
    texts = (supplier_legal_id, buyer_legal_id, normalised_number(number), issue_date, currency)
    facts = b"".join(map(_text, texts)) + amount.to_bytes(8, "big")
    return hmac.new(key, _hash_in(b"causeway/fingerprint/v1", facts), "sha256").digest()


def document_commitment(salt, document):
    return _hash_in(b"causeway/document/v1", salt + document)


def payout_commitment(salt, payout):
    return hashlib.sha256(salt + payout.encode("utf-8")).digest()
