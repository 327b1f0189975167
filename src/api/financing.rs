//! `FinancingService`: programmes, which are published; loans, for their parties and those who oversee or supervise; and what a
//! request would come to.

use super::caller::identify;
use super::financeable::financeable;
use super::loans::{loan_to_pb, offer_to_pb, programme_to_pb};
use super::page::{Cursor, OF_ENTRIES, PageRequest, page, page_under};
use super::status::{declined_beforehand, malformed, not_found};
use super::visibility::Sight;
use crate::domain::financing::{Loan, Programme};
use crate::ledger::open_items::{Open, loans_of};
use crate::ledger::{Changes, Context, Malformed, OpenItem};
use crate::node::service::{LedgerHandle, Snapshot};
use crate::primitives::{AccountId, ChainId, ObjectId, PublicKey, RequestId};
use crate::wire::pb::financing as pb;
use crate::wire::pb::financing::financing_service_server::FinancingService;
use crate::wire::{account_id, object_id, optional, request_financing_from_pb};
use std::collections::BTreeSet;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Clone)]
pub(super) struct Financing(pub Arc<dyn LedgerHandle>);

#[tonic::async_trait]
impl FinancingService for Financing {
    async fn get_programme(
        &self,
        request: Request<pb::GetProgrammeRequest>,
    ) -> Result<Response<pb::GetProgrammeResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        caller.required()?;
        let id = object_id("programme_id", &request.get_ref().programme_id).map_err(malformed)?;
        let found = snapshot.view.read::<Programme>(&id).ok_or_else(|| not_found("programme"))?;
        let programme = Some(programme_to_pb(&id, found, &*snapshot.view));
        Ok(Response::new(pb::GetProgrammeResponse { programme }))
    }

    async fn list_programmes(
        &self,
        request: Request<pb::ListProgrammesRequest>,
    ) -> Result<Response<pb::ListProgrammesResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let caller = caller.required()?;
        let message = request.get_ref();
        let state = message.state;
        let asked = PageRequest {
            filter: format!("programmes/{state}"),
            page_size: message.page_size,
            page_token: &message.page_token,
        };
        let view = &*snapshot.view;
        let found = page::<Programme, _>(view, caller, &asked, |id, found| {
            let shown = programme_to_pb(id, found, view);
            (state == 0 || shown.state == state).then_some(shown)
        })?;
        let (programmes, next_page_token) = (found.items, found.next_page_token);
        Ok(Response::new(pb::ListProgrammesResponse { programmes, next_page_token }))
    }

    async fn get_loan(&self, request: Request<pb::GetLoanRequest>) -> Result<Response<pb::GetLoanResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let id = object_id("loan_id", &request.get_ref().loan_id).map_err(malformed)?;
        let found = snapshot.view.read::<Loan>(&id).filter(|found| sight.of_loan(found));
        let found = found.ok_or_else(|| not_found("loan"))?;
        Ok(Response::new(pb::GetLoanResponse { loan: Some(loan_to_pb(&id, &found, &*snapshot.view)) }))
    }

    async fn list_loans(
        &self,
        request: Request<pb::ListLoansRequest>,
    ) -> Result<Response<pb::ListLoansResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let (caller, view) = (caller.required()?, &*snapshot.view);
        let sight = Sight::new(caller, view);
        let message = request.get_ref();
        let filter = LoanFilter::read(message).map_err(malformed)?;
        let asked = PageRequest {
            filter: format!("loans/{}", filter.text()),
            page_size: message.page_size,
            page_token: &message.page_token,
        };
        let show = |id: &ObjectId, found: Loan| {
            let shown = loan_to_pb(id, &found, view);
            (filter.takes(&found, &shown) && sight.of_loan(&found)).then_some(shown)
        };
        let found = match filter.account {
            Some(account) if sight.of_account(account) || sight.supervises() => {
                let cursor = Cursor::open(caller, &asked, OF_ENTRIES)?;
                page_under::<Open, _>(view, &loans_of(account), &cursor, |(_, item), _| match item {
                    OpenItem::Loan(id) => show(id, view.read::<Loan>(id)?),
                    OpenItem::Receivable(_) | OpenItem::Account(_) => None,
                })?
            }
            Some(_) => return Err(not_found("account")),
            None => page::<Loan, _>(view, caller, &asked, show)?,
        };
        let (loans, next_page_token) = (found.items, found.next_page_token);
        Ok(Response::new(pb::ListLoansResponse { loans, next_page_token }))
    }

    async fn assess_financing(
        &self,
        request: Request<pb::AssessFinancingRequest>,
    ) -> Result<Response<pb::AssessFinancingResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let caller = caller.required()?;
        let sender = caller.account().ok_or_else(|| not_found("caller"))?;
        let message = request.into_inner().request.unwrap_or_default();
        let operation = request_financing_from_pb(message).map_err(|error| malformed(error.within("request")))?;
        let signers = BTreeSet::new();
        let context = in_the_next_block(self.0.identity().chain_id, &snapshot, sender, &signers);
        let offer = operation.offer(&context, &Changes::new(&*snapshot.view));
        // As the transaction would be declined, with the same name.
        let offer = offer.map_err(|reason| declined_beforehand(&reason))?;
        Ok(Response::new(offer_to_pb(&offer, Sight::new(caller, &*snapshot.view))))
    }

    async fn list_financeable(
        &self,
        request: Request<pb::ListFinanceableRequest>,
    ) -> Result<Response<pb::ListFinanceableResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let chain_id = self.0.identity().chain_id;
        financeable(chain_id, caller.required()?, &snapshot, request.into_inner()).await.map(Response::new)
    }
}

/// The context of a request that a sender would have in the next block, if nothing else were in it.
pub(super) fn in_the_next_block<'a>(
    chain_id: ChainId,
    snapshot: &Snapshot,
    sender: AccountId,
    signers: &'a BTreeSet<PublicKey>,
) -> Context<'a> {
    let (height, now) = (snapshot.height + 1, snapshot.time);
    Context { chain_id, height, now, sender, request_id: RequestId([0; 16]), operation_index: 0, signers }
}

/// Which loans are asked for.
struct LoanFilter<'a> {
    state: i32,
    bucket: i32,
    account: Option<AccountId>,
    borrower: Option<AccountId>,
    obligor_entity: &'a str,
    programme: Option<ObjectId>,
}

impl<'a> LoanFilter<'a> {
    fn read(message: &'a pb::ListLoansRequest) -> Result<Self, Malformed> {
        Ok(Self {
            state: message.state,
            bucket: message.bucket,
            account: optional(&message.account_id, |id| account_id("account_id", id))?,
            borrower: optional(&message.borrower_account_id, |id| account_id("borrower_account_id", id))?,
            obligor_entity: &message.obligor_legal_entity_id,
            programme: optional(&message.programme_id, |id| object_id("programme_id", id))?,
        })
    }

    /// What a page token is bound to.
    fn text(&self) -> String {
        let Self { state, bucket, account, borrower, obligor_entity, programme } = self;
        format!("{state}/{bucket}/{account:?}/{borrower:?}/{obligor_entity}/{programme:?}")
    }

    fn takes(&self, loan: &Loan, shown: &pb::Loan) -> bool {
        let terms = &loan.terms;
        (self.state == 0 || shown.state == self.state)
            && (self.bucket == 0 || shown.bucket == self.bucket)
            && self.borrower.is_none_or(|borrower| borrower == terms.borrower)
            && (self.obligor_entity.is_empty() || self.obligor_entity == terms.obligor_entity)
            && self.programme.is_none_or(|programme| programme == terms.programme)
    }
}
