//! `FinancingService`: financing requests, for their two parties and overseers.

use super::caller::identify;
use super::page::{PageRequest, page};
use super::status::{malformed, not_found};
use super::trade::receivable_to_pb;
use super::visibility::Sight;
use crate::domain::financing::{FinancingRequest, FinancingRequestState};
use crate::domain::trade::Receivable;
use crate::node::service::LedgerHandle;
use crate::primitives::ObjectId;
use crate::wire::object_id;
use crate::wire::pb::financing as pb;
use crate::wire::pb::financing::financing_service_server::FinancingService;
use bytes::Bytes;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Clone)]
pub(super) struct Financing(pub Arc<dyn LedgerHandle>);

#[tonic::async_trait]
impl FinancingService for Financing {
    async fn get_financing_request(
        &self,
        request: Request<pb::GetFinancingRequestRequest>,
    ) -> Result<Response<pb::GetFinancingRequestResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let id = object_id("financing_request_id", &request.get_ref().financing_request_id).map_err(malformed)?;
        let found = snapshot.view.read::<FinancingRequest>(&id).filter(|found| sight.of_financing_request(found));
        let found = found.ok_or_else(|| not_found("financing request"))?;
        // Whoever is asked for money on a receivable sees it, though it is not yet the financier's.
        let receivable = snapshot.view.read::<Receivable>(&found.receivable);
        Ok(Response::new(pb::GetFinancingRequestResponse {
            financing_request: Some(request_to_pb(&id, &found)),
            receivable: receivable.map(|receivable| receivable_to_pb(&found.receivable, &receivable)),
        }))
    }

    async fn list_financing_requests(
        &self,
        request: Request<pb::ListFinancingRequestsRequest>,
    ) -> Result<Response<pb::ListFinancingRequestsResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let message = request.get_ref();
        let state = message.state;
        let asked = PageRequest {
            filter: format!("financing-requests/{state}"),
            page_size: message.page_size,
            page_token: &message.page_token,
        };
        let found = page::<FinancingRequest, _>(&*snapshot.view, caller, &asked, |id, found| {
            let shown = request_to_pb(id, &found);
            ((state == 0 || shown.state == state) && sight.of_financing_request(&found)).then_some(shown)
        })?;
        let (financing_requests, next_page_token) = (found.items, found.next_page_token);
        Ok(Response::new(pb::ListFinancingRequestsResponse { financing_requests, next_page_token }))
    }
}

fn request_to_pb(id: &ObjectId, request: &FinancingRequest) -> pb::FinancingRequest {
    let state = match request.state() {
        FinancingRequestState::Requested => pb::FinancingRequestState::Requested,
        FinancingRequestState::Accepted => pb::FinancingRequestState::Accepted,
        FinancingRequestState::Withdrawn => pb::FinancingRequestState::Withdrawn,
    };
    pb::FinancingRequest {
        financing_request_id: Bytes::copy_from_slice(&id.0),
        receivable_id: Bytes::copy_from_slice(&request.receivable.0),
        supplier_account_id: Bytes::copy_from_slice(&request.supplier.0),
        financier_account_id: Bytes::copy_from_slice(&request.financier.0),
        advance: request.advance.minor_units(),
        fee: request.fee.minor_units(),
        expires_at_ms: request.expires_at.0,
        citation_count: request.settlements_cited.into(),
        state: state.into(),
    }
}
