//! Reading the ledger: one method for each query service call. Answers are the messages of `proto/`, which
//! [`json`](super::json) turns into JSON.

use super::connection::Connection;
use super::error::ClientError;
use super::ledger_client::Client;
use super::lineage::{LINEAGE_STEPS_MAX, Lineage, LineageStep};
use super::operations::{Citation, NewFinancingRequest};
use crate::ledger::ReserveLine;
use crate::ledger::malformed::Malformed;
use crate::ledger::receipt::Receipt;
use crate::primitives::{AccountId, Decode as _, Hash, ObjectId, RequestId, TokenId, TransactionId};
use crate::wire::pb::{accounts, financing, governance, ledger, node, tokens, trade};
use crate::wire::{object_id, receipt_from_pb, transaction_id};
use bytes::Bytes;
use tonic::Streaming;

fn bytes(id: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(id.as_ref())
}

fn present<T>(part: Option<T>, what: &str) -> Result<T, ClientError> {
    part.ok_or_else(|| ClientError::Malformed(format!("there is no {what} in it")))
}

/// Steps of a page of a lineage: as many as a node gives.
const LINEAGE_PAGE: u32 = 256;

fn lineage_step(step: ledger::LineageStep) -> Result<LineageStep, Malformed> {
    let line = |bytes: &Bytes| {
        ReserveLine::from_bytes(bytes).map_err(|error| Malformed::new("reserve_lines", error.to_string()))
    };
    Ok(LineageStep {
        object: object_id("object_id", &step.object_id)?,
        relation: step.relation,
        transaction: transaction_id("transaction_id", &step.transaction_id)?,
        height: step.height,
        events: step.effects.into_iter().map(|effect| effect.name).collect(),
        receipt: receipt_from_pb(step.receipt.ok_or_else(|| Malformed::new("receipt", "it is missing"))?)?,
        reserve_lines: step.reserve_lines.iter().map(line).collect::<Result<_, _>>()?,
    })
}

/// A state's wire number by its short name, such as `paid` of `REDEMPTION_STATE_PAID`; 0 for none.
fn state_number(
    name: Option<&str>,
    prefix: &str,
    known: &[&str],
    number: impl Fn(&str) -> Option<i32>,
) -> Result<i32, ClientError> {
    let Some(name) = name else { return Ok(0) };
    let full = format!("{prefix}{}", name.to_uppercase());
    number(&full)
        .filter(|number| *number != 0)
        .ok_or_else(|| ClientError::Request(format!("'{name}' is not a state; states are {}", known.join(", "))))
}

/// A question with a message for an answer.
macro_rules! ask {
    ($client:expr, $service:ident . $method:ident ($request:expr)) => {{
        let request = $request;
        $client
            .ask(|connection: Connection| {
                let request = request.clone();
                async move { connection.$service().$method(request).await }
            })
            .await
    }};
}

/// All pages of a list, up to a number of entries that fits a screen's memory.
macro_rules! all_pages {
    ($client:expr, $service:ident . $method:ident, $request:expr, $field:ident) => {{
        let mut request = $request;
        let mut all = Vec::new();
        loop {
            let page = ask!($client, $service.$method(request.clone()))?;
            all.extend(page.$field);
            if page.next_page_token.is_empty() || all.len() >= LIST_MAX {
                break;
            }
            request.page_token = page.next_page_token;
        }
        Ok(all)
    }};
}

mod lending;

pub use lending::LoanQuery;

/// Most entries that a list is read up to.
pub const LIST_MAX: usize = 10_000;

impl Client {
    /// A node's status.
    ///
    /// # Errors
    /// Like [`Client::ask`], as for all reads here.
    pub async fn status(&self) -> Result<node::GetStatusResponse, ClientError> {
        ask!(self, node.get_status(node::GetStatusRequest {}))
    }

    /// The genesis file's bytes.
    pub async fn genesis(&self) -> Result<Bytes, ClientError> {
        Ok(ask!(self, node.get_genesis(node::GetGenesisRequest {}))?.genesis)
    }

