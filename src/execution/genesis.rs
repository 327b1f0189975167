//! The genesis: the file from which a ledger starts, and the block that it makes.
//!
//! The chain id is the SHA-256 of the file's exact bytes, so `sha256sum genesis.json` tells which ledger a receipt is of,
//! and whoever holds the file can verify every receipt of it. The file names what it contains (accounts, validators) for
//! people; the ledger knows ids and keys.

use super::apply::settle;
use crate::domain::accounts::bring_legal_entity;
use crate::domain::financing::{ForbiddenPurposes, Parameter, ParameterValue, forbid_purposes, set_parameter};
use crate::domain::governance;
use crate::domain::tokens::{self, AssetClass, AssetRule, ReservePolicy, TokenTerms};
use crate::ledger::account::KeySet;
use crate::ledger::block::{outcomes_root, reserves_root, transactions_root};
use crate::ledger::history::{PARAMETERS_KEY, TIP_KEY};
use crate::ledger::legal_entity::check_legal_entity_id;
use crate::ledger::protocol::{PROTOCOL_KEY, PROTOCOL_VERSION_FIRST, PROTOCOL_VERSION_MAX, Protocol};
use crate::ledger::validators::FromEpoch;
use crate::ledger::view::MemoryView;
use crate::ledger::{
    Account, Block, Changes, Header, HistoryRoot, OpenItem, Parameters, ReserveLine, Roles, Tip, TrustRoot,
    ValidatorSet, WorkingSet, Writes,
};
use crate::primitives::crypto::{Domain, hash, sha256};
use crate::primitives::currency::ParseCurrencyError;
use crate::primitives::digest::StateAccumulator;
use crate::primitives::ids::ParseIdError;
use crate::primitives::merkle::{self, Frontier};
use crate::primitives::time::{BusinessCalendar, DAY_MS};
use crate::primitives::{AccountId, BlockTime, ChainId, Hash, PublicKey, TokenId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// The format that this version reads and writes.
pub const GENESIS_FORMAT: u32 = 1;
/// Largest genesis file.
pub const GENESIS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why a file is not a genesis.
#[derive(Debug, Error)]
pub enum GenesisError {
    /// Not JSON of the expected shape. The message says where.
    #[error("the genesis file is not of the expected form: {0}")]
    Form(#[from] serde_json::Error),
    /// Larger than allowed.
    #[error("the genesis file has {0} bytes, at most {GENESIS_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// Of another format.
    #[error("the genesis file is of format {0}, this version reads format {GENESIS_FORMAT}")]
    Format(u32),
    /// A field that breaks a rule.
    #[error("{field}: {why}")]
    Field {
        /// Its path in the file.
        field: String,
        /// The rule.
        why: String,
    },
}

fn invalid(field: impl Into<String>, why: impl Into<String>) -> GenesisError {
    GenesisError::Field { field: field.into(), why: why.into() }
}

/// A genesis file, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    /// [`GENESIS_FORMAT`].
    pub format: u32,
    /// The network's name, for people.
    pub network: String,
    /// The genesis block's time, in ms of the Unix epoch.
    pub time_ms: u64,
    /// How many heights an epoch has.
    pub epoch_length: u64,
    /// The version of the protocol that the first blocks follow.
    #[serde(default = "first_protocol", skip_serializing_if = "is_first_protocol")]
    pub protocol_version: u32,
    /// The validators of the first epoch.
    pub validators: Vec<ValidatorSpec>,
    /// The accounts that exist from the start.
    pub accounts: Vec<AccountSpec>,
    /// The tokens that exist from the start.
    #[serde(default)]
    pub tokens: Vec<TokenSpec>,
    /// The lender's rules that are in force from the start, or later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lending_parameters: Vec<LendingParameterSpec>,
    /// The purposes of loans that a law forbids from the start, or later: lists in the order of their times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden_purposes: Vec<ForbiddenPurposesSpec>,
}

fn first_protocol() -> u32 {
    PROTOCOL_VERSION_FIRST
}

fn is_first_protocol(version: &u32) -> bool {
    *version == PROTOCOL_VERSION_FIRST
}

/// A value of one of the lender's rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LendingParameterSpec {
    /// Which rule.
    pub parameter: String,
    /// The figure, in the rule's unit.
    pub value: u64,
    /// The law that sets it.
    pub law: String,
    /// From when, in ms of the Unix epoch. Values of one rule stand in the order of their times.
    #[serde(default)]
    pub in_force_from_ms: u64,
}

