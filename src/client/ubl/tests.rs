//! Documents by example: those of one trade, written for this, are read, and there is one row for each way in which one is
//! refused.

use super::*;
use jiff::civil::date;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

const INVOICE: &str = include_str!("../../../tests/fixtures/ubl/invoice-hkd.xml");
const ORDER: &str = include_str!("../../../tests/fixtures/ubl/order-hkd.xml");
const ORDER_CHANGE: &str = include_str!("../../../tests/fixtures/ubl/order-change-hkd.xml");
const ORDER_CANCELLATION: &str = include_str!("../../../tests/fixtures/ubl/order-cancellation-hkd.xml");
const CREDIT_NOTE: &str = include_str!("../../../tests/fixtures/ubl/credit-note-hkd.xml");
const BOMB: &str = include_str!("../../../tests/fixtures/ubl/entity-bomb.xml");

fn read(text: &str) -> Result<UblInvoice, UblError> {
    UblInvoice::read(text.as_bytes())
}

/// The fixture with one passage replaced, which must be there.
fn with(from: &str, to: &str) -> String {
    replaced(INVOICE, from, to)
}

fn replaced(document: &str, from: &str, to: &str) -> String {
    assert!(document.contains(from), "the fixture does not contain '{from}'");
    document.replacen(from, to, 1)
}

fn refused(text: &str) -> String {
    read(text).expect_err("it must be refused").to_string()
}

#[test]
fn an_invoice_is_read() {
    let invoice = read(INVOICE).expect("our own fixture");
    assert_eq!(invoice.number, "INV-2026-0042");
    assert_eq!(invoice.issue_date, date(2026, 11, 16));
    assert_eq!(invoice.due_date, Some(date(2027, 1, 15)));
    assert_eq!(invoice.currency.as_str(), "HKD");
    assert_eq!(invoice.payable_amount.minor_units(2), Ok(12_500_000));
    assert_eq!(invoice.supplier.name, "Nanshan Lamps & Fittings Co., Ltd.");
    assert_eq!(invoice.supplier.legal_entity_id().as_deref(), Some("USCC:91440300MA5EXAMPL1"));
    assert_eq!(invoice.buyer.legal_entity_id().as_deref(), Some("HKBR:60000042"));
    assert_eq!(invoice.document_sha256, sha256(INVOICE.as_bytes()));
}

#[test]
fn the_fingerprint_counts_in_the_currencys_own_minor_units() {
    let facts = |text: &str| read(text).expect("an invoice").facts("USCC:1", "HKBR:2");
    let in_dollars = facts(INVOICE).expect("two decimals");
    assert_eq!((in_dollars.amount_minor, in_dollars.number.as_str()), (12_500_000, "INV-2026-0042"));
    assert_eq!((in_dollars.supplier_legal_id.as_str(), in_dollars.buyer_legal_id.as_str()), ("USCC:1", "HKBR:2"));
    let in_yen = INVOICE.replace("HKD", "JPY");
    assert_eq!(facts(&in_yen).expect("no decimals but zeros").amount_minor, 125_000);
    let half_a_yen = in_yen.replace("125000.00", "125000.50").replace("126000.00", "126000.50");
    assert!(matches!(facts(&half_a_yen), Err(UblError::TooPrecise { scale: 0, .. })));
}

#[test]
fn prefixes_mean_nothing_and_namespaces_everything() {
    let renamed = INVOICE
        .replace("cbc:", "x:")
        .replace("xmlns:cbc", "xmlns:x")
        .replace("cac:", "cbc:")
        .replace("xmlns:cac", "xmlns:cbc");
    let (renamed, original) = (read(&renamed).expect("the same invoice"), read(INVOICE).expect("our own fixture"));
    assert_eq!(UblInvoice { document_sha256: original.document_sha256, ..renamed }, original);
    // The right prefix bound to another namespace is another element.
    let foreign = with("<cbc:ID>", "<cbc:ID xmlns:cbc=\"urn:example:other\">");
    assert_eq!(read(&foreign), Err(UblError::Missing { path: "Invoice/cbc:ID".to_owned() }));
    assert!(refused(&with("xmlns:cbc", "xmlns:cbb")).contains("the prefix 'cbc' is bound to no namespace"));
}

