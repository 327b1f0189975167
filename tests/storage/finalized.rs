//! The engine's stores of blocks and certificates over our columns: the engine's semantics, gaps, pruning, damage.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes};
use causeway::storage::stores::{self, BlockStore, CertificateStore};
use causeway::storage::{Batch, Reader, RocksStore, SimulatedStore, StorageError, Store, StoreColumn, height_key};
use commonware_codec::{Decode as _, DecodeExt as _, EncodeSize, Error, Read, ReadExt as _, Write};
use commonware_consensus::marshal::store::{Blocks, Certificates};
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::{Finalization, Finalize, Proposal};
use commonware_consensus::types::{Epoch, Height, Round, View};
use commonware_consensus::{Block as ConsensusBlock, Heightable};
use commonware_cryptography::certificate::Verifier as _;
use commonware_cryptography::ed25519::PrivateKey;
use commonware_cryptography::sha256::{Digest, Sha256};
use commonware_cryptography::{Digestible, Hasher as _, Signer as _};
use commonware_parallel::Sequential;
use commonware_runtime::{Runner as _, deterministic};
use commonware_storage::archive::Identifier;
use commonware_storage::rmap::RMap;
use commonware_utils::ordered::Set;
use proptest::collection::vec;
use proptest::prelude::*;

use super::CHAIN;

/// A block of nothing but a height and a salt.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TestBlock {
    height: u64,
    salt: u64,
}

impl Write for TestBlock {
    fn write(&self, out: &mut impl BufMut) {
        out.put_u64(self.height);
        out.put_u64(self.salt);
    }
}

impl Read for TestBlock {
    type Cfg = ();

    fn read_cfg(input: &mut impl commonware_codec::Buf, _: &()) -> Result<Self, Error> {
        Ok(Self { height: u64::read(input)?, salt: u64::read(input)? })
    }
}

impl EncodeSize for TestBlock {
    fn encode_size(&self) -> usize {
        16
    }
}

impl Digestible for TestBlock {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        Sha256::hash(&[&self.height.to_be_bytes(), &self.salt.to_be_bytes()])
    }
}

impl Heightable for TestBlock {
    fn height(&self) -> Height {
        Height::new(self.height)
    }
}

impl ConsensusBlock for TestBlock {
    fn parent(&self) -> Digest {
        Sha256::hash(&[b"parent"])
    }
}

fn block(height: u64) -> TestBlock {
    TestBlock { height, salt: 1 }
}

/// A certificate by a committee of one, as the engine makes them.
fn certificate(block: &TestBlock) -> Finalization<Scheme, Digest> {
    let key = PrivateKey::from_seed(1);
    let committee = Set::from_iter_dedup([key.public_key()]);
    let scheme = Scheme::signer(b"test", committee, key).unwrap();
    let round = Round::new(Epoch::new(0), View::new(block.height + 1));
    let proposal = Proposal::new(round, View::new(block.height), block.digest());
    let vote = Finalize::sign(&scheme, proposal).unwrap();
    Finalization::from_finalizes(&scheme, commonware_utils::non_empty![&vote], &Sequential).unwrap()
}

type Both<S> = (BlockStore<S, TestBlock>, CertificateStore<S, Scheme, Digest>);

fn open_both<S: Store>(store: &S) -> Result<Both<S>, StorageError> {
    stores::open(store.clone(), (), Scheme::certificate_codec_config_unbounded())
}

async fn with_heights<S: Store>(store: &S, heights: &[u64]) -> Both<S> {
    let (mut blocks, mut certificates) = open_both(store).unwrap();
    for height in heights {
        let block = block(*height);
        blocks = blocks.put(block.digest(), &block).await.unwrap();
        certificates = certificates.put(block.height(), block.digest(), &certificate(&block)).await.unwrap();
    }
    (blocks.sync().await.unwrap(), certificates.sync().await.unwrap())
}

fn simulated<F, T>(
    test: impl FnOnce(SimulatedStore<<deterministic::Context as commonware_runtime::Storage>::Blob>) -> F,
) -> T
where
    F: Future<Output = T>,
{
    deterministic::Runner::default().start(async |context: deterministic::Context| {
        test(SimulatedStore::open(&context, "store", &CHAIN).await.unwrap()).await
    })
}

