//! A read as any program could make it: a message of the proto files, signed or not, and what comes back.

use super::market::{Market, Trade};
use crate::fuzz::calls::Raw;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use causeway::client::{Participant, now_ms, read_statement};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// What an answer says of the moment at which it was given.
const OF_THE_MOMENT: [&str; 8] =
    ["height", "timeMs", "finalAgeMs", "blockHash", "parentStateDigest", "epoch", "poolTransactions", "cursor"];

/// What came back.
#[derive(Debug)]
pub enum Answer {
    Read(Value),
    /// As the table says it.
    Refused(String),
}

impl Answer {
    pub fn read(&self) -> Option<&Value> {
        match self {
            Self::Read(told) => Some(told),
            Self::Refused(_) => None,
        }
    }
}

/// Bytes as JSON has them.
pub fn in_json(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What a read is asked for. A read that is new has to be given something to ask for here.
pub fn request(market: &Market, call: &MethodDescriptor) -> Value {
    let own: &Trade = market.own.as_ref().expect("it was done");
    let account = |name: &str| in_json(&market.account(name).0);
    let (transaction, height) = own.payment;
    match call.name() {
        "GetStatus" | "GetGenesis" | "ListPeers" | "ListTokens" | "GetLendingRules" => json!({}),
        "ListAccounts"
        | "ListIssuances"
        | "ListRedemptions"
        | "ListOrders"
        | "ListReceivables"
        | "ListProgrammes"
        | "ListLoans"
        | "ListNetworks"
        | "ListForeignAccounts" => json!({ "pageSize": 1_000 }),
        "GetSupervision" => json!({ "pageSize": 50 }),
        "GetAccount" | "ListBalances" | "GetCounterparty" => json!({ "accountId": account("supplier") }),
        "GetToken" => json!({ "tokenId": "HKDX" }),
        "GetIssuance" => json!({ "issuanceId": in_json(&own.issuance.0) }),
        "GetRedemption" => json!({ "redemptionId": in_json(&own.redemption.0) }),
        "GetOrder" => json!({ "orderId": in_json(&own.order.0) }),
        "GetReceivable" => json!({ "receivableId": in_json(&own.receivables[0].0) }),
        "CheckFingerprintKey" => json!({
            "supplierAccountId": account("supplier"), "buyerAccountId": account("buyer"),
            "keyCommitment": in_json(&own.key_commitment.0),
        }),
        "GetProgramme" => json!({ "programmeId": in_json(&own.programme.0) }),
        "GetLoan" => json!({ "loanId": in_json(&own.loan.0) }),
        "GetBook" => json!({ "lenderAccountId": account("financier") }),
        "GetLenderCapital" => json!({ "lenderAccountId": account("financier"), "tokenId": "HKDX" }),
        "ListFinanceable" => json!({ "ownerAccountId": account("supplier"), "pageSize": 50 }),
        "AssessFinancing" => json!({ "request": {
            "receivableId": in_json(&own.receivables[1].0), "programmeId": in_json(&own.programme.0), "advance": 1_000,
        } }),
        "GetTransaction" | "GetReceipt" | "GetCitation" => json!({ "transactionId": in_json(&transaction.0) }),
        "GetLineage" => json!({ "objectId": in_json(&own.loan.0) }),
        "GetBlock" => json!({ "height": height }),
        "StreamBlocks" => json!({ "fromHeight": height }),
        "StreamEvents" => json!({ "cursor": "0" }),
        name => panic!("{name} is a read that nobody asks here: say what for, and who gets what of it"),
    }
}

/// Asks, in somebody's name or in nobody's.
pub async fn ask(market: &Market, reader: Option<&Participant>, call: &MethodDescriptor, asked: &Value) -> Answer {
    match answers(market, reader, call, asked).await {
        Ok(told) => Answer::Read(without_the_moment(told)),
        Err(status) => Answer::Refused(word_of(&status)),
    }
}

async fn answers(
    market: &Market,
    reader: Option<&Participant>,
    call: &MethodDescriptor,
    asked: &Value,
) -> Result<Value, Status> {
    let path = format!("/{}/{}", call.parent_service().full_name(), call.name());
    let message = DynamicMessage::deserialize(call.input(), asked).unwrap_or_else(|error| panic!("{path}: {error}"));
    let request = signed(market, reader, &path, message.encode_to_vec().into());
    let channel = Channel::from_shared(market.endpoint.clone()).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(16 << 20);
    client.ready().await.unwrap();
    let path = path.parse().unwrap();
    let told = |bytes: Bytes| serde_json::to_value(DynamicMessage::decode(call.output(), bytes).unwrap()).unwrap();
    if !call.is_server_streaming() {
        return client.unary(request, path, Raw).await.map(|answer| told(answer.into_inner()));
    }
    let mut stream = client.server_streaming(request, path, Raw).await?.into_inner();
    let mut messages = Vec::new();
    loop {
        let message = told(stream.message().await?.expect("a stream goes on"));
        // Of blocks one is enough; events go on to the one that concerns everyone.
        let is_last =
            call.name() == "StreamBlocks" || message["event"]["transactionId"] == in_json(&market.last.0).as_str();
        messages.push(message);
        if is_last {
            return Ok(Value::Array(messages));
        }
    }
}

fn signed(market: &Market, reader: Option<&Participant>, path: &str, message: Bytes) -> Request<Bytes> {
    let mut request = Request::new(message);
    let Some(reader) = reader else { return request };
    let expires_at_ms = now_ms() + 60_000;
    let statement = read_statement(&market.client.chain_id(), &reader.account, expires_at_ms, path);
    for (name, value) in [
        ("causeway-account", reader.account.to_string()),
        ("causeway-public-key", reader.key.public_key().to_string()),
        ("causeway-expires-ms", expires_at_ms.to_string()),
        ("causeway-signature", hex::encode(reader.key.sign_read(&statement).0)),
    ] {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    request
}

fn word_of(status: &Status) -> String {
    match status.code() {
        Code::Unauthenticated => "sign".to_owned(),
        Code::PermissionDenied => "denied".to_owned(),
        Code::NotFound => "not found".to_owned(),
        _ => {
            let details = tonic_types::StatusExt::get_error_details(status);
            let reason = details.error_info().map(|info| info.reason.clone());
            format!("`{}`", reason.unwrap_or_else(|| panic!("{status:?}")))
        }
    }
}

fn without_the_moment(told: Value) -> Value {
    match told {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()));
            fields.map(|(name, value)| (name, without_the_moment(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_the_moment).collect(),
        value => value,
    }
}

/// Whether nothing is told.
pub fn is_empty(told: &Value) -> bool {
    told.as_object().is_some_and(|fields| fields.values().all(|value| value.as_array().is_some_and(Vec::is_empty)))
}

/// Whether everything that is told here is told there, too: each field, and of a list each item.
pub fn is_part(told: &Value, whole: &Value) -> bool {
    match (told, whole) {
        (Value::Object(told), Value::Object(whole)) => {
            let names: BTreeSet<_> = whole.keys().collect();
            told.iter().all(|(name, value)| names.contains(name) && is_part(value, &whole[name]) || name == "withheld")
        }
        (Value::Array(told), Value::Array(whole)) => {
            told.iter().all(|item| whole.iter().any(|there| is_part(item, there)))
        }
        (told, whole) => told == whole,
    }
}
