//! What of trade documents enters the ledger. The page that others build it from holds the same values.

use super::{Lines, hold};
use causeway::domain::tokens::payout_commitment;
use causeway::domain::trade::fingerprint::normalised_number;
use causeway::domain::trade::{InvoiceFacts, document_commitment, fingerprint, key_commitment};

const PAGE: &str = include_str!("../../docs/trade-documents.md");

/// An invoice's facts, and the fingerprint that they have.
fn invoice(lines: Lines, name: &str, key: &[u8; 32], facts: &InvoiceFacts) -> Lines {
    let field = |field: &str| format!("{name}.{field}");
    lines
        .with_text(&field("supplier_legal_id"), &facts.supplier_legal_id)
        .with_text(&field("buyer_legal_id"), &facts.buyer_legal_id)
        .with(&field("number_typed"), &facts.number)
        .with_text(&field("number"), &normalised_number(&facts.number))
        .with_text(&field("issue_date"), &facts.issue_date.to_string())
        .with_text(&field("currency"), facts.currency.as_str())
        .with_text(&field("amount"), &facts.amount_minor.to_string())
        .with(&field("fingerprint"), fingerprint(key, facts))
}

#[test]
fn trade_documents() {
    let key: [u8; 32] = std::array::from_fn(|index| index as u8);
    let salt: [u8; 32] = std::array::from_fn(|index| 0xff - index as u8);
    let plain = InvoiceFacts {
        supplier_legal_id: "LEI:529900T8BM49AURSDO55".to_owned(),
        buyer_legal_id: "HKBR:12345678".to_owned(),
        number: "INV-2026 0042".to_owned(),
        issue_date: "2026-11-22".parse().unwrap(),
        currency: "HKD".parse().unwrap(),
        amount_minor: 1_250_000,
    };
    let untidy = InvoiceFacts {
        number: " \tinv-é/0042\r\n 貨\u{3000}款 ".to_owned(),
        currency: "JPY".parse().unwrap(),
        amount_minor: 12_500,
        ..plain.clone()
    };
    let lines = Lines::default().with("key", key).with("key_commitment", key_commitment(&key));
    let lines = invoice(lines, "plain", &key, &plain);
    let lines = invoice(lines, "untidy", &key, &untidy)
        .with("salt", salt)
        .with_text("document", "<Invoice/>")
        .with("document_commitment", document_commitment(&salt, b"<Invoice/>"))
        .with_text("payout", "HK 012-345-678901-001")
        .with("payout_commitment", payout_commitment(&salt, "HK 012-345-678901-001"));
    hold("trade.txt", &lines.0);
    assert!(PAGE.contains(&lines.0), "docs/trade-documents.md does not hold tests/golden/trade.txt line by line");
}