#[test]
fn what_is_optional_may_be_absent() {
    let undated = with("<cbc:DueDate>2027-01-15</cbc:DueDate>", "");
    assert_eq!(read(&undated).expect("the means of payment say it").due_date, Some(date(2027, 1, 15)));
    let undated = undated.replacen("<cbc:PaymentDueDate>2027-01-15</cbc:PaymentDueDate>", "", 1);
    assert_eq!(read(&undated).expect("due dates are optional").due_date, None);
    let no_code = with("<cbc:DocumentCurrencyCode>HKD</cbc:DocumentCurrencyCode>", "");
    assert_eq!(read(&no_code).expect("the amount says it").currency.as_str(), "HKD");
    let trading = with("<cbc:RegistrationName>Wan Chai Home Retail Limited</cbc:RegistrationName>", "");
    assert_eq!(read(&trading).expect("the trading name is there").buyer.name, "Wan Chai Home");
    let old = with("<cbc:UBLVersionID>2.1</cbc:UBLVersionID>", "<cbc:UBLVersionID>2.0</cbc:UBLVersionID>");
    assert!(read(&old).is_ok());
    let zoned = with("2026-11-16", "2026-11-16+08:00");
    assert_eq!(read(&zoned).expect("a time zone is allowed").issue_date, date(2026, 11, 16));
    let marked = format!("\u{feff}{INVOICE}");
    assert!(read(&marked).is_ok(), "a byte order mark is allowed");
    let referenced = with("INV-2026-0042", "INV-2026-<![CDATA[0042]]>").replacen("INV", "&#73;NV", 1);
    assert_eq!(read(&referenced).expect("characters by number, and CDATA").number, "INV-2026-0042");
}

#[test]
fn another_document_is_named() {
    let other = |found: &str| Err(UblError::OtherDocument { found: found.to_owned(), expected: "Invoice" });
    assert_eq!(read(ORDER), other("a UBL Order"));
    assert_eq!(read("<Invoice/>"), other("<Invoice> of no namespace"));
    assert_eq!(read("<html xmlns=\"urn:h\"/>"), other("<html> of the namespace 'urn:h'"));
    assert_eq!(read(&with("xsd:Invoice-2", "xsd:Invoice-1.0")), other("a UBL Invoice of version 1.0"));
    let newer = with("<cbc:UBLVersionID>2.1</cbc:UBLVersionID>", "<cbc:UBLVersionID>3.0</cbc:UBLVersionID>");
    assert_eq!(read(&newer), Err(UblError::Version { document: "Invoice".to_owned(), version: "3.0".to_owned() }));
    let credit = refused(&with("<cbc:InvoiceTypeCode>380", "<cbc:InvoiceTypeCode>381"));
    assert!(credit.contains("a credit is sent as a UBL CreditNote"), "{credit}");
    let despatch = UblDocument::read(
        b"<a:DespatchAdvice xmlns:a=\"urn:oasis:names:specification:ubl:schema:xsd:DespatchAdvice-2\"/>",
    );
    assert!(
        matches!(&despatch.expect_err("not read")[..], [UblError::OtherDocument { found, .. }] if found == "a UBL DespatchAdvice")
    );
}

#[test]
fn entities_are_never_expanded() {
    assert_eq!(read(BOMB), Err(UblError::DocumentType));
    let undeclared = refused(&with("INV-2026-0042", "&number;"));
    assert!(undeclared.contains("Invoice/cbc:ID uses the entity '&number;'"), "{undeclared}");
    assert!(
        refused(&with("currencyID=\"HKD\">125000.00", "currencyID=\"&hkd;\">125000.00")).contains("not well-formed")
    );
    assert!(refused(&with("INV-2026-0042", "&#0;")).contains("Invoice/cbc:ID"));
}

