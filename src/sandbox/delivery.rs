//! The order, and the truck that leaves with it: what the scenario's financier asks for before it lends.

use super::SandboxError;
use super::scenario::Trade;
use super::stage::{Expect, Stage};
use crate::client::epcis::EpcisDocument;
use crate::client::{now_ms, operations};
use crate::domain::trade::{
    InvoiceFacts, OrderTerms, PlaceOrder, RecordShipmentEvent, SilenceMeans, document_commitment, fingerprint,
};
use crate::primitives::ObjectId;
use std::fmt::Display;
use std::time::{Duration, Instant};

/// The gate at which the carrier reads, by its GS1 location number.
const READ_POINT: &str = "urn:epc:id:sgln:4099999.00001.G1";

/// The order's number, for the buyer, the ledger's fingerprint and the carrier's event alike.
fn order_number(trade: &Trade) -> String {
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    format!("PO-{}", trade.facts.number.chars().filter(plain).collect::<String>())
}

fn salt() -> Result<[u8; 32], SandboxError> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| SandboxError::Internal(error.to_string()))?;
    Ok(salt)
}

/// Buyer and supplier agree on an order, and appoint the carrier.
///
/// # Errors
/// A step does not go as it must.
pub(super) async fn agree_on_order(stage: &mut Stage<'_>, trade: &Trade) -> Result<ObjectId, SandboxError> {
    let facts = InvoiceFacts { number: order_number(trade), ..trade.facts.clone() };
    let document = format!("{} over {} {}", facts.number, trade.amount, trade.token);
    let mut draft = stage.draft("buyer")?;
    let order = draft
        .add(operations::place_order(&PlaceOrder {
            supplier: stage.account("supplier")?,
            token: trade.token,
            currency: facts.currency,
            fingerprint: fingerprint(&trade.key, &facts),
            terms: OrderTerms {
                amount: trade.amount,
                document_commitment: document_commitment(&salt()?, document.as_bytes()),
                line_count: 1,
                deliver_by: None,
                confirmation_days: 10,
                silence: SilenceMeans::Confirms,
                payment_days: None,
            },
        }))
        .object_id();
    let sentence = format!("the buyer orders for {}", stage.money(trade.amount, trade.token));
    stage.settle("place-order", &sentence, draft, &[], Expect::Applied).await?;
    let mut draft = stage.draft("supplier")?;
    draft.add(operations::accept_order(order));
    draft.add(operations::appoint_carrier(order, stage.account("carrier")?));
    let sentence = "the supplier accepts the order, and appoints the carrier";
    stage.settle("accept-order", sentence, draft, &[], Expect::Applied).await?;
    Ok(order)
}

/// The goods leave: the carrier registers the gate at which it reads, and records the event of its EPCIS document. Tells when
/// the event was sent.
///
/// # Errors
/// A step does not go as it must.
pub(super) async fn ship(stage: &mut Stage<'_>, trade: &Trade, order: ObjectId) -> Result<Instant, SandboxError> {
    let event = departure(&order_number(trade), order)?;
    let mut draft = stage.draft("carrier")?;
    draft.add(operations::register_read_point(event.read_point));
    let sentence = "the carrier registers the gate at which it reads";
    stage.settle("register-read-point", sentence, draft, &[], Expect::Applied).await?;
    let mut draft = stage.draft("carrier")?;
    draft.add(operations::record_shipment_event(&event));
    let sent = Instant::now();
    let sentence = "the carrier records the EPCIS event: the goods left";
    stage.settle("record-shipment-event", sentence, draft, &[], Expect::Applied).await?;
    Ok(sent)
}

/// The event of the carrier's document, read as any client reads one.
fn departure(order_number: &str, order: ObjectId) -> Result<RecordShipmentEvent, SandboxError> {
    let internal = |error: &dyn Display| SandboxError::Internal(error.to_string());
    let now = i64::try_from(now_ms()).map_err(|error| internal(&error))?;
    let now = jiff::Timestamp::from_millisecond(now).map_err(|error| internal(&error))?;
    let document = format!(
        r#"{{ "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
  "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": "{now}",
  "epcisBody": {{ "eventList": [ {{
    "type": "ObjectEvent", "eventTime": "{now}", "eventTimeZoneOffset": "+08:00", "action": "OBSERVE",
    "bizStep": "shipping", "disposition": "in_transit", "epcList": ["urn:epc:id:sscc:4099999.0000000042"],
    "readPoint": {{ "id": "{READ_POINT}" }},
    "bizTransactionList": [ {{ "type": "po", "bizTransaction": "urn:epcglobal:cbv:bt:4099999000018:{order_number}" }} ]
  }} ] }} }}"#
    );
    let read = EpcisDocument::read(document.as_bytes()).map_err(|error| internal(&error))?;
    let event = read.events.first().ok_or_else(|| internal(&"the carrier's document has no event"))?;
    if !event.order_numbers().iter().any(|number| *number == order_number) {
        return Err(internal(&format!("the carrier's event is not about the order {order_number}")));
    }
    let commitment = document_commitment(&salt()?, document.as_bytes());
    event.recording(order, commitment, &salt()?).map_err(|error| internal(&error))
}

/// Tells how long it took from the event to the money.
pub(super) fn tell(stage: &Stage<'_>, took: Duration) {
    let took = took.as_secs_f64() * 1_000.0;
    stage.output.note(&format!("     From the carrier's event to the money on the supplier's account: {took:.0} ms."));
}