    /// The validators and observers, with what is decided for the next epoch.
    pub async fn peers(&self) -> Result<governance::ListPeersResponse, ClientError> {
        ask!(self, governance.list_peers(governance::ListPeersRequest {}))
    }

    /// An account.
    pub async fn account(&self, account: AccountId) -> Result<accounts::Account, ClientError> {
        let request = accounts::GetAccountRequest { account_id: bytes(account) };
        present(ask!(self, accounts.get_account(request))?.account, "account")
    }

    /// What the reader may know of another's account: the company behind it and what it may do.
    pub async fn counterparty(&self, account: AccountId) -> Result<accounts::Counterparty, ClientError> {
        let request = accounts::GetCounterpartyRequest { account_id: bytes(account) };
        present(ask!(self, accounts.get_counterparty(request))?.counterparty, "counterparty")
    }

    /// The accounts that the reader may see.
    pub async fn accounts(&self) -> Result<Vec<accounts::Account>, ClientError> {
        all_pages!(self, accounts.list_accounts, accounts::ListAccountsRequest::default(), accounts)
    }

    /// An account's balances.
    pub async fn balances(&self, account: AccountId) -> Result<accounts::ListBalancesResponse, ClientError> {
        ask!(self, accounts.list_balances(accounts::ListBalancesRequest { account_id: bytes(account) }))
    }

    /// A token.
    pub async fn token(&self, token: TokenId) -> Result<tokens::Token, ClientError> {
        let request = tokens::GetTokenRequest { token_id: token.as_str().to_owned() };
        present(ask!(self, tokens.get_token(request))?.token, "token")
    }

    /// All tokens.
    pub async fn tokens(&self) -> Result<Vec<tokens::Token>, ClientError> {
        Ok(ask!(self, tokens.list_tokens(tokens::ListTokensRequest {}))?.tokens)
    }

    /// An issuance.
    pub async fn issuance(&self, issuance: ObjectId) -> Result<tokens::Issuance, ClientError> {
        let request = tokens::GetIssuanceRequest { issuance_id: bytes(issuance) };
        present(ask!(self, tokens.get_issuance(request))?.issuance, "issuance")
    }

    /// The issuances that the reader may see, all or in one state.
    pub async fn issuances(&self, state: Option<&str>) -> Result<Vec<tokens::Issuance>, ClientError> {
        let state = state_number(state, "ISSUANCE_STATE_", &["requested", "issued", "rejected"], |name| {
            tokens::IssuanceState::from_str_name(name).map(Into::into)
        })?;
        let request = tokens::ListIssuancesRequest { state, ..Default::default() };
        all_pages!(self, tokens.list_issuances, request, issuances)
    }

    /// A redemption.
    pub async fn redemption(&self, redemption: ObjectId) -> Result<tokens::Redemption, ClientError> {
        let request = tokens::GetRedemptionRequest { redemption_id: bytes(redemption) };
        present(ask!(self, tokens.get_redemption(request))?.redemption, "redemption")
    }

    /// The redemptions that the reader may see, all or in one state.
    pub async fn redemptions(&self, state: Option<&str>) -> Result<Vec<tokens::Redemption>, ClientError> {
        let state = state_number(state, "REDEMPTION_STATE_", &["requested", "paid", "rejected"], |name| {
            tokens::RedemptionState::from_str_name(name).map(Into::into)
        })?;
        let request = tokens::ListRedemptionsRequest { state, ..Default::default() };
        all_pages!(self, tokens.list_redemptions, request, redemptions)
    }

    /// A receivable.
    pub async fn receivable(&self, receivable: ObjectId) -> Result<trade::Receivable, ClientError> {
        let request = trade::GetReceivableRequest { receivable_id: bytes(receivable) };
        present(ask!(self, trade.get_receivable(request))?.receivable, "receivable")
    }

    /// The receivables that the reader may see, all or in one state.
    pub async fn receivables(&self, state: Option<&str>) -> Result<Vec<trade::Receivable>, ClientError> {
        let known = ["registered", "confirmed", "financed", "settled", "withdrawn", "rejected", "disputed", "split"];
        let state = state_number(state, "RECEIVABLE_STATE_", &known, |name| {
            trade::ReceivableState::from_str_name(name).map(Into::into)
        })?;
        let request = trade::ListReceivablesRequest { state, ..Default::default() };
        all_pages!(self, trade.list_receivables, request, receivables)
    }

