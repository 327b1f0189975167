//! What the ledger's own formats are read from: by nodes from their peers, by clients from nodes, by anyone from files.

use super::corpus::{encodings, golden};
use super::messages::Messages;
use super::mutate::Form;
use super::run::{Target, USUAL, Verdict};
use bytes::Bytes;
use causeway::client::{json, lineage, receipt_file};
use causeway::consensus::forwarding::read_batch;
use causeway::consensus::{Journaled, SealedBlock, journals};
use causeway::daemon::snapshots::manifest::{Listed, Manifest};
use causeway::execution::genesis::Genesis;
use causeway::ledger::{
    BalanceAfter, Blinding, Block, Certificate, CertifiedHeader, Header, Openings, Outcome, Receipt, ReserveLine,
    SignedTransaction, TrustRoot, ValidatorSet,
};
use causeway::node::{StoredRecord, TransactionPlace};
use causeway::primitives::codec::encode_list;
use causeway::primitives::digest::StateAccumulator;
use causeway::primitives::merkle::Path;
use causeway::primitives::{ChainId, Decode, Encode, Hash};
use causeway::wire::pb::ledger as pb;
use causeway::wire::{decode_body, receipt_from_pb, receipt_to_pb, senders_of};
use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_runtime::{Blob as _, ReadOptions, Runner as _, Storage as _, Supervisor as _, WriteOptions};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// A canonical decoding: what is read is written back as it came.
fn canonical<T: Decode + Encode>(bytes: &[u8]) -> Verdict {
    let read = T::from_bytes(bytes);
    if let Ok(value) = &read {
        assert_eq!(hex::encode(value.to_bytes()), hex::encode(bytes), "a value in two encodings");
    }
    Verdict::of(&read)
}

fn target(executions: u64, corpus: Vec<Vec<u8>>, check: fn(&[u8]) -> Verdict) -> Target {
    Target { form: Form::Bytes, executions, allowed: USUAL, corpus, check }
}

pub fn headers() -> Target {
    target(4_000, encodings(&["header.txt"]), canonical::<Header>)
}

pub fn transactions() -> Target {
    target(10_000, encodings(&["transaction.txt"]), canonical::<SignedTransaction>)
}

pub fn outcomes() -> Target {
    target(10_000, encodings(&["outcome.txt"]), canonical::<Outcome>)
}

pub fn certificates() -> Target {
    target(10_000, encodings(&["certificate.txt"]), canonical::<Certificate>)
}

pub fn validator_sets() -> Target {
    target(3_000, encodings(&["validators.txt"]), canonical::<ValidatorSet>)
}

/// A path leads somewhere or nowhere, whatever size and place it claims.
pub fn merkle_paths() -> Target {
    let leaves: Vec<Hash> = (0..11u8).map(|number| Hash([number; 32])).collect();
    let corpus = (0..11).map(|index| Path::of(&leaves, index).expect("a leaf").to_bytes()).collect();
    target(10_000, corpus, |bytes| {
        if let Ok(path) = Path::from_bytes(bytes) {
            let _ = path.root_from(Hash([1; 32]));
        }
        canonical::<Path>(bytes)
    })
}

pub fn blocks() -> Target {
    target(5_000, encodings(&["block.txt"]), canonical::<Block>)
}

/// Blocks as peers send them and as the store keeps them.
pub fn sealed_blocks() -> Target {
    let count = |bytes: &Vec<u8>| [&(bytes.len() as u32).to_be_bytes(), &bytes[..]].concat();
    let corpus = encodings(&["block.txt"]).iter().map(count).collect();
    target(5_000, corpus, |bytes| {
        let read = SealedBlock::decode(Bytes::copy_from_slice(bytes));
        let stored = SealedBlock::open_stored(&Bytes::copy_from_slice(bytes));
        assert_eq!(read.is_ok(), stored.is_ok(), "the peers' reader and the store's disagree");
        if let Ok(block) = &read {
            assert_eq!(hex::encode(block.encode()), hex::encode(bytes), "a block in two encodings");
        }
        Verdict::of(&read)
    })
}

