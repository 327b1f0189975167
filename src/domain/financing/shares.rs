//! Shares: what each of a loan's lenders lent, and is owed.
//!
//! Shares are fixed at disbursement. A participant's is its basis points of the advance, rounded down; the originator, who
//! stands first, lends the rest. Of everything that is repaid each participant, in the order in which they joined, is brought
//! up to its exact part of all that was repaid so far, rounded *up* to a minor unit; the originator receives the rest. So the
//! originator's part lags by less than one unit for each participant while the loan runs, and when the principal is repaid in
//! full each has exactly what it lent.
//!
//! # Invariants
//! * The shares add up to the advance, and what the lenders receive to what was paid.
//! * Nobody receives more principal than it lent.

use crate::codec_struct;
use crate::primitives::{AccountId, Amount};

use super::programme::{Participant, WHOLE_BPS};

/// One lender's part of a loan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Who.
    pub lender: AccountId,
    /// Its legal entity.
    pub entity: String,
    /// What it lent.
    pub lent: Amount,
    /// What it has back of that.
    pub principal_received: Amount,
    /// What it has received in interest and fees.
    pub charges_received: Amount,
}
codec_struct!(Leg { lender, entity, lent, principal_received, charges_received });

impl Leg {
    fn new((lender, entity): (AccountId, &str), lent: Amount) -> Self {
        Self {
            lender,
            entity: entity.to_owned(),
            lent,
            principal_received: Amount::ZERO,
            charges_received: Amount::ZERO,
        }
    }

    /// What of its part is not back.
    pub fn outstanding(&self) -> Amount {
        self.lent.excess_over(self.principal_received)
    }
}

/// What a payment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    Principal,
    Charges,
}

/// The legs of an advance, the originator's first. `None` only if the participants' shares exceed the whole. The legal entities are
/// the lenders' in the same order, the originator's first.
pub(super) fn fixed(
    originator: AccountId,
    participants: &[Participant],
    entities: &[String],
    advance: Amount,
) -> Option<Vec<Leg>> {
    let (own, others) = entities.split_first()?;
    let mut legs = vec![Leg::new((originator, own), advance)];
    for (participant, entity) in participants.iter().zip(others) {
        let lent = advance.scale_down(participant.share_bps.into(), WHOLE_BPS.into())?;
        legs[0].lent = legs[0].lent.checked_sub(lent)?;
        if !lent.is_zero() {
            legs.push(Leg::new((participant.lender, entity), lent));
        }
    }
    Some(legs)
}

