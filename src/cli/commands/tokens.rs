//! `causeway tokens`: what circulates, and what backs it.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, print_many, print_one, with_decimals, with_money};
use crate::cli::session::Session;
use crate::cli::values;
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
    let token = session.token(token).await?;
    let mut value = with_money(session.format(), to_json(&token), &AMOUNTS, &token.token_id, token.scale);
    if session.format() == Format::Text
        && let Some(policy) = value.as_object_mut().and_then(|fields| fields.remove("reserve_policy"))
    {
        let rules = policy["asset_rules"].as_array().map(Vec::as_slice).unwrap_or_default();
        value["counts_as_reserves"] = rules.iter().map(rule_text).collect::<Vec<_>>().join("; ").into();
        let hours = policy["attestation_age_ms_max"].as_u64().unwrap_or_default() / 3_600_000;
        value["attestation_counts_for"] = format!("{hours} h").into();
    }
    print_one(session.format(), &value);
    Ok(())
}

/// A rule for what counts as reserves, such as "government debt up to 366 days, less 2 %".
fn rule_text(rule: &Value) -> String {
    let number = |field: &str| rule[field].as_u64().unwrap_or_default();
    let mut text = rule["asset_class"].as_str().unwrap_or_default().to_lowercase().replace('_', " ");
    match number("maturity_days_max") {
        0 => {}
        1 => text.push_str(" up to 1 day"),
        days => text.push_str(&format!(" up to {days} days")),
    }
    match number("haircut_bps_min") {
        0 => {}
        bps if bps % 100 == 0 => text.push_str(&format!(", less {} %", bps / 100)),
        bps => text.push_str(&format!(", less {}.{:02} %", bps / 100, bps % 100)),
    }
    text
}

fn read_rule(text: &str) -> Result<AssetRule, Failure> {
    let malformed = |why: String| Failure::Usage(format!("'{text}' is not an asset rule: {why}"));
    let parts: Vec<_> = text.split(',').collect();
    let [class, maturity, haircut] = parts.as_slice() else {
        return Err(malformed("write CLASS,MATURITY_DAYS_MAX,HAIRCUT_BPS_MIN, such as deposit,90,0".to_owned()));
    };
    Ok(AssetRule {
        asset_class: class.parse().map_err(Failure::Usage)?,
        maturity_days_max: maturity
            .parse()
            .map_err(|_| malformed(format!("the maturity '{maturity}' is not a whole number of days")))?,
        haircut_bps_min: values::basis_points(haircut).map_err(|why| malformed(format!("the haircut {why}")))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rule_reads_like_one() {
        let rule = |class: &str, days: u64, bps: u64| {
            rule_text(&json!({ "asset_class": class, "maturity_days_max": days, "haircut_bps_min": bps }))
        };
        assert_eq!(rule("CASH", 0, 0), "cash");
        assert_eq!(rule("GOVERNMENT_DEBT", 366, 200), "government debt up to 366 days, less 2 %");
        assert_eq!(rule("REVERSE_REPO", 1, 25), "reverse repo up to 1 day, less 0.25 %");
    }
}
