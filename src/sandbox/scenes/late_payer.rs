//! A late payer: the buyer does not pay, and time alone ages the loan, from one bucket into the next, until its lender declares
//! the default, writes it off, and has something of it after all.
//!
//! The months pass for the ledger's clock: the four validators are stopped and started again with it set ahead, as
//! `[rehearsal]` of their configuration has it. Nothing else is done to them.

use super::lending::{self, plain_terms, requesting};
use super::market::{self, units};
use super::trade::{self, Trade};
use crate::client::lineage::LineageStep;
use crate::client::ubl::UblInvoice;
use crate::client::{Settled, operations};
use crate::ledger::receipt::Subject;
use crate::primitives::{Amount, Day, ObjectId};
use crate::sandbox::SandboxError;
use crate::sandbox::documents::Document;
use crate::sandbox::stage::{Stage, amount_of, bucket_name, owed};
use crate::wire::pb::financing::LoanBucket;

/// On how many days late the story looks, and how late the loan is then.
const LOOKS: [(u32, LoanBucket); 4] =
    [(1, LoanBucket::Days1To30), (31, LoanBucket::Days31To60), (61, LoanBucket::Days61To90), (91, LoanBucket::Over90)];

/// Plays it.
///
/// # Errors
/// The first step that does not go as it must.
pub async fn play(stage: &mut Stage<'_>, invoice: &Document<UblInvoice>) -> Result<(), SandboxError> {
    stage.chapter("An invoice that the buyer owes, and a loan on it without recourse to the supplier");
    let (token, amount) = market::trade_token(stage, invoice).await?;
    market::fund(stage, (token, amount)).await?;
    stage.begin_story().await?;
    let trade = trade::prepare(stage, invoice).await?;
    let receivable = trade::register_invoice(stage, invoice, &trade, None).await?;
    trade::confirm_invoice(stage, receivable).await?;
    let mut terms = plain_terms("WITHOUT-RECOURSE", &trade);
    terms.recourse = false;
    let programme = lending::publish(stage, "financier", terms).await?;
    let advance = trade::hundredths(&trade, 80)?;
    let sentence = format!("the supplier asks for {}, and has it", stage.money(advance, token));
    let request = requesting((receivable, programme), advance, Vec::new());
    let loan = lending::borrow(stage, ("supplier", "request-financing"), &sentence, request).await?;
    lending::tell_loan(stage, loan).await?;
    stage.note_state("financed", "invoice", receivable, Some(loan)).await?;

    let due_on = stage.loan(loan).await?.due_on;
    stage.chapter(&format!("{due_on} comes, and the buyer does not pay"));
    for (days_late, bucket) in LOOKS {
        wait_until(stage, loan, &due_on, (days_late, bucket)).await?;
        stage.note_state(&format!("{} late", days(days_late)), "invoice", receivable, Some(loan)).await?;
        if bucket == LoanBucket::Days61To90 {
            let sentence = "the financier would declare the default now";
            let early = operations::declare_default(loan);
            stage.decline("financier", "default-too-early", sentence, early, "LOAN_NOT_LATE_ENOUGH").await?;
        }
    }

    stage.chapter("What the lender makes of it");
    let (written_off, recovered) = give_up(stage, &trade, receivable, loan).await?;
    stage.chapter("The buyer pays after all");
    let paid = lending::pay_invoice(stage, "pay-invoice", &trade, (receivable, trade.amount)).await?;
    stage.note_state("paid by the buyer", "invoice", receivable, Some(loan)).await?;
    tell_recovery(stage, &trade, loan).await?;
    require_parts(stage, &trade, &written_off, [&recovered, &paid])?;
    lending::prove_lineage(stage, loan).await
}

/// A count of days, as people write it.
fn days(count: u32) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}