    /// An order, with the events of its shipments.
    pub async fn order(&self, order: ObjectId) -> Result<trade::GetOrderResponse, ClientError> {
        let answer = ask!(self, trade.get_order(trade::GetOrderRequest { order_id: bytes(order) }))?;
        present(answer.order.as_ref(), "order")?;
        Ok(answer)
    }

    /// The orders that the reader may see, all or in one state.
    pub async fn orders(&self, state: Option<&str>) -> Result<Vec<trade::Order>, ClientError> {
        let state = state_number(state, "ORDER_STATE_", &["proposed", "agreed", "cancelled"], |name| {
            trade::OrderState::from_str_name(name).map(Into::into)
        })?;
        let request = trade::ListOrdersRequest { state, ..Default::default() };
        all_pages!(self, trade.list_orders, request, orders)
    }

    /// Whether this is the commitment to the key under which a supplier and a buyer fingerprint their documents.
    pub async fn is_fingerprint_key(
        &self,
        supplier: AccountId,
        buyer: AccountId,
        key_commitment: Hash,
    ) -> Result<bool, ClientError> {
        let (supplier_account_id, buyer_account_id) = (bytes(supplier), bytes(buyer));
        let key_commitment = Bytes::copy_from_slice(&key_commitment.0);
        let request = trade::CheckFingerprintKeyRequest { supplier_account_id, buyer_account_id, key_commitment };
        Ok(ask!(self, trade.check_fingerprint_key(request))?.is_committed)
    }

    /// A programme.
    pub async fn programme(&self, programme: ObjectId) -> Result<financing::Programme, ClientError> {
        let request = financing::GetProgrammeRequest { programme_id: bytes(programme) };
        present(ask!(self, financing.get_programme(request))?.programme, "programme")
    }

    /// The programmes, all or in one state.
    pub async fn programmes(&self, state: Option<&str>) -> Result<Vec<financing::Programme>, ClientError> {
        let state = state_number(state, "PROGRAMME_STATE_", &["open", "closed"], |name| {
            financing::ProgrammeState::from_str_name(name).map(Into::into)
        })?;
        let request = financing::ListProgrammesRequest { state, ..Default::default() };
        all_pages!(self, financing.list_programmes, request, programmes)
    }

    /// A loan.
    pub async fn loan(&self, loan: ObjectId) -> Result<financing::Loan, ClientError> {
        let request = financing::GetLoanRequest { loan_id: bytes(loan) };
        present(ask!(self, financing.get_loan(request))?.loan, "loan")
    }

    /// What a request for financing would come to if the reader sent it now.
    pub async fn assess_financing(
        &self,
        request: NewFinancingRequest,
    ) -> Result<financing::AssessFinancingResponse, ClientError> {
        let request = financing::AssessFinancingRequest { request: Some(request.into()) };
        ask!(self, financing.assess_financing(request))
    }

    /// What a node knows about a transaction.
    pub async fn transaction(&self, transaction: TransactionId) -> Result<ledger::GetTransactionResponse, ClientError> {
        let key = ledger::get_transaction_request::Key::TransactionId(bytes(transaction));
        ask!(self, ledger.get_transaction(ledger::GetTransactionRequest { key: Some(key) }))
    }

    /// What became of a request: the way out of "timed out, outcome unknown".
    pub async fn request(
        &self,
        sender: AccountId,
        request_id: RequestId,
    ) -> Result<ledger::GetTransactionResponse, ClientError> {
        let key = ledger::RequestKey { sender_account_id: bytes(sender), request_id: bytes(request_id) };
        let key = ledger::get_transaction_request::Key::Request(key);
        ask!(self, ledger.get_transaction(ledger::GetTransactionRequest { key: Some(key) }))
    }

    /// The receipt of a final transaction. Nothing of it is verified yet.
    pub async fn receipt(&self, transaction: TransactionId) -> Result<Receipt, ClientError> {
        self.receipt_for(transaction, false, None).await
    }

