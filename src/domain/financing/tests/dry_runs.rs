//! Dry runs: the highest advance is the last that a request is not declined for, and all that stands against it is named.

use super::desk::{Desk, amount};
use super::settlements::record;
use crate::domain::financing::{
    Application, AttestLenderCapital, CapitalFigures, Condition, DryRun, LenderKind, Parameter, ParameterValue,
    RequestFinancing, Shown, set_parameter, settlement_record,
};
use crate::domain::market::OPENING;
use crate::ledger::{Changes, Context, Reason, Role};
use crate::primitives::{Amount, BlockTime, ChainId, ObjectId, RequestId};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What the programme would pay the supplier for a receivable now, without citations or with the desk's good one.
fn dry_run(desk: &mut Desk, receivable: ObjectId, cited: bool) -> Result<DryRun, Reason> {
    let citations = if cited { record(&mut desk.market) } else { Vec::new() };
    let (supplier, token, signers) = (desk.market.supplier, desk.market.token, BTreeSet::new());
    let context = Context {
        chain_id: ChainId([0xcc; 32]),
        height: 1,
        now: desk.market.stage.now,
        sender: supplier,
        request_id: RequestId([0; 16]),
        operation_index: 0,
        signers: &signers,
    };
    let changes = Changes::new(&desk.market.stage.view);
    let shown = Shown { citations: &citations, foreign_receipts: &[], networks: &[] };
    let record = |_: &_, _: &_| settlement_record(&shown, (supplier, token), &context, &changes);
    Application::read((receivable, desk.programme), "", record, &context, &changes)?.dry_run(&changes)
}

fn rule(desk: &mut Desk, parameter: Parameter, value: u64) {
    let value = ParameterValue { in_force_from: BlockTime(0), value, law: "a law".to_owned() };
    desk.market.stage.edit(|changes| set_parameter(changes, parameter, value).expect("the first"));
}

fn attest(desk: &mut Desk, kind: LenderKind, units: u64) {
    let auditor = desk.market.stage.open(40, None, &[Role::Auditor]);
    let all = amount(units);
    let figures = CapitalFigures {
        lent: amount(0),
        kind,
        as_of: OPENING,
        net_assets: all,
        loan_funding: all,
        bond_funding: all,
        capital: all,
        risk_weighted_assets: all,
        exposures: all,
    };
    let operation = AttestLenderCapital { lender: desk.market.financiers[0], token: desk.market.token, figures };
    let performed = desk.market.stage.perform(&[auditor], |context, changes| operation.plan(context, changes));
    performed.expect("by an auditor");
}

fn ask(desk: &mut Desk, receivable: ObjectId, units: u64) -> Result<(), Reason> {
    let citations = record(&mut desk.market);
    let operation = RequestFinancing {
        receivable,
        programme: desk.programme,
        advance: amount(units),
        purpose: String::new(),
        citations,
        foreign_receipts: Vec::new(),
    };
    desk.request(&operation).map(drop)
}

proptest! {
    /// Whatever the limits and the rules are, the highest advance is granted and one minor unit more is declined.
    #[test]
    fn the_highest_advance_is_the_last_that_is_granted(
        owed in 1_000u64..50_000,
        per_invoice in 0u64..60_000,
        total in 0u64..60_000,
        fee_flat in 0u64..300,
        advance_rate_bps in 5_000u32..=10_000,
        share_bps in 0u32..3_000,
        joint_limit in 0u64..20_000,
        borrower_share_bps in 0u64..20_000,
    ) {
        let mut desk = Desk::open_with(|terms| {
            (terms.limits.per_invoice, terms.limits.total) = (amount(per_invoice), amount(total));
            (terms.pricing.fee_flat, terms.advance_rate_bps) = (amount(fee_flat), advance_rate_bps);
        });
        let other = desk.market.financiers[1];
        desk.join(other, share_bps, joint_limit).expect("within the programme's participation");
        rule(&mut desk, Parameter::BorrowerShareMax, borrower_share_bps);
        attest(&mut desk, LenderKind::SmallLoan, 30_000);
        let receivable = desk.market.confirmed(1, owed);
        let found = dry_run(&mut desk, receivable, true).expect("it can be asked for");
        let highest = found.advance.minor_units();
        prop_assert_eq!(highest == 0, !found.against.is_empty(), "{:?}", found.against);
        prop_assert!(ask(&mut desk, receivable, highest + 1).is_err(), "{highest} is not the highest");
        if highest > 0 {
            prop_assert_eq!(found.offer.terms.advance, found.advance);
            ask(&mut desk, receivable, highest).expect("the highest is granted");
        }
    }
}

#[test]
fn all_that_stands_against_it_is_named_with_figure_limit_and_law() {
    let mut desk = Desk::open_with(|terms| terms.tenor_days_max = 30);
    rule(&mut desk, Parameter::AllInCostMax, 2_400);
    rule(&mut desk, Parameter::CapitalAttestationAgeMax, 2);
    let receivable = desk.market.confirmed(1, 20_000);
    let found = dry_run(&mut desk, receivable, false).expect("it can be asked for");
    let against: Vec<_> = found.against.iter().map(|one| (one.name, one.law.as_str())).collect();
    assert_eq!(
        against,
        [
            ("tenor_days", ""),
            ("settlements", ""),
            ("settlements_sum", ""),
            ("all-in-cost-bps-max", "a law"),
            ("capital-attestation-age-days-max", "a law"),
        ]
    );
    let cost = &found.against[3];
    let bps = found.offer.terms.all_in_cost_bps;
    let figure = format!("{}.{:02} %", bps / 100, bps % 100);
    assert_eq!((&cost.found, cost.required.as_str()), (&figure, "24.00 % at most"));
    // The limits leave room: what stands against it is nothing that a smaller advance would meet.
    assert_eq!(found.advance, amount(18_000));
}

