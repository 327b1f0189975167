//! `causeway documents`: what trade documents say, before anything is signed. No node is asked, and nothing is sent.

use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::{Format, print_one};
use crate::client::epcis::{self, EpcisDocument, EventId, ShipmentEvent};
use crate::client::ubl::{self, UblDocument, UblError, UblLine, UblOrderTerms, UblParty, UblTotals};
use serde_json::{Map, Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Shows what trade documents say.
#[derive(Debug, clap::Subcommand)]
pub enum DocumentsCommand {
    /// Shows what a file says, its hashes, and everything that it lacks: a UBL 2.x Order, OrderChange, OrderCancellation,
    /// OrderResponse, Invoice or CreditNote, or events of EPCIS 2.0 in JSON.
    ///
    /// A file that is wrong is refused with everything that is wrong with it, each with its place. An event's id that is a
    /// hash is computed anew, and a wrong one refused.
    Inspect {
        /// The file.
        file: PathBuf,
        /// Show the string that each event's hash is of, too.
        #[arg(long)]
        pre_hash: bool,
    },
}

impl DocumentsCommand {
    /// Does it.
    ///
    /// # Errors
    /// The file cannot be read, or is not such a document.
    pub fn run(self, common: &Common) -> Result<(), Failure> {
        let Self::Inspect { file, pre_hash } = self;
        let bytes = read(&file)?;
        let mut value = if is_json(&bytes) { events(&file, &bytes, pre_hash)? } else { document(&file, &bytes)? };
        value["file"] = file.display().to_string().into();
        print(common.output, value);
        Ok(())
    }
}

/// For people each event is a block of its own.
fn print(format: Format, mut value: Value) {
    if format == Format::Text {
        tell_currency(&mut value);
    }
    let fields = value.as_object_mut().filter(|_| format == Format::Text);
    let events = fields.and_then(|fields| fields.remove("events"));
    print_one(format, &value);
    for event in events.iter().filter_map(Value::as_array).flatten() {
        println!();
        print_one(format, event);
    }
}

/// Gives every amount its currency, which the document says once.
fn tell_currency(value: &mut Value) {
    let Some(currency) = value["currency"].as_str().map(str::to_owned) else { return };
    let in_currency = |amount: &mut Value| {
        if let Some(figure) = amount.as_str() {
            *amount = format!("{figure} {currency}").into();
        }
    };
    let totals = value["totals"].as_object_mut();
    totals.into_iter().flat_map(Map::values_mut).for_each(in_currency);
    let lines = value["lines"].as_array_mut();
    lines.into_iter().flatten().filter_map(|line| line.get_mut("amount")).for_each(in_currency);
}

/// A UBL document as one of the parties has it.
#[derive(Debug)]
pub(super) struct UblFile<T> {
    /// The file.
    pub path: PathBuf,
    /// The bytes that commitments are to.
    pub bytes: Vec<u8>,
    /// What it says.
    pub content: T,
}

impl<T> UblFile<T> {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read; or everything that is wrong with it.
    pub fn read(path: &Path, reader: impl Fn(&[u8]) -> Result<T, Vec<UblError>>) -> Result<Self, Failure> {
        let bytes = read(path)?;
        let content = reader(&bytes).map_err(|faults| refuse_ubl(path, &faults))?;
        Ok(Self { path: path.to_path_buf(), bytes, content })
    }
}

/// The file's bytes; one that is too large for any document is not read, nor is more of one than that: a pipe says no size.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |cause: std::io::Error| Failure::file(file, &cause);
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let mut size = usize::try_from(opened.metadata().map_err(unreadable)?.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    if size <= ubl::DOCUMENT_BYTES_MAX {
        opened.take(ubl::DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        size = bytes.len();
    }
    match size > ubl::DOCUMENT_BYTES_MAX {
        true => Err(refuse(file, &[UblError::DocumentTooLarge { bytes: size }.to_string()])),
        false => Ok(bytes),
    }
}

fn is_json(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    text.starts_with(b"{") || text.starts_with(b"[")
}

/// One line, as every failure: all that is wrong, numbered.
pub(super) fn refuse(file: &Path, faults: &[String]) -> Failure {
    let faults = match faults {
        [fault] => fault.clone(),
        faults => {
            let numbered: Vec<String> =
                faults.iter().enumerate().map(|(index, fault)| format!("({}) {fault}", index + 1)).collect();
            format!("{} things are wrong: {}", faults.len(), numbered.join("; "))
        }
    };
    Failure::Failed(format!("{}: {faults}", file.display()))
}

fn refuse_ubl(file: &Path, faults: &[UblError]) -> Failure {
    refuse(file, &faults.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn document(file: &Path, bytes: &[u8]) -> Result<Value, Failure> {
    let document = UblDocument::read(bytes).map_err(|faults| refuse_ubl(file, &faults))?;
    let mut value = match &document {
        UblDocument::Order(order) => merged(
            json!({
                "kind": "UBL Order", "number": order.number, "issue_date": order.issue_date.to_string(),
                "buyer": party(&order.buyer), "seller": party(&order.seller),
                "document_sha256": order.document_sha256.to_string(),
            }),
            terms(&order.terms),
        ),
        UblDocument::OrderChange(change) => merged(
            json!({
                "kind": "UBL OrderChange", "number": change.number, "issue_date": change.issue_date.to_string(),
                "sequence": change.sequence, "order_reference": change.order_reference,
                "buyer": party(&change.buyer), "seller": party(&change.seller),
                "document_sha256": change.document_sha256.to_string(),
            }),
            terms(&change.terms),
        ),
        UblDocument::OrderCancellation(cancellation) => json!({
            "kind": "UBL OrderCancellation", "number": cancellation.number,
            "issue_date": cancellation.issue_date.to_string(), "order_references": cancellation.order_references,
            "notes": cancellation.notes, "buyer": party(&cancellation.buyer), "seller": party(&cancellation.seller),
            "document_sha256": cancellation.document_sha256.to_string(),
        }),
        UblDocument::OrderResponse(response) => json!({
            "kind": "UBL OrderResponse", "number": response.number, "issue_date": response.issue_date.to_string(),
            "order_reference": response.order_reference, "response": response.response,
            "lines": response.line_statuses.iter().map(|(id, status)| json!({ "line": id, "status": status }))
                .collect::<Vec<_>>(),
            "buyer": party(&response.buyer), "seller": party(&response.seller),
            "document_sha256": response.document_sha256.to_string(),
        }),
        UblDocument::Invoice(invoice) => json!({
            "kind": "UBL Invoice", "number": invoice.number, "issue_date": invoice.issue_date.to_string(),
            "due_date": invoice.due_date.map(|date| date.to_string()), "order_reference": invoice.order_reference,
            "supplier": party(&invoice.supplier), "buyer": party(&invoice.buyer),
            "currency": invoice.currency.as_str(), "lines": lines(&invoice.lines), "totals": totals(&invoice.totals),
            "document_sha256": invoice.document_sha256.to_string(),
        }),
        UblDocument::CreditNote(note) => json!({
            "kind": "UBL CreditNote", "number": note.number, "issue_date": note.issue_date.to_string(),
            "invoice_references": note.invoice_references, "order_reference": note.order_reference,
            "supplier": party(&note.supplier), "buyer": party(&note.buyer),
            "currency": note.currency.as_str(), "lines": lines(&note.lines), "totals": totals(&note.totals),
            "document_sha256": note.document_sha256.to_string(),
        }),
    };
    value["lacks"] = document.lacks().into();
    Ok(value)
}

fn merged(mut value: Value, more: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (value.as_object_mut(), more) {
        fields.extend(more);
    }
    value
}

fn terms(terms: &UblOrderTerms) -> Value {
    let day = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string());
    json!({
        "currency": terms.currency.as_str(), "lines": lines(&terms.lines), "totals": totals(&terms.totals),
        "delivery_from": day(terms.delivery_from), "delivery_by": day(terms.delivery_by),
        "delivery_terms": terms.delivery_terms, "valid_until": day(terms.valid_until),
        "payment_days": terms.payment_days, "payment_terms": terms.payment_note,
    })
}

fn party(party: &UblParty) -> Value {
    json!({ "name": party.name, "legal_entity_id": party.legal_entity_id() })
}

fn lines(lines: &[UblLine]) -> Value {
    let line = |line: &UblLine| {
        let (quantity, amount) = (line.quantity.map(|it| it.to_string()), line.amount.map(|it| it.to_string()));
        json!({ "line": line.id, "quantity": quantity, "unit": line.unit, "amount": amount })
    };
    lines.iter().map(line).collect()
}

fn totals(totals: &UblTotals) -> Value {
    let figures = [
        ("lines", totals.lines),
        ("allowances", totals.allowances),
        ("charges", totals.charges),
        ("tax_exclusive", totals.tax_exclusive),
        ("tax", totals.tax),
        ("tax_inclusive", totals.tax_inclusive),
        ("prepaid", totals.prepaid),
        ("rounding", totals.rounding),
        ("payable", Some(totals.payable)),
    ];
    let stated = figures.into_iter().filter_map(|(name, figure)| Some((name.to_owned(), figure?.to_string().into())));
    Value::Object(stated.collect())
}

fn events(file: &Path, bytes: &[u8], pre_hash: bool) -> Result<Value, Failure> {
    let document = EpcisDocument::read(bytes).map_err(|fault| refuse(file, &[fault.to_string()]))?;
    let events: Vec<Value> = document.events.iter().map(|read| event(read, pre_hash)).collect();
    Ok(json!({ "kind": "EPCIS", "events": events, "document_sha256": document.document_sha256.to_string() }))
}

fn event(event: &ShipmentEvent, pre_hash: bool) -> Value {
    let (id, id_is) = match &event.id {
        EventId::Absent => (None, "absent"),
        EventId::Opaque(id) => (Some(id), "no hash"),
        EventId::Hash(id) => (Some(id), "the event's hash"),
        EventId::DraftHash(id) => (Some(id), "the event's hash by a draft of CBV 2.0"),
    };
    let transactions: Vec<Value> = event
        .transactions
        .iter()
        .map(|transaction| json!({ "type": transaction.kind, "id": transaction.id }))
        .collect();
    let error = event.error.as_ref().map(|error| {
        json!({
            "declared_at_ms": error.declared_at_ms, "reason": error.reason,
            "corrective_event_ids": error.corrective_event_ids,
        })
    });
    let mut value = json!({
        "kind": event.type_name(), "action": event.action_name(), "step": event.step, "disposition": event.disposition,
        "event_time_ms": event.event_time_ms,
        "utc_offset_minutes": event.utc_offset_minutes, "read_point": event.read_point, "location": event.location,
        "orders": event.order_numbers(), "transactions": transactions, "objects": event.objects,
        "event_hash": event.event_hash.to_string(), "canonical_event_id": event.canonical_id(), "event_id": id,
        "event_id_is": id_is, "objects_hash": event.objects_hash().to_string(), "error_declaration": error,
        "lacks": event.lacks(),
    });
    if pre_hash {
        value["pre_hash"] = event.pre_hash.clone().into();
    }
    value
}

/// The largest file of events is no larger than the largest document, so one bound is enough before reading.
const _: () = assert!(epcis::DOCUMENT_BYTES_MAX <= ubl::DOCUMENT_BYTES_MAX);
