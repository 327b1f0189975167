//! Each reason in a row: what is asked, and what it is declined with.

use super::*;
use crate::ledger::limits::{TOKENS_MAX, TOKENS_PER_ISSUER_MAX};
use crate::ledger::{Account, Changes, Context};
use std::collections::BTreeSet;

const STRANGER: AccountId = AccountId([200; 32]);
const NOTHING: ObjectId = ObjectId([200; 32]);

fn nope() -> TokenId {
    "NOPE".parse().expect("a token id")
}

fn try_create(stage: &mut Stage, sender: AccountId, id: &str, custodian: AccountId) -> Result<(), Reason> {
    let operation = CreateToken { token: id.parse().expect("a token id"), terms: terms(custodian) };
    operation.check().expect("well formed");
    stage.ledger.perform(&[sender], |context, changes| operation.plan(context, changes)).map(drop)
}

#[test]
fn tokens() {
    let mut stage = Stage::new();
    let (issuer, custodian, holder) = (stage.issuer, stage.custodian, stage.holder);
    let both = stage.ledger.open(30, None, &[Role::Issuer, Role::Custodian]);
    for (sender, id, custodian, expected) in [
        (holder, "NEW", custodian, Err(Reason::RoleRequired { account: holder, role: "issuer" })),
        (issuer, "HKDX", custodian, Err(Reason::TokenExists { token: hkdx() })),
        (issuer, "NEW", STRANGER, Err(Reason::UnknownAccount { account: STRANGER })),
        (issuer, "NEW", holder, Err(Reason::RoleRequired { account: holder, role: "custodian" })),
        (both, "NEW", both, Err(Reason::SameAccount { account: both })),
        (issuer, "NEW", custodian, Ok(())),
    ] {
        assert_eq!(try_create(&mut stage, sender, id, custodian), expected);
    }
}

/// An issuer that creates all it may leaves room for the others, and all together have as many as a block carries.
#[test]
fn an_issuer_has_so_many_tokens_and_the_ledger_so_many_in_all() {
    let mut stage = Stage::new();
    let (issuer, custodian) = (stage.issuer, stage.custodian);
    let others: Vec<_> = (40..47).map(|name| stage.ledger.open(name, None, &[Role::Issuer])).collect();
    let mut created = 1;
    for issuer in [&[issuer][..], &others].concat() {
        // The stage has one token of its issuer's.
        let own = if issuer == stage.issuer { 1 } else { 0 };
        for _ in own..TOKENS_PER_ISSUER_MAX {
            try_create(&mut stage, issuer, &format!("T{created:04}"), custodian).expect("room");
            created += 1;
        }
        let too_many = Err(Reason::TooManyTokensOfIssuer { issuer, tokens_max: 32 });
        assert_eq!(try_create(&mut stage, issuer, "MORE", custodian), too_many);
    }
    assert_eq!(created, TOKENS_MAX);
    let another = stage.ledger.open(47, None, &[Role::Issuer]);
    let too_many = Err(Reason::TooManyTokens { tokens_max: 256 });
    assert_eq!(try_create(&mut stage, another, "MORE", custodian), too_many);
}

