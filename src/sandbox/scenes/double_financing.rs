//! Double financing: one invoice, two financiers, and what keeps the second from paying for what the first has.

use super::lending::{self, plain_terms, requesting};
use super::market;
use super::trade::{self, Trade};
use crate::client::operations;
use crate::client::ubl::UblInvoice;
use crate::domain::trade::InvoiceFacts;
use crate::sandbox::SandboxError;
use crate::sandbox::cast::CO_FINANCIER;
use crate::sandbox::documents::Document;
use crate::sandbox::stage::Stage;

/// Plays it.
///
/// # Errors
/// The first step that does not go as it must.
pub async fn play(stage: &mut Stage<'_>, invoice: &Document<UblInvoice>) -> Result<(), SandboxError> {
    stage.chapter("Money for the buyer and for two financiers");
    let (token, amount) = market::trade_token(stage, invoice).await?;
    market::open_account(stage, &CO_FINANCIER, CO_FINANCIER.legal_entity_id).await?;
    market::fund(stage, (token, amount)).await?;
    market::fund_lender(stage, CO_FINANCIER.name, CO_FINANCIER.bank, (token, amount)).await?;
    stage.begin_story().await?;

    stage.chapter("An invoice exists once");
    let trade = trade::prepare(stage, invoice).await?;
    let sentence = format!("the financier asks first: invoice {} is not on the ledger, certified", trade.facts.number);
    let absence = trade::certifying_absence(stage, &trade, &trade.facts)?;
    stage.apply("financier", "certify-absence", &sentence, absence).await?;
    let receivable = trade::register_invoice(stage, invoice, &trade, None).await?;
    stage.note_state("registered", "invoice", receivable, None).await?;
    trade::register_again(stage, invoice, &trade).await?;
    register_in_other_letters(stage, invoice, &trade).await?;
    trade::confirm_invoice(stage, receivable).await?;

    stage.chapter("It is financed once, whoever is asked");
    let advance = trade::hundredths(&trade, 90)?;
    let first = lending::publish(stage, "financier", plain_terms("FIRST", &trade)).await?;
    let second = lending::publish(stage, CO_FINANCIER.name, plain_terms("SECOND", &trade)).await?;
    let sentence = format!("the supplier asks the financier for {}, and has it", stage.money(advance, token));
    let request = requesting((receivable, first), advance, Vec::new());
    let loan = lending::borrow(stage, ("supplier", "request-financing"), &sentence, request.clone()).await?;
    lending::tell_loan(stage, loan).await?;
    stage.note_state("financed", "invoice", receivable, Some(loan)).await?;
    let (who, sentence) = (("supplier", "finance-again"), "the supplier asks the financier again");
    lending::borrow_in_vain(stage, who, sentence, request, "RECEIVABLE_ALREADY_FINANCED").await?;
    let sentence = "the supplier takes the same invoice to the co-financier";
    let request = requesting((receivable, second), advance, Vec::new());
    let who = ("supplier", "finance-elsewhere");
    lending::borrow_in_vain(stage, who, sentence, request, "RECEIVABLE_ALREADY_FINANCED").await?;
    let sentence =
        "the co-financier asks for itself whether the ledger has the invoice: it has, and the receipt says so";
    let absence = trade::certifying_absence(stage, &trade, &trade.facts)?;
    let reason = "FINGERPRINT_REGISTERED";
    stage.decline(CO_FINANCIER.name, "certify-absence-again", sentence, absence, reason).await?;

    stage.chapter("The same goods under another number");
    near_duplicate(stage, invoice, &trade).await?;

    stage.chapter("The buyer pays, once");
    lending::pay_invoice(stage, "pay-invoice", &trade, (receivable, trade.amount)).await?;
    stage.note_state("paid by the buyer", "invoice", receivable, Some(loan)).await
}

/// A number in small letters and with blanks around it is the same number.
async fn register_in_other_letters(
    stage: &mut Stage<'_>,
    invoice: &Document<UblInvoice>,
    trade: &Trade,
) -> Result<(), SandboxError> {
    let number = format!("  {} ", trade.facts.number.to_lowercase());
    let typed = Trade { facts: InvoiceFacts { number, ..trade.facts.clone() }, ..trade.clone() };
    let operation = trade::registering(stage, invoice, &typed, None)?;
    let sentence = format!("the supplier types its number as '{}'", typed.facts.number);
    let reason = "INVOICE_ALREADY_REGISTERED";
    stage.decline("supplier", "register-other-letters", &sentence, operation, reason).await.map(drop)
}

/// Another number makes another fingerprint: it is registered, counted as a near-duplicate, and the buyer rejects it.
async fn near_duplicate(
    stage: &mut Stage<'_>,
    invoice: &Document<UblInvoice>,
    trade: &Trade,
) -> Result<(), SandboxError> {
    let number = format!("{}-B", trade.facts.number);
    let copy = invoice.under_number(&number)?;
    let renamed = Trade { facts: InvoiceFacts { number: number.clone(), ..trade.facts.clone() }, ..trade.clone() };
    let operation = trade::registering(stage, &copy, &renamed, None)?;
    let sentence = format!("the supplier registers the same amount of the same day as invoice {number}");
    let receivable = stage.create("supplier", "register-near-duplicate", &sentence, operation).await?;
    let found = stage.reading_as("buyer")?.receivable(receivable).await?;
    // More than one where an earlier run left its own invoice of the same amount.
    if found.near_duplicates == 0 {
        let (expected, found) = ("flagged as a near-duplicate".to_owned(), "taken for like no other".to_owned());
        return Err(SandboxError::Unexpected { step: "register-near-duplicate".to_owned(), expected, found });
    }
    let likes = match found.near_duplicates {
        1 => "one other invoice of the pair has".to_owned(),
        count => format!("{count} other invoices of the pair have"),
    };
    stage.tell(&format!("It is flagged: {likes} its amount and about its day."));
    stage.note_state("registered under another number", "copy", receivable, None).await?;
    let sentence = "the buyer looks, owes nothing of the kind, and rejects it";
    stage.apply("buyer", "reject-near-duplicate", sentence, operations::reject_invoice(receivable)).await?;
    stage.note_state("rejected by the buyer", "copy", receivable, None).await
}
