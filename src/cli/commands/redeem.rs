//! `causeway redeem`: fiat at par, in two steps, matched by the redemption's own id.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, print_many, print_one, with_money};
use crate::cli::session::Session;
use crate::client::json::to_json;
use crate::client::operations;
use crate::domain::tokens::payout_commitment;
use crate::primitives::{ObjectId, TokenId};
use serde_json::Value;

/// Requests, settles and shows redemptions.
#[derive(Debug, clap::Subcommand)]
pub enum RedeemCommand {
    /// Asks for fiat at par. The units are locked until the issuer pays or rejects.
    Request {
        /// How much, such as 10000.00.
        #[arg(allow_negative_numbers = true)]
        amount: String,
        /// The token.
        token: TokenId,
        /// Where the fiat goes. It stays here: the ledger sees a salted commitment to it, whose salt is printed.
        #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        payout: String,
    },
    /// States that the fiat was paid, and burns the units. The issuer does.
    Pay {
        /// The redemption.
        redemption: ObjectId,
        /// The fiat payment's own reference.
        #[arg(long)]
        fiat_reference: String,
    },
    /// Rejects a redemption and gives its units back. The issuer does.
    Reject {
        /// The redemption.
        redemption: ObjectId,
        /// Why, for the holder to read. No personal data.
        #[arg(long)]
        why: String,
    },
    /// Shows a redemption.
    Show {
        /// The redemption.
        redemption: ObjectId,
    },
    /// Lists the redemptions that the acting account may see.
    List {
        /// Only those that are requested, paid or rejected.
        #[arg(long)]
        state: Option<String>,
    },
}

impl RedeemCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Request { amount, token, payout } => {
                let amount = session.amount(&amount, token).await?;
                let mut salt = [0; 32];
                getrandom::fill(&mut salt).map_err(|error| Failure::Failed(error.to_string()))?;
                let commitment = payout_commitment(&salt, &payout);
                let mut builder = session.draft()?;
                let redemption = builder.add(operations::request_redemption(token, amount, commitment)).object_id();
                let created = [("redemption_id", redemption.to_string()), ("payout_salt", hex::encode(salt))];
                session.submit(builder, &created).await?;
                session.note(
                    "Keep the salt with the payout text: together they open the commitment that the ledger has of it.",
                );
                Ok(())
            }
            Self::Pay { redemption, fiat_reference } => {
                session.submit_one(operations::pay_redemption(redemption, &fiat_reference)).await
            }
            Self::Reject { redemption, why } => {
                session.submit_one(operations::reject_redemption(redemption, &why)).await
            }
            Self::Show { redemption } => {
                let redemption = session.client.redemption(redemption).await?;
                print_one(session.format(), &with_units(session, &redemption.token_id, to_json(&redemption)).await?);
                Ok(())
            }
            Self::List { state } => {
                session.account()?;
                let mut values = Vec::new();
                for redemption in session.client.redemptions(state.as_deref()).await? {
                    values.push(with_units(session, &redemption.token_id, to_json(&redemption)).await?);
                }
                let columns = ["redemption_id", "amount", "due_at_ms", "state", "overdue"];
                print_many(session.format(), &values, &columns);
                Ok(())
            }
        }
    }
}

async fn with_units(session: &Session, token: &str, value: Value) -> Result<Value, Failure> {
    match session.format() {
        Format::Json => Ok(value),
        Format::Text => Ok(with_money(Format::Text, value, &["amount"], token, session.scale(token.parse()?).await?)),
    }
}
