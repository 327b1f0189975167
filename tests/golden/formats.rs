//! The encodings and the hashes over them.

use super::chain::{self, BUSY_HEIGHT};
use super::{Lines, hold};
use causeway::execution::genesis::{Genesis, genesis_account_id};
use causeway::ledger::certificate::{Certificate, consensus_namespace};
use causeway::ledger::{Block, Column, Header, Outcome, ReserveLine, SignedTransaction};
use causeway::primitives::digest::StateAccumulator;
use causeway::primitives::ids::{ObjectKind, Origin};
use causeway::primitives::{AccountId, Amount, BlockTime, Decode, Encode, RequestId};

/// A format is pinned in both directions: what is written, and that it is read back as it was.
fn survives<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T) -> Vec<u8> {
    let bytes = value.to_bytes();
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value));
    bytes
}

#[test]
fn ids() {
    let origin = Origin { sender: AccountId([0xaa; 32]), request_id: RequestId([1; 16]), operation_index: 258 };
    let lines = Lines::default()
        .with("chain_id", chain::chain_id())
        .with("account_id", origin.account_id())
        .with("order_id", origin.object_id(ObjectKind::Order))
        .with("loan_id", origin.object_id(ObjectKind::Loan))
        .with_text("account_text", &origin.account_id().to_string());
    hold("ids.txt", &lines.0);
}

#[test]
fn header() {
    let header: Header = chain::headers()[BUSY_HEIGHT as usize].clone();
    let bytes = survives(&header);
    assert_eq!(bytes.len(), Header::SIZE);
    hold("header.txt", &Lines::default().with("encoding", bytes).with("hash", header.hash()).0);
}

#[test]
fn transaction() {
    let transaction: SignedTransaction = chain::transaction(1);
    let lines = Lines::default()
        .with("encoding", survives(&transaction))
        .with("id", transaction.id())
        .with("leaf_hash", transaction.leaf());
    hold("transaction.txt", &lines.0);
}

#[test]
fn outcomes() {
    let transaction_id = chain::transaction(1).id();
    let (applied, declined): (Outcome, Outcome) =
        (chain::applied_outcome(transaction_id), chain::declined_outcome(transaction_id));
    let lines = Lines::default()
        .with("applied.encoding", survives(&applied))
        .with("applied.hash", applied.hash())
        .with("declined.encoding", survives(&declined))
        .with("declined.hash", declined.hash());
    hold("outcome.txt", &lines.0);
}

#[test]
fn block() {
    let header = chain::headers()[BUSY_HEIGHT as usize].clone();
    let block = Block::new(header, chain::transactions(BUSY_HEIGHT)).unwrap();
    hold("block.txt", &Lines::default().with("encoding", survives(&block)).with("hash", block.hash()).0);
}

#[test]
fn validators() {
    let set = chain::validators(0);
    hold("validators.txt", &Lines::default().with("encoding", survives(&set)).with("hash", set.hash()).0);
}

#[test]
fn reserve_lines() {
    let line = |token: &str, attested_as_of| ReserveLine {
        token: token.parse().unwrap(),
        circulation: Amount::new(1_000_000),
        reserves_counted: Amount::new(990_000),
        shortfall: Amount::new(10_000),
        attested_as_of: BlockTime(attested_as_of),
    };
    let lines = [line("HKDX", 1_767_225_600_000), line("USDX", 0)];
    let pinned = Lines::default()
        .with("encoding", survives(&lines[0]))
        .with("root_of_none", causeway::ledger::block::reserves_root(&[]))
        .with("root_of_two", causeway::ledger::block::reserves_root(&lines));
    hold("reserve_line.txt", &pinned.0);
}

#[test]
fn certificate() {
    let header = &chain::headers()[BUSY_HEIGHT as usize];
    let bytes = chain::certificate(header);
    let certificate = Certificate::from_bytes(&bytes).unwrap();
    assert_eq!(certificate.to_bytes(), bytes);
    let namespace = consensus_namespace(&chain::chain_id());
    assert_eq!(certificate.verify(&namespace, &chain::validators(0)), Ok(()));
    let payload = certificate.signed_payload(&namespace);
    hold("certificate.txt", &Lines::default().with("encoding", bytes).with("signed", payload).0);
}

#[test]
fn state_digest() {
    let mut state = StateAccumulator::default();
    let empty = state.digest();
    state.add(Column::Accounts.tag(), b"key", b"value");
    let one = state.digest();
    state.add(Column::Balances.tag(), b"key", b"");
    let pinned = Lines::default().with("of_none", empty).with("of_one", one).with("of_two", state.digest());
    hold("state_digest.txt", &pinned.0);
}

/// The columns' tags are part of the state's digest.
#[test]
fn columns() {
    let text: String = Column::ALL.iter().map(|column| format!("{} = {column:?}\n", column.tag())).collect();
    hold("columns.txt", &text);
}

/// The file beside this one, the block that it makes and the state that it leaves: a change of any rule of the genesis, or of
/// any entry that it writes, shows here.
#[test]
fn genesis() {
    let genesis = Genesis::parse(&std::fs::read(super::file("genesis.json")).unwrap()).unwrap();
    assert_eq!(genesis.chain_id(), chain::chain_id());
    assert_eq!(genesis.validators(), &chain::validators(0));
    let built = genesis.build().unwrap();
    let lines = Lines::default()
        .with("header", built.block.header().to_bytes())
        .with("block_hash", built.block.hash())
        .with("state_digest", built.accumulator.digest())
        .with("issuer_account_id", genesis_account_id("issuer"));
    hold("genesis.txt", &lines.0);
}
