//! Foreign bytes: flipped, cut, spliced or random, the decoders never panic, and what they accept is the one encoding of
//! what it means.

use crate::execution::chronicle::{Chronicle, transfer};
use crate::ledger::{Block, Certificate, Header, Outcome, Receipt, SignedTransaction};
use crate::primitives::{Decode, Encode};
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::LazyLock;

type Decoder = fn(&[u8]) -> Option<Vec<u8>>;

fn again<T: Decode + Encode>(bytes: &[u8]) -> Option<Vec<u8>> {
    T::from_bytes(bytes).ok().map(|value| value.to_bytes())
}

/// One good encoding of each kind, with its decoder.
static KINDS: LazyLock<Vec<(&str, Vec<u8>, Decoder)>> = LazyLock::new(|| {
    let mut chronicle = Chronicle::funded();
    let payments: Vec<_> =
        (1..4).map(|units| chronicle.transaction("buyer", vec![transfer("buyer", "supplier", units).into()])).collect();
    chronicle.append(1_000, &payments);
    chronicle.append(1_000, &[]);
    let receipt = chronicle.receipt(6, 1, 6);
    let signed = payments.iter().map(|each| each.signed().clone()).collect();
    let block = Block::new(receipt.header.clone(), signed).expect("a block");
    vec![
        ("header", receipt.header.to_bytes(), again::<Header>),
        ("transaction", payments[1].signed().to_bytes(), again::<SignedTransaction>),
        ("outcome", receipt.outcome.to_bytes(), again::<Outcome>),
        ("certificate", receipt.certificate.to_vec(), again::<Certificate>),
        ("block", block.to_bytes(), again::<Block>),
        ("receipt", receipt.to_bytes(), again::<Receipt>),
        ("receipt proven later", chronicle.receipt(6, 1, 7).to_bytes(), again::<Receipt>),
    ]
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
        for (name, _, decoder) in KINDS.iter() {
            if let Some(read) = decoder(&bytes) {
                prop_assert_eq!(&read, &bytes, "a {} in two encodings", name);
            }
        }
    }
}
