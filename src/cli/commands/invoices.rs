//! `causeway invoices`: invoices as receivables that exist once.

use super::documents::UblFile;
use super::invoice_document::{InvoiceDocument, Owed};
use super::order_document::{require_named, require_order};
use super::pair::{KEY_FILE_DEFAULT, Pair, PairFlags};
use super::receivables::ReceivablesCommand;
use super::salts::SaltFlag;
use crate::cli::failure::Failure;
use crate::cli::flags::require_new;
use crate::cli::output::{Format, print_many, print_one, with_money};
use crate::cli::session::Session;
use crate::cli::values;
use crate::client::json::to_json;
use crate::client::keys::write_new_private_file;
use crate::client::operations::{self, NewInvoice};
use crate::client::ubl::UblOrder;
use crate::domain::trade::key_commitment;
use crate::primitives::{Amount, BlockTime, Hash, ObjectId, TokenId};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What a supplier says beside its invoice.
#[derive(Debug, clap::Args)]
pub struct Registration {
    /// The UBL 2.1 invoice.
    file: PathBuf,
    /// The buyer, by its id or a participant's name.
    #[arg(long)]
    buyer: String,
    /// The token in which it will be paid.
    #[arg(long)]
    token: TokenId,
    /// The order that it is under.
    #[arg(long)]
    order: Option<ObjectId>,
    /// The UBL Order as it was placed: that the order on the ledger is this one, and the invoice names it, is then checked.
    #[arg(long, value_name = "FILE", requires = "order")]
    order_document: Option<PathBuf>,
    /// When it is due, as YYYY-MM-DD; the file's due date if not given.
    #[arg(long, value_name = "DATE", value_parser = values::day)]
    due: Option<jiff::civil::Date>,
    #[command(flatten)]
    pair: PairFlags,
    #[command(flatten)]
    salt: SaltFlag,
}