    /// The same for somebody else: without the reader's own balances, or for the header of a height that they trust.
    pub async fn receipt_for(
        &self,
        transaction: TransactionId,
        without_balances: bool,
        checkpoint_height: Option<u64>,
    ) -> Result<Receipt, ClientError> {
        let (transaction_id, checkpoint_height) = (bytes(transaction), checkpoint_height.unwrap_or_default());
        let request = ledger::GetReceiptRequest { transaction_id, without_balances, checkpoint_height };
        let message = present(ask!(self, ledger.get_receipt(request))?.receipt, "receipt")?;
        receipt_from_pb(message).map_err(|error| ClientError::Malformed(error.to_string()))
    }

    /// A receipt as a request for financing cites it.
    pub async fn citation(&self, transaction: TransactionId) -> Result<Citation, ClientError> {
        let request = ledger::GetCitationRequest { transaction_id: bytes(transaction) };
        present(ask!(self, ledger.get_citation(request))?.citation, "citation").map(Citation)
    }

    /// The history of an object and of what it stands on, all pages of it, up to [`LINEAGE_STEPS_MAX`] steps. Nothing of it is
    /// verified yet.
    pub async fn lineage(&self, object: ObjectId) -> Result<Lineage, ClientError> {
        let mut lineage = Lineage::default();
        let mut page_token = String::new();
        loop {
            let (object_id, page_size) = (bytes(object), LINEAGE_PAGE);
            let request = ledger::GetLineageRequest { object_id, page_size, page_token };
            let page = ask!(self, ledger.get_lineage(request))?;
            for step in page.steps {
                let step = lineage_step(step).map_err(|malformed| ClientError::Malformed(malformed.to_string()))?;
                lineage.steps.push(step);
            }
            lineage.withheld = lineage.withheld.saturating_add(page.withheld);
            page_token = page.next_page_token;
            lineage.truncated = !page_token.is_empty() && lineage.steps.len() >= LINEAGE_STEPS_MAX;
            if page_token.is_empty() || lineage.truncated {
                return Ok(lineage);
            }
        }
    }

    /// A block.
    pub async fn block(&self, height: u64) -> Result<ledger::Block, ClientError> {
        present(ask!(self, ledger.get_block(ledger::GetBlockRequest { height }))?.block, "block")
    }

    /// Blocks from a height on, each as it becomes final.
    pub async fn follow_blocks(
        &self,
        from_height: u64,
    ) -> Result<Streaming<ledger::StreamBlocksResponse>, ClientError> {
        ask!(self, ledger.stream_blocks(ledger::StreamBlocksRequest { from_height }))
    }

    /// Events after a cursor, each as it becomes final.
    pub async fn follow_events(&self, cursor: &str) -> Result<Streaming<ledger::StreamEventsResponse>, ClientError> {
        ask!(self, ledger.stream_events(ledger::StreamEventsRequest { cursor: cursor.to_owned() }))
    }
}

/// What comes out of a stream of events.
#[derive(Clone, Debug)]
pub enum StreamItem {
    /// An event.
    Event(ledger::Event),
    /// Events were dropped because this reader was too slow; the stream ends.
    Gap(ledger::Gap),
    /// Something of a later version.
    Nothing,
}

impl From<ledger::StreamEventsResponse> for StreamItem {
    fn from(message: ledger::StreamEventsResponse) -> Self {
        match message.item {
            Some(ledger::stream_events_response::Item::Event(event)) => Self::Event(event),
            Some(ledger::stream_events_response::Item::Gap(gap)) => Self::Gap(gap),
            None => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_short_names() {
        let number = |name: &str| tokens::RedemptionState::from_str_name(name).map(Into::into);
        let read = |name| state_number(name, "REDEMPTION_STATE_", &["requested", "paid"], number);
        assert_eq!(read(None).expect("all"), 0);
        assert_eq!(read(Some("paid")).expect("known"), 2);
        for bad in ["payed", "unspecified"] {
            assert!(read(Some(bad)).expect_err("unknown").to_string().contains("requested, paid"), "{bad}");
        }
    }
}
