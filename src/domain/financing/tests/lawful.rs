//! The lender's rules: each at its last unit, on its day, with both values in force on theirs.

use super::desk::{Desk, amount, name_of};
use crate::domain::financing::{
    AttestLenderCapital, CapitalFigures, ForbiddenPurposes, LenderKind, Parameter, ParameterValue, RequestFinancing,
    SetForbiddenPurposes, SetLendingParameter, set_parameter,
};
use crate::domain::market::OPENING;
use crate::domain::rehearsal::Performed;
use crate::ledger::{Decline, Reason, Role, Roles, Value};
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, BlockTime};

fn value(in_force_from: u64, value: u64, law: &str) -> ParameterValue {
    ParameterValue { in_force_from: BlockTime(in_force_from), value, law: law.to_owned() }
}

/// Puts a rule there that was always in force, as a genesis does.
fn rule(desk: &mut Desk, parameter: Parameter, figure: u64) {
    desk.market.stage.edit(|changes| set_parameter(changes, parameter, value(0, figure, "a law")).expect("the first"));
}

fn in_office(desk: &mut Desk, role: Role) -> AccountId {
    desk.market.stage.open(40 + role.tag(), None, &[role])
}

fn set(desk: &mut Desk, sender: AccountId, from: u64, figure: u64) -> Result<Performed, Reason> {
    let operation =
        SetLendingParameter { parameter: Parameter::AllInCostMax, value: value(from, figure, "a later law") };
    desk.market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
}

fn figures(kind: LenderKind) -> CapitalFigures {
    CapitalFigures {
        kind,
        as_of: OPENING,
        net_assets: amount(100_000),
        loan_funding: amount(100_000),
        bond_funding: amount(400_000),
        capital: amount(8_000),
        risk_weighted_assets: amount(90_000),
        exposures: amount(190_000),
        lent: amount(0),
    }
}

fn attest(desk: &mut Desk, figures: CapitalFigures) -> Result<Performed, Reason> {
    let auditor = in_office(desk, Role::Auditor);
    let (lender, token) = (desk.market.financiers[0], desk.market.token);
    let operation = AttestLenderCapital { lender, token, figures };
    desk.market.stage.perform(&[auditor], |context, changes| operation.plan(context, changes))
}

fn lend(desk: &mut Desk, units: u64) -> Result<Performed, Reason> {
    let receivable = desk.market.confirmed(1, 20_000);
    let operation = desk.asking(receivable, units);
    desk.request(&operation)
}

#[test]
fn a_cost_above_the_cap_is_declined_with_the_figure_the_limit_and_the_law() {
    let mut desk = Desk::open();
    // 10,193 for 10,000 after 31 days: 25.24 % and a little.
    rule(&mut desk, Parameter::AllInCostMax, 2_400);
    let expected = 2_525;
    let declined = lend(&mut desk, 10_000);
    let Err(Reason::AllInCostAboveCap { cost_bps, limit_bps, law }) = declined else { panic!("{declined:?}") };
    assert_eq!((cost_bps, limit_bps, law.as_str()), (expected, 2_400, "a law"));
    let mut desk = Desk::open();
    rule(&mut desk, Parameter::AllInCostMax, expected);
    lend(&mut desk, 10_000).expect("the cap itself is allowed");
}

#[test]
fn a_rule_changes_on_its_day_and_only_by_governance() {
    let mut desk = Desk::open();
    rule(&mut desk, Parameter::AllInCostMax, 10_000);
    let (now, stranger) = (desk.market.stage.now.0, desk.market.stranger);
    let governance = in_office(&mut desk, Role::Governance);
    assert_eq!(name_of(set(&mut desk, stranger, now + 10, 100)), "ROLE_REQUIRED");
    assert_eq!(name_of(set(&mut desk, governance, now, 100)), "PARAMETER_NOT_LATER");
    set(&mut desk, governance, now + 10, 100).expect("in the future");
    assert_eq!(name_of(set(&mut desk, governance, now + 10, 100)), "PARAMETER_NOT_LATER");
    desk.market.stage.now = BlockTime(now + 10);
    assert_eq!(name_of(lend(&mut desk, 10_000)), "ALL_IN_COST_ABOVE_CAP");
    desk.market.stage.now = BlockTime(now + 9);
    let receivable = desk.market.confirmed(2, 20_000);
    let operation = desk.asking(receivable, 10_000);
    desk.request(&operation).expect("the day before, the earlier value is in force");
    for later in 0..62 {
        set(&mut desk, governance, now + 11 + later, 100).expect("up to 64 values");
    }
    assert_eq!(name_of(set(&mut desk, governance, now + 100, 100)), "TOO_MANY_PARAMETER_VALUES");
}

