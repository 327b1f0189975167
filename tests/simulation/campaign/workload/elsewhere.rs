//! Another ledger, of which the simulation has all keys: its receipts are carried to the one that is simulated.

use super::super::super::cast::{Cast, GENESIS_TIME_MS, account, key, token};
use crate::golden::chain::certificate_of;
use causeway::client::TransactionBuilder;
use causeway::client::operations::declare_foreign_account;
use causeway::domain::financing::{RegisterNetwork, TokenPair};
use causeway::execution::{BlockExecutor, ParentState, Place, Transaction};
use causeway::ledger::block::outcome_leaf;
use causeway::ledger::receipt::Receipt;
use causeway::ledger::view::MemoryView;
use causeway::primitives::crypto::sha256;
use causeway::primitives::merkle::Path;
use causeway::primitives::{BlockTime, ChainId, PublicKey, RequestId};
use causeway::wire::decode_body;
use ed25519_dalek::SigningKey;
use std::sync::Arc;

const EPOCH_LENGTH: u64 = 1_024;

/// A ledger with the same participants, and four validators that the simulation signs for.
pub struct Elsewhere {
    cast: Cast,
}

fn validators() -> [SigningKey; 4] {
    [0, 1, 2, 3].map(|place: u8| SigningKey::from_bytes(&sha256(&[b"elsewhere", &[place][..]].concat()).0))
}

impl Elsewhere {
    pub fn new(name: &str) -> Self {
        let keys = validators().map(|key| PublicKey(key.verifying_key().to_bytes()));
        Self { cast: Cast::named(name, &keys, EPOCH_LENGTH) }
    }

    pub fn chain_id(&self) -> ChainId {
        self.cast.chain_id()
    }

    /// As governance registers it.
    pub fn registration(&self) -> RegisterNetwork {
        RegisterNetwork {
            network: self.chain_id(),
            name: "elsewhere".to_owned(),
            validators: self.cast.genesis.validators().clone(),
            epoch_length: EPOCH_LENGTH,
            tokens: vec![TokenPair { there: token(), here: token() }],
        }
    }

    /// The receipt of a participant's declaration there that it is the account of the same name here: of the first block.
    pub fn declared(&self, name: &str, here: ChainId) -> Receipt {
        let request_id = RequestId([1; 16]);
        let mut builder = TransactionBuilder::with_request_id(self.chain_id(), account(name), request_id)
            .expires_at_ms(GENESIS_TIME_MS + 60_000);
        builder.add(declare_foreign_account(here, account(name)));
        let signed = builder.finish().sign([&key(name)]).unwrap();
        let (envelope, operations) = decode_body(signed.body()).unwrap();
        let genesis = self.cast.genesis.build().unwrap();
        let mut view = MemoryView::default();
        view.apply(&genesis.writes);
        let header = genesis.block.header().clone();
        let parent = ParentState { header, view: Arc::new(view), accumulator: genesis.accumulator };
        let proposer = self.cast.genesis.validators().keys()[0];
        let place = Place { time: BlockTime(GENESIS_TIME_MS + 1_000), proposer };
        let mut executor = BlockExecutor::open(parent, place).unwrap();
        executor.push(Arc::new(Transaction::authentic(signed, envelope, operations))).unwrap();
        let executed = executor.close().unwrap();
        let outcome = executed.outcomes[0].clone();
        assert!(outcome.is_applied(), "{:?}", outcome.status);
        Receipt {
            transaction: None,
            outcome_path: Path::of(&[outcome_leaf(&outcome.hash())], 0).unwrap(),
            outcome,
            balances: Vec::new(),
            certificate: certificate_of(&executed.header, validators()).into(),
            header: executed.header,
            later: None,
            anchor: None,
            handovers: Vec::new(),
        }
    }
}
