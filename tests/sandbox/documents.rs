//! A trade from its documents: the order agreed, the goods shipped, the invoice disputed, credited, confirmed, passed on and
//! split, each from the file that its party has; and what is wrong with a file or with who comes with it.

use super::desk::{Desk, field};
use super::programs::{assert_fails, json, run, said, text};
use causeway::domain::trade::document_commitment;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const GATE: &str = "urn:epc:id:sgln:4099999.00001.D2";

/// The parties' files: the fixtures, between the sandbox's companies and of these days.
struct Papers(PathBuf);

impl Papers {
    fn path(&self, name: &str) -> String {
        text(&self.0.join(name)).to_owned()
    }

    fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.0.join(name), content).unwrap();
        self.path(name)
    }

    /// A copy of a file with one passage replaced, which must be there.
    fn copy(&self, name: &str, as_name: &str, from: &str, to: &str) -> String {
        let original = std::fs::read_to_string(self.0.join(name)).unwrap();
        assert!(original.contains(from), "{name} does not contain '{from}'");
        self.write(as_name, &original.replace(from, to))
    }

    fn lay_out(data_dir: &Path) -> Self {
        let papers = Self(data_dir.join("papers"));
        std::fs::create_dir(&papers.0).unwrap();
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let in_days = |days: i64| today.saturating_add(jiff::Span::new().days(days)).to_string();
        for (name, fixture) in [
            ("order.xml", include_str!("../fixtures/ubl/order-hkd.xml")),
            ("change.xml", include_str!("../fixtures/ubl/order-change-hkd.xml")),
            ("cancellation.xml", include_str!("../fixtures/ubl/order-cancellation-hkd.xml")),
            ("invoice.xml", include_str!("../fixtures/ubl/invoice-hkd.xml")),
            ("credit-note.xml", include_str!("../fixtures/ubl/credit-note-hkd.xml")),
        ] {
            let of_the_sandbox = fixture
                .replace("\"HKBR\">60000042<", "\"HKBR\">70000010<")
                .replace("\"USCC\">91440300MA5EXAMPL1<", "\"HKBR\">70000011<");
            let current = of_the_sandbox
                .replace(">2026-11-30</cbc:EndDate>", &format!(">{}</cbc:EndDate>", in_days(30)))
                .replace("<cbc:IssueDate>2026-11-16<", &format!("<cbc:IssueDate>{today}<"))
                .replace(">2027-01-15<", &format!(">{}<", in_days(60)));
            papers.write(name, &current);
        }
        papers
    }
}

/// On a network that serves, whose supplier and buyer have committed their key.
pub fn by_documents(desk: &Desk<'_>) {
    let papers = Papers::lay_out(desk.data_dir);
    join_mill(desk);
    let order = an_order_is_agreed(desk, &papers);
    its_change_is_agreed(desk, &papers, &order);
    goods_are_shipped(desk, &papers, &order);
    let receivable = an_invoice_is_disputed_and_credited(desk, &papers, &order);
    it_passes_on_in_parts(desk, &receivable);
    an_order_is_cancelled(desk, &papers, &order);
    people_read_amounts_and_days(desk, &order);
}

/// A second supplier, to pass something on to.
fn join_mill(desk: &Desk<'_>) {
    let home = desk.data_dir.join("participants/mill");
    std::fs::create_dir(&home).unwrap();
    let passphrase = home.join("passphrase");
    std::fs::write(&passphrase, "what the mill alone knows\n").unwrap();
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
    let key = home.join("key.pem");
    let new = ["keys", "new", "--out", text(&key), "--passphrase-file", text(&passphrase), "--output", "json"];
    let public_key = field(&json(new), "public_key").to_owned();
    let open = ["accounts", "open", "--role", "merchant", "--legal-entity-id", "HKBR:70000020"];
    let unsigned = [&open[..], &["--public-key", &public_key]].concat();
    desk.refuses("bank-west", &unsigned, 2, &["--new-key"]);
    let signed = ["--new-key", text(&key), "--new-passphrase-file", text(&passphrase)];
    let opened = desk.applies("bank-west", &[&open[..], &signed].concat());
    let participant = json!({
        "name": "mill", "account_id": opened["account_id"], "public_key": public_key,
        "key": "key.pem", "passphrase_file": "passphrase",
    });
    std::fs::write(home.join("participant.json"), participant.to_string()).unwrap();
}

