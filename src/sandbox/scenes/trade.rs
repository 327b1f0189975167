//! What companies agree on before there is a loan: the key of their fingerprints, the order, the goods' departure, the invoice.

use super::market::{overflow, trade_token};
use crate::client::epcis::EpcisDocument;
use crate::client::operations::{self, NewInvoice};
use crate::client::ubl::{UblInvoice, UblOrder};
use crate::domain::trade::{
    InvoiceFacts, OrderTerms, PlaceOrder, SilenceMeans, document_commitment, fingerprint, key_commitment,
};
use crate::ledger::limits::EVENT_AHEAD_MS_MAX;
use crate::primitives::time::DAY_MS;
use crate::primitives::{Amount, BlockTime, Day, Hash, ObjectId, TokenId};
use crate::sandbox::SandboxError;
use crate::sandbox::documents::{Document, Documents};
use crate::sandbox::stage::{Expect, Stage};
use jiff::civil::Date;
use std::time::Instant;

/// Within how many days a buyer confirms or disputes an invoice.
const CONFIRMATION_DAYS: u16 = 10;

/// What a trade is about.
#[derive(Clone, Debug)]
pub struct Trade {
    /// The token of its payments.
    pub token: TokenId,
    /// The invoice's amount.
    pub amount: Amount,
    /// What makes the invoice this one and no other.
    pub facts: InvoiceFacts,
    /// When it is due.
    pub due_at_ms: u64,
    /// Whether that is the day that the document names.
    pub due_as_printed: bool,
    /// The key of the pair's fingerprints.
    pub key: [u8; 32],
}

/// An order on the ledger.
#[derive(Clone, Debug)]
pub struct AgreedOrder {
    /// Its id.
    pub id: ObjectId,
    /// Its number, for the parties and the carrier.
    pub number: String,
    /// When it was placed at the latest, by the ledger's clock.
    placed_by_ms: u64,
}

/// 32 random bytes that stay with what they salt.
///
/// # Errors
/// The system gives none.
pub fn salt() -> Result<[u8; 32], SandboxError> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| SandboxError::Internal(error.to_string()))?;
    Ok(salt)
}

/// The first of the invoices that is not on the ledger from an earlier run; our own if there is none.
///
/// # Errors
/// No node answers, or a document says too little to be told from others.
pub async fn choose(stage: &Stage<'_>, documents: &Documents) -> Result<Document<UblInvoice>, SandboxError> {
    if documents.invoices.is_empty() {
        return Document::own_invoice(stage.now_ms());
    }
    // Without the pair's key no run has come to the point of registering anything.
    let key = kept_key(stage)?;
    let registered = match key {
        Some(_) => stage.reading_as("supplier")?.receivables(None).await?,
        None => Vec::new(),
    };
    for document in &documents.invoices {
        let Some(key) = key else { return Ok(document.clone()) };
        let fingerprint = fingerprint(&key, &facts(stage, document).await?);
        if !registered.iter().any(|receivable| receivable.fingerprint[..] == fingerprint.0[..]) {
            return Ok(document.clone());
        }
        stage.output.note(&format!(
            "The invoice {} of {} is on this ledger since an earlier run, and an invoice is registered once.",
            document.says.number, document.name
        ));
    }
    stage
        .output
        .note("The sandbox's own invoice takes its place; another directory (--data-dir) starts a ledger anew.");
    Document::own_invoice(stage.now_ms())
}

/// Reads the facts of the invoice and has the parties agree on the key of its fingerprint, once.
///
/// # Errors
/// The document says too little, or the key is not committed.
pub async fn prepare(stage: &mut Stage<'_>, document: &Document<UblInvoice>) -> Result<Trade, SandboxError> {
    let (token, amount) = trade_token(stage, document).await?;
    let key = agree_on_key(stage).await?;
    let (invoice, now_ms) = (&document.says, stage.now_ms());
    let printed = invoice.due_date.and_then(starts_at_ms).filter(|due_at_ms| *due_at_ms > now_ms);
    if printed.is_none() {
        let said = invoice
            .due_date
            .map_or_else(|| "no due date".to_owned(), |date| format!("the due date {date}, which has passed"));
        stage.tell(&format!("The invoice {} has {said}; the parties agree on 60 days from now.", invoice.number));
    }
    let facts = facts(stage, document).await?;
    let due_at_ms = printed.unwrap_or(now_ms + 60 * DAY_MS);
    Ok(Trade { token, amount, facts, due_at_ms, due_as_printed: printed.is_some(), key })
}

/// The first moment of a day, in UTC.
fn starts_at_ms(date: Date) -> Option<u64> {
    Day::of(date).map(|day| day.starts_at().0)
}

/// What makes the document's invoice this one and no other, between the companies of the accounts.
async fn facts(stage: &Stage<'_>, document: &Document<UblInvoice>) -> Result<InvoiceFacts, SandboxError> {
    let supplier = stage.reading_as("supplier")?;
    let supplier_legal_id = supplier.counterparty(stage.account("supplier")?).await?.legal_entity_id;
    let buyer_legal_id = supplier.counterparty(stage.account("buyer")?).await?.legal_entity_id;
    let facts = document.says.facts(&supplier_legal_id, &buyer_legal_id);
    facts.map_err(|error| SandboxError::Invoice { document: document.name.clone(), why: error.to_string() })
}

