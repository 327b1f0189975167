//! `AccountsService`: accounts and balances, for those above them and overseers; and of an account what its counterparties
//! must know, for everyone with an account.

use super::caller::identify;
use super::page::{PageRequest, page};
use super::status::{absent, malformed, status};
use super::visibility::Sight;
use crate::domain::tokens::Token;
use crate::ledger::account::KeySet;
use crate::ledger::limits::TOKENS_MAX;
use crate::ledger::{Account, Balance, Entry as _, Role, View};
use crate::node::service::LedgerHandle;
use crate::primitives::{AccountId, Decode as _, Encode as _, TokenId};
use crate::wire::account_id;
use crate::wire::pb::accounts as pb;
use crate::wire::pb::accounts::accounts_service_server::AccountsService;
use bytes::Bytes;
use std::sync::Arc;
use tonic::{Code, Request, Response, Status};

/// The service.
#[derive(Clone)]
pub(super) struct Accounts(pub Arc<dyn LedgerHandle>);

#[tonic::async_trait]
impl AccountsService for Accounts {
    async fn get_account(
        &self,
        request: Request<pb::GetAccountRequest>,
    ) -> Result<Response<pb::GetAccountResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let id = account_id("account_id", &request.get_ref().account_id).map_err(malformed)?;
        require_sight(Sight::new(caller.required()?, &*snapshot.view), id)?;
        let account = snapshot.view.read::<Account>(&id).ok_or_else(|| absent("account"))?;
        Ok(Response::new(pb::GetAccountResponse { account: Some(account_to_pb(&id, &account)) }))
    }

    async fn list_accounts(
        &self,
        request: Request<pb::ListAccountsRequest>,
    ) -> Result<Response<pb::ListAccountsResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let asked = request.get_ref();
        let asked =
            PageRequest { filter: "accounts".to_owned(), page_size: asked.page_size, page_token: &asked.page_token };
        let found = page::<Account, _>(&*snapshot.view, caller, &asked, |id, account| {
            sight.of_account(*id).then(|| account_to_pb(id, &account))
        })?;
        Ok(Response::new(pb::ListAccountsResponse { accounts: found.items, next_page_token: found.next_page_token }))
    }

    async fn list_balances(
        &self,
        request: Request<pb::ListBalancesRequest>,
    ) -> Result<Response<pb::ListBalancesResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let id = account_id("account_id", &request.get_ref().account_id).map_err(malformed)?;
        require_sight(Sight::new(caller.required()?, &*snapshot.view), id)?;
        let balances = balances_of(&*snapshot.view, id);
        Ok(Response::new(pb::ListBalancesResponse { balances, height: snapshot.height }))
    }

    async fn get_counterparty(
        &self,
        request: Request<pb::GetCounterpartyRequest>,
    ) -> Result<Response<pb::GetCounterpartyResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        caller.required()?;
        let id = account_id("account_id", &request.get_ref().account_id).map_err(malformed)?;
        let account = snapshot.view.read::<Account>(&id).ok_or_else(|| absent("account"))?;
        Ok(Response::new(pb::GetCounterpartyResponse { counterparty: Some(counterparty_to_pb(&id, &account)) }))
    }
}

/// An account that is not the caller's gets one answer, whether it exists or not.
fn require_sight(sight: Sight<'_>, id: AccountId) -> Result<(), Status> {
    let message = "the account is neither the caller's own nor under it";
    sight.of_account(id).then_some(()).ok_or_else(|| status(Code::PermissionDenied, "NOT_THE_CALLERS_ACCOUNT", message))
}

fn balances_of(view: &dyn View, id: AccountId) -> Vec<pb::Balance> {
    let entries = view.scan(Balance::COLUMN, &id.to_bytes(), TOKENS_MAX);
    let read = entries.iter().filter_map(|(key, value)| {
        let read = <(AccountId, TokenId)>::from_bytes(key).ok().zip(Balance::from_bytes(value).ok());
        if read.is_none() {
            view.note_corruption(Balance::COLUMN, key);
        }
        read
    });
    read.take_while(|((holder, _), _)| *holder == id)
        .map(|((_, token), balance)| balance_to_pb(view, token, balance))
        .collect()
}

fn balance_to_pb(view: &dyn View, token: TokenId, balance: Balance) -> pb::Balance {
    let terms = view.read::<Token>(&token).map(|token| token.terms);
    pb::Balance {
        token_id: token.as_str().to_owned(),
        available: balance.available.minor_units(),
        locked: balance.locked.minor_units(),
        scale: terms.as_ref().map_or(0, |terms| terms.scale),
        currency: terms.map_or_else(String::new, |terms| terms.currency.as_str().to_owned()),
    }
}

fn counterparty_to_pb(id: &AccountId, account: &Account) -> pb::Counterparty {
    pb::Counterparty {
        account_id: Bytes::copy_from_slice(&id.0),
        legal_entity_id: account.legal_entity_id.clone(),
        roles: roles_to_pb(account),
        closed: account.closed,
    }
}

fn roles_to_pb(account: &Account) -> Vec<i32> {
    account.roles.iter().map(|role| role_to_pb(role).into()).collect()
}

fn account_to_pb(id: &AccountId, account: &Account) -> pb::Account {
    pb::Account {
        account_id: Bytes::copy_from_slice(&id.0),
        parent_account_id: account.parent.map(|parent| Bytes::copy_from_slice(&parent.0)).unwrap_or_default(),
        keys: Some(keys_to_pb(&account.keys)),
        roles: roles_to_pb(account),
        legal_entity_id: account.legal_entity_id.clone(),
        closed: account.closed,
    }
}

fn keys_to_pb(keys: &KeySet) -> pb::KeySet {
    let public_keys = keys.keys().iter().map(|key| Bytes::copy_from_slice(&key.0)).collect();
    pb::KeySet { public_keys, threshold: keys.threshold().into() }
}

fn role_to_pb(role: Role) -> pb::Role {
    match role {
        Role::Institution => pb::Role::Institution,
        Role::Issuer => pb::Role::Issuer,
        Role::IssuanceMaker => pb::Role::IssuanceMaker,
        Role::IssuanceChecker => pb::Role::IssuanceChecker,
        Role::Custodian => pb::Role::Custodian,
        Role::Merchant => pb::Role::Merchant,
        Role::Financier => pb::Role::Financier,
        Role::Observer => pb::Role::Observer,
        Role::Operator => pb::Role::Operator,
        Role::Carrier => pb::Role::Carrier,
        Role::Governance => pb::Role::Governance,
        Role::Auditor => pb::Role::Auditor,
    }
}
