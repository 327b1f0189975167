//! `GovernanceService`: who validates and who observes. Public: whoever holds a receipt may want to know who signs.

use super::status::unavailable;
use crate::domain::governance::{Peer, Standing, peers};
use crate::ledger::history::PARAMETERS_KEY;
use crate::ledger::{Parameters, View};
use crate::node::service::{LedgerHandle, Snapshot};
use crate::primitives::PublicKey;
use crate::wire::pb::governance as pb;
use crate::wire::pb::governance::governance_service_server::GovernanceService;
use bytes::Bytes;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Clone)]
pub(super) struct Governance(pub Arc<dyn LedgerHandle>);

#[tonic::async_trait]
impl GovernanceService for Governance {
    async fn list_peers(&self, _: Request<pb::ListPeersRequest>) -> Result<Response<pb::ListPeersResponse>, Status> {
        let snapshot = self.0.snapshot().map_err(unavailable)?;
        Ok(Response::new(listed(&snapshot)))
    }
}

fn listed(Snapshot { view, height, .. }: &Snapshot) -> pb::ListPeersResponse {
    let view: &dyn View = &**view;
    let length = view.read::<Parameters>(&PARAMETERS_KEY).map_or(1, |parameters| parameters.epoch_length.max(1));
    let epoch = (height + 1) / length;
    pb::ListPeersResponse {
        height: *height,
        epoch,
        epoch_length: length,
        peers: peers(view).into_iter().map(|(key, peer)| peer_to_pb(key, peer, epoch + 1)).collect(),
    }
}

fn peer_to_pb(key: PublicKey, peer: Peer, next_epoch: u64) -> pb::Peer {
    let standing = match peer.standing {
        Standing::Observer => pb::PeerStanding::Observer,
        Standing::Joining => pb::PeerStanding::Joining,
        Standing::Validator => pb::PeerStanding::Validator,
        Standing::Leaving => pb::PeerStanding::Leaving,
        Standing::Replaced => pb::PeerStanding::Replaced,
    };
    let changes = peer.standing.votes_now() != peer.standing.votes_next();
    pb::Peer {
        public_key: Bytes::copy_from_slice(&key.0),
        name: peer.name,
        standing: standing.into(),
        address: peer.address.map(|address| address.to_string()).unwrap_or_default(),
        replaces_public_key: peer.replaces.map(|key| Bytes::copy_from_slice(&key.0)).unwrap_or_default(),
        in_force_epoch: if changes { next_epoch } else { 0 },
    }
}
