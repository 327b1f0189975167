//! What clients do: every room's operations, sent to several nodes at once, twice, and against each other.
//!
//! A deed is a [`Story`]: stages of transactions, of which each is sent when the one before it has ended, and all of a stage at
//! once. Ids follow from sender and request id, so everything of a story is signed before anything of it is sent: what comes too
//! early or too late is declined, and must be declined everywhere alike.
//!
//! * [`money`]: accounts, tokens, payments.
//! * [`trade`]: orders, shipments, invoices, disputes, and receivables that pass on.
//! * [`lending`]: programmes, loans and their ends, other networks.
//! * [`governing`]: rules, observers, addresses, upgrades.
//!
//! # Races
//! Where two of a stage want what only one can have, the story says so ([`Race`]), and the witness holds that one got it.

mod governing;
mod lending;
mod money;
mod trade;

use super::super::cast::{Cast, account, key};
use causeway::client::operations::{self, Operation};
use causeway::client::{KeyPair, TransactionBuilder};
use causeway::domain::trade::key_commitment;
use causeway::ledger::SignedTransaction;
use causeway::primitives::crypto::sha256;
use causeway::primitives::ids::{ObjectKind, Origin};
use causeway::primitives::{AccountId, Hash, ObjectId, RequestId, TransactionId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// What is there at the beginning, in minor units.
pub const ISSUED: u64 = 1_000_000_000;
/// The deed of the opening; no other has this number.
const OPENING: u64 = 0;
/// Request ids of what is tried again begin here.
const AGAIN: u64 = 1_000;
/// Request ids of what is done when months have passed begin here.
const LATE: u64 = 2_000;
/// How long a transaction may wait: longer than a run, unless months pass.
const EXPIRES_IN_MS: u64 = 4 * 60 * 60 * 1_000;

/// Transactions of clients, stage by stage.
#[derive(Clone, Debug, Default)]
pub struct Story {
    pub stages: Vec<Vec<SignedTransaction>>,
    pub races: Vec<Race>,
    /// Of how many stages everything has to be applied before the next is sent: nobody sends from an account that is not there.
    pub needs: usize,
}

/// Transactions of which one can have what all of them want: once all are final, exactly one was applied, if what gave rise to
/// the race was. Never two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Race {
    /// What they want.
    pub prize: &'static str,
    pub given: Vec<TransactionId>,
    pub rivals: Vec<TransactionId>,
}

/// A transaction that was signed, and what it makes.
#[derive(Clone, Copy, Debug)]
struct Acted {
    transaction: TransactionId,
    made: ObjectId,
    opened: AccountId,
}

/// Transactions that clients have signed, with the way to sign more.
struct Desk<'a> {
    cast: &'a Cast,
    now_ms: u64,
    /// Sets the request ids of one deed apart from those of all others.
    deed: u64,
    /// The number of the next request id.
    next: u64,
    story: Story,
}

impl<'a> Desk<'a> {
    fn new(cast: &'a Cast, now_ms: u64, deed: u64) -> Self {
        let story = Story { stages: vec![Vec::new()], ..Story::default() };
        Self { cast, now_ms, deed, next: 0, story }
    }

    /// What comes now is sent when everything before has ended.
    fn then(&mut self) {
        self.story.stages.push(Vec::new());
    }

    /// Signs one operation of a sender, under a request id of its own.
    fn act(&mut self, sender: &str, operation: Operation) -> Acted {
        self.act_with(&[sender], operation)
    }

    /// The same with co-signers.
    fn act_with(&mut self, signers: &[&str], operation: Operation) -> Acted {
        self.next += 1;
        self.act_under(self.next - 1, signers, vec![operation])
    }

    fn act_under(&mut self, number: u64, signers: &[&str], operations: Vec<Operation>) -> Acted {
        let keys: Vec<KeyPair> = signers.iter().map(|signer| key(signer)).collect();
        let cosigners: Vec<AccountId> = signers[1..].iter().map(|signer| account(signer)).collect();
        self.act_as((account(signers[0]), number), &cosigners, &keys, operations)
    }

    /// Signs with these keys, whosever they are.
    fn act_as(
        &mut self,
        (sender, number): (AccountId, u64),
        cosigners: &[AccountId],
        keys: &[KeyPair],
        operations: Vec<Operation>,
    ) -> Acted {
        let mut builder = TransactionBuilder::with_request_id(self.cast.chain_id(), sender, self.request(number))
            .expires_at_ms(self.now_ms + EXPIRES_IN_MS);
        let added: Vec<_> = operations.into_iter().map(|operation| builder.add(operation)).collect();
        cosigners.iter().for_each(|cosigner| builder.co_signed_by(*cosigner));
        let signed = builder.finish().sign(keys).unwrap();
        let acted = Acted { transaction: signed.id(), made: added[0].object_id(), opened: added[0].account_id() };
        self.story.stages.last_mut().unwrap().push(signed);
        acted
    }

    /// The same transaction once more, by a client that sends it to another node.
    fn repeat(&mut self) {
        let stage = self.story.stages.last_mut().unwrap();
        stage.extend(stage.last().cloned());
    }