pub fn forwarded_batches() -> Target {
    let batch = |lengths: &[usize]| {
        let mut encoded = Vec::new();
        encode_list(&lengths.iter().map(|length| Bytes::from(vec![7; *length])).collect::<Vec<_>>(), &mut encoded);
        encoded
    };
    target(10_000, vec![batch(&[]), batch(&[0, 1, 300]), batch(&[20; 50])], |bytes| {
        let read = read_batch(bytes);
        if let Ok(transactions) = &read {
            let mut again = Vec::new();
            encode_list(transactions, &mut again);
            assert_eq!(again, bytes, "a batch in two encodings");
        }
        Verdict::of(&read)
    })
}

/// What the store keeps beside the state, and what it reads blocks' records from.
pub fn store_records() -> Target {
    let outcome = encodings(&["outcome.txt"]).swap_remove(0);
    let outcome = Outcome::from_bytes(&outcome).expect("a golden outcome");
    let line = ReserveLine::from_bytes(&encodings(&["reserve_line.txt"])[0]).expect("a golden line");
    let record = StoredRecord {
        outcomes: Arc::new(vec![outcome.clone(), outcome]),
        openings: Arc::new(Openings::new(Blinding::of_state(&StateAccumulator::default()))),
        reserve_lines: Arc::new(vec![line]),
    };
    let place = TransactionPlace { height: 7, index: 2 };
    target(10_000, vec![record.to_bytes(), place.to_bytes()], |bytes| match canonical::<TransactionPlace>(bytes) {
        Verdict::Read => Verdict::Read,
        Verdict::Refused(_) => canonical::<StoredRecord>(bytes),
    })
}

/// The two files of a journal's log: the first's length, the first, and the second.
pub fn journal_logs() -> Target {
    let runner = commonware_runtime::deterministic::Runner::default();
    let halves = runner.start(|context| async move {
        let (mut logs, partition) = (Vec::new(), "engine-votes-0");
        for generations in 1..=3 {
            let journal = Journaled::new(context.child("journal"), "engine");
            let (file, size) = journal.open(partition, &[generations]).await.expect("a file");
            file.write_at(size, vec![generations; 100], WriteOptions::SYNC).await.expect("written");
            file.resize(7).await.expect("resized");
            file.sync().await.expect("synced");
            drop((file, journal));
            logs.push([half(&context, partition, b"0").await, half(&context, partition, b"1").await]);
        }
        logs
    });
    let corpus = halves
        .iter()
        .map(|[first, second]| [&(first.len() as u32).to_be_bytes(), first.as_slice(), second.as_slice()].concat());
    target(4_000, corpus.collect(), |bytes| {
        let Some((count, rest)) = bytes.split_first_chunk() else { return Verdict::Refused("no count".to_owned()) };
        let split = rest.split_at_checked(u32::from_be_bytes(*count) as usize);
        let Some((first, second)) = split else { return Verdict::Refused("too large a count".to_owned()) };
        let read = journals::recover([Some(first), Some(second)]);
        if let Ok(recovered) = &read {
            let other = journals::recover([Some(second), Some(first)]).expect("the same, the other way round");
            assert_eq!((&other.files, other.generation), (&recovered.files, recovered.generation));
        }
        Verdict::of(&read)
    })
}

async fn half(context: &commonware_runtime::deterministic::Context, partition: &str, name: &[u8]) -> Vec<u8> {
    let (blob, size) = context.open(partition, name).await.expect("a half");
    blob.read_at(0, size as usize, ReadOptions::default()).await.expect("its bytes").coalesce().as_ref().to_vec()
}