#[test]
fn an_originator_keeps_its_floor() {
    let mut desk = Desk::open();
    let other = desk.market.financiers[1];
    rule(&mut desk, Parameter::OwnShareMin, 3_001);
    let below = desk.join(other, 7_000, 100_000).expect_err("a unit below the floor");
    let told = ["share_bps", "limit_bps", "law"].map(|name| field(&below, name));
    assert_eq!(below.name(), "OWN_SHARE_BELOW_FLOOR");
    assert_eq!(told, [Some(Value::from(3_000u64)), Some(Value::from(3_001u64)), Some(Value::from("a law"))]);
    desk.join(other, 6_999, 100_000).expect("the floor itself");
    let mut desk = Desk::open();
    desk.join(other, 7_000, 100_000).expect("no rule yet");
    rule(&mut desk, Parameter::OwnShareMin, 3_001);
    assert_eq!(name_of(lend(&mut desk, 10_000)), "OWN_SHARE_BELOW_FLOOR");
}

/// A field of what a request was declined with.
fn field(reason: &Reason, name: &str) -> Option<Value> {
    Decline::new(0, reason).fields.into_iter().find(|(field, _)| field == name).map(|(_, value)| value)
}

/// Each limit on a lender's figures, just kept and just broken, for an advance of 10,000. Who breaks one is told the limit and the law,
/// and not the figure: two of them would give the lender's capital.
#[test]
fn capital_bounds_what_is_lent() {
    use LenderKind::{ConsumerFinance, Other, SmallLoan};
    for (parameter, limit, kind, declined) in [
        (Parameter::LoanFundingMax, 10_000, SmallLoan, None),
        (Parameter::LoanFundingMax, 9_999, SmallLoan, Some("FUNDING_ABOVE_LIMIT")),
        (Parameter::BondFundingMax, 40_000, SmallLoan, None),
        (Parameter::BondFundingMax, 39_999, SmallLoan, Some("FUNDING_ABOVE_LIMIT")),
        (Parameter::BorrowerShareMax, 1_000, SmallLoan, None),
        (Parameter::BorrowerShareMax, 999, SmallLoan, Some("BORROWER_SHARE_ABOVE_LIMIT")),
        (Parameter::ObligorShareMax, 1_000, SmallLoan, None),
        (Parameter::ObligorShareMax, 999, SmallLoan, Some("OBLIGOR_SHARE_ABOVE_LIMIT")),
        (Parameter::CapitalAdequacyMin, 800, ConsumerFinance, None),
        (Parameter::CapitalAdequacyMin, 801, ConsumerFinance, Some("CAPITAL_ADEQUACY_BELOW_MINIMUM")),
        (Parameter::LeverageRatioMin, 400, ConsumerFinance, None),
        (Parameter::LeverageRatioMin, 401, ConsumerFinance, Some("LEVERAGE_RATIO_BELOW_MINIMUM")),
        // A rule binds the kind of lender that it is for.
        (Parameter::BorrowerShareMax, 0, ConsumerFinance, None),
        (Parameter::LeverageRatioMin, 10_000, SmallLoan, None),
        (Parameter::LoanFundingMax, 0, Other, None),
    ] {
        let mut desk = Desk::open();
        rule(&mut desk, parameter, limit);
        attest(&mut desk, figures(kind)).expect("by an auditor");
        let found = lend(&mut desk, 10_000).err();
        assert_eq!(found.as_ref().map(Reason::name), declined, "{} of {limit}", parameter.name());
        let Some(reason) = found else { continue };
        // The row before has the figure for its limit, and keeps it to the unit.
        let figure = if parameter.is_minimum() { limit - 1 } else { limit + 1 };
        let told = ["limit_bps", "law"].map(|name| field(&reason, name));
        assert_eq!(told, [Some(Value::from(limit)), Some(Value::from("a law"))], "{reason:?}");
        let fields = Decline::new(0, &reason).fields;
        assert!(fields.iter().all(|(_, told)| *told != Value::from(figure)), "{reason:?}");
        assert_eq!(field(&reason, "lender"), Some(Value::Account(desk.market.financiers[0])));
    }
}