#[test]
fn no_room_is_told_by_what_leaves_none() {
    let mut desk = Desk::open_with(|terms| terms.limits.total = amount(10_000));
    rule(&mut desk, Parameter::AllInCostMax, 2_600);
    desk.lent();
    let receivable = desk.market.confirmed(2, 20_000);
    let found = dry_run(&mut desk, receivable, true).expect("it can be asked for");
    assert!(found.advance.is_zero());
    assert_eq!(found.against.iter().map(|one| one.name).collect::<Vec<_>>(), ["total"]);
    assert_eq!(found.against[0].to_string(), "total: more, must be 100.00 HKDX at most");
}

/// What others' loans come to, and what a lender has, is told to that lender: to anybody else the limit, and that it does not hold.
#[test]
fn a_lenders_figures_are_told_to_the_lender_and_to_nobody_else() {
    let mut desk = Desk::open_with(|terms| terms.limits.per_obligor = amount(10_000));
    let financier = desk.market.financiers[0];
    desk.lent();
    attest(&mut desk, LenderKind::ConsumerFinance, 30_000);
    rule(&mut desk, Parameter::CapitalAdequacyMin, 20_000);
    let receivable = desk.market.confirmed(2, 20_000);
    let found = dry_run(&mut desk, receivable, true).expect("it can be asked for");
    let told = |sees: bool| -> Vec<_> {
        let against = found.against.iter().cloned();
        against.map(|one| one.told_to(|lender| sees && lender == financier)).collect()
    };
    let [own, others] = [true, false].map(told);
    let figures = |told: &[Condition]| -> Vec<(&'static str, String, Option<u64>)> {
        let amount = |one: &Condition| one.amounts?.found.map(Amount::minor_units);
        told.iter().map(|one| (one.name, one.found.clone(), amount(one))).collect()
    };
    let capital = Parameter::CapitalAdequacyMin.name();
    assert_eq!(
        figures(&own),
        [("per_obligor", "100.01 HKDX".to_owned(), Some(10_001)), (capital, format!("74.99 % of {financier}"), None),]
    );
    assert_eq!(
        figures(&others),
        [("per_obligor", "more".to_owned(), None), (capital, format!("{financier} has less"), None)]
    );
    let limits = |told: &[Condition]| -> Vec<(String, String)> {
        told.iter().map(|one| (one.required.clone(), one.law.clone())).collect()
    };
    assert_eq!(limits(&own), limits(&others));
    // As it stands in the outcome of a request that is declined.
    let recorded = |told: &[Condition]| -> Vec<String> { told.iter().map(ToString::to_string).collect() };
    assert_eq!(recorded(&found.against), recorded(&others));
}

/// A lender that has not got its part: said of the highest advance, with what the part is, and never how much there is.
#[test]
fn an_offer_that_a_lender_cannot_pay_out_is_told_to_be_one() {
    let mut desk = Desk::open();
    let receivable = desk.market.confirmed(1, 20_000);
    let (financier, buyer, token) = (desk.market.financiers[0], desk.market.buyer, desk.market.token);
    let leave = |desk: &mut Desk, units: u64| {
        let rest = amount(desk.available(financier) - units);
        desk.market.stage.edit(|changes| changes.transfer(token, financier, buyer, rest).expect("it is there"));
    };
    leave(&mut desk, 18_000);
    assert_eq!(dry_run(&mut desk, receivable, true).expect("it can be asked for").against, []);
    leave(&mut desk, 17_999);
    let found = dry_run(&mut desk, receivable, true).expect("it can be asked for");
    assert_eq!(found.advance, amount(18_000), "the advance is not what the lender has");
    let [against] = &found.against[..] else { panic!("{:?}", found.against) };
    assert_eq!((against.name, against.required.as_str()), ("lender_funds", "180.00 HKDX at least"));
    assert!(against.found.contains(&financier.to_string()) && against.amounts.is_some_and(|told| told.found.is_none()));
    assert_eq!(ask(&mut desk, receivable, 18_000).expect_err("so it is").name(), "INSUFFICIENT_FUNDS");
    ask(&mut desk, receivable, 17_999).expect("a smaller advance is paid out");
}

#[test]
fn a_dry_run_is_refused_as_a_request_is() {
    let mut desk = Desk::open();
    let invoice = desk.market.invoice(1, 20_000);
    let receivable = desk.market.register(invoice).expect("a fresh fingerprint");
    assert_eq!(dry_run(&mut desk, receivable, true).expect_err("nobody owes it").name(), "RECEIVABLE_NOT_CONFIRMED");
    let financier = desk.market.financiers[0];
    let receivable = desk.market.confirmed(2, 20_000);
    desk.close_as(financier).expect("it is open");
    assert_eq!(dry_run(&mut desk, receivable, true).expect_err("it is closed").name(), "PROGRAMME_CLOSED");
}
