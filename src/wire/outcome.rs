//! Outcomes, effects and blocks as messages.

use super::pb::{ledger as pb, types};
use crate::ledger::blinding::BalanceAfter;
use crate::ledger::block::{Block, ReserveLine};
use crate::ledger::outcome::{Decline, Effect, Movement, MovementKind, Outcome, Status, Value};
use crate::ledger::reason::Reason;
use crate::primitives::{AccountId, Encode as _, TransactionId};
use bytes::Bytes;

fn copied(bytes: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(bytes.as_ref())
}

/// A named value.
pub fn field_to_pb((name, value): &(String, Value)) -> types::Field {
    use types::field::Value as Pb;
    let value = match value {
        Value::Amount(amount) => Pb::Amount(amount.minor_units()),
        Value::Number(number) => Pb::Number(*number),
        Value::Object(id) => Pb::ObjectId(copied(id)),
        Value::Account(id) => Pb::AccountId(copied(id)),
        Value::Token(id) => Pb::TokenId(id.as_str().to_owned()),
        Value::Hash(hash) => Pb::Hash(copied(hash)),
        Value::Time(time) => Pb::TimeMs(time.0),
        Value::Text(text) => Pb::Text(text.clone()),
        Value::Flag(flag) => Pb::Flag(*flag),
    };
    types::Field { name: name.clone(), value: Some(value) }
}

fn fields_to_pb(fields: &[(String, Value)]) -> Vec<types::Field> {
    fields.iter().map(field_to_pb).collect()
}

/// A movement of value.
pub fn movement_to_pb(movement: &Movement) -> pb::Movement {
    let kind = match movement.kind {
        MovementKind::Transfer => pb::MovementKind::Transfer,
        MovementKind::Mint => pb::MovementKind::Mint,
        MovementKind::Burn => pb::MovementKind::Burn,
        MovementKind::Lock => pb::MovementKind::Lock,
        MovementKind::Unlock => pb::MovementKind::Unlock,
    };
    let account = |id: Option<AccountId>| id.map(copied).unwrap_or_default();
    pb::Movement {
        kind: kind.into(),
        token_id: movement.token.as_str().to_owned(),
        from_account_id: account(movement.from),
        to_account_id: account(movement.to),
        amount: movement.amount.minor_units(),
    }
}

/// A balance after a transaction.
pub fn balance_to_pb(balance: &BalanceAfter) -> pb::BalanceAfter {
    pb::BalanceAfter {
        account_id: copied(balance.account),
        token_id: balance.token.as_str().to_owned(),
        available: balance.available.minor_units(),
        locked: balance.locked.minor_units(),
    }
}

/// An effect.
pub fn effect_to_pb(effect: &Effect) -> pb::Effect {
    pb::Effect { name: effect.name.clone(), fields: fields_to_pb(&effect.fields) }
}

/// A decline, with its reason's name and explanation. A code of a later version has the name `UNKNOWN`.
pub fn decline_to_pb(decline: &Decline) -> pb::Decline {
    let entry = Reason::entry(decline.code);
    pb::Decline {
        operation_index: decline.operation_index.into(),
        code: decline.code.into(),
        reason: entry.map_or("UNKNOWN", |entry| entry.name).to_owned(),
        explanation: entry
            .map_or("The reason is of a later version than this node.", |entry| entry.explanation)
            .to_owned(),
        fields: fields_to_pb(&decline.fields),
    }
}

/// Applied or declined.
pub fn status_to_pb(status: &Status) -> pb::TransactionStatus {
    match status {
        Status::Applied => pb::TransactionStatus::Applied,
        Status::Declined(_) => pb::TransactionStatus::Declined,
    }
}

/// What a transaction did, with the balances that the reader may see.
pub fn outcome_to_pb(outcome: &Outcome, balances: &[BalanceAfter]) -> pb::Outcome {
    let decline = match &outcome.status {
        Status::Applied => None,
        Status::Declined(decline) => Some(decline_to_pb(decline)),
    };
    pb::Outcome {
        transaction_id: copied(outcome.transaction_id),
        status: status_to_pb(&outcome.status).into(),
        decline,
        movements: outcome.movements.iter().map(movement_to_pb).collect(),
        balances: balances.iter().map(balance_to_pb).collect(),
        effects: outcome.effects.iter().map(effect_to_pb).collect(),
    }
}

/// A token's reserve line.
pub fn reserve_line_to_pb(line: &ReserveLine) -> pb::ReserveLine {
    pb::ReserveLine {
        token_id: line.token.as_str().to_owned(),
        circulation: line.circulation.minor_units(),
        reserves_counted: line.reserves_counted.minor_units(),
        shortfall: line.shortfall.minor_units(),
        attested_as_of_ms: line.attested_as_of.0,
    }
}

/// A block: its header, and the ids of those of its transactions that the caller may see.
pub fn block_to_pb(
    block: &Block,
    certificate: Option<&Bytes>,
    reserve_lines: &[ReserveLine],
    visible: impl IntoIterator<Item = TransactionId>,
) -> pb::Block {
    let header = block.header();
    pb::Block {
        height: header.height,
        block_hash: copied(block.hash()),
        header: header.to_bytes().into(),
        certificate: certificate.cloned().unwrap_or_default(),
        time_ms: header.time.0,
        epoch: header.epoch,
        proposer_public_key: copied(header.proposer.0),
        // Blocks hold at most 16,384 transactions.
        transaction_count: block.transactions().len() as u32,
        transaction_ids: visible.into_iter().map(copied).collect(),
        reserve_lines: reserve_lines.iter().map(reserve_line_to_pb).collect(),
    }
}
