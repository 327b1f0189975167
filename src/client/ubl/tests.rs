//! Invoices by example: one of our own that is read, and one row for each way in which a document is refused.

use super::*;
use jiff::civil::date;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

const INVOICE: &str = include_str!("../../../tests/fixtures/ubl/invoice-hkd.xml");
const ORDER: &str = include_str!("../../../tests/fixtures/ubl/order-hkd.xml");
const BOMB: &str = include_str!("../../../tests/fixtures/ubl/entity-bomb.xml");

fn read(text: &str) -> Result<UblInvoice, UblError> {
    UblInvoice::read(text.as_bytes())
}

/// The fixture with one passage replaced, which must be there.
fn with(from: &str, to: &str) -> String {
    assert!(INVOICE.contains(from), "the fixture does not contain '{from}'");
    INVOICE.replacen(from, to, 1)
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
    let half_a_yen = in_yen.replace("125000.00", "125000.50");
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
    assert_eq!(read(&foreign), Err(UblError::Missing { path: "Invoice/cbc:ID" }));
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
    let found = |found: &str| Err(UblError::NotAnInvoice { found: found.to_owned() });
    assert_eq!(read(ORDER), found("a UBL Order"));
    assert_eq!(read("<Invoice/>"), found("<Invoice> of no namespace"));
    assert_eq!(read("<html xmlns=\"urn:h\"/>"), found("<html> of the namespace 'urn:h'"));
    let newer = with("<cbc:UBLVersionID>2.1</cbc:UBLVersionID>", "<cbc:UBLVersionID>3.0</cbc:UBLVersionID>");
    assert_eq!(read(&newer), found("a UBL Invoice of version 3.0"));
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
        (with("<cbc:ID>INV", "<cbc:ID><b/>INV"), "must hold text and no elements"),
        (with("<cbc:ID>", "<cbc:ID a=\"1\" a=\"2\">"), "not well-formed"),
        (with("INV-2026-0042", "INV & SONS"), "not well-formed"),
        (with("UTF-8", "ISO-8859-1"), "not in UTF-8 (ISO-8859-1)"),
        (with("INV-2026-0042", "INV\u{1}"), "free of control characters"),
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
    assert!(matches!(decimal("18446744073709551616").minor_units(0), Err(UblError::AmountTooLarge { .. })));
    assert!(matches!(decimal("1").minor_units(60), Err(UblError::AmountTooLarge { .. })));
    for bad in ["", ".", "1.2.3", "1 000", "١", "+1", "-1", "0x10", &"9".repeat(31)] {
        assert_eq!(Decimal::parse(bad), None, "{bad}");
    }
}

proptest! {
    /// Bytes of any kind are answered, never panicked on.
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(UblInvoice::read(&bytes).is_err());
    }

    /// Neither is a real invoice in which anything is overwritten or cut off.
    #[test]
    fn a_damaged_invoice_is_answered(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = INVOICE.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let _ = UblInvoice::read(&bytes).is_ok();
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

/// OASIS's own examples: invoices are read, everything else is named for what it is.
#[test]
fn published_documents_are_told_apart() {
    let Some(path) = published() else {
        eprintln!("skipped: no published documents; set CAUSEWAY_DOCUMENTS to a folder of UBL files to run on them");
        return;
    };
    for file in documents(&path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&file).expect("the document can be read");
        match UblInvoice::read(&bytes) {
            Ok(invoice) => {
                assert!(invoice.payable_amount.minor_units(2).is_ok(), "{name}: {invoice:?}");
                if name == "UBL-Invoice-2.1-Example.xml" {
                    assert_eq!((invoice.number.as_str(), invoice.currency.as_str()), ("TOSL108", "EUR"));
                    assert_eq!(invoice.payable_amount.minor_units(2), Ok(72_900));
                    assert_eq!(invoice.due_date, Some(date(2009, 12, 31)));
                    assert_eq!(invoice.supplier.legal_entity_id().as_deref(), Some("CVR:5402697509"));
                }
            }
            Err(UblError::NotAnInvoice { found }) => {
                // OASIS names its examples by what they are; other files may be called anything.
                let kind = found.strip_prefix("a UBL ").unwrap_or_default();
                assert!(!name.starts_with("UBL-") || name.starts_with(&format!("UBL-{kind}-")), "{name}: {found}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}
