//! What the room's documents promise, told one after another.

use super::*;
use crate::domain::accounts::RotateKeys;
use crate::ledger::account::KeySet;
use crate::ledger::due::due_by;
use crate::ledger::limits::{DUE_PER_BLOCK_MAX, PAYOUTS_KEPT_MAX};
use crate::ledger::{Account, Due, DueKey, DueKind, Effect, Value};

fn line(circulation: u64, reserves_counted: u64, shortfall: u64, attested_as_of: BlockTime) -> ReserveLine {
    let (circulation, reserves_counted, shortfall) = (amount(circulation), amount(reserves_counted), amount(shortfall));
    ReserveLine { token: hkdx(), circulation, reserves_counted, shortfall, attested_as_of }
}

#[test]
fn haircuts_round_down_and_each_class_is_shown() {
    let mut stage = Stage::new();
    let matures_at = BlockTime(MONDAY.0 + 100 * DAY_MS);
    let performed = stage.attest(MONDAY, vec![cash(1_000), bill(999, matures_at, 200), bill(1, matures_at, 200)]);
    let effect = performed.expect("eligible assets").planned.effects.remove(0);
    assert_eq!(effect.name, "tokens.reserves_attested");
    // 999 less 2 % is 979.02; 1 less 2 % is 0.98.
    for (field, units) in [
        ("counted", 1_979),
        ("market_value", 2_000),
        ("counted_cash", 1_000),
        ("counted_government_debt", 979),
        ("counted_deposit", 0),
    ] {
        assert_eq!(effect.field(field), Some(&Value::Amount(amount(units))), "{field}");
    }
    assert_eq!(stage.line(), line(0, 1_979, 0, MONDAY));
}

#[test]
fn a_burn_never_makes_room_for_an_issuance() {
    let mut stage = Stage::with(100, 100);
    let redemption = stage.request_redemption(40).expect("holdings");
    assert_eq!(stage.line(), line(100, 100, 0, MONDAY), "waiting for redemption is circulation");
    stage.wait(HOUR_MS);
    stage.pay(redemption).expect("open");
    let paid_at = stage.ledger.now;
    assert_eq!(stage.line(), line(60, 60, 0, MONDAY));
    assert!(matches!(stage.issue(1), Err(Reason::ReserveShortfall { .. })));
    // An attestation as of the payment's own time or before it does not know of the payment.
    stage.wait(HOUR_MS);
    for as_of in [BlockTime(paid_at.0 - 1), paid_at] {
        stage.attest(as_of, vec![cash(100)]).expect("newer than the one before");
        assert_eq!(stage.line(), line(60, 60, 0, as_of));
    }
    let after = BlockTime(paid_at.0 + 1);
    stage.attest(after, vec![cash(100)]).expect("newer than the one before");
    assert_eq!(stage.line(), line(60, 100, 0, after));
    assert_eq!(stage.ledger.read::<Payouts>(&hkdx()), None);
    stage.issue(40).expect("room again");
}

#[test]
fn an_old_attestation_counts_nothing_and_the_shortfall_shows() {
    let mut stage = Stage::with(100, 70);
    stage.wait(AGE_MS_MAX);
    assert_eq!(stage.line(), line(70, 100, 0, MONDAY), "its age's last millisecond");
    stage.wait(1);
    assert_eq!(stage.line(), line(70, 0, 70, MONDAY));
    assert!(matches!(stage.issue(1), Err(Reason::ReserveShortfall { .. })));
    let now = stage.ledger.now;
    stage.attest(now, vec![cash(60)]).expect("newer");
    assert_eq!(stage.line(), line(70, 60, 10, now), "a shortfall is a fact, not a fault");
    // Redemption goes on through it.
    let redemption = stage.request_redemption(70).expect("holdings");
    stage.pay(redemption).expect("open");
    assert_eq!(stage.line(), line(0, 0, 0, now));
}

