//! Events by example: those of one shipment, written for this; published ones, whose ids must come out; and one row for each
//! way in which a file is refused.

use super::*;
use crate::domain::trade::{BusinessStep, ErrorGround};
use crate::primitives::ObjectId;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

const SHIPMENT: &str = include_str!("../../../tests/fixtures/epcis/shipment-hkd.jsonld");
/// The facts of examples that GS1 and the authors of the hash published, with the ids that they published.
const PUBLISHED: &str = include_str!("../../../tests/fixtures/epcis/published.jsonld");
const SHIPPING_ID: &str = "ni:///sha-256;3622a2f98375d3722a0a85a3f3a4bae7c368af6182947aeba532f8dd3d974195?ver=CBV2.0";

fn read(text: &str) -> Result<EpcisDocument, EpcisError> {
    EpcisDocument::read(text.as_bytes())
}

/// The fixture with one passage replaced, which must be there.
fn with(from: &str, to: &str) -> String {
    assert!(SHIPMENT.contains(from), "the fixture does not contain '{from}'");
    SHIPMENT.replacen(from, to, 1)
}

fn refused(text: &str) -> String {
    read(text).expect_err("it must be refused").to_string()
}

/// One event, as small as it can be, with these fields besides.
fn event(fields: &str) -> String {
    format!(
        r#"{{"type":"ObjectEvent","eventTime":"2026-11-16T10:00:00Z","eventTimeZoneOffset":"+00:00","action":"OBSERVE",
            "epcList":["urn:epc:id:sscc:4099999.0000000042"],{fields}"recordTime":"2026-11-16T10:00:01Z"}}"#
    )
}

fn pre_hash(fields: &str) -> String {
    let document = read(&event(fields)).unwrap_or_else(|error| panic!("{fields}: {error}"));
    let text = &document.events[0].pre_hash;
    let (_, rest) = text.split_once("action=OBSERVE").expect("it says what it does");
    rest.to_owned()
}

#[test]
fn a_shipment_is_read() {
    let document = read(SHIPMENT).expect("our own fixture");
    assert_eq!(document.document_sha256, sha256(SHIPMENT.as_bytes()));
    let [packing, shipping, labelling] = &document.events[..] else { panic!("three events") };
    assert_eq!((packing.kind, packing.action), (EventKind::Aggregation, EventAction::Add));
    assert_eq!((packing.step.as_deref(), packing.utc_offset_minutes), (Some("packing"), 480));
    assert_eq!(packing.event_time_ms, 1_794_619_800_000);
    assert_eq!(packing.order_numbers(), ["PO-7781"]);
    assert_eq!(
        packing.objects,
        [
            "parentID=https://id.gs1.org/00/040999990000000425",
            "quantityElementepcClass=https://id.gs1.org/01/04099999123452/10/L26-11quantity=2000",
            "quantityElementepcClass=https://id.gs1.org/01/04099999678907quantity=100uom=EA",
        ]
    );
    assert_eq!((shipping.kind, shipping.action), (EventKind::Object, EventAction::Observe));
    assert_eq!(shipping.id, EventId::Hash(SHIPPING_ID.to_owned()));
    assert_eq!(shipping.canonical_id(), SHIPPING_ID);
    assert_eq!(shipping.read_point.as_deref(), Some("https://id.gs1.org/414/4099999000012/254/D2"));
    assert_eq!(shipping.disposition.as_deref(), Some("in_transit"));
    assert_eq!(shipping.lacks(), [""; 0]);
    assert_eq!(labelling.kind, EventKind::Transaction);
    assert_eq!(labelling.step.as_deref(), Some("https://nanshan-lamps.example/steps/labelling"));
    assert_eq!(labelling.order_numbers(), ["PO-7781"]);
    assert_eq!(labelling.lacks(), ["eventID: no id"]);
    let error = labelling.error.as_ref().expect("it is declared wrong");
    assert_eq!((error.reason.as_deref(), error.declared_at_ms), (Some("did_not_occur"), 1_794_828_600_000));
    assert_eq!(error.corrective_event_ids.len(), 1);
}

