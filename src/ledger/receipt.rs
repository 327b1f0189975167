//! Receipts: what happened, with everything that it takes to believe it.
//!
//! A receipt carries the transaction, its outcome, the paths of both to the block's header, and a certificate by the
//! quorum of the header's epoch, or the header's way into the history of a later header that has one. With the genesis
//! file alone anyone verifies it offline; `docs/receipt-format.md` tells how, byte by byte. What fell due in a block, such as a
//! loan's ageing, has an outcome and no transaction: its receipt is the same without one. So is that of a transaction whose body
//! the node no longer keeps: the outcome names the transaction, and its place in the block says that it is one.
//!
//! # Invariants
//! * What [`Receipt::verify`] accepts, a quorum of the validators that descend from the genesis made final.
//! * Whatever is flipped in a receipt's bytes, it no longer verifies: headers name the sizes of their trees, so even the
//!   place that a path names is proven.
//! * A receipt without a transaction is of a transaction if its outcome stands among those of the block's transactions, and else of
//!   what fell due, whose id is that of its height and place. Neither can be shown as the other ([`Receipt::subject`]).
//! * The receipt's id leaves out certificate, history, opened balances and the transaction's bytes: two nodes that hold different
//!   certificates of one block give receipts of one id, so does one node to the payer and to the payee, and so does one that
//!   no longer has the transaction. The header commits to the transaction, signatures included, and a block has it once.
//!
//! # Deliberately absent
//! Freshness. A receipt proves that something happened, not that nothing happened since: that is what certified reads
//! are for. And protection from the leaked keys of retired validators, who could forge a history: pin a later header
//! with [`TrustRoot::checkpoint`].

use super::blinding::BalanceAfter;
use super::block::{Header, history_leaf};
use super::certificate::{Certificate, CertificateError, consensus_namespace};
use super::limits::OUTCOME_ENTRIES_MAX;
use super::outcome::{Outcome, due_outcome_id};
use super::transaction::SignedTransaction;
use super::validators::ValidatorSet;
use crate::codec_struct;
use crate::primitives::crypto::{Domain, TRANSACTION_NAMESPACE, hash};
use crate::primitives::merkle::Path;
use crate::primitives::{
    AccountId, ChainId, CodecError, Decode, Encode, Hash, PublicKey, Reader, TokenId, TransactionId,
};
use bytes::Bytes;
use thiserror::Error;

/// Most handovers that a receipt carries.
pub const HANDOVERS_MAX: usize = 4_096;

/// Where the receipt's block has no certificate of its own: its header's way to a later header that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaterHeader {
    /// From the block's header to the later header's `history_root`.
    pub path: Path,
    /// The later header.
    pub header: Header,
}
codec_struct!(LaterHeader { path, header });

/// A header's way to the certified one: the receipt belongs to the history that it ends, or goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The header's hash. Its height is the path's index.
    pub header_hash: Hash,
    /// From that header to the certified header's `history_root`.
    pub path: Path,
}
codec_struct!(Anchor { header_hash, path });

/// An epoch's last header, certified by that epoch's quorum, and the validators that it hands over to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The boundary header.
    pub header: Header,
    /// Its certificate.
    pub certificate: Bytes,
    /// The next epoch's validators.
    pub next_validators: ValidatorSet,
}
codec_struct!(Handover { header, certificate, next_validators });

/// A transaction, with its way to the header of the block that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedTransaction {
    /// The transaction, as it was signed.
    pub signed: SignedTransaction,
    /// From the transaction to the header.
    pub path: Path,
}
codec_struct!(PlacedTransaction { signed, path });

/// What a receipt is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A transaction, which is carried along.
    Transaction(&'a PlacedTransaction),
    /// A transaction that is named and not carried along.
    BodyNotCarried,
    /// Something that fell due, which nobody sent.
    FellDue,
}

/// Proof of a transaction and of what it did, or of what fell due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction; none of what fell due, nor where it is no longer kept.
    pub transaction: Option<PlacedTransaction>,
    /// What it did, or what fell due.
    pub outcome: Outcome,
    /// Openings of the balances that the outcome commits to: of those that the receipt's holder may know.
    pub balances: Vec<BalanceAfter>,
    /// From the outcome to the header.
    pub outcome_path: Path,
    /// The block's header.
    pub header: Header,
    /// Where the block has no certificate of its own.
    pub later: Option<LaterHeader>,
    /// Where a verifier's checkpoint is neither the block's header nor the certified one: its way there.
    pub anchor: Option<Anchor>,
    /// The certificate of the later header, or of the block's own.
    pub certificate: Bytes,
    /// From the genesis' validators to those of the certificate; only where the set changed.
    pub handovers: Vec<Handover>,
}

