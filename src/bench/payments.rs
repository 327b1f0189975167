//! The payments of a run, each a function of the seed and its place, so that they can be signed on all cores in any order.

use super::accounts::{Accounts, prepare};
use super::draws::{Draws, Pairs};
use super::lane::Prepared;
use super::{BenchError, Mix, machine};
use crate::client::{ClientError, operations};
use crate::primitives::Amount;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The largest payment, in minor units.
const AMOUNT_MAX: u64 = 100;

/// What payments are made of.
#[derive(Debug)]
pub struct Payments<'a> {
    /// Who pays.
    pub accounts: &'a Accounts,
    /// Who pays whom.
    pub pairs: Pairs,
    /// How many transfers a transaction has.
    pub legs: usize,
}

impl Payments<'_> {
    /// The payment of a place.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn payment(&self, place: u64) -> Result<Prepared, ClientError> {
        self.payment_until(place, self.accounts.expires_at_ms)
    }

    /// The same with an expiry of its own.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn payment_until(&self, place: u64, expires_at_ms: u64) -> Result<Prepared, ClientError> {
        let accounts = self.accounts;
        let draws = &mut Draws::of(accounts.seed, place);
        let payer = self.pairs.payer(draws);
        let payer_id = accounts.id(payer);
        let mut draft = accounts.draft(payer_id, b"pay", place).expires_at_ms(expires_at_ms);
        for _ in 0..self.legs {
            let payee = accounts.id(self.pairs.payee(payer, draws));
            let amount = Amount::new(1 + draws.below(AMOUNT_MAX));
            draft.add(operations::transfer(payer_id, payee, accounts.token, amount, Default::default()));
        }
        prepare(draft, &[&accounts.key(payer)], self.legs as u32)
    }
}

impl Mix {
    /// How many transfers one transaction of a payment mix has.
    pub(super) fn legs(self) -> usize {
        match self {
            Self::Transfers | Self::Financing => 1,
            Self::MultiLeg { legs } => legs,
        }
    }
}

/// Places that are made before whoever waits is asked again whether to go on.
const SLICE: u64 = 4_096;

/// Makes the transactions of a range on all cores, in their order. Interruptible between slices.
///
/// # Errors
/// One cannot be made.
pub async fn make_all(
    range: Range<u64>,
    made: &AtomicU64,
    make: impl Fn(u64) -> Result<Prepared, ClientError> + Sync,
) -> Result<Vec<Prepared>, BenchError> {
    let mut all = Vec::with_capacity((range.end - range.start) as usize);
    for first in range.clone().step_by(SLICE as usize) {
        let slice = first..(first + SLICE).min(range.end);
        made.fetch_add(slice.end - slice.start, Ordering::Relaxed);
        all.extend(make_slice(slice, &make)?);
        tokio::task::yield_now().await;
    }
    Ok(all)
}

fn make_slice(
    range: Range<u64>,
    make: &(impl Fn(u64) -> Result<Prepared, ClientError> + Sync),
) -> Result<Vec<Prepared>, BenchError> {
    Ok(on_all_cores(range, make)?.0)
}

/// Makes what belongs to each place of a range, on all cores, in their order. Tells what processor time that took, where the
/// system does.
///
/// # Errors
/// One cannot be made.
pub fn on_all_cores<T: Send>(
    range: Range<u64>,
    make: &(impl Fn(u64) -> Result<T, ClientError> + Sync),
) -> Result<(Vec<T>, Duration), BenchError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let share = (range.end - range.start).div_ceil(cores).max(1);
    let make_share = |first: u64| {
        let made = (first..(first + share).min(range.end)).map(make).collect::<Result<Vec<_>, _>>();
        (made, machine::thread_cpu_time().unwrap_or_default())
    };
    let shares = std::thread::scope(|scope| {
        let firsts = range.clone().step_by(share as usize);
        let threads: Vec<_> = firsts.map(|first| scope.spawn(move || make_share(first))).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut all = Vec::with_capacity((range.end - range.start) as usize);
    let mut cpu_time = Duration::ZERO;
    for share in shares {
        let (share, took) = share.map_err(|_| BenchError::Internal("a thread that signs ended early".to_owned()))?;
        all.extend(share?);
        cpu_time += took;
    }
    Ok((all, cpu_time))
}
