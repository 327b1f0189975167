//! Messages of the protocol as JSON, for programs that read what a command prints.
//!
//! Field names are those of the proto files. Ids, hashes and other bytes are hexadecimal, accounts Bech32m. Whole numbers
//! are JSON numbers, 64-bit ones too: an amount above 2^53 needs a reader that keeps all digits, as jq 1.7 and Python do.
//! Enum values lose their prefix: `REDEMPTION_STATE_PAID` is `"PAID"`. Fields without a value are left out, save numbers,
//! flags and states, whose zero is a value.

use crate::primitives::AccountId;
use crate::wire::pb::{self, FILE_DESCRIPTOR_SET};
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value as Reflected,
};
use serde_json::{Map, Value};
use std::sync::OnceLock;

/// A message whose full name is known, so that its descriptor can be found.
pub trait Named: Message {
    /// The full name, as in the proto files.
    const FULL_NAME: &'static str;
}

macro_rules! named {
    ($($type:ty => $name:literal),* $(,)?) => {$(
        impl Named for $type {
            const FULL_NAME: &'static str = $name;
        }
    )*};
}
named! {
    pb::accounts::Account => "causeway.accounts.v1.Account",
    pb::accounts::Counterparty => "causeway.accounts.v1.Counterparty",
    pb::accounts::ListBalancesResponse => "causeway.accounts.v1.ListBalancesResponse",
    pb::accounts::Balance => "causeway.accounts.v1.Balance",
    pb::tokens::Token => "causeway.tokens.v1.Token",
    pb::tokens::Issuance => "causeway.tokens.v1.Issuance",
    pb::tokens::Redemption => "causeway.tokens.v1.Redemption",
    pb::trade::Receivable => "causeway.trade.v1.Receivable",
    pb::trade::Order => "causeway.trade.v1.Order",
    pb::trade::ShipmentEvent => "causeway.trade.v1.ShipmentEvent",
    pb::trade::GetOrderResponse => "causeway.trade.v1.GetOrderResponse",
    pb::financing::Programme => "causeway.financing.v1.Programme",
    pb::financing::Loan => "causeway.financing.v1.Loan",
    pb::financing::AssessFinancingResponse => "causeway.financing.v1.AssessFinancingResponse",
    pb::financing::ListFinanceableResponse => "causeway.financing.v1.ListFinanceableResponse",
    pb::financing::GetBookResponse => "causeway.financing.v1.GetBookResponse",
    pb::financing::LenderCapital => "causeway.financing.v1.LenderCapital",
    pb::financing::GetLendingRulesResponse => "causeway.financing.v1.GetLendingRulesResponse",
    pb::financing::Network => "causeway.financing.v1.Network",
    pb::financing::ForeignAccount => "causeway.financing.v1.ForeignAccount",
    pb::financing::GetSupervisionResponse => "causeway.financing.v1.GetSupervisionResponse",
    pb::governance::ListPeersResponse => "causeway.governance.v1.ListPeersResponse",
    pb::ledger::GetTransactionResponse => "causeway.ledger.v1.GetTransactionResponse",
    pb::ledger::Block => "causeway.ledger.v1.Block",
    pb::ledger::Event => "causeway.ledger.v1.Event",
    pb::ledger::Gap => "causeway.ledger.v1.Gap",
    pb::ledger::Outcome => "causeway.ledger.v1.Outcome",
    pb::ledger::TransactionBody => "causeway.ledger.v1.TransactionBody",
    pb::node::GetStatusResponse => "causeway.node.v1.GetStatusResponse",
}

fn descriptor(name: &str) -> Option<MessageDescriptor> {
    static POOL: OnceLock<Option<DescriptorPool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).ok());
    pool.as_ref()?.get_message_by_name(name)
}

/// A message as JSON. `null` only if this build does not know the message, which a test rules out.
pub fn to_json<M: Named>(message: &M) -> Value {
    let dynamic = descriptor(M::FULL_NAME)
        .and_then(|descriptor| DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok());
    dynamic.map_or(Value::Null, |dynamic| message_to_json(&dynamic))
}

