//! The ledger that the simulated nodes keep: its genesis, its participants, and their transactions.

use bytes::Bytes;
use causeway::client::operations::{self, AssetClass, Operation, ReserveAsset};
use causeway::client::{KeyPair, TransactionBuilder};
use causeway::execution::genesis::{
    AccountSpec, AssetRuleSpec, GENESIS_FORMAT, Genesis, GenesisFile, TokenSpec, ValidatorSpec, genesis_account_id,
};
use causeway::ledger::SignedTransaction;
use causeway::ledger::protocol::PROTOCOL_VERSION_FIRST;
use causeway::ledger::receipt::TrustRoot;
use causeway::primitives::crypto::sha256;
use causeway::primitives::ids::{ObjectKind, Origin};
use causeway::primitives::time::DAY_MS;
use causeway::primitives::{AccountId, Amount, ChainId, PublicKey, RequestId, TokenId};

/// When it begins: Thursday, 1 January 2026, 12:00 UTC.
pub const GENESIS_TIME_MS: u64 = 1_767_268_800_000;

/// How long a transaction here may wait for its block, unless a test says otherwise.
pub const EXPIRES_IN_MS: u64 = 10 * 60 * 1000;

type Participant = (&'static str, &'static [&'static str], Option<&'static str>, &'static str);

/// Everyone who has an account, with what they may do, the account above theirs, and the company that they are.
const PARTICIPANTS: [Participant; 14] = [
    ("issuer", &["issuer"], None, ""),
    ("maker", &["issuance-maker"], Some("issuer"), ""),
    ("checker", &["issuance-checker"], Some("issuer"), ""),
    ("custodian", &["custodian"], None, ""),
    ("bank-a", &["institution"], None, "HKBR:BANKA"),
    ("bank-b", &["institution"], None, "HKBR:BANKB"),
    ("buyer", &["merchant"], Some("bank-a"), "HKBR:BUYER"),
    ("supplier", &["merchant"], Some("bank-b"), "HKBR:SUPPLIER"),
    ("trader", &["merchant"], Some("bank-b"), "HKBR:TRADER"),
    ("financier", &["financier"], Some("bank-a"), "HKBR:FINANCIER"),
    ("rival", &["financier"], Some("bank-b"), "HKBR:RIVAL"),
    ("carrier", &["carrier"], Some("bank-b"), "HKBR:CARRIER"),
    ("governance", &["governance"], None, ""),
    ("auditor", &["auditor"], None, ""),
];

/// A participant's account.
pub fn account(name: &str) -> AccountId {
    genesis_account_id(name)
}

/// A participant's key.
pub fn key(name: &str) -> KeyPair {
    KeyPair::from_seed(&sha256(name.as_bytes()).0)
}

/// The one token.
pub fn token() -> TokenId {
    "HKDX".parse().unwrap()
}

/// A ledger's genesis.
#[derive(Clone)]
pub struct Cast {
    pub genesis: Genesis,
    pub genesis_bytes: Bytes,
}

impl Cast {
    /// A ledger with these validators.
    pub fn new(validators: &[PublicKey], epoch_length: u64) -> Self {
        Self::named("simulation", validators, epoch_length)
    }

    /// The same participants on a ledger of this name.
    pub fn named(network: &str, validators: &[PublicKey], epoch_length: u64) -> Self {
        let validator = |(index, key): (usize, &PublicKey)| ValidatorSpec {
            name: format!("validator-{}", index + 1),
            public_key: key.to_string(),
        };
        let account = |(name, roles, parent, legal_entity_id): &Participant| AccountSpec {
            name: (*name).to_owned(),
            keys: vec![key(name).public_key().to_string()],
            threshold: 1,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            legal_entity_id: (*legal_entity_id).to_owned(),
            parent: parent.map(str::to_owned),
        };
        let file = GenesisFile {
            format: GENESIS_FORMAT,
            network: network.to_owned(),
            time_ms: GENESIS_TIME_MS,
            epoch_length,
            protocol_version: PROTOCOL_VERSION_FIRST,
            validators: validators.iter().enumerate().map(validator).collect(),
            accounts: PARTICIPANTS.iter().map(account).collect(),
            tokens: vec![token_spec()],
            lending_parameters: Vec::new(),
            forbidden_purposes: Vec::new(),
        };
        let genesis_bytes = Bytes::from(serde_json::to_vec(&file).unwrap());
        Self { genesis: Genesis::parse(&genesis_bytes).unwrap(), genesis_bytes }
    }

    pub fn chain_id(&self) -> ChainId {
        self.genesis.chain_id()
    }

    /// What someone who verifies receipts trusts.
    pub fn trust_root(&self) -> TrustRoot {
        self.genesis.trust_root()
    }

    /// A sender's transaction under the request id that `request` stands for.
    pub fn transaction(
        &self,
        sender: &str,
        request: u128,
        expires_at_ms: u64,
        operations: impl IntoIterator<Item = Operation>,
    ) -> SignedTransaction {
        let request_id = RequestId(request.to_be_bytes());
        let mut builder = TransactionBuilder::with_request_id(self.chain_id(), account(sender), request_id)
            .expires_at_ms(expires_at_ms);
        for operation in operations {
            builder.add(operation);
        }
        builder.finish().sign([&key(sender)]).unwrap()
    }

    /// A decision of governance, which a node's key signs too if there is one.
    pub fn decision(
        &self,
        request: u128,
        now_ms: u64,
        operation: Operation,
        node: Option<&KeyPair>,
    ) -> SignedTransaction {
        let request_id = RequestId(request.to_be_bytes());
        let mut builder = TransactionBuilder::with_request_id(self.chain_id(), account("governance"), request_id)
            .expires_at_ms(now_ms + EXPIRES_IN_MS);
        builder.add(operation);
        let own = key("governance");
        builder.finish().sign(std::iter::once(&own).chain(node)).unwrap()
    }

    /// What brings `amount` of the token to the buyer: attested, requested, approved. Each stands on the one before.
    pub fn issuance(&self, now_ms: u64, amount: u64) -> [SignedTransaction; 3] {
        let expires_at_ms = now_ms + EXPIRES_IN_MS;
        let cash = ReserveAsset {
            asset_class: AssetClass::Cash,
            matures_at_ms: 0,
            market_value: Amount::new(amount),
            haircut_bps: 0,
        };
        let attestation = operations::attest_reserves(token(), now_ms, &[cash]);
        let request = operations::request_issuance(token(), &[(account("buyer"), Amount::new(amount))], expires_at_ms);
        let requested = Origin { sender: account("maker"), request_id: RequestId([0; 16]), operation_index: 0 };
        let approval = operations::approve_issuance(requested.object_id(ObjectKind::Issuance));
        [
            self.transaction("custodian", 0, expires_at_ms, [attestation]),
            self.transaction("maker", 0, expires_at_ms, [request]),
            self.transaction("checker", 0, expires_at_ms, [approval]),
        ]
    }

    /// A payment of the buyer to the supplier.
    pub fn payment(&self, request: u128, now_ms: u64, amount: u64) -> SignedTransaction {
        let (payer, payee) = (account("buyer"), account("supplier"));
        let transfer = operations::transfer(payer, payee, token(), Amount::new(amount), Default::default());
        self.transaction("buyer", request, now_ms + EXPIRES_IN_MS, [transfer])
    }
}

fn token_spec() -> TokenSpec {
    TokenSpec {
        token_id: token().as_str().to_owned(),
        currency: "HKD".to_owned(),
        scale: 2,
        issuer: "issuer".to_owned(),
        custodian: "custodian".to_owned(),
        asset_rules: vec![AssetRuleSpec { asset_class: "cash".to_owned(), maturity_days_max: 0, haircut_bps_min: 0 }],
        attestation_age_ms_max: 7 * DAY_MS,
        utc_offset_minutes: 480,
        holidays: Vec::new(),
        redemption_business_days: 1,
    }
}