fn an_order_is_agreed(desk: &Desk<'_>, papers: &Papers) -> String {
    let place = |document: &str, token: &str| -> Vec<String> {
        let terms = ["--confirmation-days", "10", "--silence", "confirms"];
        let place = ["orders", "place", "--document", document, "--supplier", "supplier", "--token", token];
        [&place[..], &terms].concat().into_iter().map(str::to_owned).collect()
    };
    let wrong = papers.copy("order.xml", "wrong.xml", "<cbc:IssueDate>2026-10-28</cbc:IssueDate>", "");
    papers.copy("wrong.xml", "wrong.xml", ">6000.00<", ">6000.01<");
    let told = ["2 things are wrong", "Order/cbc:IssueDate is missing", "the sum of the 2 lines is 126000.01"];
    desk.refuses("buyer", &borrowed(&place(&wrong, "HKDX")), 1, &told);
    let other = papers.copy("order.xml", "wrong.xml", ">70000011<", ">70000099<");
    desk.refuses("buyer", &borrowed(&place(&other, "HKDX")), 1, &["HKBR:70000099", "another company"]);
    let invoice = papers.path("invoice.xml");
    desk.refuses("buyer", &borrowed(&place(&invoice, "HKDX")), 1, &["a UBL Invoice", "give the Order itself"]);
    let own = papers.path("order.xml");
    desk.declines("buyer", &borrowed(&place(&own, "USDX")), "CURRENCY_MISMATCH");
    let salt_file = papers.0.join("order.xml.salt");
    assert!(salt_file.exists(), "a decline is a node's word: the salt stays, and the same bytes take it again");

    let placed = desk.applies("buyer", &borrowed(&place(&own, "HKDX")));
    let order = field(&placed, "order_id").to_owned();
    let shown = desk.does("supplier", &["orders", "get", &order]);
    assert_eq!((&shown["state"], &shown["terms"]["amount"]), (&"PROPOSED".into(), &12_500_000.into()), "{shown}");
    assert_eq!((&shown["terms"]["line_count"], &shown["terms"]["payment_days"]), (&2.into(), &60.into()), "{shown}");
    assert_eq!((&shown["terms"]["silence"], &shown["events"]), (&"CONFIRMS".into(), &json!([])), "{shown}");
    opens_the_commitment(&placed, &own, &shown["terms"]);
    assert_eq!(field(&placed, "document_salt_file"), text(&salt_file));
    assert_eq!(std::fs::metadata(&salt_file).unwrap().permissions().mode() & 0o777, 0o600);
    desk.declines("buyer", &borrowed(&place(&own, "HKDX")), "ORDER_ALREADY_PLACED");
    assert!(salt_file.exists(), "the salt of the order that stands is kept");
    desk.refuses(
        "buyer",
        &borrowed(&place(&papers.copy("order.xml", "order.xml", "Desk", "desk"), "HKDX")),
        1,
        &["order.xml.salt is the salt of another document", "--salt-file"],
    );
    papers.copy("order.xml", "order.xml", "desk", "Desk");

    desk.refuses("financier", &["orders", "get", &order], 1, &["NOT_FOUND"]);
    nobody_accepts_what_its_own_copy_does_not_say(desk, papers, &order);
    desk.declines("buyer", &["orders", "accept", &order], "OWN_PROPOSAL");
    desk.applies("supplier", &["orders", "accept", &order, "--document", &own]);
    desk.declines("supplier", &["orders", "appoint-carrier", &order, "financier"], "ROLE_REQUIRED");
    desk.applies("supplier", &["orders", "appoint-carrier", &order, "carrier"]);
    let agreed = desk.does("supplier", &["orders", "list", "--state", "agreed"]);
    assert!(agreed.as_array().unwrap().iter().any(|found| found["order_id"] == order.as_str()), "{agreed}");
    desk.refuses("supplier", &["orders", "list", "--state", "open"], 2, &["proposed, agreed, cancelled"]);
    order
}

