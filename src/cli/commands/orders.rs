//! `causeway orders`: orders from their UBL documents, agreed by both parties.

use super::documents::UblFile;
use super::names::by_name;
use super::order_document::{Silence, require_named, require_order, require_terms, terms_of};
use super::pair::{Pair, PairFlags};
use super::salts::SaltFlag;
use crate::cli::failure::Failure;
use crate::cli::output::{Format, print_many, print_one, with_money};
use crate::cli::session::Session;
use crate::client::json::to_json;
use crate::client::operations;
use crate::client::ubl::{UblDocument, UblOrder, UblOrderCancellation, UblOrderChange, UblOrderTerms, UblParty};
use crate::domain::trade::{PlaceOrder, SilenceMeans, fingerprint};
use crate::primitives::{ObjectId, TokenId};
use crate::wire::pb::trade;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What the parties agree on beside the document.
#[derive(Debug, clap::Args)]
pub struct SilenceFlags {
    /// Within how many days of its registration the buyer confirms or disputes an invoice: 1 to 180; no such term if not
    /// given, and of a change the one in force.
    #[arg(long, value_name = "DAYS")]
    confirmation_days: Option<u16>,
    /// What the buyer's silence means after that: nothing, or confirms.
    #[arg(long, value_name = "MEANING", value_parser = read_silence)]
    silence: Option<SilenceMeans>,
}

/// The order's own document, for commands about an order that is on the ledger.
#[derive(Debug, clap::Args)]
pub struct PlacedOrder {
    /// The UBL Order as it was placed: that the order on the ledger is this one, and what is sent is about it, is then
    /// checked.
    #[arg(long, value_name = "FILE")]
    order_document: Option<PathBuf>,
    #[command(flatten)]
    pair: PairFlags,
}

impl PlacedOrder {
    fn is_given(&self) -> bool {
        self.order_document.is_some() || self.pair.is_given()
    }
}

/// Holds flags that say how a document is checked to there being one: whoever gives them believes that it is.
fn require_document(document: Option<&PathBuf>, is_to_be_checked: bool) -> Result<(), Failure> {
    match document {
        None if is_to_be_checked => Err(Failure::Usage(
            "those flags are about a document, and none is given: give it with --document FILE".into(),
        )),
        _ => Ok(()),
    }
}

/// What a buyer says beside its document.
#[derive(Debug, clap::Args)]
pub struct Placing {
    /// The UBL 2.1 Order.
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    /// The supplier, by its id or a participant's name.
    #[arg(long)]
    supplier: String,
    /// The token in which its invoices are paid.
    #[arg(long)]
    token: TokenId,
    #[command(flatten)]
    silence: SilenceFlags,
    #[command(flatten)]
    pair: PairFlags,
    #[command(flatten)]
    salt: SaltFlag,
}

/// What a party says beside the document of a change.
#[derive(Debug, clap::Args)]
pub struct Changing {
    /// The order.
    order: ObjectId,
    /// The UBL 2.1 OrderChange, which has the whole order as it is to be.
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    #[command(flatten)]
    silence: SilenceFlags,
    #[command(flatten)]
    placed: PlacedOrder,
    #[command(flatten)]
    salt: SaltFlag,
}