#[test]
fn a_redemption_settled_in_time_leaves_no_deadline() {
    let mut stage = Stage::with(100, 100);
    let (paid, rejected) =
        (stage.request_redemption(10).expect("holdings"), stage.request_redemption(20).expect("holdings"));
    // Monday's requests are due by the end of Tuesday in Hong Kong.
    let due_at = BlockTime(MONDAY.0 + 39 * HOUR_MS);
    let deadlines = due_by(&stage.ledger.view, due_at, DUE_PER_BLOCK_MAX);
    assert_eq!(deadlines.len(), 2);
    assert!(deadlines.contains(&(
        DueKey { at: due_at, kind: DueKind::RedemptionDeadline, id: paid },
        Due::RedemptionDeadline(paid)
    )));
    stage.pay(paid).expect("open");
    let effect = stage.reject(rejected).expect("open").planned.effects.remove(0);
    assert_eq!(effect.field("narrative"), Some(&Value::Text("no such account".into())));
    assert_eq!(due_by(&stage.ledger.view, due_at, DUE_PER_BLOCK_MAX), vec![]);
    let paid: Redemption = stage.ledger.read(&paid).expect("it stays");
    assert_eq!((paid.state, paid.overdue_at, paid.fiat_reference.as_str()), (RedemptionState::Paid, None, "FPS-1"));
    assert_eq!(stage.line().circulation, amount(90));
}

#[test]
fn a_breach_records_itself_once() {
    let mut stage = Stage::with(100, 100);
    let id = stage.request_redemption(10).expect("holdings");
    let due_at = stage.ledger.read::<Redemption>(&id).expect("it is open").due_at;
    let breach = |stage: &mut Stage, now: BlockTime| -> Vec<Effect> {
        stage.ledger.edit(|changes| redemption_deadline(changes, id, now)).effects
    };
    assert_eq!(breach(&mut stage, BlockTime(due_at.0 - 1)), vec![]);
    let effects = breach(&mut stage, due_at);
    assert_eq!(effects[0].name, "tokens.redemption_overdue");
    assert_eq!(effects[0].field("redemption"), Some(&Value::Object(id)));
    assert_eq!(breach(&mut stage, due_at), vec![]);
    stage.ledger.now = BlockTime(due_at.0 + HOUR_MS);
    let effects = stage.pay(id).expect("late, and still owed").planned.effects;
    assert_eq!(effects.iter().map(|effect| effect.name.as_str()).collect::<Vec<_>>(), ["tokens.redemption_paid"]);
    assert_eq!(effects[0].field("overdue"), Some(&Value::Flag(true)));
    assert_eq!(stage.ledger.read::<Redemption>(&id).expect("it stays").overdue_at, Some(due_at));
    assert_eq!(breach(&mut stage, due_at), vec![]);
}

#[test]
fn a_late_settlement_ahead_of_its_deadline_records_the_breach_too() {
    let mut stage = Stage::with(100, 100);
    let id = stage.request_redemption(10).expect("holdings");
    stage.wait(3 * DAY_MS);
    let effects = stage.pay(id).expect("late, and still owed").planned.effects;
    let names: Vec<_> = effects.iter().map(|effect| effect.name.as_str()).collect();
    assert_eq!(names, ["tokens.redemption_overdue", "tokens.redemption_paid"]);
    assert_eq!(due_by(&stage.ledger.view, BlockTime(u64::MAX), DUE_PER_BLOCK_MAX), vec![]);
}