/// Registers, confirms, disputes, credits, passes on, shows and pays invoices.
#[derive(Debug, clap::Subcommand)]
pub enum InvoicesCommand {
    /// Makes the key under which a supplier and a buyer fingerprint their orders, invoices and credit notes, and commits it.
    /// The supplier sends it, the buyer signs too (--co-signer). Another takes its place only while none of their documents is
    /// registered.
    #[command(after_help = "Example:\n  causeway invoices commit-key --as supplier --buyer buyer --co-signer buyer")]
    CommitKey {
        /// The buyer, by its id or a participant's name.
        #[arg(long)]
        buyer: String,
        /// Where the key is kept: both parties need it, nobody else may have it.
        #[arg(long, value_name = "FILE", default_value = KEY_FILE_DEFAULT)]
        key_file: PathBuf,
    },
    /// Registers an invoice from its UBL file. The supplier does.
    #[command(
        after_help = "Example:\n  causeway invoices register --as supplier invoice.xml --buyer buyer --token HKDX \
                            --order ORDER --order-document order.xml"
    )]
    Register(Box<Registration>),
    /// Confirms that an invoice is owed. The buyer does; with --file the amount, currency, due date, companies and
    /// fingerprint on the ledger are first held to the buyer's own copy.
    #[command(after_help = "Example:\n  causeway invoices confirm --as buyer RECEIVABLE --file invoice.xml")]
    Confirm {
        /// The receivable.
        receivable: ObjectId,
        /// The invoice as the buyer has it.
        #[arg(long)]
        file: Option<PathBuf>,
        /// The key that `commit-key` wrote; if not given, fingerprint-key.hex in the participant's directory or here, whichever
        /// is the pair's.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// The due date that was agreed on, as YYYY-MM-DD, where it is not the file's.
        #[arg(long, value_name = "DATE", requires = "file", value_parser = values::day)]
        due: Option<jiff::civil::Date>,
        /// Go on although the file does not name the companies: you have compared them with the accounts'.
        #[arg(long, requires = "file")]
        without_company_ids: bool,
    },
    /// Takes back an invoice that the buyer has not confirmed, so that it can be registered rightly. The supplier does.
    #[command(after_help = "Example:\n  causeway invoices withdraw --as supplier RECEIVABLE")]
    Withdraw {
        /// The receivable.
        receivable: ObjectId,
    },
    /// Refuses an invoice that was not confirmed: nobody owes it. The buyer does.
    #[command(after_help = "Example:\n  causeway invoices reject --as buyer RECEIVABLE")]
    Reject {
        /// The receivable.
        receivable: ObjectId,
    },
    /// Has the ledger certify that an invoice is not on it: nobody owes it there, and nobody has financed it.
    #[command(
        after_help = "Example:\n  causeway invoices certify-absence --as financier invoice.xml --supplier supplier \
                            --buyer buyer --key-file fingerprint-key.hex"
    )]
    CertifyAbsence {
        /// The invoice's UBL file, or its fingerprint in hexadecimal.
        invoice: String,
        /// The supplier, by its id or a participant's name.
        #[arg(long)]
        supplier: String,
        /// The buyer, by its id or a participant's name.
        #[arg(long)]
        buyer: String,
        /// The key that the pair committed; if not given, fingerprint-key.hex in the participant's directory or
        /// here, whichever is theirs.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Pays an invoice, in whole or in part: a financier first, the rest to the owner. The buyer does.
    #[command(after_help = "Example:\n  causeway invoices pay --as buyer RECEIVABLE 1000.00")]
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
    /// Disputes, credits, assigns and splits receivables.
    #[command(flatten)]
    Receivables(ReceivablesCommand),
    /// Shows a receivable.
    #[command(alias = "get", after_help = "Example:\n  causeway invoices show --as buyer RECEIVABLE")]
    Show {
        /// The receivable.
        receivable: ObjectId,
    },
    /// Lists the receivables that the acting account may see.
    #[command(after_help = "Example:\n  causeway invoices list --as supplier --state confirmed")]
    List {
        /// Only those that are registered, confirmed, financed, settled, withdrawn, rejected, disputed or split.
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
            Self::Register(registration) => register(session, *registration).await,
            Self::Confirm { receivable, file, key_file, due, without_company_ids } => {
                if let Some(file) = file {
                    let document = InvoiceDocument::read(&file)?;
                    let pair = PairFlags { key_file, without_company_ids };
                    compare(session, receivable, &document, &pair, due).await?;
                }
                session.submit_one(operations::confirm_invoice(receivable)).await
            }
            Self::Withdraw { receivable } => session.submit_one(operations::withdraw_invoice(receivable)).await,
            Self::Reject { receivable } => session.submit_one(operations::reject_invoice(receivable)).await,
            Self::CertifyAbsence { invoice, supplier, buyer, key_file } => {
                let supplier = session.common.find_account(&supplier)?;
                let buyer = session.common.find_account(&buyer)?;
                let pair = Pair { supplier, buyer };
                let key = pair.read_key(session, key_file.as_deref()).await?;
                let fingerprint = match invoice.parse::<Hash>() {
                    Ok(fingerprint) => fingerprint,
                    Err(_) => {
                        let document = InvoiceDocument::read(Path::new(&invoice))?;
                        let companies = pair.companies(session).await?;
                        document.require_parties(&companies, true)?;
                        document.fingerprint(&key, &companies)?
                    }
                };
                let commitment = key_commitment(&key);
                session.submit_one(operations::certify_absence(supplier, buyer, fingerprint, commitment)).await
            }
            Self::Pay { receivable, amount, end_to_end_id } => {
                pay(session, receivable, amount.as_deref(), &end_to_end_id).await
            }
            Self::Receivables(command) => command.run(session).await,
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

async fn pay(
    session: &Session,
    receivable: ObjectId,
    amount: Option<&str>,
    end_to_end_id: &str,
) -> Result<(), Failure> {
    let found = session.client.receivable(receivable).await?;
    let token = found.token_id.parse()?;
    let amount = match amount {
        Some(text) => session.amount(text, token).await?,
        None if found.outstanding == 0 => {
            let state = to_json(&found)["state"].as_str().unwrap_or_default().to_lowercase();
            return Err(Failure::Failed(format!("nothing is outstanding on {receivable}: it is {state}")));
        }
        None => Amount::new(found.outstanding),
    };
    let mut builder = session.draft()?;
    builder.add(operations::pay_invoice(receivable, amount, end_to_end_id));
    session.submit_in(token, builder, &[]).await
}

async fn with_units(session: &Session, token: &str, value: Value) -> Result<Value, Failure> {
    match session.format() {
        Format::Json => Ok(value),
        Format::Text => {
            let scale = session.scale(token.parse()?).await?;
            let amounts = ["amount", "outstanding", "secured", "credited", "disputed"];
            Ok(with_money(Format::Text, value, &amounts, token, scale))
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
    let file = key_file.display();
    match settled {
        Ok(settled) if settled.outcome().is_applied() => {
            session.print_settled(&settled, &[("key_file", file.to_string())], None).await?;
            session.note(&format!("Both parties need {file}, and nobody else may have it."));
            Ok(())
        }
        Ok(settled) => {
            session.note(&discard(key_file));
            session.print_settled(&settled, &[], None).await
        }
        Err(Failure::OutcomeUnknown { error, transaction, expires_at }) => {
            let error = format!("{error}. The key stays in {file}: it may yet be the pair's");
            Err(Failure::OutcomeUnknown { error, transaction, expires_at })
        }
        Err(failure) => {
            discard(key_file);
            Err(failure)
        }
    }
}

/// Removes the key that was not committed, and says so. Even if a node lied and it was, nothing is lost: no document stands under
/// a key that nobody has, so the pair commits another.
fn discard(key_file: &Path) -> String {
    let file = key_file.display();
    match std::fs::remove_file(key_file) {
        Ok(()) => format!("Its key is no pair's: {file} is removed."),
        Err(cause) => format!("Its key is no pair's, and {file} could not be removed ({cause}): remove it."),
    }
}

/// Holds what the ledger has of a receivable to the buyer's own copy of the invoice.
async fn compare(
    session: &Session,
    receivable: ObjectId,
    document: &InvoiceDocument,
    pair: &PairFlags,
    due: Option<jiff::civil::Date>,
) -> Result<(), Failure> {
    let found = session.client.receivable(receivable).await?;
    let token = session.token(found.token_id.parse()?).await?;
    let owed = Owed {
        amount: Amount::new(found.amount),
        token: token.token_id,
        currency: token.currency,
        scale: token.scale,
        due_at_ms: found.due_at_ms,
    };
    document.require_owed(&owed, due)?;
    let parties = Pair::of_ids(&found.supplier_account_id, &found.buyer_account_id)?;
    let companies = parties.companies(session).await?;
    document.require_parties(&companies, pair.without_company_ids)?;
    let key = parties.read_key(session, pair.key_file.as_deref()).await?;
    document.require_fingerprint(&found.fingerprint, &key, &companies, "Do not confirm")
}

async fn register(session: &Session, registration: Registration) -> Result<(), Failure> {
    let Registration { file, buyer, token, order, order_document, due, pair, salt } = registration;
    let document = InvoiceDocument::read(&file)?;
    let buyer = session.common.find_account(&buyer)?;
    let due_at_ms = document.due_at_ms(due)?;
    if due_at_ms <= session.client.now_ms() {
        let day = BlockTime(due_at_ms).day();
        return Err(Failure::Usage(format!(
            "the due date {day} has passed: give the one that was agreed on with --due YYYY-MM-DD"
        )));
    }
    let parties = Pair { supplier: session.account()?, buyer };
    let key = parties.read_key(session, pair.key_file.as_deref()).await?;
    let companies = parties.companies(session).await?;
    document.require_parties(&companies, pair.without_company_ids)?;
    let invoice = &document.invoice;
    if let (Some(order), Some(placed)) = (order, order_document) {
        let placed = UblFile::read(&placed, UblOrder::read_thoroughly)?;
        require_named(&file, "order", invoice.order_reference.as_slice(), &placed.content.number)?;
        let on_ledger = session.client.order(order).await?.order.unwrap_or_default();
        require_order(&placed, &on_ledger.fingerprint, &key, &companies)?;
    }
    let salt = salt.of(&file, &document.bytes)?;
    let mut builder = session.draft()?;
    let receivable = builder.add(operations::register_invoice(NewInvoice {
        buyer,
        token,
        currency: invoice.currency.as_str().to_owned(),
        amount: Amount::new(invoice.payable_amount.minor_units(session.scale(token).await?)?),
        due_at_ms,
        fingerprint: document.fingerprint(&key, &companies)?,
        document_commitment: salt.commitment(&document.bytes),
        issued_on: invoice.issue_date.to_string(),
        order,
    }));
    salt.submit(session, builder, Some(token), &[("receivable_id", receivable.object_id().to_string())]).await
}