/// Places, accepts, changes, cancels and shows orders.
#[derive(Debug, clap::Subcommand)]
pub enum OrdersCommand {
    /// Places an order from its UBL file: number, currency, amount, lines, days of delivery and of payment are the
    /// document's. The buyer does; it is agreed once the supplier accepts it.
    #[command(after_help = "Example:\n  causeway orders place --as buyer --document order.xml --supplier supplier \
                            --token HKDX --confirmation-days 10 --silence confirms")]
    Place(Box<Placing>),
    /// Accepts an order as it was placed. The supplier does; with --document the amount, currency, lines, dates, companies
    /// and fingerprint on the ledger are first held to the supplier's own copy.
    #[command(after_help = "Example:\n  causeway orders accept --as supplier ORDER --document order.xml")]
    Accept {
        /// The order.
        order: ObjectId,
        /// The UBL Order as the supplier has it.
        #[arg(long, value_name = "FILE")]
        document: Option<PathBuf>,
        #[command(flatten)]
        pair: PairFlags,
    },
    /// Proposes other terms for an agreed order, from its UBL OrderChange. Either party does; they come into force once the
    /// other accepts them.
    #[command(after_help = "Example:\n  causeway orders change --as buyer ORDER --document change.xml \
                            --order-document order.xml")]
    Change(Box<Changing>),
    /// Accepts the change that the other party proposed, by its number; with --document the terms on the ledger are first
    /// held to one's own copy.
    #[command(after_help = "Example:\n  causeway orders accept-change --as supplier ORDER 1 --document change.xml")]
    AcceptChange {
        /// The order.
        order: ObjectId,
        /// The proposal's number, as `orders get` says it.
        number: u32,
        /// The UBL OrderChange as the accepting party has it.
        #[arg(long, value_name = "FILE")]
        document: Option<PathBuf>,
        #[command(flatten)]
        placed: PlacedOrder,
    },
    /// Cancels an order under which nothing is invoiced. The buyer does; once it is agreed either party, and the other signs
    /// too (--co-signer).
    #[command(after_help = "Example:\n  causeway orders cancel --as buyer --co-signer supplier ORDER \
                            --document cancellation.xml --order-document order.xml")]
    Cancel {
        /// The order.
        order: ObjectId,
        /// The UBL OrderCancellation: what it says is checked. The ledger keeps nothing of it.
        #[arg(long, value_name = "FILE")]
        document: Option<PathBuf>,
        #[command(flatten)]
        placed: PlacedOrder,
    },
    /// Appoints a carrier or a warehouse, which then records events of the order's shipments. Either party does.
    #[command(after_help = "Example:\n  causeway orders appoint-carrier --as supplier ORDER carrier")]
    AppointCarrier {
        /// The order.
        order: ObjectId,
        /// The carrier, by its id or a participant's name.
        carrier: String,
    },
    /// Shows an order, with the events of its shipments.
    #[command(alias = "show", after_help = "Example:\n  causeway orders get --as supplier ORDER")]
    Get {
        /// The order.
        order: ObjectId,
    },
    /// Lists the orders that the acting account may see.
    #[command(after_help = "Example:\n  causeway orders list --as supplier --state proposed")]
    List {
        /// Only those that are proposed, agreed or cancelled.
        #[arg(long)]
        state: Option<String>,
    },
}

impl OrdersCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Place(placing) => place(session, *placing).await,
            Self::Accept { order, document, pair } => {
                require_document(document.as_ref(), pair.is_given())?;
                if let Some(file) = document {
                    compare_order(session, order, &file, &pair).await?;
                }
                session.submit_one(operations::accept_order(order)).await
            }
            Self::Change(changing) => change(session, *changing).await,
            Self::AcceptChange { order, number, document, placed } => {
                require_document(document.as_ref(), placed.is_given())?;
                if let Some(file) = document {
                    compare_change(session, order, number, &file, &placed).await?;
                }
                session.submit_one(operations::accept_order_change(order, number)).await
            }
            Self::Cancel { order, document, placed } => {
                require_document(document.as_ref(), placed.is_given())?;
                if let Some(file) = document {
                    let read = UblFile::read(&file, UblOrderCancellation::read_thoroughly)?;
                    let UblOrderCancellation { order_references, seller, buyer, .. } = &read.content;
                    let about = About { path: &file, named: order_references, supplier: seller, buyer };
                    about.require(session, &find(session, order).await?, &placed).await?;
                }
                session.submit_one(operations::cancel_order(order)).await
            }
            Self::AppointCarrier { order, carrier } => {
                let carrier = session.common.find_account(&carrier)?;
                session.submit_one(operations::appoint_carrier(order, carrier)).await
            }
            Self::Get { order } => {
                session.account()?;
                print_one(session.format(), &shown(session, to_json(&session.client.order(order).await?)).await?);
                Ok(())
            }
            Self::List { state } => list(session, state.as_deref()).await,
        }
    }
}

