//! Other networks as governance registered them, which is public; and the accounts that are linked to accounts here, for those who
//! see these.

use super::caller::Caller;
use super::loans::id_bytes;
use super::page::{Cursor, OF_ENTRIES, Page, PageRequest, page, page_under};
use super::status::malformed;
use super::visibility::Sight;
use crate::domain::financing::{ForeignAccount, Network, NetworkState, TokenPair};
use crate::node::service::Snapshot;
use crate::primitives::{AccountId, ChainId, Encode as _};
use crate::wire::pb::financing as pb;
use crate::wire::{chain_id, optional};
use tonic::Status;

/// A page of the networks.
///
/// # Errors
/// A page that cannot be.
pub(super) fn networks(
    caller: Caller,
    snapshot: &Snapshot,
    message: &pb::ListNetworksRequest,
) -> Result<pb::ListNetworksResponse, Status> {
    let (filter, page_size) = ("networks".to_owned(), message.page_size);
    let asked = PageRequest { filter, page_size, page_token: &message.page_token };
    let shown =
        page(&*snapshot.view, caller, &asked, |id: &ChainId, network: Network| Some(network_to_pb(*id, network)))?;
    let Page { items: networks, next_page_token } = shown;
    Ok(pb::ListNetworksResponse { height: snapshot.height, networks, next_page_token })
}

/// A page of the linked accounts that the caller sees.
///
/// # Errors
/// A malformed chain id, or a page that cannot be.
pub(super) fn foreign_accounts(
    caller: Caller,
    snapshot: &Snapshot,
    message: &pb::ListForeignAccountsRequest,
) -> Result<pb::ListForeignAccountsResponse, Status> {
    let of = optional(&message.network_chain_id, |id| chain_id("network_chain_id", id)).map_err(malformed)?;
    let (filter, page_size) = (format!("foreign-accounts/{of:?}"), message.page_size);
    let asked = PageRequest { filter, page_size, page_token: &message.page_token };
    let (view, sight) = (&*snapshot.view, Sight::new(caller, &*snapshot.view));
    let prefix = of.map(|id| id.to_bytes()).unwrap_or_default();
    let show = |(network, there): &(ChainId, AccountId), linked: ForeignAccount| {
        let seen = sight.supervises() || sight.of_account(linked.account);
        seen.then(|| pb::ForeignAccount {
            network_chain_id: id_bytes(&network.0),
            foreign_account_id: id_bytes(&there.0),
            account_id: id_bytes(&linked.account.0),
        })
    };
    let cursor = Cursor::open(caller, &asked, OF_ENTRIES)?;
    let Page { items: foreign_accounts, next_page_token } = page_under(view, &prefix, &cursor, show)?;
    Ok(pb::ListForeignAccountsResponse { height: snapshot.height, foreign_accounts, next_page_token })
}

