//! What a transaction did, as the command line prints it.

use crate::client::Settled;
use crate::ledger::{Reason, Receipt, Status, Value as Figure};
use crate::primitives::{AccountId, TokenId};
use serde_json::{Map, Value, json};

/// The token that fields of an outcome are about.
pub fn token_of(fields: &[(String, Figure)]) -> Option<TokenId> {
    fields.iter().find_map(|(_, figure)| match figure {
        Figure::Token(token) => Some(*token),
        _ => None,
    })
}

/// How a transaction ended, as JSON: what every command that submits prints first.
pub fn settled_to_json(settled: &Settled) -> Value {
    let mut object = Map::new();
    let status = match &settled.outcome().status {
        Status::Applied => "APPLIED".to_owned(),
        Status::Declined(_) => "DECLINED".to_owned(),
    };
    object.insert("status".into(), status.into());
    if let Status::Declined(decline) = &settled.outcome().status {
        let entry = Reason::entry(decline.code);
        object.insert("reason".into(), entry.map_or("UNKNOWN", |entry| entry.name).into());
        object.insert("explanation".into(), entry.map_or("", |entry| entry.explanation).into());
        for (name, figure) in &decline.fields {
            object.insert(name.clone(), figure.to_string().into());
        }
    }
    object.insert("height".into(), settled.receipt.header.height.into());
    object.insert("finality_ms".into(), (settled.finality_us as f64 / 1000.0).into());
    object.insert("transaction_id".into(), settled.receipt.transaction_id().to_string().into());
    object.insert("receipt_id".into(), settled.receipt.id().to_string().into());
    Value::Object(object)
}

/// What a receipt proves as JSON: what moved, the balances that it opens, and what else changed.
pub fn outcome_value(receipt: &Receipt) -> Value {
    let outcome = &receipt.outcome;
    let account = |account: &Option<AccountId>| account.map(|account| account.to_string());
    let movements = outcome.movements.iter().map(|movement| {
        json!({
            "kind": format!("{:?}", movement.kind).to_uppercase(),
            "token_id": movement.token.as_str(),
            "from_account_id": account(&movement.from),
            "to_account_id": account(&movement.to),
            "amount": movement.amount.minor_units(),
        })
    });
    let balances = receipt.balances.iter().map(|balance| {
        json!({
            "account_id": balance.account.to_string(),
            "token_id": balance.token.as_str(),
            "available": balance.available.minor_units(),
            "locked": balance.locked.minor_units(),
        })
    });
    let effects = outcome.effects.iter().map(|effect| {
        let fields: Map<String, Value> =
            effect.fields.iter().map(|(name, value)| (name.clone(), value.to_string().into())).collect();
        json!({ "name": effect.name, "fields": fields })
    });
    json!({
        "movements": movements.collect::<Vec<_>>(),
        "balances": balances.collect::<Vec<_>>(),
        "effects": effects.collect::<Vec<_>>(),
    })
}