#[test]
fn attestations() {
    let mut stage = Stage::with(100, 0);
    stage.wait(AGE_MS_MAX + DAY_MS);
    let now = stage.ledger.now;
    let after = |days: u64| BlockTime(now.0 + days * DAY_MS);
    let deposit = ReserveAsset { asset_class: AssetClass::Deposit, ..bill(1, after(1), 200) };
    let ineligible = |asset_index, rule| Some(Reason::AssetNotEligible { asset_index, rule });
    let overflow = Some(Reason::AmountOverflow { token: hkdx() });
    let too_old = BlockTime(MONDAY.0 + 1);
    for (as_of, assets, expected) in [
        (MONDAY, vec![], Some(Reason::AttestationNotNewer { latest_as_of: MONDAY, as_of: MONDAY })),
        (after(1), vec![], Some(Reason::AttestationFromTheFuture { as_of: after(1), now })),
        (too_old, vec![], Some(Reason::AttestationTooOld { as_of: too_old, age_ms_max: AGE_MS_MAX })),
        (now, vec![cash(1), deposit], ineligible(1, "class")),
        (now, vec![bill(1, after(367), 200)], ineligible(0, "maturity")),
        (now, vec![bill(1, now, 200)], ineligible(0, "matured")),
        (now, vec![cash(1), cash(2), bill(1, after(366), 199)], ineligible(2, "haircut")),
        (now, vec![cash(u64::MAX), cash(1)], overflow),
        (now, vec![cash(1), bill(1, after(366), 200)], None),
    ] {
        assert_eq!(stage.attest(as_of, assets).err(), expected);
    }
    let attest = |token, sender, stage: &mut Stage| {
        let operation = AttestReserves { token, as_of: now, assets: vec![] };
        stage.ledger.perform(&[sender], |context, changes| operation.plan(context, changes)).err()
    };
    let (issuer, custodian) = (stage.issuer, stage.custodian);
    assert_eq!(attest(hkdx(), issuer, &mut stage), Some(Reason::NotTheCustodian { token: hkdx(), custodian }));
    assert_eq!(attest(nope(), custodian, &mut stage), Some(Reason::UnknownToken { token: nope() }));
}

#[test]
fn issuance_requests() {
    let mut stage = Stage::new();
    let closed = stage.ledger.open(31, None, &[]);
    stage.ledger.edit(|changes| {
        let account: Account = changes.read(&closed).expect("it was opened");
        changes.put(&closed, &Account { closed: true, ..account });
    });
    let other_issuer = stage.ledger.open(32, None, &[Role::Issuer]);
    let foreign = stage.ledger.open(33, Some(other_issuer), &[Role::IssuanceMaker]);
    let (issuer, maker, checker, holder, now) = (stage.issuer, stage.maker, stage.checker, stage.holder, MONDAY);
    let to = |account, units| vec![Allocation { account, amount: amount(units) }];
    let past = BlockTime(now.0 - 1);
    let not_the_issuer = Reason::NotTheIssuer {};
    for (sender, token, allocations, expires_at, expected) in [
        (foreign, hkdx(), to(holder, 1), now, not_the_issuer.clone()),
        (issuer, hkdx(), to(holder, 1), now, not_the_issuer),
        (checker, hkdx(), to(holder, 1), now, Reason::RoleRequired { account: checker, role: "issuance-maker" }),
        (maker, nope(), to(holder, 1), now, Reason::UnknownToken { token: nope() }),
        (maker, hkdx(), to(STRANGER, 1), now, Reason::UnknownAccount { account: STRANGER }),
        (maker, hkdx(), to(closed, 1), now, Reason::AccountClosed { account: closed }),
        (maker, hkdx(), [to(holder, 1), to(holder, u64::MAX)].concat(), now, Reason::AmountOverflow { token: hkdx() }),
    ] {
        let operation = RequestIssuance { token, allocations, expires_at };
        operation.check().expect("well formed");
        let performed = stage.ledger.perform(&[sender], |context, changes| operation.plan(context, changes));
        assert_eq!(performed.err(), Some(expected));
    }
    let late = RequestIssuance { token: hkdx(), allocations: to(holder, 1), expires_at: past };
    let performed = stage.ledger.perform(&[maker], |context, changes| late.plan(context, changes));
    assert!(matches!(performed, Err(Reason::IssuanceExpired { expired_at, .. }) if expired_at == past));
    let twice = RequestIssuance { token: hkdx(), allocations: to(holder, 1), expires_at: now };
    let performed = stage.ledger.perform(&[maker], |context, changes| {
        twice.plan(context, changes)?;
        twice.plan(context, changes)
    });
    assert!(matches!(performed, Err(Reason::AlreadyExists { .. })));
}

