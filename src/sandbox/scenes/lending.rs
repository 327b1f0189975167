//! How a receivable becomes money in these stories: a programme that is published, a request that its rules grant, the buyer's
//! payment that reaches the lenders first, and the proof of where a loan comes from.

use super::market;
use super::trade::Trade;
use crate::client::Settled;
use crate::client::operations::{self, Citation, NewFinancingRequest, NewProgramme, Operation};
use crate::primitives::amount::percent;
use crate::primitives::{Amount, ObjectId};
use crate::sandbox::SandboxError;
use crate::sandbox::cast;
use crate::sandbox::report::counted;
use crate::sandbox::stage::{Stage, amount_of, effects};
use crate::wire::pb::financing::EvidenceRequired;
use std::time::Duration;

/// A programme's plainest terms: up to 90 % of what is outstanding, for a year at most, at 8 % and, once it is late, 12 %, with
/// a fee of 0.5 %, and without asking for more than the buyer's confirmation.
pub fn plain_terms(name: &str, trade: &Trade) -> NewProgramme {
    NewProgramme {
        name: name.to_owned(),
        token: trade.token,
        buyers: Vec::new(),
        suppliers: Vec::new(),
        advance_rate_bps: 9_000,
        tenor_days_max: 365,
        rate_bps: 800,
        late_rate_bps: 1_200,
        fee_bps: 50,
        limit: trade.amount,
        settlements_min: 0,
        settlements_late_days_max: 0,
        order_agreed: false,
        shipment_step: None,
        shipment_age_days_max: None,
        near_duplicates_max: None,
        networks: Vec::new(),
        purposes: Vec::new(),
        recourse: true,
        participation_bps_max: 0,
        utc_offset_minutes: cast::UTC_OFFSET_MINUTES.into(),
        holidays: Vec::new(),
    }
}

/// A financier publishes a programme.
///
/// # Errors
/// It is not published.
pub async fn publish(stage: &mut Stage<'_>, who: &str, terms: NewProgramme) -> Result<ObjectId, SandboxError> {
    let sentence = format!("the {who} publishes a programme: who meets its terms is financed at once");
    let step = if who == "financier" { "publish-programme".to_owned() } else { format!("publish-programme-{who}") };
    let programme = stage.create(who, &step, &sentence, operations::publish_programme(terms)).await?;
    tell_terms(stage, programme).await?;
    Ok(programme)
}

/// Tells a programme's terms, as the node has them.
async fn tell_terms(stage: &Stage<'_>, programme: ObjectId) -> Result<(), SandboxError> {
    let terms = stage.reading_as("observer")?.programme(programme).await?.terms.unwrap_or_default();
    let (pricing, limits) = (terms.pricing.unwrap_or_default(), terms.limits.unwrap_or_default());
    let token = market::token(&terms.token_id)?;
    stage.tell(&format!(
        "Price: {} a year, {} once it is late, a fee of {}; {} recourse to the borrower.",
        percent(pricing.rate_bps.into()),
        percent(pricing.late_rate_bps.into()),
        percent(pricing.fee_bps.into()),
        if terms.recourse { "with" } else { "without" }
    ));
    stage.tell(&format!(
        "Advance: up to {} of what is outstanding, for up to {} days, {} in all.",
        percent(terms.advance_rate_bps.into()),
        terms.tenor_days_max,
        stage.money(Amount::new(limits.total), token)
    ));
    stage.tell(&format!("Evidence: {}.", evidence(&terms.evidence.unwrap_or_default())));
    Ok(())
}

/// What a programme asks to be shown.
fn evidence(required: &EvidenceRequired) -> String {
    let mut asked = Vec::new();
    if required.buyer_confirmed {
        asked.push("the buyer's confirmation".to_owned());
    }
    if required.order_agreed {
        asked.push("an agreed order".to_owned());
    }
    if required.shipment_step != 0 {
        let step = required.shipment_step().as_str_name().trim_start_matches("BUSINESS_STEP_").to_lowercase();
        asked.push(format!("{step} recorded by a carrier"));
    }
    match required.settlements_min {
        0 => {}
        count => asked.push(counted(count as usize, "settlement receipt")),
    }
    if asked.is_empty() { "none".to_owned() } else { asked.join(", ") }
}

/// Tells what a loan comes to beside the receivable that secures it, as the nodes have both.
///
/// # Errors
/// No node answers.
pub async fn tell_loan(stage: &Stage<'_>, loan: ObjectId) -> Result<(), SandboxError> {
    let found = stage.loan(loan).await?;
    let token = market::token(&found.token_id)?;
    let receivable = ObjectId::from_slice(&found.receivable_id)
        .ok_or_else(|| SandboxError::Internal("a receivable's id is not 32 bytes".to_owned()))?;
    let receivable = stage.reading_as("observer")?.receivable(receivable).await?;
    let money = |amount: u64| stage.money(Amount::new(amount), token);
    let share_bps = Amount::new(found.advance).scale_down(10_000, receivable.amount).unwrap_or_default();
    stage.tell(&format!(
        "Lent: {} on a receivable of {}, {} of it.",
        money(found.advance),
        money(receivable.amount),
        percent(share_bps.minor_units())
    ));
    stage.tell(&format!("Due on {}, at {} a year, all in.", found.due_on, percent(found.all_in_cost_bps.into())));
    Ok(())
}