/// A transaction's body as JSON, from its bytes.
pub fn body_to_json(body: &[u8]) -> Value {
    pb::ledger::TransactionBody::decode(body).map_or(Value::Null, |body| to_json(&body))
}

fn message_to_json(message: &DynamicMessage) -> Value {
    let mut object = Map::new();
    for field in message.descriptor().fields() {
        let has_own_zero = !field.is_list()
            && !field.supports_presence()
            && !matches!(field.kind(), Kind::Message(_) | Kind::String | Kind::Bytes);
        if message.has_field(&field) || has_own_zero {
            object.insert(field.name().to_owned(), value_to_json(&field, &message.get_field(&field)));
        }
    }
    Value::Object(object)
}

fn value_to_json(field: &FieldDescriptor, value: &Reflected) -> Value {
    match value {
        Reflected::Bool(flag) => (*flag).into(),
        Reflected::I32(number) => (*number).into(),
        Reflected::I64(number) => (*number).into(),
        Reflected::U32(number) => (*number).into(),
        Reflected::U64(number) => (*number).into(),
        Reflected::F32(number) => (*number).into(),
        Reflected::F64(number) => (*number).into(),
        Reflected::String(text) => text.as_str().into(),
        Reflected::Bytes(bytes) => bytes_to_json(field.name(), bytes),
        Reflected::EnumNumber(number) => enum_to_json(field, *number),
        Reflected::Message(message) => message_to_json(message),
        Reflected::List(values) => values.iter().map(|value| value_to_json(field, value)).collect(),
        // The protocol has no maps.
        Reflected::Map(_) => Value::Null,
    }
}

fn bytes_to_json(field: &str, bytes: &[u8]) -> Value {
    match AccountId::from_slice(bytes) {
        Some(account) if field.ends_with("account_id") || field.ends_with("account_ids") => account.to_string().into(),
        _ => hex::encode(bytes).into(),
    }
}

fn enum_to_json(field: &FieldDescriptor, number: i32) -> Value {
    let Kind::Enum(kind) = field.kind() else { return number.into() };
    let Some(value) = kind.get_value(number) else { return number.into() };
    // `RedemptionState` prefixes its values with `REDEMPTION_STATE_`.
    let mut prefix = String::new();
    for letter in kind.name().chars() {
        if letter.is_ascii_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    prefix.push('_');
    value.name().strip_prefix(&prefix).unwrap_or(value.name()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn fields_are_written_as_people_and_programs_read_them() {
        let redemption = pb::tokens::Redemption {
            redemption_id: Bytes::from(vec![0xab; 32]),
            token_id: "HKDX".to_owned(),
            holder_account_id: Bytes::from(vec![7; 32]),
            amount: u64::MAX,
            state: pb::tokens::RedemptionState::Paid.into(),
            ..Default::default()
        };
        let json = to_json(&redemption);
        assert_eq!(json["redemption_id"], "ab".repeat(32));
        assert_eq!(json["holder_account_id"], AccountId([7; 32]).to_string());
        assert_eq!(json["amount"], u64::MAX);
        assert_eq!(json["state"], "PAID");
        assert_eq!(json["overdue"], false);
        assert_eq!(json.get("fiat_reference"), None);
    }

    #[test]
    fn repeated_enums_and_nested_messages() {
        let keys = pb::accounts::KeySet { public_keys: vec![Bytes::from(vec![1; 32])], threshold: 1 };
        let roles = vec![pb::accounts::Role::IssuanceMaker.into()];
        let account = pb::accounts::Account { keys: Some(keys), roles, ..Default::default() };
        let json = to_json(&account);
        assert_eq!(json["roles"][0], "ISSUANCE_MAKER");
        assert_eq!(json["keys"]["public_keys"][0], "01".repeat(32));
    }

    #[test]
    fn every_named_message_is_known() {
        for name in ["causeway.ledger.v1.Block", "causeway.node.v1.GetStatusResponse", "causeway.ledger.v1.Gap"] {
            assert!(descriptor(name).is_some(), "{name}");
        }
        assert!(to_json(&pb::accounts::ListBalancesResponse::default()).is_object());
        assert!(to_json(&pb::financing::Loan::default()).is_object());
    }
}
