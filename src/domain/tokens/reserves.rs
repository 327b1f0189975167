//! Reserves: what the custodian attested, what was paid out since, and the line that every block's header commits to.

use super::reserve_policy::{AssetClass, ReserveAsset, check_assets};
use super::token::{Token, known};
use crate::codec_struct;
use crate::ledger::limits::{PAYOUTS_KEPT_MAX, RESERVE_ASSETS_MAX, TOKENS_MAX};
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{Changes, Circulation, Column, Context, Effect, Entry, Reason, ReserveLine, View};
use crate::primitives::{AccountId, Amount, BlockTime, CodecError, Decode, Encode, Reader, TokenId};

/// The latest attestation of a token's reserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Who attested.
    pub custodian: AccountId,
    /// The time at which the assets were so.
    pub as_of: BlockTime,
    /// The time of the block that took it up.
    pub attested_at: BlockTime,
    /// The assets.
    pub assets: Vec<ReserveAsset>,
    /// What they count for: market values less haircuts.
    pub counted: Amount,
}

impl Encode for Attestation {
    fn encode(&self, out: &mut Vec<u8>) {
        self.custodian.encode(out);
        self.as_of.encode(out);
        self.attested_at.encode(out);
        self.assets.encode(out);
        self.counted.encode(out);
    }
}

impl Decode for Attestation {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            custodian: AccountId::decode(reader)?,
            as_of: BlockTime::decode(reader)?,
            attested_at: BlockTime::decode(reader)?,
            assets: reader.list("reserve assets", RESERVE_ASSETS_MAX)?,
            counted: Amount::decode(reader)?,
        })
    }
}

impl Entry for Attestation {
    const COLUMN: Column = Column::Attestations;
    type Key = TokenId;
}

/// What was paid for redemptions at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payout {
    /// The time of the block that burned the units.
    pub paid_at: BlockTime,
    /// How much.
    pub amount: Amount,
}
codec_struct!(Payout { paid_at, amount });

/// Payments for redemptions that the latest attestation does not cover: those at or after its as-of time.
///
/// The fiat left the reserves, and the attestation still counts it. At most [`PAYOUTS_KEPT_MAX`] times are told apart;
/// past it the two closest become one at the later time, so that what is subtracted is never too little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payouts(Vec<Payout>);

impl Payouts {
    /// The payments, by time.
    pub fn payouts(&self) -> &[Payout] {
        &self.0
    }

    /// What they add up to.
    pub fn total(&self) -> u128 {
        self.0.iter().map(|payout| u128::from(payout.amount.minor_units())).sum()
    }

    /// Adds a payment at a time that is not before any other's. `None` past the largest amount, with nothing changed.
    pub(super) fn with(mut self, paid_at: BlockTime, amount: Amount) -> Option<Self> {
        self.0.push(Payout { paid_at, amount });
        let same_block = self.0.iter().rev().nth(1).is_some_and(|last| last.paid_at == paid_at);
        if same_block {
            self.join(self.0.len() - 2)?;
        } else if self.0.len() > PAYOUTS_KEPT_MAX {
            let gap = |pair: &[Payout]| pair[1].paid_at.ms_since(pair[0].paid_at);
            let (closest, _) = self.0.windows(2).map(gap).enumerate().min_by_key(|(_, gap)| *gap)?;
            self.join(closest)?;
        }
        Some(self)
    }

    /// Makes the payment at `index` and the next one of the later time.
    fn join(&mut self, index: usize) -> Option<()> {
        let earlier = self.0.get(index)?.amount;
        let later = self.0.get_mut(index + 1)?;
        later.amount = later.amount.checked_add(earlier)?;
        self.0.remove(index);
        Some(())
    }

    /// Drops what an attestation as of a time covers: every earlier payment.
    fn not_covered_as_of(mut self, as_of: BlockTime) -> Self {
        self.0.retain(|payout| payout.paid_at >= as_of);
        self
    }
}

impl Encode for Payouts {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Payouts {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.list("payouts", PAYOUTS_KEPT_MAX).map(Self)
    }
}

impl Entry for Payouts {
    const COLUMN: Column = Column::Payouts;
    type Key = TokenId;
}

/// States what backs a token, as of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestReserves {
    /// The token.
    pub token: TokenId,
    /// The time at which the assets were so.
    pub as_of: BlockTime,
    /// The assets.
    pub assets: Vec<ReserveAsset>,
}

impl AttestReserves {
    /// The operation, held to its bounds.
    ///
    /// # Errors
    /// No as-of time, too many assets, or an asset that contradicts itself.
    pub fn check(&self) -> Result<(), Malformed> {
        require(self.as_of > BlockTime(0), "as_of_ms", "it must be a time after 1970-01-01T00:00:00Z")?;
        check_assets(&self.assets)
    }