fn nobody_accepts_what_its_own_copy_does_not_say(desk: &Desk<'_>, papers: &Papers, order: &str) {
    for (from, to, told) in [
        (">60</cbc:DurationMeasure>", ">30</cbc:DurationMeasure>", &["60 days", "30 days", "Do not accept"][..]),
        ("<cbc:ID>PO-7781<", "<cbc:ID>PO-7799<", &["fingerprint", "Nothing was sent"]),
        (">70000010<", ">70000099<", &["HKBR:70000099", "another company"]),
    ] {
        let copy = papers.copy("order.xml", "copy.xml", from, to);
        desk.refuses("supplier", &["orders", "accept", order, "--document", &copy], 1, told);
    }
    let unchecked = ["orders", "accept", order, "--without-company-ids"];
    desk.refuses("supplier", &unchecked, 2, &["--document FILE"]);
}

fn its_change_is_agreed(desk: &Desk<'_>, papers: &Papers, order: &str) {
    let (own, change) = (papers.path("order.xml"), papers.path("change.xml"));
    let propose = ["orders", "change", order, "--document", &change, "--order-document"];
    let other = papers.copy("order.xml", "other.xml", "<cbc:ID>PO-7781<", "<cbc:ID>PO-7799<");
    let told = ["not about the order PO-7799", "PO-7781"];
    desk.refuses("buyer", &[&propose[..], &[&other]].concat(), 1, &told);
    let proposed = desk.applies("buyer", &[&propose[..], &[&own]].concat());
    let shown = desk.does("supplier", &["orders", "get", order]);
    assert_eq!((&shown["change"]["number"], &shown["version"]), (&1.into(), &1.into()), "{shown}");
    opens_the_commitment(&proposed, &change, &shown["change"]["terms"]);
    assert_eq!(shown["change"]["terms"]["confirmation_days"], 10, "what the document does not say stays in force");
    let accept = |number: &'static str| ["orders", "accept-change", order, number, "--document", &change];
    desk.refuses("supplier", &accept("2"), 1, &["no proposal 2", "number 1 waits"]);
    let less = papers.copy("change.xml", "less.xml", ">60</cbc:DurationMeasure>", ">90</cbc:DurationMeasure>");
    let told = ["90 days", "60 days", "Do not accept"];
    desk.refuses("supplier", &["orders", "accept-change", order, "1", "--document", &less], 1, &told);
    desk.applies("supplier", &accept("1"));
    let shown = desk.does("buyer", &["orders", "get", order]);
    assert_eq!((&shown["terms"]["amount"], &shown["version"]), (&15_500_000.into(), &2.into()), "{shown}");
}

/// The carrier's document, of events that happen now.
fn shipment(papers: &Papers, happened: &str) -> String {
    let fixture = include_str!("../fixtures/epcis/shipment-hkd.jsonld");
    let mut document: Value = serde_json::from_str(fixture).unwrap();
    let shipping = &mut document["epcisBody"]["eventList"][1];
    shipping["eventTime"] = happened.into();
    // It was the hash of another moment.
    shipping.as_object_mut().unwrap().remove("eventID");
    papers.write("shipment.jsonld", &document.to_string())
}

