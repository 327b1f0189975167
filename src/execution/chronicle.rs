//! A chain for tests: a real genesis, real rooms, real signatures and certificates, all of it in memory.
//!
//! [`Chronicle::append`] builds every block as its leader would and executes it again as a validator would, so whatever
//! a test does with it, the two are held together.

use super::genesis::{
    AccountSpec, AssetRuleSpec, GENESIS_FORMAT, Genesis, GenesisFile, TokenSpec, ValidatorSpec, genesis_account_id,
};
use super::{
    BlockExecutor, Envelope, Executed, Ineligible, InvalidBlock, Operation, ParentState, Place, Transaction,
    apply_block, invariants,
};
use crate::domain::governance::RotateValidatorKey;
use crate::domain::payments;
use crate::domain::tokens::{
    Allocation, ApproveIssuance, AssetClass, AttestReserves, RequestIssuance, RequestRedemption, ReserveAsset,
};
use crate::ledger::block::{Block, outcome_leaf};
use crate::ledger::protocol::PROTOCOL_VERSION_FIRST;
use crate::ledger::receipt::{Handover, LaterHeader, PlacedTransaction, Receipt, TrustRoot};
use crate::ledger::transaction::{TransactionSignature, transaction_signing_payload};
use crate::ledger::validators::{sets_until, validators_of};
use crate::ledger::view::MemoryView;
use crate::ledger::{Account, Entry, Header, Outcome, Role, SignedTransaction, ValidatorSet, consensus_namespace};
use crate::primitives::crypto::{sha256, signing_payload, write_varint};
use crate::primitives::digest::StateAccumulator;
use crate::primitives::ids::{ObjectKind, Origin};
use crate::primitives::merkle::Path;
use crate::primitives::{
    AccountId, Amount, BlockTime, ChainId, Encode, Hash, ObjectId, PublicKey, RequestId, Signature, TokenId,
};
use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The genesis block's time: Friday, 15 January 2027, 16:00 in Hong Kong.
pub(crate) const OPENING: BlockTime = BlockTime(1_800_000_000_000);
/// A minute.
pub(crate) const MINUTE_MS: u64 = 60_000;
/// An hour.
pub(crate) const HOUR_MS: u64 = 60 * MINUTE_MS;
/// For how long an attestation counts in every chronicle.
pub(crate) const ATTESTATION_AGE_MS_MAX: u64 = 24 * HOUR_MS;
/// Everyone in the genesis, with roles, account above, and legal entity.
const PEOPLE: &[(&str, &[Role], Option<&str>, &str)] = &[
    ("bank", &[Role::Institution], None, "HKBR:BANK"),
    ("issuer", &[Role::Issuer], None, "HKBR:ISSUER"),
    ("maker", &[Role::IssuanceMaker], Some("issuer"), ""),
    ("checker", &[Role::IssuanceChecker], Some("issuer"), ""),
    ("custodian", &[Role::Custodian], None, "HKBR:CUSTODIAN"),
    ("buyer", &[Role::Merchant], Some("bank"), "HKBR:BUYER"),
    ("supplier", &[Role::Merchant], Some("bank"), "HKBR:SUPPLIER"),
    ("financier", &[Role::Financier], Some("bank"), "HKBR:FINANCIER"),
    ("trader", &[Role::Merchant], Some("bank"), "HKBR:TRADER"),
    ("carrier", &[Role::Carrier], Some("bank"), "HKBR:CARRIER"),
];

/// Someone's account id.
pub(crate) fn id(name: &str) -> AccountId {
    genesis_account_id(name)
}

/// A key that is made of a name.
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_bytes(&sha256(name.as_bytes()).0)
}

/// The public half of a key.
pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

/// The one token of the genesis.
pub(crate) fn token() -> TokenId {
    "HKDX".parse().expect("a token id")
}

