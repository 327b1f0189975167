//! `causeway reserves`: what backs a token, as its custodian attests it.

use crate::cli::commands::tokens;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::values;
use crate::client::operations::{self, AssetClass, ReserveAsset};
use crate::primitives::TokenId;

/// Attests and shows reserves.
#[derive(Debug, clap::Subcommand)]
pub enum ReservesCommand {
    /// States what backs a token now. The custodian does; it replaces the attestation before.
    Attest {
        /// The token.
        token: TokenId,
        /// An asset as CLASS=VALUE[,MATURITY[,HAIRCUT_BPS]]: cash=5000000.00, deposit=100.00,2027-01-31,
        /// government-debt=100.00,2027-03-01,200. Several for several.
        #[arg(long = "asset", value_name = "ASSET", required = true)]
        assets: Vec<String>,
        /// The time at which the assets were so, as 2026-11-22T10:00:00Z; now if not given.
        #[arg(long, value_name = "TIME", value_parser = values::time)]
        as_of: Option<jiff::Timestamp>,
    },
    /// Shows a token's reserves, circulation and shortfall.
    Show {
        /// The token.
        token: TokenId,
    },
}

impl ReservesCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Attest { token, assets, as_of } => {
                let mut parsed = Vec::new();
                for asset in &assets {
                    parsed.push(read_asset(session, token, asset).await?);
                }
                // A second back keeps the statement out of the future of a node whose clock is behind.
                let as_of_ms = match as_of {
                    Some(as_of) => u64::try_from(as_of.as_millisecond()).unwrap_or_default(),
                    None => session.client.now_ms().saturating_sub(1_000),
                };
                session.submit_one(operations::attest_reserves(token, as_of_ms, &parsed)).await
            }
            Self::Show { token } => tokens::show(session, token).await,
        }
    }
}

async fn read_asset(session: &Session, token: TokenId, text: &str) -> Result<ReserveAsset, Failure> {
    let malformed = |why: &str| Failure::Usage(format!("'{text}' is not an asset: {why}"));
    let (class, rest) =
        text.split_once('=').ok_or_else(|| malformed("expected CLASS=VALUE[,MATURITY[,HAIRCUT_BPS]]"))?;
    let asset_class: AssetClass = class.parse().map_err(Failure::Usage)?;
    let mut parts = rest.split(',');
    let market_value = session.amount_or_zero(parts.next().unwrap_or_default(), token).await?;
    let matures_at_ms = match parts.next() {
        None | Some("") => 0,
        Some(date) => {
            let date = values::day(date).map_err(|why| malformed(&format!("the maturity {why}")))?;
            let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| malformed("the maturity is no day"))?;
            u64::try_from(midnight.timestamp().as_millisecond())
                .map_err(|_| malformed("the maturity is before 1970"))?
        }
    };
    let haircut = parts.next().unwrap_or("0");
    let haircut_bps = values::basis_points(haircut).map_err(|why| malformed(&format!("the haircut {why}")))?;
    match parts.next() {
        None => Ok(ReserveAsset { asset_class, matures_at_ms, market_value, haircut_bps }),
        Some(_) => Err(malformed("it has too many parts")),
    }
}
