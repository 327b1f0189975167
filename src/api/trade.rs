//! `TradeService`: receivables and orders, for their parties and overseers; orders for their carriers, too.

use super::caller::identify;
use super::page::{PageRequest, page};
use super::status::{absent, malformed, not_found};
use super::visibility::Sight;
use crate::domain::trade::{
    Confirmation, FingerprintKey, Order, OrderState, OrderTerms, Receivable, ReceivableState, ShipmentEvent,
    recorded_events,
};
use crate::ledger::Account;
use crate::node::service::LedgerHandle;
use crate::primitives::{BlockTime, Hash, ObjectId};
use crate::wire::pb::trade as pb;
use crate::wire::pb::trade::trade_service_server::TradeService;
use crate::wire::{account_id, hash, object_id};
use bytes::Bytes;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Clone)]
pub(super) struct Trade(pub Arc<dyn LedgerHandle>);

#[tonic::async_trait]
impl TradeService for Trade {
    async fn get_receivable(
        &self,
        request: Request<pb::GetReceivableRequest>,
    ) -> Result<Response<pb::GetReceivableResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let id = object_id("receivable_id", &request.get_ref().receivable_id).map_err(malformed)?;
        let found = snapshot.view.read::<Receivable>(&id).filter(|receivable| sight.of_receivable(receivable));
        let receivable = receivable_to_pb(&id, &found.ok_or_else(|| not_found("receivable"))?);
        Ok(Response::new(pb::GetReceivableResponse { receivable: Some(receivable) }))
    }

    async fn list_receivables(
        &self,
        request: Request<pb::ListReceivablesRequest>,
    ) -> Result<Response<pb::ListReceivablesResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let message = request.get_ref();
        let state = message.state;
        let asked = PageRequest {
            filter: format!("receivables/{state}"),
            page_size: message.page_size,
            page_token: &message.page_token,
        };
        let found = page::<Receivable, _>(&*snapshot.view, caller, &asked, |id, receivable| {
            let shown = receivable_to_pb(id, &receivable);
            ((state == 0 || shown.state == state) && sight.of_receivable(&receivable)).then_some(shown)
        })?;
        let (receivables, next_page_token) = (found.items, found.next_page_token);
        Ok(Response::new(pb::ListReceivablesResponse { receivables, next_page_token }))
    }

    async fn get_order(&self, request: Request<pb::GetOrderRequest>) -> Result<Response<pb::GetOrderResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let id = object_id("order_id", &request.get_ref().order_id).map_err(malformed)?;
        let found = snapshot.view.read::<Order>(&id).filter(|order| sight.of_order(order));
        let found = found.ok_or_else(|| not_found("order"))?;
        let order = order_to_pb(&id, &found, sight);
        let mut events = sight.events(&found, recorded_events(&*snapshot.view, id));
        events.sort_by_key(|event| (event.event_time, event.event_hash));
        let events = events.iter().map(event_to_pb).collect();
        Ok(Response::new(pb::GetOrderResponse { order: Some(order), events }))
    }

    async fn list_orders(
        &self,
        request: Request<pb::ListOrdersRequest>,
    ) -> Result<Response<pb::ListOrdersResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let message = request.get_ref();
        let state = message.state;
        let asked = PageRequest {
            filter: format!("orders/{state}"),
            page_size: message.page_size,
            page_token: &message.page_token,
        };
        let found = page::<Order, _>(&*snapshot.view, caller, &asked, |id, order| {
            let shown = order_to_pb(id, &order, sight);
            ((state == 0 || shown.state == state) && sight.of_order(&order)).then_some(shown)
        })?;
        let (orders, next_page_token) = (found.items, found.next_page_token);
        Ok(Response::new(pb::ListOrdersResponse { orders, next_page_token }))
    }

    async fn check_fingerprint_key(
        &self,
        request: Request<pb::CheckFingerprintKeyRequest>,
    ) -> Result<Response<pb::CheckFingerprintKeyResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        caller.required()?;
        let message = request.get_ref();
        let entity = |field: &'static str, id: &[u8]| {
            let id = account_id(field, id).map_err(malformed)?;
            let account = snapshot.view.read::<Account>(&id).ok_or_else(|| absent("account"))?;
            Ok::<_, Status>(account.legal_entity_id)
        };
        let supplier = entity("supplier_account_id", &message.supplier_account_id)?;
        let buyer = entity("buyer_account_id", &message.buyer_account_id)?;
        let commitment = hash("key_commitment", &message.key_commitment).map_err(malformed)?;
        let committed = snapshot.view.read::<FingerprintKey>(&(supplier, buyer));
        let is_committed = committed.is_some_and(|key| key.commitment == commitment);
        Ok(Response::new(pb::CheckFingerprintKeyResponse { is_committed }))
    }
}

