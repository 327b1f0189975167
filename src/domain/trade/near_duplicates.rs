//! Near-duplicates: invoices of one pair over the same amount and of about the same day.
//!
//! An invoice that is registered a second time under another number has another fingerprint, so it is not refused. It may
//! be honest: the same delivery every week has the same price. So it is counted and shown, to the buyer before it confirms
//! and to whoever is asked to finance it, and decides nothing here.
//!
//! # Invariants
//! * Under a day stands how many invoices of that day are registered and were neither withdrawn nor rejected.

use crate::codec_struct;
use crate::domain::tokens::Token;
use crate::ledger::limits::{NEAR_DUPLICATE_DAYS, TOKEN_SCALE_MAX};
use crate::ledger::{Changes, Column, Entry, View as _};
use crate::primitives::{Amount, Currency, Day, Decode as _, Encode as _};

/// How many invoices of a pair stand over one amount and of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InvoicesOfDay {
    /// How many.
    pub count: u32,
}
codec_struct!(InvoicesOfDay { count });

/// The legal entities of supplier and buyer, the currency, the amount in the smallest unit that any token has, and the day.
/// The currency and not the token: who invoices twice may well choose another token.
type Likeness = ((String, String), (Currency, (u128, Day)));

impl Entry for InvoicesOfDay {
    const COLUMN: Column = Column::InvoiceAmounts;
    type Key = Likeness;
}

/// Where an invoice stands among others.
pub(super) fn likeness(pair: &(String, String), token: &Token, amount: Amount, issued_on: Day) -> Likeness {
    let decimals_missing = TOKEN_SCALE_MAX.saturating_sub(token.terms.scale);
    // 2^64 * 10^8 is far below 2^128.
    let amount = u128::from(amount.minor_units()) * 10u128.pow(decimals_missing);
    (pair.clone(), (token.terms.currency, (amount, issued_on)))
}

/// How many stand beside one of this likeness, itself left out.
pub(super) fn near(changes: &Changes<'_>, (pair, (currency, (amount, day))): &Likeness) -> u16 {
    let key_of = |day: u32| (pair.clone(), (*currency, (*amount, Day(day)))).to_bytes();
    let (first, last) = (day.0.saturating_sub(NEAR_DUPLICATE_DAYS), day.0.saturating_add(NEAR_DUPLICATE_DAYS));
    let (from, to) = (key_of(first), key_of(last));
    // The days lie beside each other, and there is at most one entry for each.
    let entries = changes.scan(InvoicesOfDay::COLUMN, &from, 2 * NEAR_DUPLICATE_DAYS as usize + 1);
    let mut count = 0u64;
    for (key, value) in entries.iter().filter(|(key, _)| key[..] <= to[..]) {
        match InvoicesOfDay::from_bytes(value) {
            Ok(of_day) => count += u64::from(of_day.count),
            Err(_) => changes.note_corruption(InvoicesOfDay::COLUMN, key),
        }
    }
    // Past that many the figure says all it has to say.
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Counts one more.
pub(super) fn count(changes: &mut Changes<'_>, likeness: &Likeness) {
    let InvoicesOfDay { count } = changes.read(likeness).unwrap_or_default();
    match count.checked_add(1) {
        Some(count) => changes.put(likeness, &InvoicesOfDay { count }),
        None => changes.note_corruption(InvoicesOfDay::COLUMN, &likeness.to_bytes()),
    }
}

/// Counts one less.
pub(super) fn discount(changes: &mut Changes<'_>, likeness: &Likeness) {
    match changes.read::<InvoicesOfDay>(likeness).map(|of_day| of_day.count) {
        None | Some(0) => changes.note_corruption(InvoicesOfDay::COLUMN, &likeness.to_bytes()),
        Some(1) => changes.delete::<InvoicesOfDay>(likeness),
        Some(count) => changes.put(likeness, &InvoicesOfDay { count: count - 1 }),
    }
}
