//! The supplier and the buyer behind a trade document: their companies, which its parties are held to, and the key that the two
//! fingerprint by.
//!
//! # Invariants
//! * No fingerprint is made, and none on the ledger compared, under another key than the pair has committed: a wrong file would
//!   make another invoice of one that is there.
//! * A document that names another company than an account's is never used under that account.

use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::client::ubl::UblParty;
use crate::domain::trade::key_commitment;
use crate::primitives::AccountId;
use std::path::{Path, PathBuf};

/// The file that `commit-key` writes if it is not told otherwise.
pub const KEY_FILE_DEFAULT: &str = "fingerprint-key.hex";

/// The flags of commands that fingerprint a document or compare it.
#[derive(Debug, clap::Args)]
pub struct PairFlags {
    /// The key that `invoices commit-key` wrote; if not given, fingerprint-key.hex in the participant's directory or here,
    /// whichever is the pair's.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Go on although the file does not name the companies: you have compared them with the accounts'.
    #[arg(long)]
    pub without_company_ids: bool,
}

impl PairFlags {
    /// Whether one of them is given.
    pub fn is_given(&self) -> bool {
        self.key_file.is_some() || self.without_company_ids
    }
}

/// The accounts of a supplier and a buyer.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The supplier's.
    pub supplier: AccountId,
    /// The buyer's.
    pub buyer: AccountId,
}

impl Pair {
    /// The pair by the ids of a node's answer.
    ///
    /// # Errors
    /// One is no id.
    pub fn of_ids(supplier: &[u8], buyer: &[u8]) -> Result<Self, Failure> {
        let party =
            |id: &[u8]| AccountId::from_slice(id).ok_or(Failure::Failed("the node's answer is malformed".into()));
        Ok(Self { supplier: party(supplier)?, buyer: party(buyer)? })
    }

    /// The companies behind the accounts, as the ledger has them.
    ///
    /// # Errors
    /// One of the accounts is not there.
    pub async fn companies(self, session: &Session) -> Result<Companies, Failure> {
        Ok(Companies {
            supplier: session.client.counterparty(self.supplier).await?.legal_entity_id,
            buyer: session.client.counterparty(self.buyer).await?.legal_entity_id,
        })
    }

    /// The pair's key: of the file that was named, or of the one that lies beside the acting participant's own key or here. It is
    /// held to what the ledger has.
    ///
    /// # Errors
    /// There is none, it is no key, or it is not the one that the pair has committed.
    pub async fn read_key(self, session: &Session, named: Option<&Path>) -> Result<[u8; 32], Failure> {
        let files = key_files(session, named)?;
        for file in &files {
            let key = read_file(file)?;
            if session.client.is_fingerprint_key(self.supplier, self.buyer, key_commitment(&key)).await? {
                return Ok(key);
            }
        }
        let people = session.common.participants_by_account();
        let name = |account| people.get(&account).cloned().unwrap_or_else(|| account.to_string());
        let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        Err(Failure::Failed(format!(
            "{} is not the fingerprint key that {} (supplier) and {} (buyer) have committed on this ledger. Nothing was sent. \
             Give the file of theirs with --key-file FILE; if they have none, `causeway invoices commit-key` commits one",
            files.join(", nor "),
            name(self.supplier),
            name(self.buyer),
        )))
    }
}

/// The companies behind the accounts of supplier and buyer.
#[derive(Debug)]
pub struct Companies {
    /// The supplier's.
    pub supplier: String,
    /// The buyer's.
    pub buyer: String,
}

impl Companies {
    /// Holds a document's supplier and buyer to the companies of their accounts.
    ///
    /// # Errors
    /// It names another company, or none and that was not said to be so.
    pub fn require(
        &self,
        path: &Path,
        supplier: &UblParty,
        buyer: &UblParty,
        without_company_ids: bool,
    ) -> Result<(), Failure> {
        let mut unnamed = Vec::new();
        for (role, named, company) in [("supplier", supplier, &self.supplier), ("buyer", buyer, &self.buyer)] {
            match standing_of(named, company) {
                Standing::Same => {}
                Standing::Unnamed => unnamed.push(role),
                Standing::Other(other) => {
                    let whose = if company.is_empty() { "names no company" } else { company };
                    return Err(Failure::Failed(format!(
                        "{}: its {role} is {} ({other}), and the {role}'s account is of another company: {whose}. \
                         Nothing was sent",
                        path.display(),
                        named.name,
                    )));
                }
            }
        }
        if unnamed.is_empty() || without_company_ids {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{} gives no company id with its register (cac:PartyLegalEntity/cbc:CompanyID and @schemeID) for the {}, so it \
             cannot be held to the account's. Compare them yourself, and go on with --without-company-ids",
            path.display(),
            unnamed.join(" and the "),
        )))
    }
}

/// How a document's party stands to an account's company.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Same,
    Other(String),
    /// The document does not say enough to tell.
    Unnamed,
}

fn standing_of(party: &UblParty, company: &str) -> Standing {
    match (party.legal_entity_id(), &party.legal_id) {
        (Some(named), _) if named == company => Standing::Same,
        (Some(named), _) => Standing::Other(named),
        // A number without its register may be of any; one that is not even the account's number is not its company's.
        (None, Some(number)) if company.split_once(':').is_some_and(|(_, own)| own != number) => {
            Standing::Other(number.clone())
        }
        (None, _) => Standing::Unnamed,
    }
}

/// Where the key may be: the file that was named, or those that lie beside the acting participant's own key and here.
fn key_files(session: &Session, named: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    if let Some(path) = named {
        return Ok(vec![path.to_path_buf()]);
    }
    let own = session.common.participant_directory().map(|directory| directory.join(KEY_FILE_DEFAULT));
    let places = own.into_iter().chain([PathBuf::from(KEY_FILE_DEFAULT)]);
    let files: Vec<PathBuf> = places.filter(|path| path.exists()).collect();
    match files.is_empty() {
        false => Ok(files),
        true => Err(Failure::Usage(
            "there is no fingerprint key here: give the pair's with --key-file FILE; `causeway invoices commit-key` makes it"
                .into(),
        )),
    }
}

fn read_file(path: &Path) -> Result<[u8; 32], Failure> {
    let text = std::fs::read_to_string(path).map_err(|cause| Failure::file(path, &cause))?;
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| Failure::Failed(format!("{} is not a key of 64 hexadecimal digits", path.display())))?;
    Ok(key)
}
