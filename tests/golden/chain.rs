//! A small ledger, made by hand: ten headers in three epochs of four heights, each with another validator, and
//! certificates by keys that everyone knows.
//!
//! Certificates are written out here from the format's description, not with the code that reads them.

use super::file;
use causeway::ledger::block::{outcomes_root, transactions_root};
use causeway::ledger::certificate::consensus_namespace;
use causeway::ledger::outcome::due_outcome_id;
use causeway::ledger::receipt::{Handover, TrustRoot};
use causeway::ledger::{
    BalanceAfter, Decline, Effect, Header, Movement, MovementKind, Outcome, Reason, SignedTransaction, Status,
    TransactionSignature, ValidatorSet, Value,
};
use causeway::primitives::crypto::{TRANSACTION_NAMESPACE, sha256, signing_payload, write_varint};
use causeway::primitives::merkle::{self, Frontier};
use causeway::primitives::{
    AccountId, Amount, BlockTime, ChainId, Encode as _, Hash, ObjectId, PublicKey, Signature, TokenId, TransactionId,
};
use ed25519_dalek::{Signer as _, SigningKey};

pub const EPOCH_LENGTH: u64 = 4;
/// The height whose block has transactions.
pub const BUSY_HEIGHT: u64 = 2;
/// A height of the last epoch.
pub const LATE_HEIGHT: u64 = 9;

pub fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(seed: u8) -> PublicKey {
    PublicKey(secret(seed).verifying_key().to_bytes())
}

/// The id of the ledger whose genesis file lies beside this one.
pub fn chain_id() -> ChainId {
    ChainId(sha256(&std::fs::read(file("genesis.json")).unwrap()).0)
}

/// The seeds of an epoch's validators: in epoch 1, validator 6 stands where 4 stood, and in epoch 2, 5 where 6 did.
fn seeds(epoch: u64) -> [u8; 4] {
    match epoch {
        0 => [1, 2, 3, 4],
        1 => [1, 2, 3, 6],
        _ => [1, 2, 3, 5],
    }
}

pub fn validators(epoch: u64) -> ValidatorSet {
    ValidatorSet::new(seeds(epoch).map(public).to_vec()).unwrap()
}

pub fn trust() -> TrustRoot {
    TrustRoot { chain_id: chain_id(), validators: validators(0), epoch_length: EPOCH_LENGTH, checkpoint: None }
}

pub fn token() -> TokenId {
    "HKDX".parse().unwrap()
}

/// One protobuf field of bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    write_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

/// A body that transfers: `causeway.ledger.v1.TransactionBody`, written out.
fn transfer_body(request: u8, amount: u64) -> Vec<u8> {
    let mut transfer = [field(1, &[0xaa; 32]), field(2, &[0xbb; 32]), field(3, b"HKDX"), vec![4 << 3]].concat();
    write_varint(amount, &mut transfer);
    transfer.extend(field(5, &field(1, b"INV-2026-0001")));
    let operation = [&[0xf2, 0x01][..], &field(0, &transfer)[1..]].concat();
    let mut expires_at_ms = vec![4 << 3];
    write_varint(1_767_229_200_000, &mut expires_at_ms);
    let envelope = [field(1, &chain_id().0), field(2, &[0xaa; 32]), field(3, &[request; 16]), expires_at_ms].concat();
    [envelope, field(5, &operation)].concat()
}

/// A transaction that two keys signed.
pub fn transaction(request: u8) -> SignedTransaction {
    let body = transfer_body(request, 12_345);
    let sign = |seed| TransactionSignature {
        public_key: public(seed),
        signature: Signature(secret(seed).sign(&signing_payload(TRANSACTION_NAMESPACE, &body)).to_bytes()),
    };
    SignedTransaction::new(body.clone().into(), vec![sign(21), sign(22)]).unwrap()
}

/// What opens the balances that an applied outcome commits to.
pub fn opened_balances() -> Vec<BalanceAfter> {
    let balance = |account, available, salt| {
        let (available, locked) = (Amount::new(available), Amount::ZERO);
        BalanceAfter { account, token: token(), available, locked, salt: Hash([salt; 32]) }
    };
    vec![balance(AccountId([0xaa; 32]), 87_355, 0x51), balance(AccountId([0xbb; 32]), 12_345, 0x52)]
}

