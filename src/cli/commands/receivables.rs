//! What becomes of an invoice once it is registered: disputes, credit notes, other owners, parts. Commands of `causeway
//! invoices`.

use super::documents::UblFile;
use super::invoice_document::InvoiceDocument;
use super::names::by_name;
use super::order_document::require_named;
use super::pair::{Pair, PairFlags};
use super::salts::SaltFlag;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::client::operations;
use crate::client::ubl::UblCreditNote;
use crate::domain::trade::{
    AssignReceivable, DisputeGround, DisputeInvoice, IssueCreditNote, Part, SplitReceivable, fingerprint, part_id,
};
use crate::primitives::{Amount, ObjectId, TokenId};
use std::path::PathBuf;

/// What a supplier says beside its credit note.
#[derive(Debug, clap::Args)]
pub struct Crediting {
    /// The receivable.
    receivable: ObjectId,
    /// The UBL 2.1 CreditNote.
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    /// The UBL Invoice that the note is about: that the receivable is of this one, and that the note names it, is then
    /// checked.
    #[arg(long, value_name = "FILE")]
    invoice: Option<PathBuf>,
    #[command(flatten)]
    pair: PairFlags,
    #[command(flatten)]
    salt: SaltFlag,
}

/// Disputes, credits, assigns and splits receivables.
#[derive(Debug, clap::Subcommand)]
pub enum ReceivablesCommand {
    /// Disputes an amount of an invoice that was not confirmed. The buyer does; credit notes over as much, or confirming
    /// after all, end it.
    #[command(after_help = "Example:\n  causeway invoices dispute --as buyer RECEIVABLE 3000.00 --ground quality")]
    Dispute {
        /// The receivable.
        receivable: ObjectId,
        /// How much of it the buyer does not owe.
        #[arg(allow_negative_numbers = true)]
        amount: String,
        /// Why: not-delivered, late, quantity, quality, price, not-ordered, duplicate or other.
        #[arg(long, value_parser = read_ground)]
        ground: DisputeGround,
    },
    /// Takes an amount off an invoice, from its UBL CreditNote. The supplier does; whoever owns the receivable by then signs
    /// too (--co-signer).
    #[command(after_help = "Example:\n  causeway invoices credit --as supplier RECEIVABLE --document credit-note.xml \
                            --invoice invoice.xml")]
    Credit(Box<Crediting>),
    /// Gives a confirmed receivable to another merchant, which signs too (--co-signer). Its owner does.
    #[command(
        after_help = "Example:\n  causeway invoices assign --as supplier --co-signer tier-2 RECEIVABLE --to tier-2"
    )]
    Assign {
        /// The receivable.
        receivable: ObjectId,
        /// The new owner, by its id or a participant's name.
        #[arg(long, value_name = "ACCOUNT")]
        to: String,
    },
    /// Splits what is outstanding of a confirmed receivable into 2 to 8 parts. Its owner does; the owners of the parts sign
    /// too (--co-signer).
    #[command(after_help = "Example:\n  causeway invoices split --as supplier --co-signer tier-2 RECEIVABLE \
                            --part supplier=30000.00 --part tier-2=15600.00")]
    Split {
        /// The receivable.
        receivable: ObjectId,
        /// Whose part is how much, as ACCOUNT=AMOUNT; several.
        #[arg(long = "part", value_name = "ACCOUNT=AMOUNT", required = true)]
        parts: Vec<String>,
        /// Why it is due more than six months after its confirmation, if it is. No personal data.
        #[arg(long, value_name = "TEXT", default_value = "")]
        term_exception: String,
    },
}

/// What the parts of a split are called in the answer.
const PARTS: [&str; crate::ledger::limits::SPLIT_PARTS_MAX] =
    ["part_1_id", "part_2_id", "part_3_id", "part_4_id", "part_5_id", "part_6_id", "part_7_id", "part_8_id"];

impl ReceivablesCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Dispute { receivable, amount, ground } => {
                let token = token_of(session, receivable).await?;
                let amount = session.amount(&amount, token).await?;
                let mut builder = session.draft()?;
                builder.add(operations::dispute_invoice(&DisputeInvoice { receivable, amount, ground }));
                session.submit_in(token, builder, &[]).await
            }
            Self::Credit(crediting) => credit(session, *crediting).await,
            Self::Assign { receivable, to } => {
                let assignee = session.common.find_account(&to)?;
                session.submit_one(operations::assign_receivable(&AssignReceivable { receivable, assignee })).await
            }
            Self::Split { receivable, parts, term_exception } => {
                let token = token_of(session, receivable).await?;
                let parts = session.allocations(&parts, token).await?;
                let parts = parts.into_iter().map(|(owner, amount)| Part { owner, amount }).collect();
                let split = SplitReceivable { receivable, parts, term_exception };
                split.check().map_err(|malformed| Failure::Usage(malformed.to_string()))?;
                let ids = (0u8..).map(|place| part_id(receivable, place).to_string());
                let created: Vec<_> = PARTS.into_iter().zip(ids).take(split.parts.len()).collect();
                let mut builder = session.draft()?;
                builder.add(operations::split_receivable(&split));
                session.submit_in(token, builder, &created).await
            }
        }
    }
}

async fn token_of(session: &Session, receivable: ObjectId) -> Result<TokenId, Failure> {
    Ok(session.client.receivable(receivable).await?.token_id.parse()?)
}

async fn credit(session: &Session, crediting: Crediting) -> Result<(), Failure> {
    let Crediting { receivable, document, invoice, pair, salt } = crediting;
    let read = UblFile::read(&document, UblCreditNote::read_thoroughly)?;
    let note = &read.content;
    let found = session.client.receivable(receivable).await?;
    let parties = Pair::of_ids(&found.supplier_account_id, &found.buyer_account_id)?;
    let key = parties.read_key(session, pair.key_file.as_deref()).await?;
    let companies = parties.companies(session).await?;
    companies.require(&read.path, &note.supplier, &note.buyer, pair.without_company_ids)?;
    if let Some(file) = invoice {
        let invoice = InvoiceDocument::read(&file)?;
        require_named(&read.path, "invoice", &note.invoice_references, &invoice.invoice.number)?;
        invoice.require_fingerprint(&found.fingerprint, &key, &companies, "Nothing was sent")?;
    }
    let token = session.token(found.token_id.parse()?).await?;
    if note.currency.as_str() != token.currency {
        let (path, currency) = (read.path.display(), note.currency);
        return Err(Failure::Failed(format!("{path} is in {currency}, and the invoice in {}", token.currency)));
    }
    let salt = salt.of(&read.path, &read.bytes)?;
    let mut builder = session.draft()?;
    builder.add(operations::issue_credit_note(&IssueCreditNote {
        receivable,
        amount: Amount::new(note.credited_amount.minor_units(token.scale)?),
        fingerprint: fingerprint(&key, &note.facts(&companies.supplier, &companies.buyer)?),
        document_commitment: salt.commitment(&read.bytes),
    }));
    salt.submit(session, builder, Some(token.token_id.parse()?), &[]).await
}

fn read_ground(name: &str) -> Result<DisputeGround, String> {
    by_name(DisputeGround::ALL, DisputeGround::name, name)
}
