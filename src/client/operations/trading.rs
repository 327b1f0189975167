//! Orders, events of shipments, disputes and credit notes, and receivables that pass on: what execution plans, as the wire
//! has it. The wire's numbers of enumerations are the ledger's tags; a test holds the names together.

use super::{Kind, Operation, bytes, text};
use crate::domain::trade::{
    AssignReceivable, DeclareEventError, DisputeInvoice, IssueCreditNote, OrderTerms, PlaceOrder, RecordShipmentEvent,
    SplitReceivable,
};
use crate::primitives::{AccountId, Hash, ObjectId};
use crate::wire::pb::trade;

fn terms(terms: &OrderTerms) -> trade::OrderTerms {
    trade::OrderTerms {
        amount: terms.amount.minor_units(),
        document_commitment: bytes(terms.document_commitment),
        line_count: terms.line_count.into(),
        deliver_by_ms: terms.deliver_by.map_or(0, |deliver_by| deliver_by.0),
        confirmation_days: terms.confirmation_days.into(),
        silence: terms.silence.tag().into(),
        payment_days: terms.payment_days.map(Into::into),
    }
}

/// Places an order. The buyer does.
pub fn place_order(order: &PlaceOrder) -> Operation {
    Operation(Kind::PlaceOrder(trade::PlaceOrder {
        supplier_account_id: bytes(order.supplier),
        token_id: text(order.token),
        currency: order.currency.as_str().to_owned(),
        fingerprint: bytes(order.fingerprint),
        terms: Some(terms(&order.terms)),
    }))
}

/// Accepts an order as it was placed. The supplier does.
pub fn accept_order(order: ObjectId) -> Operation {
    Operation(Kind::AcceptOrder(trade::AcceptOrder { order_id: bytes(order) }))
}

/// Proposes other terms for an agreed order. Either party does.
pub fn propose_order_change(order: ObjectId, other_terms: &OrderTerms) -> Operation {
    let (order_id, terms) = (bytes(order), Some(terms(other_terms)));
    Operation(Kind::ProposeOrderChange(trade::ProposeOrderChange { order_id, terms }))
}

/// Accepts the other party's proposal of this number.
pub fn accept_order_change(order: ObjectId, number: u32) -> Operation {
    Operation(Kind::AcceptOrderChange(trade::AcceptOrderChange { order_id: bytes(order), number }))
}

/// Cancels an order. Once it is agreed, list the other party as a co-signer.
pub fn cancel_order(order: ObjectId) -> Operation {
    Operation(Kind::CancelOrder(trade::CancelOrder { order_id: bytes(order) }))
}

/// Appoints a carrier or a warehouse for an order. Either party does.
pub fn appoint_carrier(order: ObjectId, carrier: AccountId) -> Operation {
    let (order_id, carrier_account_id) = (bytes(order), bytes(carrier));
    Operation(Kind::AppointCarrier(trade::AppointCarrier { order_id, carrier_account_id }))
}

/// Registers a place at which the sender reads. A carrier does.
pub fn register_read_point(read_point: Hash) -> Operation {
    Operation(Kind::RegisterReadPoint(trade::RegisterReadPoint { read_point_commitment: bytes(read_point) }))
}

/// Takes a read point out of use. Its carrier does.
pub fn retire_read_point(read_point: Hash) -> Operation {
    Operation(Kind::RetireReadPoint(trade::RetireReadPoint { read_point_commitment: bytes(read_point) }))
}

/// Records an event of a shipment. An appointed carrier does.
pub fn record_shipment_event(event: &RecordShipmentEvent) -> Operation {
    Operation(Kind::RecordShipmentEvent(trade::RecordShipmentEvent {
        order_id: bytes(event.order),
        event_hash: bytes(event.event_hash),
        document_commitment: bytes(event.document_commitment),
        kind: event.kind.tag().into(),
        action: event.action.tag().into(),
        step: event.step.tag().into(),
        event_time_ms: event.event_time.0,
        utc_offset_minutes: i32::from(event.utc_offset_minutes_plus_720) - 720,
        read_point_commitment: bytes(event.read_point),
        objects_hash: bytes(event.objects_hash),
    }))
}

/// Declares an event wrong. The carrier that recorded it does.
pub fn declare_event_error(error: &DeclareEventError) -> Operation {
    Operation(Kind::DeclareEventError(trade::DeclareEventError {
        order_id: bytes(error.order),
        event_hash: bytes(error.event_hash),
        ground: error.ground.tag().into(),
        declared_at_ms: error.declared_at.0,
        corrective_event_hash: error.corrective_event.map(bytes).unwrap_or_default(),
    }))
}

/// Disputes an amount of an invoice. The buyer does, before it confirms.
pub fn dispute_invoice(dispute: &DisputeInvoice) -> Operation {
    Operation(Kind::DisputeInvoice(trade::DisputeInvoice {
        receivable_id: bytes(dispute.receivable),
        amount: dispute.amount.minor_units(),
        ground: dispute.ground.tag().into(),
    }))
}

/// Takes an amount off an invoice. The supplier does; list the receivable's owner as a co-signer if that is another.
pub fn issue_credit_note(note: &IssueCreditNote) -> Operation {
    Operation(Kind::IssueCreditNote(trade::IssueCreditNote {
        receivable_id: bytes(note.receivable),
        amount: note.amount.minor_units(),
        fingerprint: bytes(note.fingerprint),
        document_commitment: bytes(note.document_commitment),
    }))
}

