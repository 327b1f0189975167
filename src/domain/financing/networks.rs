//! Other networks: ledgers of this kind whose receipts are believed here, and whose accounts are linked to accounts here.
//!
//! # Life cycle
//! ```text
//! open --retire--> retired --register--> open
//! ```
//! Governance registers a network by what its genesis says: chain id, validators, epoch length. A receipt of it is then verified
//! as anyone verifies one, from those validators over the handovers that it carries. Once its validators have changed, governance
//! registers the network again as it is: receipts need no handovers from before, and keys that retired count no longer.
//!
//! An account there is *linked* to one here from both sides. Its owner declares there which account it has here
//! ([`DeclareForeignAccount`]); that receipt proves it here, where the account links itself by showing it
//! ([`LinkForeignAccount`]). A receipt alone would not do: it shows ids of accounts, and an id says nothing of who stands
//! behind it.
//!
//! # Invariants
//! * An account of another network is linked to at most one here, for ever, and both are of one legal entity.
//! * Nothing is believed of a network that was not registered, or is retired.
//!
//! # Deliberately absent
//! Whether the other network deserves belief, and that its tokens are worth what they are taken for: governance answers for
//! both. Money that moves between networks.

use crate::domain::tokens;
use crate::ledger::limits::{FOREIGN_RECEIPT_BYTES_MAX, NETWORK_TOKENS_MAX, REFERENCE_BYTES_MAX};
use crate::ledger::malformed::{Malformed, require, require_reference};
use crate::ledger::receipt::{Receipt, ReceiptError, TrustRoot};
use crate::ledger::{Changes, Column, Context, Effect, Entry, Outcome, Reason, Role, ValidatorSet, Value};
use crate::primitives::{AccountId, ChainId, Decode as _, Hash, PublicKey, TokenId};
use crate::{codec_struct, codec_tag};
use bytes::Bytes;

/// The name of the effect by which an account says which account it has on another network.
const DECLARED: &str = "financing.foreign_account_declared";

/// A chain id as effects and reasons show it.
fn shown(network: ChainId) -> Hash {
    Hash(network.0)
}

/// Whether a network's receipts are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkState {
    /// They are.
    Open,
    /// No longer.
    Retired,
}
codec_tag!(NetworkState { Open = 1, Retired = 2 });

impl NetworkState {
    /// The name in effects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Retired => "retired",
        }
    }
}

/// A token of another network and the token here that it is taken for, of the same minor unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenPair {
    /// There.
    pub there: TokenId,
    /// Here.
    pub here: TokenId,
}
codec_struct!(TokenPair { there, here });

/// Another network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name, for people.
    pub name: String,
    /// The validators from which its receipts are verified.
    pub validators: ValidatorSet,
    /// How many heights an epoch of it has.
    pub epoch_length: u64,
    /// Its tokens that are taken for tokens here, ascending.
    pub tokens: Vec<TokenPair>,
    state: NetworkState,
}
codec_struct!(Network { name, validators, epoch_length, tokens, state });

impl Entry for Network {
    const COLUMN: Column = Column::Networks;
    type Key = ChainId;
}

impl Network {
    /// Whether its receipts are believed.
    pub fn state(&self) -> NetworkState {
        self.state
    }

    /// The token here that one of its tokens is taken for.
    pub(super) fn token_here(&self, there: TokenId) -> Option<TokenId> {
        self.tokens.iter().find(|pair| pair.there == there).map(|pair| pair.here)
    }
}

/// The network of a chain id, if its receipts are believed.
///
/// # Errors
/// `UNKNOWN_NETWORK`, `NETWORK_RETIRED`.
pub fn network(changes: &Changes<'_>, id: ChainId) -> Result<Network, Reason> {
    let found: Network = changes.read(&id).ok_or(Reason::UnknownNetwork { network: shown(id) })?;
    match found.state {
        NetworkState::Open => Ok(found),
        NetworkState::Retired => Err(Reason::NetworkRetired { network: shown(id) }),
    }
}

/// Registers a network, or registers one again as it is now. The sender has the role of governance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterNetwork {
    /// Its chain id: the hash of its genesis file.
    pub network: ChainId,
    /// Its name, for people.
    pub name: String,
    /// The validators of its genesis, or of a later epoch.
    pub validators: ValidatorSet,
    /// How many heights an epoch of it has.
    pub epoch_length: u64,
    /// Its tokens that are taken for tokens here, ascending by the token there.
    pub tokens: Vec<TokenPair>,
}

