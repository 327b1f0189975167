//! `causeway finance`: money for a confirmed invoice by a financier's published programme, on the record of settlement receipts.

use super::lending::{LendingCommand, show_assessment};
use super::names::by_name;
use super::supervision::SupervisionCommand;
use crate::cli::failure::Failure;
use crate::cli::output::{Format, print_many, print_one};
use crate::cli::session::Session;
use crate::cli::values::basis_points;
use crate::client::json::to_json;
use crate::client::operations::{self, BusinessStep, Citation, NewFinancingRequest, NewProgramme};
use crate::client::queries::LoanQuery;
use crate::client::receipt_file;
use crate::primitives::{ChainId, ObjectId, TokenId, TransactionId};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What is asked for under a programme.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// The receivable.
    #[arg(long)]
    receivable: ObjectId,
    /// The programme.
    #[arg(long)]
    programme: ObjectId,
    /// What to be paid now.
    #[arg(long, allow_negative_numbers = true)]
    advance: String,
    /// What the proceeds are for, as a code of a-z, 0-9 and '-'.
    #[arg(long, default_value = "")]
    purpose: String,
    /// A settlement to cite: a receipt file, or a transaction id. Up to 16.
    #[arg(long = "cite", value_name = "FILE|ID")]
    citations: Vec<String>,
    /// A settlement on another network that the programme accepts: its receipt file. Up to 4.
    #[arg(long = "cite-foreign", value_name = "FILE")]
    foreign_receipts: Vec<PathBuf>,
}

/// The terms of a programme: simple interest on calendar days over 365.
#[derive(Debug, clap::Args)]
pub struct Published {
    /// Its name, for people.
    #[arg(long)]
    name: String,
    /// The token of its loans.
    #[arg(long)]
    token: TokenId,
    /// What may be outstanding under it, in all and on each party and invoice.
    #[arg(long)]
    limit: String,
    /// The annual rate, in basis points.
    #[arg(long, value_name = "BPS", value_parser = basis_points, allow_negative_numbers = true)]
    rate_bps: u32,
    /// The annual rate after the due day, in basis points; the rate, if it is left out.
    #[arg(long, value_name = "BPS", value_parser = basis_points, allow_negative_numbers = true)]
    late_rate_bps: Option<u32>,
    /// A fee, in basis points of the advance.
    #[arg(long, value_name = "BPS", default_value = "0", value_parser = basis_points, allow_negative_numbers = true)]
    fee_bps: u32,
    /// How much of what is outstanding is advanced, at most, in basis points.
    #[arg(long, value_name = "BPS", default_value = "9000", value_parser = basis_points, allow_negative_numbers = true)]
    advance_rate_bps: u32,
    /// Days to the due day, at most.
    #[arg(long, default_value_t = 180)]
    tenor_days_max: u32,
    /// How many settlement receipts a borrower cites, at least.
    #[arg(long, default_value_t = 1)]
    settlements_min: u32,
    /// By how many days an invoice among them was paid late, at most.
    #[arg(long, default_value_t = 0)]
    settlements_late_days_max: u32,
    /// The invoice must be under an order that both parties agreed to.
    #[arg(long)]
    order_agreed: bool,
    /// A step of that order's shipment that a carrier must have recorded, by its name in CBV 2.0, such as 'shipping'.
    #[arg(long, value_name = "STEP", value_parser = read_step)]
    shipment_step: Option<BusinessStep>,
    /// How many days begun may lie between that step and the loan.
    #[arg(long, value_name = "DAYS", requires = "shipment_step")]
    shipment_age_days_max: Option<u32>,
    /// How many other invoices of the same parties over the same amount and of about the same day may stand.
    #[arg(long, value_name = "COUNT")]
    near_duplicates_max: Option<u32>,
    /// Another network on which a settlement counts, by its chain id: up to 8.
    #[arg(long = "network", value_name = "CHAIN_ID")]
    networks: Vec<ChainId>,
    /// What the proceeds may be used for, as a code of a-z, 0-9 and '-': up to 16; anything lawful, if none is given.
    #[arg(long = "purpose", value_name = "CODE")]
    purposes: Vec<String>,
    /// A buyer whose debts are financed, by its id or a participant's name; any, if none is given.
    #[arg(long = "buyer")]
    buyers: Vec<String>,
    /// A supplier who is financed, by its id or a participant's name; any, if none is given.
    #[arg(long = "supplier")]
    suppliers: Vec<String>,
    /// The borrower owes what the buyer does not pay.
    #[arg(long)]
    recourse: bool,
    /// What other financiers may take of each loan, in all, in basis points.
    #[arg(long, value_name = "BPS", default_value = "0", value_parser = basis_points, allow_negative_numbers = true)]
    participation_bps_max: u32,
    /// Minutes east of UTC by which its days run.
    #[arg(long, default_value_t = 480, allow_negative_numbers = true)]
    utc_offset_minutes: i32,
}