#[test]
fn limits_are_named() {
    let large = vec![b' '; DOCUMENT_BYTES_MAX + 1];
    assert_eq!(UblInvoice::read(&large), Err(UblError::DocumentTooLarge { bytes: DOCUMENT_BYTES_MAX + 1 }));
    let deep = "<cac:X>".repeat(DEPTH_MAX) + &"</cac:X>".repeat(DEPTH_MAX);
    assert!(matches!(read(&with("<cac:TaxTotal>", &format!("{deep}<cac:TaxTotal>"))), Err(UblError::TooDeep { .. })));
    let long = refused(&with("INV-2026-0042", &"1".repeat(FACT_BYTES_MAX + 1)));
    assert!(long.contains("Invoice/cbc:ID") && long.contains("at most 512 bytes"), "{long}");
    // Names are the document's own, and an error that repeats them stays short.
    let name = format!("n{}", "x".repeat(TAG_BYTES_MAX / 2));
    let named = refused(&with("<cac:TaxTotal>", &format!("{}<cac:TaxTotal>", format!("<{name}>").repeat(40))));
    assert!(named.len() < 4_096 && named.contains("nxxx") && named.contains("/…/"), "{} bytes: {named}", named.len());
    let wide = format!("<cbc:ID schemeID=\"{}\">", "x".repeat(TAG_BYTES_MAX));
    assert!(refused(&with("<cbc:ID>", &wide)).contains("a start tag has more than 16384 bytes"));
}

#[test]
fn broken_xml_says_where() {
    let rows = [
        (with("</cbc:IssueDate>", "</cbc:IssueDay>"), "not well-formed"),
        (with("</Invoice>", ""), "ends before its root element does"),
        (format!("{INVOICE}<Invoice/>"), "second root element"),
        (format!("{INVOICE} and more"), "text outside the root element"),
        (String::new(), "ends before its root element does"),
        ("{\"type\": \"EPCISDocument\"}".to_owned(), "the document is JSON, as events of EPCIS are written"),
        ("-----BEGIN PRIVATE KEY-----".to_owned(), "the document is not in XML"),
        (with("<cbc:ID>INV", "<cbc:ID><b/>INV"), "must hold text and no elements"),
        (with("<cbc:ID>", "<cbc:ID a=\"1\" a=\"2\">"), "not well-formed"),
        (with("INV-2026-0042", "INV & SONS"), "not well-formed"),
        (with("UTF-8", "ISO-8859-1"), "not in UTF-8 (ISO-8859-1)"),
        (with("INV-2026-0042", "INV\u{1}"), "free of characters that do not show"),
        (with("INV-2026-0042", "INV-2026\u{200b}-0042"), "free of characters that do not show"),
        (with("INV-2026-0042", "INV-2026\u{a0}0042"), "free of characters that do not show"),
    ];
    for (document, expected) in rows {
        let message = refused(&document);
        assert!(message.contains(expected), "{expected}: {message}");
    }
    assert!(matches!(UblInvoice::read(&[0xff, 0xfe, 0x3c, 0x00]), Err(UblError::Encoding { .. })));
}

