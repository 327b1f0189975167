//! The store's port, held to the same behaviour over both implementations, and to it through crashes and damage.

mod crash;
mod data_directory;
mod finalized;
mod port;

use causeway::ledger::view::Column;
use causeway::primitives::ChainId;
use causeway::storage::{Reader, StorageError, StoreColumn};

const CHAIN: ChainId = ChainId([7; 32]);

/// One column of each kind: two neighbours that share a family, and one that has its family to itself.
const COLUMNS: [StoreColumn; 3] =
    [StoreColumn::State(Column::Accounts), StoreColumn::State(Column::Balances), StoreColumn::Outcomes];

/// The columns of a store, as a node uses them.
fn all_columns() -> Vec<StoreColumn> {
    let state = Column::ALL.iter().map(|column| StoreColumn::State(*column));
    let node_local = [
        StoreColumn::Meta,
        StoreColumn::Blocks,
        StoreColumn::BlockIndex,
        StoreColumn::Certificates,
        StoreColumn::Outcomes,
        StoreColumn::TransactionIndex,
        StoreColumn::ObjectIndex,
        StoreColumn::Accumulator,
    ];
    state.chain(node_local).collect()
}

/// A column, a key, a value.
type StoredEntry = (StoreColumn, Vec<u8>, Vec<u8>);

/// Everything that a store holds, read by scanning.
fn contents(reader: &impl Reader) -> Result<Vec<StoredEntry>, StorageError> {
    let mut contents = Vec::new();
    for column in all_columns() {
        let pairs = reader.scan(column, &[], usize::MAX)?;
        contents.extend(pairs.into_iter().map(|(key, value)| (column, key.to_vec(), value.to_vec())));
    }
    Ok(contents)
}
