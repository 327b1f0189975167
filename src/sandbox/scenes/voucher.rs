//! Vouchers: what the buyer owes the supplier passes down the tiers in parts, and each holder turns its own into money.

use super::lending::{self, plain_terms, requesting};
use super::market::{self, overflow};
use super::trade::{self, Trade};
use crate::client::operations;
use crate::client::ubl::UblInvoice;
use crate::domain::trade::{Part, SplitReceivable, part_id};
use crate::ledger::limits::SPLIT_DEPTH_MAX;
use crate::primitives::{Amount, ObjectId};
use crate::sandbox::SandboxError;
use crate::sandbox::cast::{Customer, TIER_THREE, TIER_TWO};
use crate::sandbox::documents::Document;
use crate::sandbox::stage::{Expect, Stage};

/// A part that somebody has in the end.
#[derive(Clone, Copy, Debug)]
struct Voucher {
    id: ObjectId,
    holder: &'static str,
    amount: Amount,
}

/// Plays it.
///
/// # Errors
/// The first step that does not go as it must.
pub async fn play(stage: &mut Stage<'_>, invoice: &Document<UblInvoice>) -> Result<(), SandboxError> {
    stage.chapter("Money, one more company, and an invoice that the buyer owes");
    let token = market::trade_token(stage, invoice).await?;
    market::open_account(stage, &TIER_THREE, TIER_THREE.legal_entity_id).await?;
    market::fund(stage, token).await?;
    stage.begin_story().await?;
    let trade = trade::prepare(stage, invoice).await?;
    let whole = trade::register_invoice(stage, invoice, &trade, None).await?;
    trade::confirm_invoice(stage, whole).await?;
    stage.note_state("confirmed by the buyer", "invoice", whole, None).await?;

    stage.chapter("Down the tiers");
    let vouchers = pass_down(stage, &trade, whole).await?;
    stage.note_state("split", "invoice", whole, None).await?;
    tell_sum(stage, &trade, &vouchers).await?;

    stage.chapter("Each holder finances its own part");
    let programme = lending::publish(stage, "financier", plain_terms("VOUCHERS", &trade)).await?;
    let mut loans = Vec::new();
    for voucher in &vouchers[..3] {
        let advance = voucher.amount.scale_down(90, 100).ok_or_else(overflow)?;
        let sentence = format!("{} has its part financed: {}", voucher.holder, stage.money(advance, trade.token));
        let step = format!("finance-{}", voucher.holder);
        let request = requesting((voucher.id, programme), advance, Vec::new());
        let loan = lending::borrow(stage, (voucher.holder, &step), &sentence, request).await?;
        lending::tell_loan(stage, loan).await?;
        let which = format!("part of {}", voucher.holder);
        stage.note_state("financed", &which, voucher.id, Some(loan)).await?;
        loans.push(loan);
    }
    let halves = split_of(stage, vouchers[0], vouchers[0].amount)?;
    let sentence = "the supplier splits what is pledged to the financier";
    let reason = "RECEIVABLE_ALREADY_FINANCED";
    stage.decline("supplier", "split-financed", sentence, operations::split_receivable(&halves), reason).await?;

    stage.chapter("The buyer pays");
    let mut draft = stage.draft("buyer")?;
    for voucher in &vouchers {
        draft.add(operations::pay_invoice(voucher.id, voucher.amount, "PAY-VOUCHERS"));
    }
    let sentence = format!("the buyer pays all parts in one transaction, {}", stage.money(trade.amount, trade.token));
    stage.settle("pay-vouchers", &sentence, draft, &[], Expect::Applied).await?;
    for (voucher, loan) in vouchers.iter().zip(loans) {
        stage.note_state("paid by the buyer", &format!("part of {}", voucher.holder), voucher.id, Some(loan)).await?;
    }
    Ok(())
}

/// The supplier pays tier 2 with a part of what the buyer owes it, tier 2 pays tier 3 with a part of that, and tier 3 splits
/// until the ledger says no. Gives what everyone has in the end, the large part of each first.
async fn pass_down(stage: &mut Stage<'_>, trade: &Trade, whole: ObjectId) -> Result<Vec<Voucher>, SandboxError> {
    let units = |stage: &Stage<'_>, count: u64| market::units(stage, trade.token, count);
    let to_two = units(stage, 20_000);
    let kept = trade.amount.checked_sub(to_two).ok_or_else(overflow)?;
    let cent_more = to_two.checked_add(Amount::new(1)).ok_or_else(overflow)?;
    let money = |stage: &Stage<'_>, amount: Amount| stage.money(amount, trade.token);
    let mut draft = stage.draft("supplier")?;
    draft.add(operations::split_receivable(&split(stage, whole, [("supplier", kept), (TIER_TWO.name, cent_more)])?));
    let sentence = "the supplier splits a cent more than the buyer owes";
    let expect = Expect::Declined("SPLIT_SUM_MISMATCH");
    stage.settle("split-too-much", sentence, draft, &[TIER_TWO.name], expect).await?;

    let sentence = format!("the supplier pays tier-2 with {} of what the buyer owes it", money(stage, to_two));
    let parts = [("supplier", kept), (TIER_TWO.name, to_two)];
    let [of_supplier, of_two] = divide(stage, "split-invoice", &sentence, (whole, parts), &TIER_TWO).await?;

    let (kept, to_three) = (units(stage, 12_000), units(stage, 8_000));
    let sentence = format!("tier-2 pays tier-3 with {} of that", money(stage, to_three));
    let parts = [(TIER_TWO.name, kept), (TIER_THREE.name, to_three)];
    let [of_two, of_three] = divide(stage, "split-part", &sentence, (of_two.id, parts), &TIER_THREE).await?;

    let [large, rest @ ..] = &split_to_the_end(stage, of_three).await?[..] else { return Err(overflow()) };
    Ok([of_supplier, of_two, *large].into_iter().chain(rest.iter().copied()).collect())
}

