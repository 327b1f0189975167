//! Who gets past the handshake at the peer port: the product's own connections, on the runtime's sockets.

use super::simulation::simulate;
use bytes::Bytes;
use causeway::consensus::PrivateKey;
use causeway::consensus::network::{Connections, PeerNetwork, connect};
use causeway::primitives::ChainId;
use commonware_cryptography::{Signer as _, ed25519};
use commonware_macros::select;
use commonware_p2p::{
    Address, AddressableManager as _, AddressableTrackedPeers, Receiver as _, Recipients, Sender as _,
};
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _, deterministic};
use commonware_utils::ordered::Map;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

type Node = PeerNetwork<deterministic::Context>;

fn key(seed: u64) -> PrivateKey {
    PrivateKey::from_seed(seed)
}

fn place(seed: u64) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4_000 + seed as u16)
}

fn peers(seeds: &[u64]) -> Map<ed25519::PublicKey, Address> {
    Map::from_iter_dedup(seeds.iter().map(|seed| (key(*seed).public_key(), Address::Symmetric(place(*seed)))))
}

fn node(context: &deterministic::Context, seed: u64, chain: ChainId) -> Node {
    let connections = Connections {
        key: key(seed),
        chain_id: chain,
        listen: place(seed),
        peers_max: NonZeroUsize::new(8).unwrap(),
        allow_private_addresses: true,
        same_machine: true,
    };
    connect(context.child("node").with_attribute("seed", seed), connections).0
}

/// Says its own number to the first node, over and over.
fn speak(context: &deterministic::Context, seed: u64, mut network: Node) {
    context.child("speaker").with_attribute("seed", seed).spawn(move |context| async move {
        loop {
            let word = Bytes::from(vec![seed as u8]);
            let _ = network.channels.forwarding.0.send(Recipients::One(key(1).public_key()), word, false);
            context.sleep(Duration::from_millis(500)).await;
        }
    });
}

/// A validator and an observer that the first node lists are heard; one that it does not list, one of another ledger, and one that
/// was taken off the list are not, however they dial.
#[test]
fn validators_and_listed_observers_are_let_in_and_nobody_else() {
    simulate(31, |context| async move {
        let (ours, foreign) = (ChainId([1; 32]), ChainId([2; 32]));
        let mut first = node(&context, 1, ours);
        let (validator, observer, stranger, of_another_ledger) = (2, 3, 4, 5);
        let _ = first
            .manager
            .track(0, AddressableTrackedPeers::new(peers(&[1, validator, of_another_ledger]), peers(&[observer])));
        for (seed, chain) in [(validator, ours), (observer, ours), (stranger, ours), (of_another_ledger, foreign)] {
            let mut network = node(&context, seed, chain);
            let _ = network.manager.track(0, peers(&[1, seed]));
            speak(&context, seed, network);
        }
        let heard = listen(&context, &mut first).await;
        assert_eq!(heard, BTreeSet::from([validator as u8, observer as u8]));
        // One list without it, and no other after that.
        let _ = first.manager.track(1, AddressableTrackedPeers::new(peers(&[1, validator]), peers(&[])));
        context.sleep(Duration::from_secs(5)).await;
        listen(&context, &mut first).await;
        assert_eq!(listen(&context, &mut first).await, BTreeSet::from([validator as u8]));
    });
}

/// Who is heard within half a minute.
async fn listen(context: &deterministic::Context, network: &mut Node) -> BTreeSet<u8> {
    let deadline = context.current() + Duration::from_secs(30);
    let mut heard = BTreeSet::new();
    loop {
        select! {
            message = network.channels.forwarding.1.recv() => {
                let (_, word) = message.expect("the network runs");
                heard.insert(Bytes::from(word)[0]);
            },
            _ = context.sleep_until(deadline) => return heard,
        }
    }
}