fn network_to_pb(id: ChainId, network: Network) -> pb::Network {
    let state = match network.state() {
        NetworkState::Open => pb::NetworkState::Open,
        NetworkState::Retired => pb::NetworkState::Retired,
    };
    let pair = |pair: &TokenPair| pb::TokenPair {
        token_id_there: pair.there.to_string(),
        token_id_here: pair.here.to_string(),
    };
    pb::Network {
        network_chain_id: id_bytes(&id.0),
        state: state.into(),
        validators: network.validators.keys().iter().map(|key| id_bytes(&key.0)).collect(),
        epoch_length: network.epoch_length,
        tokens: network.tokens.iter().map(pair).collect(),
        name: network.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::financing::{RegisterNetwork, RetireNetwork};
    use crate::domain::market::Market;
    use crate::ledger::{Role, ValidatorSet};
    use crate::primitives::PublicKey;
    use std::sync::Arc;

    const NEAR: ChainId = ChainId([1; 32]);
    const FAR: ChainId = ChainId([2; 32]);

    /// Two networks of which one is retired, and on each of them an account of the supplier's, on one the buyer's too.
    fn linked() -> Market {
        let mut market = Market::open();
        let governance = market.stage.open(40, None, &[Role::Governance]);
        for (network, name) in [(NEAR, "near"), (FAR, "far")] {
            let validators = ValidatorSet::new(vec![PublicKey([9; 32])]).expect("one");
            let tokens = vec![TokenPair { there: "USDX".parse().expect("a token id"), here: market.token }];
            let register = RegisterNetwork { network, name: name.to_owned(), validators, epoch_length: 7, tokens };
            market.stage.perform(&[governance], |context, changes| register.plan(context, changes)).expect(name);
        }
        let retire = RetireNetwork { network: FAR };
        market.stage.perform(&[governance], |context, changes| retire.plan(context, changes)).expect("it is open");
        let (supplier, buyer) = (market.supplier, market.buyer);
        market.stage.edit(|changes| {
            for (network, there, account) in [(NEAR, 0x31, supplier), (NEAR, 0x32, buyer), (FAR, 0x31, supplier)] {
                changes.put(&(network, AccountId([there; 32])), &ForeignAccount { account });
            }
        });
        market
    }

    fn snapshot(market: &Market) -> Snapshot {
        Snapshot { view: Arc::new(market.stage.view.clone()), height: 5, time: market.stage.now }
    }

    #[test]
    fn everyone_sees_the_networks_page_by_page() {
        let snapshot = snapshot(&linked());
        let page = |page_size, page_token: String| {
            networks(Caller::Anyone, &snapshot, &pb::ListNetworksRequest { page_size, page_token }).expect("a page")
        };
        let all = page(0, String::new());
        let told = all.networks.iter().map(|network| (&network.network_chain_id[..], &*network.name, network.state()));
        let expected = [(&NEAR.0[..], "near", pb::NetworkState::Open), (&FAR.0[..], "far", pb::NetworkState::Retired)];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        let near = &all.networks[0];
        assert_eq!((near.validators.len(), near.epoch_length, all.height), (1, 7, 5));
        assert_eq!((&*near.tokens[0].token_id_there, &*near.tokens[0].token_id_here), ("USDX", "HKDX"));
        let first = page(1, String::new());
        let second = page(1, first.next_page_token.clone());
        assert_eq!([&first.networks[..], &second.networks[..]].concat(), all.networks);
        assert_eq!(page(1, second.next_page_token).networks, []);
    }

    #[test]
    fn links_are_seen_by_whom_the_account_here_is() {
        let market = linked();
        let snapshot = snapshot(&market);
        let seen = |caller, network: &[u8]| {
            let network_chain_id = network.to_vec().into();
            let asked = pb::ListForeignAccountsRequest { network_chain_id, ..Default::default() };
            let found = foreign_accounts(caller, &snapshot, &asked).expect("a page").foreign_accounts;
            found
                .iter()
                .map(|link| (link.network_chain_id[0], link.foreign_account_id[0], link.account_id[0]))
                .collect()
        };
        let own = |account| Caller::Account(account);
        let (supplier, buyer) = (market.supplier.0[0], market.buyer.0[0]);
        let all: Vec<(u8, u8, u8)> = vec![(1, 0x31, supplier), (1, 0x32, buyer), (2, 0x31, supplier)];
        for (caller, network, expected) in [
            (own(market.supplier), &[][..], vec![all[0], all[2]]),
            (own(market.supplier), &NEAR.0, vec![all[0]]),
            (own(market.buyer), &[], vec![all[1]]),
            (own(market.buyer), &FAR.0, vec![]),
            (own(market.stranger), &[], vec![]),
            (Caller::Supervisor(market.stranger), &[], all.clone()),
            (Caller::Overseer(market.stranger), &NEAR.0, all[..2].to_vec()),
        ] {
            let found: Vec<(u8, u8, u8)> = seen(caller, network);
            assert_eq!(found, expected, "{caller:?} of {network:?}");
        }
        let short = pb::ListForeignAccountsRequest { network_chain_id: vec![1; 31].into(), ..Default::default() };
        let refused = foreign_accounts(own(market.buyer), &snapshot, &short).expect_err("31 bytes");
        assert!(refused.message().contains("network_chain_id"), "{}", refused.message());
    }
}
