//! The engine's certificates, checked without the engine.

use super::cluster::{Cluster, Shape};
use super::ledger::CHAIN;
use super::simulation::simulate;
use causeway::ledger::ValidatorSet;
use causeway::ledger::certificate::{Certificate, CertificateError, consensus_namespace};
use causeway::primitives::{ChainId, Decode as _, Encode as _};
use commonware_codec::Encode as _;

/// A certificate's bytes as the engine stores them, from a cluster of `validators`, and who they are.
fn stored_certificate(validators: usize) -> (Vec<u8>, ValidatorSet) {
    simulate(validators as u64, |context| async move {
        let cluster = Cluster::started(context, Shape::validators(validators)).await;
        let everyone: Vec<usize> = (0..validators).collect();
        cluster.reach(&everyone, 12).await;
        // The marshal stores more than one certificate in twelve heights, on whichever heights they fell.
        let stored = (9..=12).find_map(|height| cluster.nodes[0].certificates.at(height)).unwrap();
        let keys = cluster.nodes.iter().map(|node| node.public_key()).collect();
        (stored.encode().to_vec(), ValidatorSet::new(keys).unwrap())
    })
}

#[test]
fn the_engines_certificates_verify_with_public_keys_alone() {
    let namespace = consensus_namespace(&CHAIN);
    for validators in [1, 4, 7] {
        let (bytes, set) = stored_certificate(validators);
        let certificate = Certificate::from_bytes(&bytes).unwrap();
        assert_eq!(certificate.verify(&namespace, &set), Ok(()), "{validators} validators");
        assert_eq!(certificate.epoch, 1);
        assert_eq!(certificate.to_bytes(), bytes);
        println!("{validators} validators: {} bytes", bytes.len());
    }
}

#[test]
fn no_bit_of_a_certificate_can_be_changed() {
    let namespace = consensus_namespace(&CHAIN);
    let (bytes, set) = stored_certificate(4);
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        let verdict = Certificate::from_bytes(&changed).map(|certificate| certificate.verify(&namespace, &set));
        assert_ne!(verdict, Ok(Ok(())), "byte {place} does not matter");
    }
    let other_chain = consensus_namespace(&ChainId([0xcb; 32]));
    let certificate = Certificate::from_bytes(&bytes).unwrap();
    assert!(matches!(certificate.verify(&other_chain, &set), Err(CertificateError::Signature { .. })));
}

#[test]
fn every_delivered_certificate_is_of_its_block() {
    let namespace = consensus_namespace(&CHAIN);
    simulate(13, |context| async move {
        let cluster = Cluster::started(context, Shape::validators(4)).await;
        cluster.reach(&[0, 1, 2, 3], 20).await;
        let set = ValidatorSet::new(cluster.nodes.iter().map(|node| node.public_key()).collect()).unwrap();
        for node in &cluster.nodes {
            let certificates = node.applied.certificates();
            assert!(certificates.len() > 10, "only {} heights have certificates", certificates.len());
            for (height, certificate) in certificates {
                let block = node.applied.block(height);
                assert_eq!(certificate.block, block.hash());
                assert_eq!(certificate.epoch, block.header().epoch);
                assert_eq!(certificate.verify(&namespace, &set), Ok(()));
            }
        }
    });
}