#[test]
fn facts_are_there_once_and_in_their_form() {
    let supplier = "Invoice/cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName";
    let rows = [
        (with("<cbc:ID>INV-2026-0042</cbc:ID>", ""), "Invoice/cbc:ID is missing"),
        (with("<cbc:ID>INV-2026-0042</cbc:ID>", "<cbc:ID> </cbc:ID>"), "Invoice/cbc:ID is missing"),
        (
            with("<cbc:ID>INV-2026-0042</cbc:ID>", "<cbc:ID>1</cbc:ID><cbc:ID>2</cbc:ID>"),
            "Invoice/cbc:ID occurs more than once",
        ),
        (
            with("<cbc:PayableAmount currencyID=\"HKD\">125000.00</cbc:PayableAmount>", ""),
            "cac:LegalMonetaryTotal/cbc:PayableAmount is missing",
        ),
        (
            with("<cbc:PayableAmount currencyID=\"HKD\">", "<cbc:PayableAmount>"),
            "cbc:PayableAmount/@currencyID is missing",
        ),
        (with("2026-11-16", "16/11/2026"), "Invoice/cbc:IssueDate is '16/11/2026'"),
        (with("2026-11-16", "2026-02-30"), "Invoice/cbc:IssueDate is '2026-02-30'"),
        (with("2026-11-16", "20261116"), "Invoice/cbc:IssueDate is '20261116'"),
        (with("2027-01-15", "2027-01-15T00:00"), "Invoice/cbc:DueDate is"),
        (with(">HKD<", ">HK$<"), "Invoice/cbc:DocumentCurrencyCode is 'HK$'"),
        (with(">HKD<", ">USD<"), "is in HKD and the document in USD"),
        (
            with("<cbc:PayableAmount currencyID=\"HKD\">", "<cbc:PayableAmount currencyID=\"USD\">"),
            "cbc:PayableAmount is in USD and the document in HKD",
        ),
        (with(">125000.00", ">-125000.00"), "below zero"),
        (with(">125000.00", ">125,000.00"), "a decimal number"),
        (with(">125000.00", ">1.25e5"), "a decimal number"),
        (with(">125000.00", ">."), "a decimal number"),
        (
            with("Nanshan Lamps &amp; Fittings Co., Ltd.", "").replacen("<cbc:Name>Nanshan Lamps</cbc:Name>", "", 1),
            supplier,
        ),
    ];
    for (document, expected) in rows {
        let message = refused(&document);
        assert!(message.contains(expected), "{expected}: {message}");
    }
    let instalments = with("<cbc:DueDate>2027-01-15</cbc:DueDate>", "").replacen(
        "</cbc:PaymentDueDate>",
        "</cbc:PaymentDueDate><cbc:PaymentDueDate>2027-02-15</cbc:PaymentDueDate>",
        1,
    );
    assert!(refused(&instalments).contains("cbc:PaymentDueDate occurs more than once"));
}

#[test]
fn an_order_is_read_with_its_terms() {
    let order = UblOrder::read(ORDER.as_bytes()).expect("our own fixture");
    assert_eq!((order.number.as_str(), order.issue_date), ("PO-7781", date(2026, 10, 28)));
    assert_eq!(order.buyer.legal_entity_id().as_deref(), Some("HKBR:60000042"));
    assert_eq!(order.seller.legal_entity_id().as_deref(), Some("USCC:91440300MA5EXAMPL1"));
    let terms = &order.terms;
    assert_eq!(terms.totals.payable.minor_units(2), Ok(12_500_000));
    assert_eq!((terms.delivery_from, terms.delivery_by), (Some(date(2026, 11, 10)), Some(date(2026, 11, 30))));
    assert_eq!((terms.delivery_terms.as_deref(), terms.payment_days), (Some("DAP"), Some(60)));
    assert_eq!((terms.payment_note.as_deref(), terms.valid_until), (Some("60 days net"), Some(date(2026, 11, 5))));
    let lines: Vec<_> = terms.lines.iter().map(|line| (line.id.as_str(), line.unit.as_deref())).collect();
    assert_eq!(lines, [("1", Some("C62")), ("2", Some("C62"))]);
    assert_eq!(terms.lines[0].amount, Decimal::parse("120000"));
    let change = UblOrderChange::read(ORDER_CHANGE.as_bytes()).expect("our own fixture");
    assert_eq!((change.order_reference.as_str(), change.sequence.as_deref()), ("PO-7781", Some("1")));
    assert_eq!(change.terms.totals.payable.minor_units(2), Ok(15_500_000));
    let cancellation = UblOrderCancellation::read(ORDER_CANCELLATION.as_bytes()).expect("our own fixture");
    assert_eq!(cancellation.order_references, ["PO-7781"]);
    assert_eq!(cancellation.notes, ["The shop is not opened."]);
}

