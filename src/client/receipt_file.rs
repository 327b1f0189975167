//! Receipts as files: JSON that carries the receipt's canonical bytes in hexadecimal, for people to keep and programs to
//! check. `docs/receipt-format.md` describes the layout and what to do with it.
//!
//! # Invariants
//! * A receipt has one file: fields in a fixed order, lower-case digits, a newline at the end.
//! * What stands in the file twice, the id and the height, is held to what it is computed from. So nothing in a file that
//!   was read can contradict what was proven.
//!
//! # Deliberately absent
//! Verification, which is [`Receipt::verify`]: a file that reads well proves nothing yet.

use super::bounded_file;
use crate::ledger::receipt::{Anchor, HANDOVERS_MAX, Handover, LaterHeader, PlacedTransaction};
use crate::ledger::{Header, Outcome, Receipt, SignedTransaction, TransactionSignature, ValidatorSet};
use crate::primitives::merkle::Path;
use crate::primitives::{CodecError, Decode, Encode, Hash, PublicKey, Signature};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::PathBuf;
use thiserror::Error;

/// What the file says it is.
pub const RECEIPT_FILE_FORMAT: &str = "causeway-receipt/1";
/// Largest receipt file: a full transaction, its outcome and the most handovers, in hexadecimal, stay below.
pub const RECEIPT_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why a file is not a receipt.
#[derive(Debug, Error)]
pub enum ReceiptFileError {
    /// It could not be read.
    #[error("the receipt file {} could not be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// It could not be written.
    #[error("the receipt file {} could not be written: {cause}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// Larger than any receipt.
    #[error("the receipt file is longer than the {RECEIPT_FILE_BYTES_MAX} bytes that are allowed")]
    TooLarge,
    /// Not JSON of the expected shape. The message says where.
    #[error("the receipt file is not of the expected form: {0}")]
    Form(#[from] serde_json::Error),
    /// Of another format.
    #[error("the file is of format '{0}', this version reads '{RECEIPT_FILE_FORMAT}'")]
    Format(String),
    /// A field whose bytes are not what they should be.
    #[error("{field}: {cause}")]
    Field {
        /// Its name.
        field: &'static str,
        /// Why.
        cause: CodecError,
    },
    /// The file's id is not that of its content.
    #[error("the file says that it is receipt {said}, its content is receipt {computed}")]
    Id {
        /// What the file says.
        said: Hash,
        /// What its content hashes to.
        computed: Hash,
    },
    /// The file's height is not its header's.
    #[error("the file says height {said}, its header says {header}")]
    Height {
        /// What the file says.
        said: u64,
        /// What the header says.
        header: u64,
    },
}

/// A receipt as the text of a file.
///
/// # Errors
/// None that has been seen: a tree of texts and numbers has a JSON form.
pub fn to_text(receipt: &Receipt) -> Result<String, ReceiptFileError> {
    Ok(serde_json::to_string_pretty(&File::of(receipt))? + "\n")
}

/// The receipt in the text of a file. It is well formed; whether it is true is for [`Receipt::verify`] to say.
///
/// # Errors
/// What is wrong, and in which field.
pub fn from_text(text: &str) -> Result<Receipt, ReceiptFileError> {
    require_size(text.len() as u64)?;
    // The format is read first, so that a file of a later one is named and not merely found strange.
    let Marked { format } = serde_json::from_str(text)?;
    if format != RECEIPT_FILE_FORMAT {
        return Err(ReceiptFileError::Format(format));
    }
    let file: File = serde_json::from_str(text)?;
    let (said_id, said_height) = (Hash(fixed("receipt_id", &file.receipt_id)?), file.height);
    let receipt = file.into_receipt()?;
    if receipt.header.height != said_height {
        return Err(ReceiptFileError::Height { said: said_height, header: receipt.header.height });
    }
    match receipt.id() {
        computed if computed == said_id => Ok(receipt),
        computed => Err(ReceiptFileError::Id { said: said_id, computed }),
    }
}

/// Writes a receipt file.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &std::path::Path, receipt: &Receipt) -> Result<(), ReceiptFileError> {
    let text = to_text(receipt)?;
    std::fs::write(path, text).map_err(|cause| ReceiptFileError::Unwritable { path: path.to_path_buf(), cause })
}

