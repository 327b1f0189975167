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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::chronicle::{Chronicle, key, public};

    #[test]
    fn the_list_tells_who_validates_and_what_is_decided() {
        let mut chronicle = Chronicle::governed();
        chronicle.replace_validator("node-0", "node-4");
        let list = |chronicle: &Chronicle| {
            let state = chronicle.tip();
            let (height, time) = (state.header.height, state.header.time);
            listed(&Snapshot { view: state.view.clone(), height, time })
        };
        let of = |list: &pb::ListPeersResponse, name: &str| {
            let key = public(&key(name)).0;
            list.peers.iter().find(|peer| peer.public_key[..] == key).cloned()
        };
        let decided = list(&chronicle);
        assert_eq!((decided.height, decided.epoch, decided.epoch_length, decided.peers.len()), (1, 0, 8, 5));
        let (old, new) = (of(&decided, "node-0").expect("listed"), of(&decided, "node-4").expect("listed"));
        assert_eq!((old.standing(), new.standing()), (pb::PeerStanding::Replaced, pb::PeerStanding::Joining));
        assert_eq!((old.in_force_epoch, new.in_force_epoch), (1, 1));
        assert_eq!((&*new.address, &new.replaces_public_key), ("node-4.example:7500", &old.public_key));
        let stays = of(&decided, "node-1").expect("listed");
        assert_eq!((stays.standing(), stays.in_force_epoch), (pb::PeerStanding::Validator, 0));
        while chronicle.blocks.len() < 7 {
            chronicle.append(1_000, &[]);
        }
        // The next block is the next epoch's first.
        let in_force = list(&chronicle);
        assert_eq!((in_force.epoch, in_force.peers.len(), of(&in_force, "node-0")), (1, 4, None));
        let new = of(&in_force, "node-4").expect("listed");
        assert_eq!(
            (new.standing(), new.in_force_epoch, new.replaces_public_key.len()),
            (pb::PeerStanding::Validator, 0, 0)
        );
    }
}