/// An outcome with every kind of movement and of value.
pub fn applied_outcome(transaction_id: TransactionId) -> Outcome {
    let (payer, payee) = (AccountId([0xaa; 32]), AccountId([0xbb; 32]));
    let movement = |kind, from, to, units| Movement { kind, token: token(), from, to, amount: Amount::new(units) };
    Outcome {
        transaction_id,
        status: Status::Applied,
        movements: vec![
            movement(MovementKind::Mint, None, Some(payer), 100_000),
            movement(MovementKind::Transfer, Some(payer), Some(payee), 12_345),
            movement(MovementKind::Lock, Some(payer), Some(payer), 500),
            movement(MovementKind::Unlock, Some(payer), Some(payer), 200),
            movement(MovementKind::Burn, Some(payer), None, 300),
        ],
        balances: opened_balances().iter().map(BalanceAfter::commitment).collect(),
        effects: vec![
            Effect::new("golden.every_value")
                .with("amount", Amount::new(12_345))
                .with("number", 7u64)
                .with("object", ObjectId([0x0b; 32]))
                .with("account", payee)
                .with("token", token())
                .with("hash", Hash([0x0c; 32]))
                .with("time", BlockTime(1_767_225_600_000))
                .with("text", "貨款 INV-2026-0001")
                .with("yes", true)
                .with("no", Value::Flag(false)),
            Effect::new("golden.no_field"),
        ],
    }
}

pub fn declined_outcome(transaction_id: TransactionId) -> Outcome {
    let reason =
        Reason::InsufficientFunds { account: AccountId([0xaa; 32]), token: token(), required: Amount::new(12_345) };
    Outcome::declined(transaction_id, Decline::new(0, &reason))
}

/// The transactions of a block: three at one height, one at another.
pub fn transactions(height: u64) -> Vec<SignedTransaction> {
    match height {
        BUSY_HEIGHT => vec![transaction(1), transaction(2), transaction(3)],
        LATE_HEIGHT => vec![transaction(4)],
        _ => Vec::new(),
    }
}

/// The outcomes of a block: one for each transaction, and at one height two of what fell due.
pub fn outcomes(height: u64) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> =
        transactions(height).iter().map(|transaction| applied_outcome(transaction.id())).collect();
    if height == BUSY_HEIGHT {
        outcomes[2] = declined_outcome(outcomes[2].transaction_id);
        let fell_due = |place| Outcome {
            movements: Vec::new(),
            balances: Vec::new(),
            ..applied_outcome(due_outcome_id(height, place))
        };
        outcomes.extend([fell_due(0), fell_due(1)]);
    }
    outcomes
}

pub fn outcome_hashes(height: u64) -> Vec<Hash> {
    outcomes(height).iter().map(Outcome::hash).collect()
}

/// The headers, from height 0 on.
pub fn headers() -> Vec<Header> {
    let mut history = Frontier::default();
    let mut parent = Hash::ZERO;
    (0..=LATE_HEIGHT)
        .map(|height| {
            let epoch = height / EPOCH_LENGTH;
            let header = Header {
                chain_id: chain_id(),
                epoch,
                height,
                parent,
                time: BlockTime(1_767_225_600_000 + 250 * height),
                proposer: if height == 0 { PublicKey([0; 32]) } else { public(seeds(epoch)[height as usize % 4]) },
                transaction_count: transactions(height).len() as u32,
                transactions_root: transactions_root(&transactions(height)),
                outcome_count: outcomes(height).len() as u32,
                outcomes_root: outcomes_root(&outcome_hashes(height)),
                parent_state_digest: Hash([height as u8; 32]),
                history_root: history.root(),
                validators_hash: validators(epoch).hash(),
                next_validators_hash: validators((height + 1) / EPOCH_LENGTH).hash(),
                reserves_root: merkle::root(&[]),
            };
            parent = header.hash();
            history.push(header.history_leaf());
            header
        })
        .collect()
}

/// A certificate of a header by three of its epoch's four validators.
pub fn certificate(header: &Header) -> Vec<u8> {
    certificate_of(header, seeds(header.epoch).map(secret))
}

/// A header's certificate by three of these four.
pub fn certificate_of(header: &Header, mut keys: [SigningKey; 4]) -> Vec<u8> {
    keys.sort_by_key(|key| key.verifying_key().to_bytes());
    let (view, signers) = (300 + header.height, [0usize, 2, 3]);
    let mut proposal = Vec::new();
    for number in [header.epoch, view, view - 1] {
        write_varint(number, &mut proposal);
    }
    header.hash().encode(&mut proposal);
    let namespace = [&consensus_namespace(&header.chain_id)[..], b"_FINALIZE"].concat();
    let payload = signing_payload(&namespace, &proposal);
    let mut certificate = proposal;
    certificate.extend_from_slice(&4u64.to_be_bytes());
    certificate.push(0b1101);
    certificate.push(3);
    for place in signers {
        certificate.extend_from_slice(&keys[place].sign(&payload).to_bytes());
    }
    certificate
}

/// The ends of the epochs before one, where the validators changed.
pub fn handovers(epoch: u64) -> Vec<Handover> {
    let headers = headers();
    let handover = |ended: u64| {
        let header = headers[(ended * EPOCH_LENGTH + EPOCH_LENGTH - 1) as usize].clone();
        let certificate = certificate(&header).into();
        Handover { header, certificate, next_validators: validators(ended + 1) }
    };
    (0..epoch).map(handover).collect()
}
