//! A store that a real committer wrote, whole at first and then damaged in every column, entry by entry.

use super::*;
use crate::domain::tokens::{Allocation, ApproveIssuance, RequestIssuance};
use crate::execution::chronicle::{
    Chronicle, HOUR_MS, MINUTE_MS, NODES, OPENING, certificate, id, redemption, token, transfer,
};
use crate::ledger::{Block, CertifiedHeader};
use crate::node::Chain;
use crate::node::tests::write_body;
use crate::primitives::{AccountId, Amount, BlockTime};
use crate::storage::{Batch, RocksStore, Store as _};
use commonware_parallel::{Rayon, Sequential};
use futures::executor::block_on;
use std::convert::Infallible;
use std::path::Path;

/// Money issued, paid, asked back; a deadline missed.
fn chronicle() -> Chronicle {
    let mut chronicle = Chronicle::begin().with_bodies(write_body);
    chronicle.attest(10_000);
    let allocations = vec![Allocation { account: id("buyer"), amount: Amount::new(1_000) }];
    let expires_at = BlockTime(OPENING.0 + HOUR_MS);
    let issuance = chronicle.make("maker", vec![RequestIssuance { token: token(), allocations, expires_at }.into()]);
    chronicle.make("checker", vec![ApproveIssuance { issuance }.into()]);
    let payments: Vec<_> =
        (1..4).map(|units| chronicle.transaction("buyer", vec![transfer("buyer", "supplier", units).into()])).collect();
    chronicle.append(MINUTE_MS, &payments);
    chronicle.make("buyer", vec![redemption(300).into()]);
    chronicle.append(6 * 24 * HOUR_MS, &[]);
    assert_eq!(chronicle.blocks.last().expect("a block").outcomes.len(), 1, "the deadline was missed");
    chronicle.append(MINUTE_MS, &[]);
    chronicle
}

/// Writes a chain as a node does: blocks and certificates first, then what the committer makes of them.
fn write(chronicle: &Chronicle, place: &Path) -> RocksStore {
    let store = RocksStore::open(place, &chronicle.genesis.chain_id()).expect("an empty directory");
    let chain = block_on(Chain::open(store.clone(), &chronicle.genesis)).expect("a fresh store");
    let last = chronicle.blocks.len() as u64;
    for block in &chronicle.blocks {
        let signed = block.transactions.iter().map(|each| each.signed().clone()).collect();
        let whole = Block::new(block.header.clone(), signed).expect("a valid block");
        let height = block.header.height;
        let mut batch = Batch::new();
        let bytes = whole.to_bytes();
        batch.put(StoreColumn::Blocks, height_key(height), [&(bytes.len() as u32).to_be_bytes(), &bytes[..]].concat());
        batch.put(StoreColumn::BlockIndex, whole.hash(), height_key(height).to_vec());
        // One height is left to its successor's certificate.
        if height != 3 {
            batch.put(StoreColumn::Certificates, height_key(height), chronicle.certificate(height));
        }
        block_on(store.commit(batch)).expect("room on the disk");
        block_on(chain.commit(block)).expect("the next block");
    }
    let range = |start: u64, end: u64| [start.to_be_bytes(), end.to_be_bytes()].concat();
    let mut batch = Batch::new();
    batch.put(StoreColumn::Meta, b"heights/blocks", range(1, last));
    batch.put(StoreColumn::Meta, b"heights/certificates", [range(1, 2), range(4, last)].concat());
    block_on(store.commit(batch)).expect("room on the disk");
    store
}

/// Not random, which is no harm where nobody forges batches.
struct Counting(u64);

