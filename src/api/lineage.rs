//! Lineage: an object's history as far as the caller sees it, and what the object stands on, each step with its proof.
//!
//! Effects name objects: a loan its receivable and its programme, a receivable its order and the receivable that it is a part of.
//! From an object's history the way goes down along those names. It leads from a loan and from a receivable, and nowhere else:
//! not from an order to its invoices, nor from a programme or a receivable to loans.
//!
//! # Invariants
//! * A step of the object asked for is shown to whom its transaction concerns, and to nobody else. Whoever sees none learns nothing,
//!   not even that there is such an object.
//! * Below, only what establishes an object is shown, and what the caller sees anyhow; what became of it is the business of others.
//! * Whoever sees a loan's disbursement sees what establishes its security besides: its lenders the invoice, the order and the
//!   events behind their claim, as they were when they lent. A transaction that tells of other objects too is withheld then, and
//!   counted.
//! * Balances stay closed to whom they do not concern, as in every receipt.
//! * At most [`STEPS_MAX`] steps are answered, of which each has a receipt. Every object but the first is named in a step above it.

use super::ledger::visible_receipt;
use super::status::{not_found, unavailable};
use super::visibility::Sight;
use crate::ledger::{Effect, Outcome, Value};
use crate::node::service::{HistoryStep, LedgerHandle, Unavailable};
use crate::primitives::{Encode as _, ObjectId};
use crate::wire::pb::ledger as pb;
use crate::wire::{effect_to_pb, receipt_to_pb};
use bytes::Bytes;
use std::collections::BTreeSet;
use tonic::Status;

/// Most steps of one answer.
pub const STEPS_MAX: usize = 256;

/// The effect that makes a loan: whoever sees it sees what secures the loan.
const DISBURSED: &str = "financing.disbursed";

/// An object on the way down, with those steps of its history that may belong to the answer.
struct Station {
    object: ObjectId,
    /// The field that led to it; empty for the one asked for.
    relation: String,
    steps: Vec<HistoryStep>,
}

/// The fields that lead down from what an effect calls an object.
fn leads_to(own: &str) -> &'static [&'static str] {
    match own {
        "loan" => &["programme", "receivable"],
        "receivable" => &["parent", "order"],
        _ => &[],
    }
}

/// Whether an effect establishes what a field led to: that there is such a thing, and what it says.
fn establishes(relation: &str, effect: &Effect) -> bool {
    let names: &[&str] = match relation {
        "programme" => &["financing.programme_published"],
        "receivable" | "parent" => &[
            "trade.invoice_registered",
            "trade.invoice_confirmed",
            "trade.invoice_confirmed_by_silence",
            "trade.invoice_credited",
            "trade.receivable_assigned",
            "trade.receivable_split",
            "trade.part_issued",
        ],
        "order" => &[
            "trade.order_placed",
            "trade.order_accepted",
            "trade.order_changed",
            "trade.carrier_appointed",
            "trade.shipment_event_recorded",
            "trade.event_error_declared",
        ],
        _ => &[],
    };
    names.contains(&effect.name.as_str())
}

/// What an effect tells of: the object that it names first. It is the parts that a split is about, and their parent too.
fn told_of(effect: &Effect) -> impl Iterator<Item = ObjectId> {
    let named = effect.fields.iter().filter_map(|(name, value)| match value {
        Value::Object(object) => Some((name.as_str(), *object)),
        _ => None,
    });
    named.enumerate().filter(|(place, (name, _))| *place == 0 || *name == "parent").map(|(_, (_, object))| object)
}

/// What the effects of a step on an object lead down to, with the fields that do.
fn below(object: ObjectId, outcome: &Outcome) -> impl Iterator<Item = (&str, ObjectId)> {
    effects_on(object, outcome).flat_map(move |effect| {
        let own = effect.fields.iter().find(|(_, value)| *value == Value::Object(object));
        let down = own.map_or(&[][..], |(name, _)| leads_to(name));
        effect.fields.iter().filter_map(move |(name, value)| match value {
            Value::Object(found) if *found != object && down.contains(&name.as_str()) => Some((name.as_str(), *found)),
            _ => None,
        })
    })
}

/// The effects of a step that tell of an object.
fn effects_on(object: ObjectId, outcome: &Outcome) -> impl Iterator<Item = &Effect> {
    outcome.effects.iter().filter(move |effect| effect.fields.iter().any(|(_, value)| *value == Value::Object(object)))
}

