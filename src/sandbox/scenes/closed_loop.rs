//! The closed loop: an order, the goods' departure, an invoice, a loan that nobody grants by hand, and its repayment.
//!
//! On the documents that `CAUSEWAY_DOCUMENTS` names, where they fit; else on the sandbox's own.

use super::lending::{self, plain_terms, requesting};
use super::market;
use super::trade::{self, AgreedOrder, Trade};
use crate::client::operations::{BusinessStep, NewFinancingRequest};
use crate::client::ubl::UblInvoice;
use crate::primitives::{ObjectId, TransactionId};
use crate::sandbox::SandboxError;
use crate::sandbox::documents::{Document, Documents};
use crate::sandbox::stage::Stage;
use std::time::Duration;

/// How many receipts of settlements the financier asks for.
const SETTLEMENTS: u32 = 3;

/// Plays it.
///
/// # Errors
/// The first step that does not go as it must.
pub async fn play(
    stage: &mut Stage<'_>,
    documents: &Documents,
    invoice: &Document<UblInvoice>,
) -> Result<(), SandboxError> {
    stage.chapter("Money: attested, issued by two people, and in the hands of the banks' customers");
    let token = market::trade_token(stage, invoice).await?;
    market::fund(stage, token).await?;
    stage.chapter("A record: three deliveries that the buyer paid at once");
    let paid = market::pay_three_times(stage, [token.0; 3]).await?;
    stage.begin_story().await?;

    stage.chapter("The order and the invoice");
    let trade = trade::prepare(stage, invoice).await?;
    let order = trade::agree_on_order(stage, documents, invoice, &trade).await?;
    let receivable = trade::register_invoice(stage, invoice, &trade, Some(order.id)).await?;
    stage.note_state("registered", "invoice", receivable, None).await?;
    trade::confirm_invoice(stage, receivable).await?;
    stage.note_state("confirmed by the buyer", "invoice", receivable, None).await?;

    stage.chapter("From the truck to the money");
    let request = offer(stage, &trade, receivable, &paid).await?;
    tell_what_is_missing(stage, &request).await?;
    let loan = ship_and_borrow(stage, documents, &order, request).await?;
    stage.note_state("financed by the programme", "invoice", receivable, Some(loan)).await?;

    stage.chapter("The buyer pays");
    lending::pay_invoice(stage, "pay-invoice", &trade, (receivable, trade.amount)).await?;
    stage.note_state("paid by the buyer", "invoice", receivable, Some(loan)).await?;
    lending::prove_lineage(stage, loan).await
}

/// The financier publishes what it asks for: an agreed order, the departure of the goods, three receipts of settlements. Gives
/// the request that shows them.
///
/// # Errors
/// A receipt is not cited, or the programme not published.
pub async fn offer(
    stage: &mut Stage<'_>,
    trade: &Trade,
    receivable: ObjectId,
    paid: &[TransactionId],
) -> Result<NewFinancingRequest, SandboxError> {
    let reader = stage.reading_as("supplier")?;
    let mut citations = Vec::new();
    for transaction in paid {
        citations.push(reader.citation(*transaction).await?);
    }
    let mut terms = plain_terms("RECEIVABLES", trade);
    (terms.settlements_min, terms.order_agreed) = (SETTLEMENTS, true);
    terms.shipment_step = Some(BusinessStep::Shipping);
    let programme = lending::publish(stage, "financier", terms).await?;
    Ok(requesting((receivable, programme), trade::hundredths(trade, 90)?, citations))
}

/// Asks the ledger what a request would come to now.
async fn tell_what_is_missing(stage: &Stage<'_>, request: &NewFinancingRequest) -> Result<(), SandboxError> {
    let assessment = stage.reading_as("supplier")?.assess_financing(request.clone()).await?;
    let missing: Vec<String> = assessment.failing.iter().map(|condition| condition.name.clone()).collect();
    stage.tell(&format!("Asked beforehand, the ledger says what is missing for the loan: {}.", missing.join(", ")));
    Ok(())
}

/// Plays the way from the order to the money so many times, each on documents of its own, and tells of each how long it took
/// from the carrier's event being sent to the receipt of the loan.
///
/// # Errors
/// The first step that does not go as it must.
pub async fn time_loans(stage: &mut Stage<'_>, count: u64) -> Result<Vec<Duration>, SandboxError> {
    let first = Document::own_invoice(stage.now_ms())?;
    let (token, _) = market::trade_token(stage, &first).await?;
    let paid = market::pay_three_times(stage, [token; 3]).await?;
    let mut terms = None;
    let mut took = Vec::new();
    for number in 1..=count {
        let mut invoice = first.under_number(&format!("{}-{number}", first.says.number))?;
        invoice.says.order_reference = Some(format!("PO-{}", invoice.says.number));
        let trade = trade::prepare(stage, &invoice).await?;
        let order = trade::agree_on_order(stage, &Documents::default(), &invoice, &trade).await?;
        let receivable = trade::register_invoice(stage, &invoice, &trade, Some(order.id)).await?;
        trade::confirm_invoice(stage, receivable).await?;
        let mut request = match terms.take() {
            Some(request) => NewFinancingRequest { receivable, ..request },
            None => offer(stage, &trade, receivable, &paid).await?,
        };
        // A hundredth of what the financier has, for all of them together.
        request.advance = trade.amount.scale_down(1, 100 * count).ok_or_else(market::overflow)?;
        terms = Some(request.clone());
        let sent = trade::ship(stage, &Documents::default(), &order).await?;
        lending::borrow(stage, ("supplier", "request-financing"), "the supplier asks for the loan", request).await?;
        took.push(sent.elapsed());
    }
    Ok(took)
}

/// The goods leave, and the supplier has its money: nobody stands in between. Gives the loan.
///
/// # Errors
/// The event is not recorded, or the loan not granted.
pub async fn ship_and_borrow(
    stage: &mut Stage<'_>,
    documents: &Documents,
    order: &AgreedOrder,
    request: NewFinancingRequest,
) -> Result<ObjectId, SandboxError> {
    let shipped = trade::ship(stage, documents, order).await?;
    let sentence = "the supplier cites the three receipts: approved, paid and secured in one transaction";
    let loan = lending::borrow(stage, ("supplier", "request-financing"), sentence, request).await?;
    lending::tell_time(stage, shipped.elapsed());
    lending::tell_loan(stage, loan).await?;
    Ok(loan)
}