/// Divides a payment among the legs and books it. `None` on an overflow; then the legs are not to be used.
pub(super) fn divide(legs: &mut [Leg], account: Account, payment: Amount) -> Option<Vec<(AccountId, Amount)>> {
    let received = |leg: &Leg| match account {
        Account::Principal => leg.principal_received,
        Account::Charges => leg.charges_received,
    };
    let sum = |amounts: &mut dyn Iterator<Item = Amount>| {
        amounts.map(|amount| u128::from(amount.minor_units())).sum::<u128>()
    };
    let lent = sum(&mut legs.iter().map(|leg| leg.lent));
    let so_far = sum(&mut legs.iter().map(received)) + u128::from(payment.minor_units());
    let mut left = payment;
    let mut parts = Vec::with_capacity(legs.len());
    // The originator last: it takes what the others' rounding leaves.
    for index in (1..legs.len()).chain([0]) {
        let leg = &mut legs[index];
        let part = match index {
            0 => left,
            _ => {
                let target = so_far.checked_mul(u128::from(leg.lent.minor_units()))?.div_ceil(lent.max(1));
                Amount::new(u64::try_from(target).ok()?).excess_over(received(leg)).min(left)
            }
        };
        left = left.checked_sub(part)?;
        match account {
            Account::Principal => leg.principal_received = leg.principal_received.checked_add(part)?,
            Account::Charges => leg.charges_received = leg.charges_received.checked_add(part)?,
        }
        parts.push((leg.lender, part));
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joint(advance: u64, shares_bps: &[u32]) -> Vec<Leg> {
        let participant = |(index, share_bps)| Participant {
            lender: AccountId([index as u8 + 2; 32]),
            share_bps,
            limit: Amount::MAX,
        };
        let participants: Vec<_> = shares_bps.iter().copied().enumerate().map(participant).collect();
        let entities: Vec<String> = (0..=participants.len()).map(|place| format!("HKBR:{place}")).collect();
        fixed(AccountId([1; 32]), &participants, &entities, Amount::new(advance)).expect("at most the whole")
    }

    #[test]
    fn remainders_are_the_originators() {
        let mut legs = joint(10_001, &[3_333, 3_333]);
        assert_eq!(legs.iter().map(|leg| leg.lent.minor_units()).collect::<Vec<_>>(), [3_335, 3_333, 3_333]);
        // One unit: the first participant's part of it, rounded up, is all of it.
        let parts = divide(&mut legs, Account::Principal, Amount::new(1)).expect("small");
        assert_eq!(parts.iter().map(|(_, part)| part.minor_units()).collect::<Vec<_>>(), [1, 0, 0]);
        divide(&mut legs, Account::Principal, Amount::new(10_000)).expect("small");
        assert!(legs.iter().all(|leg| leg.outstanding().is_zero()));
        assert_eq!(
            fixed(
                AccountId([1; 32]),
                &[Participant { lender: AccountId([2; 32]), share_bps: 10_001, limit: Amount::ZERO }],
                &[String::new(), String::new()],
                Amount::new(10_000)
            ),
            None
        );
    }

    /// What is owed in charges may be more than what was lent, and is divided all the same.
    #[test]
    fn charges_beyond_what_was_lent_are_divided_whole() {
        let mut legs = joint(100, &[3_000]);
        let parts = divide(&mut legs, Account::Charges, Amount::new(1_000)).expect("it fits");
        assert_eq!(parts.iter().map(|(_, part)| part.minor_units()).collect::<Vec<_>>(), [300, 700]);
    }

    proptest! {
        /// However a loan is paid back, the parts sum to each payment, nobody is paid beyond what it lent, and in the end
        /// everybody has exactly that.
        #[test]
        fn shares_always_sum(
            advance in 1u64..1_000_000,
            shares in proptest::collection::vec(0u32..2_000, 0..4),
            cuts in proptest::collection::vec(1u64..50_000, 0..30),
        ) {
            let mut legs = joint(advance, &shares);
            prop_assert_eq!(legs.iter().map(|leg| leg.lent.minor_units()).sum::<u64>(), advance);
            let mut left = advance;
            for payment in cuts.into_iter().chain([u64::MAX]) {
                let payment = payment.min(left);
                left -= payment;
                let parts = divide(&mut legs, Account::Principal, Amount::new(payment)).expect("it fits");
                prop_assert_eq!(parts.iter().map(|(_, part)| part.minor_units()).sum::<u64>(), payment);
                prop_assert!(legs.iter().all(|leg| leg.principal_received <= leg.lent));
            }
            prop_assert!(legs.iter().all(|leg| leg.outstanding().is_zero()));
        }

        /// Charges, of which nobody knows the sum beforehand, are off each lender's exact part by less than a unit for each of
        /// the lenders.
        #[test]
        fn charges_are_divided_in_proportion(
            advance in 1_000u64..1_000_000,
            shares in proptest::collection::vec(1u32..2_000, 1..4),
            payments in proptest::collection::vec(1u64..5_000, 1..30),
        ) {
            let mut legs = joint(advance, &shares);
            for payment in &payments {
                let parts = divide(&mut legs, Account::Charges, Amount::new(*payment)).expect("it fits");
                prop_assert_eq!(parts.iter().map(|(_, part)| part.minor_units()).sum::<u64>(), *payment);
            }
            let total: u64 = payments.iter().sum();
            for leg in &legs {
                let exact = i128::from(total) * i128::from(leg.lent.minor_units()) / i128::from(advance);
                let off = i128::from(leg.charges_received.minor_units()) - exact;
                prop_assert!(off.abs() <= legs.len() as i128, "{off} off of {exact}");
            }
        }
    }
}
