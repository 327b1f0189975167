//! A joint loan: two lenders with fixed shares, of which the originator's is at least what the law asks for; a repayment that
//! is divided to the minor unit; and a credit note, which takes off what no loan claims.

use super::lending::{self, plain_terms, requesting};
use super::market::{self, overflow};
use super::trade::{self, Trade};
use crate::client::ubl::UblInvoice;
use crate::client::{Settled, decimal, operations};
use crate::domain::trade::{IssueCreditNote, document_commitment, fingerprint};
use crate::ledger::Value;
use crate::primitives::{AccountId, Amount, ObjectId};
use crate::sandbox::SandboxError;
use crate::sandbox::cast::CO_FINANCIER;
use crate::sandbox::documents::Document;
use crate::sandbox::stage::{Expect, Stage, amount_of, effects};
use crate::wire::pb::financing::LoanLeg;

/// The co-financier's share of each loan.
const SHARE_BPS: u32 = 3_333;
/// A share that would leave the originator less than the floor.
const SHARE_BPS_TOO_MUCH: u32 = 7_500;
/// What the originator would let others take of each loan: more than the law does.
const PARTICIPATION_BPS_MAX: u32 = 8_000;

/// Plays it.
///
/// # Errors
/// The first step that does not go as it must.
pub async fn play(stage: &mut Stage<'_>, invoice: &Document<UblInvoice>) -> Result<(), SandboxError> {
    stage.chapter("Money for the buyer and for two lenders, and an invoice");
    let (token, amount) = market::trade_token(stage, invoice).await?;
    market::open_account(stage, &CO_FINANCIER, CO_FINANCIER.legal_entity_id).await?;
    market::fund(stage, (token, amount)).await?;
    market::fund_lender(stage, CO_FINANCIER.name, CO_FINANCIER.bank, (token, amount)).await?;
    stage.begin_story().await?;
    let trade = trade::prepare(stage, invoice).await?;
    let receivable = trade::register_invoice(stage, invoice, &trade, None).await?;
    trade::confirm_invoice(stage, receivable).await?;
    stage.note_state("confirmed by the buyer", "invoice", receivable, None).await?;

    stage.chapter("Who lends how much");
    let programme = share(stage, &trade).await?;
    // A minor unit more than a round sum, so that something is left to be divided.
    let advance = trade::hundredths(&trade, 80)?.checked_add(Amount::new(1)).ok_or_else(overflow)?;
    let sentence = format!("the supplier asks for {}: both lend, or neither", stage.money(advance, token));
    let request = requesting((receivable, programme), advance, Vec::new());
    let loan = lending::borrow(stage, ("supplier", "request-financing"), &sentence, request).await?;
    lending::tell_loan(stage, loan).await?;
    for leg in legs(stage, loan).await? {
        stage.tell(&format!("{} lends {}.", name(stage, &leg)?, stage.money(Amount::new(leg.lent), token)));
    }
    stage.note_state("financed by both", "invoice", receivable, Some(loan)).await?;

    stage.chapter("A part of it comes back");
    let part = market::units(stage, token, 10_000).checked_add(Amount::new(1)).ok_or_else(overflow)?;
    let paid = lending::pay_invoice(stage, "pay-part", &trade, (receivable, part)).await?;
    tell_parts(stage, &trade, loan, &paid).await?;
    stage.note_state("paid in part", "invoice", receivable, Some(loan)).await?;

    stage.chapter("Goods come back, too");
    credit(stage, invoice, &trade, receivable).await?;
    stage.note_state("credited", "invoice", receivable, Some(loan)).await?;

    stage.chapter("The buyer pays the rest");
    let left = stage.reading_as("buyer")?.receivable(receivable).await?.outstanding;
    lending::pay_invoice(stage, "pay-rest", &trade, (receivable, Amount::new(left))).await?;
    stage.note_state("paid", "invoice", receivable, Some(loan)).await?;
    require_whole(stage, &trade, loan).await
}

/// The financier publishes, and the co-financier joins: first with too much, then with what the law leaves it.
async fn share(stage: &mut Stage<'_>, trade: &Trade) -> Result<ObjectId, SandboxError> {
    let mut terms = plain_terms("JOINT", trade);
    terms.participation_bps_max = PARTICIPATION_BPS_MAX;
    let programme = lending::publish(stage, "financier", terms).await?;
    let too_much = operations::join_programme(programme, SHARE_BPS_TOO_MUCH, trade.amount);
    let sentence =
        "the co-financier would take 75 % of each loan, which leaves the originator less than the floor of 30 %";
    let expect = Expect::Declined("OWN_SHARE_BELOW_FLOOR");
    join(stage, ("join-with-too-much", sentence), too_much, expect).await?;
    let joining = operations::join_programme(programme, SHARE_BPS, trade.amount);
    let sentence = "the co-financier takes 33.33 % of each loan";
    join(stage, ("join-programme", sentence), joining, Expect::Applied).await?;
    Ok(programme)
}

/// The co-financier joins, and the financier, whose programme it is, signs too.
async fn join(
    stage: &mut Stage<'_>,
    (step, sentence): (&str, &str),
    joining: operations::Operation,
    expect: Expect,
) -> Result<(), SandboxError> {
    let mut draft = stage.draft(CO_FINANCIER.name)?;
    draft.add(joining);
    stage.settle(step, sentence, draft, &["financier"], expect).await.map(drop)
}

/// A loan's parts, the originator's first.
async fn legs(stage: &Stage<'_>, loan: ObjectId) -> Result<Vec<LoanLeg>, SandboxError> {
    Ok(stage.loan(loan).await?.legs)
}