/// The string as the standard's order has it, worked out by hand.
#[test]
fn the_string_that_is_hashed_is_the_standards() {
    let document = read(SHIPMENT).expect("our own fixture");
    let expected = "eventType=ObjectEvent\
        eventTime=2026-11-16T10:05:12.500Z\
        eventTimeZoneOffset=+08:00\
        epcListepc=https://id.gs1.org/00/040999990000000425\
        action=OBSERVE\
        bizStep=https://ref.gs1.org/cbv/BizStep-shipping\
        disposition=https://ref.gs1.org/cbv/Disp-in_transit\
        readPointid=https://id.gs1.org/414/4099999000012/254/D2\
        bizTransactionList\
        type=https://ref.gs1.org/cbv/BTT-desadvbizTransaction=urn:epcglobal:cbv:bt:4099999000018:DES-3310\
        type=https://ref.gs1.org/cbv/BTT-pobizTransaction=urn:epcglobal:cbv:bt:4099999000018:PO-7781\
        sourceListtype=https://ref.gs1.org/cbv/SDT-owning_partysource=https://id.gs1.org/417/4099999000012\
        destinationListtype=https://ref.gs1.org/cbv/SDT-owning_partydestination=https://id.gs1.org/417/4088888000028\
        {https://nanshan-lamps.example/epcis/}seal\
        {https://nanshan-lamps.example/epcis/}colour=red\
        {https://nanshan-lamps.example/epcis/}colour=white\
        {https://nanshan-lamps.example/epcis/}number=S-118";
    assert_eq!(document.events[1].pre_hash, expected);
    let labelling = "eventType=TransactionEventeventTime=2026-11-16T17:00:00.000ZeventTimeZoneOffset=+08:00\
        epcListepc=https://id.gs1.org/01/04099999123452/21/7parentID=https://id.gs1.org/00/040999990000000425action=ADD";
    assert!(document.events[2].pre_hash.starts_with(labelling), "{}", document.events[2].pre_hash);
    // Without a type, and sorted by what is there.
    assert!(
        document.events[2]
            .pre_hash
            .contains("bizTransactionListbizTransaction=https://id.gs1.org/253/409999900001277type=")
    );
}

/// The page's event, its string and its id are what comes out.
#[test]
fn the_pages_example_comes_out() {
    let page = include_str!("../../../docs/trade-documents.md");
    let (_, rest) = page.split_once("```json\n").expect("the page has an event");
    let (example, rest) = rest.split_once("```").expect("it ends");
    let event = &read(example).unwrap_or_else(|error| panic!("{error}")).events[0];
    let (_, rest) = rest.split_once("```\n").expect("the page has its string");
    let (string, rest) = rest.split_once("```").expect("it ends");
    assert_eq!(string.replace('\n', ""), event.pre_hash);
    assert!(rest.contains(&format!("the event's id `{}`", event.canonical_id())));
}

#[test]
fn published_ids_come_out() {
    let document = read(PUBLISHED).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(document.events.len(), 4);
    for event in &document.events {
        assert_eq!(event.id, EventId::Hash(event.canonical_id()));
    }
}

/// However it is written, it is one event.
#[test]
fn one_event_has_one_hash() {
    let hashes = |text: &str| -> Vec<Hash> {
        read(text).unwrap_or_else(|error| panic!("{error}")).events.iter().map(|event| event.event_hash).collect()
    };
    let original = hashes(SHIPMENT);
    for other in [
        with("2026-11-16T18:05:12.5+08:00", "2026-11-16T10:05:12.500Z"),
        with("2026-11-16T18:05:12.5+08:00", "2026-11-16T10:05:12.500000000000Z"),
        with("\"shipping\"", "\"urn:epcglobal:cbv:bizstep:shipping\""),
        with("\"shipping\"", "\"https://ref.gs1.org/cbv/BizStep-shipping\""),
        with("\"shipping\"", "\" cbv:BizStep-shipping \""),
        with("\"in_transit\"", "\"urn:epcglobal:cbv:disp:in_transit\""),
        with("[\"red\", \"white\"]", "[\"white\", \"red\"]"),
        with(
            "\"urn:epc:id:sscc:4099999.0000000042\"],",
            "\"https://nanshan-lamps.example/t/00/040999990000000425?a=1\"],",
        ),
        with("100.0", "100"),
        with("\"@context\"", "\"rdfs:comment\": \"no fact\", \"@context\""),
        with("\"bizStep\": \"shipping\"", "\"comment\": \"no fact\", \"bizStep\": \"shipping\""),
        SHIPMENT.replace("nanshan:", "n:").replace("\"nanshan\"", "\"n\""),
        format!("\u{feff}{SHIPMENT}"),
        // An error declaration has the id of the event that it declares wrong.
        with("\"reason\": \"did_not_occur\"", "\"reason\": \"incorrect_data\""),
    ] {
        assert_eq!(hashes(&other), original, "{other}");
    }
    for other in [
        with("PO-7781\" },\n", "PO-7782\" },\n").replacen(SHIPPING_ID, "urn:uuid:1", 1),
        with("\"quantity\": 2000", "\"quantity\": 2001"),
        with("\"eventTimeZoneOffset\": \"+08:00\"", "\"eventTimeZoneOffset\": \"+07:00\""),
        with("\"nanshan\": \"https", "\"nanshan\": \"http").replacen(SHIPPING_ID, "urn:uuid:1", 1),
    ] {
        assert_ne!(hashes(&other), original, "{other}");
    }
}