fn goods_are_shipped(desk: &Desk<'_>, papers: &Papers, order: &str) {
    let now = jiff::Timestamp::from_millisecond(jiff::Timestamp::now().as_millisecond()).unwrap().to_string();
    let document = shipment(papers, &now);
    let record = |number: &str, event: &str| -> Vec<String> {
        let record = ["events", "record", "--order", order, "--order-number", number, "--document", &document];
        [&record[..], &["--event", event]].concat().into_iter().map(str::to_owned).collect()
    };
    desk.refuses("carrier", &borrowed(&record("PO-7781", "2")), 1, &["read-points.txt", "read-points register"]);
    desk.refuses("carrier", &["read-points", "register", "gate 7"], 2, &["'gate 7'", "a URI"]);
    desk.refuses("carrier", &["read-points", "retire", GATE], 1, &["is not in", "read-points.txt"]);
    let registered = desk.applies("carrier", &["read-points", "register", GATE]);
    let kept = std::fs::read_to_string(desk.data_dir.join("participants/carrier/read-points.txt")).unwrap();
    assert!(kept.ends_with(&format!("  {}\n", field(&registered, "read_point"))), "{kept}");
    desk.declines("carrier", &["read-points", "register", GATE], "READ_POINT_EXISTS");
    desk.declines("supplier", &["read-points", "register", GATE], "ROLE_REQUIRED");

    let whole = record("PO-7781", "2");
    desk.refuses("carrier", &borrowed(&whole[..8]), 2, &["has 3 events", "--event N", "2 is shipping at"]);
    desk.refuses("carrier", &borrowed(&record("PO-7799", "2")), 1, &["not about the order PO-7799", "PO-7781"]);
    desk.refuses(
        "carrier",
        &borrowed(&record("PO-7781", "3")),
        1,
        &["event 3", "declares the one with its hash wrong"],
    );
    desk.declines("carrier", &borrowed(&record("PO-7781", "1")), "EVENT_BEFORE_ORDER");
    let recorded = desk.applies("carrier", &borrowed(&whole));
    let event = field(&recorded, "event_hash");
    desk.declines("carrier", &borrowed(&whole), "EVENT_ALREADY_RECORDED");
    let listed = desk.does("buyer", &["events", "list", "--order", order]);
    assert_eq!((&listed[0]["event_hash"], &listed[0]["step"]), (&event.into(), &"SHIPPING".into()), "{listed}");
    assert_eq!(desk.does("carrier", &["events", "list", "--order", order]), listed, "it carries the order");
    assert_eq!(
        desk.does("carrier", &["orders", "get", order])["terms"],
        desk.does("buyer", &["orders", "get", order])["terms"]
    );
    opens_the_commitment(&recorded, &document, &listed[0]);
    assert_eq!(listed[0]["read_point_commitment"], registered["read_point_commitment"]);

    an_error_is_declared(desk, papers, order, &document, event);
    desk.applies("carrier", &["read-points", "retire", GATE]);
    desk.declines("carrier", &["read-points", "retire", GATE], "READ_POINT_RETIRED");
}

fn an_error_is_declared(desk: &Desk<'_>, papers: &Papers, order: &str, document: &str, event: &str) {
    let read: Value = serde_json::from_slice(&std::fs::read(document).unwrap()).unwrap();
    let mut wrong = read["epcisBody"]["eventList"][1].clone();
    wrong["@context"] = read["@context"].clone();
    wrong["errorDeclaration"] = json!({ "declarationTime": wrong["eventTime"], "reason": "incorrect_data" });
    let declaration = papers.write("error.jsonld", &wrong.to_string());
    let declare = ["events", "declare-error", "--order", order];
    let nothing_wrong = [&declare[..], &["--document", document, "--event", "2"]].concat();
    desk.refuses("carrier", &nothing_wrong, 1, &["event 2", "declares nothing wrong"]);
    desk.refuses("carrier", &[&declare[..], &["--event-hash", event]].concat(), 2, &["--ground"]);
    let by_hash = [&declare[..], &["--event-hash", event, "--ground", "did_not_occur"]].concat();
    desk.applies("carrier", &[&declare[..], &["--document", &declaration]].concat());
    desk.declines("carrier", &by_hash, "EVENT_DECLARED_WRONG");
    let listed = desk.does("supplier", &["events", "list", "--order", order]);
    assert_eq!(listed[0]["error_ground"], "INCORRECT_DATA", "{listed}");
}