impl Encode for Receipt {
    fn encode(&self, out: &mut Vec<u8>) {
        self.transaction.encode(out);
        self.outcome.encode(out);
        self.balances.encode(out);
        self.outcome_path.encode(out);
        self.header.encode(out);
        self.later.encode(out);
        self.anchor.encode(out);
        self.certificate.encode(out);
        self.handovers.encode(out);
    }
}

impl Decode for Receipt {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            transaction: Option::decode(reader)?,
            outcome: Outcome::decode(reader)?,
            balances: reader.list("balances", OUTCOME_ENTRIES_MAX)?,
            outcome_path: Path::decode(reader)?,
            header: Header::decode(reader)?,
            later: Option::decode(reader)?,
            anchor: Option::decode(reader)?,
            certificate: Bytes::decode(reader)?,
            handovers: reader.list("handovers", HANDOVERS_MAX)?,
        })
    }
}

/// What a verifier trusts: the genesis, and perhaps a later header.
#[derive(Clone, Debug)]
pub struct TrustRoot {
    /// The ledger.
    pub chain_id: ChainId,
    /// The validators of the first epoch.
    pub validators: ValidatorSet,
    /// How many heights an epoch has.
    pub epoch_length: u64,
    /// A header that is known to be final from elsewhere. A receipt must be of the history that contains it.
    pub checkpoint: Option<Checkpoint>,
}

/// A header that the verifier trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Why a receipt proves nothing, in the order in which it is checked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// The header names another ledger.
    #[error("the receipt is of ledger {found}, not of {expected}")]
    ForeignChain {
        /// The receipt's.
        found: ChainId,
        /// The genesis file's.
        expected: ChainId,
    },
    /// A signature of the transaction does not verify.
    #[error("the transaction's signature by {0} does not verify")]
    TransactionSignature(PublicKey),
    /// The transaction is not in the block.
    #[error("the transaction's path does not lead to the header's transactions root")]
    TransactionPath,
    /// The outcome is of another transaction.
    #[error("the outcome is of another transaction")]
    OutcomeOfAnother,
    /// There is no transaction, and the outcome is not of what fell due at its place of the block.
    #[error(
        "the receipt has no transaction, and its outcome is not of anything that fell due at height {height}: it has another \
         id than what fell due at its place, or stands among the transactions' outcomes"
    )]
    NotFallenDue {
        /// The header's height.
        height: u64,
    },
    /// The outcome is not in the block, or stands at another place.
    #[error("the outcome's path does not lead to the header's outcomes root, or not at the transaction's place")]
    OutcomePath,
    /// A balance is not what the outcome commits to, or stands out of order.
    #[error("the balance of {account} in {token} is not the one that the outcome commits to there")]
    Balance {
        /// Whose.
        account: AccountId,
        /// Of which token.
        token: TokenId,
    },
    /// The header is not in the later header's history.
    #[error("the header's path does not lead to the later header's history root")]
    HistoryPath,
    /// An epoch is not that of its height.
    #[error("height {height} is in epoch {expected}, not in epoch {found}")]
    Epoch {
        /// The height.
        height: u64,
        /// The epoch claimed.
        found: u64,
        /// The height's epoch.
        expected: u64,
    },
    /// The anchor is not in the certified header's history.
    #[error("the anchor's path does not lead to the certified header's history root")]
    Anchor,
    /// A handover is not the boundary header of its epoch, or names other validators than its header commits to.
    #[error("handover {0} does not hand over from its epoch's validators to the next's")]
    Handover(usize),
    /// The certified header commits to other validators than those in charge.
    #[error("the certified header commits to other validators than those who were in charge")]
    Validators,
    /// The certificate does not decode.
    #[error("the certificate does not decode: {0}")]
    CertificateForm(CodecError),
    /// The certificate is of another header.
    #[error("the certificate is of another header")]
    CertificateOfAnother,
    /// The certificate does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The receipt says nothing of the checkpoint's height.
    #[error(
        "the receipt does not show that it is of the checkpoint's history: it names no block of height {0}. Fetch it for \
         checkpoint height {0}"
    )]
    CheckpointNotShown(u64),
    /// The receipt is of a history that has another block at the checkpoint's height.
    #[error(
        "the receipt is of another history: it shows block {shown} at height {height}, where you trust block {trusted}"
    )]
    OtherHistory {
        /// The checkpoint's height.
        height: u64,
        /// The block that the receipt shows there.
        shown: Hash,
        /// The block that the verifier trusts.
        trusted: Hash,
    },
}

