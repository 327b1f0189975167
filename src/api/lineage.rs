//! Lineage: an object's history, and that of what it stands on, each step with its proof.
//!
//! Effects name objects: a loan its receivable, a receivable its order. From an object's history the way goes down along those
//! names, never up: an order does not lead to its other invoices, nor a programme to its other loans.
//!
//! # Invariants
//! * Whoever sees a step of the object asked for sees what it stands on: a financier the order and the events behind its claim.
//!   Nobody else learns anything, not even that there is such an object.
//! * Balances stay closed to whom they do not concern, as in every receipt.
//! * At most [`STEPS_MAX`] steps are answered, of which each has a receipt.

use super::ledger::visible_receipt;
use super::status::{not_found, unavailable};
use super::visibility::Sight;
use crate::ledger::{Effect, Value};
use crate::node::service::{FinalTransaction, HistoryStep, LedgerHandle, Unavailable};
use crate::primitives::{Encode as _, ObjectId};
use crate::wire::pb::ledger as pb;
use crate::wire::{effect_to_pb, receipt_to_pb};
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use tonic::Status;

/// Most steps of one answer.
pub const STEPS_MAX: usize = 256;

/// An object whose history is still to be read.
struct Ahead {
    object: ObjectId,
    /// The field that led to it; empty for the one asked for.
    relation: String,
    /// How far down it stands.
    depth: u8,
    /// Whether all of its history belongs here, or what made it and no more: a programme is changed for many loans.
    whole: bool,
}

/// What an effect's field leads to: how far down, and whether with all of its history. `None`: it leads up or aside.
fn leads_to(field: &str) -> Option<(u8, bool)> {
    match field {
        "programme" => Some((1, false)),
        "receivable" => Some((1, true)),
        "parent" => Some((2, true)),
        "order" => Some((3, true)),
        _ => None,
    }
}

/// The lineage of an object, as far as the caller may see it.
///
/// # Errors
/// NOT_FOUND if there is no such object or the caller sees none of its history; UNAVAILABLE while the node stops.
pub(super) async fn lineage(
    node: &dyn LedgerHandle,
    sight: Sight<'_>,
    object: ObjectId,
) -> Result<pb::GetLineageResponse, Status> {
    let mut seen = BTreeSet::from([object]);
    let mut ahead = VecDeque::from([Ahead { object, relation: String::new(), depth: 0, whole: true }]);
    let mut answer = pb::GetLineageResponse::default();
    while let Some(next) = ahead.pop_front() {
        let room = STEPS_MAX - answer.steps.len();
        let most = if next.whole { room + 1 } else { 1 };
        let mut history = node.object_history(next.object, most).await.map_err(unavailable)?;
        if next.relation.is_empty() && !history.iter().any(|step| sight.of_outcome(step.done.outcome())) {
            return Err(not_found("object"));
        }
        if history.len() > room {
            history.truncate(room);
            answer.truncated = true;
        }
        for step in &history {
            // A receipt of a full block takes milliseconds: others' calls go in between.
            tokio::task::yield_now().await;
            ahead.extend(below(&next, &step.done).filter(|found| seen.insert(found.object)));
            answer.steps.push(step_to_pb(node, sight, &next, step).await?);
        }
    }
    Ok(answer)
}

/// What a step of an object's history leads down to. A parent leads to its own.
fn below<'a>(from: &'a Ahead, step: &'a FinalTransaction) -> impl Iterator<Item = Ahead> + 'a {
    let fields = effects_on(from.object, step).flat_map(|effect| &effect.fields);
    fields.filter_map(|(name, value)| match (value, leads_to(name)) {
        (Value::Object(object), Some((depth, whole))) if depth > from.depth || name == "parent" => {
            Some(Ahead { object: *object, relation: name.clone(), depth, whole })
        }
        _ => None,
    })
}

/// The effects of a step that tell of an object.
fn effects_on(object: ObjectId, step: &FinalTransaction) -> impl Iterator<Item = &Effect> {
    let tells = move |effect: &&Effect| effect.fields.iter().any(|(_, value)| *value == Value::Object(object));
    step.outcome().effects.iter().filter(tells)
}

async fn step_to_pb(
    node: &dyn LedgerHandle,
    sight: Sight<'_>,
    of: &Ahead,
    step: &HistoryStep,
) -> Result<pb::LineageStep, Status> {
    let HistoryStep { done, reserve_lines } = step;
    let id = done.outcome().transaction_id;
    // There is one as soon as a certificate covers the block.
    let receipt = node.receipt(id, None).await.map_err(unavailable)?.ok_or_else(|| unavailable(Unavailable))?;
    Ok(pb::LineageStep {
        object_id: Bytes::copy_from_slice(&of.object.0),
        relation: of.relation.clone(),
        transaction_id: Bytes::copy_from_slice(&id.0),
        height: done.height(),
        effects: effects_on(of.object, done).map(effect_to_pb).collect(),
        receipt: Some(receipt_to_pb(&visible_receipt(sight, receipt))),
        reserve_lines: reserve_lines.iter().map(|line| line.to_bytes().into()).collect(),
    })
}