#[test]
fn what_was_put_is_found_by_height_and_by_digest() {
    simulated(|store| async move {
        let (blocks, certificates) = with_heights(&store, &[0, 1, 2]).await;
        let expected = block(1);
        assert_eq!(blocks.get(Identifier::Index(1)).await.unwrap(), Some(expected.clone()));
        assert_eq!(blocks.get(Identifier::Key(&expected.digest())).await.unwrap(), Some(expected.clone()));
        assert_eq!(certificates.get(Identifier::Index(1)).await.unwrap(), Some(certificate(&expected)));
        assert_eq!(certificates.get(Identifier::Key(&expected.digest())).await.unwrap(), Some(certificate(&expected)));
        assert!(certificates.has(Height::new(2)).await.unwrap());
        assert!(!certificates.has(Height::new(3)).await.unwrap());
        assert_eq!(blocks.get(Identifier::Index(3)).await.unwrap(), None);
        assert_eq!(blocks.get(Identifier::Key(&block(3).digest())).await.unwrap(), None);
    });
}

#[test]
fn the_first_of_a_height_stays() {
    simulated(|store| async move {
        let (blocks, certificates) = with_heights(&store, &[1]).await;
        let rival = TestBlock { height: 1, salt: 2 };
        let blocks = blocks.put(rival.digest(), &rival).await.unwrap().sync().await.unwrap();
        assert_eq!(blocks.get(Identifier::Index(1)).await.unwrap(), Some(block(1)));
        assert_eq!(blocks.get(Identifier::Key(&rival.digest())).await.unwrap(), None);
        // A certificate is stored under the digest that it certifies, or not at all.
        let misplaced = certificates.put(Height::new(2), block(2).digest(), &certificate(&rival)).await;
        assert!(matches!(misplaced.err(), Some(StorageError::Corrupt { .. })));
    });
}

#[test]
fn sync_makes_durable_and_nothing_else_does() {
    let (_, checkpoint) =
        deterministic::Runner::default().start_and_recover(async |context: deterministic::Context| {
            let store = SimulatedStore::open(&context, "store", &CHAIN).await.unwrap();
            let (blocks, certificates) = with_heights(&store, &[1, 2]).await;
            // Readable before it is durable.
            let blocks = blocks.put(block(3).digest(), &block(3)).await.unwrap();
            assert_eq!(blocks.get(Identifier::Key(&block(3).digest())).await.unwrap(), Some(block(3)));
            assert_eq!(blocks.last_index(), Some(Height::new(3)));
            // The handle of a started sync covers it, and one sync covers both stores.
            let (certificates, handle) = certificates.start_sync().await.unwrap();
            handle.await.unwrap();
            let _ = blocks.put(block(4).digest(), &block(4)).await.unwrap();
            drop(certificates);
        });
    deterministic::Runner::from(checkpoint).start(async |context: deterministic::Context| {
        let store = SimulatedStore::open(&context, "store", &CHAIN).await.unwrap();
        let (blocks, _) = open_both(&store).unwrap();
        assert_eq!(blocks.last_index(), Some(Height::new(3)));
        assert_eq!(blocks.get(Identifier::Index(3)).await.unwrap(), Some(block(3)));
        assert_eq!(blocks.get(Identifier::Index(4)).await.unwrap(), None);
    });
}

#[test]
fn gaps_are_told_as_the_engine_asks_for_them() {
    simulated(|store| async move {
        drop(with_heights(&store, &[1, 2, 5, 6, 9]).await);
        let (blocks, certificates) = open_both(&store).unwrap();
        let gap = |height| {
            let (end, next) = blocks.next_gap(Height::new(height));
            (end.map(Height::get), next.map(Height::get))
        };
        assert_eq!(gap(0), (None, Some(1)));
        assert_eq!(gap(1), (Some(2), Some(5)));
        assert_eq!(gap(3), (None, Some(5)));
        assert_eq!(gap(9), (Some(9), None));
        assert_eq!(gap(10), (None, None));
        let missing: Vec<_> = blocks.missing_items(Height::new(0), 4).into_iter().map(Height::get).collect();
        assert_eq!(missing, [0, 3, 4, 7]);
        let ranges: Vec<_> = certificates.ranges_from(Height::new(6)).map(|(a, b)| (a.get(), b.get())).collect();
        assert_eq!(ranges, [(5, 6), (9, 9)]);
        assert_eq!(certificates.last_index(), Some(Height::new(9)));
    });
}

