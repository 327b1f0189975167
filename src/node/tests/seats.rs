//! Whom a node is connected with, and which of them the ledger lists.

use super::{chain, simulate};
use crate::consensus::PeerAddress;
use crate::execution::chronicle::Chronicle;
use crate::node::seats::committee;
use crate::primitives::PublicKey;
use std::collections::BTreeMap;

/// Where there is no room for all, those go first whom only the configuration names: so a key that was rotated is one of them,
/// and a validator that is named in both is not.
#[test]
fn what_the_configuration_alone_names_is_told_apart() {
    simulate(|context| async move {
        let chronicle = Chronicle::begin();
        let chain = chain(&context, &chronicle).await;
        let listed = chronicle.genesis.validators().keys()[0];
        let rotated = PublicKey([0x77; 32]);
        let at = PeerAddress { host: "127.0.0.1".to_owned(), port: 7500 };
        let configured = BTreeMap::from([(listed, at.clone()), (rotated, at)]);
        let peers = committee(chain.store(), 0, &configured).expect("a state").peers;
        assert!(peers.dialled.contains_key(&listed) && peers.dialled.contains_key(&rotated));
        assert_eq!(peers.unlisted.into_iter().collect::<Vec<_>>(), [rotated]);
    });
}
