//! `causeway events record`, `declare-error`, `list`: what happened to an order's goods, from EPCIS documents.

use super::documents::{read, refuse};
use super::names::by_name;
use super::order_document::require_named;
use super::salts::{ReadPoints, SaltFlag};
use crate::cli::failure::Failure;
use crate::cli::output::print_many;
use crate::cli::session::Session;
use crate::client::epcis::{EpcisDocument, ShipmentEvent};
use crate::client::json::to_json;
use crate::client::operations;
use crate::domain::trade::{DeclareEventError, ErrorGround};
use crate::primitives::{BlockTime, Hash, ObjectId};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What a carrier says beside its document.
#[derive(Debug, clap::Args)]
pub struct Recording {
    /// The order on the ledger.
    #[arg(long)]
    order: ObjectId,
    /// The order's number, which the event must name (bizTransactionList, type po).
    #[arg(long, value_name = "NUMBER")]
    order_number: String,
    /// The events of EPCIS 2.0, in JSON.
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    /// Which event of the document, from 1, where it has several.
    #[arg(long, value_name = "N")]
    event: Option<usize>,
    /// The file that `read-points register` keeps; read-points.txt in the participant's directory, or here, if not given.
    #[arg(long, value_name = "FILE")]
    read_points: Option<PathBuf>,
    #[command(flatten)]
    salt: SaltFlag,
}

/// What a carrier takes back.
#[derive(Debug, clap::Args)]
pub struct Declaring {
    /// The order on the ledger.
    #[arg(long)]
    order: ObjectId,
    /// The EPCIS document with the event's error declaration.
    #[arg(long, value_name = "FILE", required_unless_present = "event_hash")]
    document: Option<PathBuf>,
    /// Which event of the document, from 1, where it has several.
    #[arg(long, value_name = "N", requires = "document")]
    event: Option<usize>,
    /// The wrong event, by its hash, where no document declares it.
    #[arg(long, value_name = "HASH", conflicts_with = "document", requires = "ground")]
    event_hash: Option<Hash>,
    /// Why it is wrong: did_not_occur, or incorrect_data. A document says so itself.
    #[arg(long, conflicts_with = "document", value_parser = read_ground)]
    ground: Option<ErrorGround>,
    /// The event that says it right, by its hash; of a document the one that it names, if not given.
    #[arg(long, value_name = "HASH")]
    corrective_event: Option<Hash>,
}

/// Records, takes back and shows events of shipments.
#[derive(Debug, clap::Subcommand)]
pub enum ShipmentEventsCommand {
    /// Records an event of an order's shipment from its EPCIS document. A carrier that was appointed for the order does.
    #[command(after_help = "Example:\n  causeway events record --as carrier --order ORDER --order-number PO-7781 \
                            --document shipment.jsonld --event 2")]
    Record(Box<Recording>),
    /// Declares a recorded event wrong, from the error declaration in its EPCIS document or by its hash. Its carrier does.
    #[command(
        after_help = "Examples:\n  causeway events declare-error --as carrier --order ORDER --document error.jsonld\n  \
                            causeway events declare-error --as carrier --order ORDER --event-hash HASH \
                            --ground did_not_occur"
    )]
    DeclareError(Box<Declaring>),
    /// Lists the events recorded of an order, in the order in which they happened. Its buyer and its supplier see them.
    #[command(after_help = "Example:\n  causeway events list --as buyer --order ORDER")]
    List {
        /// The order.
        #[arg(long)]
        order: ObjectId,
    },
}

impl ShipmentEventsCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Record(recording) => record(session, *recording).await,
            Self::DeclareError(declaring) => declare_error(session, *declaring).await,
            Self::List { order } => {
                session.account()?;
                let events: Vec<Value> = session.client.order(order).await?.events.iter().map(to_json).collect();
                let columns = [
                    "event_time_ms",
                    "step",
                    "action",
                    "event_hash",
                    "carrier_account_id",
                    "recorded_at_ms",
                    "error_ground",
                ];
                let is_wrong = |event: &Value| event["error_ground"] != "UNSPECIFIED";
                let blank = |mut event: Value| {
                    if session.format() == crate::cli::output::Format::Text && !is_wrong(&event) {
                        event["error_ground"] = Value::Null;
                    }
                    event
                };
                print_many(session.format(), &events.into_iter().map(blank).collect::<Vec<_>>(), &columns);
                Ok(())
            }
        }
    }
}

