//! The ledger that a chain is of: a genesis with a bank, an issuer and a custodian, whose keys and the validators' all follow
//! from the seed. Whoever knows the seed can sign anything there, so nothing of worth is ever kept on it.

use crate::bench::BenchError;
use crate::client::{KeyPair, Participant};
use crate::execution::genesis::{
    AccountSpec, AssetRuleSpec, GENESIS_FORMAT, Genesis, GenesisFile, TokenSpec, ValidatorSpec, genesis_account_id,
};
use crate::ledger::account::Role;
use crate::ledger::limits::ATTESTATION_AGE_MS_MAX;
use crate::ledger::protocol::PROTOCOL_VERSION_FIRST;
use crate::primitives::TokenId;
use crate::primitives::crypto::sha256;

/// The genesis block's time: 15 January 2027. The same seed makes the same chain, whenever.
pub const OPENING_MS: u64 = 1_800_000_000_000;
/// Heights in an epoch, as in every network that `causeway testnet` makes.
const EPOCH_LENGTH: u64 = 65_536;
/// The one token.
const TOKEN: &str = "HKDX";

/// Opens the accounts and funds them.
pub const BANK: &str = "bank";
/// Attests the reserves.
pub const CUSTODIAN: &str = "custodian";
/// Requests the issuance.
pub const MAKER: &str = "issuer-maker";
/// Approves it.
pub const CHECKER: &str = "issuer-checker";

/// Everyone in the genesis: name, role, account above, legal entity.
const PARTIES: [(&str, Role, Option<&str>, &str); 5] = [
    ("issuer", Role::Issuer, None, "BENCH:ISSUER"),
    (MAKER, Role::IssuanceMaker, Some("issuer"), ""),
    (CHECKER, Role::IssuanceChecker, Some("issuer"), ""),
    (CUSTODIAN, Role::Custodian, None, "BENCH:CUSTODIAN"),
    (BANK, Role::Institution, None, "BENCH:BANK"),
];

/// A genesis and the keys of everyone in it.
pub struct Founding {
    /// The file's text.
    pub text: String,
    /// The genesis.
    pub genesis: Genesis,
    /// The validators' keys.
    pub validators: Vec<KeyPair>,
    /// The token that is paid in.
    pub token: TokenId,
    seed: u64,
}

impl Founding {
    /// The ledger of a seed and so many validators.
    ///
    /// # Errors
    /// It does not hold, which would be a fault of this program.
    pub fn of(seed: u64, validators: usize) -> Result<Self, BenchError> {
        let name = |index: usize| format!("validator-{}", index + 1);
        let validators: Vec<_> = (0..validators).map(|index| key(seed, &name(index))).collect();
        let spec = |(index, key): (usize, &KeyPair)| ValidatorSpec {
            name: name(index),
            public_key: key.public_key().to_string(),
        };
        let file = GenesisFile {
            format: GENESIS_FORMAT,
            network: "bench-chain".to_owned(),
            time_ms: OPENING_MS,
            epoch_length: EPOCH_LENGTH,
            protocol_version: PROTOCOL_VERSION_FIRST,
            validators: validators.iter().enumerate().map(spec).collect(),
            accounts: PARTIES.iter().map(|party| account(seed, party)).collect(),
            tokens: vec![token()],
            lending_parameters: Vec::new(),
            forbidden_purposes: Vec::new(),
        };
        let internal = |error: &dyn std::fmt::Display| BenchError::Internal(format!("the chain's genesis: {error}"));
        let text = serde_json::to_string_pretty(&file).map_err(|error| internal(&error))? + "\n";
        let genesis = Genesis::parse(text.as_bytes()).map_err(|error| internal(&error))?;
        let token = TOKEN.parse().map_err(|error| internal(&error))?;
        Ok(Self { text, genesis, validators, token, seed })
    }

    /// A party with its key.
    pub fn party(&self, name: &str) -> Participant {
        Participant { name: name.to_owned(), account: genesis_account_id(name), key: key(self.seed, name) }
    }
}

fn key(seed: u64, name: &str) -> KeyPair {
    let text = [&b"causeway/bench/chain/key/v1"[..], &seed.to_be_bytes(), name.as_bytes()].concat();
    KeyPair::from_seed(&sha256(&text).0)
}

fn account(seed: u64, (name, role, parent, legal_entity_id): &(&str, Role, Option<&str>, &str)) -> AccountSpec {
    AccountSpec {
        name: (*name).to_owned(),
        keys: vec![key(seed, name).public_key().to_string()],
        threshold: 1,
        roles: vec![role.name().to_owned()],
        legal_entity_id: (*legal_entity_id).to_owned(),
        parent: parent.map(str::to_owned),
    }
}

fn token() -> TokenSpec {
    TokenSpec {
        token_id: TOKEN.to_owned(),
        currency: "HKD".to_owned(),
        scale: 2,
        issuer: "issuer".to_owned(),
        custodian: CUSTODIAN.to_owned(),
        asset_rules: vec![AssetRuleSpec { asset_class: "cash".to_owned(), maturity_days_max: 0, haircut_bps_min: 0 }],
        attestation_age_ms_max: ATTESTATION_AGE_MS_MAX,
        utc_offset_minutes: 480,
        holidays: Vec::new(),
        redemption_business_days: 1,
    }
}
