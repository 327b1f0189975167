//! Receipts as files: one with its own certificate, one proven by a later header, one past two changes of validators, one of what
//! fell due, one whose transaction is not carried along. The Python verifier in `tests/python` reads the same files, and knows of them only what `docs/receipt-format.md` says.

use super::chain::{self, BUSY_HEIGHT, LATE_HEIGHT};
use super::{Lines, hold};
use causeway::client::receipt_file;
use causeway::ledger::block::outcome_leaf;
use causeway::ledger::receipt::{Anchor, LaterHeader, PlacedTransaction};
use causeway::ledger::{Receipt, SignedTransaction};
use causeway::primitives::merkle::Path;
use causeway::primitives::{Decode as _, Encode as _, Hash};
use causeway::wire::pb::ledger as pb;
use causeway::wire::{receipt_from_pb, receipt_to_pb};

/// The receipt of a block's transaction, or of what fell due after those, under the block's own certificate.
fn receipt(height: u64, index: usize) -> Receipt {
    let headers = chain::headers();
    let header = headers[height as usize].clone();
    let transactions = chain::transactions(height);
    let leaves: Vec<Hash> = transactions.iter().map(|transaction| transaction.leaf()).collect();
    let outcome_leaves: Vec<Hash> = chain::outcome_hashes(height).iter().map(outcome_leaf).collect();
    let outcome = chain::outcomes(height)[index].clone();
    // As the payee holds it: the payer's balance stays closed.
    let balances = if outcome.balances.len() == 2 { chain::opened_balances().split_off(1) } else { Vec::new() };
    let placed = |signed: &SignedTransaction| PlacedTransaction {
        signed: signed.clone(),
        path: Path::of(&leaves, index).unwrap(),
    };
    Receipt {
        transaction: transactions.get(index).map(placed),
        outcome,
        balances,
        outcome_path: Path::of(&outcome_leaves, index).unwrap(),
        certificate: chain::certificate(&header).into(),
        handovers: chain::handovers(header.epoch),
        header,
        later: None,
        anchor: None,
    }
}

/// The receipt of a declined transaction, whose header is proven by one two heights later, in the next epoch.
fn receipt_by_a_later_header() -> Receipt {
    let headers = chain::headers();
    let later = headers[5].clone();
    let leaves: Vec<Hash> = headers[..5].iter().map(|header| header.history_leaf()).collect();
    let path = Path::of(&leaves, BUSY_HEIGHT as usize).unwrap();
    let certificate = chain::certificate(&later).into();
    // For a verifier who trusts the header of height 3.
    let anchor = Anchor { header_hash: headers[3].hash(), path: Path::of(&leaves, 3).unwrap() };
    let handovers = chain::handovers(later.epoch);
    let later = LaterHeader { path, header: later };
    Receipt { later: Some(later), anchor: Some(anchor), certificate, handovers, ..receipt(BUSY_HEIGHT, 2) }
}

fn hold_receipt(name: &str, receipt: &Receipt) {
    assert_eq!(receipt.verify(&chain::trust()), Ok(()), "{name}");
    let file = receipt_file::to_text(receipt).unwrap();
    assert_eq!(&receipt_file::from_text(&file).unwrap(), receipt, "{name}");
    assert_eq!(&receipt_from_pb(receipt_to_pb(receipt)).unwrap(), receipt, "{name} over the wire");
    hold(name, &file);
}

#[test]
fn receipt_files() {
    hold_receipt("receipt.json", &receipt(BUSY_HEIGHT, 1));
    hold_receipt("receipt-later-header.json", &receipt_by_a_later_header());
    hold_receipt("receipt-handover.json", &receipt(LATE_HEIGHT, 0));
    hold_receipt("receipt-fell-due.json", &receipt(BUSY_HEIGHT, 4));
    hold_receipt("receipt-without-transaction.json", &Receipt { transaction: None, ..receipt(BUSY_HEIGHT, 1) });
}

#[test]
fn receipt_bytes() {
    let receipt = self::receipt(LATE_HEIGHT, 0);
    let bytes = receipt.to_bytes();
    assert_eq!(Receipt::from_bytes(&bytes).as_ref(), Ok(&receipt));
    let fell_due = self::receipt(BUSY_HEIGHT, 4);
    let fell_due_bytes = fell_due.to_bytes();
    assert_eq!(Receipt::from_bytes(&fell_due_bytes).as_ref(), Ok(&fell_due));
    let lines = Lines::default().with("encoding", bytes).with("id", receipt.id());
    let lines = lines.with("fell_due.encoding", fell_due_bytes).with("fell_due.id", fell_due.id());
    hold("receipt.txt", &lines.0);
}

/// The id is of what happened, not of which node says so.
#[test]
fn a_receipts_id_leaves_out_how_it_is_proven() {
    let mut other = receipt_by_a_later_header();
    (other.later, other.anchor) = (None, None);
    other.certificate = vec![].into();
    assert_eq!(other.id(), receipt_by_a_later_header().id());
    let shown = Receipt { balances: Vec::new(), ..receipt(BUSY_HEIGHT, 1) };
    assert_eq!((shown.id(), shown.verify(&chain::trust())), (receipt(BUSY_HEIGHT, 1).id(), Ok(())));
}

/// Over the wire a transaction and its path are two fields, of which neither means anything alone.
#[test]
fn a_transaction_comes_with_its_path_or_not_at_all() {
    let (whole, fell_due) = (receipt_to_pb(&receipt(BUSY_HEIGHT, 1)), receipt_to_pb(&receipt(BUSY_HEIGHT, 4)));
    assert_eq!((&fell_due.transaction, &fell_due.transaction_path), (&None, &None));
    let refused = |message: pb::Receipt| receipt_from_pb(message).unwrap_err().field;
    assert_eq!(refused(pb::Receipt { transaction_path: None, ..whole.clone() }), "transaction_path");
    assert_eq!(refused(pb::Receipt { transaction: None, ..whole.clone() }), "transaction");
    // A node that no longer has the transaction gives the same receipt without it.
    let without = receipt_from_pb(pb::Receipt { transaction: None, transaction_path: None, ..whole }).unwrap();
    assert_eq!((without.id(), without.verify(&chain::trust())), (receipt(BUSY_HEIGHT, 1).id(), Ok(())));
}

/// A file that contradicts itself, or is written in a second way, is refused while it is read.
#[test]
fn files_that_are_not_written_so_are_refused() {
    let file = receipt_file::to_text(&receipt(BUSY_HEIGHT, 1)).unwrap();
    let changes: [(&str, &str, &str); 7] = [
        ("another format", "causeway-receipt/1", "causeway-receipt/2"),
        ("another height", "\"height\": 2", "\"height\": 3"),
        ("an unknown field", "\"height\": 2", "\"height\": 2, \"hieght\": 2"),
        ("a missing field", "  \"later\": null,\n", ""),
        ("no word of a transaction", "  \"transaction\": {", "  \"transactions\": {"),
        ("an odd number of digits", "\"receipt_id\": \"", "\"receipt_id\": \"0"),
        ("capital digits", "\"certificate\": \"00", "\"certificate\": \"AA"),
    ];
    for (what, from, to) in changes {
        assert!(file.contains(from), "{what}: '{from}' is not in the file");
        assert!(receipt_file::from_text(&file.replacen(from, to, 1)).is_err(), "{what}");
    }
    let mut id = receipt_file::from_text(&file).unwrap().id();
    let before = id.to_string();
    id.0[0] ^= 1;
    assert!(receipt_file::from_text(&file.replacen(&before, &id.to_string(), 1)).is_err(), "another id");
}
