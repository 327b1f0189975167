//! Facts that must not be, planted before a witness one at a time: each is noticed, and for what it is.

use super::super::super::cast::{EXPIRES_IN_MS, GENESIS_TIME_MS, account, token};
use super::super::clients::message;
use super::super::own_ledger::OwnLedger;
use super::super::quietly;
use super::super::workload::Race;
use super::sight::{Page, Sight};
use super::{End, Witness};
use bytes::Bytes;
use causeway::client::operations::{self, NewInvoice, Operation};
use causeway::domain::trade::key_commitment;
use causeway::ledger::view::MemoryView;
use causeway::ledger::{Balance, Block, Column, Entry as _, Outcome, SignedTransaction};
use causeway::node::TransactionPlace;
use causeway::node::service::{BlockRecord, Fate, HistoryStep, KnownTransaction, Snapshot};
use causeway::primitives::ids::{ObjectKind, Origin};
use causeway::primitives::time::DAY_MS;
use causeway::primitives::{AccountId, Amount, Encode as _, Hash, ObjectId, RequestId};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Most that a pool may hold here.
const POOL_MAX: usize = 8;
/// What the buyer has in the beginning.
const ISSUED: u64 = 1_000;

/// A ledger on which the buyer has money after height 3, and a witness who has seen it at node 0.
struct Scene {
    ledger: OwnLedger,
    witness: Witness,
    requests: u128,
}

impl Scene {
    fn new() -> Self {
        let ledger = OwnLedger::new("witnessed");
        let witness = Witness::new(ledger.cast.clone(), POOL_MAX);
        let mut scene = Self { ledger, witness, requests: 1 };
        for transaction in scene.ledger.cast.issuance(GENESIS_TIME_MS, ISSUED) {
            scene.witness.sends(&transaction);
            scene.ledger.append(&[transaction]);
        }
        scene.show(0);
        scene
    }

    /// Somebody sends it.
    fn sent(&mut self, sender: &str, operation: Operation) -> SignedTransaction {
        self.requests += 1;
        self.sent_under(self.requests, sender, operation)
    }

    fn sent_under(&mut self, request: u128, sender: &str, operation: Operation) -> SignedTransaction {
        let expires_at_ms = GENESIS_TIME_MS + EXPIRES_IN_MS;
        let transaction = self.ledger.cast.transaction(sender, request, expires_at_ms, [operation]);
        self.witness.sends(&transaction);
        transaction
    }

    fn paid(&mut self, amount: u64) -> SignedTransaction {
        self.sent("buyer", pay(amount))
    }

    /// Somebody's transaction in a block of its own.
    fn done(&mut self, sender: &str, operation: Operation) -> SignedTransaction {
        let transaction = self.sent(sender, operation);
        self.ledger.append(std::slice::from_ref(&transaction));
        transaction
    }

    /// A node that says nothing but its height and its blocks.
    fn sight(&self, place: usize) -> Sight {
        let height = self.ledger.height();
        let blocks = (self.witness.compared(place) + 1..=height).map(|height| self.ledger.record(height).clone());
        let blocks = blocks.collect();
        Sight { height, pool: 0, blocks, transaction: None, receipt: None, page: None, state: None }
    }

    /// A node shows all that there is.
    fn show(&mut self, place: usize) {
        let sight = self.sight(place);
        self.witness.judge(place, &sight);
    }

    /// A node shows a state as that of a height.
    fn show_state(&mut self, height: u64, view: MemoryView) {
        let snapshot = Snapshot { view: Arc::new(view), ..self.ledger.snapshot(height) };
        let sight = Sight { state: Some(snapshot), ..self.sight(0) };
        self.witness.judge(0, &sight);
    }

    fn outcome(&self, height: u64, index: usize) -> Outcome {
        self.ledger.record(height).outcomes[index].clone()
    }
}