fn an_invoice_is_disputed_and_credited(desk: &Desk<'_>, papers: &Papers, order: &str) -> String {
    let (own, invoice) = (papers.path("order.xml"), papers.path("invoice.xml"));
    let register = |order_document: &str| -> Vec<String> {
        let register = ["invoices", "register", &invoice, "--buyer", "buyer", "--token", "HKDX", "--order", order];
        [&register[..], &["--order-document", order_document]].concat().into_iter().map(str::to_owned).collect()
    };
    let told = ["not about the order PO-7799", "PO-7781"];
    desk.refuses("supplier", &borrowed(&register(&papers.path("other.xml"))), 1, &told);
    let registered = desk.applies("supplier", &borrowed(&register(&own)));
    let receivable = field(&registered, "receivable_id").to_owned();
    opens_the_commitment(&registered, &invoice, &registered["transaction"]["operations"][0]["register_invoice"]);
    assert_eq!(desk.does("buyer", &["orders", "get", order])["invoiced"], 12_500_000);

    let dispute = |amount: &'static str| ["invoices", "dispute", &receivable, amount, "--ground", "quality"];
    desk.declines("buyer", &dispute("125000.01"), "DISPUTE_EXCEEDS_OUTSTANDING");
    desk.declines("supplier", &dispute("3000.00"), "NOT_THE_BUYER");
    desk.refuses("buyer", &dispute("-1"), 2, &["below zero"]);
    desk.applies("buyer", &dispute("3000.00"));
    let shown = desk.does("supplier", &["invoices", "show", &receivable]);
    assert_eq!((&shown["state"], &shown["disputed"]), (&"DISPUTED".into(), &300_000.into()), "{shown}");

    let note = papers.path("credit-note.xml");
    let credit = ["invoices", "credit", &receivable, "--document", &note, "--invoice"];
    let other = papers.copy("invoice.xml", "other-invoice.xml", ">INV-2026-0042<", ">INV-2026-0043<");
    let told = ["not about the invoice INV-2026-0043", "INV-2026-0042"];
    desk.refuses("supplier", &[&credit[..], &[&other]].concat(), 1, &told);
    let credited = desk.applies("supplier", &[&credit[..], &[&invoice]].concat());
    opens_the_commitment(&credited, &note, &credited["transaction"]["operations"][0]["issue_credit_note"]);
    desk.declines("supplier", &[&credit[..], &[&invoice]].concat(), "CREDIT_NOTE_ALREADY_REGISTERED");
    let shown = desk.does("buyer", &["invoices", "show", &receivable]);
    assert_eq!((&shown["state"], &shown["outstanding"]), (&"REGISTERED".into(), &12_200_000.into()), "{shown}");
    assert_eq!((&shown["credited"], &shown["disputed"]), (&300_000.into(), &0.into()), "{shown}");
    desk.applies("buyer", &["invoices", "confirm", &receivable, "--file", &invoice]);
    receivable
}

fn it_passes_on_in_parts(desk: &Desk<'_>, receivable: &str) {
    let split = |parts: &[&'static str]| -> Vec<String> {
        let parts = parts.iter().flat_map(|part| ["--part", part]);
        ["invoices", "split", receivable].into_iter().chain(parts).map(str::to_owned).collect()
    };
    let parts = ["supplier=100000.00", "mill=22000.00"];
    desk.refuses("supplier", &borrowed(&split(&["supplier"])), 2, &["'supplier'", "ACCOUNT=AMOUNT"]);
    desk.refuses("supplier", &borrowed(&split(&["supplier=122000.00"])), 2, &["parts", "2 to 8"]);
    desk.declines("supplier", &borrowed(&split(&["supplier=1.00", "supplier=2.00"])), "SPLIT_SUM_MISMATCH");
    desk.declines("supplier", &borrowed(&split(&parts)), "MISSING_SIGNATURE");
    let signed = split(&parts);
    let signed = desk.applies("supplier", &[&borrowed(&signed)[..], &["--co-signer", "mill"]].concat());
    assert_eq!(desk.does("buyer", &["invoices", "show", receivable])["state"], "SPLIT");
    let (first, second) = (field(&signed, "part_1_id"), field(&signed, "part_2_id"));
    let part = desk.does("mill", &["invoices", "show", second]);
    assert_eq!(
        (&part["outstanding"], &part["parent_receivable_id"]),
        (&2_200_000.into(), &receivable.into()),
        "{part}"
    );
    desk.refuses("mill", &["invoices", "show", first], 1, &["NOT_FOUND"]);
    let assign = ["invoices", "assign", first, "--to", "mill"];
    desk.declines("supplier", &assign, "MISSING_SIGNATURE");
    desk.applies("supplier", &[&assign[..], &["--co-signer", "mill"]].concat());
    let mill = desk.does("mill", &["accounts", "show"]);
    assert_eq!(desk.does("mill", &["invoices", "show", first])["owner_account_id"], mill["account_id"]);
}

