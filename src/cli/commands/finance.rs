//! `causeway finance`: money for a confirmed invoice, on the record of settlement receipts.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, money, print_many, print_one, with_money};
use crate::cli::session::Session;
use crate::client::json::to_json;
use crate::client::operations::{self, NewFinancingRequest};
use crate::client::{now_ms, receipt_file};
use crate::primitives::{Amount, ObjectId, TokenId, TransactionId};
use serde_json::Value;
use std::path::Path;

/// Asks for, gives and shows financing.
#[derive(Debug, clap::Subcommand)]
pub enum FinanceCommand {
    /// Asks a financier for an advance on a receivable, citing settlement receipts. The supplier does, and hands the cited
    /// receipts to the financier: the ledger checks that they are final and keeps their number, and not the receipts.
    Request {
        /// The receivable.
        #[arg(long)]
        receivable: ObjectId,
        /// The financier, by its id or a participant's name.
        #[arg(long)]
        financier: String,
        /// What to be paid now.
        #[arg(long, allow_negative_numbers = true)]
        advance: String,
        /// What the financier receives on top when the buyer pays.
        #[arg(long, allow_negative_numbers = true)]
        fee: String,
        /// A settlement to cite: a receipt file, or a transaction id. 1 to 16.
        #[arg(long = "cite", value_name = "FILE|ID", required = true)]
        citations: Vec<String>,
        /// For how many minutes the request may be accepted.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
    /// Accepts a request: the advance is paid and the receivable assigned, together. The financier does.
    Accept {
        /// The request.
        request: ObjectId,
    },
    /// Takes a request back. The supplier does.
    Withdraw {
        /// The request.
        request: ObjectId,
    },
    /// Shows a request and the receivable that it is on: what is owed, by whom, when. The receipts that it cites are handed
    /// over by the supplier; `causeway receipts verify` checks them.
    Show {
        /// The request.
        request: ObjectId,
    },
    /// Lists the requests that the acting account may see.
    List {
        /// Only those that are requested, accepted or withdrawn.
        #[arg(long)]
        state: Option<String>,
    },
}

impl FinanceCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Request { receivable, financier, advance, fee, citations, minutes } => {
                let token: TokenId = session.client.receivable(receivable).await?.token_id.parse()?;
                let mut cited = Vec::new();
                for citation in &citations {
                    cited.push(session.client.citation(cited_transaction(citation)?).await?);
                }
                let mut builder = session.draft()?;
                let request = operations::request_financing(NewFinancingRequest {
                    receivable,
                    financier: session.common.find_account(&financier)?,
                    advance: session.amount(&advance, token).await?,
                    fee: session.amount_or_zero(&fee, token).await?,
                    expires_at_ms: now_ms().saturating_add(minutes.saturating_mul(60_000)),
                    citations: cited,
                });
                let request = builder.add(request).object_id();
                session.submit_in(token, builder, &[("financing_request_id", request.to_string())]).await
            }
            Self::Accept { request } => {
                let (_, receivable) = session.client.financing_request(request).await?;
                let mut builder = session.draft()?;
                builder.add(operations::accept_financing(request));
                session.submit_in(receivable.token_id.parse()?, builder, &[]).await
            }
            Self::Withdraw { request } => session.submit_one(operations::withdraw_financing(request)).await,
            Self::Show { request } => {
                let (request, receivable) = session.client.financing_request(request).await?;
                let (mut value, mut on) = (to_json(&request), to_json(&receivable));
                if session.format() == Format::Text {
                    let scale = session.scale(receivable.token_id.parse()?).await?;
                    let unit =
                        |value, fields: &[&str]| with_money(Format::Text, value, fields, &receivable.token_id, scale);
                    value = unit(value, &["advance", "fee"]);
                    on = unit(on, &["amount", "outstanding", "secured"]);
                }
                value["receivable"] = on;
                print_one(session.format(), &value);
                Ok(())
            }
            Self::List { state } => {
                session.account()?;
                let mut values = Vec::new();
                for request in session.client.financing_requests(state.as_deref()).await? {
                    values.push(with_token(session, &request.receivable_id, to_json(&request)).await);
                }
                let columns = ["financing_request_id", "receivable_id", "advance", "fee", "state"];
                print_many(session.format(), &values, &columns);
                Ok(())
            }
        }
    }
}

/// Decimals for people, where the receivable and so its token can be seen; minor units otherwise.
async fn with_token(session: &Session, receivable: &[u8], mut value: Value) -> Value {
    if session.format() == Format::Json {
        return value;
    }
    let Some(receivable) = ObjectId::from_slice(receivable) else { return value };
    let amounts = ["advance", "fee"];
    if let Ok(found) = session.client.receivable(receivable).await
        && let Ok(token) = found.token_id.parse()
        && let Ok(scale) = session.scale(token).await
    {
        return with_money(Format::Text, value, &amounts, &found.token_id, scale);
    }
    for amount in amounts {
        if let Some(minor) = value[amount].as_u64() {
            value[amount] = money(Amount::new(minor), None, None).into();
        }
    }
    value
}

fn cited_transaction(text: &str) -> Result<TransactionId, Failure> {
    let path = Path::new(text);
    if path.exists() {
        return Ok(receipt_file::read(path)?.transaction.id());
    }
    text.parse().map_err(|_| Failure::Usage(format!("'{text}' is neither a receipt file nor a transaction id")))
}