/// What asks for a loan.
pub fn requesting(
    (receivable, programme): (ObjectId, ObjectId),
    advance: Amount,
    citations: Vec<Citation>,
) -> NewFinancingRequest {
    let (purpose, foreign_receipts) = (String::new(), Vec::new());
    NewFinancingRequest { receivable, programme, advance, purpose, citations, foreign_receipts }
}

/// An owner of a receivable asks for a loan on it, and has it. Gives the loan.
///
/// # Errors
/// It is not granted.
pub async fn borrow(
    stage: &mut Stage<'_>,
    (who, step): (&str, &str),
    sentence: &str,
    request: NewFinancingRequest,
) -> Result<ObjectId, SandboxError> {
    let mut draft = stage.draft(who)?;
    let loan = draft.add(operations::request_financing(request)).object_id();
    stage.settle(step, sentence, draft, &[], crate::sandbox::stage::Expect::Applied).await?;
    Ok(loan)
}

/// The same of who must not have it, for a reason.
///
/// # Errors
/// It is granted, or declined for another reason.
pub async fn borrow_in_vain(
    stage: &mut Stage<'_>,
    (who, step): (&str, &str),
    sentence: &str,
    request: NewFinancingRequest,
    reason: &'static str,
) -> Result<(), SandboxError> {
    let operation: Operation = operations::request_financing(request);
    stage.decline(who, step, sentence, operation, reason).await.map(drop)
}

/// The buyer pays an invoice, or a part of one, and it is told who received what.
///
/// # Errors
/// It does not.
pub async fn pay_invoice(
    stage: &mut Stage<'_>,
    step: &str,
    trade: &Trade,
    (receivable, amount): (ObjectId, Amount),
) -> Result<Settled, SandboxError> {
    let sentence = format!("the buyer pays {}", stage.money(amount, trade.token));
    let payment = operations::pay_invoice(receivable, amount, &format!("PAY-{}", trade.facts.number));
    let settled = stage.apply("buyer", step, &sentence, payment).await?;
    tell_division(stage, trade, &settled)?;
    Ok(settled)
}

/// Tells of the payment of an invoice who received what, as its receipt has it.
fn tell_division(stage: &Stage<'_>, trade: &Trade, settled: &Settled) -> Result<(), SandboxError> {
    let money = |amount: Amount| stage.money(amount, trade.token);
    if effects(settled, "financing.loan_repaid").next().is_some() {
        let told = parts(stage, trade, settled, "financing.loan_repaid")?;
        let amount = money(amount_of(settled, "financing.loan_repaid", "amount")?);
        stage.tell(&format!("The lenders first: {amount}, of which {told}."));
    }
    let to_owner = amount_of(settled, "financing.invoice_paid", "to_owner")?;
    if !to_owner.is_zero() {
        stage.tell(&format!("What is left reaches the receivable's owner: {}.", money(to_owner)));
    }
    Ok(())
}

/// Of an effect on a loan, what is principal, what fee and what interest. Each is counted apart from the loan's first day to its last.
///
/// # Errors
/// The receipt does not tell.
pub fn parts(
    stage: &Stage<'_>,
    trade: &Trade,
    settled: &Settled,
    effect: &'static str,
) -> Result<String, SandboxError> {
    let of = |field: &str| amount_of(settled, effect, field).map(|amount| stage.money(amount, trade.token));
    Ok(format!("principal {}, fee {}, interest {}", of("principal")?, of("fee")?, of("interest")?))
}

/// Reads where a loan comes from, verifies every step of it offline, and keeps it as a file.
///
/// # Errors
/// A step does not hold.
pub async fn prove_lineage(stage: &Stage<'_>, loan: ObjectId) -> Result<(), SandboxError> {
    let internal = |error: crate::client::lineage::LineageError| SandboxError::Internal(error.to_string());
    let lineage = stage.reading_as("financier")?.lineage(loan).await?;
    lineage.verify(&stage.trust()).map_err(internal)?;
    stage.tell("Where the loan comes from, as the node tells it and the receipts prove it:");
    for step in &lineage.steps {
        let of = if step.relation.is_empty() { "loan" } else { &step.relation };
        stage.tell(&format!("  block {:>4}  {of:<12} {}", step.height, step.summary()));
    }
    let path = stage.directory.receipt(stage.height().await?, "lineage");
    lineage.write(&path).map_err(internal)?;
    let steps = counted(lineage.steps.len(), "step");
    stage.tell(&format!("{steps} proven offline, each with its receipt and its block's reserves."));
    stage.tell(&format!("Kept in {}", path.display()));
    Ok(())
}

/// Tells how long it took from the carrier's event to the money.
pub fn tell_time(stage: &mut Stage<'_>, took: Duration) {
    let took_ms = took.as_secs_f64() * 1_000.0;
    stage.report.event_to_money_ms = Some(took_ms);
    stage.tell(&format!("From the carrier's event to the money on the supplier's account: {took_ms:.0} ms."));
}