/// A genesis of everyone, four validators and one token.
pub(crate) fn genesis_file() -> GenesisFile {
    let validator = |name: &str| ValidatorSpec { name: name.to_owned(), public_key: public(&key(name)).to_string() };
    let person = |(name, roles, parent, legal_entity_id): &(&str, &[Role], Option<&str>, &str)| AccountSpec {
        name: (*name).to_owned(),
        keys: vec![public(&key(name)).to_string()],
        threshold: 1,
        roles: roles.iter().map(|role| role.name().to_owned()).collect(),
        legal_entity_id: (*legal_entity_id).to_owned(),
        parent: parent.map(str::to_owned),
    };
    let rule = |asset_class: &str, maturity_days_max, haircut_bps_min| {
        let asset_class = asset_class.to_owned();
        AssetRuleSpec { asset_class, maturity_days_max, haircut_bps_min }
    };
    GenesisFile {
        format: GENESIS_FORMAT,
        network: "test".to_owned(),
        time_ms: OPENING.0,
        epoch_length: 8,
        protocol_version: PROTOCOL_VERSION_FIRST,
        validators: ["node-0", "node-1", "node-2", "node-3"].map(validator).to_vec(),
        accounts: PEOPLE.iter().map(person).collect(),
        tokens: vec![TokenSpec {
            token_id: token().to_string(),
            currency: "HKD".to_owned(),
            scale: 2,
            issuer: "issuer".to_owned(),
            custodian: "custodian".to_owned(),
            asset_rules: vec![rule("cash", 0, 0), rule("government-debt", 90, 100)],
            attestation_age_ms_max: ATTESTATION_AGE_MS_MAX,
            utc_offset_minutes: 480,
            holidays: Vec::new(),
            redemption_business_days: 1,
        }],
        lending_parameters: Vec::new(),
        forbidden_purposes: Vec::new(),
    }
}

/// How an operation's transaction is turned into a body's bytes.
type WriteBody = fn(&Envelope, &[Operation]) -> Vec<u8>;

/// The chain so far.
#[derive(Clone)]
pub(crate) struct Chronicle {
    /// Where it began.
    pub genesis: Genesis,
    /// The state after each block, the genesis' first.
    pub states: Vec<ParentState>,
    /// The blocks above the genesis.
    pub blocks: Vec<Executed>,
    entries: MemoryView,
    keyring: BTreeMap<PublicKey, SigningKey>,
    requests: u64,
    write_body: WriteBody,
}

/// A transaction before it is signed.
#[derive(Clone)]
pub(crate) struct Draft {
    /// Ledger, sender, request id, expiry.
    pub envelope: Envelope,
    /// Who signs besides the sender.
    pub cosigners: Vec<AccountId>,
    /// What to do.
    pub operations: Vec<Operation>,
}

impl Chronicle {
    /// A chain at its genesis.
    pub fn begin() -> Self {
        Self::of(&genesis_file())
    }

    /// A chain of this genesis file.
    pub fn of(file: &GenesisFile) -> Self {
        let bytes = serde_json::to_vec(file).expect("a genesis file is JSON");
        let genesis = Genesis::parse(&bytes).expect("a good genesis");
        let built = genesis.build().expect("tokens that fit");
        let mut entries = MemoryView::default();
        entries.apply(&built.writes);
        let (view, accumulator) = (Arc::new(entries.clone()), built.accumulator);
        let state = ParentState { header: built.block.header().clone(), view, accumulator };
        let mut chronicle = Self {
            genesis,
            states: vec![state],
            blocks: Vec::new(),
            entries,
            keyring: BTreeMap::new(),
            requests: 0,
            // Execution does not read bodies. It has to be unique for what it stands for, and no more.
            write_body: |envelope, operations| format!("{envelope:?}{operations:?}").into_bytes(),
        };
        PEOPLE.iter().for_each(|(name, ..)| chronicle.know(key(name)));
        NODES.iter().for_each(|name| chronicle.know(key(name)));
        chronicle
    }

    /// A chain at its genesis with an account of governance, which any two of three keys sign for.
    pub fn governed() -> Self {
        let mut file = genesis_file();
        file.accounts.push(AccountSpec {
            name: "governance".to_owned(),
            keys: GOVERNORS.map(|name| public(&key(name)).to_string()).to_vec(),
            threshold: 2,
            roles: vec![Role::Governance.name().to_owned()],
            legal_entity_id: String::new(),
            parent: None,
        });
        let mut chronicle = Self::of(&file);
        GOVERNORS.iter().chain(&NEWCOMERS).for_each(|name| chronicle.know(key(name)));
        chronicle
    }

