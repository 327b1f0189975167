//! `causeway invoices`: invoices as receivables that exist once.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, print_many, print_one, with_money};
use crate::cli::session::{Session, require_new};
use crate::client::json::to_json;
use crate::client::keys::write_new_private_file;
use crate::client::now_ms;
use crate::client::operations::{self, NewInvoice};
use crate::client::ubl::UblInvoice;
use crate::domain::trade::{document_commitment, fingerprint, key_commitment};
use crate::primitives::{AccountId, Amount, Hash, ObjectId, TokenId};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Registers, confirms, takes back, shows and pays invoices.
#[derive(Debug, clap::Subcommand)]
pub enum InvoicesCommand {
    /// Makes the key under which a supplier and a buyer fingerprint their invoices, and commits it. The supplier sends it,
    /// the buyer signs too (--co-signer).
    CommitKey {
        /// The buyer, by its id or a participant's name.
        #[arg(long)]
        buyer: String,
        /// Where the key is kept: both parties need it, nobody else may have it.
        #[arg(long, value_name = "FILE", default_value = "fingerprint-key.hex")]
        key_file: PathBuf,
    },
    /// Registers an invoice from its UBL file. The supplier does.
    Register {
        /// The UBL 2.1 invoice.
        file: PathBuf,
        /// The buyer, by its id or a participant's name.
        #[arg(long)]
        buyer: String,
        /// The token in which it will be paid.
        #[arg(long)]
        token: TokenId,
        /// The key that `commit-key` wrote.
        #[arg(long, value_name = "FILE", default_value = "fingerprint-key.hex")]
        key_file: PathBuf,
        /// When it is due, as YYYY-MM-DD; the file's due date if not given.
        #[arg(long, value_name = "DATE")]
        due: Option<jiff::civil::Date>,
    },
    /// Confirms that an invoice is owed. The buyer does; with --file and --key-file its fingerprint is checked first.
    Confirm {
        /// The receivable.
        receivable: ObjectId,
        /// The invoice as the buyer has it.
        #[arg(long, requires = "key_file")]
        file: Option<PathBuf>,
        /// The key that `commit-key` wrote.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Takes back an invoice that the buyer has not confirmed, so that it can be registered rightly. The supplier does.
    Withdraw {
        /// The receivable.
        receivable: ObjectId,
    },
    /// Refuses an invoice that was not confirmed: nobody owes it. The buyer does.
    Reject {
        /// The receivable.
        receivable: ObjectId,
    },
    /// Has the ledger certify that an invoice is not on it: nobody owes it there, and nobody has financed it.
    CertifyAbsence {
        /// The invoice's UBL file, or its fingerprint in hexadecimal.
        invoice: String,
        /// The supplier, by its id or a participant's name.
        #[arg(long)]
        supplier: String,
        /// The buyer, by its id or a participant's name.
        #[arg(long)]
        buyer: String,
        /// The key that the pair committed (with a file).
        #[arg(long, value_name = "FILE", default_value = "fingerprint-key.hex")]
        key_file: PathBuf,
    },
    /// Pays an invoice, in whole or in part: a financier first, the rest to the supplier. The buyer does.
    Pay {
        /// The receivable.
        receivable: ObjectId,
        /// How much; all that is outstanding if not given.
        #[arg(allow_negative_numbers = true)]
        amount: Option<String>,
        /// The payer's own id of the payment.
        #[arg(long, default_value = "")]
        end_to_end_id: String,
    },
    /// Shows a receivable.
    Show {
        /// The receivable.
        receivable: ObjectId,
    },
    /// Lists the receivables that the acting account may see.
    List {
        /// Only those that are registered, confirmed, financed, settled, withdrawn or rejected.
        #[arg(long)]
        state: Option<String>,
    },
}

impl InvoicesCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::CommitKey { buyer, key_file } => commit_key(session, &buyer, &key_file).await,
            Self::Register { file, buyer, token, key_file, due } => {
                register(session, &file, &buyer, token, &key_file, due).await
            }
            Self::Confirm { receivable, file, key_file } => {
                if let (Some(file), Some(key_file)) = (file, key_file) {
                    check_fingerprint(session, receivable, &file, &key_file).await?;
                }
                session.submit_one(operations::confirm_invoice(receivable)).await
            }
            Self::Withdraw { receivable } => session.submit_one(operations::withdraw_invoice(receivable)).await,
            Self::Reject { receivable } => session.submit_one(operations::reject_invoice(receivable)).await,
            Self::CertifyAbsence { invoice, supplier, buyer, key_file } => {
                let supplier = session.common.find_account(&supplier)?;
                let buyer = session.common.find_account(&buyer)?;
                let fingerprint = match invoice.parse::<Hash>() {
                    Ok(fingerprint) => fingerprint,
                    Err(_) => fingerprint_of(session, Path::new(&invoice), &key_file, supplier, buyer).await?,
                };
                session.submit_one(operations::certify_absence(supplier, buyer, fingerprint)).await
            }
            Self::Pay { receivable, amount, end_to_end_id } => {
                let found = session.client.receivable(receivable).await?;
                let amount = match amount {
                    Some(text) => session.amount(&text, found.token_id.parse()?).await?,
                    None => Amount::new(found.outstanding),
                };
                session.submit_one(operations::pay_invoice(receivable, amount, &end_to_end_id)).await
            }
            Self::Show { receivable } => {
                let receivable = session.client.receivable(receivable).await?;
                let value = with_units(session, &receivable.token_id, to_json(&receivable)).await?;
                print_one(session.format(), &value);
                Ok(())
            }
            Self::List { state } => {
                session.account()?;
                let mut values = Vec::new();
                for receivable in session.client.receivables(state.as_deref()).await? {
                    values.push(with_units(session, &receivable.token_id, to_json(&receivable)).await?);
                }
                let columns = ["receivable_id", "amount", "outstanding", "due_at_ms", "state"];
                print_many(session.format(), &values, &columns);
                Ok(())
            }
        }
    }
}