fn an_order_is_cancelled(desk: &Desk<'_>, papers: &Papers, invoiced: &str) {
    let signed = ["--co-signer", "supplier"];
    desk.declines("buyer", &[&["orders", "cancel", invoiced], &signed[..]].concat(), "ORDER_INVOICED");
    let second = papers.copy("order.xml", "second.xml", "<cbc:ID>PO-7781<", "<cbc:ID>PO-7782<");
    let place = ["orders", "place", "--document", &second, "--supplier", "supplier", "--token", "HKDX"];
    let own_salt = papers.path("own.salt");
    let placed = desk.applies("buyer", &[&place[..], &["--salt-file", &own_salt]].concat());
    assert!(std::fs::exists(&own_salt).unwrap() && !std::fs::exists(papers.path("second.xml.salt")).unwrap());
    let order = field(&placed, "order_id");
    desk.applies("supplier", &["orders", "accept", order]);
    let cancellation = papers.path("cancellation.xml");
    let cancel = ["orders", "cancel", order, "--order-document", &second, "--document"];
    desk.refuses("buyer", &[&cancel[..], &[&cancellation]].concat(), 1, &["not about the order PO-7782", "PO-7781"]);
    let right = papers.copy("cancellation.xml", "right.xml", "<cbc:ID>PO-7781<", "<cbc:ID>PO-7782<");
    let cancel = [&cancel[..], &[&right]].concat();
    desk.declines("buyer", &cancel, "MISSING_SIGNATURE");
    desk.applies("buyer", &[&cancel[..], &signed].concat());
    assert_eq!(desk.does("supplier", &["orders", "get", order])["state"], "CANCELLED");
}

fn people_read_amounts_and_days(desk: &Desk<'_>, order: &str) {
    let printed = |command: &[&str]| {
        let output = run([command, &["--as", "buyer", "--sandbox", text(desk.data_dir)]].concat());
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let shown = printed(&["orders", "get", order]);
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("amount 155,000.00 HKDX") && shown.contains("122,000.00 HKDX"), "{shown}");
    let listed = printed(&["orders", "list"]);
    assert!(listed.contains("155,000.00 HKDX") && listed.contains("CANCELLED"), "{listed}");
    let events = printed(&["events", "list", "--order", order]);
    assert!(events.contains("SHIPPING") && events.contains("INCORRECT_DATA"), "{events}");
    let closed = run(["orders", "accept", order, "--as", "supplier", "--sandbox", text(desk.data_dir)]);
    assert_eq!(closed.status.code(), Some(3), "{}", said(&closed));
    let nobody = run(["orders", "list", "--sandbox", text(desk.data_dir)]);
    assert_fails(&nobody, 2, &["--as NAME"]);
}

/// The salt that was kept opens what the ledger has of the document.
fn opens_the_commitment(settled: &Value, document: &str, on_ledger: &Value) {
    let kept = std::fs::read_to_string(field(settled, "document_salt_file")).unwrap();
    assert!(kept.starts_with(field(settled, "document_salt")), "{kept}");
    let mut salt = [0; 32];
    hex::decode_to_slice(&kept[..64], &mut salt).unwrap();
    let commitment = document_commitment(&salt, &std::fs::read(document).unwrap());
    assert_eq!(on_ledger["document_commitment"], commitment.to_string());
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}