/// One company splits what it has between itself and the next one.
async fn divide(
    stage: &mut Stage<'_>,
    step: &str,
    sentence: &str,
    (receivable, parts): (ObjectId, [(&'static str, Amount); 2]),
    receiver: &Customer,
) -> Result<[Voucher; 2], SandboxError> {
    let mut draft = stage.draft(parts[0].0)?;
    draft.add(operations::split_receivable(&split(stage, receivable, parts)?));
    stage.settle(step, sentence, draft, &[receiver.name], Expect::Applied).await?;
    let voucher = |place: u8, (holder, amount)| Voucher { id: part_id(receivable, place), holder, amount };
    Ok([voucher(0, parts[0]), voucher(1, parts[1])])
}

/// Splits a little off a part, and halves that, as deep as the ledger lets parts be; one deeper is declined. Gives the parts,
/// the large one first.
async fn split_to_the_end(stage: &mut Stage<'_>, of_three: Voucher) -> Result<Vec<Voucher>, SandboxError> {
    let depth = stage.reading_as(of_three.holder)?.receivable(of_three.id).await?.depth;
    let levels = u32::from(SPLIT_DEPTH_MAX).saturating_sub(depth);
    // What is halved so often, and comes out whole.
    let little = Amount::new(100 << levels);
    let mut draft = stage.draft(of_three.holder)?;
    let (mut parts, mut last) = (Vec::new(), of_three);
    for level in 0..levels {
        let off = if level == 0 { little } else { last.amount.scale_down(1, 2).ok_or_else(overflow)? };
        let next = split_of(stage, last, off)?;
        draft.add(operations::split_receivable(&next));
        parts.push(Voucher { id: part_id(last.id, 0), amount: next.parts[0].amount, ..last });
        last = Voucher { id: part_id(last.id, 1), amount: off, ..last };
    }
    parts.push(last);
    let sentence =
        format!("tier-3 splits a little of its part, again and again, {SPLIT_DEPTH_MAX} splits from the invoice");
    stage.settle("split-to-the-end", &sentence, draft, &[], Expect::Applied).await?;
    let deeper = split_of(stage, last, last.amount.scale_down(1, 2).ok_or_else(overflow)?)?;
    let (sentence, reason) = ("and once more", "RECEIVABLE_TOO_DEEP");
    stage.decline(of_three.holder, "split-too-deep", sentence, operations::split_receivable(&deeper), reason).await?;
    Ok(parts)
}

/// A split of somebody's voucher for itself: what is left, and what is split off; half, if that is all of it.
fn split_of(stage: &Stage<'_>, voucher: Voucher, off: Amount) -> Result<SplitReceivable, SandboxError> {
    let off = if off == voucher.amount { off.scale_down(1, 2).ok_or_else(overflow)? } else { off };
    let left = voucher.amount.checked_sub(off).ok_or_else(overflow)?;
    split(stage, voucher.id, [(voucher.holder, left), (voucher.holder, off)])
}

fn split(stage: &Stage<'_>, receivable: ObjectId, parts: [(&str, Amount); 2]) -> Result<SplitReceivable, SandboxError> {
    let mut owned = Vec::new();
    for (owner, amount) in parts {
        owned.push(Part { owner: stage.account(owner)?, amount });
    }
    Ok(SplitReceivable { receivable, parts: owned, term_exception: String::new() })
}

/// Reads every part from the ledger, and holds their sum to the invoice's amount.
async fn tell_sum(stage: &mut Stage<'_>, trade: &Trade, vouchers: &[Voucher]) -> Result<(), SandboxError> {
    let reader = stage.reading_as("observer")?;
    let mut sum = Amount::ZERO;
    for voucher in vouchers {
        let outstanding = Amount::new(reader.receivable(voucher.id).await?.outstanding);
        sum = sum.checked_add(outstanding).ok_or_else(overflow)?;
        stage.tell(&format!("{:<9} has {:>15}", voucher.holder, stage.money(outstanding, trade.token)));
    }
    let told = format!("The {} parts add up to {}", vouchers.len(), stage.money(sum, trade.token));
    if sum != trade.amount {
        let expected = format!("parts of {} in all", stage.money(trade.amount, trade.token));
        return Err(SandboxError::Unexpected { step: "split-to-the-end".to_owned(), expected, found: told });
    }
    stage.tell(&format!("{told}: what the buyer owes."));
    Ok(())
}
