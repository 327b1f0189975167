//! Identifiers: fixed in size, each its own type, so that none can stand where another belongs.

use super::codec::{CodecError, Decode, Encode, Reader};
use super::crypto::{Domain, hash};
use crate::codec_tag;
use bech32::{Bech32m, Hrp};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Why a text is not an identifier.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseIdError {
    /// Neither hexadecimal of the right length nor, for accounts, Bech32m.
    #[error("'{text}' is not {what}: {why}; expected {expected}")]
    Malformed {
        /// The text.
        text: String,
        /// The kind of identifier.
        what: &'static str,
        /// What is wrong with it, with the place where that is known.
        why: String,
        /// The form that was expected.
        expected: &'static str,
    },
}

/// What keeps a text from being so many hexadecimal digits.
fn why_not_hexadecimal(text: &str, digits: usize) -> String {
    let wrong = text.chars().enumerate().find(|(_, character)| !character.is_ascii_hexdigit());
    match wrong {
        _ if text.is_empty() => "it is empty".to_owned(),
        _ if text.starts_with(ACCOUNT_START) => "it is written as an account id is".to_owned(),
        Some((place, character)) => format!("its character {} is '{character}'", place + 1),
        None if text.len() == digits => "it cannot be read".to_owned(),
        None => format!("it has {} digits", text.len()),
    }
}

/// How an account id begins.
const ACCOUNT_START: &str = "cw1";
/// How many characters one has: its beginning, 52 of its bytes, and 6 of its checksum.
const ACCOUNT_LENGTH: usize = ACCOUNT_START.len() + 52 + 6;
/// What Bech32m writes bits with. It leaves out 1, b, i and o.
const BECH32_CHARACTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// What keeps a text from being an account id. A checksum that fits but for one character tells which one.
fn why_no_account(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return why_not_hexadecimal(text, 2 * AccountId::SIZE);
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) && text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return "capital and small letters are mixed".to_owned();
    }
    let lower = text.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix(ACCOUNT_START) else {
        return format!("it does not begin with '{ACCOUNT_START}'");
    };
    if let Some((place, character)) = rest.chars().enumerate().find(|(_, one)| !BECH32_CHARACTERS.contains(*one)) {
        return format!("its character {} is '{character}', which none has", ACCOUNT_START.len() + place + 1);
    }
    if lower.len() != ACCOUNT_LENGTH {
        return format!("it has {} characters and must have {ACCOUNT_LENGTH}", lower.len());
    }
    match mistyped(&lower)[..] {
        [place] => format!("its character {} is mistyped", place + 1),
        [place, _] => format!("its characters {} and {} have changed places", place + 1, place + 2),
        _ => "its checksum does not fit, so several characters are mistyped".to_owned(),
    }
}

/// The place of the one character with another in whose stead the checksum fits, or those of two neighbours that it fits swapped;
/// none otherwise.
fn mistyped(text: &str) -> Vec<usize> {
    let characters = text.as_bytes();
    let mut changed = characters.to_vec();
    for place in ACCOUNT_START.len()..characters.len() {
        for other in BECH32_CHARACTERS.bytes().filter(|other| *other != characters[place]) {
            changed[place] = other;
            if fits_checksum(&changed) {
                return vec![place];
            }
        }
        changed[place] = characters[place];
    }
    for place in ACCOUNT_START.len()..characters.len() - 1 {
        changed.swap(place, place + 1);
        if fits_checksum(&changed) {
            return vec![place, place + 1];
        }
        changed.swap(place, place + 1);
    }
    Vec::new()
}

fn fits_checksum(characters: &[u8]) -> bool {
    let text = std::str::from_utf8(characters).unwrap_or_default();
    bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text).is_ok()
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $size:literal, $what:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// How many bytes an identifier of this kind has.
            pub const SIZE: usize = $size;

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }

            /// The identifier in a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0);
            }
        }

        impl Decode for $name {
            fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                reader.array().map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
    };
}

macro_rules! hexadecimal {
    ($name:ident, $what:literal, $expected:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; Self::SIZE];
                hex::decode_to_slice(text, &mut bytes).map(|()| Self(bytes)).map_err(|_| ParseIdError::Malformed {
                    text: text.to_owned(),
                    what: $what,
                    why: why_not_hexadecimal(text, 2 * Self::SIZE),
                    expected: $expected,
                })
            }
        }
    };
}