    /// Has governance put one node's key in another's place, in a block of its own. Both persons sign, and the new key.
    pub fn replace_validator(&mut self, from: &str, to: &str) {
        let [public_key, new_public_key] = [from, to].map(|name| public(&key(name)));
        let address = format!("{to}.example:7500").parse().expect("an address");
        let rotate = RotateValidatorKey { public_key, new_public_key, address };
        let draft = self.draft(id("governance"), vec![rotate.into()]);
        let keys = [GOVERNORS[0], GOVERNORS[2], to].map(|name| public(&key(name)));
        let outcomes = self.append(1_000, &[self.sign_with(&draft, &keys)]);
        assert!(outcomes[0].is_applied(), "{}", reason(&outcomes[0]));
    }

    /// The same, with bodies as the wire has them.
    pub fn with_bodies(mut self, write_body: WriteBody) -> Self {
        self.write_body = write_body;
        self
    }

    /// Takes a key to the keyring, from which accounts are signed for.
    pub fn know(&mut self, key: SigningKey) {
        self.keyring.insert(public(&key), key);
    }

    /// The state after the last block.
    pub fn tip(&self) -> &ParentState {
        self.states.last().expect("there is the genesis")
    }

    /// The last block's time.
    pub fn now(&self) -> BlockTime {
        self.tip().header.time
    }

    /// An entry of the state.
    pub fn read<E: Entry>(&self, key: &E::Key) -> Option<E> {
        self.tip().view.read(key)
    }

    /// Every entry of the state.
    pub fn entries(&self) -> &MemoryView {
        &self.entries
    }

    /// A transaction with a fresh request id that expires in an hour.
    pub fn draft(&mut self, sender: AccountId, operations: Vec<Operation>) -> Draft {
        self.requests += 1;
        let mut request_id = RequestId([0; 16]);
        request_id.0[8..].copy_from_slice(&self.requests.to_be_bytes());
        let expires_at = BlockTime(self.now().0 + HOUR_MS);
        let envelope =
            Envelope { chain_id: self.genesis.chain_id(), sender, request_id, expires_at, co_signers: vec![] };
        Draft { envelope, cosigners: Vec::new(), operations }
    }

    /// Signs with all keys that the sender and the cosigners have now, and with those that a rotation or an opening brings.
    pub fn sign(&self, draft: &Draft) -> Arc<Transaction> {
        let signers = [&[draft.envelope.sender], &draft.cosigners[..]].concat();
        let accounts = signers.iter().filter_map(|signer| self.read::<Account>(signer));
        let brought = draft.operations.iter().filter_map(|operation| match operation {
            Operation::RotateKeys(rotate) => Some(rotate.keys.keys().to_vec()),
            Operation::OpenAccount(open) => Some(open.keys.keys().to_vec()),
            _ => None,
        });
        let present = accounts.map(|account| account.keys.keys().to_vec());
        let keys: BTreeSet<PublicKey> = present.chain(brought).flatten().collect();
        self.sign_with(draft, &keys.into_iter().collect::<Vec<_>>())
    }

    /// Signs with these keys. Without any, with one that nobody has registered.
    pub fn sign_with(&self, draft: &Draft, keys: &[PublicKey]) -> Arc<Transaction> {
        let body = Bytes::from((self.write_body)(&draft.envelope, &draft.operations));
        let payload = transaction_signing_payload(&body);
        let stranger = key("stranger");
        let mut known: Vec<&SigningKey> = keys.iter().filter_map(|key| self.keyring.get(key)).collect();
        if known.is_empty() {
            known.push(&stranger);
        }
        let sign = |key: &&SigningKey| TransactionSignature {
            public_key: public(key),
            signature: Signature(key.sign(&payload).to_bytes()),
        };
        let signed = SignedTransaction::new(body, known.iter().map(sign).collect()).expect("within its limits");
        Arc::new(Transaction::authentic(signed, draft.envelope.clone(), draft.operations.clone()))
    }

    /// A signed transaction in one step.
    pub fn transaction(&mut self, sender: &str, operations: Vec<Operation>) -> Arc<Transaction> {
        let draft = self.draft(id(sender), operations);
        self.sign(&draft)
    }