/// What vouches for a snapshot's state, and the text that carries it.
pub fn snapshot_manifests() -> Target {
    let header = Header::from_bytes(&encodings(&["header.txt"])[0]).expect("a golden header");
    let certificate = Bytes::from(encodings(&["certificate.txt"]).swap_remove(0));
    let next = CertifiedHeader { header, later: None, certificate, handovers: Vec::new() };
    let file = |byte: u8| Listed { hash: blake3::hash(&[byte]), size: u64::from(byte) };
    let files = BTreeMap::from([("000012.sst".to_owned(), file(1)), ("CURRENT".to_owned(), file(2))]);
    let manifest = Manifest { chain: ChainId([1; 32]), height: 7, head: Hash([2; 32]), next, files };
    let check = |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Refused("it is no text".to_owned()) };
        let read = Manifest::from_text(text);
        if let Ok(manifest) = &read {
            assert_eq!(manifest.to_text(), text, "a manifest in two texts");
        }
        Verdict::of(&read)
    };
    Target { form: Form::Text, executions: 4_000, allowed: USUAL, corpus: vec![manifest.to_text().into_bytes()], check }
}

pub fn certified_headers() -> Target {
    let header = Header::from_bytes(&encodings(&["header.txt"])[0]).expect("a golden header");
    let certificate = Bytes::from(encodings(&["certificate.txt"]).swap_remove(0));
    let corpus = vec![CertifiedHeader { header, later: None, certificate, handovers: Vec::new() }.to_bytes()];
    target(5_000, corpus, canonical::<CertifiedHeader>)
}

/// The golden receipts: files, and what they prove.
pub const RECEIPTS: [&str; 5] = [
    "receipt.json",
    "receipt-later-header.json",
    "receipt-handover.json",
    "receipt-fell-due.json",
    "receipt-without-transaction.json",
];

struct Golden {
    files: Vec<Vec<u8>>,
    receipts: Vec<Receipt>,
    trust: TrustRoot,
    proven: BTreeSet<Hash>,
}

static GOLDEN: LazyLock<Golden> = LazyLock::new(|| {
    let files: Vec<Vec<u8>> = RECEIPTS.iter().map(|name| golden(name)).collect();
    let read = |file: &Vec<u8>| receipt_file::from_text(std::str::from_utf8(file).expect("a text")).expect("golden");
    let receipts: Vec<Receipt> = files.iter().map(read).collect();
    let genesis = Genesis::parse(&golden("genesis.json")).expect("the golden genesis");
    let trust = genesis.trust_root();
    let proven = receipts.iter().map(Receipt::id).collect();
    Golden { files, receipts, trust, proven }
});

/// A receipt that verifies is one of those that were made: of that transaction, that outcome and that block, and it opens no
/// balance that is not theirs.
fn proves_what_was_proven(receipt: &Receipt) {
    if receipt.verify(&GOLDEN.trust).is_ok() {
        assert!(GOLDEN.proven.contains(&receipt.id()), "a receipt verifies that nobody made: {receipt:?}");
        let made = GOLDEN.receipts.iter().find(|made| made.id() == receipt.id()).expect("it is among them");
        assert_eq!((&receipt.outcome, &receipt.header), (&made.outcome, &made.header));
        // What is no longer kept may be left out; nothing else may stand in its place.
        assert!(receipt.transaction.is_none() || receipt.transaction == made.transaction);
        let opened: Vec<_> = receipt.balances.iter().map(BalanceAfter::commitment).collect();
        assert!(opened.iter().all(|commitment| made.outcome.balances.contains(commitment)));
    }
}

pub fn receipts() -> Target {
    let corpus = GOLDEN.receipts.iter().map(Receipt::to_bytes).collect();
    target(2_500, corpus, |bytes| {
        if let Ok(receipt) = Receipt::from_bytes(bytes) {
            proves_what_was_proven(&receipt);
        }
        canonical::<Receipt>(bytes)
    })
}

/// Receipts as nodes answer them.
pub fn receipt_messages() -> Target {
    let corpus = GOLDEN.receipts.iter().map(|receipt| receipt_to_pb(receipt).encode_to_vec()).collect();
    let check = |bytes: &[u8]| {
        let message = match pb::Receipt::decode(bytes) {
            Ok(message) => message,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        let read = receipt_from_pb(message);
        if let Ok(receipt) = &read {
            assert_eq!(receipt_from_pb(receipt_to_pb(receipt)).as_ref(), Ok(receipt));
            proves_what_was_proven(receipt);
        }
        Verdict::of(&read)
    };
    Target { form: Form::Protobuf { after: 0 }, executions: 2_500, allowed: USUAL, corpus, check }
}

pub fn receipt_files() -> Target {
    let check = |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Refused("not UTF-8".to_owned()) };
        let read = receipt_file::from_text(text);
        if let Ok(receipt) = &read {
            let again = receipt_file::to_text(receipt).expect("it has a file");
            assert_eq!(receipt_file::from_text(&again).as_ref().ok(), Some(receipt));
            proves_what_was_proven(receipt);
        }
        Verdict::of(&read)
    };
    Target { form: Form::Text, executions: 2_500, allowed: USUAL, corpus: GOLDEN.files.clone(), check }
}

