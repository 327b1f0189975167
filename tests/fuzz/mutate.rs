//! Damage to bytes: what a cable, a bug and an enemy do to a good message.

use super::text;
use rand::RngExt as _;
use rand::rngs::StdRng;

/// What an input is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Integers, counts and byte strings.
    Bytes,
    /// A protobuf message after so many bytes of something else.
    Protobuf { after: usize },
    /// JSON, XML, TOML or a line of text.
    Text,
}

/// Inputs do not grow beyond this: what is larger is refused by its size, which other tests show.
pub const INPUT_BYTES_MAX: usize = 48 * 1024;

/// Integers at which something begins or ends.
const BOUNDARIES: [u64; 22] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    16 * 1024 * 1024 - 1,
    16 * 1024 * 1024,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    253_402_300_799_999,
    253_402_300_800_000,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// One of them, or one that the input suggests, or any.
pub fn integer(rng: &mut StdRng, length: usize) -> u64 {
    match rng.random_range(0..8) {
        0 => length as u64,
        1 => (length as u64).wrapping_add(1),
        2 => rng.random_range(0..u64::MAX),
        3 => rng.random_range(0..300),
        _ => BOUNDARIES[rng.random_range(0..BOUNDARIES.len())],
    }
}

/// Damages an input once. `others` are there to be spliced in.
pub fn damage(form: Form, input: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut StdRng) {
    match form {
        Form::Protobuf { after } if input.len() >= after && rng.random_bool(0.7) => {
            let mut message = input.split_off(after);
            if !fields(&message).is_some_and(|found| damage_message(&mut message, &found, rng)) {
                damage_bytes(&mut message, others, rng);
            }
            input.extend(message);
        }
        Form::Text if rng.random_bool(0.8) => text::damage(input, others, rng),
        Form::Bytes | Form::Protobuf { .. } | Form::Text => damage_bytes(input, others, rng),
    }
    input.truncate(INPUT_BYTES_MAX);
}

/// A range of an input, short ones mostly.
pub fn range(rng: &mut StdRng, length: usize) -> std::ops::Range<usize> {
    let from = rng.random_range(0..=length);
    let most = if rng.random_bool(0.7) { (length - from).min(40) } else { length - from };
    from..from + rng.random_range(0..=most)
}

/// Damage that knows nothing of the form.
pub fn damage_bytes(input: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut StdRng) {
    let length = input.len();
    if length == 0 {
        input.extend((0..rng.random_range(1..64)).map(|_| rng.random_range(0..=255u8)));
        return;
    }
    let at = rng.random_range(0..length);
    match rng.random_range(0..12) {
        0 => input[at] ^= 1 << rng.random_range(0..8),
        1 => input[at] = BOUNDARIES[rng.random_range(0..6)] as u8,
        2 => input[at] = rng.random_range(0..=255),
        3 => overwrite_integer(input, at, rng),
        4 => drop(input.drain(range(rng, length))),
        5 => input.truncate(at),
        6 => {
            let copied = input[range(rng, length)].to_vec();
            input.splice(at..at, copied);
        }
        7 => {
            let inserted: Vec<u8> = (0..rng.random_range(1..20)).map(|_| rng.random_range(0..=255)).collect();
            input.splice(at..at, inserted);
        }
        8 => {
            let copied = input[range(rng, length)].to_vec();
            let end = (at + copied.len()).min(length);
            input[at..end].copy_from_slice(&copied[..end - at]);
        }
        9 => {
            let other = &others[rng.random_range(0..others.len())];
            let (taken, replaced) = (range(rng, other.len()), range(rng, length));
            input.splice(replaced, other[taken].iter().copied());
        }
        10 => {
            let range = range(rng, length);
            input[range].fill([0, 0xff][rng.random_range(0..2)]);
        }
        _ => {
            let copied = input[range(rng, length)].to_vec();
            let times = rng.random_range(1..=1 + 4_096 / (copied.len() + 1));
            input.splice(at..at, copied.repeat(times));
        }
    }
}

/// Writes an integer of two, four or eight bytes over what is there: a count, an amount, a height.
fn overwrite_integer(input: &mut [u8], at: usize, rng: &mut StdRng) {
    let number = integer(rng, input.len() - at);
    let size = [2, 4, 8][rng.random_range(0..3)];
    let bytes = if rng.random_bool(0.8) { number.to_be_bytes() } else { number.to_le_bytes() };
    let bytes = &bytes[8 - size..];
    let end = (at + size).min(input.len());
    input[at..end].copy_from_slice(&bytes[..end - at]);
}

/// A field of a protobuf message as it stands there.
#[derive(Clone, Debug)]
pub struct Field {
    number: u64,
    /// Its bytes with the key, then those of the content: without its length, if it has one.
    whole: std::ops::Range<usize>,
    content: std::ops::Range<usize>,
    kind: u64,
}

/// Fields with their length before them: texts, bytes, messages.
const LENGTH_DELIMITED: u64 = 2;

