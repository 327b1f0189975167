//! Damage to texts: JSON, XML, TOML, and single values.

use super::mutate::{INPUT_BYTES_MAX, damage_bytes, integer, range};
use rand::RngExt as _;
use rand::rngs::StdRng;

/// What may stand where a value stood.
const VALUES: [&str; 42] = [
    "",
    "0",
    "-0",
    "-1",
    "1",
    "01",
    "1.0",
    "1e0",
    "0.1",
    "1e400",
    "-1e400",
    "1e-400",
    "255",
    "256",
    "65536",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "NaN",
    "Infinity",
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "\"\"",
    "\"1\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\u00e9\"",
    "2026-02-30",
    "9999-12-31",
    "2026-11-16T24:00:00+15:00",
    "\u{feff}",
    "\u{202e}",
    "é",
    "\0",
    "貨款",
    "&x;",
    "<![CDATA[x]]>",
];
/// What opens something and is to be closed.
const OPENERS: [&str; 8] = ["[", "{\"a\":", "<a>", "<!--", "{a=", "[[", "\"", "'"];
/// What may be inserted anywhere.
const INSERTS: [&str; 14] = [
    " ",
    "\n",
    "\r\n",
    "\t",
    ",",
    "//",
    "#",
    "<!DOCTYPE a [<!ENTITY x \"y\">]>",
    "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
    "&#0;",
    "&amp;",
    " xmlns=\"a\"",
    "\u{2028}",
    "\"\"\"",
];

/// Damages a text once.
pub fn damage(input: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut StdRng) {
    let at = rng.random_range(0..=input.len());
    match rng.random_range(0..14) {
        0 | 1 => replace_value(input, at, rng),
        11 => replace_whole(input, at, rng),
        12 => nest_value(input, at, rng),
        13 => encode_otherwise(input, rng),
        2 => within_hexadecimal(input, at, others, rng),
        3 => lines(input, rng),
        4 => nest(input, at, rng),
        5 => {
            let insert = INSERTS[rng.random_range(0..INSERTS.len())];
            input.splice(at..at, insert.bytes());
        }
        6 => twice(input, at, rng),
        7 => shout(input, at),
        8 => {
            let number = integer(rng, input.len()).to_string();
            if let Some(run) = run_of(input, at, |byte| byte.is_ascii_digit()) {
                input.splice(run, number.bytes());
            }
        }
        9 => long_value(input, at, rng),
        _ => damage_bytes(input, others, rng),
    }
}

/// The run of such bytes that a place is in, or the next one.
fn run_of(input: &[u8], at: usize, belongs: impl Fn(&u8) -> bool) -> Option<std::ops::Range<usize>> {
    let start = at + input.get(at..)?.iter().position(&belongs)?;
    let start = start - input[..start].iter().rev().take_while(|byte| belongs(byte)).count();
    let end = start + input[start..].iter().take_while(|byte| belongs(byte)).count();
    Some(start..end)
}

/// A number, a word or what stands in quotes becomes something else.
fn replace_value(input: &mut Vec<u8>, at: usize, rng: &mut StdRng) {
    let value = VALUES[rng.random_range(0..VALUES.len())];
    let run = if rng.random_bool(0.5) {
        run_of(input, at, |byte| byte.is_ascii_alphanumeric() || b"-.:_".contains(byte))
    } else {
        run_of(input, at, |byte| !b"\",:{}[]<>=\n".contains(byte))
    };
    let Some(run) = run else { return };
    // With its quotes, half the time: a text becomes a number.
    let quoted = run.start > 0 && input[run.start - 1] == b'"' && input.get(run.end) == Some(&b'"');
    let run = if quoted && rng.random_bool(0.5) { run.start - 1..run.end + 1 } else { run };
    input.splice(run, value.bytes());
}

/// Bytes that are written in hexadecimal are damaged as bytes.
fn within_hexadecimal(input: &mut Vec<u8>, at: usize, others: &[Vec<u8>], rng: &mut StdRng) {
    let Some(run) = run_of(input, at, |byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)) else { return };
    let Ok(mut bytes) = hex::decode(&input[run.clone()]) else { return };
    let other = &others[rng.random_range(0..others.len())];
    let place = rng.random_range(0..=other.len());
    let taken = run_of(other, place, |byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte));
    match taken.and_then(|taken| hex::decode(&other[taken]).ok()) {
        // Another's certificate, header, path.
        Some(taken) if rng.random_bool(0.4) => bytes = taken,
        Some(taken) => damage_bytes(&mut bytes, &[taken], rng),
        None => damage_bytes(&mut bytes, &[Vec::new()], rng),
    }
    input.splice(run, hex::encode(bytes).bytes());
}