/// Every rule is changed on its day and not before: to the last millisecond the earlier value is in force, and from then on the later
/// one, with its law.
#[test]
fn both_values_of_every_rule_are_in_force_on_their_days() {
    for parameter in Parameter::ALL.iter().copied() {
        let kind = match parameter {
            Parameter::CapitalAdequacyMin | Parameter::LeverageRatioMin => LenderKind::ConsumerFinance,
            _ => LenderKind::SmallLoan,
        };
        let (lenient, strict) = if parameter.is_minimum() { (0, 60_000) } else { (60_000, 0) };
        let day = BlockTime(OPENING.0 + DAY_MS);
        let mut desk = Desk::open();
        rule(&mut desk, parameter, lenient);
        attest(&mut desk, figures(kind)).expect("by an auditor");
        let governance = in_office(&mut desk, Role::Governance);
        let later = SetLendingParameter { parameter, value: value(day.0, strict, "a later law") };
        desk.market
            .stage
            .perform(&[governance], |context, changes| later.plan(context, changes))
            .expect("in the future");
        let receivable = desk.market.confirmed(1, 20_000);
        let operation = desk.asking(receivable, 10_000);
        desk.market.stage.now = day;
        let declined = desk.request(&operation).expect_err(parameter.name());
        assert_eq!(field(&declined, "law"), Some(Value::from("a later law")), "{declined:?}");
        desk.market.stage.now.0 -= 1;
        desk.request(&operation).unwrap_or_else(|reason| panic!("{}: {reason:?}", parameter.name()));
    }
}

#[test]
fn what_was_lent_since_the_attestation_counts() {
    let mut desk = Desk::open();
    rule(&mut desk, Parameter::LeverageRatioMin, 400);
    attest(&mut desk, figures(LenderKind::ConsumerFinance)).expect("by an auditor");
    lend(&mut desk, 10_000).expect("8,000 of 200,000");
    let receivable = desk.market.confirmed(2, 20_000);
    let operation = desk.asking(receivable, 1);
    assert_eq!(name_of(desk.request(&operation)), "LEVERAGE_RATIO_BELOW_MINIMUM");
}

#[test]
fn capital_is_attested_by_an_auditor_and_ages() {
    let mut desk = Desk::open();
    rule(&mut desk, Parameter::CapitalAttestationAgeMax, 2);
    let unattested = lend(&mut desk, 10_000).expect_err("nobody attested it");
    assert_eq!(unattested.name(), "LENDER_CAPITAL_NOT_ATTESTED");
    assert_eq!(field(&unattested, "age_days_max"), Some(Value::from(2u64)));
    assert_eq!(field(&unattested, "law"), Some(Value::from("a law")));
    let good = figures(LenderKind::Other);
    let future = CapitalFigures { as_of: BlockTime(OPENING.0 + 1), ..good };
    assert_eq!(name_of(attest(&mut desk, future)), "ATTESTATION_FROM_THE_FUTURE");
    attest(&mut desk, good).expect("by an auditor");
    assert_eq!(name_of(attest(&mut desk, good)), "ATTESTATION_NOT_NEWER");
    let auditor = in_office(&mut desk, Role::Auditor);
    desk.market.alter(auditor, |account| account.roles = Roles::NONE);
    let operation = AttestLenderCapital { lender: desk.market.financiers[0], token: desk.market.token, figures: good };
    let unqualified = desk.market.stage.perform(&[auditor], |context, changes| operation.plan(context, changes));
    assert_eq!(name_of(unqualified), "ROLE_REQUIRED");
    desk.market.stage.now = BlockTime(OPENING.0 + 2 * DAY_MS);
    let receivable = desk.market.confirmed(2, 20_000);
    let operation = desk.asking(receivable, 10_000);
    desk.market.stage.now.0 += 1;
    assert_eq!(name_of(desk.request(&operation)), "LENDER_CAPITAL_NOT_ATTESTED");
    desk.market.stage.now.0 -= 1;
    desk.request(&operation).expect("two days to the millisecond");
}

