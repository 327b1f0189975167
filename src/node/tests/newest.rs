//! Blocks that are asked for again.

use super::{chain, simulate};
use crate::execution::chronicle::{Chronicle, transfer};
use crate::ledger::Block;
use crate::node::newest::{NewestBlocks, READ_KEPT};
use crate::primitives::Encode as _;
use crate::storage::{Batch, Store as _, StoreColumn, height_key};
use std::sync::Arc;

/// Several steps of a lineage stand in one block: it is read, and its trees are built, once. Few are kept, those asked for last.
#[test]
fn an_older_block_is_kept_for_the_next_who_asks_until_as_many_others_were_asked_for() {
    simulate(|context| async move {
        let mut chronicle = Chronicle::funded();
        while chronicle.blocks.len() <= READ_KEPT {
            let payment = chronicle.transaction("buyer", vec![transfer("buyer", "supplier", 1).into()]);
            chronicle.append(1_000, &[payment]);
        }
        let chain = chain(&context, &chronicle).await;
        let mut batch = Batch::new();
        for block in &chronicle.blocks {
            let signed = block.transactions.iter().map(|each| each.signed().clone()).collect();
            let bytes = Block::new(block.header.clone(), signed).expect("a valid block").to_bytes();
            let framed = [&(bytes.len() as u32).to_be_bytes(), &bytes[..]].concat();
            batch.put(StoreColumn::Blocks, height_key(block.header.height), framed);
        }
        chain.store().commit(batch).await.expect("room on the disk");

        let newest = NewestBlocks::default();
        let block = |height: usize| newest.block(chain.store(), height as u64).expect("it is in the store");
        let kept: Vec<_> = (1..=READ_KEPT).map(block).collect();
        for (height, known) in (1..=READ_KEPT).zip(&kept) {
            assert_eq!(known.kept.header(), &chronicle.blocks[height - 1].header);
            assert!(Arc::ptr_eq(known, &block(height)), "height {height} is read once");
        }
        // The first is asked for again, so the second makes room.
        block(1);
        assert_eq!(block(READ_KEPT + 1).kept.header().height, READ_KEPT as u64 + 1);
        assert!(Arc::ptr_eq(&kept[0], &block(1)));
        assert!(!Arc::ptr_eq(&kept[1], &block(2)), "only so many are kept");
    });
}