/// A line is left out, doubled or moved.
fn lines(input: &mut Vec<u8>, rng: &mut StdRng) {
    let mut lines: Vec<Vec<u8>> = input.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return;
    }
    let (one, other) = (rng.random_range(0..lines.len()), rng.random_range(0..lines.len()));
    match rng.random_range(0..3) {
        0 => drop(lines.remove(one)),
        1 => lines.insert(other, lines[one].clone()),
        _ => lines.swap(one, other),
    }
    *input = lines.concat();
}

/// Opens things, many times: parsers that call themselves run out of stack.
fn nest(input: &mut Vec<u8>, at: usize, rng: &mut StdRng) {
    let opener = OPENERS[rng.random_range(0..OPENERS.len())];
    let room = INPUT_BYTES_MAX.saturating_sub(input.len()) / opener.len();
    let times = [1, 60, 130, 10_000][rng.random_range(0..4)].min(room);
    input.splice(at..at, opener.repeat(times).into_bytes());
}

/// A list or an object becomes a value, or another kind of list.
fn replace_whole(input: &mut Vec<u8>, at: usize, rng: &mut StdRng) {
    let opens = |byte: &u8| b"[{".contains(byte);
    let Some(from) = input[at..].iter().position(opens).map(|found| at + found) else { return };
    let mut depth = 0;
    let closes = input[from..].iter().position(|byte| {
        depth += i32::from(b"[{".contains(byte)) - i32::from(b"]}".contains(byte));
        depth == 0
    });
    let Some(length) = closes else { return };
    let value = ["0", "{}", "[]", "null", "true", "\"\"", "[[]]", "[null]", "{\"a\":0}"][rng.random_range(0..9)];
    input.splice(from..=from + length, value.bytes());
}

/// A value is wrapped, many times, so that what was well-formed still is.
fn nest_value(input: &mut Vec<u8>, at: usize, rng: &mut StdRng) {
    let (open, close) = [("[", "]"), ("{\"a\":", "}"), ("<a>", "</a>")][rng.random_range(0..3)];
    let Some(run) = run_of(input, at, |byte| byte.is_ascii_alphanumeric()) else { return };
    let quoted = run.start > 0 && input[run.start - 1] == b'"' && input.get(run.end) == Some(&b'"');
    let run = if quoted { run.start - 1..run.end + 1 } else { run };
    let room = INPUT_BYTES_MAX.saturating_sub(input.len()) / (open.len() + close.len());
    let times = [1, 60, 130, 3_000][rng.random_range(0..4)].min(room);
    let wrapped = [open.repeat(times).as_bytes(), &input[run.clone()], close.repeat(times).as_bytes()].concat();
    input.splice(run, wrapped);
}

/// The whole in another encoding of Unicode, or with a mark of its order of bytes.
fn encode_otherwise(input: &mut Vec<u8>, rng: &mut StdRng) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    *input = match rng.random_range(0..4) {
        0 => format!("\u{feff}{text}").into_bytes(),
        1 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => text.chars().flat_map(|character| u32::from(character).to_le_bytes()).collect(),
    };
}

/// What stands between two marks stands there twice: a field, an element, an entry of a list.
fn twice(input: &mut Vec<u8>, at: usize, rng: &mut StdRng) {
    let mark = b",<{[\n"[rng.random_range(0..5)];
    let Some(from) = input[at..].iter().position(|byte| *byte == mark).map(|found| at + found) else { return };
    let Some(length) = input[from + 1..].iter().position(|byte| *byte == mark) else { return };
    let part = input[from..=from + length].to_vec();
    input.splice(from..from, part.repeat(rng.random_range(1..4)));
}

/// Letters change their case.
fn shout(input: &mut [u8], at: usize) {
    if let Some(run) = run_of(input, at, u8::is_ascii_alphabetic) {
        input[run].iter_mut().for_each(|byte| *byte ^= 0x20);
    }
}

/// A value of some thousand characters, or of none.
fn long_value(input: &mut Vec<u8>, at: usize, rng: &mut StdRng) {
    let part = range(rng, input.len());
    let part = if part.is_empty() { b"9".to_vec() } else { input[part].to_vec() };
    let times = rng.random_range(1..=1 + 8_000 / part.len());
    input.splice(at..at, part.repeat(times));
}