/// The engine says below which height it needs nothing any more; what goes is for others to say, and what stays in its place.
#[test]
fn only_a_pruner_removes_and_blocks_go_with_their_certificates() {
    simulated(|store| async move {
        let heights: Vec<u64> = (0..300).collect();
        let (blocks, certificates) = with_heights(&store, &heights).await;
        let blocks = blocks.prune(Height::new(250)).await.unwrap();
        let certificates = certificates.prune(Height::new(250)).await.unwrap();
        assert_eq!(blocks.get(Identifier::Index(7)).await.unwrap(), Some(block(7)));
        assert!(certificates.has(Height::new(7)).await.unwrap());

        let pruner = blocks.pruner();
        let gone: Vec<_> =
            (0..250).filter(|height| *height != 99).map(|height| (height, block(height).digest())).collect();
        let stays = [(StoreColumn::PrunedBlocks, Bytes::from_static(b"key"), Bytes::from_static(b"what stays"))];
        pruner.replace(&gone, stays).await.unwrap();
        let digest = block(7).digest();
        assert_eq!(blocks.get(Identifier::Key(&digest)).await.unwrap(), None);
        assert!(certificates.get(Identifier::Key(&digest)).await.unwrap().is_none());
        assert_eq!(blocks.get(Identifier::Index(99)).await.unwrap(), Some(block(99)));
        assert_eq!((pruner.next_stored(0), pruner.next_stored(100)), (Some(99), Some(250)));
        assert_eq!(
            (pruner.reaches_down_to(299), pruner.reaches_down_to(99), pruner.reaches_down_to(98)),
            (250, 99, 99)
        );
        drop((blocks, certificates));

        let (blocks, certificates) = open_both(&store).unwrap();
        assert_eq!(blocks.next_gap(Height::new(99)), (Some(Height::new(99)), Some(Height::new(250))));
        assert_eq!(certificates.ranges_from(Height::new(100)).next(), Some((Height::new(250), Height::new(299))));
        assert_eq!(store.scan(StoreColumn::BlockIndex, &[], usize::MAX).unwrap().len(), 51);
        assert_eq!(store.get(StoreColumn::PrunedBlocks, b"key").unwrap(), Some(Bytes::from_static(b"what stays")));
    });
}

/// A copy of a store that went on is ended where it is wanted.
#[test]
fn a_store_is_ended_at_a_height() {
    simulated(|store| async move {
        drop(with_heights(&store, &(0..100).collect::<Vec<_>>()).await);
        let digest_of = |column, value: &Bytes| match column {
            StoreColumn::Blocks => TestBlock::decode(value.clone()).ok().map(|block| block.digest()),
            _ => None,
        };
        assert!(matches!(stores::end_at(&store, 40, digest_of).await, Err(StorageError::Corrupt { .. })));
        let digest_of = |column, value: &Bytes| match column {
            StoreColumn::Blocks => TestBlock::decode(value.clone()).ok().map(|block| block.digest()),
            _ => {
                Finalization::<Scheme, Digest>::decode_cfg(value.clone(), &Scheme::certificate_codec_config_unbounded())
                    .ok()
                    .map(|certificate| certificate.proposal.payload)
            }
        };
        stores::end_at(&store, 40, digest_of).await.unwrap();
        let (blocks, certificates) = open_both(&store).unwrap();
        assert_eq!((blocks.last_index(), certificates.last_index()), (Some(Height::new(40)), Some(Height::new(40))));
        assert_eq!(store.scan(StoreColumn::BlockIndex, &[], usize::MAX).unwrap().len(), 41);
        stores::check_ranges(&store).unwrap();
    });
}