/// Gives a receivable to another merchant: list it as a co-signer.
pub fn assign_receivable(assignment: &AssignReceivable) -> Operation {
    Operation(Kind::AssignReceivable(trade::AssignReceivable {
        receivable_id: bytes(assignment.receivable),
        assignee_account_id: bytes(assignment.assignee),
    }))
}

/// Splits a receivable: list the owners of its parts as co-signers. Part by part, `part_id` gives their ids.
pub fn split_receivable(split: &SplitReceivable) -> Operation {
    let part = |part: &crate::domain::trade::Part| trade::split_receivable::Part {
        owner_account_id: bytes(part.owner),
        amount: part.amount.minor_units(),
    };
    Operation(Kind::SplitReceivable(trade::SplitReceivable {
        receivable_id: bytes(split.receivable),
        parts: split.parts.iter().map(part).collect(),
        term_exception: split.term_exception.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trade::{
        AcceptOrder, AcceptOrderChange, AppointCarrier, BusinessStep, CancelOrder, DisputeGround, ErrorGround,
        EventAction, EventKind, Part, ProposeOrderChange, RegisterReadPoint, RetireReadPoint, SilenceMeans,
    };
    use crate::execution;
    use crate::primitives::{Amount, BlockTime};
    use crate::wire::decode_body;
    use crate::wire::pb::ledger;
    use prost::Message as _;

    /// What the client writes, the node reads as the operation that was meant.
    fn read_back(operation: Operation) -> execution::Operation {
        let body = ledger::TransactionBody {
            chain_id: vec![1; 32].into(),
            sender_account_id: vec![2; 32].into(),
            request_id: vec![3; 16].into(),
            expires_at_ms: 1,
            operations: vec![operation.into_pb()],
            co_signer_account_ids: Vec::new(),
        };
        let (_, mut operations) = decode_body(&body.encode_to_vec().into()).expect("the body is good");
        operations.remove(0)
    }

    #[test]
    fn operations_are_read_as_they_were_meant() {
        let (object, account, hash) = (ObjectId([4; 32]), AccountId([5; 32]), Hash([6; 32]));
        let (amount, token) = (Amount::new(7), "HKDX".parse().expect("a token id"));
        let terms = OrderTerms {
            amount,
            document_commitment: hash,
            line_count: 8,
            deliver_by: Some(BlockTime(9)),
            confirmation_days: 10,
            silence: SilenceMeans::Confirms,
            payment_days: Some(0),
        };
        let currency = "HKD".parse().expect("a currency");
        let place = PlaceOrder { supplier: account, token, currency, fingerprint: hash, terms };
        let bare = OrderTerms { deliver_by: None, payment_days: None, ..terms };
        let event = RecordShipmentEvent {
            order: object,
            event_hash: hash,
            document_commitment: Hash([7; 32]),
            kind: EventKind::Aggregation,
            action: EventAction::Delete,
            step: BusinessStep::StagingOutbound,
            event_time: BlockTime(11),
            utc_offset_minutes_plus_720: 0,
            read_point: Hash([8; 32]),
            objects_hash: Hash([9; 32]),
        };
        let error = DeclareEventError {
            order: object,
            event_hash: hash,
            ground: ErrorGround::IncorrectData,
            declared_at: BlockTime(12),
            corrective_event: Some(Hash([10; 32])),
        };
        let uncorrected = DeclareEventError { corrective_event: None, ..error };
        let dispute = DisputeInvoice { receivable: object, amount, ground: DisputeGround::NotOrdered };
        let note =
            IssueCreditNote { receivable: object, amount, fingerprint: hash, document_commitment: Hash([11; 32]) };
        let assignment = AssignReceivable { receivable: object, assignee: account };
        let parts = vec![Part { owner: account, amount }; 2];
        let split = SplitReceivable { receivable: object, parts, term_exception: "seasonal".to_owned() };
        let rows: Vec<(Operation, execution::Operation)> = vec![
            (place_order(&place), place.into()),
            (accept_order(object), AcceptOrder { order: object }.into()),
            (propose_order_change(object, &bare), ProposeOrderChange { order: object, terms: bare }.into()),
            (accept_order_change(object, 3), AcceptOrderChange { order: object, number: 3 }.into()),
            (cancel_order(object), CancelOrder { order: object }.into()),
            (appoint_carrier(object, account), AppointCarrier { order: object, carrier: account }.into()),
            (register_read_point(hash), RegisterReadPoint { read_point: hash }.into()),
            (retire_read_point(hash), RetireReadPoint { read_point: hash }.into()),
            (record_shipment_event(&event), event.into()),
            (declare_event_error(&error), error.into()),
            (declare_event_error(&uncorrected), uncorrected.into()),
            (dispute_invoice(&dispute), dispute.into()),
            (issue_credit_note(&note), note.into()),
            (assign_receivable(&assignment), assignment.into()),
            (split_receivable(&split), split.into()),
        ];
        for (written, meant) in rows {
            assert_eq!(read_back(written), meant);
        }
    }

    #[test]
    fn tags_have_the_wires_names() {
        macro_rules! hold {
            ($($type:ident $prefix:literal;)*) => {$(
                for value in $type::ALL {
                    let wire = trade::$type::try_from(i32::from(value.tag())).expect("it is on the wire");
                    let name = value.name().to_uppercase().replace('-', "_");
                    assert_eq!(wire.as_str_name(), format!("{}_{name}", $prefix));
                }
            )*};
        }
        hold! {
            SilenceMeans "SILENCE_MEANS";
            DisputeGround "DISPUTE_GROUND";
            EventKind "EVENT_KIND";
            EventAction "EVENT_ACTION";
            BusinessStep "BUSINESS_STEP";
            ErrorGround "ERROR_GROUND";
        }
    }
}