/// What a caller may see of the way down from one object.
struct Way<'a> {
    sight: Sight<'a>,
    /// The height at which the loan asked for was made, if the caller sees that it was.
    lent_at: Option<u64>,
    /// Every object on the way.
    objects: BTreeSet<ObjectId>,
}

/// Whether a step is shown.
enum Shown {
    Yes,
    /// It tells of others' business besides.
    Withheld,
    No,
}

impl Way<'_> {
    /// Whether a step that establishes an object below is shown. Whoever lent sees what was there when it lent.
    fn shows(&self, step: &HistoryStep) -> Shown {
        let outcome = step.done.outcome();
        if self.sight.of_outcome(outcome) {
            return Shown::Yes;
        }
        if self.lent_at.is_none_or(|lent_at| step.done.height() > lent_at) {
            return Shown::No;
        }
        let of_the_way = |effect: &Effect| told_of(effect).any(|object| self.objects.contains(&object));
        let alone = outcome.movements.is_empty() && outcome.effects.iter().all(of_the_way);
        if alone { Shown::Yes } else { Shown::Withheld }
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
    let mut answer = pb::GetLineageResponse::default();
    let stations = stations(node, sight, object, &mut answer).await?;
    let first = &stations[0];
    let lent = first.steps.iter().find(|step| {
        let mut told = effects_on(object, step.done.outcome());
        told.any(|effect| effect.name == DISBURSED && told_of(effect).any(|of| of == object))
    });
    let way = Way {
        sight,
        lent_at: lent.map(|step| step.done.height()),
        objects: stations.iter().map(|station| station.object).collect(),
    };
    let mut named = BTreeSet::from([(String::new(), object)]);
    for station in &stations {
        if !named.contains(&(station.relation.clone(), station.object)) {
            continue;
        }
        for step in &station.steps {
            match if station.relation.is_empty() { Shown::Yes } else { way.shows(step) } {
                Shown::No => continue,
                Shown::Withheld => answer.withheld += 1,
                Shown::Yes if answer.steps.len() == STEPS_MAX => answer.truncated = true,
                Shown::Yes => {
                    named.extend(below(station.object, step.done.outcome()).map(|(name, id)| (name.to_owned(), id)));
                    // A receipt of a full block takes milliseconds: others' calls go in between.
                    tokio::task::yield_now().await;
                    answer.steps.push(step_to_pb(node, sight, station, step).await?);
                }
            }
        }
    }
    Ok(answer)
}

/// The object asked for with those steps that the caller sees, and what it stands on with what establishes that.
async fn stations(
    node: &dyn LedgerHandle,
    sight: Sight<'_>,
    object: ObjectId,
    answer: &mut pb::GetLineageResponse,
) -> Result<Vec<Station>, Status> {
    let mut steps = node.object_history(object, STEPS_MAX + 1).await.map_err(unavailable)?;
    answer.truncated = steps.len() > STEPS_MAX;
    steps.truncate(STEPS_MAX);
    steps.retain(|step| sight.of_outcome(step.done.outcome()));
    if steps.is_empty() {
        return Err(not_found("object"));
    }
    let (mut seen, mut next) = (BTreeSet::from([object]), 0);
    let mut stations = vec![Station { object, relation: String::new(), steps }];
    while next < stations.len() {
        let from = &stations[next];
        let down = from.steps.iter().flat_map(|step| below(from.object, step.done.outcome()));
        let down: Vec<(String, ObjectId)> = down.map(|(name, object)| (name.to_owned(), object)).collect();
        for (relation, object) in down {
            if seen.insert(object) {
                // What made a programme stands first in its history, which goes on for as long as it lends.
                let most = if relation == "programme" { 1 } else { STEPS_MAX + 1 };
                let mut steps = node.object_history(object, most).await.map_err(unavailable)?;
                answer.truncated |= steps.len() > STEPS_MAX;
                steps.retain(|step| {
                    let mut told = effects_on(object, step.done.outcome());
                    told.any(|effect| establishes(&relation, effect) && told_of(effect).any(|of| of == object))
                });
                stations.push(Station { object, relation, steps });
            }
        }
        next += 1;
    }
    Ok(stations)
}

async fn step_to_pb(
    node: &dyn LedgerHandle,
    sight: Sight<'_>,
    of: &Station,
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
        effects: effects_on(of.object, done.outcome()).map(effect_to_pb).collect(),
        receipt: Some(receipt_to_pb(&visible_receipt(sight, receipt))),
        reserve_lines: reserve_lines.iter().map(|line| line.to_bytes().into()).collect(),
    })
}
