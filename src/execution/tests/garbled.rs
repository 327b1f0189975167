//! Entries of state as a damaged disk gives them back: flipped, cut, spliced or random, their decoders never panic, and what they
//! accept is the one encoding of what it means. What peers and clients send is met in `tests/fuzz/`.

use super::closed_loop::market;
use crate::domain::financing::{
    ForeignAccount, LenderCapital, Loan, Network, OpenProgramme, Outstanding, ParameterValues, Programme,
};
use crate::domain::tokens::{Attestation, Issuance, Payouts, Redemption, Token};
use crate::domain::trade::{
    FingerprintKey, InvoicesOfDay, Order, ReadPoint, Receivable, RegisteredDocument, ShipmentEvent,
};
use crate::ledger::{
    Account, Balance, Circulation, Column, Due, Entry, HistoryRoot, LegalEntity, Lock, Parameters, Request, Tip,
    ValidatorSet,
};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;
use std::sync::LazyLock;

type Decoder = fn(&[u8]) -> Option<Vec<u8>>;

fn again<T: Entry>(bytes: &[u8]) -> Option<Vec<u8>> {
    T::from_bytes(bytes).ok().map(|value| value.to_bytes())
}

macro_rules! decoders {
    ($($entry:ident)*) => { vec![$((stringify!($entry), $entry::COLUMN, again::<$entry> as Decoder)),*] };
}

/// The types of entries, each with its column and its decoder.
static DECODERS: LazyLock<Vec<(&str, Column, Decoder)>> = LazyLock::new(|| {
    decoders! {
        Tip ValidatorSet Parameters HistoryRoot Request Due Account Balance Circulation Lock Token Attestation Issuance Redemption
        FingerprintKey RegisteredDocument Receivable Payouts LegalEntity Order ShipmentEvent ReadPoint InvoicesOfDay Programme
        Loan Outstanding LenderCapital ParameterValues OpenProgramme Network ForeignAccount
    }
});

/// One good encoding of each type that a market's state has, with its decoder.
static KINDS: LazyLock<Vec<(&str, Vec<u8>, Decoder)>> = LazyLock::new(|| {
    let chronicle = market();
    let mut seen = BTreeSet::new();
    let mut kinds = Vec::new();
    for (column, _, value) in chronicle.entries().entries() {
        for (name, _, decoder) in DECODERS.iter().filter(|(_, of, _)| *of == column) {
            if decoder(value).is_some() && seen.insert(*name) {
                kinds.push((*name, value.to_vec(), *decoder));
            }
        }
    }
    kinds
});

#[derive(Clone, Debug)]
enum Garble {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
}

fn any_garble() -> impl Strategy<Value = Garble> {
    prop_oneof![
        (any::<Index>(), 0u8..8).prop_map(|(at, bit)| Garble::Flip(at, bit)),
        (any::<Index>(), prop::sample::select(vec![0, 1, 2, 0x7f, 0x80, 0xff]))
            .prop_map(|(at, to)| Garble::Set(at, to)),
        any::<Index>().prop_map(Garble::Cut),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, what)| Garble::Insert(at, what)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Garble::Repeat(from, to)),
    ]
}

fn garble(bytes: &mut Vec<u8>, how: &Garble) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match how {
        Garble::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Garble::Set(at, to) => bytes[at.index(length)] = *to,
        Garble::Cut(at) => bytes.truncate(at.index(length)),
        Garble::Insert(at, what) => {
            let at = at.index(length);
            bytes.splice(at..at, what.iter().copied());
        }
        Garble::Repeat(from, to) => {
            let (from, to) = (from.index(length), to.index(length));
            let again = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.extend(again);
        }
    }
}

#[test]
fn good_bytes_are_read_and_written_back() {
    assert!(KINDS.len() >= 18, "of few types a market has an entry: {:?}", KINDS.iter().map(|kind| kind.0));
    for (name, bytes, decoder) in KINDS.iter() {
        assert_eq!(decoder(bytes).as_ref(), Some(bytes), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn garbled_bytes_are_refused_or_mean_one_thing(
        kind in any::<Index>(),
        garbles in prop::collection::vec(any_garble(), 1..5),
    ) {
        let (name, bytes, decoder) = &KINDS[kind.index(KINDS.len())];
        let mut garbled = bytes.clone();
        garbles.iter().for_each(|how| garble(&mut garbled, how));
        if let Some(read) = decoder(&garbled) {
            prop_assert_eq!(&read, &garbled, "a {} in two encodings", name);
        }
    }

    #[test]
    fn random_bytes_are_refused_or_mean_one_thing(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for (name, _, decoder) in DECODERS.iter() {
            if let Some(read) = decoder(&bytes) {
                prop_assert_eq!(&read, &bytes, "a {} in two encodings", name);
            }
        }
    }
}