/// Publishes programmes, asks for, pays and shows loans.
#[derive(Debug, clap::Subcommand)]
pub enum FinanceCommand {
    /// Publishes a programme. The financier does; whoever meets its terms is financed at once.
    Publish(Box<Published>),
    /// Ends new loans under a programme. Its financier does.
    Close {
        /// The programme.
        programme: ObjectId,
    },
    /// Consents to a share of every loan under another's programme, in place of an earlier consent. A financier does; the
    /// programme's publisher signs too (--co-signer).
    Join {
        /// The programme.
        programme: ObjectId,
        /// The share of each loan, in basis points, 1 to 9,999.
        #[arg(long, value_name = "BPS", value_parser = basis_points, allow_negative_numbers = true)]
        share_bps: u32,
        /// What to have outstanding under it, at most.
        #[arg(long)]
        limit: String,
    },
    /// Ends a participant's share in new loans under a programme. The participant does, or the publisher.
    RemoveParticipant {
        /// The programme.
        programme: ObjectId,
        /// Who lends no more under it, by its id or a participant's name.
        lender: String,
    },
    /// Shows a programme.
    Programme {
        /// The programme.
        programme: ObjectId,
    },
    /// Lists the programmes.
    Programmes {
        /// Only those that are open or closed.
        #[arg(long)]
        state: Option<String>,
    },
    /// Says what a request would come to, and every condition that stands against it. Nothing happens.
    Assess(Asked),
    /// Asks for a loan on a receivable under a programme, citing settlement receipts. Its owner does, and is paid at once.
    Request(Asked),
    /// Pays a loan back, in whole or in part. Its borrower does.
    Repay {
        /// The loan.
        loan: ObjectId,
        /// How much.
        amount: String,
    },
    /// Declares a loan in default that is more than 90 days late. Its originator does.
    DeclareDefault {
        /// The loan.
        loan: ObjectId,
    },
    /// Writes off what is owed on a loan in default. Its originator does.
    WriteOff {
        /// The loan.
        loan: ObjectId,
    },
    /// Records what came in, outside of the ledger, on a loan that was written off. Its originator does.
    Recover {
        /// The loan.
        loan: ObjectId,
        /// How much.
        amount: String,
    },
    /// Shows a loan: what is owed, by whom, when, and to whom.
    Show {
        /// The loan.
        loan: ObjectId,
    },
    /// Lists the loans that the acting account may see.
    List {
        /// Only those that are performing, overdue, defaulted, written-off, repaid or recovered.
        #[arg(long)]
        state: Option<String>,
        /// Only those that are current, or 1-30, 31-60, 61-90 or over-90 days late.
        #[arg(long)]
        bucket: Option<String>,
        /// Only open ones that this account lends or has borrowed, by its id or a participant's name.
        #[arg(long, value_name = "ACCOUNT")]
        of: Option<String>,
        /// Only those of this borrower, by its id or a participant's name.
        #[arg(long)]
        borrower: Option<String>,
        /// Only those secured by what this legal entity owes.
        #[arg(long, value_name = "LEGAL_ENTITY_ID")]
        obligor: Option<String>,
        /// Only those under this programme.
        #[arg(long)]
        programme: Option<ObjectId>,
    },
    #[command(flatten)]
    #[allow(missing_docs)]
    Lending(LendingCommand),
    #[command(flatten)]
    #[allow(missing_docs)]
    Supervision(SupervisionCommand),
}