#[test]
fn a_bare_event_is_read() {
    let bare = event(r#""@context":[{"x":"https://x.example/"}],"x:a":7,"#);
    let document = read(&bare).expect("an event");
    assert_eq!(document.events[0].lacks().len(), 4);
    assert_eq!(pre_hash(r#""@context":{"x":"https://x.example/"},"x:a":7,"#), "{https://x.example/}a=7");
}

#[test]
fn extensions_are_hashed_with_their_namespaces() {
    let context = r#""@context":[{"x":"https://x.example/","y":"urn:y:","x:typed":{"@type":"xsd:integer"}}],"#;
    for (fields, expected) in [
        (r#""x:a":"23.0","#, "{https://x.example/}a=23"),
        (r#""x:a":true,"#, "{https://x.example/}a=true"),
        (r#""x:a":"true","#, "{https://x.example/}a=true"),
        (
            r#""x:a":["b","a",{"y:c":"1"}],"#,
            "{https://x.example/}a=a{https://x.example/}a=b{https://x.example/}a{urn:y:}c=1",
        ),
        (
            r#""x:a":"urn:epc:id:giai:952005385.vehicle2","#,
            "{https://x.example/}a=https://id.gs1.org/8004/952005385vehicle2",
        ),
        (r#""x:a":"urn:epcglobal:cbv:disp:damaged","#, "{https://x.example/}a=https://ref.gs1.org/cbv/Disp-damaged"),
        (r#""x:a":"2026-11-16T10:00:00.000Z","#, "{https://x.example/}a=2026-11-16T10:00:00.000Z"),
        (r#""y:b":"  b ","x:a":"a","#, "{https://x.example/}a=a{urn:y:}b=b"),
        (r#""ilmd":{"x:lot":"L26"},"x:a":"a","#, "ilmd{https://x.example/}lot=L26{https://x.example/}a=a"),
        (
            r#""persistentDisposition":{"unset":["damaged"],"set":["reserved","available"]},"#,
            "persistentDispositionset=https://ref.gs1.org/cbv/Disp-availableset=https://ref.gs1.org/cbv/Disp-reserved\
             unset=https://ref.gs1.org/cbv/Disp-damaged",
        ),
    ] {
        assert_eq!(pre_hash(&format!("{context}{fields}")), expected, "{fields}");
    }
}

/// What programs hash differently has no hash here.
#[test]
fn what_has_no_one_hash_is_refused() {
    let context = r#""@context":[{"x":"https://x.example/"}],"#;
    for (fields, place) in [
        (r#""x:a":"007","#, "x:a: this number"),
        (r#""x:a":"1e5","#, "x:a: this number"),
        (r#""x:a":"2026-11-16T18:00:00+08:00","#, "x:a: the time in an extension"),
        (r#""x:a":"x:b","#, "x:a: the shortened URI"),
        (r#""x:a":"gs1:b","#, "x:a: the shortened URI"),
        (r#""x:a":{"b":"1"},"#, "x:a.b: a name without a namespace"),
        (r#""gs1:a":"1","#, "gs1:a: an extension of GS1's"),
        (r#""cbvmda:lotNumber":"1","#, "cbvmda:lotNumber: master data"),
        (
            r#""readPoint":{"id":"urn:epc:id:sgln:4099999.00001.0","x:a":"1"},"#,
            "readPoint.x:a: an extension of a standard field",
        ),
        (r#""sensorElementList":[],"#, "sensorElementList: sensor data"),
        (r#""certificationInfo":"https://c.example","#, "certificationInfo: certification information"),
        (r#""eventID":"ni:///sha-512;00?ver=CBV2.0","#, "eventID: this id"),
        (r#""eventID":"ni:///sha-256;00?ver=CBV1.2","#, "eventID: this id"),
    ] {
        let told = refused(&event(&format!("{context}{fields}")));
        assert!(told.starts_with(place) && told.contains("cannot be hashed reliably"), "{place}: {told}");
    }
    let finer = refused(&with("18:05:12.5+08:00", "18:05:12.5001+08:00"));
    assert!(finer.starts_with("epcisBody.eventList[1].eventTime: a time finer than milliseconds"), "{finer}");
}

#[test]
fn a_wrong_hash_is_told_with_the_right_one() {
    let changed = with("2026-11-16T18:05:12.5+08:00", "2026-11-16T18:05:12.6+08:00");
    let Err(EpcisError::WrongHash { path, claimed, computed }) = read(&changed) else { panic!("a wrong hash") };
    assert_eq!((path.as_str(), claimed.as_str()), ("epcisBody.eventList[1].eventID", SHIPPING_ID));
    read(&changed.replacen(SHIPPING_ID, &computed, 1)).expect("the right one");
}

#[test]
fn facts_are_there_and_in_their_form() {
    let rows = [
        (
            with("\"eventTime\": \"2026-11-14", "\"eventTim\": \"2026-11-14"),
            "epcisBody.eventList[0].eventTim is no field of an EPCIS 2.0 AggregationEvent",
        ),
        (
            with("\"action\": \"ADD\",\n        \"bizStep\": \"packing\"", "\"bizStep\": \"packing\""),
            "eventList[0].action is missing",
        ),
        (with("\"ADD\"", "\"REMOVE\""), "eventList[0].action is 'REMOVE': it must be ADD, OBSERVE or DELETE"),
        (
            with("\"packing\"", "\"wrapping\""),
            "eventList[0].bizStep is 'wrapping', which is no business step of CBV 2.0",
        ),
        (with("\"packing\"", "\"urn:epcglobal:cbv:disp:damaged\""), "which is no business step of CBV 2.0"),
        (with("\"in_transit\"", "\"shipping\""), "eventList[1].disposition is 'shipping', which is no disposition"),
        (
            with("\"type\": \"po\"", "\"type\": \"order\""),
            "eventList[0].bizTransactionList[0].type is 'order', which is no business transaction type",
        ),
        (
            with("\"did_not_occur\"", "\"oops\""),
            "errorDeclaration.reason is 'oops', which is no reason of an error declaration",
        ),
        (
            with("09:30:00.000+08:00", "09:30:00.000"),
            "eventList[0].eventTime is '2026-11-14T09:30:00.000': it must be a time with its offset",
        ),
        (with("2026-11-14T09:30", "2026-02-30T09:30"), "eventList[0].eventTime is '2026-02-30"),
        (with("2026-11-14T09:30:00", "2026-11-14T24:30:00"), "eventList[0].eventTime is"),
        (with("2026-11-14T09:30:00", "1969-11-14T09:30:00"), "after 1970"),
        (with("2026-11-14T09:30:00.000+08:00", "2026-11-14T09:30:00.+08:00"), "eventList[0].eventTime is"),
        (with("2026-11-14T09:30:00.000+08:00", "2026-11-14T09:30:00+25:00"), "eventList[0].eventTime is"),
        (with("\"eventTimeZoneOffset\": \"+08:00\"", "\"eventTimeZoneOffset\": \"8\""), "eventTimeZoneOffset is '8'"),
        (
            with("\"eventTimeZoneOffset\": \"+08:00\"", "\"eventTimeZoneOffset\": \"+14:01\""),
            "eventTimeZoneOffset is '+14:01'",
        ),
        (
            with("\"AggregationEvent\"", "\"TransformationEvent\""),
            "eventList[0].type is 'TransformationEvent': it must be ObjectEvent",
        ),
        (
            with("4099999.012345.L26-11", "4099999.01234.L26-11"),
            "childQuantityList[0].epcClass is 'urn:epc:class:lgtin:4099999.01234.L26-11'",
        ),
        (with("2000", "\"2000\""), "childQuantityList[0].quantity is '2000': it must be a number"),
        (with("\"EA\"", "\"pieces\""), "childQuantityList[1].uom is 'pieces'"),
        (
            with("\"urn:epcglobal:cbv:bt:4099999000018:PO-7781\" }]", "\"PO 7781\" }]"),
            "bizTransactionList[0].bizTransaction is 'PO 7781': it must be a URI",
        ),
        (
            with("\"epcList\": [\"urn:epc:id:sscc:4099999.0000000042\"],", "\"epcList\": [],"),
            "eventList[1].epcList is missing",
        ),
        (
            with("\"parentID\": \"urn:epc:id:sscc:4099999.0000000042\",\n        \"childEPCs\"", "\"childEPCs\""),
            "eventList[0].parentID is missing",
        ),
        (
            with("\"nanshan:number\"", "\"other:number\""),
            "nanshan:seal.other:number has the prefix 'other', which @context does not declare",
        ),
        (with("\"S-118\"", "null"), "nanshan:number is 'null'"),
        (with("\"nanshan\": \"", "\"cbv\": \""), "@context[1].cbv is"),
        (with("\"schemaVersion\": \"2.0\"", "\"schemaVersion\": \"1.2\""), "schemaVersion is '1.2'"),
        (with("\"eventList\"", "\"queryResults\""), "epcisBody.eventList is missing"),
    ];
    for (document, expected) in rows {
        let message = refused(&document);
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn another_document_is_named() {
    for (text, found) in [
        ("[]", "JSON, but no object"),
        ("{}", "without a 'type'"),
        (r#"{"isA":"EPCISDocument"}"#, "a draft of EPCIS 2.0"),
        (r#"{"type":"EPCISQueryDocument"}"#, "of the type 'EPCISQueryDocument'"),
        ("<epcis:EPCISDocument/>", "the document is XML: give an EPCISDocument"),
        ("", "not JSON"),
    ] {
        let message = refused(text);
        assert!(message.contains(found), "{found}: {message}");
    }
}

#[test]
fn limits_are_named_and_nothing_is_read_twice() {
    let large = vec![b' '; DOCUMENT_BYTES_MAX + 1];
    assert_eq!(EpcisDocument::read(&large), Err(EpcisError::DocumentTooLarge { bytes: DOCUMENT_BYTES_MAX + 1 }));
    let deep = "[".repeat(DEPTH_MAX + 2) + &"]".repeat(DEPTH_MAX + 2);
    assert!(refused(&deep).contains("nested more than 32 levels deep"));
    let endless = "[".repeat(1_000_000);
    assert!(refused(&endless).contains("nested more than 32 levels deep"));
    assert!(
        refused(&event(r#""bizStep":"packing","bizStep":"shipping","#)).contains("the key 'bizStep' is there twice")
    );
    let long = format!("\"bizStep\":\"{}\",", "x".repeat(TEXT_BYTES_MAX + 1));
    assert!(refused(&event(&long)).contains("a text has 4097 bytes"));
    let many = format!("[{}1]", "1,".repeat(LIST_MAX));
    assert!(refused(&many).contains("a list has more than 20000 items"));
    assert!(refused(&with("2000", "2000.0000000000000001")).contains("of more than 15 digits at line 19"));
    assert!(refused(&with("2000", "2e3")).contains("a number with an exponent"));
    let one = event("").replace('\n', "");
    let events = |count: usize| {
        let list = vec![one.as_str(); count].join(",");
        format!(r#"{{"type":"EPCISDocument","schemaVersion":"2.0","epcisBody":{{"eventList":[{list}]}}}}"#)
    };
    assert_eq!(read(&events(EVENTS_MAX)).map(|document| document.events.len()), Ok(EVENTS_MAX));
    assert_eq!(read(&events(EVENTS_MAX + 1)), Err(EpcisError::TooManyEvents { count: EVENTS_MAX + 1 }));
    assert!(matches!(read(&events(0)), Err(EpcisError::Missing { .. })));
}

#[test]
fn what_it_is_about_and_where_it_was_read_have_hashes_of_their_own() {
    let document = read(SHIPMENT).expect("our own fixture");
    let [packing, shipping, _] = &document.events[..] else { panic!("three events") };
    assert_ne!(packing.objects_hash(), shipping.objects_hash());
    let later =
        with("2026-11-16T18:05:12.5+08:00", "2026-11-17T18:05:12.5+08:00").replacen(SHIPPING_ID, "urn:uuid:1", 1);
    assert_eq!(read(&later).expect("an event").events[1].objects_hash(), shipping.objects_hash());
    let (salt, other) = ([7; 32], [8; 32]);
    assert_eq!(packing.read_point_commitment(&salt), shipping.read_point_commitment(&salt));
    assert_ne!(packing.read_point_commitment(&salt), packing.read_point_commitment(&other));
    let mut bytes = 44u32.to_be_bytes().to_vec();
    bytes.extend(b"epc=https://id.gs1.org/00/040999990000000425".as_slice());
    let by_hand = sha256(&[b"\x1ccauseway/shipment-objects/v1".as_slice(), &bytes].concat());
    assert_eq!(shipping.objects_hash(), by_hand);
}

#[test]
fn an_orders_number_is_taken_from_its_transaction() {
    let number = |id: &str| BusinessTransaction { kind: Some("po".to_owned()), id: id.to_owned() }.number();
    assert_eq!(number("urn:epcglobal:cbv:bt:4099999000018:PO%2F7781").as_deref(), Some("PO/7781"));
    assert_eq!(number("http://transaction.acme.com/po/12345678").as_deref(), Some("12345678"));
    for none in
        ["urn:epcglobal:cbv:bt:4099999000018", "https://orders.example/", "urn:uuid:1", "urn:epcglobal:cbv:bt:1:%G1"]
    {
        assert_eq!(number(none), None, "{none}");
    }
}

proptest! {
    /// Bytes of any kind are answered, never panicked on.
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(EpcisDocument::read(&bytes).is_err());
    }

    /// Neither is a real file in which anything is overwritten, doubled, inserted or cut off.
    #[test]
    fn a_damaged_file_is_answered(
        document in prop::sample::select(vec![SHIPMENT, PUBLISHED]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..4),
    ) {
        let mut bytes = document.as_bytes().to_vec();
        for (at, byte, how) in damage {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, byte),
                _ => bytes.extend_from_within(at..),
            }
        }
        if let Err(error) = EpcisDocument::read(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Whatever an identifier or a value says, it has a form or a refusal.
    #[test]
    fn any_text_has_a_form_or_a_refusal(text in "(urn:epc:(id|class|idpat):[a-z]{3,5}:|https?://[a-z.]{0,9}/(01|00|414|x)/)?[ -~]{0,40}") {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        let fields = format!(r#""@context":{{"x":"https://x.example/"}},"x:a":"{escaped}","#);
        if let Ok(document) = read(&event(&fields)) {
            let named = document.events[0].pre_hash.contains("{https://x.example/}a=");
            prop_assert!(named, "{}", document.events[0].pre_hash);
        }
    }
}

/// The published files beside the checkout.
fn published() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/epcis")) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.sort();
    files
}

/// GS1's own examples are read, and every id that is a hash comes out: by the drafts, as GS1 made them in 2021.
#[test]
fn gs1s_examples_are_read_and_their_ids_come_out() {
    let files = published();
    if files.is_empty() {
        eprintln!("skipped: no published events beside the checkout");
    }
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let document = EpcisDocument::read(&std::fs::read(&file).expect("it can be read"));
        let document = document.unwrap_or_else(|error| panic!("{name}: {error}"));
        for event in document.events {
            match event.id {
                EventId::DraftHash(_) | EventId::Hash(_) => {}
                EventId::Absent => assert!(name.contains("TransactionEvents"), "{name}: no id"),
                EventId::Opaque(id) => panic!("{name}: {id}"),
            }
        }
    }
}

#[test]
fn what_is_recorded_is_what_the_event_says() {
    let salt = [5; 32];
    let recorded = |text: &str| {
        let event = read(text).unwrap_or_else(|error| panic!("{text}: {error}")).events.remove(0);
        (event.recording(ObjectId([1; 32]), Hash([2; 32]), &salt), event)
    };
    let whole = r#""bizStep":"shipping","readPoint":{"id":"urn:epc:id:sgln:4099999.00001.D2"},"#;
    let (operation, said) = recorded(&event(whole));
    let operation = operation.expect("nothing is missing");
    assert_eq!((operation.event_hash, operation.objects_hash), (said.event_hash, said.objects_hash()));
    assert_eq!((operation.step, operation.kind), (BusinessStep::Shipping, EventKind::Object));
    assert_eq!((operation.event_time.0, operation.utc_offset_minutes_plus_720), (said.event_time_ms, 720));
    assert_eq!(Some(operation.read_point), said.read_point_commitment(&salt));
    assert_eq!(operation.check(), Ok(()));

    let read_point = r#""readPoint":{"id":"urn:epc:id:sgln:4099999.00001.D2"},"#;
    let other_step = whole.replace("shipping", "killing");
    let declared =
        format!(r#"{whole}"errorDeclaration":{{"declarationTime":"2026-11-17T10:00:00Z","reason":"did_not_occur"}},"#);
    let far_west = event(whole).replace("+00:00", "-13:00");
    for (text, error) in [
        (event(read_point), RecordingError::Step { found: "missing".to_owned() }),
        (event(&other_step), RecordingError::Step { found: "killing".to_owned() }),
        (event(r#""bizStep":"shipping","#), RecordingError::ReadPoint),
        (event(&declared), RecordingError::ErrorDeclaration),
        (far_west, RecordingError::Offset { minutes: -780 }),
    ] {
        assert_eq!(recorded(&text).0, Err(error), "{text}");
    }
}

#[test]
fn an_error_declaration_is_read_into_the_operation_that_declares_it() {
    let order = ObjectId([1; 32]);
    let whole = r#""bizStep":"shipping","readPoint":{"id":"urn:epc:id:sgln:4099999.00001.D2"},"#;
    let wrong = read(&event(whole)).expect("an event").events.remove(0);
    let declared = |reason: &str, corrective: &str| {
        let declaration = format!(
            r#"{whole}"errorDeclaration":{{"declarationTime":"2026-11-17T10:00:00Z"{reason},"correctiveEventIDs":[{corrective}]}},"#
        );
        read(&event(&declaration)).expect("an event")
    };
    let ground = r#","reason":"incorrect_data""#;
    let right = Hash([0xab; 32]);
    let by_hash = format!(r#""ni:///sha-256;{right}?ver=CBV2.0""#);
    let document = declared(ground, &by_hash);
    let operation = document.declaring_error(&document.events[0], order, None).expect("nothing is missing");
    assert_eq!((operation.event_hash, operation.ground), (wrong.event_hash, ErrorGround::IncorrectData));
    assert_eq!((operation.declared_at.0, operation.corrective_event), (1_794_909_600_000, Some(right)));

    let opaque = r#""urn:uuid:0f6e1c1a-5a0c-4b55-9f3b-0a1b2c3d4e60""#;
    let id = opaque.trim_matches('"').to_owned();
    for (document, error) in [
        (read(&event(whole)).expect("an event"), RecordingError::NoErrorDeclaration),
        (declared("", &by_hash), RecordingError::Ground { found: "missing".to_owned() }),
        (declared(ground, opaque), RecordingError::UnknownCorrection { id }),
        (declared(ground, &format!("{by_hash},{opaque}")), RecordingError::Corrections { count: 2 }),
    ] {
        assert_eq!(document.declaring_error(&document.events[0], order, None), Err(error));
    }
    let document = declared(ground, opaque);
    let named = document.declaring_error(&document.events[0], order, Some(right)).expect("the caller names it");
    assert_eq!(named.corrective_event, Some(right));
    let document = declared(ground, "");
    let uncorrected = document.declaring_error(&document.events[0], order, None).expect("nothing need say it right");
    assert_eq!(uncorrected.corrective_event, None);
}

#[test]
fn a_read_points_id_has_the_form_that_its_events_have() {
    let said = read(&event(r#""readPoint":{"id":"urn:epc:id:sgln:4099999.00001.D2"},"#)).expect("an event");
    let said = said.events[0].read_point.clone();
    assert_eq!(canonical_read_point(" urn:epc:id:sgln:4099999.00001.D2 ").ok(), said);
    assert_eq!(canonical_read_point("https://id.gs1.org/414/4099999000012/254/D2").ok(), said);
    let refused = canonical_read_point("gate 7").expect_err("no URI").to_string();
    assert!(refused.contains("the read point's id is 'gate 7'") && refused.contains("a URI"), "{refused}");
}