/// A receivable as the wire shows it.
pub(super) fn receivable_to_pb(id: &ObjectId, receivable: &Receivable) -> pb::Receivable {
    let state = match receivable.state() {
        ReceivableState::Registered => pb::ReceivableState::Registered,
        ReceivableState::Confirmed => pb::ReceivableState::Confirmed,
        ReceivableState::Financed => pb::ReceivableState::Financed,
        ReceivableState::Settled => pb::ReceivableState::Settled,
        ReceivableState::Withdrawn => pb::ReceivableState::Withdrawn,
        ReceivableState::Rejected => pb::ReceivableState::Rejected,
        ReceivableState::Disputed => pb::ReceivableState::Disputed,
        ReceivableState::Split => pb::ReceivableState::Split,
    };
    let confirmation = match receivable.confirmation() {
        None => pb::Confirmation::Unspecified,
        Some(Confirmation::Buyer) => pb::Confirmation::Buyer,
        Some(Confirmation::Silence) => pb::Confirmation::Silence,
    };
    pb::Receivable {
        receivable_id: Bytes::copy_from_slice(&id.0),
        supplier_account_id: Bytes::copy_from_slice(&receivable.supplier.0),
        buyer_account_id: Bytes::copy_from_slice(&receivable.buyer.0),
        holder_account_id: Bytes::copy_from_slice(&receivable.holder().0),
        token_id: receivable.token.as_str().to_owned(),
        amount: receivable.amount.minor_units(),
        outstanding: receivable.outstanding().minor_units(),
        secured: receivable.secured().minor_units(),
        due_at_ms: receivable.due_at.0,
        fingerprint: Bytes::copy_from_slice(&receivable.fingerprint.0),
        state: state.into(),
        owner_account_id: Bytes::copy_from_slice(&receivable.owner().0),
        issued_on: receivable.issued_on.to_string(),
        confirmation: confirmation.into(),
        loan_id: optional_id(receivable.loan()),
        order_id: optional_id(receivable.order),
        near_duplicates: receivable.near_duplicates.into(),
        parent_receivable_id: optional_id(receivable.parent),
        depth: receivable.depth.into(),
        credited: receivable.credited().minor_units(),
        confirm_by_ms: receivable.term().map_or(0, |term| term.ends_at.0),
        silence: receivable.term().map_or(0, |term| term.silence.tag().into()),
        disputed: receivable.dispute().map_or(0, |dispute| dispute.amount.minor_units()),
        dispute_ground: receivable.dispute().map_or(0, |dispute| dispute.ground.tag().into()),
    }
}

fn optional_id(id: Option<ObjectId>) -> Bytes {
    id.map(|id| hash_bytes(&Hash(id.0))).unwrap_or_default()
}

fn hash_bytes(hash: &Hash) -> Bytes {
    Bytes::copy_from_slice(&hash.0)
}

fn terms_to_pb(terms: &OrderTerms) -> pb::OrderTerms {
    pb::OrderTerms {
        amount: terms.amount.minor_units(),
        document_commitment: hash_bytes(&terms.document_commitment),
        line_count: terms.line_count.into(),
        deliver_by_ms: terms.deliver_by.unwrap_or(BlockTime(0)).0,
        confirmation_days: terms.confirmation_days.into(),
        silence: terms.silence.tag().into(),
        payment_days: terms.payment_days.map(Into::into),
    }
}

/// An order as the wire shows it to who sees it.
fn order_to_pb(id: &ObjectId, order: &Order, sight: Sight<'_>) -> pb::Order {
    let state = match order.state() {
        OrderState::Proposed => pb::OrderState::Proposed,
        OrderState::Agreed => pb::OrderState::Agreed,
        OrderState::Cancelled => pb::OrderState::Cancelled,
    };
    let change = order.change().map(|change| pb::OrderChange {
        number: change.number,
        proposer_account_id: Bytes::copy_from_slice(&change.proposer.0),
        terms: Some(terms_to_pb(&change.terms)),
    });
    pb::Order {
        order_id: Bytes::copy_from_slice(&id.0),
        buyer_account_id: Bytes::copy_from_slice(&order.buyer.0),
        supplier_account_id: Bytes::copy_from_slice(&order.supplier.0),
        token_id: order.token.as_str().to_owned(),
        fingerprint: hash_bytes(&order.fingerprint),
        terms: Some(terms_to_pb(&order.terms)),
        version: order.version,
        placed_at_ms: order.placed_at.0,
        invoiced: order.invoiced().minor_units(),
        state: state.into(),
        change,
        carrier_account_ids: sight.carriers(order).iter().map(|carrier| Bytes::copy_from_slice(&carrier.0)).collect(),
    }
}

/// An event as the wire shows it.
fn event_to_pb(event: &ShipmentEvent) -> pb::ShipmentEvent {
    let error = event.error.as_ref();
    pb::ShipmentEvent {
        event_hash: hash_bytes(&event.event_hash),
        carrier_account_id: Bytes::copy_from_slice(&event.carrier.0),
        document_commitment: hash_bytes(&event.document_commitment),
        // The wire's numbers of these are the ledger's tags: `client/operations` has a test of it.
        kind: event.kind.tag().into(),
        action: event.action.tag().into(),
        step: event.step.tag().into(),
        event_time_ms: event.event_time.0,
        utc_offset_minutes: i32::from(event.utc_offset_minutes_plus_720) - 720,
        read_point_commitment: hash_bytes(&event.read_point),
        objects_hash: hash_bytes(&event.objects_hash),
        recorded_at_ms: event.recorded_at.0,
        error_ground: error.map_or(0, |error| error.ground.tag().into()),
        error_declared_at_ms: error.map_or(0, |error| error.declared_at.0),
        corrective_event_hash: error
            .and_then(|error| error.corrective_event.as_ref())
            .map(hash_bytes)
            .unwrap_or_default(),
    }
}