identifier!(
    /// A SHA-256 hash whose domain the context gives.
    Hash, 32, "a hash", "64 hexadecimal digits"
);
identifier!(
    /// A ledger: the SHA-256 of the exact bytes of its genesis file.
    ChainId, 32, "a chain id", "64 hexadecimal digits"
);
identifier!(
    /// A transaction: the hash of its body. Signatures are not part of it.
    TransactionId, 32, "a transaction id", "64 hexadecimal digits"
);
identifier!(
    /// A thing that an operation made: an issuance, a redemption, a receivable, a financing request.
    ObjectId, 32, "an object id", "64 hexadecimal digits"
);
identifier!(
    /// A client's own id of a request, chosen by it, never reused while it can still be seen.
    RequestId, 16, "a request id", "32 hexadecimal digits"
);
identifier!(
    /// An account. It stays the same when the account's keys change. Written in Bech32m with the prefix `cw`.
    AccountId, 32, "an account id", "Bech32m with the prefix 'cw', or 64 hexadecimal digits"
);
hexadecimal!(Hash, "a hash", "64 hexadecimal digits");
hexadecimal!(ChainId, "a chain id", "64 hexadecimal digits");
hexadecimal!(TransactionId, "a transaction id", "64 hexadecimal digits");
hexadecimal!(ObjectId, "an object id", "64 hexadecimal digits");
hexadecimal!(RequestId, "a request id", "32 hexadecimal digits");

impl Hash {
    /// All zeros: the parent of the first block.
    pub const ZERO: Self = Self([0; 32]);
}

/// The human-readable prefix of account ids.
const ACCOUNT_PREFIX: Hrp = Hrp::parse_unchecked("cw");

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 32 bytes are far below Bech32m's limit, so this fails only if the formatter does.
        f.write_str(&bech32::encode::<Bech32m>(ACCOUNT_PREFIX, &self.0).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for AccountId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParseIdError::Malformed {
            text: text.to_owned(),
            what: "an account id",
            why: why_no_account(text),
            expected: "Bech32m with the prefix 'cw', or 64 hexadecimal digits",
        };
        let mut bytes = [0; 32];
        if hex::decode_to_slice(text, &mut bytes).is_ok() {
            return Ok(Self(bytes));
        }
        let parsed = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text).map_err(|_| malformed())?;
        if parsed.hrp() != ACCOUNT_PREFIX {
            return Err(malformed());
        }
        Self::from_slice(&parsed.byte_iter().collect::<Vec<_>>()).ok_or_else(malformed)
    }
}

/// The place of an operation's creation: who sent the transaction, under which request, as which operation.
///
/// Identifiers of created things are derived from it, so a client knows them before it signs, and a later operation of
/// the same transaction can name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who sends the transaction.
    pub sender: AccountId,
    /// Its request id.
    pub request_id: RequestId,
    /// The operation's place in the transaction, from 0.
    pub operation_index: u16,
}

/// What an operation creates under an object id.
///
/// The kind goes into the id, so that nothing of one kind ever has the id of something of another. A request id can return once
/// it is forgotten, and each room declines what would take the id of what it has; what other rooms have, it does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// An issuance.
    Issuance,
    /// A redemption.
    Redemption,
    /// An order.
    Order,
    /// A receivable. A part of one has an id of its own making.
    Receivable,
    /// A programme.
    Programme,
    /// A loan.
    Loan,
}
codec_tag!(ObjectKind { Issuance = 1, Redemption = 2, Order = 3, Receivable = 4, Programme = 5, Loan = 6 });

impl Origin {
    fn derive(&self, domain: Domain, kind: Option<ObjectKind>) -> [u8; 32] {
        let mut bytes = Vec::with_capacity(51);
        self.sender.encode(&mut bytes);
        self.request_id.encode(&mut bytes);
        self.operation_index.encode(&mut bytes);
        bytes.extend(kind.map(ObjectKind::tag));
        hash(domain, &bytes).0
    }

    /// The id of what the operation creates.
    pub fn object_id(&self, kind: ObjectKind) -> ObjectId {
        ObjectId(self.derive(Domain::OBJECT, Some(kind)))
    }

    /// The id of the account that the operation opens.
    pub fn account_id(&self) -> AccountId {
        AccountId(self.derive(Domain::ACCOUNT, None))
    }
}

/// The shortest token id, in characters.
pub const TOKEN_ID_LENGTH_MIN: usize = 3;
/// The longest token id, in characters.
pub const TOKEN_ID_LENGTH_MAX: usize = 12;

/// A token's id: 3 to 12 of `A`-`Z` and `0`-`9`, a letter first, such as `HKDX`. Unique on its chain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId {
    // Padded with zeros; the order of the padded arrays is the order of the texts.
    characters: [u8; TOKEN_ID_LENGTH_MAX],
}

