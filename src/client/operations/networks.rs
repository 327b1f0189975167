//! Other networks, whose receipts are evidence here.

use super::{Kind, Operation, bytes, text};
use crate::domain::financing::RegisterNetwork;
use crate::ledger::receipt::Receipt;
use crate::primitives::{AccountId, ChainId, Encode as _};
use crate::wire::pb::financing;
use bytes::Bytes;

/// A receipt as another ledger takes it: without the balances that it opens, which are nobody's business there.
pub(super) fn carried(receipt: Receipt) -> Bytes {
    Receipt { balances: Vec::new(), anchor: None, ..receipt }.to_bytes().into()
}

/// Registers a network, or registers one again as it is now. Governance does.
pub fn register_network(network: &RegisterNetwork) -> Operation {
    let pair = |pair: &crate::domain::financing::TokenPair| financing::TokenPair {
        token_id_there: text(pair.there),
        token_id_here: text(pair.here),
    };
    Operation(Kind::RegisterNetwork(financing::RegisterNetwork {
        network_chain_id: bytes(network.network),
        name: network.name.clone(),
        validators: network.validators.keys().iter().map(|key| bytes(key.0)).collect(),
        epoch_length: network.epoch_length,
        tokens: network.tokens.iter().map(pair).collect(),
    }))
}

/// Ends belief in a network's receipts. Governance does.
pub fn retire_network(network: ChainId) -> Operation {
    Operation(Kind::RetireNetwork(financing::RetireNetwork { network_chain_id: bytes(network) }))
}

/// Says which account the sender has on another network. The receipt is shown there.
pub fn declare_foreign_account(network: ChainId, account: AccountId) -> Operation {
    let (network_chain_id, foreign_account_id) = (bytes(network), bytes(account));
    Operation(Kind::DeclareForeignAccount(financing::DeclareForeignAccount { network_chain_id, foreign_account_id }))
}

/// Links the sender to its account on another network, by the receipt of that account's declaration there.
pub fn link_foreign_account(receipt: Receipt) -> Operation {
    Operation(Kind::LinkForeignAccount(financing::LinkForeignAccount { receipt: carried(receipt) }))
}