async fn record(session: &Session, recording: Recording) -> Result<(), Failure> {
    let Recording { order, order_number, document: file, event, read_points, salt } = recording;
    let bytes = read(&file)?;
    let document = read_events(&file, &bytes)?;
    let (event, is_wrong) = choose(&file, &document, event)?;
    require_named(&file, "order", &event.order_numbers(), &order_number)?;
    let salt = salt.of(&file, &bytes)?;
    let place = event.read_point.as_deref();
    let points = ReadPoints::at(read_points, session.common.participant_directory());
    let point_salt = place.map(|id| points.salt_of(id)).transpose()?.flatten();
    // What the event itself lacks is told first, whatever the read point's salt; and that it has no read point.
    let recorded = event.recording(order, salt.commitment(&bytes), &point_salt.unwrap_or_default());
    let recorded = recorded.map_err(|error| is_wrong(error.to_string()))?;
    if let (Some(id), None) = (place, point_salt) {
        return Err(Failure::Failed(format!(
            "the read point {id} is not in {}: register it with `causeway read-points register {id}`, or name the file that \
             has it with --read-points",
            points.file().display()
        )));
    }
    let mut builder = session.draft()?;
    builder.add(operations::record_shipment_event(&recorded));
    salt.submit(session, builder, None, &[("event_hash", recorded.event_hash.to_string())]).await
}

async fn declare_error(session: &Session, declaring: Declaring) -> Result<(), Failure> {
    let Declaring { order, document, event, event_hash, ground, corrective_event } = declaring;
    let error = match (document, event_hash, ground) {
        (Some(file), ..) => {
            let document = read_events(&file, &read(&file)?)?;
            let (event, is_wrong) = choose(&file, &document, event)?;
            document.declaring_error(event, order, corrective_event).map_err(|error| is_wrong(error.to_string()))?
        }
        (None, Some(event_hash), Some(ground)) => {
            let declared_at = BlockTime(session.client.now_ms());
            DeclareEventError { order, event_hash, ground, declared_at, corrective_event }
        }
        _ => return Err(Failure::Usage("give --document FILE, or --event-hash HASH with --ground GROUND".into())),
    };
    session.submit_one(operations::declare_event_error(&error)).await
}

fn read_events(file: &Path, bytes: &[u8]) -> Result<EpcisDocument, Failure> {
    EpcisDocument::read(bytes).map_err(|fault| refuse(file, &[fault.to_string()]))
}

/// The event that is meant, and how what is wrong with it is told.
fn choose<'a>(
    file: &'a Path,
    document: &'a EpcisDocument,
    wanted: Option<usize>,
) -> Result<(&'a ShipmentEvent, impl Fn(String) -> Failure + 'a), Failure> {
    let count = document.events.len();
    let number = match wanted {
        None if count > 1 => {
            let told = document.events.iter().enumerate().map(|(index, event)| {
                let step = event.step.as_deref().unwrap_or("no step");
                format!("{} is {step} at {}", index + 1, BlockTime(event.event_time_ms))
            });
            let told = told.take(20).collect::<Vec<_>>().join("; ");
            let file = file.display();
            return Err(Failure::Usage(format!("{file} has {count} events: say which with --event N ({told})")));
        }
        wanted => wanted.unwrap_or(1),
    };
    let event = number.checked_sub(1).and_then(|index| document.events.get(index));
    let none = || Failure::Usage(format!("{} has no event {number}: it has {count}", file.display()));
    let is_wrong = move |why: String| refuse(file, &[format!("event {number}: {why}")]);
    event.map(|event| (event, is_wrong)).ok_or_else(none)
}

fn read_ground(name: &str) -> Result<ErrorGround, String> {
    by_name(ErrorGround::ALL, ErrorGround::name, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPMENT: &[u8] = include_bytes!("../../../tests/fixtures/epcis/shipment-hkd.jsonld");

    #[test]
    fn an_event_is_chosen_where_there_are_several() {
        let document = EpcisDocument::read(SHIPMENT).expect("events");
        let file = Path::new("shipment.jsonld");
        let refused = |wanted| choose(file, &document, wanted).map(|_| ()).expect_err("not clear which").to_string();
        let told = refused(None);
        assert!(told.contains("has 3 events") && told.contains("2 is shipping at 2026-11-16T10:05:12.500Z"), "{told}");
        for wanted in [0, 4] {
            assert!(refused(Some(wanted)).contains("it has 3"), "{wanted}");
        }
        let (event, is_wrong) = choose(file, &document, Some(2)).expect("there is one");
        assert_eq!(event.step.as_deref(), Some("shipping"));
        assert_eq!(is_wrong("late".to_owned()).to_string(), "shipment.jsonld: event 2: late");
        let alone = EpcisDocument { events: vec![document.events[1].clone()], ..document.clone() };
        assert_eq!(choose(file, &alone, None).expect("the only one").0, &document.events[1]);
    }
}