/// The key of an earlier run, if there was one.
fn kept_key(stage: &Stage<'_>) -> Result<Option<[u8; 32]>, SandboxError> {
    let path = stage.directory.participant("supplier").join("fingerprint-key.hex");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| SandboxError::Internal(format!("{} is not a key of 64 hexadecimal digits", path.display())))?;
    Ok(Some(key))
}

/// The key that supplier and buyer share, kept in both their directories.
async fn agree_on_key(stage: &mut Stage<'_>) -> Result<[u8; 32], SandboxError> {
    if let Some(key) = kept_key(stage)? {
        return Ok(key);
    }
    let key = salt()?;
    let mut draft = stage.draft("supplier")?;
    let (supplier, buyer) = (stage.account("supplier")?, stage.account("buyer")?);
    draft.add(operations::commit_fingerprint_key(supplier, buyer, key_commitment(&key)));
    let sentence = "supplier and buyer commit the key of their invoices' fingerprints";
    stage.settle("commit-fingerprint-key", sentence, draft, &["buyer"], Expect::Applied).await?;
    for name in ["supplier", "buyer"] {
        let path = stage.directory.participant(name).join("fingerprint-key.hex");
        let text = format!("{}\n", hex::encode(key));
        crate::client::keys::write_new_private_file(&path, text.as_bytes())
            .map_err(|cause| SandboxError::unwritable(&path, &cause))?;
    }
    Ok(key)
}

/// Buyer and supplier agree on the order behind an invoice, and appoint the carrier. The order is the folder's that fits, or
/// our own.
///
/// # Errors
/// A step does not go as it must.
pub async fn agree_on_order(
    stage: &mut Stage<'_>,
    documents: &Documents,
    invoice: &Document<UblInvoice>,
    trade: &Trade,
) -> Result<AgreedOrder, SandboxError> {
    let found = documents.order_of(&invoice.says);
    found.misfits.iter().for_each(|misfit| stage.tell(misfit));
    let order = match found.fits {
        Some(order) => order.clone(),
        None => Document::own_order(&invoice.says, stage.now_ms())?,
    };
    let placing = placing(stage, &order, trade)?;
    let sentence = format!(
        "the buyer orders for {}: order {} ({})",
        stage.money(placing.terms.amount, trade.token),
        order.says.number,
        order.name
    );
    let id = stage.create("buyer", "place-order", &sentence, operations::place_order(&placing)).await?;
    let mut draft = stage.draft("supplier")?;
    draft.add(operations::accept_order(id));
    draft.add(operations::appoint_carrier(id, stage.account("carrier")?));
    let sentence = "the supplier accepts the order, and appoints the carrier";
    stage.settle("accept-order", sentence, draft, &[], Expect::Applied).await?;
    Ok(AgreedOrder { id, number: order.says.number, placed_by_ms: stage.now_ms() })
}

/// The order as its document has it. A day that has passed is left out: what was agreed on paper long ago is not agreed anew.
fn placing(stage: &Stage<'_>, order: &Document<UblOrder>, trade: &Trade) -> Result<PlaceOrder, SandboxError> {
    let invalid = |why: String| SandboxError::Invoice { document: order.name.clone(), why };
    let (says, terms) = (&order.says, &order.says.terms);
    let minor_units = |scale: u32| terms.totals.payable.minor_units(scale).map_err(|error| invalid(error.to_string()));
    let facts = says.facts(&trade.facts.supplier_legal_id, &trade.facts.buyer_legal_id);
    let facts = facts.map_err(|error| invalid(error.to_string()))?;
    let deliver_by = terms.delivery_by.and_then(starts_at_ms).filter(|deliver_by| *deliver_by > stage.now_ms());
    let payment_days = terms.payment_days.and_then(|days| u16::try_from(days).ok());
    Ok(PlaceOrder {
        supplier: stage.account("supplier")?,
        token: trade.token,
        currency: facts.currency,
        fingerprint: fingerprint(&trade.key, &facts),
        terms: OrderTerms {
            amount: Amount::new(minor_units(stage.scale(trade.token))?),
            document_commitment: document_commitment(&salt()?, &order.bytes),
            line_count: u16::try_from(terms.lines.len()).unwrap_or(u16::MAX),
            deliver_by: deliver_by.map(BlockTime),
            confirmation_days: CONFIRMATION_DAYS,
            silence: SilenceMeans::Confirms,
            // Where the parties agreed on another due day than the invoice's, the order's terms of payment do not bind it.
            payment_days: payment_days.filter(|days| trade.due_as_printed && due_after(trade, *days)),
        },
    })
}

/// Whether the invoice is due so many days after its day of issue.
fn due_after(trade: &Trade, days: u16) -> bool {
    let due_on = Day::of(trade.facts.issue_date).and_then(|day| day.checked_add(days.into()));
    due_on.is_some_and(|due_on| due_on.starts_at().0 == trade.due_at_ms)
}