fn pay(amount: u64) -> Operation {
    operations::transfer(account("buyer"), account("supplier"), token(), Amount::new(amount), Default::default())
}

/// Plays it, and holds that the witness says these words.
#[track_caller]
fn noticed(words: &str, play: impl FnOnce(&mut Scene)) {
    let mut scene = Scene::new();
    let played = quietly(|| catch_unwind(AssertUnwindSafe(|| play(&mut scene))));
    let said = message(&*played.expect_err(words));
    assert!(said.contains(words), "it said: {said}\nand not: {words}");
}

#[test]
fn what_is_as_it_should_be_is_not_held_against_anyone() {
    let mut scene = Scene::new();
    let payment = scene.paid(100);
    let other = scene.paid(200_000);
    scene.ledger.append(&[payment.clone(), other.clone()]);
    let (first, second) = (scene.outcome(4, 0), scene.outcome(4, 1));
    scene.witness.hears(Some(0), payment.id(), End::Final(4, first.clone()));
    scene.show(0);
    scene.show(1);
    scene.witness.hears(None, payment.id(), End::Final(4, first));
    scene.witness.hears(Some(1), other.id(), End::Final(4, second));
    for height in 1..=4 {
        scene.show_state(height, scene.ledger.state(height).clone());
        scene.witness.audit(1, &scene.ledger.snapshot(height));
    }
    let known = known(&scene, 4, &payment);
    let receipt = scene.ledger.receipt(4, 0);
    let sight = Sight {
        transaction: Some((payment.id(), Some(known))),
        receipt: Some((payment.id(), Some(receipt))),
        ..scene.sight(1)
    };
    scene.witness.judge(1, &sight);
    assert_eq!(scene.witness.unresolved().len(), 3, "nobody was told of the opening");
    assert!(scene.witness.saw_applied(&payment.id()) && !scene.witness.saw_applied(&other.id()));
}

fn known(scene: &Scene, height: u64, transaction: &SignedTransaction) -> KnownTransaction {
    let BlockRecord { outcomes, .. } = scene.ledger.record(height);
    let index = outcomes.iter().position(|outcome| outcome.transaction_id == transaction.id()).unwrap_or_default();
    let done = scene.ledger.done(height, index);
    KnownTransaction { transaction_id: transaction.id(), senders: Vec::new(), fate: Fate::Final(done) }
}

#[test]
fn other_blocks_than_the_first_seen_are_noticed() {
    noticed("node 1 has another block at height 4", |scene| {
        let mut other = Scene::new();
        let (one, two) = (scene.paid(1), scene.paid(2));
        scene.ledger.append(&[one]);
        scene.show(0);
        other.ledger.append(&[two]);
        scene.ledger = other.ledger;
        scene.show(1);
    });
    noticed("node 0 is at height 3, and told that it was at 4", |scene| {
        scene.done("buyer", pay(1));
        scene.show(0);
        let sight = Sight { height: 3, ..scene.sight(0) };
        scene.witness.judge(0, &sight);
    });
    noticed("node 2 is at height 4, and told that it was at 5", |scene| {
        let payment = scene.done("buyer", pay(1));
        let outcome = scene.outcome(4, 0);
        scene.witness.hears(Some(2), payment.id(), End::Final(5, outcome));
        scene.show(2);
    });
    noticed("is not what the rules make of it: ", |scene| {
        let payment = scene.paid(1);
        let record = scene.ledger.append(&[payment]).clone();
        let mut header = record.block.header().clone();
        header.reserves_root = Hash([1; 32]);
        let forged = Block::new(header, record.block.transactions().to_vec()).unwrap();
        let blocks = vec![BlockRecord { block: Arc::new(forged), ..record }];
        let sight = Sight { blocks, ..scene.sight(0) };
        scene.witness.judge(0, &sight);
    });
    noticed("node 0 tells other outcomes of block 4", |scene| {
        let payment = scene.paid(1);
        let record = scene.ledger.append(&[payment]).clone();
        let mut outcomes = record.outcomes.to_vec();
        outcomes[0].movements[0].amount = Amount::new(2);
        let blocks = vec![BlockRecord { outcomes: Arc::new(outcomes), ..record }];
        let sight = Sight { blocks, ..scene.sight(0) };
        scene.witness.judge(0, &sight);
    });
}