/// Lets the days pass, and tells what the ledger made of them by itself.
async fn wait_until(
    stage: &mut Stage<'_>,
    loan: ObjectId,
    due_on: &str,
    (days_late, bucket): (u32, LoanBucket),
) -> Result<(), SandboxError> {
    let day = due_on.parse().ok().and_then(Day::of).and_then(|day| day.checked_add(days_late));
    let day = day.ok_or_else(|| SandboxError::Internal(format!("'{due_on}' is no day that the calendar has")))?;
    // The first moment of a day in UTC is its morning in Hong Kong, by whose days the loan runs.
    stage.move_clock_to(day.starts_at().0).await?;
    let found = stage.loan(loan).await?;
    if found.bucket() != bucket {
        return Err(SandboxError::Unexpected {
            step: format!("{days_late} days late"),
            expected: bucket_name(bucket).to_owned(),
            found: bucket_name(found.bucket()).to_owned(),
        });
    }
    let history = stage.reading_as("financier")?.lineage(loan).await?;
    let fell_due = |step: &&LineageStep| step.relation.is_empty() && step.receipt.subject() == Subject::FellDue;
    let own = history.steps.iter().filter(fell_due);
    let aged = own.last().map(|step| (step.events.join(", "), step.height));
    let (event, height) =
        aged.ok_or_else(|| SandboxError::Internal("the loan's history tells no ageing".to_owned()))?;
    let token = found.token_id.parse().map_err(|_| SandboxError::Internal("a loan's token has no name".to_owned()))?;
    let money = |amount: u64| stage.money(Amount::new(amount), token);
    stage.output.note(&format!("  {day}, {} late", days(days_late)));
    stage.tell(&format!(
        "Block {height} has the event {event}, which nobody sent: the loan is {}.",
        bucket_name(bucket)
    ));
    stage.tell(&format!(
        "Owed now: {}, of which principal {}, fee {}, interest {}.",
        stage.money(owed(&found), token),
        money(found.principal),
        money(found.fee_owed),
        money(found.interest_owed)
    ));
    Ok(())
}

/// Default, write-off, and a first recovery from outside of the ledger.
async fn give_up(
    stage: &mut Stage<'_>,
    trade: &Trade,
    receivable: ObjectId,
    loan: ObjectId,
) -> Result<(Settled, Settled), SandboxError> {
    let sentence = "the financier declares the default";
    stage.apply("financier", "declare-default", sentence, operations::declare_default(loan)).await?;
    stage.note_state("default declared", "invoice", receivable, Some(loan)).await?;
    let sentence = "the financier writes the loan off: what is owed stays owed, and bears no more interest";
    let written_off = stage.apply("financier", "write-off", sentence, operations::write_off_loan(loan)).await?;
    let of_it = lending::parts(stage, trade, &written_off, "financing.loan_written_off")?;
    stage.tell(&format!("Written off: {of_it}."));
    stage.note_state("written off", "invoice", receivable, Some(loan)).await?;
    let amount = units(stage, trade.token, 5_000);
    let sentence = format!("the financier records what came in elsewhere, {}", stage.money(amount, trade.token));
    let operation = operations::record_recovery(loan, amount);
    let recovered = stage.apply("financier", "record-recovery", &sentence, operation).await?;
    let of_it = lending::parts(stage, trade, &recovered, "financing.loan_repaid")?;
    stage.tell(&format!("It is {of_it}: of what was written off the principal comes first."));
    stage.note_state("recovered in part", "invoice", receivable, Some(loan)).await?;
    Ok((written_off, recovered))
}

/// Holds what came in to what was written off, each part by itself: a fee stays a fee to the end, and interest is interest.
fn require_parts(
    stage: &Stage<'_>,
    trade: &Trade,
    written_off: &Settled,
    came_in: [&Settled; 2],
) -> Result<(), SandboxError> {
    let mut told = Vec::new();
    for part in ["principal", "fee", "interest"] {
        let mut sum = Amount::ZERO;
        for settled in came_in {
            sum = sum.checked_add(amount_of(settled, "financing.loan_repaid", part)?).ok_or_else(market::overflow)?;
        }
        let lost = amount_of(written_off, "financing.loan_written_off", part)?;
        if sum != lost {
            let [expected, found] = [lost, sum].map(|amount| format!("{part} of {}", stage.money(amount, trade.token)));
            return Err(SandboxError::Unexpected { step: "pay-invoice".to_owned(), expected, found });
        }
        told.push(format!("{part} {}", stage.money(sum, trade.token)));
    }
    stage.tell(&format!("Part by part that is what came in: {}.", told.join(", ")));
    Ok(())
}

async fn tell_recovery(stage: &Stage<'_>, trade: &Trade, loan: ObjectId) -> Result<(), SandboxError> {
    let found = stage.loan(loan).await?;
    let money = |amount: u64| stage.money(Amount::new(amount), trade.token);
    let told = format!("Written off {}, recovered {}.", money(found.written_off), money(found.recovered));
    match found.written_off == found.recovered {
        true => stage.tell(&told),
        false => {
            let expected = "all that was written off recovered".to_owned();
            return Err(SandboxError::Unexpected { step: "pay-invoice".to_owned(), expected, found: told });
        }
    }
    Ok(())
}