    /// Says that of these only one can have the prize.
    fn race(&mut self, prize: &'static str, given: &[Acted], rivals: &[Acted]) {
        let ids = |acted: &[Acted]| acted.iter().map(|acted| acted.transaction).collect();
        self.story.races.push(Race { prize, given: ids(given), rivals: ids(rivals) });
    }

    fn request(&self, number: u64) -> RequestId {
        request_id(self.deed, number)
    }

    fn hash(&self, what: &str) -> Hash {
        sha256(format!("{what} of {}", self.deed).as_bytes())
    }
}

fn request_id(deed: u64, number: u64) -> RequestId {
    RequestId((u128::from(deed) << 64 | u128::from(number)).to_be_bytes())
}

/// What somebody made in the opening under a number.
fn opened(sender: &str, number: u64, kind: ObjectKind) -> ObjectId {
    let request_id = request_id(OPENING, number);
    Origin { sender: account(sender), request_id, operation_index: 0 }.object_id(kind)
}

/// The commitment to the key of the fingerprints of the supplier's and the buyer's documents.
fn fingerprint_key() -> Hash {
    key_commitment(&[9; 32])
}

/// What has to be there before the storm: money, lenders who offer it, an order under way, loans. It is sent in calm weather, and
/// everything of it is applied.
pub fn opening(cast: &Cast, now_ms: u64) -> Story {
    let mut desk = Desk::new(cast, now_ms, OPENING);
    let [attested, requested, approved] = cast.issuance(now_ms, ISSUED);
    let mut issuance = [attested, requested, approved].into_iter();
    let push = |desk: &mut Desk<'_>, transaction| desk.story.stages.last_mut().unwrap().extend(transaction);
    push(&mut desk, issuance.next());
    let keys = operations::commit_fingerprint_key(account("supplier"), account("buyer"), fingerprint_key());
    desk.act_under(u64::MAX, &["supplier", "buyer"], vec![keys]);
    trade::registered_reader(&mut desk);
    desk.then();
    push(&mut desk, issuance.next());
    trade::placed_order(&mut desk);
    lending::late_invoices(&mut desk);
    desk.then();
    push(&mut desk, issuance.next());
    trade::agreed_order(&mut desk);
    lending::confirmed_late_invoices(&mut desk);
    lending::published_programmes(&mut desk);
    desk.then();
    trade::appointed_carrier(&mut desk);
    lending::funded_lenders(&mut desk);
    desk.then();
    lending::late_loans(&mut desk);
    desk.story
}

/// What a number stands for.
pub fn deed(cast: &Cast, now_ms: u64, number: u64) -> Story {
    let rng = &mut StdRng::seed_from_u64(number);
    // Zero is the opening's.
    let mut desk = Desk::new(cast, now_ms, number | 1);
    match rng.random_range(0..30) {
        0..4 => money::payments(&mut desk, rng),
        4 => money::one_request_two_bodies(&mut desk, rng),
        5 | 6 => money::redemption(&mut desk, rng),
        7 | 8 => money::issuance(&mut desk, rng),
        9 | 10 => money::customer(&mut desk, rng),
        11 => money::token_of_its_own(&mut desk, rng),
        12 | 13 => trade::invoice(&mut desk, rng),
        14 => trade::one_invoice_twice(&mut desk, rng),
        15 => trade::order(&mut desk, rng),
        16 => trade::changed_order(&mut desk, rng),
        17 | 18 => trade::shipment(&mut desk, rng),
        19 | 20 => trade::dispute(&mut desk, rng),
        21 | 22 => trade::passing_on(&mut desk, rng),
        23 | 24 => lending::two_financiers(&mut desk, rng),
        25 => lending::joint_programme(&mut desk, rng),
        26 => lending::other_network(&mut desk),
        27 => governing::rules(&mut desk, rng),
        28 => governing::peers(&mut desk, rng),
        _ => governing::upgrade(&mut desk),
    }
    desk.story
}

/// Somebody tries a deed again: with another body under one of its request ids, and with its invoice if there was one.
pub fn again(cast: &Cast, now_ms: u64, number: u64) -> Story {
    let mut desk = Desk::new(cast, now_ms, number | 1);
    desk.act_under(0, &["buyer"], vec![money::pay("buyer", "supplier", 1)]);
    for (place, what) in ["invoice", "one invoice"].into_iter().enumerate() {
        let number = AGAIN + 2 * place as u64;
        let invoice = trade::registering(&desk, what, 20_000);
        let receivable = desk.act_under(number, &["supplier"], vec![invoice]).made;
        desk.act_under(number, &["buyer"], vec![operations::confirm_invoice(receivable)]);
        let asking = lending::asking(receivable, lending::programme(place), 10_000);
        desk.act_under(number + 1, &["supplier"], vec![asking]);
    }
    desk.story
}

/// What is done when months have passed: reserves are attested anew, and what was lent in the opening is late.
pub fn late(cast: &Cast, now_ms: u64, number: u64) -> Story {
    let mut desk = Desk::new(cast, now_ms, number | 1);
    desk.next = LATE;
    desk.act("custodian", money::attesting(now_ms, 2 * ISSUED));
    lending::collection(&mut desk);
    desk.story
}
