//! Documents of trade: XML and JSON from whatever program a merchant has.

use super::corpus::fixtures;
use super::mutate::Form;
use super::run::{Target, USUAL, Verdict};
use causeway::client::epcis::{self, EpcisDocument};
use causeway::client::ubl::{
    UblCreditNote, UblDocument, UblInvoice, UblOrder, UblOrderCancellation, UblOrderChange, UblOrderResponse,
};

/// Orders, their changes, cancellations and responses, invoices and credit notes: told all that is wrong, within bounds.
pub fn ubl_documents() -> Target {
    let check = |bytes: &[u8]| {
        let read = UblDocument::read(bytes);
        let of_its_kind = [
            UblOrder::read(bytes).is_ok(),
            UblOrderChange::read(bytes).is_ok(),
            UblOrderCancellation::read(bytes).is_ok(),
            UblOrderResponse::read(bytes).is_ok(),
            UblInvoice::read(bytes).is_ok(),
            UblCreditNote::read(bytes).is_ok(),
        ];
        let kinds = of_its_kind.iter().filter(|is_read| **is_read).count();
        assert_eq!(kinds, usize::from(read.is_ok()), "a document is of one kind, whoever asks");
        match read {
            Ok(_) => Verdict::Read,
            Err(faults) => {
                // Many things may be wrong; each is told in few words.
                let longest = faults.iter().map(ToString::to_string).max_by_key(String::len);
                let longest = longest.expect("a refusal says why");
                assert!(longest.len() <= 4_096, "a fault is told in {} bytes", longest.len());
                Verdict::Refused(longest)
            }
        }
    };
    Target { form: Form::Text, executions: 500, allowed: USUAL, corpus: fixtures("ubl"), check }
}

/// Logistics events, and the hash that names them.
pub fn epcis_documents() -> Target {
    let check = |bytes: &[u8]| {
        let read = EpcisDocument::read(bytes);
        for event in read.iter().flat_map(|document| &document.events) {
            assert!(event.canonical_id().starts_with("ni:///sha-256;"), "{}", event.canonical_id());
            let _ = (event.objects_hash(), event.order_numbers(), event.lacks(), event.read_point_commitment(&[1; 32]));
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            let _ = epcis::canonical_read_point(text);
        }
        Verdict::of(&read)
    };
    Target { form: Form::Text, executions: 1_500, allowed: USUAL, corpus: fixtures("epcis"), check }
}