#[test]
fn a_maker_stays_the_same_person_under_other_keys() {
    let mut stage = Stage::with(100, 0);
    let issuance = stage.request_issuance(10).expect("a request");
    let rotate = |stage: &mut Stage, account, key| {
        let keys = KeySet::new(vec![Rehearsal::key(key)], 1).expect("one key");
        let operation = RotateKeys { account, keys };
        let present: Account = stage.ledger.read(&account).expect("an account");
        let both = present.keys.keys().iter().copied().chain([Rehearsal::key(key)]).collect();
        stage
            .ledger
            .perform_signed(account, &both, |context, changes| operation.plan(context, changes))
            .expect("own keys");
    };
    let (maker, checker) = (stage.maker, stage.checker);
    // The maker's key of the request turns up at the checker, and the maker has another one by now.
    rotate(&mut stage, maker, 40);
    rotate(&mut stage, checker, 3);
    assert_eq!(stage.approve(checker, issuance).err(), Some(Reason::SamePerson { account: checker }));
    rotate(&mut stage, checker, 40);
    assert_eq!(stage.approve(checker, issuance).err(), Some(Reason::SamePerson { account: checker }));
    rotate(&mut stage, checker, 41);
    let effect = stage.approve(checker, issuance).expect("two people").planned.effects.remove(0);
    assert_eq!((effect.name.as_str(), effect.field("maker")), ("tokens.issued", Some(&Value::Account(maker))));
    let decided: Issuance = stage.ledger.read(&issuance).expect("it stays");
    assert_eq!((decided.state, decided.checker), (IssuanceState::Issued, Some(checker)));
}

#[test]
fn balances_are_certified_for_those_who_may_see_them() {
    let mut stage = Stage::with(100, 100);
    stage.request_redemption(30).expect("holdings");
    let observer = stage.ledger.open(20, None, &[Role::Observer]);
    let bank = AccountId([5; 32]);
    let operation = CertifyBalance { account: stage.holder, token: hkdx() };
    for sender in [stage.holder, bank, observer] {
        let performed = stage.ledger.perform(&[sender], |context, changes| operation.plan(context, changes));
        let effect = performed.expect("may see").planned.effects.remove(0);
        assert_eq!(effect.name, "tokens.balance_certified");
        assert_eq!(effect.field("available"), Some(&Value::Amount(amount(70))));
        assert_eq!(effect.field("locked"), Some(&Value::Amount(amount(30))));
        assert_eq!(effect.field("time"), Some(&Value::Time(MONDAY)));
    }
    let cosigned = [stage.issuer, stage.holder];
    stage.ledger.perform(&cosigned, |context, changes| operation.plan(context, changes)).expect("the holder signed");
}

#[test]
fn lines_stand_in_alphabetical_order() {
    let mut stage = Stage::new();
    let (issuer, custodian) = (stage.issuer, stage.custodian);
    for id in ["USD", "AUDLONG", "CNY"] {
        let id = id.parse().expect("a token id");
        stage.ledger.edit(|changes| create(changes, id, issuer, &terms(custodian)).expect("a good token"));
    }
    let lines = reserve_lines(&stage.ledger.view, MONDAY);
    assert_eq!(lines.iter().map(|line| line.token.as_str()).collect::<Vec<_>>(), ["AUDLONG", "CNY", "HKDX", "USD"]);
}

#[test]
fn many_payouts_are_joined_and_never_count_for_less() {
    let mut payouts = Payouts::default();
    let count = 10 * PAYOUTS_KEPT_MAX as u64;
    let paid_at = |n: u64| BlockTime(MONDAY.0 + n * n % 7_919 + n * 10_000);
    for n in 1..=count {
        payouts = payouts.with(paid_at(n), amount(n)).expect("small amounts");
        assert!(payouts.payouts().len() <= PAYOUTS_KEPT_MAX);
        assert!(payouts.payouts().is_sorted_by_key(|payout| payout.paid_at));
    }
    assert_eq!(payouts.total(), u128::from(count * (count + 1) / 2));
    for as_of in (0..count).map(paid_at) {
        let exact: u64 = (1..=count).filter(|n| paid_at(*n) >= as_of).sum();
        let kept: u64 = payouts.payouts().iter().filter(|p| p.paid_at >= as_of).map(|p| p.amount.minor_units()).sum();
        assert!(kept >= exact, "as of {as_of}: {kept} kept of {exact}");
    }
}