/// The purposes of loans that a law forbids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForbiddenPurposesSpec {
    /// Their codes, ascending.
    pub purposes: Vec<String>,
    /// The law that forbids them.
    pub law: String,
    /// From when, in ms of the Unix epoch.
    #[serde(default)]
    pub in_force_from_ms: u64,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorSpec {
    /// Its name, for people.
    pub name: String,
    /// Its Ed25519 public key, in hexadecimal.
    pub public_key: String,
}

/// An account that exists from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSpec {
    /// Its name in this file. The account's id is derived from it.
    pub name: String,
    /// Its Ed25519 public keys, in hexadecimal.
    pub keys: Vec<String>,
    /// How many of them must sign.
    pub threshold: u8,
    /// What it may do.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The company behind it.
    #[serde(default)]
    pub legal_entity_id: String,
    /// The name of the account above it, which stands earlier in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// A token that exists from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// Its id.
    pub token_id: String,
    /// The currency that it is pegged to, by its ISO 4217 code.
    pub currency: String,
    /// Decimals of a unit.
    pub scale: u32,
    /// The name of the account that issues it.
    pub issuer: String,
    /// The name of the account that attests its reserves.
    pub custodian: String,
    /// What counts as reserves.
    pub asset_rules: Vec<AssetRuleSpec>,
    /// How long an attestation counts after its as-of time, in ms.
    pub attestation_age_ms_max: u64,
    /// Minutes east of UTC, in which its business days run.
    pub utc_offset_minutes: i16,
    /// Days that are no business days, as `YYYY-MM-DD`, ascending.
    #[serde(default)]
    pub holidays: Vec<String>,
    /// Within how many business days a redemption is to be paid.
    pub redemption_business_days: u32,
}

/// What counts of one class of assets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetRuleSpec {
    /// The class: `cash`, `deposit`, `government-debt`, `reverse-repo`.
    pub asset_class: String,
    /// The longest residual maturity, in days.
    pub maturity_days_max: u32,
    /// The least haircut, in basis points.
    pub haircut_bps_min: u32,
}

/// A genesis file that was read and found good.
#[derive(Clone, Debug)]
pub struct Genesis {
    file: GenesisFile,
    chain_id: ChainId,
    validators: ValidatorSet,
    accounts: BTreeMap<AccountId, Account>,
    tokens: Vec<GenesisToken>,
    lending_parameters: Vec<(Parameter, ParameterValue)>,
    forbidden_purposes: Vec<ForbiddenPurposes>,
}

/// A token of the genesis, as it is created.
#[derive(Clone, Debug)]
struct GenesisToken {
    id: TokenId,
    issuer: AccountId,
    terms: TokenTerms,
}

/// The genesis block and the state after it.
#[derive(Clone, Debug)]
pub struct GenesisBlock {
    /// Block 0: no transactions, nobody's proposal, no certificate.
    pub block: Block,
    /// The state's entries.
    pub writes: Writes,
    /// The sum over them.
    pub accumulator: StateAccumulator,
    /// How every token stands at the start.
    pub reserve_lines: Vec<ReserveLine>,
}

/// The id of an account of the genesis.
pub fn genesis_account_id(name: &str) -> AccountId {
    AccountId(hash(Domain::GENESIS_ACCOUNT, name.as_bytes()).0)
}

