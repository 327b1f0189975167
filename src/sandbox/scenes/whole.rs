//! The default: one order's money from reserves to redemption, with what must not happen tried on the way, and a validator
//! killed in the middle of it.

use super::market::{self, token, units};
use super::trade::{self, Trade};
use super::{closed_loop, lending};
use crate::client::ubl::UblInvoice;
use crate::domain::trade::InvoiceFacts;
use crate::sandbox::SandboxError;
use crate::sandbox::documents::{Document, Documents};
use crate::sandbox::report::Restart;
use crate::sandbox::stage::Stage;
use std::time::Instant;

/// Plays it.
///
/// # Errors
/// The first step that does not go as it must.
pub async fn play(
    stage: &mut Stage<'_>,
    documents: &Documents,
    invoice: &Document<UblInvoice>,
) -> Result<(), SandboxError> {
    market::fund_all(stage, invoice).await?;
    let (hkdx, usdx) = (token("HKDX")?, token("USDX")?);
    let paid = market::pay_three_times(stage, [hkdx, usdx, hkdx]).await?;
    let trade = trade::prepare(stage, invoice).await?;
    let order = trade::agree_on_order(stage, documents, invoice, &trade).await?;
    let receivable = trade::register_invoice(stage, invoice, &trade, Some(order.id)).await?;
    trade::register_again(stage, invoice, &trade).await?;
    trade::confirm_invoice(stage, receivable).await?;

    let request = closed_loop::offer(stage, &trade, receivable, &paid).await?;
    let mut without = request.clone();
    without.citations.clear();
    let sentence = format!("the supplier asks for {} and shows nothing", stage.money(request.advance, trade.token));
    let who = ("supplier", "finance-without-record");
    lending::borrow_in_vain(stage, who, &sentence, without, "PROGRAMME_CONDITIONS_NOT_MET").await?;
    let loan = closed_loop::ship_and_borrow(stage, documents, &order, request.clone()).await?;
    let (who, sentence) = (("supplier", "finance-again"), "the supplier asks for the same invoice again");
    lending::borrow_in_vain(stage, who, sentence, request, "RECEIVABLE_ALREADY_FINANCED").await?;
    certify_absence(stage, &trade).await?;

    lose_a_validator(stage).await?;
    lending::pay_invoice(stage, "pay-invoice", &trade, (receivable, trade.amount)).await?;
    lending::prove_lineage(stage, loan).await?;
    market::redeem(stage).await
}

async fn certify_absence(stage: &mut Stage<'_>, trade: &Trade) -> Result<(), SandboxError> {
    let other = InvoiceFacts { number: format!("{}-NEVER-SENT", trade.facts.number), ..trade.facts.clone() };
    let sentence = format!("the ledger certifies that invoice {} is not on it", other.number);
    let operation = trade::certifying_absence(stage, trade, &other)?;
    stage.apply("financier", "certify-absence", &sentence, operation).await.map(drop)
}

/// Kills a validator while payments go on, and starts it again.
///
/// # Errors
/// It does not come back, or a payment does not go through.
pub async fn lose_a_validator(stage: &mut Stage<'_>) -> Result<(), SandboxError> {
    let index = stage.cluster.size() - 1;
    let name = stage.cluster.name(index);
    let hkdx = token("HKDX")?;
    let hundred = (hkdx, units(stage, hkdx, 100));
    let bears_a_loss = stage.cluster.size() >= 4;
    stage.cluster.kill(index)?;
    stage.tell(&format!("{name} is killed."));
    if bears_a_loss {
        for number in 1..=3 {
            let step = format!("pay-without-{name}-{number}");
            market::pay(stage, &step, hundred, (&format!("PO-2026-020{number}"), &[])).await?;
        }
    } else {
        stage.tell("Fewer than four validators bear no loss: the ledger stands until it is back.");
    }
    let wanted = if bears_a_loss { stage.height().await? } else { 1 };
    let started = Instant::now();
    stage.cluster.start_validator(index)?;
    let height = stage.cluster.wait_for(index, stage.chain_id(), wanted).await?;
    let back_after_ms = started.elapsed().as_secs_f64() * 1000.0;
    stage.report.restart = Some(Restart { validator: name.clone(), back_after_ms });
    stage.tell(&format!("{name} serves again after {back_after_ms:.0} ms, at height {height}."));
    market::pay(stage, &format!("pay-with-{name}-back"), hundred, ("PO-2026-0210", &[])).await.map(drop)
}