/// Reads a receipt file. Nothing of it is verified yet.
///
/// # Errors
/// It cannot be read, or is no receipt.
pub fn read(path: &std::path::Path) -> Result<Receipt, ReceiptFileError> {
    let unreadable = |cause| ReceiptFileError::Unreadable { path: path.to_path_buf(), cause };
    let text = bounded_file::read_text(path, RECEIPT_FILE_BYTES_MAX).map_err(unreadable)?;
    from_text(&text.ok_or(ReceiptFileError::TooLarge)?)
}

fn require_size(bytes: u64) -> Result<(), ReceiptFileError> {
    if bytes > RECEIPT_FILE_BYTES_MAX { Err(ReceiptFileError::TooLarge) } else { Ok(()) }
}

#[derive(Deserialize)]
struct Marked {
    format: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    receipt_id: Hex,
    height: u64,
    // Present even if null: a field that may be missing is one that can be forgotten.
    #[serde(deserialize_with = "present")]
    transaction: Option<FileTransaction>,
    outcome: Hex,
    balances: Vec<Hex>,
    outcome_path: FilePath,
    header: Hex,
    #[serde(deserialize_with = "present")]
    later: Option<FileLater>,
    #[serde(deserialize_with = "present")]
    anchor: Option<FileAnchor>,
    certificate: Hex,
    handovers: Vec<FileHandover>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTransaction {
    body: Hex,
    signatures: Vec<FileSignature>,
    path: FilePath,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSignature {
    public_key: Hex,
    signature: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePath {
    index: u64,
    size: u64,
    siblings: Vec<Hex>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLater {
    path: FilePath,
    header: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAnchor {
    header_hash: Hex,
    path: FilePath,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileHandover {
    header: Hex,
    certificate: Hex,
    next_validators: Vec<Hex>,
}

/// Bytes as lower-case hexadecimal digits.
struct Hex(Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        let bytes = hex::decode(&text).ok().filter(|_| lower_case);
        bytes
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("expected lower-case hexadecimal digits, two for a byte"))
    }
}

fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

fn fixed<const N: usize>(field: &'static str, hex: &Hex) -> Result<[u8; N], ReceiptFileError> {
    <[u8; N]>::from_bytes(&hex.0).map_err(|cause| ReceiptFileError::Field { field, cause })
}

fn decoded<T: Decode>(field: &'static str, hex: &Hex) -> Result<T, ReceiptFileError> {
    T::from_bytes(&hex.0).map_err(|cause| ReceiptFileError::Field { field, cause })
}

fn encoded(value: &impl Encode) -> Hex {
    Hex(value.to_bytes())
}

impl File {
    fn of(receipt: &Receipt) -> Self {
        Self {
            format: RECEIPT_FILE_FORMAT.to_owned(),
            receipt_id: encoded(&receipt.id()),
            height: receipt.header.height,
            transaction: receipt.transaction.as_ref().map(FileTransaction::of),
            outcome: encoded(&receipt.outcome),
            balances: receipt.balances.iter().map(encoded).collect(),
            outcome_path: FilePath::of(&receipt.outcome_path),
            header: encoded(&receipt.header),
            later: receipt
                .later
                .as_ref()
                .map(|later| FileLater { path: FilePath::of(&later.path), header: encoded(&later.header) }),
            anchor: receipt.anchor.as_ref().map(|anchor| FileAnchor {
                header_hash: encoded(&anchor.header_hash),
                path: FilePath::of(&anchor.path),
            }),
            certificate: Hex(receipt.certificate.to_vec()),
            handovers: receipt.handovers.iter().map(FileHandover::of).collect(),
        }
    }

    fn into_receipt(self) -> Result<Receipt, ReceiptFileError> {
        if self.handovers.len() > HANDOVERS_MAX {
            let (count, limit) = (self.handovers.len(), HANDOVERS_MAX);
            let cause = CodecError::TooLong { what: "handovers", count, limit };
            return Err(ReceiptFileError::Field { field: "handovers", cause });
        }
        let later = match &self.later {
            Some(later) => Some(LaterHeader {
                path: later.path.read("later.path")?,
                header: decoded::<Header>("later.header", &later.header)?,
            }),
            None => None,
        };
        let anchor = match &self.anchor {
            Some(anchor) => Some(Anchor {
                header_hash: Hash(fixed("anchor.header_hash", &anchor.header_hash)?),
                path: anchor.path.read("anchor.path")?,
            }),
            None => None,
        };
        Ok(Receipt {
            transaction: self.transaction.map(FileTransaction::read).transpose()?,
            outcome: decoded::<Outcome>("outcome", &self.outcome)?,
            balances: self.balances.iter().map(|each| decoded("balances", each)).collect::<Result<_, _>>()?,
            outcome_path: self.outcome_path.read("outcome_path")?,
            header: decoded::<Header>("header", &self.header)?,
            later,
            anchor,
            certificate: Bytes::from(self.certificate.0),
            handovers: self.handovers.into_iter().map(FileHandover::read).collect::<Result<_, _>>()?,
        })
    }
}

impl FileTransaction {
    fn of(PlacedTransaction { signed, path }: &PlacedTransaction) -> Self {
        let signature = |each: &TransactionSignature| FileSignature {
            public_key: encoded(&each.public_key),
            signature: encoded(&each.signature),
        };
        let signatures = signed.signatures().iter().map(signature).collect();
        Self { body: Hex(signed.body().to_vec()), signatures, path: FilePath::of(path) }
    }

    fn read(self) -> Result<PlacedTransaction, ReceiptFileError> {
        let field = "transaction";
        let mut signatures = Vec::with_capacity(self.signatures.len());
        for each in &self.signatures {
            signatures.push(TransactionSignature {
                public_key: PublicKey(fixed("transaction.signatures.public_key", &each.public_key)?),
                signature: Signature(fixed("transaction.signatures.signature", &each.signature)?),
            });
        }
        let sorted = signatures.is_sorted_by_key(|signature| signature.public_key);
        let signed = SignedTransaction::new(Bytes::from(self.body.0), signatures);
        let signed = signed.map_err(|cause| ReceiptFileError::Field { field, cause })?;
        let unsorted = CodecError::Invalid { what: "transaction", why: "its signatures are not sorted by key" };
        let signed = sorted.then_some(signed).ok_or(ReceiptFileError::Field { field, cause: unsorted })?;
        Ok(PlacedTransaction { signed, path: self.path.read("transaction.path")? })
    }
}

impl FilePath {
    fn of(path: &Path) -> Self {
        Self { index: path.index, size: path.size, siblings: path.siblings.iter().map(encoded).collect() }
    }

    fn read(&self, field: &'static str) -> Result<Path, ReceiptFileError> {
        let siblings = self.siblings.iter().map(|sibling| fixed(field, sibling).map(Hash)).collect::<Result<_, _>>()?;
        Ok(Path { index: self.index, size: self.size, siblings })
    }
}

impl FileHandover {
    fn of(handover: &Handover) -> Self {
        Self {
            header: encoded(&handover.header),
            certificate: Hex(handover.certificate.to_vec()),
            next_validators: handover.next_validators.keys().iter().map(encoded).collect(),
        }
    }

    fn read(self) -> Result<Handover, ReceiptFileError> {
        let field = "handovers.next_validators";
        let keys: Vec<PublicKey> =
            self.next_validators.iter().map(|key| fixed(field, key).map(PublicKey)).collect::<Result<_, _>>()?;
        let sorted = keys.is_sorted();
        let cause = CodecError::Invalid { what: "validator set", why: "its keys must be sorted and distinct" };
        let next_validators =
            ValidatorSet::new(keys).filter(|_| sorted).ok_or(ReceiptFileError::Field { field, cause })?;
        let header = decoded::<Header>("handovers.header", &self.header)?;
        Ok(Handover { header, certificate: Bytes::from(self.certificate.0), next_validators })
    }
}
