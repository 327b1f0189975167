//! `causeway blocks` and `causeway events follow`: the chain as it grows.

use super::shipment_events::ShipmentEventsCommand;
use crate::cli::failure::Failure;
use crate::cli::output::{Format, money, print_line, print_one, with_units};
use crate::cli::session::Session;
use crate::client::ClientError;
use crate::client::json::to_json;
use crate::client::queries::StreamItem;
use crate::primitives::{AccountId, Amount, BlockTime};
use serde_json::Value;
use std::collections::BTreeMap;

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
                let mut value = to_json(&session.client.block(height).await?);
                if session.format() == Format::Text {
                    let scales = scales(session).await?;
                    with_units(&mut value, &|token| scales.get(token).copied());
                }
                print_one(session.format(), &value);
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

/// Follows the ledger's events; records, takes back and shows those of shipments.
#[derive(Debug, clap::Subcommand)]
pub enum EventsCommand {
    /// Prints the ledger's events as they become final, until Ctrl-C. What the acting account may not see is left out.
    #[command(after_help = "Example:\n  causeway events follow --as supplier --cursor 0 --count 10")]
    Follow {
        /// The cursor of the last event seen; 0 for the first of all; from the next one on if not given.
        #[arg(long, default_value = "")]
        cursor: String,
        /// End after so many events.
        #[arg(long)]
        count: Option<u64>,
    },
    /// What happened to an order's goods.
    #[command(flatten)]
    Shipment(ShipmentEventsCommand),
}

impl EventsCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Follow { cursor, count } => follow_events(session, &cursor, count).await,
            Self::Shipment(command) => command.run(session).await,
        }
    }
}

async fn follow_events(session: &Session, cursor: &str, count: Option<u64>) -> Result<(), Failure> {
    session.account()?;
    let mut stream = session.client.follow_events(cursor).await?;
    let mut known = Known { scales: BTreeMap::new(), names: session.common.participants_by_account() };
    let mut seen = 0;
    while count.is_none_or(|count| seen < count) {
        let Some(message) = stream.message().await.map_err(stream_failure)? else { break };
        match StreamItem::from(message) {
            StreamItem::Event(event) => {
                let value = to_json(&event);
                let text = match session.format() {
                    Format::Json => String::new(),
                    Format::Text => {
                        known.learn(session, &value).await?;
                        known.event_text(&value)
                    }
                };
                print_line(session.format(), &value, &text);
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

/// The decimals of every token.
async fn scales(session: &Session) -> Result<BTreeMap<String, u32>, Failure> {
    Ok(session.client.tokens().await?.into_iter().map(|token| (token.token_id, token.scale)).collect())
}

/// What makes events readable: tokens' decimals, and who is who in a sandbox.
struct Known {
    scales: BTreeMap<String, u32>,
    names: BTreeMap<AccountId, String>,
}

impl Known {
    /// Asks for the tokens once there is one in an event that is not known yet.
    async fn learn(&mut self, session: &Session, event: &Value) -> Result<(), Failure> {
        let mut tokens = items(event, "movements").iter().filter_map(|movement| movement["token_id"].as_str());
        if tokens.any(|token| !self.scales.contains_key(token)) {
            self.scales = scales(session).await?;
        }
        Ok(())
    }

    fn event_text(&self, event: &Value) -> String {
        let mut parts: Vec<String> = match event["decline"]["reason"].as_str() {
            Some(reason) => vec![format!("declined: {reason}")],
            None => items(event, "movements").iter().map(|movement| self.movement_text(movement)).collect(),
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        parts.extend(items(event, "effects").iter().filter_map(|effect| text(&effect["name"])));
        let purposes = items(event, "transfers").iter().map(|transfer| remittance_text(&transfer["remittance"]));
        parts.extend(purposes.filter(|purpose| !purpose.is_empty()).map(|purpose| format!("for {purpose}")));
        let cursor = event["cursor"].as_str().unwrap_or_default();
        let id = event["transaction_id"].as_str().unwrap_or_default();
        let fell_due = if event["status"] == "UNSPECIFIED" { "fell due " } else { "" };
        format!("{:>8}  {}  {fell_due}{id}  (cursor {cursor})", event["height"].to_string(), parts.join(", "))
    }

    fn movement_text(&self, movement: &Value) -> String {
        let token = movement["token_id"].as_str();
        let scale = token.and_then(|token| self.scales.get(token).copied());
        let amount = money(Amount::new(movement["amount"].as_u64().unwrap_or_default()), token, scale);
        let party = |word: &str, field: &str| {
            let account = movement[field].as_str();
            account.map_or_else(String::new, |account| format!(" {word} {}", self.name_of(account)))
        };
        let (payer, payee) = (party("from", "from_account_id"), party("to", "to_account_id"));
        let kind = movement["kind"].as_str().unwrap_or_default();
        // What stays with its holder is locked or unlocked there.
        match kind {
            "LOCK" | "UNLOCK" => format!("{kind} {amount}{}", party("of", "from_account_id")),
            _ => format!("{kind} {amount}{payer}{payee}"),
        }
    }

    fn name_of(&self, account: &str) -> String {
        let name = account.parse().ok().and_then(|account: AccountId| self.names.get(&account));
        name.cloned().unwrap_or_else(|| account.to_owned())
    }
}

fn items<'a>(event: &'a Value, field: &str) -> &'a [Value] {
    event[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What a payment is for, in the payer's words.
fn remittance_text(remittance: &Value) -> String {
    let own = ["end_to_end_id", "purpose_code"].into_iter().filter_map(|field| remittance[field].as_str());
    let invoices = items(remittance, "invoice_references").iter().filter_map(Value::as_str);
    own.chain(invoices).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_says_who_paid_whom_how_much_and_what_for() {
        let (buyer, other) = (AccountId([1; 32]), AccountId([2; 32]));
        let known = Known { scales: [("HKDX".to_owned(), 2)].into(), names: [(buyer, "buyer".to_owned())].into() };
        let movement = json!({
            "kind": "TRANSFER", "token_id": "HKDX", "amount": 1_250_000,
            "from_account_id": buyer.to_string(), "to_account_id": other.to_string(),
        });
        let remittance = json!({ "end_to_end_id": "PO-1", "invoice_references": ["INV-7", "INV-8"] });
        let event = json!({
            "height": 16, "cursor": "16.1", "transaction_id": "ab",
            "movements": [movement], "transfers": [{ "remittance": remittance }],
        });
        let expected =
            format!("TRANSFER 12,500.00 HKDX from buyer to {other}, for PO-1 INV-7 INV-8  ab  (cursor 16.1)");
        assert_eq!(known.event_text(&event), format!("      16  {expected}"));
        let declined = json!({ "height": 17, "cursor": "17.1", "decline": { "reason": "INSUFFICIENT_FUNDS" } });
        assert!(known.event_text(&declined).contains("declined: INSUFFICIENT_FUNDS"));
    }
}