impl TokenId {
    /// The text.
    pub fn as_str(&self) -> &str {
        let length = self.characters.iter().position(|byte| *byte == 0).unwrap_or(TOKEN_ID_LENGTH_MAX);
        std::str::from_utf8(&self.characters[..length]).unwrap_or_default()
    }
}

impl FromStr for TokenId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length_fits = (TOKEN_ID_LENGTH_MIN..=TOKEN_ID_LENGTH_MAX).contains(&text.len());
        let letter_first = text.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
        let alphabet = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !(length_fits && letter_first && alphabet) {
            return Err(ParseIdError::Malformed {
                text: text.to_owned(),
                what: "a token id",
                why: match (length_fits, alphabet) {
                    (false, _) => format!("it has {} characters", text.chars().count()),
                    (true, false) if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                        "it has small letters".to_owned()
                    }
                    (true, false) => "it has other characters".to_owned(),
                    (true, true) => "it does not begin with a letter".to_owned(),
                },
                expected: "3 to 12 of A-Z and 0-9, a letter first",
            });
        }
        let mut characters = [0; TOKEN_ID_LENGTH_MAX];
        characters[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { characters })
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Encode for TokenId {
    /// One byte of length, then the characters: a token id stands in every movement, so its count is kept short.
    fn encode(&self, out: &mut Vec<u8>) {
        let text = self.as_str();
        out.push(text.len() as u8);
        out.extend_from_slice(text.as_bytes());
    }
}

impl Decode for TokenId {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let length = usize::from(u8::decode(reader)?);
        let text = std::str::from_utf8(reader.take(length)?);
        text.ok().and_then(|text| text.parse().ok()).ok_or(CodecError::Invalid {
            what: "token id",
            why: "it is not 3 to 12 of A-Z and 0-9 with a letter first",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids_survive_text() {
        let id = AccountId([7; 32]);
        assert!(id.to_string().starts_with("cw1"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(hex::encode([7; 32]).parse(), Ok(id));
        let mut broken = id.to_string();
        broken.pop();
        broken.push('q');
        assert!(broken.parse::<AccountId>().is_err());
    }

    #[test]
    fn an_account_id_that_is_mistyped_is_told_where() {
        let right = AccountId([7; 32]).to_string();
        let changed = |place: usize, to: &str| format!("{}{to}{}", &right[..place], &right[place + 1..]);
        let other = |place: usize| if &right[place..=place] == "q" { "p" } else { "q" };
        let (mut swapped, place) = (right.clone().into_bytes(), right.len() - 3);
        assert_ne!(swapped[place], swapped[place + 1]);
        swapped.swap(place, place + 1);
        let swapped = String::from_utf8(swapped).expect("still ASCII");
        for (text, told) in [
            (changed(20, other(20)), "its character 21 is mistyped"),
            (changed(20, "b"), "its character 21 is 'b', which none has"),
            (swapped, "have changed places"),
            (changed(30, other(30)).replacen(&right[10..12], "qq", 1), "several characters are mistyped"),
            (right[..60].to_owned(), "it has 60 characters and must have 61"),
            (right.replacen("cw1", "bc1", 1), "it does not begin with 'cw1'"),
            (changed(20, "Q"), "capital and small letters are mixed"),
            ("ab".repeat(31), "it has 62 digits"),
        ] {
            let refused = text.parse::<AccountId>().expect_err(&text).to_string();
            assert!(refused.contains(told), "{refused}");
        }
        let refused = |text: &str| text.parse::<ObjectId>().expect_err(text).to_string();
        assert!(refused(&right).contains("it is written as an account id is"));
        assert!(refused("12x4").contains("its character 3 is 'x'"));
        assert!(refused("1234").contains("it has 4 digits"));
        assert!("hkdx".parse::<TokenId>().expect_err("small").to_string().contains("it has small letters"));
    }

    #[test]
    fn token_ids_are_strict() {
        for good in ["HKD", "HKDX", "USDCAUSEWAY1"] {
            let id: TokenId = good.parse().expect(good);
            assert_eq!(TokenId::from_bytes(&id.to_bytes()), Ok(id));
        }
        for bad in ["", "HK", "hkd", "1HKD", "HKD-X", "ABCDEFGHIJKLM"] {
            assert!(bad.parse::<TokenId>().is_err(), "{bad}");
        }
        assert!(TokenId::from_bytes(b"\x04HK\0X").is_err());
    }
}