    /// Where the next block stands, so much after the last.
    pub fn place(&self, ms_later: u64) -> Place {
        let height = self.blocks.len() + 1;
        let validators = self.validators_at(height as u64);
        let turn = self.blocks.len() % validators.keys().len();
        Place { time: BlockTime(self.now().0 + ms_later), proposer: validators.keys()[turn] }
    }

    /// The validators of the block at a height.
    pub fn validators_at(&self, height: u64) -> ValidatorSet {
        let epoch = height / self.genesis.epoch_length();
        validators_of(&*self.tip().view, epoch).expect("every epoch has validators")
    }

    /// A height's certificate by the first of its epoch's validators that make a quorum. Their keys are known.
    pub fn certificate(&self, height: u64) -> Bytes {
        let (header, validators) = (self.headers()[height as usize].clone(), self.validators_at(height));
        let keys: Vec<SigningKey> = validators.keys().iter().map(|key| self.keyring[key].clone()).collect();
        let places: Vec<usize> = (0..validators.quorum()).collect();
        certificate_of((header.chain_id, header.epoch, header.hash()), &keys, &places)
    }

    /// The handovers from the genesis' validators to those of an epoch.
    pub fn handovers(&self, epoch: u64) -> Vec<Handover> {
        let mut sets = sets_until(&*self.tip().view, epoch, usize::MAX);
        sets.retain(|(from, _)| *from > 0);
        sets.reverse();
        let handover = |(from, next_validators): (u64, ValidatorSet)| {
            let height = from * self.genesis.epoch_length() - 1;
            let header = self.headers()[height as usize].clone();
            Handover { header, certificate: self.certificate(height), next_validators }
        };
        sets.into_iter().map(handover).collect()
    }

    /// The next block as its leader builds it, and what it left out.
    pub fn build(&self, ms_later: u64, transactions: &[Arc<Transaction>]) -> (Executed, Vec<Ineligible>) {
        let mut executor = BlockExecutor::open(self.tip().clone(), self.place(ms_later)).expect("a good place");
        let left_out = transactions.iter().filter_map(|each| executor.push(each.clone()).err()).collect();
        (executor.close().expect("the invariants hold"), left_out)
    }

    /// The next block as a validator checks it.
    pub fn check(&self, header: &Header, transactions: &[Arc<Transaction>]) -> Result<Executed, InvalidBlock> {
        apply_block(self.tip().clone(), header, transactions)
    }

    /// Builds, checks and appends a block. The leader may leave out transactions; what it left out is returned.
    pub fn append_eligible(&mut self, ms_later: u64, transactions: &[Arc<Transaction>]) -> Vec<Ineligible> {
        let (built, left_out) = self.build(ms_later, transactions);
        let checked = self.check(&built.header, &built.transactions).expect("the leader's block is valid");
        assert_same(&built, &checked);
        Block::new(built.header.clone(), built.transactions.iter().map(|each| each.signed().clone()).collect())
            .expect("within a block's limits");
        self.entries.apply(&built.writes);
        let (header, view) = (built.header.clone(), Arc::new(self.entries.clone()));
        self.states.push(ParentState { header, view, accumulator: built.accumulator.clone() });
        self.blocks.push(built);
        left_out
    }

    /// The same where nothing is left out: the outcomes.
    pub fn append(&mut self, ms_later: u64, transactions: &[Arc<Transaction>]) -> Vec<Outcome> {
        assert_eq!(self.append_eligible(ms_later, transactions), [], "every transaction may stand in the block");
        self.blocks.last().expect("one was appended").outcomes.to_vec()
    }

    /// A block of one transaction, a second later: its outcome.
    pub fn perform(&mut self, sender: &str, operations: Vec<Operation>) -> Outcome {
        let transaction = self.transaction(sender, operations);
        self.append(1_000, &[transaction]).swap_remove(0)
    }

    /// The same for what must be applied: the id of what its first operation made.
    pub fn make(&mut self, sender: &str, operations: Vec<Operation>) -> ObjectId {
        let draft = self.draft(id(sender), operations);
        let outcome = self.append(1_000, &[self.sign(&draft)]).swap_remove(0);
        assert!(outcome.is_applied(), "{}", reason(&outcome));
        object(&draft, 0)
    }