/// The goods leave: the carrier registers the gate at which it reads, and records the event of an EPCIS document, the folder's
/// that fits, or our own. Tells when the event was sent.
///
/// # Errors
/// A step does not go as it must.
pub async fn ship(stage: &mut Stage<'_>, documents: &Documents, order: &AgreedOrder) -> Result<Instant, SandboxError> {
    let until_ms = stage.now_ms() + EVENT_AHEAD_MS_MAX;
    let found = documents.departure_of(&order.number, (order.placed_by_ms, until_ms));
    found.misfits.iter().for_each(|misfit| stage.tell(misfit));
    let own;
    let (document, event) = match found.fits {
        Some(fits) => fits,
        None => {
            own = Document::<EpcisDocument>::own_departure(&order.number, stage.now_ms())?;
            let first = own.says.events.first();
            (&own, first.ok_or_else(|| SandboxError::Internal(format!("{} has no event", own.name)))?)
        }
    };
    let commitment = document_commitment(&salt()?, &document.bytes);
    let recording = event.recording(order.id, commitment, &salt()?);
    let recording = recording.map_err(|error| SandboxError::Internal(format!("{}: {error}", document.name)))?;
    let registration = operations::register_read_point(recording.read_point);
    let sentence = "the carrier registers the gate at which it reads";
    stage.apply("carrier", "register-read-point", sentence, registration).await?;
    let sentence =
        format!("the goods of order {} leave: the carrier records the EPCIS event ({})", order.number, document.name);
    let sent = Instant::now();
    stage.apply("carrier", "record-shipment-event", &sentence, operations::record_shipment_event(&recording)).await?;
    Ok(sent)
}

/// What registers an invoice.
///
/// # Errors
/// The system gives no randomness.
pub fn registering(
    stage: &Stage<'_>,
    document: &Document<UblInvoice>,
    trade: &Trade,
    order: Option<ObjectId>,
) -> Result<operations::Operation, SandboxError> {
    Ok(operations::register_invoice(NewInvoice {
        buyer: stage.account("buyer")?,
        token: trade.token,
        currency: trade.facts.currency.as_str().to_owned(),
        amount: trade.amount,
        due_at_ms: trade.due_at_ms,
        fingerprint: invoice_fingerprint(trade),
        document_commitment: document_commitment(&salt()?, &document.bytes),
        issued_on: trade.facts.issue_date.to_string(),
        order,
    }))
}

/// The fingerprint under which the trade's invoice is known.
pub fn invoice_fingerprint(trade: &Trade) -> Hash {
    fingerprint(&trade.key, &trade.facts)
}

/// The supplier registers the invoice.
///
/// # Errors
/// It is not registered.
pub async fn register_invoice(
    stage: &mut Stage<'_>,
    document: &Document<UblInvoice>,
    trade: &Trade,
    order: Option<ObjectId>,
) -> Result<ObjectId, SandboxError> {
    let operation = registering(stage, document, trade, order)?;
    let (number, money) = (&trade.facts.number, stage.money(trade.amount, trade.token));
    let sentence = format!("the supplier registers invoice {number} over {money} ({})", document.name);
    stage.create("supplier", "register-invoice", &sentence, operation).await
}

/// The supplier tries to register it again.
///
/// # Errors
/// It is registered again.
pub async fn register_again(
    stage: &mut Stage<'_>,
    document: &Document<UblInvoice>,
    trade: &Trade,
) -> Result<(), SandboxError> {
    let operation = registering(stage, document, trade, None)?;
    let (sentence, reason) = ("the supplier registers it a second time", "INVOICE_ALREADY_REGISTERED");
    stage.decline("supplier", "register-invoice-again", sentence, operation, reason).await.map(drop)
}

/// The buyer confirms that it owes it.
///
/// # Errors
/// It does not.
pub async fn confirm_invoice(stage: &mut Stage<'_>, receivable: ObjectId) -> Result<(), SandboxError> {
    let sentence = "the buyer confirms that it owes it";
    stage.apply("buyer", "confirm-invoice", sentence, operations::confirm_invoice(receivable)).await.map(drop)
}

/// What certifies that an invoice of these facts is not on the ledger.
///
/// # Errors
/// None that has been seen: both parties have accounts.
pub fn certifying_absence(
    stage: &Stage<'_>,
    trade: &Trade,
    facts: &InvoiceFacts,
) -> Result<operations::Operation, SandboxError> {
    let (supplier, buyer) = (stage.account("supplier")?, stage.account("buyer")?);
    Ok(operations::certify_absence(supplier, buyer, fingerprint(&trade.key, facts), key_commitment(&trade.key)))
}

/// So many hundredths of the trade's amount, rounded down.
///
/// # Errors
/// None that has been seen: a part of an amount is one.
pub fn hundredths(trade: &Trade, count: u64) -> Result<Amount, SandboxError> {
    trade.amount.scale_down(count, 100).ok_or_else(overflow)
}