impl RegisterNetwork {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        require_reference("name", &self.name, 1, REFERENCE_BYTES_MAX)?;
        for (index, key) in self.validators.keys().iter().enumerate() {
            let registrable = PublicKey::registrable(&key.0);
            registrable.map_err(|error| Malformed::new(format!("validators[{index}]"), error.to_string()))?;
        }
        require(self.epoch_length > 0, "epoch_length", "it must be positive")?;
        let ascending = self.tokens.windows(2).all(|pair| pair[0].there < pair[1].there);
        let paired = ascending && self.tokens.len() <= NETWORK_TOKENS_MAX;
        require(paired, "tokens", format!("they must be at most {NETWORK_TOKENS_MAX}, ascending, each once"))
    }

    /// Plans the registration.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `NETWORK_IS_THIS_ONE`, `UNKNOWN_TOKEN`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        context.signed_in_role(changes, context.sender, Role::Governance)?;
        require_other(self.network, context)?;
        self.tokens.iter().try_for_each(|pair| tokens::require_known(changes, pair.here))?;
        let (name, validators, tokens) = (self.name.clone(), self.validators.clone(), self.tokens.clone());
        let state = NetworkState::Open;
        changes.put(&self.network, &Network { name, validators, epoch_length: self.epoch_length, tokens, state });
        let paired = |pair: &TokenPair| format!("{}={}", pair.there, pair.here);
        changes.record(
            Effect::new("financing.network_registered")
                .with("network", shown(self.network))
                .with("name", self.name.as_str())
                .with("validators_hash", self.validators.hash())
                .with("epoch_length", self.epoch_length)
                .with("tokens", self.tokens.iter().map(paired).collect::<Vec<_>>().join(", "))
                .with("state", state.name()),
        );
        Ok(())
    }
}

/// Ends belief in a network's receipts. The sender has the role of governance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetireNetwork {
    /// Its chain id.
    pub network: ChainId,
}

impl RetireNetwork {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the end.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`] and of [`network`].
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        context.signed_in_role(changes, context.sender, Role::Governance)?;
        let found = network(changes, self.network)?;
        let state = NetworkState::Retired;
        changes.record(
            Effect::new("financing.network_retired")
                .with("network", shown(self.network))
                .with("name", found.name.as_str())
                .with("state", state.name()),
        );
        changes.put(&self.network, &Network { state, ..found });
        Ok(())
    }
}

fn require_other(network: ChainId, context: &Context<'_>) -> Result<(), Reason> {
    match network == context.chain_id {
        true => Err(Reason::NetworkIsThisOne { network: shown(network) }),
        false => Ok(()),
    }
}

/// An account of another network, as it is linked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignAccount {
    /// The account here.
    pub account: AccountId,
}
codec_struct!(ForeignAccount { account });

impl Entry for ForeignAccount {
    const COLUMN: Column = Column::ForeignAccounts;
    /// The network's chain id, and the account there.
    type Key = (ChainId, AccountId);
}

/// Says which account the sender has on another network. It changes nothing here: its receipt is shown there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclareForeignAccount {
    /// The other network's chain id.
    pub network: ChainId,
    /// The account there.
    pub account: AccountId,
}

impl DeclareForeignAccount {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the declaration.
    ///
    /// # Errors
    /// Those of [`Context::signed_by`], `LEGAL_ENTITY_REQUIRED`, `NETWORK_IS_THIS_ONE`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let legal_entity_id = signing_entity(context, changes)?;
        require_other(self.network, context)?;
        // Not as an account: under the same id somebody else may stand here, whom this does not concern.
        changes.record(
            Effect::new(DECLARED)
                .with("account", context.sender)
                .with("legal_entity_id", legal_entity_id)
                .with("network", shown(self.network))
                .with("foreign_account", Hash(self.account.0)),
        );
        Ok(())
    }
}

/// Links the sender to its account on another network, by the receipt of that account's declaration there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkForeignAccount {
    /// The receipt's canonical bytes.
    pub receipt: Bytes,
}

impl LinkForeignAccount {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The receipt is empty, or too large.
    pub fn check(&self) -> Result<(), Malformed> {
        check_foreign_receipt("receipt", &self.receipt)
    }

    /// Plans the link.
    ///
    /// # Errors
    /// Those of [`Context::signed_by`], `LEGAL_ENTITY_REQUIRED`, those of `prove`, `FOREIGN_ACCOUNT_NOT_DECLARED`,
    /// `FOREIGN_LEGAL_ENTITY_DIFFERS`, `FOREIGN_ACCOUNT_LINKED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (account, legal_entity_id) = (context.sender, signing_entity(context, changes)?);
        let (id, _, receipt) = prove(&self.receipt, 0, changes)?;
        let not_declared = Reason::ForeignAccountNotDeclared { network: shown(id), account };
        let declared = declaration(&receipt.outcome, context.chain_id, account);
        let (foreign, foreign_legal_entity_id) = declared.ok_or(not_declared)?;
        if foreign_legal_entity_id != legal_entity_id {
            return Err(Reason::ForeignLegalEntityDiffers { legal_entity_id, foreign_legal_entity_id });
        }
        let (network, foreign_account) = (shown(id), Hash(foreign.0));
        if let Some(ForeignAccount { account }) = changes.read(&(id, foreign)) {
            return Err(Reason::ForeignAccountLinked { foreign_account, account });
        }
        changes.put(&(id, foreign), &ForeignAccount { account });
        changes.record(
            Effect::new("financing.foreign_account_linked")
                .with("account", account)
                .with("legal_entity_id", legal_entity_id)
                .with("network", network)
                .with("foreign_account", foreign_account),
        );
        Ok(())
    }
}

