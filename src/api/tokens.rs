//! `TokensService`: tokens and reserves, which are public; issuances and redemptions, which are not.

use super::caller::identify;
use super::page::{PageRequest, page};
use super::status::{absent, malformed, not_found};
use super::visibility::Sight;
use crate::domain::tokens::{
    AssetClass, Issuance, IssuanceState, Redemption, RedemptionState, ReservePolicy, Token, reserve_line,
};
use crate::ledger::Entry as _;
use crate::ledger::limits::TOKENS_MAX;
use crate::node::service::{LedgerHandle, Snapshot};
use crate::primitives::{Decode as _, ObjectId, TokenId};
use crate::wire::pb::tokens as pb;
use crate::wire::pb::tokens::tokens_service_server::TokensService;
use crate::wire::{object_id, token_id};
use bytes::Bytes;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Clone)]
pub(super) struct Tokens(pub Arc<dyn LedgerHandle>);

#[tonic::async_trait]
impl TokensService for Tokens {
    async fn get_token(&self, request: Request<pb::GetTokenRequest>) -> Result<Response<pb::GetTokenResponse>, Status> {
        let (_, snapshot) = identify(&*self.0, &request)?;
        let id = token_id("token_id", &request.get_ref().token_id).map_err(malformed)?;
        let token = snapshot.view.read::<Token>(&id).ok_or_else(|| absent("token"))?;
        Ok(Response::new(pb::GetTokenResponse { token: Some(token_to_pb(&snapshot, id, &token)) }))
    }

    async fn list_tokens(
        &self,
        request: Request<pb::ListTokensRequest>,
    ) -> Result<Response<pb::ListTokensResponse>, Status> {
        let (_, snapshot) = identify(&*self.0, &request)?;
        let entries = snapshot.view.scan(Token::COLUMN, &[], TOKENS_MAX);
        let tokens = entries.iter().filter_map(|(key, value)| {
            let read = TokenId::from_bytes(key).ok().zip(Token::from_bytes(value).ok());
            if read.is_none() {
                snapshot.view.note_corruption(Token::COLUMN, key);
            }
            read.map(|(id, token)| token_to_pb(&snapshot, id, &token))
        });
        Ok(Response::new(pb::ListTokensResponse { tokens: tokens.collect() }))
    }

    async fn get_issuance(
        &self,
        request: Request<pb::GetIssuanceRequest>,
    ) -> Result<Response<pb::GetIssuanceResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let id = object_id("issuance_id", &request.get_ref().issuance_id).map_err(malformed)?;
        let found = snapshot.view.read::<Issuance>(&id).filter(|issuance| sight.of_issuance(issuance));
        let issuance = issuance_to_pb(&id, &found.ok_or_else(|| not_found("issuance"))?);
        Ok(Response::new(pb::GetIssuanceResponse { issuance: Some(issuance) }))
    }

    async fn list_issuances(
        &self,
        request: Request<pb::ListIssuancesRequest>,
    ) -> Result<Response<pb::ListIssuancesResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let message = request.get_ref();
        let state = message.state;
        let asked = PageRequest {
            filter: format!("issuances/{state}"),
            page_size: message.page_size,
            page_token: &message.page_token,
        };
        let found = page::<Issuance, _>(&*snapshot.view, caller, &asked, |id, issuance| {
            let shown = issuance_to_pb(id, &issuance);
            ((state == 0 || shown.state == state) && sight.of_issuance(&issuance)).then_some(shown)
        })?;
        let (issuances, next_page_token) = (found.items, found.next_page_token);
        Ok(Response::new(pb::ListIssuancesResponse { issuances, next_page_token }))
    }

    async fn get_redemption(
        &self,
        request: Request<pb::GetRedemptionRequest>,
    ) -> Result<Response<pb::GetRedemptionResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let id = object_id("redemption_id", &request.get_ref().redemption_id).map_err(malformed)?;
        let found = snapshot.view.read::<Redemption>(&id).filter(|redemption| sight.of_redemption(redemption));
        let redemption = redemption_to_pb(&id, &found.ok_or_else(|| not_found("redemption"))?);
        Ok(Response::new(pb::GetRedemptionResponse { redemption: Some(redemption) }))
    }

    async fn list_redemptions(
        &self,
        request: Request<pb::ListRedemptionsRequest>,
    ) -> Result<Response<pb::ListRedemptionsResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let message = request.get_ref();
        let state = message.state;
        let asked = PageRequest {
            filter: format!("redemptions/{state}"),
            page_size: message.page_size,
            page_token: &message.page_token,
        };
        let found = page::<Redemption, _>(&*snapshot.view, caller, &asked, |id, redemption| {
            let shown = redemption_to_pb(id, &redemption);
            ((state == 0 || shown.state == state) && sight.of_redemption(&redemption)).then_some(shown)
        })?;
        let (redemptions, next_page_token) = (found.items, found.next_page_token);
        Ok(Response::new(pb::ListRedemptionsResponse { redemptions, next_page_token }))
    }
}