    /// Plans the attestation.
    ///
    /// # Errors
    /// `UNKNOWN_TOKEN`, `NOT_THE_CUSTODIAN`, `ATTESTATION_NOT_NEWER`, `ATTESTATION_FROM_THE_FUTURE`, `ATTESTATION_TOO_OLD`,
    /// `ASSET_NOT_ELIGIBLE`, `AMOUNT_OVERFLOW`, and those of an unsigned or closed sender.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let Token { terms, .. } = known(changes, self.token)?;
        if context.sender != terms.custodian {
            return Err(Reason::NotTheCustodian { token: self.token, custodian: terms.custodian });
        }
        context.signed_by(changes, context.sender)?;
        let (as_of, now, age_ms_max) = (self.as_of, context.now, terms.reserve_policy.attestation_age_ms_max);
        let latest_as_of = changes.read::<Attestation>(&self.token).map(|latest| latest.as_of).unwrap_or_default();
        if as_of <= latest_as_of {
            return Err(Reason::AttestationNotNewer { latest_as_of, as_of });
        }
        if as_of > now {
            return Err(Reason::AttestationFromTheFuture { as_of, now });
        }
        if now.ms_since(as_of) > age_ms_max {
            return Err(Reason::AttestationTooOld { as_of, age_ms_max });
        }
        for (index, asset) in self.assets.iter().enumerate() {
            if let Some(rule) = terms.reserve_policy.rule_broken_by(asset, as_of) {
                return Err(Reason::AssetNotEligible { asset_index: index as u64, rule });
            }
        }
        self.take_up(context, changes)
    }

    fn take_up(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let overflow = || Reason::AmountOverflow { token: self.token };
        let counted = self.counted_of(|_| true).ok_or_else(overflow)?;
        let market_values = self.assets.iter().map(|asset| asset.market_value);
        let market_value = sum(market_values).ok_or_else(overflow)?;
        let payouts = changes.read::<Payouts>(&self.token).unwrap_or_default().not_covered_as_of(self.as_of);
        let mut attested = Effect::new("tokens.reserves_attested")
            .with("token", self.token)
            .with("custodian", context.sender)
            .with("as_of", self.as_of)
            .with("counted", counted)
            .with("market_value", market_value)
            .with("asset_count", self.assets.len() as u64);
        for class in AssetClass::ALL {
            let of_class = self.counted_of(|asset| asset.asset_class == *class).ok_or_else(overflow)?;
            attested = attested.with(&format!("counted_{}", class.name().replace('-', "_")), of_class);
        }
        changes.record(attested);
        let (custodian, as_of, attested_at) = (context.sender, self.as_of, context.now);
        changes.put(&self.token, &Attestation { custodian, as_of, attested_at, assets: self.assets.clone(), counted });
        put_payouts(changes, self.token, &payouts);
        Ok(())
    }

    fn counted_of(&self, of: impl Fn(&ReserveAsset) -> bool) -> Option<Amount> {
        let counted: Option<Vec<_>> = self.assets.iter().filter(|asset| of(asset)).map(ReserveAsset::counted).collect();
        sum(counted?)
    }
}

fn sum(amounts: impl IntoIterator<Item = Amount>) -> Option<Amount> {
    amounts.into_iter().try_fold(Amount::ZERO, Amount::checked_add)
}

fn put_payouts(changes: &mut Changes<'_>, token: TokenId, payouts: &Payouts) {
    match payouts.payouts() {
        [] => changes.delete::<Payouts>(&token),
        _ => changes.put(&token, payouts),
    }
}

/// Notes that a redemption was paid, which lowers the reserves counted.
///
/// # Errors
/// `AMOUNT_OVERFLOW`, which issuance rules out: it keeps circulation and these payments together within an amount.
pub(super) fn note_payout(
    changes: &mut Changes<'_>,
    token: TokenId,
    paid_at: BlockTime,
    amount: Amount,
) -> Result<(), Reason> {
    let payouts: Payouts = changes.read(&token).unwrap_or_default();
    let payouts = payouts.with(paid_at, amount).ok_or(Reason::AmountOverflow { token })?;
    put_payouts(changes, token, &payouts);
    Ok(())
}

/// How a token stands at a time; `None` if it is not on this ledger.
pub fn reserve_line(view: &dyn View, token: TokenId, now: BlockTime) -> Option<ReserveLine> {
    view.read::<Token>(&token).map(|found| line_of(view, token, &found, now))
}

/// How every token stands at a time, in the alphabetical order of their ids: what the header of a block at that time
/// commits to.
pub fn reserve_lines(view: &dyn View, now: BlockTime) -> Vec<ReserveLine> {
    let mut lines = Vec::new();
    for (key, value) in view.scan(Column::Tokens, &[], TOKENS_MAX) {
        match (TokenId::from_bytes(&key), Token::from_bytes(&value)) {
            (Ok(token), Ok(found)) => lines.push(line_of(view, token, &found, now)),
            _ => view.note_corruption(Column::Tokens, &key),
        }
    }
    // Keys order by length first, texts do not.
    lines.sort_unstable_by_key(|line| line.token);
    lines
}

fn line_of(view: &dyn View, token: TokenId, found: &Token, now: BlockTime) -> ReserveLine {
    let circulation = view.read::<Circulation>(&token).unwrap_or_default().0;
    let attestation: Option<Attestation> = view.read(&token);
    let attested_as_of = attestation.as_ref().map(|latest| latest.as_of).unwrap_or_default();
    let age_ms_max = found.terms.reserve_policy.attestation_age_ms_max;
    let counts = attestation.filter(|latest| now.ms_since(latest.as_of) <= age_ms_max);
    let reserves_counted = counts.map_or(Amount::ZERO, |latest| {
        let payouts: Payouts = view.read(&token).unwrap_or_default();
        // More paid out than any amount leaves nothing of one.
        let paid = u64::try_from(payouts.total()).unwrap_or(u64::MAX);
        latest.counted.excess_over(Amount::new(paid))
    });
    let shortfall = circulation.excess_over(reserves_counted);
    ReserveLine { token, circulation, reserves_counted, shortfall, attested_as_of }
}