#[test]
fn issuance_decisions() {
    let mut stage = Stage::with(100, 0);
    let (issuer, maker, checker) = (stage.issuer, stage.maker, stage.checker);
    let alone = stage.ledger.open(34, Some(issuer), &[Role::IssuanceMaker, Role::IssuanceChecker]);
    let shares = stage.ledger.open(35, Some(issuer), &[Role::IssuanceChecker]);
    stage.ledger.edit(|changes| {
        let (account, maker): (Account, Account) =
            (changes.read(&shares).expect("opened"), changes.read(&maker).expect("opened"));
        changes.put(&shares, &Account { keys: maker.keys, ..account });
    });
    stage.maker = alone;
    let own = stage.request_issuance(1).expect("a request");
    stage.maker = maker;
    let (open, issued, rejected) = (
        stage.request_issuance(50).expect("a request"),
        stage.issue(60).expect("within the reserves"),
        stage.request_issuance(1).expect("a request"),
    );
    stage.reject_issuance(checker, rejected).expect("a checker may");
    let shortfall =
        Reason::ReserveShortfall { reserves_counted: amount(100), circulation: amount(60), requested: amount(50) };
    let not_the_issuer = Reason::NotTheIssuer {};
    for (sender, issuance, expected) in [
        (checker, NOTHING, Reason::UnknownIssuance { issuance: NOTHING }),
        (checker, issued, Reason::IssuanceDecided { issuance: issued }),
        (checker, rejected, Reason::IssuanceDecided { issuance: rejected }),
        (stage.holder, open, not_the_issuer.clone()),
        (issuer, open, not_the_issuer.clone()),
        // Whoever may not decide it is told the same however it stands.
        (stage.holder, issued, not_the_issuer.clone()),
        (issuer, rejected, not_the_issuer),
        (maker, issued, Reason::RoleRequired { account: maker, role: "issuance-checker" }),
        (maker, open, Reason::RoleRequired { account: maker, role: "issuance-checker" }),
    ] {
        assert_eq!(stage.approve(sender, issuance).err(), Some(expected.clone()));
        assert_eq!(stage.reject_issuance(sender, issuance).err(), Some(expected));
    }
    assert_eq!(stage.approve(alone, own).err(), Some(Reason::SamePerson { account: alone }));
    assert_eq!(stage.approve(shares, open).err(), Some(Reason::SamePerson { account: shares }));
    assert_eq!(stage.approve(checker, open).err(), Some(shortfall));
    let expired_at = BlockTime(stage.ledger.now.0 + DAY_MS);
    stage.wait(DAY_MS + 1);
    assert_eq!(stage.approve(checker, open).err(), Some(Reason::IssuanceExpired { issuance: open, expired_at }));
    assert!(stage.reject_issuance(checker, open).is_ok(), "what has expired can still be put away");
}

#[test]
fn redemption_requests() {
    let mut stage = Stage::with(100, 100);
    let holder = stage.holder;
    let request = |token, units| RequestRedemption { token, amount: amount(units), payout_commitment: Hash([7; 32]) };
    let too_much = Reason::InsufficientFunds { account: holder, token: hkdx(), required: amount(101) };
    for (token, units, expected) in [(nope(), 1, Reason::UnknownToken { token: nope() }), (hkdx(), 101, too_much)] {
        let operation = request(token, units);
        let performed = stage.ledger.perform(&[holder], |context, changes| operation.plan(context, changes));
        assert_eq!(performed.err(), Some(expected));
    }
    let twice = stage.ledger.perform(&[holder], |context, changes| {
        request(hkdx(), 1).plan(context, changes)?;
        request(hkdx(), 1).plan(context, changes)
    });
    assert!(matches!(twice, Err(Reason::AlreadyExists { .. })));
    stage.ledger.now = BlockTime(u64::MAX);
    let performed = stage.request_redemption(1);
    assert_eq!(performed.err(), Some(Reason::TimeOutOfRange { time: BlockTime(u64::MAX) }));
}

