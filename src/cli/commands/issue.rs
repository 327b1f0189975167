//! `causeway issue`: new units, by two people of the issuer, never past the reserves.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, money, print_many, print_one};
use crate::cli::session::Session;
use crate::client::json::to_json;
use crate::client::operations;
use crate::primitives::{Amount, ObjectId, TokenId};
use crate::wire::pb::tokens::Issuance;
use serde_json::Value;

/// Requests, decides and shows issuances.
#[derive(Debug, clap::Subcommand)]
pub enum IssueCommand {
    /// Asks for new units. A maker under the issuer does.
    Request {
        /// The token.
        token: TokenId,
        /// Who receives how much, as ACCOUNT=AMOUNT; several for several.
        #[arg(long = "to", value_name = "ACCOUNT=AMOUNT", required = true)]
        allocations: Vec<String>,
        /// For how many minutes it may be approved.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
    /// Approves an issuance and mints it. A checker under the issuer does.
    Approve {
        /// The issuance.
        issuance: ObjectId,
    },
    /// Rejects an issuance. A checker under the issuer does.
    Reject {
        /// The issuance.
        issuance: ObjectId,
    },
    /// Shows an issuance.
    Show {
        /// The issuance.
        issuance: ObjectId,
    },
    /// Lists the issuances that the acting account may see; --state requested is what a checker has before it.
    List {
        /// Only those that are requested, issued or rejected.
        #[arg(long)]
        state: Option<String>,
    },
}

impl IssueCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Request { token, allocations, minutes } => {
                let parsed = session.allocations(&allocations, token).await?;
                let expires_at_ms = session.client.now_ms().saturating_add(minutes.saturating_mul(60_000));
                let mut builder = session.draft()?;
                let issuance = builder.add(operations::request_issuance(token, &parsed, expires_at_ms)).object_id();
                session.submit(builder, &[("issuance_id", issuance.to_string())]).await
            }
            Self::Approve { issuance } => session.submit_one(operations::approve_issuance(issuance)).await,
            Self::Reject { issuance } => session.submit_one(operations::reject_issuance(issuance)).await,
            Self::Show { issuance } => {
                let issuance = session.client.issuance(issuance).await?;
                print_one(session.format(), &with_units(session, &issuance).await?);
                Ok(())
            }
            Self::List { state } => {
                session.account()?;
                let mut values = Vec::new();
                for issuance in session.client.issuances(state.as_deref()).await? {
                    values.push(with_units(session, &issuance).await?);
                }
                let columns = ["issuance_id", "allocations", "maker_account_id", "expires_at_ms", "state"];
                print_many(session.format(), &values, &columns);
                Ok(())
            }
        }
    }
}

async fn with_units(session: &Session, issuance: &Issuance) -> Result<Value, Failure> {
    let mut value = to_json(issuance);
    if session.format() == Format::Text {
        let scale = session.scale(issuance.token_id.parse()?).await?;
        for (index, allocation) in issuance.allocations.iter().enumerate() {
            let amount = money(Amount::new(allocation.amount), Some(&issuance.token_id), Some(scale));
            value["allocations"][index]["amount"] = amount.into();
        }
    }
    Ok(value)
}