/// What a document says of the order that it is about.
struct About<'a> {
    path: &'a Path,
    /// The orders that it names.
    named: &'a [String],
    supplier: &'a UblParty,
    buyer: &'a UblParty,
}

impl About<'_> {
    /// Holds the document to the order on the ledger: its parties always, its number where the order's document is given.
    async fn require(&self, session: &Session, order: &trade::Order, placed: &PlacedOrder) -> Result<(), Failure> {
        let parties = Pair::of_ids(&order.supplier_account_id, &order.buyer_account_id)?;
        let companies = parties.companies(session).await?;
        companies.require(self.path, self.supplier, self.buyer, placed.pair.without_company_ids)?;
        let Some(file) = &placed.order_document else { return Ok(()) };
        let document = UblFile::read(file, UblOrder::read_thoroughly)?;
        require_named(self.path, "order", self.named, &document.content.number)?;
        let key = parties.read_key(session, placed.pair.key_file.as_deref()).await?;
        require_order(&document, &order.fingerprint, &key, &companies)
    }
}

async fn find(session: &Session, order: ObjectId) -> Result<trade::Order, Failure> {
    let malformed = || Failure::Failed("the node's answer is malformed: there is no order in it".into());
    session.client.order(order).await?.order.ok_or_else(malformed)
}

async fn place(session: &Session, placing: Placing) -> Result<(), Failure> {
    let Placing { document, supplier, token, silence, pair, salt } = placing;
    let read = UblFile::read(&document, UblOrder::read_thoroughly)?;
    let order = &read.content;
    let supplier = session.common.find_account(&supplier)?;
    let parties = Pair { supplier, buyer: session.account()? };
    let key = parties.read_key(session, pair.key_file.as_deref()).await?;
    let companies = parties.companies(session).await?;
    companies.require(&read.path, &order.seller, &order.buyer, pair.without_company_ids)?;
    let silence = Silence {
        confirmation_days: silence.confirmation_days.unwrap_or_default(),
        means: silence.silence.unwrap_or(SilenceMeans::Nothing),
    };
    let salt = salt.of(&read.path, &read.bytes)?;
    let scale = session.scale(token).await?;
    let mut builder = session.draft()?;
    let placed = builder.add(operations::place_order(&PlaceOrder {
        supplier,
        token,
        currency: order.terms.currency,
        fingerprint: fingerprint(&key, &order.facts(&companies.supplier, &companies.buyer)?),
        terms: terms_of(&read.path, &order.terms, silence, scale, salt.commitment(&read.bytes))?,
    }));
    salt.submit(session, builder, Some(token), &[("order_id", placed.object_id().to_string())]).await?;
    for lack in UblDocument::Order(order.clone()).lacks() {
        session.note(&format!("{} does not say all: {lack}.", read.path.display()));
    }
    Ok(())
}

async fn change(session: &Session, changing: Changing) -> Result<(), Failure> {
    let Changing { order, document, silence, placed, salt } = changing;
    let read = UblFile::read(&document, UblOrderChange::read_thoroughly)?;
    let UblOrderChange { terms, order_reference, seller, buyer, .. } = &read.content;
    let found = find(session, order).await?;
    let about = About { path: &read.path, named: std::slice::from_ref(order_reference), supplier: seller, buyer };
    about.require(session, &found, &placed).await?;
    let token = session.token(found.token_id.parse()?).await?;
    if terms.currency.as_str() != token.currency {
        let (path, currency) = (read.path.display(), terms.currency);
        return Err(Failure::Failed(format!("{path} is in {currency}, and the order in {}", token.currency)));
    }
    let in_force = found.terms.unwrap_or_default();
    let means = SilenceMeans::ALL.iter().copied().find(|means| i32::from(means.tag()) == in_force.silence);
    let days_in_force = u16::try_from(in_force.confirmation_days).unwrap_or(u16::MAX);
    let silence = Silence {
        confirmation_days: silence.confirmation_days.unwrap_or(days_in_force),
        means: silence.silence.or(means).unwrap_or(SilenceMeans::Nothing),
    };
    let salt = salt.of(&read.path, &read.bytes)?;
    let terms = terms_of(&read.path, terms, silence, token.scale, salt.commitment(&read.bytes))?;
    let mut builder = session.draft()?;
    builder.add(operations::propose_order_change(order, &terms));
    salt.submit(session, builder, Some(token.token_id.parse()?), &[]).await
}