#[test]
fn redemption_settlements() {
    let mut stage = Stage::with(100, 100);
    let [paid, rejected, open] = [10, 20, 30].map(|units| stage.request_redemption(units).expect("holdings"));
    stage.pay(paid).expect("open");
    stage.reject(rejected).expect("open");
    let (issuer, holder) = (stage.issuer, stage.holder);
    for (sender, redemption, expected) in [
        (issuer, NOTHING, Reason::UnknownRedemption { redemption: NOTHING }),
        (issuer, paid, Reason::RedemptionSettled { redemption: paid }),
        (issuer, rejected, Reason::RedemptionSettled { redemption: rejected }),
        // Whoever may not settle it is told the same however it stands.
        (holder, open, Reason::NotTheIssuer {}),
        (holder, paid, Reason::NotTheIssuer {}),
        (holder, rejected, Reason::NotTheIssuer {}),
    ] {
        let pay = PayRedemption { redemption, fiat_reference: "FPS-2".into() };
        let reject = RejectRedemption { redemption, narrative: "no".into() };
        let declined = |plan: &dyn Fn(&Context<'_>, &mut Changes<'_>) -> Result<(), Reason>, stage: &mut Stage| {
            stage.ledger.perform(&[sender], plan).err()
        };
        assert_eq!(declined(&|context, changes| pay.plan(context, changes), &mut stage), Some(expected.clone()));
        assert_eq!(declined(&|context, changes| reject.plan(context, changes), &mut stage), Some(expected));
    }
}

#[test]
fn certificates() {
    let mut stage = Stage::new();
    let (holder, issuer) = (stage.holder, stage.issuer);
    for (sender, account, token, expected) in [
        (holder, holder, nope(), Reason::UnknownToken { token: nope() }),
        (holder, STRANGER, hkdx(), Reason::UnknownAccount { account: STRANGER }),
        (issuer, holder, hkdx(), Reason::MissingSignature { account: holder }),
    ] {
        let operation = CertifyBalance { account, token };
        let performed = stage.ledger.perform(&[sender], |context, changes| operation.plan(context, changes));
        assert_eq!(performed.err(), Some(expected));
    }
}

/// Every operation asks for the sender's keys as they are when it is planned.
#[test]
fn a_sender_without_its_signature_does_nothing() {
    let mut stage = Stage::with(100, 50);
    let redemption = stage.request_redemption(10).expect("holdings");
    let issuance = stage.request_issuance(10).expect("a request");
    let Stage { issuer, custodian, maker, checker, holder, .. } = stage;
    let allocations = vec![Allocation { account: holder, amount: amount(1) }];
    let as_of = BlockTime(MONDAY.0 + 1);
    stage.wait(1);
    type Plan<'p> = Box<dyn Fn(&Context<'_>, &mut Changes<'_>) -> Result<(), Reason> + 'p>;
    let plans: Vec<(AccountId, Plan<'_>)> = vec![
        (issuer, Box::new(|c, s| CreateToken { token: nope(), terms: terms(custodian) }.plan(c, s))),
        (custodian, Box::new(|c, s| AttestReserves { token: hkdx(), as_of, assets: vec![] }.plan(c, s))),
        (
            maker,
            Box::new(|c, s| {
                let allocations = allocations.clone();
                RequestIssuance { token: hkdx(), allocations, expires_at: as_of }.plan(c, s)
            }),
        ),
        (checker, Box::new(|c, s| ApproveIssuance { issuance }.plan(c, s))),
        (checker, Box::new(|c, s| RejectIssuance { issuance }.plan(c, s))),
        (
            holder,
            Box::new(|c, s| {
                RequestRedemption { token: hkdx(), amount: amount(1), payout_commitment: Hash::ZERO }.plan(c, s)
            }),
        ),
        (issuer, Box::new(|c, s| PayRedemption { redemption, fiat_reference: "1".into() }.plan(c, s))),
        (issuer, Box::new(|c, s| RejectRedemption { redemption, narrative: "1".into() }.plan(c, s))),
        (holder, Box::new(|c, s| CertifyBalance { account: holder, token: hkdx() }.plan(c, s))),
    ];
    for (sender, plan) in plans {
        let performed = stage.ledger.perform_signed(sender, &BTreeSet::new(), &*plan);
        assert_eq!(performed.err(), Some(Reason::MissingSignature { account: sender }));
    }
}