impl Genesis {
    /// Reads a genesis file.
    ///
    /// # Errors
    /// What is wrong, and in which field.
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisError> {
        if bytes.len() > GENESIS_BYTES_MAX {
            return Err(GenesisError::TooLarge(bytes.len()));
        }
        let file: GenesisFile = serde_json::from_slice(bytes)?;
        if file.format != GENESIS_FORMAT {
            return Err(GenesisError::Format(file.format));
        }
        if file.epoch_length == 0 {
            return Err(invalid("epoch_length", "an epoch has at least one height"));
        }
        if !(PROTOCOL_VERSION_FIRST..=PROTOCOL_VERSION_MAX).contains(&file.protocol_version) {
            let why = format!(
                "this software follows the protocol's versions {PROTOCOL_VERSION_FIRST} to {PROTOCOL_VERSION_MAX}, not {}; a newer one may",
                file.protocol_version
            );
            return Err(invalid("protocol_version", why));
        }
        let validators = read_validators(&file.validators)?;
        let accounts = read_accounts(&file.accounts)?;
        let tokens = read_tokens(&file.tokens, &accounts)?;
        let lending_parameters = read_lending_parameters(&file.lending_parameters)?;
        let forbidden_purposes = read_forbidden_purposes(&file.forbidden_purposes)?;
        let chain_id = ChainId(sha256(bytes).0);
        Ok(Self { chain_id, file, validators, accounts, tokens, lending_parameters, forbidden_purposes })
    }

    /// The ledger's id: the hash of the file.
    pub fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// What whoever holds the file and believes nothing else verifies receipts and headers by.
    pub fn trust_root(&self) -> TrustRoot {
        TrustRoot {
            chain_id: self.chain_id,
            validators: self.validators.clone(),
            epoch_length: self.epoch_length(),
            checkpoint: None,
        }
    }

    /// The file, as it was written.
    pub fn file(&self) -> &GenesisFile {
        &self.file
    }

    /// The validators of the first epoch.
    pub fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    fn named_validators(&self) -> impl Iterator<Item = (PublicKey, &str)> {
        // They were read when the file was.
        let named = |spec: &'_ ValidatorSpec| spec.public_key.parse().ok();
        self.file.validators.iter().filter_map(move |spec| Some((named(spec)?, spec.name.as_str())))
    }

    /// How many heights an epoch has.
    pub fn epoch_length(&self) -> u64 {
        self.file.epoch_length
    }

    /// Builds the genesis block.
    ///
    /// # Errors
    /// The tokens do not fit the ledger (too many, or one twice).
    pub fn build(&self) -> Result<GenesisBlock, GenesisError> {
        let empty = MemoryView::default();
        let mut changes = Changes::new(&empty);
        for (id, account) in &self.accounts {
            changes.put(id, account);
            bring_legal_entity(&mut changes, *id, account);
            account.parent.into_iter().for_each(|above| changes.item_opened(above, OpenItem::Account(*id)));
        }
        for (index, token) in self.tokens.iter().enumerate() {
            let created = tokens::create(&mut changes, token.id, token.issuer, &token.terms);
            created.map_err(|reason| invalid(format!("tokens[{index}]"), reason.explanation()))?;
        }
        for (index, (parameter, value)) in self.lending_parameters.iter().enumerate() {
            let set = set_parameter(&mut changes, *parameter, value.clone());
            set.map_err(|reason| invalid(format!("lending_parameters[{index}]"), reason.explanation()))?;
        }
        for (index, forbidden) in self.forbidden_purposes.iter().enumerate() {
            let set = forbid_purposes(&mut changes, forbidden.clone());
            set.map_err(|reason| invalid(format!("forbidden_purposes[{index}]"), reason.explanation()))?;
        }
        governance::list_validators(&mut changes, self.named_validators());
        changes.put(&FromEpoch(0), &self.validators);
        changes.put(&PARAMETERS_KEY, &Parameters { epoch_length: self.file.epoch_length });
        changes.put(&PROTOCOL_KEY, &Protocol::following(self.file.protocol_version));

        let time = BlockTime(self.file.time_ms);
        let reserve_lines = tokens::reserve_lines(&changes, time);
        let header = self.header(&reserve_lines);
        let mut history = Frontier::default();
        history.push(header.history_leaf());
        changes.put(&history.size(), &HistoryRoot(history.root()));
        changes.put(&TIP_KEY, &Tip { height: 0, time, hash: header.hash(), history });

        let mut accumulator = StateAccumulator::default();
        let state = WorkingSet::new(Arc::new(MemoryView::default()));
        state.take_over(changes.finish().writes);
        let writes = settle(state.finish().0, &mut accumulator);
        let block = Block::new(header, Vec::new()).map_err(|error| invalid("genesis block", error.to_string()))?;
        Ok(GenesisBlock { block, writes, accumulator, reserve_lines })
    }

