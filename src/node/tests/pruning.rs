//! Bodies that were removed: what is proven without them is what was proven before.

use super::{chain, simulate};
use crate::execution::chronicle::{Chronicle, transfer};
use crate::ledger::Block;
use crate::ledger::receipt::{Receipt, Subject};
use crate::node::handovers::Handovers;
use crate::node::newest::NewestBlocks;
use crate::node::proofs;
use crate::node::pruning::{KEPT_MIN, Keep, prune_below};
use crate::node::tests::write_body;
use crate::primitives::{Encode as _, TransactionId};
use crate::storage::{Batch, Reader as _, Store, StoreColumn, height_key, stores};
use crate::wire::senders_of;

/// Stores a chronicle's blocks with their certificates, as the engine does; one height is left to a later certificate.
async fn store_blocks<S: Store>(store: &S, chronicle: &Chronicle) {
    let mut batch = Batch::new();
    for block in &chronicle.blocks {
        let signed = block.transactions.iter().map(|each| each.signed().clone()).collect();
        let whole = Block::new(block.header.clone(), signed).expect("a valid block");
        let (bytes, height) = (whole.to_bytes(), height_key(block.header.height));
        batch.put(StoreColumn::Blocks, height, [&(bytes.len() as u32).to_be_bytes(), &bytes[..]].concat());
        batch.put(StoreColumn::BlockIndex, whole.hash(), height.to_vec());
        batch.put(StoreColumn::Certificates, height, chronicle.certificate(block.header.height));
    }
    let all = [1u64.to_be_bytes(), (chronicle.blocks.len() as u64).to_be_bytes()].concat();
    batch.put(StoreColumn::Meta, b"heights/blocks", all.clone());
    batch.put(StoreColumn::Meta, b"heights/certificates", all);
    store.commit(batch).await.expect("room on the disk");
}

fn paying() -> Chronicle {
    let mut chronicle = Chronicle::funded().with_bodies(write_body);
    for units in 1..6 {
        let payments: Vec<_> = (0..units)
            .map(|_| chronicle.transaction("buyer", vec![transfer("buyer", "supplier", units).into()]))
            .collect();
        chronicle.append(1_000, &payments);
    }
    chronicle
}

/// Receipts, citations and who may see them, of every transaction, before and after.
#[test]
fn without_bodies_every_receipt_and_citation_proves_what_it_did() {
    simulate(|context| async move {
        let chronicle = paying();
        let chain = chain(&context, &chronicle).await;
        store_blocks(chain.store(), &chronicle).await;
        let trust = chronicle.trust();
        let ids: Vec<TransactionId> = chronicle
            .blocks
            .iter()
            .flat_map(|block| block.outcomes.iter().map(|outcome| outcome.transaction_id))
            .collect();
        let look = |id: &TransactionId| {
            // Nothing is remembered from one look to the next.
            let (newest, handovers) = (NewestBlocks::default(), Handovers::default());
            let receipt = proofs::receipt(&chain, (&newest, &handovers), id, None).expect("read").expect("it is final");
            assert_eq!(receipt.verify(&trust), Ok(()));
            let pinned =
                proofs::receipt(&chain, (&newest, &handovers), id, Some(2)).expect("read").expect("it is final");
            assert_eq!(pinned.verify(&trust), Ok(()));
            let citation = proofs::citation(&chain, &newest, id).expect("read").expect("it is final");
            let block = newest.block(chain.store(), receipt.header.height).expect("it is kept");
            let senders = block.kept.senders(receipt.outcome_path.index as usize);
            (receipt, citation, senders)
        };
        let before: Vec<_> = ids.iter().map(look).collect();
        let below = chronicle.blocks.len() as u64 - 1;
        prune_below(chain.store(), below).await.expect("room on the disk");
        assert_eq!(stores::reaches_down_to(chain.store(), below).ok(), Some(below));
        let mut without = 0;
        for (id, (receipt, citation, senders)) in ids.iter().zip(before) {
            let (now, cited, seen_by) = look(id);
            assert_eq!((now.id(), &now.outcome, &now.balances), (receipt.id(), &receipt.outcome, &receipt.balances));
            assert_eq!((cited, &seen_by), (citation, &senders), "what is cited is the same to the last byte");
            match (now.subject(), &receipt.transaction) {
                (Subject::BodyNotCarried, Some(transaction)) => {
                    assert_eq!(senders, senders_of(transaction.signed.body()));
                    assert!(now.header.height < below);
                    without += 1;
                }
                (Subject::Transaction(_), _) => {
                    assert!(
                        now.header.height >= below || (now.header.height + 1) % chronicle.genesis.epoch_length() == 0
                    );
                }
                (subject, _) => assert_eq!(subject, receipt.subject()),
            }
            // Whoever kept the transaction has the whole receipt again.
            let whole = Receipt { transaction: receipt.transaction.clone(), ..now };
            assert_eq!(whole.verify(&trust), Ok(()));
        }
        assert!(without > 5, "{without}");
    });
}

/// The next epoch begins from it, and receipts carry it.
#[test]
fn an_epochs_last_block_stays_whole() {
    simulate(|context| async move {
        let mut chronicle = Chronicle::governed().with_bodies(write_body);
        chronicle.replace_validator("node-0", "node-4");
        while chronicle.blocks.len() < 14 {
            chronicle.append(60_000, &[]);
        }
        let chain = chain(&context, &chronicle).await;
        store_blocks(chain.store(), &chronicle).await;
        let epoch_length = chronicle.genesis.epoch_length();
        prune_below(chain.store(), 13).await.expect("room on the disk");
        for height in 1..13 {
            let is_last = (height + 1) % epoch_length == 0;
            let has = |column| chain.store().get(column, &height_key(height)).expect("read").is_some();
            let found = [StoreColumn::Blocks, StoreColumn::Certificates, StoreColumn::PrunedBlocks].map(has);
            assert_eq!(found, [is_last, is_last, !is_last], "height {height}");
        }
        let handovers = Handovers::default().until(chain.store(), 13 / epoch_length).expect("all are there");
        assert_eq!(handovers.len(), 1);
    });
}

#[test]
fn blocks_go_by_height_and_by_age_and_the_newest_stay() {
    let lets_go = |heights, days, height, day: u64| {
        Keep { heights, days }.lets_go((height, day * 86_400_000), (10_000, 100 * 86_400_000))
    };
    assert!(!Keep::default().prunes());
    assert!(lets_go(Some(2_000), None, 8_000, 100) && !lets_go(Some(2_000), None, 8_001, 100));
    assert!(lets_go(None, Some(10), 5, 89) && !lets_go(None, Some(10), 5, 90));
    // Of both, whichever keeps more; and the newest whatever is said.
    assert!(!lets_go(Some(2_000), Some(10), 8_001, 1) && !lets_go(Some(2_000), Some(10), 1, 95));
    assert!(!lets_go(Some(1), None, 10_000 - KEPT_MIN + 1, 0));
}
