//! `TradeService`: receivables, for their parties and overseers.

use super::caller::identify;
use super::page::{PageRequest, page};
use super::status::{malformed, not_found};
use super::visibility::Sight;
use crate::domain::trade::{Confirmation, Receivable, ReceivableState};
use crate::node::service::LedgerHandle;
use crate::primitives::ObjectId;
use crate::wire::object_id;
use crate::wire::pb::trade as pb;
use crate::wire::pb::trade::trade_service_server::TradeService;
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
        loan_id: receivable.loan().map(|loan| Bytes::copy_from_slice(&loan.0)).unwrap_or_default(),
    }
}