async fn with_units(session: &Session, token: &str, value: Value) -> Result<Value, Failure> {
    match session.format() {
        Format::Json => Ok(value),
        Format::Text => {
            let scale = session.scale(token.parse()?).await?;
            Ok(with_money(Format::Text, value, &["amount", "outstanding", "financier_due"], token, scale))
        }
    }
}

async fn commit_key(session: &Session, buyer: &str, key_file: &Path) -> Result<(), Failure> {
    let (supplier, buyer) = (session.account()?, session.common.find_account(buyer)?);
    require_new(key_file)?;
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| Failure::Failed(error.to_string()))?;
    // The key is on disk before it is committed: a committed key that is lost could never be replaced.
    let text = format!("{}\n", hex::encode(key));
    write_new_private_file(key_file, text.as_bytes()).map_err(|cause| Failure::file(key_file, &cause))?;
    let mut builder = session.draft()?;
    builder.add(operations::commit_fingerprint_key(supplier, buyer, key_commitment(&key)));
    let settled = session.settle(builder).await;
    // A key that was not committed, and by this transaction never will be, is no pair's. One that may yet be stays.
    let is_lost = match &settled {
        Ok(settled) => !settled.outcome().is_applied(),
        Err(failure) => !matches!(failure, Failure::Unknown(_)),
    };
    if is_lost {
        std::fs::remove_file(key_file).map_err(|cause| Failure::file(key_file, &cause))?;
    }
    match settled {
        Ok(settled) => session.print_settled(&settled, &[]).await,
        Err(Failure::Unknown(why)) => {
            Err(Failure::Unknown(format!("{why}. The key stays in {}: it may yet be the pair's", key_file.display())))
        }
        Err(failure) => Err(failure),
    }
}

fn read_key(path: &Path) -> Result<[u8; 32], Failure> {
    let text = std::fs::read_to_string(path).map_err(|cause| Failure::file(path, &cause))?;
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| Failure::Failed(format!("{} is not a key of 64 hexadecimal digits", path.display())))?;
    Ok(key)
}

fn read_invoice(path: &Path) -> Result<(Vec<u8>, UblInvoice), Failure> {
    let bytes = std::fs::read(path).map_err(|cause| Failure::file(path, &cause))?;
    let invoice = UblInvoice::read(&bytes).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
    Ok((bytes, invoice))
}

async fn fingerprint_of(
    session: &Session,
    file: &Path,
    key_file: &Path,
    supplier: AccountId,
    buyer: AccountId,
) -> Result<Hash, Failure> {
    let (_, invoice) = read_invoice(file)?;
    let supplier = session.client.counterparty(supplier).await?.legal_entity_id;
    let buyer = session.client.counterparty(buyer).await?.legal_entity_id;
    Ok(fingerprint(&read_key(key_file)?, &invoice.facts(&supplier, &buyer)?))
}

async fn check_fingerprint(
    session: &Session,
    receivable: ObjectId,
    file: &Path,
    key_file: &Path,
) -> Result<(), Failure> {
    let found = session.client.receivable(receivable).await?;
    let party =
        |bytes: &[u8]| AccountId::from_slice(bytes).ok_or(Failure::Failed("the node's answer is malformed".into()));
    let (supplier, buyer) = (party(&found.supplier_account_id)?, party(&found.buyer_account_id)?);
    let own = fingerprint_of(session, file, key_file, supplier, buyer).await?;
    match own.0[..] == found.fingerprint[..] {
        true => Ok(()),
        false => Err(Failure::Failed(format!(
            "the registered fingerprint is not that of {}: number, date, amount or parties differ. Do not confirm",
            file.display()
        ))),
    }
}

async fn register(
    session: &Session,
    file: &Path,
    buyer: &str,
    token: TokenId,
    key_file: &Path,
    due: Option<jiff::civil::Date>,
) -> Result<(), Failure> {
    let (bytes, invoice) = read_invoice(file)?;
    let buyer = session.common.find_account(buyer)?;
    let due = due.or(invoice.due_date).and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let due_at_ms = due.and_then(|due| u64::try_from(due.timestamp().as_millisecond()).ok());
    let due_at_ms = due_at_ms.ok_or_else(|| Failure::Usage("the invoice says no due date; give --due DATE".into()))?;
    if due_at_ms <= now_ms() {
        return Err(Failure::Usage("the due date has passed; give the one agreed on with --due DATE".into()));
    }
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| Failure::Failed(error.to_string()))?;
    let mut builder = session.draft()?;
    let receivable = builder.add(operations::register_invoice(NewInvoice {
        buyer,
        token,
        currency: invoice.currency.as_str().to_owned(),
        amount: Amount::new(invoice.payable_amount.minor_units(session.scale(token).await?)?),
        due_at_ms,
        fingerprint: fingerprint_of(session, file, key_file, session.account()?, buyer).await?,
        document_commitment: document_commitment(&salt, &bytes),
    }));
    let created = [("receivable_id", receivable.object_id().to_string()), ("document_salt", hex::encode(salt))];
    session.submit(builder, &created).await
}