#[test]
fn damaged_entries_are_errors() {
    simulated(|store| async move {
        drop(with_heights(&store, &[1, 2, 3]).await);
        let mut damage = Batch::new();
        damage.put(StoreColumn::Blocks, height_key(1), b"short".to_vec());
        damage.put(
            StoreColumn::Blocks,
            height_key(2),
            store.get(StoreColumn::Blocks, &height_key(3)).unwrap().unwrap(),
        );
        damage.put(StoreColumn::Certificates, height_key(1), vec![0xff; 300]);
        damage.delete(StoreColumn::Certificates, height_key(2));
        damage.put(StoreColumn::BlockIndex, block(3).digest(), b"short".to_vec());
        store.commit(damage).await.unwrap();

        let (blocks, certificates) = open_both(&store).unwrap();
        for height in [1, 2] {
            let damaged = blocks.get(Identifier::Index(height)).await;
            assert!(matches!(damaged, Err(StorageError::Corrupt { .. })), "block {height}: {damaged:?}");
            let damaged = certificates.get(Identifier::Index(height)).await.err();
            assert!(matches!(damaged, Some(StorageError::Corrupt { .. })), "certificate {height}: {damaged:?}");
        }
        let damaged = blocks.get(Identifier::Key(&block(3).digest())).await;
        assert!(matches!(damaged, Err(StorageError::Corrupt { .. })), "index: {damaged:?}");

        let mut damage = Batch::new();
        damage.delete(StoreColumn::Blocks, height_key(3));
        store.commit(damage).await.unwrap();
        assert!(matches!(open_both(&store).err(), Some(StorageError::Corrupt { .. })));
    });
}

#[derive(Clone, Debug)]
enum Step {
    PutBlock(u64),
    PutCertificate(u64),
    Sync,
    Prune(u64),
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..20u64).prop_map(Step::PutBlock),
        6 => (0..20u64).prop_map(Step::PutCertificate),
        3 => Just(Step::Sync),
        1 => (0..12u64).prop_map(Step::Prune),
        1 => Just(Step::Reopen),
    ]
}

/// Runs the steps against a model: which heights are there, and which of them are durable.
async fn assert_engine_semantics<S: Store>(store: S, steps: Vec<Step>) {
    let (mut blocks, mut certificates) = open_both(&store).unwrap();
    let mut present: BTreeMap<u64, (bool, bool)> = BTreeMap::new();
    let mut durable = present.clone();
    for step in steps {
        match step {
            Step::PutBlock(height) => {
                blocks = blocks.put(block(height).digest(), &block(height)).await.unwrap();
                present.entry(height).or_default().0 = true;
            }
            Step::PutCertificate(height) => {
                let block = block(height);
                certificates = certificates.put(block.height(), block.digest(), &certificate(&block)).await.unwrap();
                present.entry(height).or_default().1 = true;
            }
            Step::Sync => {
                certificates = certificates.sync().await.unwrap();
                durable = present.clone();
            }
            Step::Prune(min) => {
                let gone: Vec<_> =
                    present.keys().filter(|at| **at < min).map(|at| (*at, block(*at).digest())).collect();
                blocks.pruner().replace(&gone, []).await.unwrap();
                present = present.split_off(&min);
                durable = present.clone();
            }
            Step::Reopen => {
                drop((blocks, certificates));
                (blocks, certificates) = open_both(&store).unwrap();
                present = durable.clone();
            }
        }
        let mut heights = RMap::new();
        for height in 0..20 {
            let (has_block, has_certificate) = present.get(&height).copied().unwrap_or_default();
            let digest = block(height).digest();
            let by_height = blocks.get(Identifier::Index(height)).await.unwrap();
            assert_eq!(by_height, has_block.then(|| block(height)), "block {height}");
            assert_eq!(blocks.get(Identifier::Key(&digest)).await.unwrap(), by_height, "block {height} by digest");
            let by_height = certificates.get(Identifier::Index(height)).await.unwrap();
            assert_eq!(by_height.is_some(), has_certificate, "certificate {height}");
            assert_eq!(certificates.get(Identifier::Key(&digest)).await.unwrap(), by_height, "{height} by digest");
            if has_block {
                heights.insert(height);
            }
        }
        assert_eq!(blocks.last_index().map(Height::get), heights.last_index());
        let missing: Vec<_> = blocks.missing_items(Height::zero(), 20).into_iter().map(Height::get).collect();
        assert_eq!(missing, heights.missing_items(0, 20));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn over_the_simulated_store_the_engines_semantics_hold(steps in vec(any_step(), 1..40)) {
        simulated(|store| assert_engine_semantics(store, steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn over_the_rocks_store_the_engines_semantics_hold(steps in vec(any_step(), 1..40)) {
        let place = tempfile::tempdir().unwrap();
        let store = RocksStore::open(place.path(), &CHAIN).unwrap();
        futures::executor::block_on(assert_engine_semantics(store, steps));
    }
}