#[test]
fn a_credit_note_names_the_invoice_and_has_a_fingerprint_of_its_own() {
    let note = UblCreditNote::read(CREDIT_NOTE.as_bytes()).expect("our own fixture");
    assert_eq!(note.invoice_references, ["INV-2026-0042"]);
    assert_eq!(note.order_reference.as_deref(), Some("PO-7781"));
    let facts = note.facts("USCC:1", "HKBR:2").expect("two decimals");
    assert_eq!((facts.number.as_str(), facts.amount_minor), ("CN-2026-0007", 300_000));
}

#[test]
fn totals_that_do_not_add_up_are_told_with_both_figures_and_the_place() {
    let lines = "<cbc:LineExtensionAmount currencyID=\"HKD\">126000.00</cbc:LineExtensionAmount>";
    let tax = |exclusive: &str, inclusive: &str, payable: &str| {
        with(
            lines,
            &format!(
                "{lines}<cbc:TaxExclusiveAmount currencyID=\"HKD\">{exclusive}</cbc:TaxExclusiveAmount>\
                 <cbc:TaxInclusiveAmount currencyID=\"HKD\">{inclusive}</cbc:TaxInclusiveAmount>"
            ),
        )
        .replace(">0.00</cbc:TaxAmount>", ">500.25</cbc:TaxAmount>")
        .replace(">125000.00</cbc:PayableAmount>", &format!(">{payable}</cbc:PayableAmount>"))
    };
    let rounding = |text: String, rounding: &str| {
        let payable = "<cbc:PayableAmount";
        let figure = format!("<cbc:PayableRoundingAmount currencyID=\"HKD\">{rounding}</cbc:PayableRoundingAmount>");
        text.replacen(payable, &(figure + payable), 1)
    };
    for good in [
        tax("125000.00", "125500.25", "125500.25"),
        rounding(tax("125000.00", "125500.25", "125500.00"), "-0.25"),
        // Some count the rounding into the total already.
        rounding(tax("125000.00", "125500.00", "125500.00"), "-0.25"),
    ] {
        read(&good).expect("it adds up");
    }
    let total = "Invoice/cac:LegalMonetaryTotal";
    let rows = [
        (
            with(
                ">126000.00</cbc:LineExtensionAmount>\n    <cac:Item>",
                ">125999.99</cbc:LineExtensionAmount>\n    <cac:Item>",
            ),
            format!("{total}/cbc:LineExtensionAmount is 126000, but the line is 125999.99"),
        ),
        (
            with(
                "<cac:TaxTotal>",
                "<cac:AllowanceCharge><cbc:ChargeIndicator>false</cbc:ChargeIndicator><cbc:Amount currencyID=\"HKD\">999</cbc:Amount></cac:AllowanceCharge><cac:TaxTotal>",
            ),
            format!("{total}/cbc:AllowanceTotalAmount is 1000, but the sum of the document's allowances is 999"),
        ),
        (
            tax("126000.00", "126500.25", "126500.25"),
            format!("{total}/cbc:TaxExclusiveAmount is 126000, but the lines less allowances plus charges is 125000"),
        ),
        (
            tax("125000.00", "125500.00", "125500.00"),
            format!("{total}/cbc:TaxInclusiveAmount is 125500, but the amount without tax plus the tax is 125500.25"),
        ),
        (with(">125000.00<", ">125000.01<"), format!("{total}/cbc:PayableAmount is 125000.01, but")),
        (
            rounding(tax("125000.00", "125500.00", "125499.75"), "-0.25"),
            format!("{total}/cbc:PayableAmount is 125499.75, but"),
        ),
        (with(lines, ""), format!("{total}/cbc:LineExtensionAmount is missing")),
        (
            with("<cac:LegalMonetaryTotal>", "<cac:Other>").replace("</cac:LegalMonetaryTotal>", "</cac:Other>"),
            format!("{total} is missing"),
        ),
        (
            with("<cac:InvoiceLine>", "<cac:Other>").replace("</cac:InvoiceLine>", "</cac:Other>"),
            "Invoice/cac:InvoiceLine is missing".to_owned(),
        ),
    ];
    for (document, expected) in rows {
        let message = refused(&document);
        assert!(message.contains(&expected), "{expected}: {message}");
    }
    let untotalled = ORDER.replace("cac:AnticipatedMonetaryTotal>", "cac:Other>");
    let untotalled = UblOrder::read(untotalled.as_bytes()).expect_err("no totals").to_string();
    assert!(untotalled.starts_with("Order/cac:AnticipatedMonetaryTotal is missing"), "{untotalled}");
    // An order's payable amount may leave the tax out, or not, but nothing else.
    let taxed = |payable: &str| {
        let total = "<cac:TaxTotal><cbc:TaxAmount currencyID=\"HKD\">10</cbc:TaxAmount></cac:TaxTotal><cac:Antic";
        let order = replaced(ORDER, "<cac:Antic", total);
        UblOrder::read(replaced(&order, ">125000.00<", payable).as_bytes()).map(drop)
    };
    assert_eq!((taxed(">125000.00<"), taxed(">125010.00<")), (Ok(()), Ok(())));
    assert!(matches!(taxed(">125005.00<"), Err(UblError::DoesNotAddUp { .. })));
}

