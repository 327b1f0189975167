//! `causeway tokens`: what circulates, and what backs it.

use crate::cli::failure::Failure;
use crate::cli::output::{print_many, print_one, with_decimals};
use crate::cli::session::Session;
use crate::client::json::to_json;
use crate::client::operations::{self, AssetRule, NewToken};
use crate::primitives::TokenId;
use serde_json::Value;

const AMOUNTS: [&str; 3] = ["circulation", "reserves_counted", "shortfall"];

/// Creates and shows tokens.
#[derive(Debug, clap::Subcommand)]
pub enum TokensCommand {
    /// Creates a token. The issuer does.
    Create {
        /// Its id: 3 to 12 of A-Z and 0-9, a letter first.
        token: TokenId,
        /// The currency that it is pegged to, by its ISO 4217 code.
        #[arg(long)]
        currency: String,
        /// Decimals of a unit.
        #[arg(long, default_value_t = 2)]
        scale: u32,
        /// Who attests its reserves, by an id or a participant's name.
        #[arg(long)]
        custodian: String,
        /// What counts as reserves, as CLASS,MATURITY_DAYS_MAX,HAIRCUT_BPS_MIN: cash,0,0 or government-debt,366,200.
        #[arg(long = "asset-rule", value_name = "RULE", required = true)]
        asset_rules: Vec<String>,
        /// For how many hours an attestation counts.
        #[arg(long, default_value_t = 24)]
        attestation_hours: u64,
        /// Minutes east of UTC, in which its business days run.
        #[arg(long, default_value_t = 480, allow_negative_numbers = true)]
        utc_offset_minutes: i32,
        /// Within how many business days a redemption is to be paid.
        #[arg(long, default_value_t = 1)]
        redemption_business_days: u32,
    },
    /// Shows a token.
    Show {
        /// Its id.
        token: TokenId,
    },
    /// Lists all tokens.
    List,
}

impl TokensCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Create {
                token,
                currency,
                scale,
                custodian,
                asset_rules,
                attestation_hours,
                utc_offset_minutes,
                redemption_business_days,
            } => {
                let rules = asset_rules.iter().map(|rule| read_rule(rule)).collect::<Result<_, _>>()?;
                let token = NewToken {
                    token,
                    currency,
                    scale,
                    custodian: session.common.find_account(&custodian)?,
                    asset_rules: rules,
                    attestation_age_ms_max: attestation_hours.saturating_mul(60 * 60 * 1000),
                    utc_offset_minutes,
                    holidays: Vec::new(),
                    redemption_business_days,
                };
                session.submit_one(operations::create_token(token)).await
            }
            Self::Show { token } => show(session, token).await,
            Self::List => {
                let tokens = session.client.tokens().await?;
                let decimal = |token: &_, scale| with_decimals(session.format(), to_json(token), &AMOUNTS, scale);
                let tokens: Vec<Value> = tokens.iter().map(|token| decimal(token, token.scale)).collect();
                let columns =
                    ["token_id", "currency", "circulation", "reserves_counted", "shortfall", "attested_as_of_ms"];
                print_many(session.format(), &tokens, &columns);
                Ok(())
            }
        }
    }
}

/// Prints a token with its reserves.
///
/// # Errors
/// There is none of this id.
pub async fn show(session: &Session, token: TokenId) -> Result<(), Failure> {
    let token = session.client.token(token).await?;
    print_one(session.format(), &with_decimals(session.format(), to_json(&token), &AMOUNTS, token.scale));
    Ok(())
}

fn read_rule(text: &str) -> Result<AssetRule, Failure> {
    let malformed = || Failure::Usage(format!("'{text}' is not of the form CLASS,MATURITY_DAYS_MAX,HAIRCUT_BPS_MIN"));
    let parts: Vec<_> = text.split(',').collect();
    let [class, maturity, haircut] = parts.as_slice() else { return Err(malformed()) };
    Ok(AssetRule {
        asset_class: class.parse().map_err(Failure::Usage)?,
        maturity_days_max: maturity.parse().map_err(|_| malformed())?,
        haircut_bps_min: haircut.parse().map_err(|_| malformed())?,
    })
}
