//! Accounts, tokens and payments.

use super::super::super::cast::{account, key, token};
use super::{Desk, EXPIRES_IN_MS, ISSUED};
use causeway::client::KeyPair;
use causeway::client::operations::{self, AssetClass, AssetRule, Keys, NewToken, Operation, ReserveAsset};
use causeway::ledger::Role;
use causeway::primitives::crypto::sha256;
use causeway::primitives::time::DAY_MS;
use causeway::primitives::{Amount, TokenId};
use rand::RngExt as _;
use rand::rngs::StdRng;

pub fn pay(payer: &str, payee: &str, amount: u64) -> Operation {
    operations::transfer(account(payer), account(payee), token(), Amount::new(amount), Default::default())
}

/// There and back, one of them often over more than there is; the first of them sent twice; and two that happen together or not.
pub fn payments(desk: &mut Desk<'_>, rng: &mut StdRng) {
    desk.act("buyer", pay("buyer", "supplier", rng.random_range(1..2_000)));
    desk.repeat();
    desk.repeat();
    desk.act("supplier", pay("supplier", "trader", rng.random_range(1..4_000)));
    desk.act("trader", pay("trader", "buyer", rng.random_range(1..1_000)));
    let both = vec![pay("buyer", "trader", 1), pay("buyer", "trader", rng.random_range(1..2 * ISSUED))];
    desk.act_under(100, &["buyer"], both);
}

/// A client that lost what it sent, and signs anew under the same request id.
pub fn one_request_two_bodies(desk: &mut Desk<'_>, rng: &mut StdRng) {
    for _ in 0..2 {
        desk.act_under(0, &["buyer"], vec![pay("buyer", "supplier", rng.random_range(1..2_000))]);
    }
}

/// A redemption that the issuer pays and rejects, at once or when it is there.
pub fn redemption(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = Amount::new(rng.random_range(1..3_000));
    let request = operations::request_redemption(token(), amount, desk.hash("payout"));
    let (is_staged, holder) = (rng.random_bool(0.7), if rng.random_bool(0.8) { "buyer" } else { "supplier" });
    let requested = desk.act(holder, request);
    let paying = operations::pay_redemption(requested.made, "FPS-1");
    let rejecting = operations::reject_redemption(requested.made, "the account at the bank is closed");
    if is_staged {
        desk.then();
        let rivals = [desk.act("issuer", paying), desk.act("issuer", rejecting)];
        desk.race("what a redemption locked", &[requested], &rivals);
    } else {
        desk.act("issuer", rejecting);
        desk.act("issuer", paying);
    }
}

/// More reserves, and an issuance that one approves and rejects.
pub fn issuance(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let allocation = (account("buyer"), Amount::new(rng.random_range(1..1_000)));
    let request = operations::request_issuance(token(), &[allocation], desk.now_ms + EXPIRES_IN_MS);
    let requested = desk.act("maker", request);
    desk.act("custodian", attesting(desk.now_ms, 2 * ISSUED));
    desk.then();
    let approved = desk.act("checker", operations::approve_issuance(requested.made));
    let rejected = desk.act("checker", operations::reject_issuance(requested.made));
    // Reserves may be too old or too few to approve it, and nothing keeps anyone from rejecting it.
    desk.race("an issuance", &[requested], &[approved, rejected]);
}

pub fn attesting(as_of_ms: u64, amount: u64) -> Operation {
    let (asset_class, market_value) = (AssetClass::Cash, Amount::new(amount));
    let cash = ReserveAsset { asset_class, matures_at_ms: 0, market_value, haircut_bps: 0 };
    operations::attest_reserves(token(), as_of_ms, &[cash])
}

/// A customer of a bank's: opened, paid, paying, with keys that two replace at once, and closed while somebody pays it.
pub fn customer(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let name = format!("customer-{}", desk.deed);
    let key_of = |turn: u8| KeyPair::from_seed(&sha256(format!("{name} {turn}").as_bytes()).0);
    let keys_of = |turn: u8| Keys::single(key_of(turn).public_key());
    let bank = account("bank-a");
    let opening = operations::open_account(keys_of(0), &[Role::Merchant], "");
    let opened = desk.act_as((bank, 0), &[], &[key("bank-a"), key_of(0)], vec![opening]);
    desk.next = 1;
    desk.story.needs = 1;
    let (customer, amount) = (opened.opened, Amount::new(rng.random_range(1..1_000)));
    let transfer = |from, to| operations::transfer(from, to, token(), amount, Default::default());
    desk.then();
    desk.act("buyer", transfer(account("buyer"), customer));
    desk.act("bank-a", operations::certify_balance(customer, token()));
    desk.then();
    desk.act_as((customer, 0), &[], &[key_of(0)], vec![transfer(customer, account("supplier"))]);
    desk.then();
    let rivals = [1, 2].map(|turn| {
        let rotation = operations::rotate_keys(customer, keys_of(turn));
        desk.act_as((bank, 10 + u64::from(turn)), &[], &[key("bank-a"), key_of(0), key_of(turn)], vec![rotation])
    });
    desk.race("an account's keys", &[opened], &rivals);
    desk.then();
    let closed = desk.act("bank-a", operations::close_account(customer));
    let paid = desk.act("trader", transfer(account("trader"), customer));
    // The payer may have too little.
    desk.race("an account that is empty", &[], &[closed, paid]);
}

/// A token of the issuer's, and what it has of it: nothing.
pub fn token_of_its_own(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let letters: String = (0..5).map(|_| char::from(b'A' + rng.random_range(0..26u8))).collect();
    let own: TokenId = format!("X{letters}").parse().unwrap();
    let terms = || NewToken {
        token: own,
        currency: "USD".to_owned(),
        scale: 2,
        custodian: account("custodian"),
        asset_rules: vec![AssetRule { asset_class: AssetClass::Cash, maturity_days_max: 0, haircut_bps_min: 0 }],
        attestation_age_ms_max: DAY_MS,
        utc_offset_minutes: 480,
        holidays: Vec::new(),
        redemption_business_days: 1,
    };
    let rivals = [(); 2].map(|()| desk.act("issuer", operations::create_token(terms())));
    desk.race("a token's name", &[], &rivals);
    desk.then();
    desk.act("issuer", operations::certify_balance(account("issuer"), own));
    desk.act("supplier", operations::certify_balance(account("supplier"), token()));
}