#[test]
fn lines_are_counted_and_told_apart() {
    let second = replaced(ORDER, "<cbc:ID>2</cbc:ID>", "<cbc:ID>1</cbc:ID>");
    let twice = UblOrder::read(second.as_bytes()).expect_err("one id, two lines").to_string();
    assert!(twice.contains("Order/cac:OrderLine[2]/cbc:ID is '1': it must be an id that no other line has"), "{twice}");
    let back = replaced(ORDER, ">100</cbc:Quantity>", ">-100</cbc:Quantity>");
    let back = UblOrder::read(back.as_bytes()).expect_err("goods go one way").to_string();
    assert!(back.contains("Order/cac:OrderLine[2]/cac:LineItem/cbc:Quantity is '-100', below zero"), "{back}");
    let owed = replaced(ORDER, ">6000.00</cbc:LineExtensionAmount>", ">-6000.00</cbc:LineExtensionAmount>");
    let owed = UblOrder::read(owed.as_bytes()).expect_err("what goes back is credited").to_string();
    let place = "Order/cac:OrderLine[2]/cac:LineItem/cbc:LineExtensionAmount is '-6000', below zero";
    assert!(owed.contains(place), "{owed}");
    // An invoice may take goods off that came back, if it adds up.
    let line = "</cac:InvoiceLine>\n";
    let returned = "</cac:InvoiceLine><cac:InvoiceLine><cbc:ID>2</cbc:ID>\
        <cbc:InvoicedQuantity unitCode=\"C62\">-1</cbc:InvoicedQuantity>\
        <cbc:LineExtensionAmount currencyID=\"HKD\">-60</cbc:LineExtensionAmount></cac:InvoiceLine>";
    let invoice = with(line, returned).replace(
        ">126000.00</cbc:LineExtensionAmount>\n    <cbc:Allow",
        ">125940.00</cbc:LineExtensionAmount>\n    <cbc:Allow",
    );
    let invoice = read(&replaced(&invoice, ">125000.00<", ">124940.00<")).expect("it adds up");
    assert!(invoice.lines[1].amount.is_some_and(Decimal::is_negative));
    let many = "<cac:OrderLine><cac:LineItem><cbc:ID>1</cbc:ID></cac:LineItem></cac:OrderLine>".repeat(LINES_MAX);
    let many = replaced(ORDER, "</Order>", &format!("{many}</Order>"));
    assert!(UblOrder::read(many.as_bytes()).expect_err("too many").to_string().contains("at most 10000 lines"));
    let elements = replaced(ORDER, "</Order>", &format!("{}</Order>", "<cbc:ID/>".repeat(ELEMENTS_MAX)));
    assert_eq!(UblOrder::read(elements.as_bytes()), Err(UblError::TooManyElements));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let broken = replaced(ORDER, "<cbc:IssueDate>2026-10-28</cbc:IssueDate>", "");
    let broken = replaced(&broken, "schemeID=\"INCOTERMS\">DAP", ">");
    let broken = replaced(&broken, ">6000.00<", ">6000.50<");
    let broken = replaced(&broken, "2026-11-30", "2026-11-01");
    let faults = UblDocument::read(broken.as_bytes()).expect_err("three faults");
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with("Order/cbc:IssueDate is missing"), "{}", told[0]);
    assert!(told[1].contains("is 126000, but the sum of the 2 lines is 126000.5"), "{}", told[1]);
    assert!(told[2].contains("RequestedDeliveryPeriod/cbc:EndDate is '2026-11-01'"), "{}", told[2]);
    assert_eq!(UblOrder::read(broken.as_bytes()), Err(faults[0].clone()));
}