/// The fields of a message; none if it is no message, or has no field.
pub fn fields(message: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let start = at;
        let key = varint(message, &mut at)?;
        let size = match key & 7 {
            0 => {
                let from = at;
                varint(message, &mut at)?;
                let size = at - from;
                at = from;
                size
            }
            1 => 8,
            LENGTH_DELIMITED => usize::try_from(varint(message, &mut at)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let end = at.checked_add(size).filter(|end| *end <= message.len())?;
        fields.push(Field { number: key >> 3, whole: start..end, content: at..end, kind: key & 7 });
        at = end;
    }
    (!fields.is_empty() && fields.iter().all(|field| field.number > 0)).then_some(fields)
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A varint, and now and then in more bytes than it needs.
fn put_varint(mut value: u64, out: &mut Vec<u8>, longer_by: usize) {
    while value >= 0x80 || longer_by > 0 && value > 0 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.extend(std::iter::repeat_n(0x80, longer_by.saturating_sub(1)));
    out.push(value as u8);
}

fn put_field(number: u64, content: &[u8], out: &mut Vec<u8>) {
    put_varint(number << 3 | LENGTH_DELIMITED, out, 0);
    put_varint(content.len() as u64, out, 0);
    out.extend_from_slice(content);
}

/// Damages one field, at the top or within messages of messages; lengths above it stay right.
fn damage_message(message: &mut Vec<u8>, found: &[Field], rng: &mut StdRng) -> bool {
    let field = found[rng.random_range(0..found.len())].clone();
    if field.kind == LENGTH_DELIMITED && rng.random_bool(0.7) {
        let mut content = message[field.content.clone()].to_vec();
        let changed = match fields(&content) {
            Some(inner) => damage_message(&mut content, &inner, rng),
            None => false,
        };
        if changed {
            let mut rebuilt = Vec::new();
            put_field(field.number, &content, &mut rebuilt);
            message.splice(field.whole, rebuilt);
            return true;
        }
    }
    let replacement = damaged_field(message, &field, rng);
    let place = if rng.random_bool(0.8) { field.whole } else { field.whole.end..field.whole.end };
    message.splice(place, replacement);
    true
}

/// What may stand in a field's place.
fn damaged_field(message: &[u8], field: &Field, rng: &mut StdRng) -> Vec<u8> {
    let whole = &message[field.whole.clone()];
    let content = &message[field.content.clone()];
    let mut out = Vec::new();
    match rng.random_range(0..10) {
        0 => {}
        1 => out = whole.repeat(rng.random_range(2..70)),
        2 => {
            put_varint(field.number << 3, &mut out, rng.random_range(0..2));
            put_varint(integer(rng, content.len()), &mut out, rng.random_range(0..3));
        }
        // A length that lies.
        3 => {
            put_varint(field.number << 3 | LENGTH_DELIMITED, &mut out, 0);
            put_varint(integer(rng, content.len()), &mut out, 0);
            out.extend_from_slice(content);
        }
        4 => put_field(rng.random_range(1..80), content, &mut out),
        5 => put_field(field.number, &content[range(rng, content.len())], &mut out),
        6 => {
            let mut damaged = content.to_vec();
            damage_bytes(&mut damaged, &[whole.to_vec()], rng);
            put_field(field.number, &damaged, &mut out);
        }
        // Within itself, as deep as decoders go and beyond.
        7 => {
            let mut nested = content.to_vec();
            for _ in 0..rng.random_range(1..150) {
                let mut outer = Vec::new();
                put_field(field.number, &nested, &mut outer);
                nested = outer;
            }
            out = nested;
        }
        8 => {
            let size = [0, 1, 16, 31, 32, 33, 64, 65, 255][rng.random_range(0..9)];
            put_field(field.number, &vec![rng.random_range(0..=255u8); size], &mut out);
        }
        _ => {
            put_varint(field.number << 3 | rng.random_range(0..8), &mut out, 0);
            out.extend_from_slice(content);
        }
    }
    out
}

#[test]
fn damage_to_a_field_leaves_the_lengths_around_it_right() {
    use rand::SeedableRng as _;
    let mut inner = Vec::new();
    put_field(4, b"deep", &mut inner);
    let (mut middle, mut message) = (Vec::new(), Vec::new());
    put_field(2, &inner, &mut middle);
    put_field(1, &middle, &mut message);
    assert_eq!(fields(&message).map(|found| found.len()), Some(1));
    let (mut well_formed, mut changed) = (0, 0);
    for seed in 0..500 {
        let mut damaged = message.clone();
        let found = fields(&damaged).expect("a message");
        assert!(damage_message(&mut damaged, &found, &mut StdRng::seed_from_u64(seed)));
        well_formed += u32::from(fields(&damaged).is_some());
        changed += u32::from(damaged != message);
    }
    assert!(well_formed > 200 && changed > 400, "{well_formed} of {changed} still are messages");
}
