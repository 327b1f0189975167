//! `causeway blocks` and `causeway events`: the chain as it grows.

use crate::cli::failure::Failure;
use crate::cli::output::{print_line, print_one};
use crate::cli::session::Session;
use crate::client::ClientError;
use crate::client::json::to_json;
use crate::client::queries::StreamItem;
use crate::primitives::BlockTime;
use serde_json::Value;

/// Shows blocks.
#[derive(Debug, clap::Subcommand)]
pub enum BlocksCommand {
    /// Shows one block.
    Show {
        /// Its height; the genesis block is 0.
        height: u64,
    },
    /// Prints blocks as they become final, until Ctrl-C.
    Follow {
        /// From which height on; from the next block on if not given.
        #[arg(long)]
        from: Option<u64>,
        /// End after so many blocks.
        #[arg(long)]
        count: Option<u64>,
    },
}

impl BlocksCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Show { height } => {
                print_one(session.format(), &to_json(&session.client.block(height).await?));
                Ok(())
            }
            Self::Follow { from, count } => {
                let from = match from {
                    Some(height) => height,
                    None => session.client.status().await?.height + 1,
                };
                let mut stream = session.client.follow_blocks(from).await?;
                let mut seen = 0;
                while count.is_none_or(|count| seen < count) {
                    let Some(message) = stream.message().await.map_err(stream_failure)? else { break };
                    if let Some(block) = message.block {
                        let (time, transactions) = (BlockTime(block.time_ms), block.transaction_count);
                        let hash = hex::encode(&block.block_hash);
                        let text = format!("{:>8}  {time}  {transactions:>5} transactions  {hash}", block.height);
                        print_line(session.format(), &to_json(&block), &text);
                        seen += 1;
                    }
                }
                Ok(())
            }
        }
    }
}

fn stream_failure(status: tonic::Status) -> Failure {
    Failure::Failed(format!("the stream ended: {}", crate::client::Refusal::from_status(&status)))
}

/// Follows events.
#[derive(Debug, clap::Subcommand)]
pub enum EventsCommand {
    /// Prints events as they become final, until Ctrl-C. What the acting account may not see is left out.
    Follow {
        /// The cursor of the last event seen; 0 for the first of all; from the next one on if not given.
        #[arg(long, default_value = "")]
        cursor: String,
        /// End after so many events.
        #[arg(long)]
        count: Option<u64>,
    },
}

impl EventsCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let Self::Follow { cursor, count } = self;
        session.account()?;
        let mut stream = session.client.follow_events(&cursor).await?;
        let mut seen = 0;
        while count.is_none_or(|count| seen < count) {
            let Some(message) = stream.message().await.map_err(stream_failure)? else { break };
            match StreamItem::from(message) {
                StreamItem::Event(event) => {
                    let value = to_json(&event);
                    print_line(session.format(), &value, &event_text(&value));
                    seen += 1;
                }
                StreamItem::Gap(gap) => {
                    print_line(session.format(), &to_json(&gap), "events were dropped");
                    return Err(Failure::Failed("the reader was too slow: resume with the last --cursor seen".into()));
                }
                StreamItem::Nothing => return Err(ClientError::Malformed("an event is empty".into()).into()),
            }
        }
        Ok(())
    }
}

fn event_text(event: &Value) -> String {
    let names = |field: &str, name: &str| {
        let items = event[field].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(|item| item[name].as_str()).collect::<Vec<_>>().join(", ")
    };
    let what = match event["decline"]["reason"].as_str() {
        Some(reason) => format!("declined: {reason}"),
        None => [names("movements", "kind"), names("effects", "name")].join("  "),
    };
    let cursor = event["cursor"].as_str().unwrap_or_default();
    let transaction = event["transaction_id"].as_str().unwrap_or("fell due");
    format!("{:>8}  {transaction}  {what}  (cursor {cursor})", event["height"])
}