fn lender(leg: &LoanLeg) -> Result<AccountId, SandboxError> {
    AccountId::from_slice(&leg.lender_account_id)
        .ok_or_else(|| SandboxError::Internal("a lender's account is not 32 bytes".to_owned()))
}

fn name(stage: &Stage<'_>, leg: &LoanLeg) -> Result<String, SandboxError> {
    Ok(format!("The {}", stage.name_of(lender(leg)?)))
}

/// Tells how the payment was divided, and holds it to the rule: a participant has its exact part, rounded up; the originator
/// has the rest.
async fn tell_parts(stage: &Stage<'_>, trade: &Trade, loan: ObjectId, paid: &Settled) -> Result<(), SandboxError> {
    let of =
        |field: &str| amount_of(paid, "financing.loan_repaid", field).map(|amount| u128::from(amount.minor_units()));
    let (principal, charges) = (of("principal")?, of("fee")? + of("interest")?);
    let parts = legs(stage, loan).await?;
    let advance: u128 = parts.iter().map(|leg| u128::from(leg.lent)).sum();
    for (place, leg) in parts.iter().enumerate() {
        let received = received_by(paid, lender(leg)?)?;
        let told = format!("{} receives {}", name(stage, leg)?, stage.money(received, trade.token));
        if place == 0 {
            stage.tell(&format!("{told}: the rest."));
            continue;
        }
        let lent = u128::from(leg.lent);
        // Principal and charges are each divided for themselves.
        let rounded_up = (principal * lent).div_ceil(advance) + (charges * lent).div_ceil(advance);
        if u128::from(received.minor_units()) != rounded_up {
            let expected = format!("{rounded_up} minor units for {}", name(stage, leg)?);
            let found = received.minor_units().to_string();
            return Err(SandboxError::Unexpected { step: "pay-part".to_owned(), expected, found });
        }
        let exact = |sum: u128| {
            let finer = u64::try_from(sum * lent * 10_000 / advance).unwrap_or(u64::MAX);
            decimal::format(Amount::new(finer), stage.scale(trade.token) + 4)
        };
        stage.tell(&format!(
            "{told}: exactly {} of the principal and {} of the charges, each rounded up.",
            exact(principal),
            exact(charges)
        ));
    }
    Ok(())
}

/// What a lender received, by the receipt of a payment.
fn received_by(paid: &Settled, lender: AccountId) -> Result<Amount, SandboxError> {
    let to_it = |effect: &&crate::ledger::Effect| effect.field("lender") == Some(&Value::Account(lender));
    match effects(paid, "financing.share_repaid").find(to_it).and_then(|effect| effect.field("amount")) {
        Some(Value::Amount(amount)) => Ok(*amount),
        _ => Err(SandboxError::Internal(format!("the receipt tells no part of {lender}"))),
    }
}

/// A credit note over more than no loan claims, and one within it.
async fn credit(
    stage: &mut Stage<'_>,
    invoice: &Document<UblInvoice>,
    trade: &Trade,
    receivable: ObjectId,
) -> Result<(), SandboxError> {
    let found = stage.reading_as("supplier")?.receivable(receivable).await?;
    let free = Amount::new(found.outstanding.saturating_sub(found.secured));
    let too_much = free.checked_add(Amount::new(1)).ok_or_else(overflow)?;
    let operation = crediting(stage, invoice, trade, (receivable, "A", too_much))?;
    let sentence = format!(
        "the supplier credits {}, a cent more than the loan leaves unclaimed",
        stage.money(too_much, trade.token)
    );
    stage.decline("supplier", "credit-too-much", &sentence, operation, "CREDIT_EXCEEDS_UNFINANCED").await?;
    let amount = free.min(trade::hundredths(trade, 5)?);
    let operation = crediting(stage, invoice, trade, (receivable, "B", amount))?;
    let sentence = format!("the supplier credits {} for goods that came back", stage.money(amount, trade.token));
    stage.apply("supplier", "issue-credit-note", &sentence, operation).await.map(drop)
}

/// What issues a credit note, of a document of our own.
fn crediting(
    stage: &Stage<'_>,
    invoice: &Document<UblInvoice>,
    trade: &Trade,
    (receivable, suffix, amount): (ObjectId, &str, Amount),
) -> Result<operations::Operation, SandboxError> {
    let number = format!("CN-{}-{suffix}", invoice.says.number);
    let written = decimal::format(amount, stage.scale(trade.token)).replace(',', "");
    let note = Document::own_credit_note(&invoice.says, &number, &written, stage.now_ms())?;
    let facts = note.says.facts(&trade.facts.supplier_legal_id, &trade.facts.buyer_legal_id);
    let facts = facts.map_err(|error| SandboxError::Invoice { document: note.name.clone(), why: error.to_string() })?;
    Ok(operations::issue_credit_note(&IssueCreditNote {
        receivable,
        amount,
        fingerprint: fingerprint(&trade.key, &facts),
        document_commitment: document_commitment(&trade::salt()?, &note.bytes),
    }))
}

/// Holds the end to the rule: each lender has what it lent, to the minor unit.
async fn require_whole(stage: &Stage<'_>, trade: &Trade, loan: ObjectId) -> Result<(), SandboxError> {
    for leg in legs(stage, loan).await? {
        let money = |amount: u64| stage.money(Amount::new(amount), trade.token);
        let told = format!("{} has {} back", name(stage, &leg)?, money(leg.principal_received));
        if leg.principal_received != leg.lent {
            let expected = format!("{} back", money(leg.lent));
            return Err(SandboxError::Unexpected { step: "pay-rest".to_owned(), expected, found: told });
        }
        stage.tell(&format!("{told}, all that it lent, and {} for it.", money(leg.charges_received)));
    }
    Ok(())
}