    /// Attests cash, as of now.
    pub fn attest(&mut self, units: u64) {
        let operation = attestation(BlockTime(self.now().0 + 1), units);
        self.make("custodian", vec![operation.into()]);
    }

    /// Issues under the reserves that there are.
    pub fn issue(&mut self, to: &str, units: u64) {
        let issuance = self.make("maker", vec![issuance(to, units).into()]);
        self.make("checker", vec![ApproveIssuance { issuance }.into()]);
    }

    /// Reserves of 10,000, of which the buyer and the financier have 1,000 each.
    pub fn funded() -> Self {
        let mut chronicle = Self::begin();
        chronicle.attest(10_000);
        chronicle.issue("buyer", 1_000);
        chronicle.issue("financier", 1_000);
        chronicle
    }

    /// Every header, the genesis' first.
    pub fn headers(&self) -> Vec<Header> {
        self.states.iter().map(|state| state.header.clone()).collect()
    }

    /// What is to be checked of every state, from scratch.
    pub fn check_state(&self) {
        invariants::check_all(self.entries.entries()).expect("the invariants hold of all entries");
        let mut from_scratch = StateAccumulator::default();
        self.entries.entries().for_each(|(column, key, value)| from_scratch.add(column.tag(), key, value));
        assert_eq!(from_scratch.digest(), self.tip().accumulator.digest(), "the digest is that of all entries");
    }

    /// Executes everything again from the genesis.
    pub fn replay(&self) -> Self {
        let mut again = Self::of(self.genesis.file());
        for block in &self.blocks {
            let executed = again.check(&block.header, &block.transactions).expect("it was valid before");
            assert_same(block, &executed);
            again.entries.apply(&executed.writes);
            let (header, view) = (executed.header.clone(), Arc::new(again.entries.clone()));
            again.states.push(ParentState { header, view, accumulator: executed.accumulator.clone() });
            again.blocks.push(executed);
        }
        again
    }

    /// What a holder of the genesis file trusts.
    pub fn trust(&self) -> TrustRoot {
        self.genesis.trust_root()
    }

    /// A receipt of a transaction or of what fell due, by its place among the outcomes, certified at its own height or at a later one.
    pub fn receipt(&self, height: u64, index: usize, certified_at: u64) -> Receipt {
        let block = &self.blocks[height as usize - 1];
        let leaves: Vec<Hash> = block.transactions.iter().map(|each| each.signed().leaf()).collect();
        let outcomes: Vec<Hash> = block.outcomes.iter().map(|outcome| outcome_leaf(&outcome.hash())).collect();
        let headers = self.headers();
        let history: Vec<Hash> = headers.iter().take(certified_at as usize).map(Header::history_leaf).collect();
        let later = Path::of(&history, height as usize)
            .map(|path| LaterHeader { path, header: headers[certified_at as usize].clone() });
        let placed = |transaction: &Arc<Transaction>| PlacedTransaction {
            signed: transaction.signed().clone(),
            path: Path::of(&leaves, index).expect("it is in the block"),
        };
        Receipt {
            transaction: block.transactions.get(index).map(placed),
            outcome: block.outcomes[index].clone(),
            balances: block.openings.of(index, &block.outcomes[index]),
            outcome_path: Path::of(&outcomes, index).expect("it is in the block"),
            header: block.header.clone(),
            later,
            anchor: None,
            certificate: self.certificate(certified_at),
            handovers: self.handovers(certified_at / self.genesis.epoch_length()),
        }
    }
}

/// Those who govern a [`Chronicle::governed`]: any two of them.
const GOVERNORS: [&str; 3] = ["governor-0", "governor-1", "governor-2"];
/// Nodes that do not validate yet.
const NEWCOMERS: [&str; 2] = ["node-4", "node-5"];

/// The validators of every chronicle, by name.
pub(crate) const NODES: [&str; 4] = ["node-0", "node-1", "node-2", "node-3"];

/// A header's certificate by the validators at these places of the sorted set, byte by byte as its format says.
pub(crate) fn certificate(header: &Header, names: &[&str], places: &[usize]) -> Bytes {
    let mut keys: Vec<SigningKey> = names.iter().map(|name| key(name)).collect();
    keys.sort_by_key(public);
    certificate_of((header.chain_id, header.epoch, header.hash()), &keys, places)
}

