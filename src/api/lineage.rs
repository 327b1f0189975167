//! Lineage: an object's history as far as the caller sees it, and what the object stands on, each step with its proof.
//!
//! Effects name objects: a loan its receivable, its programme and the settlements that it was granted on the showing of, a
//! receivable its order and the receivable that it is a part of. The way goes down along those names, and state says what is on it.
//! It leads from a loan and from a receivable, and nowhere else: not from an order to its invoices, nor from a programme or a
//! receivable to loans.
//!
//! # Invariants
//! * A step of the object asked for is shown to whom its transaction concerns, and to nobody else. Whoever sees none of the first
//!   [`LOOKED_AT_MAX`] learns nothing, not even that there is such an object.
//! * Below, only what establishes an object is shown, and what the caller sees anyhow; what became of it is the business of others.
//! * Whoever sees a loan's disbursement sees what establishes its security besides: its lenders the invoice, the order and the
//!   events behind their claim, as they were when they lent. A transaction that tells of other objects too is withheld then, and
//!   counted.
//! * It sees the settlements that the borrower showed it, too: what they did stands in the request that cited them.
//! * Balances stay closed to whom they do not concern, as in every receipt.
//! * Every step has a receipt. Every object but the first is named in a step above it, of the same page or of one before.
//! * A page has at most as many steps as it was asked for, looks at [`LOOKED_AT_MAX`], and ends past [`PAGE_BYTES`]. The pages together
//!   have every step, however many there are.

use super::caller::Caller;
use super::ledger::visible_receipt;
use super::page::{Cursor, PageRequest, PageSizes};
use super::status::{malformed, not_found, unavailable};
use super::visibility::Sight;
use crate::codec_struct;
use crate::domain::financing::Loan;
use crate::domain::trade::Receivable;
use crate::ledger::{Effect, Malformed, Outcome, Value, View};
use crate::node::TransactionPlace;
use crate::node::service::{HistoryStep, LedgerHandle, Unavailable};
use crate::primitives::{Decode as _, Encode as _, ObjectId, TransactionId};
use crate::wire::pb::ledger as pb;
use crate::wire::{effect_to_pb, object_id, receipt_to_pb};
use bytes::Bytes;
use prost::Message as _;
use std::collections::BTreeSet;
use tonic::Status;

/// How many steps a page has.
const OF_STEPS: PageSizes = PageSizes { usual: 64, most: 256 };
/// Most steps that a page looks at, of which each takes reading a block's outcomes.
pub const LOOKED_AT_MAX: usize = 512;
/// Where a page ends, in bytes of steps: far below what a client takes of one answer, even with a step of full size more.
const PAGE_BYTES: usize = 1024 * 1024;
/// How many steps are read at once.
const BATCH: usize = 64;

/// The effect that makes a loan: whoever sees it sees what secures the loan.
const DISBURSED: &str = "financing.disbursed";
/// The relation of a settlement to the loan that was granted on the showing of it.
const SETTLEMENT: &str = "settlement";

/// An object on the way down.
struct Station {
    object: ObjectId,
    /// The field that led to it; empty for the one asked for.
    relation: &'static str,
}

/// Where a page begins: at which station, after which of its steps, and which stations are named by steps before. Whoever makes one up
/// sees of each station what it would see anyhow, and has a lineage that does not verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reached {
    station: u16,
    after: Option<TransactionPlace>,
    /// A bit for each station.
    named: u64,
}
codec_struct!(Reached { station, after, named });

impl Reached {
    fn next_station(self) -> Self {
        Self { station: self.station.saturating_add(1), after: None, ..self }
    }
}

