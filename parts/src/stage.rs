//! What is measured on: a ledger of 10,000 accounts in memory, and blocks of transfers among them, everything made from
//! numbers, so that each run measures the same.

use crate::domain::payments::{Remittance, Transfer};
use crate::execution::genesis::{
    AccountSpec, AssetRuleSpec, GENESIS_FORMAT, Genesis, GenesisFile, TokenSpec, ValidatorSpec, genesis_account_id,
};
use crate::execution::{BlockExecutor, Envelope, Executed, ParentState, Place, Transaction};
use crate::ledger::account::KeySet;
use crate::ledger::block::outcome_leaf;
use crate::ledger::protocol::PROTOCOL_VERSION_FIRST;
use crate::ledger::receipt::{PlacedTransaction, Receipt, TrustRoot};
use crate::ledger::view::MemoryView;
use crate::ledger::{
    Account, Changes, Header, Role, SignedTransaction, TransactionSignature, View as _, consensus_namespace,
};
use crate::primitives::crypto::{TRANSACTION_NAMESPACE, write_varint};
use crate::primitives::merkle::Path;
use crate::primitives::{AccountId, Amount, BlockTime, Encode as _, Hash, PublicKey, RequestId, Signature, TokenId};
use bytes::Bytes;
use commonware_cryptography::{Signer as _, ed25519};
use std::sync::Arc;

/// How many accounts the ledger has.
pub const ACCOUNTS: usize = 10_000;
/// How long a body is: that of a plain payment with an end-to-end id.
const BODY_BYTES: usize = 192;
const OPENING: BlockTime = BlockTime(1_800_000_000_000);
const HOUR_MS: u64 = 3_600_000;
const VALIDATORS: u64 = 4;
const QUORUM: usize = 3;
/// Seeds of the validators' keys, away from those of accounts.
const VALIDATOR_SEEDS: u64 = 1_000_000;

/// A key and its public half.
pub struct Key {
    secret: ed25519::PrivateKey,
    /// As the ledger has it.
    pub public: PublicKey,
}

impl Key {
    /// The key of a number.
    pub fn of(seed: u64) -> Self {
        let secret = ed25519::PrivateKey::from_seed(seed);
        let public = PublicKey::registrable(&secret.public_key()).expect("an honest key is registrable");
        Self { secret, public }
    }

    /// Its signature.
    pub fn sign(&self, namespace: &[u8], message: &[u8]) -> Signature {
        Signature(self.secret.sign(namespace, message).as_ref().try_into().expect("64 bytes"))
    }
}

/// The ledger and who pays on it.
pub struct Stage {
    genesis: Genesis,
    parent: ParentState,
    payers: Vec<Key>,
}

impl Stage {
    /// A ledger on which as many can pay: each of those has a key to sign with and 1,000,000 units.
    pub fn new(payers: usize) -> Self {
        let file = serde_json::to_vec(&genesis_file()).expect("a genesis file is JSON");
        let genesis = Genesis::parse(&file).expect("a good genesis");
        let built = genesis.build().expect("one token fits");
        let mut entries = MemoryView::default();
        entries.apply(&built.writes);
        let payers: Vec<Key> = (0..payers as u64).map(Key::of).collect();
        let mut changes = Changes::new(&entries);
        for number in 0..ACCOUNTS {
            let key = payers.get(number).map_or_else(|| unused_key(number), |key| key.public);
            let keys = KeySet::new(vec![key], 1).expect("one key, threshold one");
            let (parent, roles, closed) = (None, [Role::Merchant].into_iter().collect(), false);
            let legal_entity_id = format!("HKBR:{number}");
            changes.put(&account(number), &Account { parent, keys, roles, legal_entity_id, closed });
            changes.mint(token(), account(number), Amount::new(1_000_000)).expect("room for the units");
        }
        let writes = changes.finish().writes;
        let mut accumulator = built.accumulator;
        for ((column, key), value) in &writes {
            entries.get(*column, key).iter().for_each(|old| accumulator.remove(column.tag(), key, old));
            value.iter().for_each(|new| accumulator.add(column.tag(), key, new));
        }
        entries.apply(&writes);
        let header = built.block.header().clone();
        Self { genesis, parent: ParentState { header, view: Arc::new(entries), accumulator }, payers }
    }

    /// The state that the block stands on.
    pub fn parent(&self) -> ParentState {
        self.parent.clone()
    }

    /// Where the block stands.
    pub fn place(&self) -> Place {
        Place { time: BlockTime(OPENING.0 + 1_000), proposer: self.genesis.validators().keys()[0] }
    }

    /// A payment by each of the payers, to accounts all over the ledger.
    pub fn transfers(&self) -> Vec<Arc<Transaction>> {
        (0..self.payers.len()).map(|number| Arc::new(self.transfer(number))).collect()
    }

    fn transfer(&self, number: usize) -> Transaction {
        // 7,919 is prime to the number of accounts: no two payers pay one account, and nobody pays himself.
        let (payer, payee) = (account(number), account((number * 7_919 + ACCOUNTS / 2 + 1) % ACCOUNTS));
        let amount = Amount::new(1 + number as u64);
        let transfer = Transfer { payer, payee, token: token(), amount, remittance: Remittance::default() };
        let mut request_id = RequestId([0; 16]);
        request_id.0[8..].copy_from_slice(&(number as u64).to_be_bytes());
        let (chain_id, expires_at) = (self.genesis.chain_id(), BlockTime(OPENING.0 + HOUR_MS));
        let envelope = Envelope { chain_id, sender: payer, request_id, expires_at, co_signers: Vec::new() };
        // Execution does not read bodies: it takes bytes of their length that differ.
        let mut body = [chain_id.to_bytes(), payer.to_bytes(), request_id.to_bytes(), payee.to_bytes()].concat();
        body.resize(BODY_BYTES, 0xca);
        let key = &self.payers[number];
        let signature = key.sign(TRANSACTION_NAMESPACE, &body);
        let signatures = vec![TransactionSignature { public_key: key.public, signature }];
        let signed = SignedTransaction::new(Bytes::from(body), signatures).expect("within its limits");
        Transaction::authentic(signed, envelope, vec![transfer.into()])
    }