impl FinanceCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Publish(published) => publish(session, *published).await,
            Self::Close { programme } => session.submit_one(operations::close_programme(programme)).await,
            Self::Join { programme, share_bps, limit } => {
                let token = programme_token(session, programme).await?;
                let limit = session.amount_or_zero(&limit, token).await?;
                let mut builder = session.draft()?;
                builder.add(operations::join_programme(programme, share_bps, limit));
                session.submit_in(token, builder, &[]).await
            }
            Self::RemoveParticipant { programme, lender } => {
                let participant = session.common.find_account(&lender)?;
                session.submit_one(operations::remove_participant(programme, participant)).await
            }
            Self::Programme { programme } => {
                let value = session.with_units(to_json(&session.client.programme(programme).await?)).await?;
                print_one(session.format(), &for_people(session, value));
                Ok(())
            }
            Self::Programmes { state } => {
                session.account()?;
                let found = session.client.programmes(state.as_deref()).await?;
                let values = session.with_units(found.iter().map(to_json).collect()).await?;
                let values = values.as_array().into_iter().flatten().cloned();
                let values: Vec<Value> = values.map(|value| for_people(session, value)).collect();
                print_many(session.format(), &values, &PROGRAMME_COLUMNS);
                Ok(())
            }
            Self::Assess(asked) => {
                let (_, request) = request(session, asked).await?;
                let value = to_json(&session.client.assess_financing(request).await?);
                match session.format() {
                    Format::Json => print_one(Format::Json, &value),
                    Format::Text => show_assessment(session, &value).await?,
                }
                Ok(())
            }
            Self::Request(asked) => {
                let (token, request) = request(session, asked).await?;
                let mut builder = session.draft()?;
                let loan = builder.add(operations::request_financing(request)).object_id();
                session.submit_in(token, builder, &[("loan_id", loan.to_string())]).await
            }
            Self::Repay { loan, amount } => pay(session, loan, &amount, operations::repay_loan).await,
            Self::Recover { loan, amount } => pay(session, loan, &amount, operations::record_recovery).await,
            Self::DeclareDefault { loan } => session.submit_one(operations::declare_default(loan)).await,
            Self::WriteOff { loan } => session.submit_one(operations::write_off_loan(loan)).await,
            Self::Show { loan } => {
                let value = session.with_units(to_json(&session.client.loan(loan).await?)).await?;
                print_one(session.format(), &value);
                Ok(())
            }
            Self::Lending(command) => command.run(session).await,
            Self::Supervision(command) => command.run(session).await,
            Self::List { state, bucket, of, borrower, obligor, programme } => {
                session.account()?;
                let account = |name: Option<String>| name.map(|name| session.common.find_account(&name)).transpose();
                let query = LoanQuery {
                    state: state.as_deref(),
                    bucket: bucket.as_deref(),
                    account: account(of)?,
                    borrower: account(borrower)?,
                    obligor_entity: obligor.as_deref(),
                    programme,
                };
                let values = session.client.loans(&query).await?.iter().map(to_json).collect();
                let values = session.with_units(values).await?;
                let values = values.as_array().map_or(&[][..], Vec::as_slice);
                print_many(session.format(), values, &["loan_id", "receivable_id", "principal", "due_on", "state"]);
                Ok(())
            }
        }
    }
}

