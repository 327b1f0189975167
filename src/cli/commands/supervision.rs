//! What `causeway finance` sends for those who supervise lenders: an auditor's attestation of capital, and the rules that governance
//! sets.

use super::names::by_name;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::values;
use crate::client::operations;
use crate::domain::financing::{CapitalFigures, ForbiddenPurposes, LenderKind, Parameter, ParameterValue};
use crate::primitives::{BlockTime, TokenId};

/// A lender's figures, as an auditor attests them. Each is stated: none of them is nothing by default.
#[derive(Debug, clap::Args)]
pub struct Attested {
    /// The lender, by its id or a participant's name.
    lender: String,
    /// The token in which the amounts are.
    #[arg(long)]
    token: TokenId,
    /// What kind of lender it is: small-loan, consumer-finance or other.
    #[arg(long, value_parser = read_kind)]
    kind: LenderKind,
    /// The time at which the figures were so, as 2026-11-22T10:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    as_of: jiff::Timestamp,
    /// Its net assets.
    #[arg(long)]
    net_assets: String,
    /// What it owes in loans from banks and shareholders.
    #[arg(long)]
    loan_funding: String,
    /// What it owes in bonds and securitisations.
    #[arg(long)]
    bond_funding: String,
    /// Its regulatory capital.
    #[arg(long)]
    capital: String,
    /// Its risk-weighted assets.
    #[arg(long)]
    risk_weighted_assets: String,
    /// Its exposures, on and off the balance sheet.
    #[arg(long)]
    exposures: String,
    /// What of them was out on this ledger as of that time. All that is out beyond it counts on top of the figures.
    #[arg(long, default_value = "0")]
    lent: String,
}

/// Since when a law has it so.
#[derive(Debug, clap::Args)]
pub struct Enacted {
    /// From when it is in force, as 2027-01-01T00:00:00+08:00: later than now, and than what is set already.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    from: jiff::Timestamp,
    /// The law that sets it, for whoever is declined by it.
    #[arg(long)]
    law: String,
}

/// Attests, and sets rules.
#[derive(Debug, clap::Subcommand)]
pub enum SupervisionCommand {
    /// Attests a lender's capital, in place of the attestation before. An auditor does; `finance capital` shows it.
    AttestCapital(Box<Attested>),
    /// Sets one of the lender's rules from a later time on; until then the value before is in force. Governance does;
    /// `finance rules` shows them.
    SetRule {
        /// The rule, such as all-in-cost-bps-max.
        rule: Parameter,
        /// Its value, in basis points or in days, as its name says.
        #[arg(allow_negative_numbers = true)]
        value: String,
        #[command(flatten)]
        enacted: Enacted,
    },
    /// Sets from a later time on what no loan's proceeds may be for, in place of the list before. Governance does.
    ForbidPurposes {
        /// A code of a-z, 0-9 and '-': up to 64; none to forbid nothing.
        #[arg(value_name = "CODE")]
        purposes: Vec<String>,
        #[command(flatten)]
        enacted: Enacted,
    },
}

impl SupervisionCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let malformed = |error: crate::ledger::malformed::Malformed| Failure::Usage(error.to_string());
        let operation = match self {
            Self::AttestCapital(attested) => return attest(session, *attested).await,
            Self::SetRule { rule, value, enacted: Enacted { from, law } } => {
                let value = read_rule_value(rule, &value)?;
                let value = ParameterValue { in_force_from: block_time(from)?, value, law };
                value.check().map_err(malformed)?;
                operations::set_lending_parameter(rule, value)
            }
            Self::ForbidPurposes { mut purposes, enacted: Enacted { from, law } } => {
                purposes.sort();
                let forbidden = ForbiddenPurposes { in_force_from: block_time(from)?, purposes, law };
                forbidden.check().map_err(malformed)?;
                operations::set_forbidden_purposes(forbidden)
            }
        };
        session.submit_one(operation).await
    }
}

async fn attest(session: &Session, attested: Attested) -> Result<(), Failure> {
    let (token, lender) = (attested.token, session.common.find_account(&attested.lender)?);
    let amount = |text: String| async move { session.amount_or_zero(&text, token).await };
    let figures = CapitalFigures {
        kind: attested.kind,
        as_of: block_time(attested.as_of)?,
        net_assets: amount(attested.net_assets).await?,
        loan_funding: amount(attested.loan_funding).await?,
        bond_funding: amount(attested.bond_funding).await?,
        capital: amount(attested.capital).await?,
        risk_weighted_assets: amount(attested.risk_weighted_assets).await?,
        exposures: amount(attested.exposures).await?,
        lent: amount(attested.lent).await?,
    };
    let mut builder = session.draft()?;
    builder.add(operations::attest_lender_capital(lender, token, &figures));
    session.submit_in(token, builder, &[]).await
}

fn read_rule_value(rule: Parameter, text: &str) -> Result<u64, Failure> {
    let of_days = rule.name().contains("-days-");
    let days = || text.parse().map_err(|_| format!("'{text}' is not a whole number of days"));
    let read = if of_days { days() } else { values::basis_points(text).map(u64::from) };
    read.map_err(|why| Failure::Usage(format!("{}: {why}", rule.name())))
}

fn read_kind(name: &str) -> Result<LenderKind, String> {
    by_name(LenderKind::ALL, LenderKind::name, name)
}

fn block_time(time: jiff::Timestamp) -> Result<BlockTime, Failure> {
    let ms = u64::try_from(time.as_millisecond());
    ms.map(BlockTime).map_err(|_| Failure::Usage(format!("{time} is before 1970")))
}
