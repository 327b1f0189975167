//! What governance and auditors decide: rules, observers, addresses, upgrades. Validators come and go by steps of the plan.

use super::super::super::cast::{account, token};
use super::super::super::cluster::address;
use super::Desk;
use causeway::client::KeyPair;
use causeway::client::operations;
use causeway::domain::financing::{CapitalFigures, ForbiddenPurposes, LenderKind, Parameter, ParameterValue};
use causeway::ledger::protocol::PROTOCOL_VERSION_MAX;
use causeway::primitives::crypto::sha256;
use causeway::primitives::time::DAY_MS;
use causeway::primitives::{Amount, BlockTime};
use rand::RngExt as _;
use rand::rngs::StdRng;

/// Observers that have no node: few, since a node keeps a place for each peer that is listed.
const OBSERVERS: u64 = 3;
/// In ledgers with epochs of so many heights an upgrade is decided and taken back: it never comes to be in force.
const EPOCH_LENGTH_MIN: u64 = 1_024;

/// Rules that come into force once months have passed, and bind no loan here; an attestation of a lender's capital.
pub fn rules(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let in_force_from = BlockTime(desk.now_ms + DAY_MS);
    let value = |value| ParameterValue { in_force_from, value, law: "a law of the simulation".to_owned() };
    let (parameter, figure) =
        [(Parameter::AllInCostMax, 1_000_000), (Parameter::OwnShareMin, 1)][rng.random_range(0..2)];
    let rivals = [(); 2].map(|()| desk.act("governance", operations::set_lending_parameter(parameter, value(figure))));
    desk.race("a rule's value from a time on", &[], &rivals);
    let purposes = vec!["gambling".to_owned()];
    let forbidden = ForbiddenPurposes { in_force_from, purposes, law: "another law".to_owned() };
    desk.act("governance", operations::set_forbidden_purposes(forbidden));
    let figures = CapitalFigures {
        kind: LenderKind::Other,
        as_of: BlockTime(desk.now_ms),
        net_assets: Amount::new(1_000_000_000),
        loan_funding: Amount::new(1),
        bond_funding: Amount::new(1),
        capital: Amount::new(1_000_000_000),
        risk_weighted_assets: Amount::new(1),
        exposures: Amount::new(1),
        lent: Amount::new(0),
    };
    desk.act("auditor", operations::attest_lender_capital(account("financier"), token(), &figures));
}

/// An observer is listed twice and taken off; a validator listens elsewhere.
pub fn peers(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let number = rng.random_range(0..OBSERVERS);
    let observer = KeyPair::from_seed(&sha256(format!("observer {number}").as_bytes()).0).public_key();
    desk.act("governance", operations::add_observer(observer, "one"));
    desk.act("governance", operations::add_observer(observer, "the same"));
    let validators = desk.cast.genesis.validators().keys();
    let validator = validators[rng.random_range(0..validators.len())];
    let listens = address(rng.random_range(100..104));
    desk.act("governance", operations::set_validator_address(validator, &listens));
    desk.then();
    desk.act("governance", operations::remove_observer(observer));
    desk.act("governance", operations::remove_observer(observer));
}

/// An upgrade is decided, and taken back. Where epochs are short it is only taken back: no node here would follow it.
pub fn upgrade(desk: &mut Desk<'_>) {
    let version = PROTOCOL_VERSION_MAX + 1;
    if desk.cast.genesis.epoch_length() >= EPOCH_LENGTH_MIN {
        desk.act("governance", operations::decide_upgrade(version));
        desk.act("governance", operations::decide_upgrade(version));
        desk.then();
    }
    desk.act("governance", operations::withdraw_upgrade(version));
}
