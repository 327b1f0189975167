//! `causeway balance`: what an account has, as a node says or as the ledger certifies.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, print_many, print_one, with_decimals};
use crate::cli::session::Session;
use crate::client::json::to_json;
use crate::client::operations;
use crate::primitives::TokenId;
use serde_json::Value;

/// Shows and certifies balances.
#[derive(Debug, clap::Subcommand)]
pub enum BalanceCommand {
    /// Shows an account's balances; the acting one's if none is named.
    Show {
        /// Its id, or a participant's name.
        account: Option<String>,
    },
    /// Has the ledger certify a balance: the receipt (--receipt FILE) proves it to anyone, offline.
    Certify {
        /// The token.
        token: TokenId,
        /// The account, by its id or a participant's name; the acting one if none is named.
        account: Option<String>,
    },
}

impl BalanceCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Show { account } => {
                let account = session.account_or_own(account.as_deref())?;
                let answer = session.client.balances(account).await?;
                if session.format() == Format::Json {
                    print_one(Format::Json, &to_json(&answer));
                    return Ok(());
                }
                let mut balances = Vec::<Value>::new();
                for balance in &answer.balances {
                    balances.push(with_decimals(
                        Format::Text,
                        to_json(balance),
                        &["available", "locked"],
                        balance.scale,
                    ));
                }
                print_many(Format::Text, &balances, &["token_id", "available", "locked", "currency"]);
                Ok(())
            }
            Self::Certify { token, account } => {
                let account = session.account_or_own(account.as_deref())?;
                session.submit_one(operations::certify_balance(account, token)).await
            }
        }
    }
}