/// Holds what the ledger has of an order to the supplier's own copy.
async fn compare_order(session: &Session, order: ObjectId, file: &Path, pair: &PairFlags) -> Result<(), Failure> {
    let read = UblFile::read(file, UblOrder::read_thoroughly)?;
    let found = find(session, order).await?;
    hold_terms(session, file, &found, found.terms.as_ref(), &read.content.terms).await?;
    let parties = Pair::of_ids(&found.supplier_account_id, &found.buyer_account_id)?;
    let companies = parties.companies(session).await?;
    companies.require(file, &read.content.seller, &read.content.buyer, pair.without_company_ids)?;
    let key = parties.read_key(session, pair.key_file.as_deref()).await?;
    require_order(&read, &found.fingerprint, &key, &companies)
}

/// Holds a proposal to the accepting party's own copy of the change.
async fn compare_change(
    session: &Session,
    order: ObjectId,
    number: u32,
    file: &Path,
    placed: &PlacedOrder,
) -> Result<(), Failure> {
    let read = UblFile::read(file, UblOrderChange::read_thoroughly)?;
    let found = find(session, order).await?;
    let Some(change) = found.change.as_ref().filter(|change| change.number == number) else {
        let waits = match &found.change {
            Some(change) => format!("number {} waits", change.number),
            None => "none waits".to_owned(),
        };
        return Err(Failure::Failed(format!("there is no proposal {number} to accept: {waits}")));
    };
    hold_terms(session, file, &found, change.terms.as_ref(), &read.content.terms).await?;
    let UblOrderChange { order_reference, seller, buyer, .. } = &read.content;
    let about = About { path: file, named: std::slice::from_ref(order_reference), supplier: seller, buyer };
    about.require(session, &found, placed).await
}

async fn hold_terms(
    session: &Session,
    file: &Path,
    order: &trade::Order,
    on_ledger: Option<&trade::OrderTerms>,
    terms: &UblOrderTerms,
) -> Result<(), Failure> {
    let malformed = || Failure::Failed("the node's answer is malformed: there are no terms in it".into());
    let token = session.token(order.token_id.parse()?).await?;
    require_terms(file, on_ledger.ok_or_else(malformed)?, &token, terms)
}

async fn list(session: &Session, state: Option<&str>) -> Result<(), Failure> {
    session.account()?;
    let mut values = Vec::new();
    for order in session.client.orders(state).await? {
        let mut value = with_units(session, to_json(&order)).await?;
        if session.format() == Format::Text {
            value["amount"] = value["terms"]["amount"].take();
            value["deliver_by_ms"] = value["terms"]["deliver_by_ms"].take();
        }
        values.push(value);
    }
    let columns = ["order_id", "amount", "invoiced", "deliver_by_ms", "version", "state"];
    print_many(session.format(), &values, &columns);
    Ok(())
}

/// The order's fields, and its events beside them.
async fn shown(session: &Session, mut answer: Value) -> Result<Value, Failure> {
    let events = answer["events"].take();
    let mut order = with_units(session, answer["order"].take()).await?;
    order["events"] = if events.is_null() { Value::Array(Vec::new()) } else { events };
    Ok(order)
}

async fn with_units(session: &Session, order: Value) -> Result<Value, Failure> {
    let token = order["token_id"].as_str().unwrap_or_default().to_owned();
    if session.format() == Format::Json || token.is_empty() {
        return Ok(order);
    }
    let scale = session.scale(token.parse()?).await?;
    let mut order = with_money(Format::Text, order, &["invoiced"], &token, scale);
    for place in ["/terms", "/change/terms"] {
        if let Some(terms) = order.pointer_mut(place) {
            *terms = with_money(Format::Text, terms.take(), &["amount"], &token, scale);
        }
    }
    Ok(order)
}

fn read_silence(name: &str) -> Result<SilenceMeans, String> {
    by_name(SilenceMeans::ALL, SilenceMeans::name, name)
}