#[test]
fn what_was_acknowledged_and_is_not_there_is_noticed() {
    let lost = "its block does not have it: it is lost";
    noticed(lost, |scene| {
        let (payment, other) = (scene.paid(1), scene.paid(2));
        scene.ledger.append(&[other]);
        let outcome = scene.outcome(4, 0);
        scene.witness.hears(None, payment.id(), End::Final(4, outcome));
        scene.show(0);
    });
    noticed(lost, |scene| {
        let (payment, other) = (scene.paid(1), scene.paid(2));
        scene.ledger.append(&[other]);
        scene.show(0);
        let outcome = scene.outcome(4, 0);
        scene.witness.hears(None, payment.id(), End::Final(4, outcome));
    });
    noticed("was acknowledged, and no block has it: it is lost", |scene| {
        let payment = scene.paid(1);
        end_everything(scene);
        let outcome = scene.outcome(3, 0);
        scene.witness.hears(None, payment.id(), End::Final(9, outcome));
        scene.witness.hold_the_ends();
    });
    noticed("has no end", |scene| {
        end_everything(scene);
        scene.done("buyer", pay(1));
        scene.show(0);
        scene.witness.hold_the_ends();
    });
}

/// Whoever sent something in the opening hears of it.
fn end_everything(scene: &mut Scene) {
    for height in 1..=3 {
        let outcome = scene.outcome(height, 0);
        scene.witness.hears(None, outcome.transaction_id, End::Final(height, outcome));
    }
}

#[test]
fn whoever_was_told_otherwise_than_it_is_is_noticed() {
    noticed("ended twice", |scene| {
        let payment = scene.paid(1);
        let outcome = scene.outcome(3, 0);
        scene.witness.hears(Some(0), payment.id(), End::Never);
        scene.witness.hears(Some(1), payment.id(), End::Final(4, outcome));
    });
    noticed("was told that it never happens, and it is in block 4", |scene| {
        let payment = scene.done("buyer", pay(1));
        scene.witness.hears(None, payment.id(), End::Never);
        scene.show(0);
    });
    noticed("was told Final(4, ", |scene| {
        let payment = scene.done("buyer", pay(1));
        let outcome = Outcome { movements: Vec::new(), ..scene.outcome(4, 0) };
        scene.witness.hears(None, payment.id(), End::Final(4, outcome));
        scene.show(0);
    });
    noticed("was told Final(5, ", |scene| {
        let payment = scene.done("buyer", pay(1));
        scene.show(0);
        let outcome = scene.outcome(4, 0);
        scene.witness.hears(None, payment.id(), End::Final(5, outcome));
    });
}

#[test]
fn what_happens_twice_or_from_nowhere_is_noticed() {
    noticed("is in two blocks, of which one is 5", |scene| {
        let payment = scene.done("buyer", pay(1));
        scene.ledger.append_blindly(&[payment], Some(Column::Requests));
        scene.show(0);
    });
    noticed("stands for two transactions", |scene| {
        let (one, two) = (scene.sent_under(77, "buyer", pay(1)), scene.sent_under(77, "buyer", pay(2)));
        scene.ledger.append(&[one]);
        scene.ledger.append_blindly(&[two], Some(Column::Requests));
        scene.show(0);
    });
    noticed("nobody sent transaction", |scene| {
        let mut elsewhere = Scene::new();
        elsewhere.done("buyer", pay(1));
        scene.ledger = elsewhere.ledger;
        scene.show(0);
    });
    noticed("is two receivables", |scene| {
        commit_key(scene);
        for _ in 0..2 {
            let invoice = scene.sent("supplier", invoice());
            scene.ledger.append_blindly(&[invoice], Some(Column::Fingerprints));
        }
        scene.show(0);
    });
}