/// The fields that lead down from what an effect calls an object.
fn leads_to(own: &str) -> &'static [&'static str] {
    match own {
        "loan" => &["programme", "receivable", SETTLEMENT],
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
        // What it did is all that it is cited for.
        SETTLEMENT => return true,
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
    /// What is on the way: the object asked for first.
    stations: Vec<Station>,
}

/// Whether a step is shown.
enum Shown {
    Yes,
    /// It tells of others' business besides.
    Withheld,
    No,
}

impl<'a> Way<'a> {
    /// The way from an object. From a loan it leads by what its disbursement names, from a receivable by its state.
    async fn from(
        node: &dyn LedgerHandle,
        sight: Sight<'a>,
        view: &dyn View,
        object: ObjectId,
    ) -> Result<Self, Status> {
        let mut way = Self { sight, lent_at: None, stations: vec![Station { object, relation: "" }] };
        let Some(loan) = view.read::<Loan>(&object) else {
            way.lead_from_receivable(object, view);
            return Ok(way);
        };
        way.stations.push(Station { object: loan.terms.receivable, relation: "receivable" });
        way.stations.push(Station { object: loan.terms.programme, relation: "programme" });
        way.lead_from_receivable(loan.terms.receivable, view);
        // What made it stands first in its history.
        let first = node.object_history(object, None, 1).await.map_err(unavailable)?.pop();
        let Some(first) = first.filter(|first| sight.of_outcome(first.done.outcome())) else { return Ok(way) };
        let outcome = first.done.outcome();
        let made = |effect: &Effect| effect.name == DISBURSED && told_of(effect).any(|of| of == object);
        way.lent_at = effects_on(object, outcome).any(made).then(|| first.done.height());
        let cited = below(object, outcome).filter(|(relation, _)| *relation == SETTLEMENT);
        way.stations.extend(cited.map(|(_, object)| Station { object, relation: SETTLEMENT }));
        Ok(way)
    }

    /// The receivables that one is a part of, and the order that they are all under.
    fn lead_from_receivable(&mut self, receivable: ObjectId, view: &dyn View) {
        let mut next = view.read::<Receivable>(&receivable);
        while let Some(found) = next {
            let (object, relation) = match (found.parent, found.order) {
                (Some(parent), _) => (parent, "parent"),
                (None, Some(order)) => (order, "order"),
                (None, None) => return,
            };
            self.stations.push(Station { object, relation });
            next = found.parent.and_then(|parent| view.read::<Receivable>(&parent));
        }
    }

    /// The stations that a step on one of them names, a bit for each.
    fn named_by(&self, station: &Station, outcome: &Outcome) -> u64 {
        if station.relation == SETTLEMENT {
            return 0;
        }
        let names: Vec<(&str, ObjectId)> = below(station.object, outcome).collect();
        let is_named = |(_, other): &(usize, &Station)| names.contains(&(other.relation, other.object));
        self.stations.iter().enumerate().filter(is_named).map(|(place, _)| bit(place)).sum()
    }

    /// The next steps of a station that may belong to the answer, after one of them: all of its history, or what establishes it.
    /// Gives besides whether there may be more.
    async fn history(
        &self,
        node: &dyn LedgerHandle,
        station: &Station,
        after: Option<TransactionPlace>,
    ) -> Result<(Vec<HistoryStep>, bool), Status> {
        if station.relation == SETTLEMENT {
            let step = node.history_step(TransactionId(station.object.0)).await.map_err(unavailable)?;
            return Ok((step.filter(|_| after.is_none()).into_iter().collect(), false));
        }
        // What made a programme stands first in its history, which goes on for as long as it lends.
        let most = if station.relation == "programme" { 1 } else { BATCH };
        let steps = node.object_history(station.object, after, most).await.map_err(unavailable)?;
        let may_be_more = steps.len() == BATCH;
        Ok((steps, may_be_more))
    }

    /// Whether a step is shown. Below the object asked for, whoever lent sees what was there when it lent.
    fn shows(&self, station: &Station, step: &HistoryStep) -> Shown {
        let outcome = step.done.outcome();
        let concerns_the_caller = self.sight.of_outcome(outcome);
        match station.relation {
            "" if concerns_the_caller => return Shown::Yes,
            "" => return Shown::No,
            SETTLEMENT => return if concerns_the_caller || self.lent_at.is_some() { Shown::Yes } else { Shown::No },
            _ => {}
        }
        let mut told = effects_on(station.object, outcome);
        if !told.any(|effect| establishes(station.relation, effect) && told_of(effect).any(|of| of == station.object)) {
            return Shown::No;
        }
        if concerns_the_caller {
            return Shown::Yes;
        }
        if self.lent_at.is_none_or(|lent_at| step.done.height() > lent_at) {
            return Shown::No;
        }
        let objects: BTreeSet<ObjectId> = self.stations.iter().map(|station| station.object).collect();
        let of_the_way = |effect: &Effect| told_of(effect).any(|object| objects.contains(&object));
        let alone = outcome.movements.is_empty() && outcome.effects.iter().all(of_the_way);
        if alone { Shown::Yes } else { Shown::Withheld }
    }
}

const fn bit(place: usize) -> u64 {
    // There are two dozen stations at most: a loan's own, six parents, and sixteen settlements.
    if place < u64::BITS as usize { 1 << place } else { 0 }
}

/// A page of the lineage of an object, as far as the caller may see it.
///
/// # Errors
/// A malformed field; NOT_FOUND if there is no such object or the caller sees none of its history; UNAVAILABLE while the node stops.
pub(super) async fn lineage(
    node: &dyn LedgerHandle,
    caller: Caller,
    view: &dyn View,
    message: &pb::GetLineageRequest,
) -> Result<pb::GetLineageResponse, Status> {
    let object = object_id("object_id", &message.object_id).map_err(malformed)?;
    let asked = PageRequest {
        filter: format!("lineage/{object}"),
        page_size: message.page_size,
        page_token: &message.page_token,
    };
    let cursor = Cursor::open(caller, &asked, OF_STEPS)?;
    let mut reached = match &cursor.after {
        None => Reached { named: bit(0), ..Reached::default() },
        Some(bytes) => Reached::from_bytes(bytes)
            .map_err(|_| malformed(Malformed::new("page_token", "it is not one that this call gave")))?,
    };
    let sight = Sight::new(caller, view);
    let way = Way::from(node, sight, view, object).await?;
    let mut answer = pb::GetLineageResponse::default();
    let (mut looked_at, mut bytes) = (0, 0);
    while let Some(station) = way.stations.get(usize::from(reached.station)) {
        if reached.named & bit(reached.station.into()) == 0 {
            reached = reached.next_station();
            continue;
        }
        let (steps, may_be_more) = way.history(node, station, reached.after).await?;
        for step in &steps {
            if looked_at == LOOKED_AT_MAX || answer.steps.len() == cursor.size || bytes > PAGE_BYTES {
                answer.next_page_token = cursor.token(&reached.to_bytes());
                return found(answer, &message.page_token);
            }
            (looked_at, reached.after) = (looked_at + 1, Some(step.place));
            match way.shows(station, step) {
                Shown::No => {}
                Shown::Withheld => answer.withheld += 1,
                Shown::Yes => {
                    reached.named |= way.named_by(station, step.done.outcome());
                    // A receipt of a full block takes milliseconds: others' calls go in between.
                    tokio::task::yield_now().await;
                    let step = step_to_pb(node, sight, station, step).await?;
                    bytes += step.encoded_len();
                    answer.steps.push(step);
                }
            }
        }
        if !may_be_more {
            reached = reached.next_station();
        }
    }
    found(answer, &message.page_token)
}

/// The page, if it is not the first one and empty.
fn found(answer: pb::GetLineageResponse, page_token: &str) -> Result<pb::GetLineageResponse, Status> {
    match page_token.is_empty() && answer.steps.is_empty() {
        true => Err(not_found("object")),
        false => Ok(answer),
    }
}

async fn step_to_pb(
    node: &dyn LedgerHandle,
    sight: Sight<'_>,
    of: &Station,
    step: &HistoryStep,
) -> Result<pb::LineageStep, Status> {
    let HistoryStep { done, reserve_lines, .. } = step;
    let id = done.outcome().transaction_id;
    // There is one as soon as a certificate covers the block.
    let receipt = node.receipt(id, None).await.map_err(unavailable)?.ok_or_else(|| unavailable(Unavailable))?;
    let effects: Vec<&Effect> = match of.relation {
        SETTLEMENT => done.outcome().effects.iter().collect(),
        _ => effects_on(of.object, done.outcome()).collect(),
    };
    Ok(pb::LineageStep {
        object_id: Bytes::copy_from_slice(&of.object.0),
        relation: of.relation.to_owned(),
        transaction_id: Bytes::copy_from_slice(&id.0),
        height: done.height(),
        effects: effects.into_iter().map(effect_to_pb).collect(),
        receipt: Some(receipt_to_pb(&visible_receipt(sight, receipt))),
        reserve_lines: reserve_lines.iter().map(|line| line.to_bytes().into()).collect(),
    })
}