#[test]
fn malformed_operations_name_their_field() {
    let good = || terms(AccountId([2; 32]));
    let twice = |class| {
        let rule = AssetRule { asset_class: class, maturity_days_max: 1, haircut_bps_min: 0 };
        ReservePolicy { asset_rules: vec![rule, rule], attestation_age_ms_max: 1 }
    };
    let policy = |edit: &dyn Fn(&mut ReservePolicy)| {
        let mut terms = good();
        edit(&mut terms.reserve_policy);
        terms
    };
    assert_eq!(good().check(), Ok(()));
    for (terms, field) in [
        (TokenTerms { scale: 9, ..good() }, "scale"),
        (TokenTerms { redemption_business_days: 0, ..good() }, "redemption_business_days"),
        (TokenTerms { redemption_business_days: 31, ..good() }, "redemption_business_days"),
        (TokenTerms { reserve_policy: twice(AssetClass::Cash), ..good() }, "reserve_policy.asset_rules[1].asset_class"),
        (policy(&|policy| policy.asset_rules.clear()), "reserve_policy.asset_rules"),
        (
            policy(&|policy| policy.asset_rules[1].haircut_bps_min = 10_001),
            "reserve_policy.asset_rules[1].haircut_bps_min",
        ),
        (policy(&|policy| policy.attestation_age_ms_max = 0), "reserve_policy.attestation_age_ms_max"),
        (
            TokenTerms {
                calendar: BusinessCalendar { utc_offset_minutes_plus_720: 0, holidays: vec![2, 1] },
                ..good()
            },
            "calendar",
        ),
    ] {
        assert_eq!(terms.check().expect_err(field).field, field);
    }
    let attest = |as_of, assets| AttestReserves { token: hkdx(), as_of, assets }.check();
    for (checked, field) in [
        (attest(BlockTime(0), vec![]), "as_of_ms"),
        (attest(MONDAY, vec![cash(1); 65]), "assets"),
        (attest(MONDAY, vec![cash(1), bill(1, BlockTime(0), 0)]), "assets[1].matures_at_ms"),
        (attest(MONDAY, vec![ReserveAsset { matures_at: MONDAY, ..cash(1) }]), "assets[0].matures_at_ms"),
        (attest(MONDAY, vec![ReserveAsset { haircut_bps: 10_001, ..cash(1) }]), "assets[0].haircut_bps"),
    ] {
        assert_eq!(checked.expect_err(field).field, field);
    }
    let issue = |units: &[u64]| {
        let allocations = units.iter().map(|units| Allocation { account: STRANGER, amount: amount(*units) }).collect();
        RequestIssuance { token: hkdx(), allocations, expires_at: MONDAY }.check()
    };
    assert_eq!(issue(&[]).expect_err("none").field, "allocations");
    assert_eq!(issue(&[1; 17]).expect_err("too many").field, "allocations");
    assert_eq!(issue(&[1, 0]).expect_err("zero").field, "allocations[1].amount");
    let redeem = RequestRedemption { token: hkdx(), amount: Amount::ZERO, payout_commitment: Hash::ZERO };
    assert_eq!(redeem.check().expect_err("zero").field, "amount");
    let pay = PayRedemption { redemption: NOTHING, fiat_reference: String::new() };
    assert_eq!(pay.check().expect_err("empty").field, "fiat_reference");
    let reject = RejectRedemption { redemption: NOTHING, narrative: "x".repeat(141) };
    assert_eq!(reject.check().expect_err("long").field, "narrative");
}

#[test]
fn an_asset_may_be_cut_to_nothing_and_no_further() {
    let (asset_class, matures_at, market_value) = (AssetClass::Cash, BlockTime(0), amount(10));
    let checked = |haircut_bps| ReserveAsset { asset_class, matures_at, market_value, haircut_bps }.check();
    assert_eq!(checked(10_000), Ok(()));
    assert_eq!(checked(10_001).expect_err("more than all").field, "haircut_bps");
}