fn commit_key(scene: &mut Scene) {
    let own = operations::commit_fingerprint_key(account("supplier"), account("buyer"), key_commitment(&[9; 32]));
    let chain_id = scene.ledger.cast.chain_id();
    let mut builder =
        causeway::client::TransactionBuilder::with_request_id(chain_id, account("supplier"), RequestId([9; 16]))
            .expires_at_ms(GENESIS_TIME_MS + EXPIRES_IN_MS);
    builder.add(own);
    builder.co_signed_by(account("buyer"));
    let keys = ["supplier", "buyer"].map(super::super::super::cast::key);
    let signed = builder.finish().sign(&keys).unwrap();
    scene.witness.sends(&signed);
    scene.ledger.append(&[signed]);
}

fn invoice() -> Operation {
    operations::register_invoice(NewInvoice {
        buyer: account("buyer"),
        token: token(),
        currency: "HKD".to_owned(),
        amount: Amount::new(100),
        due_at_ms: GENESIS_TIME_MS + 60 * DAY_MS,
        fingerprint: Hash([5; 32]),
        document_commitment: Hash([6; 32]),
        issued_on: "2026-01-01".to_owned(),
        order: None,
    })
}

#[test]
fn a_prize_that_two_have_or_nobody_is_noticed() {
    let race = |given: &[&SignedTransaction], rivals: &[&SignedTransaction]| {
        let ids = |of: &[&SignedTransaction]| of.iter().map(|each| each.id()).collect();
        Race { prize: "the prize", given: ids(given), rivals: ids(rivals) }
    };
    noticed("the prize was given twice by height 5", |scene| {
        let (one, two) = (scene.paid(1), scene.paid(2));
        scene.witness.expects(&[race(&[], &[&one, &two])]);
        scene.ledger.append(&[one]);
        scene.ledger.append(&[two]);
        scene.show(0);
    });
    noticed("the prize was given to nobody", |scene| {
        let (given, one, two) = (scene.paid(1), scene.paid(2_000), scene.paid(3_000));
        scene.witness.expects(&[race(&[&given], &[&one, &two])]);
        scene.ledger.append(&[given.clone(), one.clone(), two.clone()]);
        scene.show(0);
        for (index, transaction) in [given, one, two].iter().enumerate() {
            let outcome = scene.outcome(4, index);
            scene.witness.hears(None, transaction.id(), End::Final(4, outcome));
        }
        scene.witness.hold_the_races_to_their_ends();
    });
}

/// A state with another entry under a key.
fn with(view: &MemoryView, column: Column, key: Vec<u8>, value: Option<Vec<u8>>) -> MemoryView {
    let mut view = view.clone();
    view.apply(&[((column, Bytes::from(key)), value.map(Bytes::from))].into_iter().collect());
    view
}

#[test]
fn a_state_that_never_was_is_noticed() {
    let holder: (AccountId, _) = (account("buyer"), token());
    let more = Balance { available: Amount::new(ISSUED + 1), ..Balance::default() };
    noticed("node 0 reads Balances at height 3 otherwise than the blocks make it", |scene| {
        let view = with(scene.ledger.state(3), Balance::COLUMN, holder.to_bytes(), Some(more.to_bytes()));
        scene.show_state(3, view);
    });
    noticed("node 0 reads Balances at height 3 otherwise than the blocks make it", |scene| {
        let view = with(scene.ledger.state(3), Balance::COLUMN, holder.to_bytes(), None);
        scene.show_state(3, view);
    });
    noticed("node 0 reads Balances at height 4 otherwise than the blocks make it", |scene| {
        scene.done("buyer", pay(1));
        scene.show(0);
        let stale = scene.ledger.state(3).clone();
        scene.show_state(4, stale);
    });
    noticed("node 1, after height 3: ", |scene| {
        let view = with(scene.ledger.state(3), Balance::COLUMN, holder.to_bytes(), Some(more.to_bytes()));
        let snapshot = Snapshot { view: Arc::new(view), ..scene.ledger.snapshot(3) };
        scene.witness.audit(1, &snapshot);
    });
    noticed("the pool of node 0 holds 9 transactions, and 8 is the most", |scene| {
        let sight = Sight { pool: POOL_MAX + 1, ..scene.sight(0) };
        scene.witness.judge(0, &sight);
    });
}

