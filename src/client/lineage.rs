//! Lineage: where a loan comes from, proven step by step, offline.
//!
//! A node answers `GetLineage` with the history of an object and of what it stands on. Each step carries its receipt, of a transaction or
//! of what fell due, and the reserve lines of its block, so the whole is a file that convinces with the genesis alone.
//!
//! # Invariants
//! * What [`Lineage::verify`] accepts, happened: every receipt verifies, tells of the step's object, and the reserve lines are those
//!   that its header commits to. Every object but the first is named, by its relation, in a step above it.
//!
//! # Deliberately absent
//! Completeness: a lineage proves what it shows, not that nothing else happened to an object.

use super::bounded_file;
use super::receipt_file::{self, ReceiptFileError};
use crate::ledger::block::reserves_root;
use crate::ledger::receipt::{ReceiptError, TrustRoot};
use crate::ledger::{Effect, Receipt, ReserveLine, Value};
use crate::primitives::{Decode as _, Encode as _, ObjectId, TransactionId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What the file says it is.
pub const LINEAGE_FILE_FORMAT: &str = "causeway-lineage/1";
/// Most steps that are gathered: those of ten thousand payments on one loan, as a client's memory has room for.
pub const LINEAGE_STEPS_MAX: usize = 10_000;
/// Largest file: a few thousand receipts of full size, or as many of the usual size as are gathered, stay below.
pub const LINEAGE_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The relation of a settlement to the loan that was granted on the showing of it: its object is a transaction.
const SETTLEMENT: &str = "settlement";

/// Why a lineage does not hold, or a file is none.
#[derive(Debug, Error)]
pub enum LineageError {
    /// It could not be read or written.
    #[error("the lineage file {} could not be {doing}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// Not JSON of the expected shape, or too large.
    #[error("the lineage file is not of the expected form: {0}")]
    Form(String),
    /// A step's receipt is no receipt.
    #[error("step {step}: {cause}")]
    Receipt {
        /// From 0.
        step: usize,
        /// What is wrong.
        cause: ReceiptFileError,
    },
    /// A step's receipt proves nothing.
    #[error("step {step}: {cause}")]
    Unproven {
        /// From 0.
        step: usize,
        /// The link that does not hold.
        cause: ReceiptError,
    },
    /// A step is not what its receipt proves.
    #[error("step {step}: {why}")]
    Step {
        /// From 0.
        step: usize,
        /// What does not fit.
        why: String,
    },
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageStep {
    /// Whose history it is a step of.
    pub object: ObjectId,
    /// The field that named the object in a step above; empty for the object asked for.
    pub relation: String,
    /// The transaction, or what fell due.
    pub transaction: TransactionId,
    /// The block's height.
    pub height: u64,
    /// The names of what happened to the object, for people.
    pub events: Vec<String>,
    /// The proof.
    pub receipt: Receipt,
    /// Every token's line after the block.
    pub reserve_lines: Vec<ReserveLine>,
}

/// An object's history and that of what it stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The steps, the object's own first.
    pub steps: Vec<LineageStep>,
    /// Whether the node had more than were gathered.
    pub truncated: bool,
    /// How many steps the node withheld, because they tell of others' business besides. A file does not say.
    pub withheld: u32,
}

impl Lineage {
    /// Verifies every step from the genesis.
    ///
    /// # Errors
    /// The first step that does not hold, and why.
    pub fn verify(&self, trust: &TrustRoot) -> Result<(), LineageError> {
        let mut named: BTreeSet<(String, ObjectId)> = BTreeSet::new();
        let asked = self.steps.first().map(|first| first.object);
        for (index, step) in self.steps.iter().enumerate() {
            let refuse = |why: String| LineageError::Step { step: index, why };
            let is_asked = Some(step.object) == asked && step.relation.is_empty();
            if !is_asked && !named.contains(&(step.relation.clone(), step.object)) {
                return Err(refuse(format!("no step above names {} as its {}", step.object, step.relation)));
            }
            step.receipt.verify(trust).map_err(|cause| LineageError::Unproven { step: index, cause })?;
            step.fits().map_err(refuse)?;
            named.extend(step.names());
        }
        Ok(())
    }

    /// The lineage as the text of a file.
    ///
    /// # Errors
    /// None that has been seen: a tree of texts and numbers has a JSON form.
    pub fn to_text(&self) -> Result<String, LineageError> {
        let steps = self.steps.iter().enumerate().map(|(index, step)| FileStep::of(index, step));
        let file = File {
            format: LINEAGE_FILE_FORMAT.to_owned(),
            truncated: self.truncated,
            steps: steps.collect::<Result<_, _>>()?,
        };
        Ok(serde_json::to_string_pretty(&file).map_err(|error| LineageError::Form(error.to_string()))? + "\n")
    }

    /// The lineage in the text of a file. It is well formed; whether it is true is for [`Self::verify`] to say.
    ///
    /// # Errors
    /// What is wrong, and in which step.
    pub fn from_text(text: &str) -> Result<Self, LineageError> {
        let file: File = serde_json::from_str(text).map_err(|error| LineageError::Form(error.to_string()))?;
        if file.format != LINEAGE_FILE_FORMAT {
            let why = format!("it is of format '{}', this version reads '{LINEAGE_FILE_FORMAT}'", file.format);
            return Err(LineageError::Form(why));
        }
        let steps = file.steps.into_iter().enumerate().map(|(index, step)| step.into_step(index));
        Ok(Self { steps: steps.collect::<Result<_, _>>()?, truncated: file.truncated, withheld: 0 })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), LineageError> {
        let failed = |cause| LineageError::File { path: path.to_path_buf(), doing: "written", cause };
        std::fs::write(path, self.to_text()?).map_err(failed)
    }

    /// Reads a file. Nothing of it is verified yet.
    ///
    /// # Errors
    /// It cannot be read, or is no lineage.
    pub fn read(path: &Path) -> Result<Self, LineageError> {
        let failed = |cause| LineageError::File { path: path.to_path_buf(), doing: "read", cause };
        let text = bounded_file::read_text(path, LINEAGE_FILE_BYTES_MAX).map_err(failed)?;
        let too_long =
            || LineageError::Form(format!("it is longer than the {LINEAGE_FILE_BYTES_MAX} bytes that are read"));
        Self::from_text(&text.ok_or_else(too_long)?)
    }
}

impl LineageStep {
    /// Whether the step is what its receipt proves.
    fn fits(&self) -> Result<(), String> {
        let header = &self.receipt.header;
        if self.receipt.transaction_id() != self.transaction || header.height != self.height {
            return Err("its receipt is of another transaction or height".to_owned());
        }
        if self.is_settlement() {
            if self.transaction.0 != self.object.0 || !self.receipt.outcome.is_applied() {
                return Err(format!("its receipt is not of the settlement {}", self.object));
            }
        } else if self.effects().next().is_none() {
            return Err(format!("its receipt does not tell of {}", self.object));
        }
        let told: Vec<&String> = self.effects().map(|effect| &effect.name).collect();
        if !told.into_iter().eq(&self.events) {
            return Err("its receipt tells of other events".to_owned());
        }
        if reserves_root(&self.reserve_lines) != header.reserves_root {
            return Err("its reserve lines are not those of its block".to_owned());
        }
        Ok(())
    }

    /// Whether it is a settlement that was cited: a transaction, and nobody's history.
    fn is_settlement(&self) -> bool {
        self.relation == SETTLEMENT
    }

    /// What its receipt tells of the object; of a settlement all that it tells.
    fn effects(&self) -> impl Iterator<Item = &Effect> {
        let tells_of = move |(_, value): &(String, Value)| *value == Value::Object(self.object);
        let of_object = move |effect: &&Effect| self.is_settlement() || effect.fields.iter().any(tells_of);
        self.receipt.outcome.effects.iter().filter(of_object)
    }

    /// What happened, for people. A settlement may have paid and recorded nothing besides.
    pub fn summary(&self) -> String {
        if self.events.is_empty() && !self.receipt.outcome.movements.is_empty() {
            return "payment".to_owned();
        }
        let of_one_name = self.events.chunk_by(|one, next| one == next);
        let told = of_one_name.map(|events| match events {
            [event] => event.clone(),
            events => format!("{} ({})", events[0], events.len()),
        });
        told.collect::<Vec<_>>().join(", ")
    }

    /// The objects that the step names, each by its field. A settlement leads nowhere.
    fn names(&self) -> Vec<(String, ObjectId)> {
        if self.is_settlement() {
            return Vec::new();
        }
        let fields = self.effects().flat_map(|effect| &effect.fields);
        let objects = fields.filter_map(|(name, value)| match value {
            Value::Object(object) => Some((name.clone(), *object)),
            _ => None,
        });
        objects.collect()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    truncated: bool,
    steps: Vec<FileStep>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileStep {
    object_id: String,
    relation: String,
    transaction_id: String,
    height: u64,
    events: Vec<String>,
    receipt: serde_json::Value,
    reserve_lines: Vec<String>,
}

impl FileStep {
    fn of(index: usize, step: &LineageStep) -> Result<Self, LineageError> {
        let as_value = |receipt: &Receipt| {
            let text = receipt_file::to_text(receipt).map_err(|cause| LineageError::Receipt { step: index, cause })?;
            serde_json::from_str(&text).map_err(|error| LineageError::Form(error.to_string()))
        };
        Ok(Self {
            object_id: step.object.to_string(),
            relation: step.relation.clone(),
            transaction_id: step.transaction.to_string(),
            height: step.height,
            events: step.events.clone(),
            receipt: as_value(&step.receipt)?,
            reserve_lines: step.reserve_lines.iter().map(|line| hex::encode(line.to_bytes())).collect(),
        })
    }

    fn into_step(self, index: usize) -> Result<LineageStep, LineageError> {
        let invalid = |field: &str, why: String| LineageError::Step { step: index, why: format!("{field}: {why}") };
        let receipt = |value: serde_json::Value| {
            receipt_file::from_text(&value.to_string()).map_err(|cause| LineageError::Receipt { step: index, cause })
        };
        let line = |text: &String| {
            let bytes = hex::decode(text).map_err(|error| invalid("reserve_lines", error.to_string()))?;
            ReserveLine::from_bytes(&bytes).map_err(|error| invalid("reserve_lines", error.to_string()))
        };
        Ok(LineageStep {
            object: self.object_id.parse().map_err(|error| invalid("object_id", format!("{error}")))?,
            relation: self.relation,
            transaction: self.transaction_id.parse().map_err(|error| invalid("transaction_id", format!("{error}")))?,
            height: self.height,
            events: self.events,
            receipt: receipt(self.receipt)?,
            reserve_lines: self.reserve_lines.iter().map(line).collect::<Result<_, _>>()?,
        })
    }
}