    /// Builds the block of these transactions.
    pub fn build(&self, transactions: &[Arc<Transaction>]) -> Executed {
        let mut executor = BlockExecutor::open(self.parent(), self.place()).expect("a good place");
        for transaction in transactions {
            executor.push(transaction.clone()).expect("it may stand in the block");
        }
        let executed = executor.close().expect("the invariants hold");
        assert!(executed.outcomes.iter().all(|outcome| outcome.is_applied()), "every transfer is funded");
        executed
    }

    /// What a holder of the genesis file trusts.
    pub fn trust(&self) -> TrustRoot {
        TrustRoot {
            chain_id: self.genesis.chain_id(),
            validators: self.genesis.validators().clone(),
            epoch_length: self.genesis.epoch_length(),
            checkpoint: None,
        }
    }

    /// The receipt of one transaction of a block.
    pub fn receipt(&self, block: &Executed, index: usize) -> Receipt {
        let leaves: Vec<Hash> = block.transactions.iter().map(|each| each.signed().leaf()).collect();
        let outcomes: Vec<Hash> = block.outcomes.iter().map(|outcome| outcome_leaf(&outcome.hash())).collect();
        Receipt {
            transaction: Some(PlacedTransaction {
                signed: block.transactions[index].signed().clone(),
                path: Path::of(&leaves, index).expect("it is in the block"),
            }),
            outcome: block.outcomes[index].clone(),
            balances: block.openings.of(index, &block.outcomes[index]),
            outcome_path: Path::of(&outcomes, index).expect("it is in the block"),
            header: block.header.clone(),
            later: None,
            anchor: None,
            certificate: certificate(&block.header),
            handovers: Vec::new(),
        }
    }
}

/// An account's id.
fn account(number: usize) -> AccountId {
    genesis_account_id(&format!("account-{number}"))
}

/// The key of an account that signs nothing here: bytes that differ.
fn unused_key(number: usize) -> PublicKey {
    PublicKey(account(number).0)
}

fn token() -> TokenId {
    "HKDX".parse().expect("a token id")
}

fn validators() -> Vec<Key> {
    let mut keys: Vec<Key> = (VALIDATOR_SEEDS..VALIDATOR_SEEDS + VALIDATORS).map(Key::of).collect();
    keys.sort_by_key(|key| key.public);
    keys
}

fn genesis_file() -> GenesisFile {
    let validator = |key: Key| ValidatorSpec { name: key.public.to_string(), public_key: key.public.to_string() };
    let person = |(seed, name, role): (u64, &str, Role)| AccountSpec {
        name: name.to_owned(),
        keys: vec![Key::of(VALIDATOR_SEEDS + seed).public.to_string()],
        threshold: 1,
        roles: vec![role.name().to_owned()],
        legal_entity_id: format!("HKBR:{}", name.to_uppercase()),
        parent: None,
    };
    GenesisFile {
        format: GENESIS_FORMAT,
        network: "parts".to_owned(),
        time_ms: OPENING.0,
        epoch_length: 65_536,
        protocol_version: PROTOCOL_VERSION_FIRST,
        validators: validators().into_iter().map(validator).collect(),
        accounts: [(100, "issuer", Role::Issuer), (101, "custodian", Role::Custodian)].map(person).to_vec(),
        tokens: vec![TokenSpec {
            token_id: token().to_string(),
            currency: "HKD".to_owned(),
            scale: 2,
            issuer: "issuer".to_owned(),
            custodian: "custodian".to_owned(),
            asset_rules: vec![AssetRuleSpec {
                asset_class: "cash".to_owned(),
                maturity_days_max: 0,
                haircut_bps_min: 0,
            }],
            attestation_age_ms_max: HOUR_MS,
            utc_offset_minutes: 480,
            holidays: Vec::new(),
            redemption_business_days: 1,
        }],
        lending_parameters: Vec::new(),
        forbidden_purposes: Vec::new(),
    }
}

/// A header's certificate by the first three of the four validators, byte by byte as `docs/receipt-format.md` says.
fn certificate(header: &Header) -> Bytes {
    let (view, parent_view) = (1, 0);
    let mut bytes = Vec::new();
    [header.epoch, view, parent_view].into_iter().for_each(|number| write_varint(number, &mut bytes));
    bytes.extend_from_slice(&header.hash().0);
    let namespace = [&consensus_namespace(&header.chain_id)[..], b"_FINALIZE"].concat();
    let signatures: Vec<Signature> = validators().iter().take(QUORUM).map(|key| key.sign(&namespace, &bytes)).collect();
    bytes.extend_from_slice(&VALIDATORS.to_be_bytes());
    bytes.push(0b0111);
    write_varint(QUORUM as u64, &mut bytes);
    signatures.iter().for_each(|signature| bytes.extend_from_slice(&signature.0));
    Bytes::from(bytes)
}