/// Lineages as files: what their steps prove, and that no step is of another object than one that was named.
pub fn lineage_files() -> Target {
    let step = |receipt: &Receipt| lineage::LineageStep {
        object: causeway::primitives::ObjectId([0x0b; 32]),
        relation: String::new(),
        transaction: receipt.transaction_id(),
        height: receipt.header.height,
        events: vec!["golden.every_value".to_owned()],
        receipt: receipt.clone(),
        reserve_lines: Vec::new(),
    };
    let steps: Vec<_> = GOLDEN.receipts.iter().map(step).collect();
    let whole = lineage::Lineage { steps, truncated: true, withheld: 0 };
    let short = lineage::Lineage { steps: whole.steps[..1].to_vec(), truncated: false, withheld: 0 };
    let corpus = [whole, short].map(|lineage| lineage.to_text().expect("it has a file").into_bytes()).to_vec();
    let check = |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Refused("not UTF-8".to_owned()) };
        let read = lineage::Lineage::from_text(text);
        if let Ok(lineage) = &read {
            let again = lineage.to_text().expect("it has a file");
            assert_eq!(lineage::Lineage::from_text(&again).as_ref().ok(), Some(lineage));
            if lineage.verify(&GOLDEN.trust).is_ok() {
                let proven = |step: &lineage::LineageStep| GOLDEN.proven.contains(&step.receipt.id());
                assert!(lineage.steps.iter().all(proven), "a lineage verifies with a receipt that nobody made");
            }
        }
        Verdict::of(&read)
    };
    Target { form: Form::Text, executions: 1_000, allowed: USUAL, corpus, check }
}

/// The kinds of operations that a body has.
fn operations_of(body: &[u8]) -> Vec<String> {
    let shown = json::body_to_json(body);
    let operations = shown["operations"].as_array().cloned().unwrap_or_default();
    operations.iter().filter_map(|each| each.as_object()?.keys().next().cloned()).collect()
}

fn check_body(bytes: &[u8]) -> Verdict {
    let body = Bytes::copy_from_slice(bytes);
    let _ = json::body_to_json(bytes);
    let read = decode_body(&body);
    if let Ok((envelope, operations)) = &read {
        let again = pb::TransactionBody::decode(body.clone()).expect("it was read before").encode_to_vec();
        assert_eq!(hex::encode(again), hex::encode(bytes), "a body in two encodings");
        assert_eq!(senders_of(&body).first(), Some(&envelope.sender));
        assert!(!operations.is_empty());
    }
    Verdict::of(&read)
}

pub fn transaction_bodies() -> Target {
    let corpus = Messages::open().drawn("causeway.ledger.v1.TransactionBody", 400, 1);
    Target { form: Form::Protobuf { after: 0 }, executions: 15_000, allowed: USUAL, corpus, check: check_body }
}

/// Bodies are drawn from the proto files. That would be worth little if most of them were refused at their first field: of every kind
/// of operation some are read.
#[test]
fn every_kind_of_operation_is_drawn_and_read() {
    let messages = Messages::open();
    let mut missing: BTreeSet<String> = messages.names_of_fields("causeway.ledger.v1.Operation").into_iter().collect();
    for seed in 0..400 {
        for body in messages.drawn("causeway.ledger.v1.TransactionBody", 250, seed) {
            if !missing.is_empty() && check_body(&body) == Verdict::Read {
                let read = operations_of(&body);
                missing.retain(|name| !read.contains(name));
            }
        }
    }
    assert!(missing.is_empty(), "none was read of {missing:?}");
}