impl ReceiptError {
    /// A name for the check that failed, which outcomes hold and so never changes.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ForeignChain { .. } => "chain",
            Self::TransactionSignature(_) => "transaction-signature",
            Self::TransactionPath => "transaction-path",
            Self::OutcomeOfAnother => "outcome-of-another",
            Self::NotFallenDue { .. } => "not-fallen-due",
            Self::OutcomePath => "outcome-path",
            Self::Balance { .. } => "balance",
            Self::HistoryPath => "history-path",
            Self::Epoch { .. } => "epoch",
            Self::Anchor => "anchor",
            Self::Handover(_) => "handover",
            Self::Validators => "validators",
            Self::CertificateForm(_) => "certificate-form",
            Self::CertificateOfAnother => "certificate-of-another",
            Self::Certificate(_) => "certificate",
            Self::CheckpointNotShown(_) => "checkpoint-not-shown",
            Self::OtherHistory { .. } => "other-history",
        }
    }
}

impl Receipt {
    /// The receipt's id: the same at every node.
    pub fn id(&self) -> Hash {
        let mut bytes = self.header.hash().to_bytes();
        self.transaction_id().encode(&mut bytes);
        self.outcome.hash().encode(&mut bytes);
        hash(Domain::RECEIPT, &bytes)
    }

    /// What the receipt is of, by the place of its outcome in the block.
    pub fn subject(&self) -> Subject<'_> {
        match &self.transaction {
            Some(transaction) => Subject::Transaction(transaction),
            None if self.outcome_path.index < u64::from(self.header.transaction_count) => Subject::BodyNotCarried,
            None => Subject::FellDue,
        }
    }

    /// The transaction's id, or that of what fell due.
    pub fn transaction_id(&self) -> TransactionId {
        self.transaction.as_ref().map_or(self.outcome.transaction_id, |transaction| transaction.signed.id())
    }

    /// The same for who trusts the validators of a later epoch than the genesis': without the handovers that lead up to them,
    /// which prove nothing more. Where none of its handovers is from them, or to them, it stays as it is.
    #[must_use]
    pub fn from_validators(mut self, trusted: &ValidatorSet) -> Self {
        let hash = trusted.hash();
        let begins = self.handovers.iter().position(|handover| handover.header.validators_hash == hash);
        let ended = self.handovers.last().filter(|last| last.next_validators == *trusted).map(|_| self.handovers.len());
        self.handovers.drain(..begins.or(ended).unwrap_or_default());
        self
    }

    /// Verifies everything, from the transaction's signatures up to the quorum's.
    ///
    /// # Errors
    /// The first link that does not hold.
    pub fn verify(&self, trust: &TrustRoot) -> Result<(), ReceiptError> {
        if self.header.chain_id != trust.chain_id {
            return Err(ReceiptError::ForeignChain { found: self.header.chain_id, expected: trust.chain_id });
        }
        match self.subject() {
            Subject::Transaction(transaction) => self.check_transaction(transaction)?,
            // The outcome's path says where it stands; that it is there is checked below.
            Subject::BodyNotCarried => {}
            Subject::FellDue => self.check_fallen_due()?,
        }
        if !self.header.has_outcome(&self.outcome_path, &self.outcome.hash()) {
            return Err(ReceiptError::OutcomePath);
        }
        self.check_balances()?;
        let certified = certified_header(&self.header, self.later.as_ref())?;
        self.check_anchor(certified)?;
        check_quorum(trust, certified, &self.certificate, &self.handovers)?;
        self.check_checkpoint(trust, certified)
    }

    /// The transaction is signed and in the block, and the outcome is its own.
    fn check_transaction(&self, PlacedTransaction { signed, path }: &PlacedTransaction) -> Result<(), ReceiptError> {
        for signature in signed.signatures() {
            let key = signature.public_key;
            if !key.verify(TRANSACTION_NAMESPACE, signed.body(), &signature.signature) {
                return Err(ReceiptError::TransactionSignature(key));
            }
        }
        if !self.header.has_transaction(path, signed.leaf()) {
            return Err(ReceiptError::TransactionPath);
        }
        if self.outcome.transaction_id != signed.id() {
            return Err(ReceiptError::OutcomeOfAnother);
        }
        if self.outcome_path.index == path.index { Ok(()) } else { Err(ReceiptError::OutcomePath) }
    }

    /// The outcome is of what fell due at its place, after the outcomes of the block's transactions.
    fn check_fallen_due(&self) -> Result<(), ReceiptError> {
        let Header { height, transaction_count, .. } = self.header;
        let place = self.outcome_path.index.checked_sub(transaction_count.into());
        let place = place.and_then(|place| u32::try_from(place).ok());
        match place.is_some_and(|place| self.outcome.transaction_id == due_outcome_id(height, place)) {
            true => Ok(()),
            false => Err(ReceiptError::NotFallenDue { height }),
        }
    }

    /// Each balance opens one of the outcome's commitments, in the order of those.
    fn check_balances(&self) -> Result<(), ReceiptError> {
        let mut commitments = self.outcome.balances.iter();
        for balance in &self.balances {
            let BalanceAfter { account, token, .. } = *balance;
            let opened = balance.commitment();
            if !commitments.any(|commitment| *commitment == opened) {
                return Err(ReceiptError::Balance { account, token });
            }
        }
        Ok(())
    }

    fn check_anchor(&self, certified: &Header) -> Result<(), ReceiptError> {
        let Some(Anchor { header_hash, path }) = &self.anchor else { return Ok(()) };
        let leads = path.root_from(history_leaf(header_hash)) == Some(certified.history_root);
        if leads && path.size == certified.height { Ok(()) } else { Err(ReceiptError::Anchor) }
    }

    fn check_checkpoint(&self, trust: &TrustRoot, certified: &Header) -> Result<(), ReceiptError> {
        let Some(checkpoint) = trust.checkpoint else { return Ok(()) };
        let Checkpoint { height, hash: trusted } = checkpoint;
        let of = |header: &Header| (header.height == height).then(|| header.hash());
        let anchored = || self.anchor.as_ref().filter(|anchor| anchor.path.index == height);
        let shown = of(&self.header).or_else(|| of(certified)).or_else(|| anchored().map(|anchor| anchor.header_hash));
        match shown {
            None => Err(ReceiptError::CheckpointNotShown(height)),
            Some(shown) if shown == trusted => Ok(()),
            Some(shown) => Err(ReceiptError::OtherHistory { height, shown, trusted }),
        }
    }
}