    fn header(&self, reserve_lines: &[ReserveLine]) -> Header {
        let validators_hash = self.validators.hash();
        Header {
            chain_id: self.chain_id,
            epoch: 0,
            height: 0,
            parent: Hash::ZERO,
            time: BlockTime(self.file.time_ms),
            proposer: PublicKey([0; 32]),
            transaction_count: 0,
            transactions_root: transactions_root(&[]),
            outcome_count: 0,
            outcomes_root: outcomes_root(&[]),
            parent_state_digest: StateAccumulator::default().digest(),
            history_root: merkle::root(&[]),
            validators_hash,
            next_validators_hash: validators_hash,
            reserves_root: reserves_root(reserve_lines),
        }
    }
}

fn read_key(field: &str, text: &str) -> Result<PublicKey, GenesisError> {
    text.parse().map_err(|error: crate::primitives::crypto::KeyError| invalid(field, error.to_string()))
}

fn read_validators(specs: &[ValidatorSpec]) -> Result<ValidatorSet, GenesisError> {
    let mut keys = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        keys.push(read_key(&format!("validators[{index}].public_key"), &spec.public_key)?);
    }
    ValidatorSet::new(keys).ok_or_else(|| invalid("validators", "there must be 1 to 100 of them, each key once"))
}

fn read_accounts(specs: &[AccountSpec]) -> Result<BTreeMap<AccountId, Account>, GenesisError> {
    let (mut accounts, mut openers) = (BTreeMap::new(), BTreeMap::new());
    for (index, spec) in specs.iter().enumerate() {
        let at = |field: &str| format!("accounts[{index}].{field}");
        let mut keys = Vec::new();
        for key in &spec.keys {
            keys.push(read_key(&at("keys"), key)?);
        }
        let keys = KeySet::new(keys, spec.threshold)
            .ok_or_else(|| invalid(at("keys"), "1 to 16 keys, each once, and a threshold of 1 to their number"))?;
        let roles = spec.roles.iter().map(|role| role.parse()).collect::<Result<Roles, String>>();
        let roles = roles.map_err(|why| invalid(at("roles"), why))?;
        // Invoices are told apart by the parties' legal entities, so the form is that of accounts opened later.
        check_legal_entity_id(&spec.legal_entity_id)
            .map_err(|malformed| invalid(at("legal_entity_id"), malformed.why))?;
        let parent = spec.parent.as_deref().map(genesis_account_id);
        if parent.is_some_and(|parent| !accounts.contains_key(&parent)) {
            return Err(invalid(at("parent"), "no account of this name stands earlier in the file"));
        }
        let (id, legal_entity_id) = (genesis_account_id(&spec.name), spec.legal_entity_id.clone());
        let opener = *openers.entry(legal_entity_id.clone()).or_insert(parent.unwrap_or(id));
        if !legal_entity_id.is_empty() && opener != parent.unwrap_or(id) {
            let why = "an account of this legal entity stands earlier in the file, and not under the same account";
            return Err(invalid(at("legal_entity_id"), why));
        }
        let account = Account { parent, keys, roles, legal_entity_id, closed: false };
        if accounts.insert(id, account).is_some() {
            return Err(invalid(at("name"), format!("'{}' stands twice", spec.name)));
        }
    }
    Ok(accounts)
}

fn read_lending_parameters(specs: &[LendingParameterSpec]) -> Result<Vec<(Parameter, ParameterValue)>, GenesisError> {
    let mut parameters = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let at = |field: &str| format!("lending_parameters[{index}].{field}");
        let parameter = spec.parameter.parse().map_err(|why: String| invalid(at("parameter"), why))?;
        let in_force_from = BlockTime(spec.in_force_from_ms);
        let value = ParameterValue { in_force_from, value: spec.value, law: spec.law.clone() };
        value.check().map_err(|malformed| invalid(at(&malformed.field), malformed.why))?;
        parameters.push((parameter, value));
    }
    Ok(parameters)
}