/// The legal entity of a sender that signed.
fn signing_entity(context: &Context<'_>, changes: &Changes<'_>) -> Result<String, Reason> {
    let account = context.sender;
    let entity = context.signed_by(changes, account)?.legal_entity_id;
    if entity.is_empty() { Err(Reason::LegalEntityRequired { account }) } else { Ok(entity) }
}

/// The account, with its legal entity, that declared there that it has this account on this ledger. Only the owner of an
/// account makes that effect, and an outcome that was declined has none.
fn declaration(outcome: &Outcome, ledger: ChainId, account: AccountId) -> Option<(AccountId, String)> {
    let declared = outcome.effects.iter().filter(|effect| effect.name == DECLARED);
    let mut of_this = declared.filter(|effect| {
        effect.field("network") == Some(&Value::Hash(shown(ledger)))
            && effect.field("foreign_account") == Some(&Value::Hash(Hash(account.0)))
    });
    of_this.find_map(|effect| match (effect.field("account"), effect.field("legal_entity_id")) {
        (Some(Value::Account(there)), Some(Value::Text(entity))) => Some((*there, entity.clone())),
        _ => None,
    })
}

/// Holds a receipt of another network to its size.
///
/// # Errors
/// It is empty, or too large.
pub(super) fn check_foreign_receipt(field: &str, receipt: &Bytes) -> Result<(), Malformed> {
    let fits = (1..=FOREIGN_RECEIPT_BYTES_MAX).contains(&receipt.len());
    require(fits, field, format!("it has {} bytes and must have 1 to {FOREIGN_RECEIPT_BYTES_MAX}", receipt.len()))
}

/// A receipt of another network that is registered, verified from its validators to the transaction.
///
/// # Errors
/// `FOREIGN_RECEIPT_UNPROVEN`, `UNKNOWN_NETWORK`, `NETWORK_RETIRED`, `FOREIGN_VALIDATORS_UNKNOWN`, `CITATION_DECLINED`.
pub(super) fn prove(
    bytes: &[u8],
    citation_index: u64,
    changes: &Changes<'_>,
) -> Result<(ChainId, Network, Receipt), Reason> {
    let unproven = |failed| Reason::ForeignReceiptUnproven { citation_index, failed };
    let receipt = Receipt::from_bytes(bytes).map_err(|_| unproven("form"))?;
    let id = receipt.header.chain_id;
    let registered = network(changes, id)?;
    let (validators, epoch_length) = (registered.validators.clone(), registered.epoch_length);
    let receipt = receipt.from_validators(&validators);
    let trust = TrustRoot { chain_id: id, validators, epoch_length, checkpoint: None };
    receipt.verify(&trust).map_err(|error| match error {
        ReceiptError::Validators => Reason::ForeignValidatorsUnknown { citation_index, network: shown(id) },
        other => unproven(other.name()),
    })?;
    match receipt.outcome.is_applied() {
        true => Ok((id, registered, receipt)),
        false => Err(Reason::CitationDeclined { citation_index }),
    }
}
