//! JSON as it was written: objects keep their order and no key comes twice, and a number that a computer would round is
//! refused.

use super::{DEPTH_MAX, EpcisError, LIST_MAX, TEXT_BYTES_MAX};
use crate::primitives::unseen::unseen_in_text;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Most significant digits of a number: as many as every program keeps.
pub(super) const NUMBER_DIGITS_MAX: usize = 15;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// Its plain decimal form, without an exponent.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Reads a document.
///
/// # Errors
/// It is no JSON, a key comes twice, it is nested too deep, or a number has too many digits.
pub(super) fn read(bytes: &[u8]) -> Result<Node, EpcisError> {
    // A byte order mark is no JSON, but files have it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(line) = line_of_a_long_number(bytes) {
        let why = format!(
            "a number with an exponent or of more than {NUMBER_DIGITS_MAX} digits at line {line}; programs round it"
        );
        return Err(EpcisError::NotJson { why });
    }
    let not_json = |error: serde_json::Error| EpcisError::NotJson { why: error.to_string() };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let node = Level(0).deserialize(&mut reader).map_err(not_json)?;
    reader.end().map_err(not_json)?;
    Ok(node)
}

/// The line of the first number that a reader would round, or write in another way.
fn line_of_a_long_number(bytes: &[u8]) -> Option<usize> {
    let (mut line, mut in_text, mut escaped, mut digits, mut in_number) = (1, false, false, 0, false);
    for &byte in bytes {
        line += usize::from(byte == b'\n');
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'0'..=b'9' => (digits, in_number) = (digits + 1, true),
            b'.' | b'-' => {}
            b'e' | b'E' if in_number => return Some(line),
            _ => (digits, in_number, in_text) = (0, false, byte == b'"'),
        }
        if digits > NUMBER_DIGITS_MAX {
            return Some(line);
        }
    }
    None
}

/// How deep the value is that is read next.
#[derive(Clone, Copy)]
struct Level(usize);

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Node, D::Error> {
        if self.0 > DEPTH_MAX {
            return Err(D::Error::custom(format_args!("nested more than {DEPTH_MAX} levels deep")));
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        // Up to 15 digits this is the number as written, without trailing zeros.
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Node, E> {
        if value.len() > TEXT_BYTES_MAX {
            return Err(E::custom(format_args!("a text has {} bytes, at most {TEXT_BYTES_MAX} are read", value.len())));
        }
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self(self.0 + 1))? {
            if list.len() == LIST_MAX {
                return Err(A::Error::custom(format_args!("a list has more than {LIST_MAX} items")));
            }
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        let mut keys = std::collections::BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key.len() > TEXT_BYTES_MAX || object.len() == LIST_MAX {
                return Err(A::Error::custom(format_args!("an object has too many keys, or one that is too long")));
            }
            if !keys.insert(key.clone()) {
                return Err(A::Error::custom(format_args!(
                    "the key '{key}' is there twice, and it is not clear which counts"
                )));
            }
            let value = entries.next_value_seed(Self(self.0 + 1))?;
            object.push((key, value));
        }
        Ok(Node::Object(object))
    }
}

/// A value and where it is.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub(super) node: &'a Node,
    pub(super) path: String,
}

impl<'a> Place<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self { node, path: String::new() }
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn invalid(&self, expected: &'static str) -> EpcisError {
        let value = match self.node {
            Node::Text(text) | Node::Number(text) => text.chars().take(80).collect(),
            Node::Bool(value) => value.to_string(),
            Node::Null => "null".to_owned(),
            Node::List(_) => "a list".to_owned(),
            Node::Object(_) => "an object".to_owned(),
        };
        EpcisError::Invalid { path: self.path.clone(), value, expected }
    }

    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let Node::Object(entries) = self.node else { return None };
        let (_, node) = entries.iter().find(|(name, _)| name == key)?;
        Some(Self { node, path: self.path_of(key) })
    }

    pub(super) fn required(&self, key: &str) -> Result<Self, EpcisError> {
        self.get(key).ok_or_else(|| EpcisError::Missing { path: self.path_of(key) })
    }

    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Self)>, EpcisError> {
        let Node::Object(entries) = self.node else { return Err(self.invalid("an object")) };
        Ok(entries.iter().map(|(key, node)| (key.as_str(), Self { node, path: self.path_of(key) })).collect())
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, EpcisError> {
        let Node::List(items) = self.node else { return Err(self.invalid("a list")) };
        let place = |(index, node)| Self { node, path: format!("{}[{index}]", self.path) };
        Ok(items.iter().enumerate().map(place).collect())
    }

    /// The text, without whitespace at its ends; never empty.
    pub(super) fn text(&self) -> Result<&'a str, EpcisError> {
        let Node::Text(text) = self.node else { return Err(self.invalid("a text")) };
        if unseen_in_text(text).is_some() {
            return Err(self.invalid("free of characters that do not show"));
        }
        match text.trim() {
            "" => Err(EpcisError::Missing { path: self.path.clone() }),
            text => Ok(text),
        }
    }
}