fn read_forbidden_purposes(specs: &[ForbiddenPurposesSpec]) -> Result<Vec<ForbiddenPurposes>, GenesisError> {
    let mut lists = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let in_force_from = BlockTime(spec.in_force_from_ms);
        let list = ForbiddenPurposes { in_force_from, purposes: spec.purposes.clone(), law: spec.law.clone() };
        let at = |field: &str| format!("forbidden_purposes[{index}].{field}");
        list.check().map_err(|malformed| invalid(at(&malformed.field), malformed.why))?;
        lists.push(list);
    }
    Ok(lists)
}

fn read_tokens(
    specs: &[TokenSpec],
    accounts: &BTreeMap<AccountId, Account>,
) -> Result<Vec<GenesisToken>, GenesisError> {
    let mut tokens = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let at = |field: &str| format!("tokens[{index}].{field}");
        let party = |field: &str, name: &str| {
            let id = genesis_account_id(name);
            let known = accounts.contains_key(&id);
            known.then_some(id).ok_or_else(|| invalid(at(field), format!("no account is named '{name}'")))
        };
        let id = spec.token_id.parse().map_err(|error: ParseIdError| invalid(at("token_id"), error.to_string()))?;
        let currency = spec.currency.parse();
        let terms = TokenTerms {
            currency: currency.map_err(|error: ParseCurrencyError| invalid(at("currency"), error.to_string()))?,
            scale: spec.scale,
            custodian: party("custodian", &spec.custodian)?,
            reserve_policy: ReservePolicy {
                asset_rules: read_asset_rules(&at("asset_rules"), &spec.asset_rules)?,
                attestation_age_ms_max: spec.attestation_age_ms_max,
            },
            calendar: read_calendar(spec, &at)?,
            redemption_business_days: spec.redemption_business_days,
        };
        terms.check().map_err(|malformed| invalid(at(&malformed.field), malformed.why))?;
        tokens.push(GenesisToken { id, issuer: party("issuer", &spec.issuer)?, terms });
    }
    Ok(tokens)
}

fn read_asset_rules(field: &str, specs: &[AssetRuleSpec]) -> Result<Vec<AssetRule>, GenesisError> {
    let names = || AssetClass::ALL.iter().map(|class| class.name()).collect::<Vec<_>>().join(", ");
    let read = |spec: &AssetRuleSpec| {
        let asset_class = AssetClass::ALL.iter().copied().find(|class| class.name() == spec.asset_class);
        let why = || format!("'{}' is not a class of assets; classes are {}", spec.asset_class, names());
        let asset_class = asset_class.ok_or_else(|| invalid(field, why()))?;
        let AssetRuleSpec { maturity_days_max, haircut_bps_min, .. } = *spec;
        Ok(AssetRule { asset_class, maturity_days_max, haircut_bps_min })
    };
    specs.iter().map(read).collect()
}

/// Days since 1970-01-01 of a date written `YYYY-MM-DD`.
fn read_day(field: String, text: &str) -> Result<u32, GenesisError> {
    let malformed = || invalid(field.clone(), format!("'{text}' is not a date of the form YYYY-MM-DD after 1970"));
    let date: jiff::civil::Date = text.parse().map_err(|_| malformed())?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| malformed())?;
    let ms = u64::try_from(midnight.timestamp().as_millisecond()).map_err(|_| malformed())?;
    u32::try_from(ms / DAY_MS).map_err(|_| malformed())
}

fn read_calendar(spec: &TokenSpec, at: &impl Fn(&str) -> String) -> Result<BusinessCalendar, GenesisError> {
    let holidays = spec.holidays.iter().map(|day| read_day(at("holidays"), day)).collect::<Result<_, _>>()?;
    let offset = u16::try_from(i32::from(spec.utc_offset_minutes) + 720)
        .map_err(|_| invalid(at("utc_offset_minutes"), "-720 to 840"))?;
    let calendar = BusinessCalendar { utc_offset_minutes_plus_720: offset, holidays };
    if !calendar.is_well_formed() {
        return Err(invalid(at("holidays"), "offset from -720 to 840; days ascending, each once, at most 1,024"));
    }
    Ok(calendar)
}