#[test]
fn a_transaction_or_a_receipt_that_reads_otherwise_is_noticed() {
    let asked = |scene: &mut Scene, read: &dyn Fn(&Scene, &SignedTransaction) -> Option<KnownTransaction>| {
        let payment = scene.done("buyer", pay(1));
        scene.done("buyer", pay(2));
        scene.show(0);
        let sight = Sight { transaction: Some((payment.id(), read(scene, &payment))), ..scene.sight(0) };
        scene.witness.judge(0, &sight);
    };
    noticed("node 0 has block 4, and of transaction", |scene| asked(scene, &|_, _| None));
    noticed("node 0 reads transaction", |scene| asked(scene, &|scene, payment| Some(known(scene, 5, payment))));
    let shown = |scene: &mut Scene, (height, index): (u64, usize), forge: fn(&mut causeway::ledger::Receipt)| {
        let payment = scene.done("buyer", pay(1));
        scene.done("buyer", pay(2));
        scene.show(0);
        let mut receipt = scene.ledger.receipt(height, index);
        forge(&mut receipt);
        let sight = Sight { receipt: Some((payment.id(), Some(receipt))), ..scene.sight(0) };
        scene.witness.judge(0, &sight);
    };
    noticed("does not verify", |scene| shown(scene, (4, 0), |receipt| receipt.outcome.movements.clear()));
    noticed("does not verify", |scene| shown(scene, (4, 0), |receipt| receipt.certificate = Bytes::new()));
    noticed("from node 0 says (5, ", |scene| shown(scene, (5, 0), |_| ()));
    noticed("and no receipt of", |scene| {
        let payment = scene.done("buyer", pay(1));
        scene.show(0);
        let sight = Sight { receipt: Some((payment.id(), None)), ..scene.sight(0) };
        scene.witness.judge(0, &sight);
    });
}

#[test]
fn a_history_with_a_gap_or_a_stranger_on_its_page_is_noticed() {
    let paged = |scene: &mut Scene, heights: &[u64], after: Option<(u64, u32)>| {
        let issuance = issuance();
        let step = |height: &u64| HistoryStep {
            place: TransactionPlace { height: *height, index: 0 },
            done: scene.ledger.done(*height, 0),
            reserve_lines: Arc::default(),
        };
        let steps = heights.iter().map(step).collect();
        let sight = Sight { page: Some((Page { object: issuance, after }, steps)), ..scene.sight(0) };
        scene.witness.judge(0, &sight);
    };
    let mut scene = Scene::new();
    paged(&mut scene, &[2, 3], None);
    paged(&mut scene, &[3], Some((2, 0)));
    paged(&mut scene, &[], Some((3, 0)));
    noticed("node 0 reads the history of", |scene| paged(scene, &[2], None));
    noticed("node 0 reads the history of", |scene| paged(scene, &[3], None));
    noticed("node 0 reads the history of", |scene| paged(scene, &[1, 2], None));
    noticed("node 0 reads the history of", |scene| paged(scene, &[2, 3], Some((2, 0))));
}

/// The issuance of the opening: requested in block 2, approved in block 3.
fn issuance() -> ObjectId {
    let requested = Origin { sender: account("maker"), request_id: RequestId([0; 16]), operation_index: 0 };
    requested.object_id(ObjectKind::Issuance)
}