async fn publish(session: &Session, published: Published) -> Result<(), Failure> {
    let token = published.token;
    let accounts = |names: Vec<String>| {
        names.iter().map(|name| session.common.find_account(name)).collect::<Result<Vec<_>, Failure>>()
    };
    let programme = NewProgramme {
        name: published.name,
        token,
        buyers: accounts(published.buyers)?,
        suppliers: accounts(published.suppliers)?,
        advance_rate_bps: published.advance_rate_bps,
        tenor_days_max: published.tenor_days_max,
        rate_bps: published.rate_bps,
        late_rate_bps: published.late_rate_bps.unwrap_or(published.rate_bps),
        fee_bps: published.fee_bps,
        limit: session.amount(&published.limit, token).await?,
        settlements_min: published.settlements_min,
        settlements_late_days_max: published.settlements_late_days_max,
        order_agreed: published.order_agreed,
        shipment_step: published.shipment_step,
        shipment_age_days_max: published.shipment_age_days_max,
        near_duplicates_max: published.near_duplicates_max,
        networks: published.networks,
        purposes: published.purposes,
        recourse: published.recourse,
        participation_bps_max: published.participation_bps_max,
        utc_offset_minutes: published.utc_offset_minutes,
        holidays: Vec::new(),
    };
    let mut builder = session.draft()?;
    let programme = builder.add(operations::publish_programme(programme)).object_id();
    session.submit_in(token, builder, &[("programme_id", programme.to_string())]).await
}

/// What a list of programmes tells of each.
const PROGRAMME_COLUMNS: [&str; 6] =
    ["programme_id", "name", "financier_account_id", "outstanding", "limit_total", "state"];

/// A programme, for people with its terms beside what stands of it.
fn for_people(session: &Session, mut programme: Value) -> Value {
    let is_text = session.format() == Format::Text;
    let terms = programme.as_object_mut().filter(|_| is_text).and_then(|fields| fields.remove("terms"));
    let Some(Value::Object(terms)) = terms else { return programme };
    for (name, term) in terms {
        match (name.as_str(), term) {
            // Its limits are what is asked for first.
            ("limits", Value::Object(limits)) => {
                limits.into_iter().for_each(|(name, limit)| programme[format!("limit_{name}")] = limit);
            }
            (_, term) => programme[name] = term,
        }
    }
    programme
}

fn read_step(name: &str) -> Result<BusinessStep, String> {
    by_name(BusinessStep::ALL, BusinessStep::name, name)
}

async fn programme_token(session: &Session, programme: ObjectId) -> Result<TokenId, Failure> {
    let terms = session.client.programme(programme).await?.terms.unwrap_or_default();
    Ok(terms.token_id.parse()?)
}

async fn request(session: &Session, asked: Asked) -> Result<(TokenId, NewFinancingRequest), Failure> {
    let token: TokenId = session.client.receivable(asked.receivable).await?.token_id.parse()?;
    let citations = citations(session, &asked.citations).await?;
    let request = NewFinancingRequest {
        receivable: asked.receivable,
        programme: asked.programme,
        advance: session.amount(&asked.advance, token).await?,
        purpose: asked.purpose,
        citations,
        foreign_receipts: asked
            .foreign_receipts
            .iter()
            .map(|file| receipt_file::read(file))
            .collect::<Result<_, _>>()?,
    };
    Ok((token, request))
}

async fn pay(
    session: &Session,
    loan: ObjectId,
    amount: &str,
    operation: fn(ObjectId, crate::primitives::Amount) -> operations::Operation,
) -> Result<(), Failure> {
    let token: TokenId = session.client.loan(loan).await?.token_id.parse()?;
    let amount = session.amount(amount, token).await?;
    let mut builder = session.draft()?;
    builder.add(operation(loan, amount));
    session.submit_in(token, builder, &[]).await
}

/// The settlements that are cited by receipt files or transaction ids.
pub(super) async fn citations(session: &Session, cited: &[String]) -> Result<Vec<Citation>, Failure> {
    let mut citations = Vec::new();
    for citation in cited {
        citations.push(session.client.citation(cited_transaction(citation)?).await?);
    }
    Ok(citations)
}

fn cited_transaction(text: &str) -> Result<TransactionId, Failure> {
    let path = Path::new(text);
    if path.exists() {
        return Ok(receipt_file::read(path)?.transaction_id());
    }
    text.parse().map_err(|_| Failure::Usage(format!("'{text}' is neither a receipt file nor a transaction id")))
}