#[test]
fn a_forbidden_purpose_is_declined_with_its_law_from_its_day_on() {
    let mut desk = Desk::open();
    let governance = in_office(&mut desk, Role::Governance);
    let now = desk.market.stage.now;
    let receivable = desk.market.confirmed(1, 20_000);
    let asking = desk.asking(receivable, 1);
    let forbid = |desk: &mut Desk, sender, from: BlockTime, purposes: &[&str]| {
        let purposes = purposes.iter().map(|purpose| (*purpose).to_owned()).collect();
        let law = format!("a law from {} on", from.0);
        let operation = SetForbiddenPurposes { forbidden: ForbiddenPurposes { in_force_from: from, purposes, law } };
        assert!(operation.check().is_ok());
        desk.market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
    };
    let stranger = desk.market.stranger;
    let at = |days: u64| BlockTime(now.0 + days * DAY_MS);
    assert_eq!(name_of(forbid(&mut desk, stranger, at(1), &["securities"])), "ROLE_REQUIRED");
    assert_eq!(name_of(forbid(&mut desk, governance, now, &["securities"])), "PARAMETER_NOT_LATER");
    forbid(&mut desk, governance, at(1), &["real-estate", "securities"]).expect("in the future");
    assert_eq!(name_of(forbid(&mut desk, governance, at(1), &[])), "PARAMETER_NOT_LATER");
    forbid(&mut desk, governance, at(2), &[]).expect("a later law");
    for (days, purpose, expected) in [
        (0, "securities", None),
        (1, "securities", Some("PURPOSE_FORBIDDEN")),
        (1, "", Some("PURPOSE_NOT_STATED")),
        (1, "stock-in-trade", None),
        (2, "securities", None),
        (2, "", None),
    ] {
        let mut desk = Desk { market: desk.market.clone(), programme: desk.programme };
        desk.market.stage.now = at(days);
        let operation = RequestFinancing { purpose: purpose.to_owned(), ..asking.clone() };
        let declined = desk.request(&operation).err();
        assert_eq!(declined.as_ref().map(Reason::name), expected, "{purpose} after {days} days");
        if let Some(Reason::PurposeForbidden { law, .. } | Reason::PurposeNotStated { law }) = declined {
            assert_eq!(law, format!("a law from {} on", at(1).0));
        }
    }
    for later in 0..62 {
        forbid(&mut desk, governance, BlockTime(at(3).0 + later), &[]).expect("up to 64 lists");
    }
    assert_eq!(name_of(forbid(&mut desk, governance, at(9), &[])), "TOO_MANY_PARAMETER_VALUES");
}

#[test]
fn lists_of_purposes_have_bounds() {
    let list = |purposes: &[&str], law: &str| ForbiddenPurposes {
        in_force_from: OPENING,
        purposes: purposes.iter().map(|purpose| (*purpose).to_owned()).collect(),
        law: law.to_owned(),
    };
    let many: Vec<String> = (10..75).map(|number| format!("p-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (list, field) in [
        (list(&["b", "a"], "a law"), "purposes"),
        (list(&["a", "a"], "a law"), "purposes"),
        (list(&many, "a law"), "purposes"),
        (list(&[""], "a law"), "purposes[0]"),
        (list(&["a", "b c"], "a law"), "purposes[1]"),
        (list(&["a"], ""), "law"),
    ] {
        assert_eq!(list.check().expect_err(field).field, field);
    }
    assert!(list(&many[1..], "a law").check().is_ok(), "64 of them");
}
