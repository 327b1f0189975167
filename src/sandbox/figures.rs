//! The figures scenario: what the README says of this machine's network, measured through gRPC as a client would.
//!
//! * a lone payment on the idle network: from its submission to its receipt, one after the other;
//! * a loan: from the carrier's event being sent to the receipt of the loan that it brought about;
//! * payments by 64 clients, each of which sends its next as soon as it has a receipt (closed loop);
//! * a validator's memory at rest, and its way back after it was killed.
//!
//! Signing happens inside the measured time, on the same processors as the validators.

use super::SandboxError;
use super::scenes::{lose_a_validator, market::token, time_loans};
use super::stage::Stage;
use crate::client::{Client, ClientError, EXPIRES_IN_DEFAULT, KeyPair, TransactionBuilder, operations};
use crate::ledger::Status;
use crate::primitives::{AccountId, Amount, ChainId, TokenId};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Lone payments measured.
const LONE_PAYMENTS: usize = 200;
/// Loans measured.
const LOANS: u64 = 20;
/// Clients of the closed loop.
const CLIENTS: usize = 64;
/// How long the closed loop runs.
const LOAD: Duration = Duration::from_secs(10);
/// How long the network rests before its memory is read.
const REST: Duration = Duration::from_secs(3);

/// Who pays whom what.
#[derive(Clone)]
struct Payment {
    chain_id: ChainId,
    payer: AccountId,
    payee: AccountId,
    token: TokenId,
    key: KeyPair,
}

impl Payment {
    /// Pays one minor unit, and returns how long that took until the receipt was here.
    async fn make(&self, client: &Client) -> Result<Duration, ClientError> {
        let started = Instant::now();
        let expires_at_ms = client.now_ms().saturating_add(EXPIRES_IN_DEFAULT.as_millis() as u64);
        let mut builder = TransactionBuilder::new(self.chain_id, self.payer)?.expires_at_ms(expires_at_ms);
        let what_for = operations::Remittance::default();
        builder.add(operations::transfer(self.payer, self.payee, self.token, Amount::new(1), what_for));
        let signed = builder.finish().sign([&self.key])?;
        let settled = client.submit_and_wait(&signed).await?;
        match settled.outcome().status {
            Status::Applied => Ok(started.elapsed()),
            Status::Declined(_) => Err(ClientError::Malformed("a payment was declined".to_owned())),
        }
    }
}

/// Measures and prints.
///
/// # Errors
/// A payment does not go as it must.
pub async fn measure(stage: &mut Stage<'_>) -> Result<(), SandboxError> {
    let payment = Payment {
        chain_id: stage.chain_id(),
        payer: stage.account("buyer")?,
        payee: stage.account("supplier")?,
        token: token("HKDX")?,
        key: stage.person("buyer")?.key.clone(),
    };
    tokio::time::sleep(REST).await;
    let memory_at_rest = memory_mb(stage);

    let lone = lone_payments(stage, &payment).await?;
    say(stage, "lone payment", &format!("p50 {} · p99 {}", ms(&lone, 0.5), ms(&lone, 0.99)));
    let loans = loans(stage).await?;
    let longest = ms(&loans, 1.0);
    say(stage, "event to loan", &format!("p50 {} · longest {longest} of {LOANS}", ms(&loans, 0.5)));
    let (count, took, loaded) = closed_loop(stage, &payment).await?;
    let rate = count as f64 / took.as_secs_f64();
    let latencies = format!("p50 {} · p99 {}", ms(&loaded, 0.5), ms(&loaded, 0.99));
    say(stage, "64 clients", &format!("{rate:.0} payments/s ({count} in {:.1} s) · {latencies}", took.as_secs_f64()));
    say(stage, "memory at rest", &memory_at_rest);
    say(stage, "memory after load", &memory_mb(stage));
    lose_a_validator(stage).await
}

fn say(stage: &Stage<'_>, what: &str, figure: &str) {
    stage.output.note(&format!("  {what:<18} {figure}"));
}

async fn lone_payments(stage: &Stage<'_>, payment: &Payment) -> Result<Histogram<u64>, SandboxError> {
    let mut latencies = histogram()?;
    for _ in 0..LONE_PAYMENTS {
        note(&mut latencies, payment.make(stage.client()).await.map_err(step)?);
        // Long enough for the network to be idle again, short enough not to wait for the idle timer.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(latencies)
}

/// From a carrier's event to the loan.
async fn loans(stage: &mut Stage<'_>) -> Result<Histogram<u64>, SandboxError> {
    stage.be_silent(true);
    let took = time_loans(stage, LOANS).await;
    stage.be_silent(false);
    let mut latencies = histogram()?;
    took?.into_iter().for_each(|took| note(&mut latencies, took));
    Ok(latencies)
}

/// Clients spread over the nodes; every one counts only what it has a receipt for.
async fn closed_loop(stage: &Stage<'_>, payment: &Payment) -> Result<(usize, Duration, Histogram<u64>), SandboxError> {
    let endpoints = stage.client().endpoints().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let mut endpoints = endpoints.clone();
        let first = number % endpoints.len();
        endpoints.rotate_left(first);
        let payment = payment.clone();
        let client = stage.another_client(&endpoints).await?;
        clients.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < LOAD {
                latencies.push(payment.make(&client).await?);
            }
            Ok::<_, ClientError>(latencies)
        });
    }
    let mut latencies = histogram()?;
    let mut count = 0;
    while let Some(finished) = clients.join_next().await {
        let finished = finished.map_err(|error| SandboxError::Internal(error.to_string()))?.map_err(step)?;
        count += finished.len();
        finished.into_iter().for_each(|latency| note(&mut latencies, latency));
    }
    Ok((count, started.elapsed(), latencies))
}

fn step(cause: ClientError) -> SandboxError {
    SandboxError::Step { step: "figures".to_owned(), cause: Box::new(cause) }
}

/// Microseconds up to a minute, to three digits.
fn histogram() -> Result<Histogram<u64>, SandboxError> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(|error| SandboxError::Internal(error.to_string()))
}

fn note(latencies: &mut Histogram<u64>, latency: Duration) {
    latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
}

fn ms(latencies: &Histogram<u64>, quantile: f64) -> String {
    format!("{:.1} ms", latencies.value_at_quantile(quantile) as f64 / 1000.0)
}

/// The resident memory of each validator, where the system tells it.
fn memory_mb(stage: &Stage<'_>) -> String {
    let resident = |process: u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(format!("{} MB", kilobytes / 1024))
    };
    let each: Vec<_> = stage.cluster.process_ids().into_iter().filter_map(resident).collect();
    if each.is_empty() { "this system does not tell".to_owned() } else { each.join(" · ") }
}