#[test]
fn amounts_are_exact_or_refused() {
    let decimal = |text| Decimal::parse(text).expect(text);
    for (text, scale, units) in [
        ("729", 2, 72_900),
        ("0.30", 2, 30),
        ("12.5000", 2, 1_250),
        (".5", 1, 5),
        ("5.", 0, 5),
        ("007", 0, 7),
        ("0.00", 0, 0),
    ] {
        assert_eq!(decimal(text).minor_units(scale), Ok(units), "{text}");
    }
    assert!(matches!(decimal("12.505").minor_units(2), Err(UblError::TooPrecise { scale: 2, .. })));
    assert_eq!(decimal("18446744073709551615").minor_units(0), Ok(u64::MAX));
    assert!(matches!(decimal("18446744073709551616").minor_units(0), Err(UblError::AmountOutOfRange { .. })));
    assert!(matches!(decimal("1").minor_units(60), Err(UblError::AmountOutOfRange { .. })));
    assert_eq!((decimal("-12.50").to_string(), decimal("+3").to_string()), ("-12.5".to_owned(), "3".to_owned()));
    assert!(matches!(decimal("-1").minor_units(0), Err(UblError::AmountOutOfRange { .. })));
    for bad in ["", ".", "-", "1.2.3", "1 000", "١", "--1", "+-1", "0x10", &"9".repeat(31)] {
        assert_eq!(Decimal::parse(bad), None, "{bad}");
    }
}

proptest! {
    /// Bytes of any kind are answered, never panicked on.
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(UblInvoice::read(&bytes).is_err());
    }

    /// Neither is a real document in which anything is overwritten, doubled or cut off.
    #[test]
    fn a_damaged_document_is_answered(
        document in prop::sample::select(vec![INVOICE, ORDER, ORDER_CHANGE, ORDER_CANCELLATION, CREDIT_NOTE]),
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
        if let Err(faults) = UblDocument::read(&bytes) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|fault| !fault.to_string().is_empty()));
        }
    }

    /// What a decimal prints is what it reads.
    #[test]
    fn decimals_print_as_they_read(units in any::<u64>(), scale in 0u32..9) {
        let whole = units / 10u64.pow(scale);
        let fraction = units % 10u64.pow(scale);
        let text = format!("{whole}.{fraction:0width$}", width = scale as usize);
        let decimal = Decimal::parse(&text).expect("a decimal");
        prop_assert_eq!(decimal.minor_units(scale), Ok(units));
        prop_assert_eq!(Decimal::parse(&decimal.to_string()), Some(decimal));
    }
}

/// The folder or file of published documents: the one that `CAUSEWAY_DOCUMENTS` names, else the shared data beside the
/// checkout.
fn published() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/ubl");
    let named = std::env::var_os("CAUSEWAY_DOCUMENTS").map(PathBuf::from);
    named.or(Some(beside)).filter(|path| path.exists())
}

fn documents(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return vec![path.to_owned()] };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "xml"));
    files.sort();
    files
}