/// The header that the certificate is of: the block's own, or a later one that has it in its history.
pub(super) fn certified_header<'a>(
    header: &'a Header,
    later: Option<&'a LaterHeader>,
) -> Result<&'a Header, ReceiptError> {
    let Some(later) = later else { return Ok(header) };
    let leads = later.path.root_from(header.history_leaf()) == Some(later.header.history_root);
    let placed = later.path.index == header.height && later.path.size == later.header.height;
    match leads && placed && later.header.chain_id == header.chain_id {
        true => Ok(&later.header),
        false => Err(ReceiptError::HistoryPath),
    }
}

/// A quorum of those who were in charge, as the handovers have it, made this header final.
pub(super) fn check_quorum(
    trust: &TrustRoot,
    certified: &Header,
    certificate: &[u8],
    handovers: &[Handover],
) -> Result<(), ReceiptError> {
    let validators = validators_in_charge(trust, certified, handovers)?;
    check_certificate(trust, certified, certificate, &validators)
}

/// Follows the handovers from the genesis' validators to those of the certified header.
fn validators_in_charge(
    trust: &TrustRoot,
    certified: &Header,
    handovers: &[Handover],
) -> Result<ValidatorSet, ReceiptError> {
    let mut validators = trust.validators.clone();
    let mut reached = 0;
    for (index, handover) in handovers.iter().enumerate() {
        let header = &handover.header;
        // Heights come from whoever made the receipt, up to the last that there is.
        let next_height = header.height.checked_add(1);
        let ends_an_epoch = next_height.is_some_and(|next| next.is_multiple_of(trust.epoch_length));
        let boundary = ends_an_epoch && header.height < certified.height;
        let next_hash = handover.next_validators.hash();
        let hands_over = header.chain_id == trust.chain_id
            && header.epoch >= reached
            && boundary
            && header.validators_hash == validators.hash()
            && header.next_validators_hash == next_hash;
        if !hands_over {
            return Err(ReceiptError::Handover(index));
        }
        check_certificate(trust, header, &handover.certificate, &validators)?;
        reached = header.epoch + 1;
        validators = handover.next_validators.clone();
    }
    match certified.validators_hash == validators.hash() {
        true => Ok(validators),
        false => Err(ReceiptError::Validators),
    }
}

fn check_certificate(
    trust: &TrustRoot,
    header: &Header,
    certificate: &[u8],
    validators: &ValidatorSet,
) -> Result<(), ReceiptError> {
    let certificate = Certificate::from_bytes(certificate).map_err(ReceiptError::CertificateForm)?;
    if certificate.block != header.hash() {
        return Err(ReceiptError::CertificateOfAnother);
    }
    let (height, expected) = (header.height, header.height / trust.epoch_length.max(1));
    for found in [header.epoch, certificate.epoch] {
        if found != expected {
            return Err(ReceiptError::Epoch { height, found, expected });
        }
    }
    Ok(certificate.verify(&consensus_namespace(&trust.chain_id), validators)?)
}