/// The same for whatever is claimed.
pub(crate) fn certificate_of(
    (chain, epoch, block): (ChainId, u64, Hash),
    keys: &[SigningKey],
    places: &[usize],
) -> Bytes {
    let (view, parent_view) = (7, 6);
    let mut bytes = Vec::new();
    [epoch, view, parent_view].into_iter().for_each(|number| write_varint(number, &mut bytes));
    bytes.extend_from_slice(&block.0);
    let payload = signing_payload(&[&consensus_namespace(&chain)[..], b"_FINALIZE"].concat(), &bytes);
    bytes.extend_from_slice(&(keys.len() as u64).to_be_bytes());
    let mut bitmap = vec![0u8; keys.len().div_ceil(8)];
    places.iter().for_each(|place| bitmap[place / 8] |= 1 << (place % 8));
    bytes.extend_from_slice(&bitmap);
    write_varint(places.len() as u64, &mut bytes);
    places.iter().for_each(|place| bytes.extend_from_slice(&keys[*place].sign(&payload).to_bytes()));
    Bytes::from(bytes)
}

/// Whether two executions of one block came to the same, byte by byte.
pub(crate) fn assert_same(one: &Executed, other: &Executed) {
    assert_eq!(one.header.to_bytes(), other.header.to_bytes(), "header");
    assert_eq!(one.outcomes.to_vec().to_bytes(), other.outcomes.to_vec().to_bytes(), "outcomes");
    assert_eq!(one.writes, other.writes, "writes");
    assert_eq!(one.accumulator.digest(), other.accumulator.digest(), "digest");
    assert_eq!(one.reserve_lines, other.reserve_lines, "reserve lines");
}

/// The id of what an operation of a draft makes; all zeros if it makes nothing that has one.
pub(crate) fn object(draft: &Draft, operation_index: u16) -> ObjectId {
    let Envelope { sender, request_id, .. } = draft.envelope;
    let kind = match &draft.operations[usize::from(operation_index)] {
        Operation::RequestIssuance(_) => ObjectKind::Issuance,
        Operation::RequestRedemption(_) => ObjectKind::Redemption,
        Operation::PlaceOrder(_) => ObjectKind::Order,
        Operation::RegisterInvoice(_) => ObjectKind::Receivable,
        Operation::PublishProgramme(_) => ObjectKind::Programme,
        Operation::RequestFinancing(_) => ObjectKind::Loan,
        _ => return ObjectId([0; 32]),
    };
    Origin { sender, request_id, operation_index }.object_id(kind)
}

/// The name of an outcome's reason, or `APPLIED`.
pub(crate) fn reason(outcome: &Outcome) -> &'static str {
    use crate::ledger::{Reason, Status};
    let Status::Declined(decline) = &outcome.status else { return "APPLIED" };
    Reason::CATALOGUE.iter().find(|entry| entry.code == decline.code).map_or("a code of no reason", |entry| entry.name)
}

/// An attestation of cash.
pub(crate) fn attestation(as_of: BlockTime, units: u64) -> AttestReserves {
    let (asset_class, market_value) = (AssetClass::Cash, Amount::new(units));
    let cash = ReserveAsset { asset_class, matures_at: BlockTime(0), market_value, haircut_bps: 0 };
    AttestReserves { token: token(), as_of, assets: vec![cash] }
}

/// An issuance that can be approved for ever.
pub(crate) fn issuance(to: &str, units: u64) -> RequestIssuance {
    let allocation = Allocation { account: id(to), amount: Amount::new(units) };
    RequestIssuance { token: token(), allocations: vec![allocation], expires_at: BlockTime(u64::MAX) }
}

/// A payment.
pub(crate) fn transfer(from: &str, to: &str, units: u64) -> payments::Transfer {
    let (amount, remittance) = (Amount::new(units), payments::Remittance::default());
    payments::Transfer { payer: id(from), payee: id(to), token: token(), amount, remittance }
}

/// A redemption.
pub(crate) fn redemption(units: u64) -> RequestRedemption {
    RequestRedemption { token: token(), amount: Amount::new(units), payout_commitment: Hash([9; 32]) }
}