fn token_to_pb(snapshot: &Snapshot, id: TokenId, token: &Token) -> pb::Token {
    let line = reserve_line(&*snapshot.view, id, snapshot.time);
    let terms = &token.terms;
    pb::Token {
        token_id: id.as_str().to_owned(),
        currency: terms.currency.as_str().to_owned(),
        scale: terms.scale,
        issuer_account_id: Bytes::copy_from_slice(&token.issuer.0),
        custodian_account_id: Bytes::copy_from_slice(&terms.custodian.0),
        reserve_policy: Some(reserve_policy_to_pb(&terms.reserve_policy)),
        redemption_business_days: terms.redemption_business_days,
        circulation: line.map_or(0, |line| line.circulation.minor_units()),
        reserves_counted: line.map_or(0, |line| line.reserves_counted.minor_units()),
        shortfall: line.map_or(0, |line| line.shortfall.minor_units()),
        attested_as_of_ms: line.map_or(0, |line| line.attested_as_of.0),
        height: snapshot.height,
    }
}

fn reserve_policy_to_pb(policy: &ReservePolicy) -> pb::ReservePolicy {
    let class = |class: AssetClass| match class {
        AssetClass::Cash => pb::AssetClass::Cash,
        AssetClass::Deposit => pb::AssetClass::Deposit,
        AssetClass::GovernmentDebt => pb::AssetClass::GovernmentDebt,
        AssetClass::ReverseRepo => pb::AssetClass::ReverseRepo,
    };
    let rules = policy.asset_rules.iter().map(|rule| pb::AssetRule {
        asset_class: class(rule.asset_class).into(),
        maturity_days_max: rule.maturity_days_max,
        haircut_bps_min: rule.haircut_bps_min,
    });
    pb::ReservePolicy { asset_rules: rules.collect(), attestation_age_ms_max: policy.attestation_age_ms_max }
}

fn issuance_to_pb(id: &ObjectId, issuance: &Issuance) -> pb::Issuance {
    let state = match issuance.state {
        IssuanceState::Requested => pb::IssuanceState::Requested,
        IssuanceState::Issued => pb::IssuanceState::Issued,
        IssuanceState::Rejected => pb::IssuanceState::Rejected,
    };
    let allocations = issuance.allocations.iter().map(|part| pb::Allocation {
        account_id: Bytes::copy_from_slice(&part.account.0),
        amount: part.amount.minor_units(),
    });
    pb::Issuance {
        issuance_id: Bytes::copy_from_slice(&id.0),
        token_id: issuance.token.as_str().to_owned(),
        allocations: allocations.collect(),
        maker_account_id: Bytes::copy_from_slice(&issuance.maker.0),
        expires_at_ms: issuance.expires_at.0,
        state: state.into(),
    }
}

fn redemption_to_pb(id: &ObjectId, redemption: &Redemption) -> pb::Redemption {
    let state = match redemption.state {
        RedemptionState::Requested => pb::RedemptionState::Requested,
        RedemptionState::Paid => pb::RedemptionState::Paid,
        RedemptionState::Rejected => pb::RedemptionState::Rejected,
    };
    pb::Redemption {
        redemption_id: Bytes::copy_from_slice(&id.0),
        token_id: redemption.token.as_str().to_owned(),
        holder_account_id: Bytes::copy_from_slice(&redemption.holder.0),
        amount: redemption.amount.minor_units(),
        requested_at_ms: redemption.requested_at.0,
        due_at_ms: redemption.due_at.0,
        state: state.into(),
        overdue: redemption.overdue_at.is_some(),
        fiat_reference: redemption.fiat_reference.clone(),
        narrative: redemption.narrative.clone(),
    }
}