/// OASIS's own examples: what is read here is read, everything else is named for what it is.
#[test]
fn published_documents_are_read_or_named() {
    let Some(path) = published() else {
        eprintln!("skipped: no published documents; set CAUSEWAY_DOCUMENTS to a folder of UBL files to run on them");
        return;
    };
    for file in documents(&path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&file).expect("the document can be read");
        match UblDocument::read(&bytes) {
            Ok(document) => is_as_published(&name, &document),
            Err(faults) => match &faults[..] {
                [UblError::OtherDocument { found, .. }] => {
                    // OASIS names its examples by what they are; other files may be called anything.
                    let kind = found.strip_prefix("a UBL ").unwrap_or_default();
                    assert!(!name.starts_with("UBL-") || name.starts_with(&format!("UBL-{kind}-")), "{name}: {found}");
                }
                faults => panic!("{name}: {faults:#?}"),
            },
        }
    }
}

fn is_as_published(name: &str, document: &UblDocument) {
    match document {
        UblDocument::Invoice(invoice) if name == "UBL-Invoice-2.1-Example.xml" => {
            assert_eq!((invoice.number.as_str(), invoice.currency.as_str()), ("TOSL108", "EUR"));
            assert_eq!((invoice.payable_amount.minor_units(2), invoice.lines.len()), (Ok(72_900), 5));
            assert_eq!(invoice.due_date, Some(date(2009, 12, 31)));
            assert_eq!(invoice.order_reference.as_deref(), Some("123"));
            assert_eq!(invoice.supplier.legal_entity_id().as_deref(), Some("CVR:5402697509"));
        }
        UblDocument::CreditNote(note) if name == "UBL-CreditNote-2.1-Example.xml" => {
            assert_eq!((note.credited_amount.minor_units(2), note.lines.len()), (Ok(72_900), 5));
            assert!(note.invoice_references.is_empty());
        }
        UblDocument::Order(order) if name == "UBL-Order-2.1-Example.xml" => {
            assert_eq!((order.number.as_str(), order.terms.lines.len()), ("34", 2));
            assert_eq!(order.terms.totals.payable.minor_units(2), Ok(622_500));
            assert_eq!(order.terms.delivery_by, Some(date(2010, 2, 25)));
            assert_eq!(order.terms.delivery_terms.as_deref(), Some("FOT"));
            assert_eq!(order.seller.legal_entity_id().as_deref(), Some("SEORGNR:5532332283"));
        }
        UblDocument::OrderResponse(response) if name == "UBL-OrderResponse-2.1-Example.xml" => {
            assert_eq!((response.order_reference.as_str(), response.response.as_deref()), ("34", None));
            let statuses: Vec<_> = response.line_statuses.iter().map(|(_, status)| status.as_deref()).collect();
            assert_eq!(statuses, [Some("NoStatus"), Some("Disputed")]);
        }
        _ => {}
    }
}

#[test]
fn what_a_document_leaves_out_is_told() {
    let lacks = |text: &str| UblDocument::read(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}")).lacks();
    for whole in [INVOICE, ORDER, ORDER_CHANGE, ORDER_CANCELLATION, CREDIT_NOTE] {
        assert_eq!(lacks(whole), [""; 0]);
    }
    let rows = [
        (replaced(INVOICE, " schemeID=\"USCC\"", ""), "cac:AccountingSupplierParty/cac:Party"),
        (INVOICE.replace("DueDate>", "Other>"), "cbc:DueDate"),
        (INVOICE.replace("cac:OrderReference>", "cac:Other>"), "cac:OrderReference/cbc:ID"),
        (CREDIT_NOTE.replace("cac:BillingReference>", "cac:Other>"), "cac:BillingReference"),
        (ORDER.replace("cac:RequestedDeliveryPeriod>", "cac:Other>"), "cac:Delivery/cac:RequestedDeliveryPeriod"),
        (ORDER.replace("cac:SettlementPeriod>", "cac:Other>"), "cac:PaymentTerms/cac:SettlementPeriod"),
        (
            replaced(ORDER, "<cbc:LineExtensionAmount currencyID=\"HKD\">6000.00</cbc:LineExtensionAmount>", ""),
            "cbc:LineExtensionAmount",
        ),
        (ORDER_CANCELLATION.replace("cbc:CancellationNote>", "cbc:Other>"), "cbc:CancellationNote"),
    ];
    for (document, expected) in rows {
        let told = lacks(&document);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{expected}: {told:?}");
    }
}