impl rand_core::TryRng for Counting {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| number as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Ok(self.0 ^ self.0 >> 33)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let number = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Counting {}

fn audited(store: &RocksStore, chronicle: &Chronicle) -> Result<AuditReport, AuditError> {
    audit(store, &chronicle.genesis, &Sequential, &mut Counting(1), |_, _| {})
}

fn put(store: &RocksStore, column: StoreColumn, key: &[u8], value: Option<Bytes>) {
    let mut batch = Batch::new();
    match value {
        Some(value) => batch.put(column, key, value),
        None => batch.delete(column, key),
    }
    block_on(store.commit(batch)).expect("room on the disk");
}

fn columns() -> Vec<StoreColumn> {
    Column::ALL.iter().map(|column| StoreColumn::State(*column)).chain(StoreColumn::BESIDE_STATE).collect()
}

#[test]
fn what_a_committer_wrote_stands_the_audit() {
    let (chronicle, place) = (chronicle(), tempfile::tempdir().expect("a directory"));
    let store = write(&chronicle, place.path());
    let report = audited(&store, &chronicle).expect("nothing is wrong");
    let cores = Rayon::new(std::num::NonZero::new(3).expect("three")).expect("threads");
    let on_three = audit(&store, &chronicle.genesis, &cores, &mut Counting(2), |_, _| {});
    assert_eq!(on_three.expect("nothing is wrong"), report);
    assert_eq!(report.height, chronicle.blocks.len() as u64);
    assert_eq!(report.head, chronicle.tip().header.hash());
    assert_eq!((report.transactions, report.transfers, report.certificates), (7, 3, report.height - 1));
    assert_eq!(report.state_digest, chronicle.tip().accumulator.digest());
}

/// One bit of a value, an entry lost, an entry too many: in every column, each is found.
#[test]
fn damage_in_any_column_is_found() {
    let (chronicle, place) = (chronicle(), tempfile::tempdir().expect("a directory"));
    let store = write(&chronicle, place.path());
    let mut damaged = 0;
    for column in columns() {
        let entries = store.scan(column, &[], 1_000).expect("a column");
        for (key, value) in &entries {
            // Whose store it is, opening checks.
            if column == StoreColumn::Meta && [&b"format"[..], b"chain"].contains(&&key[..]) {
                continue;
            }
            for place in [0, value.len() / 2, value.len().saturating_sub(1)] {
                let mut flipped = value.to_vec();
                let Some(byte) = flipped.get_mut(place) else { continue };
                *byte ^= 1 << (damaged % 8);
                put(&store, column, key, Some(flipped.into()));
                let error = audited(&store, &chronicle);
                assert!(error.is_err(), "byte {place} of {} in {column}", hex::encode(key));
                damaged += 1;
            }
            put(&store, column, key, None);
            assert!(audited(&store, &chronicle).is_err(), "{} lost from {column}", hex::encode(key));
            put(&store, column, key, Some(value.clone()));
        }
        if column != StoreColumn::Meta {
            put(&store, column, &[0xfe; 9], Some(Bytes::from_static(b"too many")));
            assert!(audited(&store, &chronicle).is_err(), "an entry too many in {column}");
            put(&store, column, &[0xfe; 9], None);
        }
    }
    assert!(damaged > 200, "{damaged}");
    audited(&store, &chronicle).expect("all of it was put right");
}

#[test]
fn a_fault_is_told_with_its_block() {
    let (chronicle, place) = (chronicle(), tempfile::tempdir().expect("a directory"));
    let store = write(&chronicle, place.path());
    let five = store.get(StoreColumn::Certificates, &height_key(5)).expect("read").expect("it is there");
    put(&store, StoreColumn::Certificates, &height_key(6), Some(five));
    let error = audited(&store, &chronicle).expect_err("another block's certificate");
    assert!(matches!(error, AuditError::Block { height: 6, fault: Fault::CertificateOfAnother { .. } }), "{error}");
    let two = certificate(&chronicle.blocks[5].header, &NODES, &[0, 1]);
    put(&store, StoreColumn::Certificates, &height_key(6), Some(two));
    let error = audited(&store, &chronicle).expect_err("a minority's certificate");
    assert!(matches!(error, AuditError::Block { height: 6, fault: Fault::Certificate(_) }), "{error}");
}

/// Steps find faults out of order: block 6 is read before 4 is executed, and 4 executed before 2 is compared.
#[test]
fn the_first_fault_by_height_is_told_whichever_step_finds_it_and_when() {
    let (chronicle, place) = (chronicle(), tempfile::tempdir().expect("a directory"));
    let store = write(&chronicle, place.path());
    let cores = Rayon::new(std::num::NonZero::new(3).expect("three")).expect("threads");
    let told = |blocks_max: usize| {
        let genesis = &chronicle.genesis;
        let alone = audit_in_windows(blocks_max, &store, genesis, &Sequential, &mut Counting(1), |_, _| {});
        let on_three = audit_in_windows(blocks_max, &store, genesis, &cores, &mut Counting(1), |_, _| {});
        [alone, on_three].map(|audited| audited.expect_err("it is damaged").to_string())
    };
    let flip = |column: StoreColumn, height: u64| {
        let mut bytes = store.get(column, &height_key(height)).expect("read").expect("it is there").to_vec();
        *bytes.last_mut().expect("it is not empty") ^= 1;
        put(&store, column, &height_key(height), Some(bytes.into()));
    };
    // Each before the one that was told so far, and found by another step.
    let faults: [(&str, &dyn Fn()); 5] = [
        ("after block 7", &|| put(&store, StoreColumn::State(Column::Balances), &[1; 36], Some(Bytes::new()))),
        ("block 6", &|| put(&store, StoreColumn::Certificates, &height_key(6), Some(Bytes::from_static(b"none")))),
        ("block 4: its bytes do not decode", &|| flip(StoreColumn::Blocks, 4)),
        ("block 2", &|| flip(StoreColumn::Outcomes, 2)),
        ("block 1: its entry in", &|| put(&store, StoreColumn::Blocks, &height_key(1), None)),
    ];
    for (expected, damage) in faults {
        damage();
        for blocks_max in [1, 2, 3, WINDOW_BLOCKS_MAX] {
            for error in told(blocks_max) {
                assert!(error.starts_with(expected), "{error}, and not {expected}, in windows of {blocks_max}");
            }
        }
    }
}

/// Each certificate is held to the validators of its own epoch.
#[test]
fn certificates_are_of_their_epochs_validators() {
    let (mut chronicle, place) =
        (Chronicle::governed().with_bodies(write_body), tempfile::tempdir().expect("a directory"));
    chronicle.replace_validator("node-0", "node-4");
    while chronicle.blocks.len() < 10 {
        chronicle.append(MINUTE_MS, &[]);
    }
    let store = write(&chronicle, place.path());
    audited(&store, &chronicle).expect("it is as a node wrote it");
    let retired = certificate(&chronicle.blocks[8].header, &NODES, &[0, 1, 2]);
    put(&store, StoreColumn::Certificates, &height_key(9), Some(retired));
    let error = audited(&store, &chronicle).expect_err("certified by those who validated the epoch before");
    assert!(matches!(error, AuditError::Block { height: 9, fault: Fault::Certificate(_) }), "{error}");
}

/// Money made in the store, with an accumulator to match: execution knows nothing of it.
#[test]
fn a_forged_balance_is_found_though_the_digest_was_forged_too() {
    let (chronicle, place) = (chronicle(), tempfile::tempdir().expect("a directory"));
    let store = write(&chronicle, place.path());
    let (column, key) = (Column::Balances, (AccountId([7; 32]), token()).to_bytes());
    let value = crate::ledger::Balance { available: Amount::new(1), locked: Amount::ZERO }.to_bytes();
    let mut forged = chronicle.tip().accumulator.clone();
    forged.add(column.tag(), &key, &value);
    put(&store, StoreColumn::State(column), &key, Some(value.into()));
    put(&store, StoreColumn::Accumulator, ACCUMULATOR_KEY, Some(forged.to_bytes().into()));
    assert!(matches!(audited(&store, &chronicle), Err(AuditError::State { .. })));
}

/// Bits of the files themselves: found, a clear error of the store, or in a byte that nothing reads.
#[test]
fn a_flipped_bit_of_the_files_is_found() {
    let (chronicle, place) = (chronicle(), tempfile::tempdir().expect("a directory"));
    let report = {
        let store = write(&chronicle, place.path());
        audited(&store, &chronicle).expect("nothing is wrong")
    };
    let mut randomness = Counting(7);
    let mut found = 0;
    let files = std::fs::read_dir(place.path()).expect("a directory").flatten().map(|entry| entry.path());
    for path in files.filter(|path| path.is_file()).collect::<Vec<_>>() {
        let whole = std::fs::read(&path).expect("a file");
        for _ in 0..12.min(whole.len()) {
            let mut flipped = whole.clone();
            let bit = rand_core::Rng::next_u64(&mut randomness) as usize % (flipped.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &flipped).expect("a file");
            let opened = RocksStore::open_read_only(place.path(), &chronicle.genesis.chain_id());
            match opened.map_err(AuditError::from).and_then(|store| audited(&store, &chronicle)) {
                Err(_) => found += 1,
                Ok(same) => assert_eq!(same, report, "bit {bit} of {}", path.display()),
            }
        }
        std::fs::write(&path, &whole).expect("a file");
    }
    assert!(found > 0);
}

/// What vouches for the state after the last block but one of a chronicle: the last block's header.
fn next(chronicle: &Chronicle) -> CertifiedHeader {
    let header = chronicle.tip().header.clone();
    let certificate = chronicle.certificate(header.height);
    CertifiedHeader { header, later: None, certificate, handovers: Vec::new() }
}

/// A store that ends one block before its chronicle does.
fn write_but_the_last(chronicle: &Chronicle, place: &Path) -> RocksStore {
    let mut shorter = chronicle.clone();
    shorter.blocks.pop();
    write(&shorter, place)
}

fn verified(store: &RocksStore, chronicle: &Chronicle, next: &CertifiedHeader) -> Result<ProvenReport, AuditError> {
    verify(store, &chronicle.genesis, Some(next), &Sequential, &mut Counting(1), |_, _| {})
}

/// By hashing alone, with bodies and without: what a committer wrote is what one certified header vouches for.
#[test]
fn what_a_committer_wrote_is_what_the_next_header_vouches_for() {
    let (chronicle, place) = (chronicle(), tempfile::tempdir().expect("a directory"));
    let (store, next) = (write_but_the_last(&chronicle, place.path()), next(&chronicle));
    let report = verified(&store, &chronicle, &next).expect("nothing is wrong");
    assert_eq!((report.height, report.head), (next.header.height - 1, next.header.parent));
    assert_eq!((report.state_digest, report.begins_at), (next.header.parent_state_digest, 0));
    assert_eq!(audited(&store, &chronicle).expect("nothing is wrong").state_entries, report.state_entries);

    block_on(crate::node::pruning::prune_below(&store, 5)).expect("room on the disk");
    let pruned = verified(&store, &chronicle, &next).expect("nothing is wrong");
    assert_eq!(pruned.begins_at, 5);
    assert_eq!((pruned.state_digest, pruned.transactions), (report.state_digest, report.transactions));
    assert!(audited(&store, &chronicle).is_err(), "it cannot be executed again");
    let without = verify(&store, &chronicle.genesis, None, &Sequential, &mut Counting(1), |_, _| {});
    assert!(!without.expect("nothing is wrong").is_certified);
}

/// One bit of a value, an entry lost, an entry too many: in every column, each is found without executing anything.
#[test]
fn damage_in_any_column_is_found_by_the_header_alone() {
    let (chronicle, place) = (chronicle(), tempfile::tempdir().expect("a directory"));
    let (store, next) = (write_but_the_last(&chronicle, place.path()), next(&chronicle));
    block_on(crate::node::pruning::prune_below(&store, 4)).expect("room on the disk");
    let mut damaged = 0;
    for column in columns() {
        for (key, value) in &store.scan(column, &[], 1_000).expect("a column") {
            if column == StoreColumn::Meta && [&b"format"[..], b"chain"].contains(&&key[..]) {
                continue;
            }
            let record = column == StoreColumn::Outcomes && !value.is_empty();
            // Who sent what is committed to by the body alone, which is gone; and the blinding of a block without balances by
            // nothing that anyone asks for.
            let within = if column == StoreColumn::PrunedBlocks { Header::SIZE } else { value.len() };
            for place in [0, within / 2, within.saturating_sub(1)] {
                let mut flipped = value.to_vec();
                let Some(byte) = flipped.get_mut(place) else { continue };
                *byte ^= 1 << (damaged % 8);
                put(&store, column, key, Some(flipped.into()));
                let opens_nothing = record
                    && BlockRecord::from_bytes(value)
                        .is_ok_and(|record| record.outcomes.iter().all(|outcome| outcome.balances.is_empty()));
                let stands = verified(&store, &chronicle, &next);
                assert!(stands.is_err() || opens_nothing, "byte {place} of {} in {column}", hex::encode(key));
                damaged += 1;
            }
            put(&store, column, key, None);
            assert!(verified(&store, &chronicle, &next).is_err(), "{} lost from {column}", hex::encode(key));
            put(&store, column, key, Some(value.clone()));
        }
        put(&store, column, &[0xfe; 9], Some(Bytes::from_static(b"too many")));
        assert!(verified(&store, &chronicle, &next).is_err(), "an entry too many in {column}");
        put(&store, column, &[0xfe; 9], None);
    }
    assert!(damaged > 200, "{damaged}");
    verified(&store, &chronicle, &next).expect("all of it was put right");
}

/// The header itself: of too few, of another block, of another ledger.
#[test]
fn only_the_next_certified_header_vouches_for_a_state() {
    let (chronicle, place) = (chronicle(), tempfile::tempdir().expect("a directory"));
    let (store, good) = (write_but_the_last(&chronicle, place.path()), next(&chronicle));
    let minority = certificate(&good.header, &NODES, &[0, 1]);
    let refused = verified(&store, &chronicle, &CertifiedHeader { certificate: minority, ..good.clone() });
    assert!(matches!(refused, Err(AuditError::State { fault: Fault::Proof(ReceiptError::Certificate(_)), .. })));
    let before = &chronicle.blocks[chronicle.blocks.len() - 2].header;
    let its_own = chronicle.certificate(before.height);
    let refused =
        verified(&store, &chronicle, &CertifiedHeader { header: before.clone(), certificate: its_own, ..good.clone() });
    assert!(matches!(refused, Err(AuditError::State { fault: Fault::ProofOfAnother { .. }, .. })));
    let mut foreign = good.clone();
    foreign.header.chain_id.0[0] ^= 1;
    let refused = verified(&store, &chronicle, &foreign);
    assert!(matches!(refused, Err(AuditError::State { fault: Fault::Proof(ReceiptError::ForeignChain { .. }), .. })));
    // Money made in the store, with an accumulator to match, as whoever makes a snapshot could: the header is not theirs to make.
    let (column, key) = (Column::Balances, (AccountId([7; 32]), token()).to_bytes());
    let value = crate::ledger::Balance { available: Amount::new(1), locked: Amount::ZERO }.to_bytes();
    let sum = store.get(StoreColumn::Accumulator, ACCUMULATOR_KEY).expect("read").expect("it is there");
    let mut forged = StateAccumulator::from_bytes(&sum).expect("a sum");
    forged.add(column.tag(), &key, &value);
    put(&store, StoreColumn::State(column), &key, Some(value.into()));
    put(&store, StoreColumn::Accumulator, ACCUMULATOR_KEY, Some(forged.to_bytes().into()));
    let refused = verified(&store, &chronicle, &good);
    assert!(matches!(refused, Err(AuditError::State { fault: Fault::Digest { .. }, .. })), "{refused:?}");
}

/// A store of which one entry is not found by who looks it up, as where a table's filter says that it is not there.
struct Filtered {
    store: RocksStore,
    column: StoreColumn,
    key: Bytes,
}

impl Reader for Filtered {
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let is_hidden = (column, key) == (self.column, &self.key[..]);
        if is_hidden { Ok(None) } else { self.store.get(column, key) }
    }

    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError> {
        places.iter().map(|(column, key)| self.get(*column, key)).collect()
    }

    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
        self.store.scan(column, from, limit)
    }

    fn scan_back(
        &self,
        column: StoreColumn,
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
        self.store.scan_back(column, before, limit)
    }
}

/// Execution looks up what an audit walks over: an entry of the state that is seen by the one alone is found for what it is.
#[test]
fn an_entry_that_no_look_up_finds_is_found() {
    let (chronicle, place) = (chronicle(), tempfile::tempdir().expect("a directory"));
    let (mut store, next) = (write_but_the_last(&chronicle, place.path()), next(&chronicle));
    let mut hidden = 0;
    for column in Column::ALL.iter().map(|column| StoreColumn::State(*column)) {
        let Some((key, _)) = store.scan(column, &[], 1).expect("a column").pop() else { continue };
        let filtered = Filtered { store, column, key };
        let vouched = verify(&filtered, &chronicle.genesis, Some(&next), &Sequential, &mut Counting(1), |_, _| {});
        let executed = audit(&filtered, &chronicle.genesis, &Sequential, &mut Counting(1), |_, _| {});
        for found in [vouched.map(drop), executed.map(drop)] {
            assert!(found.is_err(), "an entry of {column} is not found, and nobody says so");
        }
        (store, hidden) = (filtered.store, hidden + 1);
    }
    assert!(hidden > 5, "{hidden} columns");
}
