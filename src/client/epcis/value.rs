//! Values in their one form, and what has no one form.
//!
//! The canonical event hash reads values without knowing their type: the same event in XML has texts only. So a text that
//! looks like a number is one, and where programs could disagree about its form it is refused.

use super::EpcisError;
use super::identifier;
use super::json::{NUMBER_DIGITS_MAX, Node, Place};
use super::namespaces::Namespaces;
use super::vocabulary;

/// A value in two forms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Value {
    /// As CBV 2.0 hashes it.
    pub(super) canonical: String,
    /// As drafts of it did, by which ids were published: identifiers and words stay URNs.
    pub(super) draft: String,
}

impl Value {
    /// A URI: an identifier in its canonical form, any other as it is.
    pub(super) fn uri(place: &Place<'_>) -> Result<Self, EpcisError> {
        let text = place.text()?;
        if !text.contains(':') || text.contains(char::is_whitespace) {
            return Err(place.invalid("a URI"));
        }
        Ok(Self { canonical: identifier::canonical(place, text)?, draft: text.to_owned() })
    }

    /// A number.
    pub(super) fn number(place: &Place<'_>) -> Result<Self, EpcisError> {
        let Node::Number(text) = place.node else { return Err(place.invalid("a number")) };
        let form = plain_number(text).ok_or_else(|| ambiguous(place))?;
        Ok(Self { canonical: form.clone(), draft: form })
    }

    /// The value of an extension, which may be anything that is no list and no object.
    pub(super) fn of_extension(place: &Place<'_>, namespaces: &Namespaces) -> Result<Self, EpcisError> {
        let text = match place.node {
            Node::Number(_) => return Self::number(place),
            Node::Bool(value) => return Ok(Self { canonical: value.to_string(), draft: value.to_string() }),
            _ => place.text()?,
        };
        if looks_like_a_number(text) {
            let form = plain_number(text).ok_or_else(|| ambiguous(place))?;
            return Ok(Self { canonical: form.clone(), draft: form });
        }
        if looks_like_a_time(text) && !is_canonical_time(text) {
            let why = "programs differ on whether it is a time or a text; write it in UTC with three decimals and Z";
            return Err(EpcisError::Unhashable { path: place.path.clone(), what: "the time in an extension", why });
        }
        if text.split_once(':').is_some_and(|(prefix, _)| namespaces.is_prefix(prefix)) {
            let why = "programs differ on whether its prefix is expanded; write the whole URI";
            return Err(EpcisError::Unhashable {
                path: place.path.clone(),
                what: "the shortened URI in an extension",
                why,
            });
        }
        let canonical = match vocabulary::web_uri(text) {
            Some(uri) => uri,
            None => identifier::canonical(place, text)?,
        };
        Ok(Self { canonical, draft: text.to_owned() })
    }
}

fn ambiguous(place: &Place<'_>) -> EpcisError {
    let why = "programs differ on its form; write 0, or digits without leading zeros, sign, exponent or more than 15 of them, \
               or make it a text that is no number";
    EpcisError::Unhashable { path: place.path.clone(), what: "this number", why }
}

/// Whether some program would read it as a number.
fn looks_like_a_number(text: &str) -> bool {
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let named = ["inf", "infinity", "nan"].iter().any(|name| plain.eq_ignore_ascii_case(name));
    let of_a_number = |letter: char| letter.is_numeric() || matches!(letter, '.' | '_' | '+' | '-' | 'e' | 'E');
    let starts = plain.starts_with(|first: char| first.is_numeric() || first == '.');
    let dated = plain.matches('-').count() > 1;
    named || (starts && !dated && plain.chars().all(of_a_number) && plain.contains(char::is_numeric))
}

/// A decimal without trailing zeros, if it is written as every program would write it.
fn plain_number(text: &str) -> Option<String> {
    let (sign, plain) = text.strip_prefix('-').map_or(("", text), |plain| ("-", plain));
    let (whole, fraction) = plain.split_once('.').map_or((plain, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = digits(whole) && fraction.is_none_or(digits) && (whole == "0" || !whole.starts_with('0'));
    if !well_formed || whole.len() + fraction.map_or(0, str::len) > NUMBER_DIGITS_MAX {
        return None;
    }
    let fraction = fraction.unwrap_or("").trim_end_matches('0');
    // Below a ten thousandth some programs write an exponent; minus nothing is nothing to some.
    let is_tiny = whole == "0" && (fraction.starts_with("0000") || (fraction.is_empty() && !sign.is_empty()));
    match (is_tiny, fraction.is_empty()) {
        (true, _) => None,
        (false, true) => Some(format!("{sign}{whole}")),
        (false, false) => Some(format!("{sign}{whole}.{fraction}")),
    }
}

/// Whether it begins like `2026-11-23T10`.
fn looks_like_a_time(text: &str) -> bool {
    let form = |(place, byte): (usize, u8)| match place {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        _ => byte.is_ascii_digit(),
    };
    text.len() >= 13 && text.bytes().take(13).enumerate().all(form)
}

fn is_canonical_time(text: &str) -> bool {
    text.len() == 24 && text.ends_with('Z') && text.as_bytes()[19] == b'.' && text.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form_or_none() {
        for (text, form) in [
            ("0", "0"),
            ("20", "20"),
            ("23.0", "23"),
            ("200.5", "200.5"),
            ("-1.50", "-1.5"),
            ("0.0001", "0.0001"),
            ("0.0", "0"),
        ] {
            assert!(looks_like_a_number(text), "{text}");
            assert_eq!(plain_number(text).as_deref(), Some(form), "{text}");
        }
        for text in [
            "007",
            "+1",
            ".5",
            "5.",
            "1e5",
            "1_000",
            "-0",
            "0.00001",
            "1234567890123456",
            "nan",
            "-Infinity",
            "٣",
            "12e4",
        ] {
            assert!(looks_like_a_number(text), "{text}");
            assert_eq!(plain_number(text), None, "{text}");
        }
        for text in ["ABC123", "2026-11-23", "KGM", "1a", "e5", "", "-", "12:30", "Information"] {
            assert!(!looks_like_a_number(text), "{text}");
        }
    }

    #[test]
    fn times_are_told_from_texts() {
        assert!(looks_like_a_time("2026-11-23T10:00:00+08:00") && !is_canonical_time("2026-11-23T10:00:00+08:00"));
        assert!(is_canonical_time("2026-11-23T10:00:00.000Z"));
        assert!(!is_canonical_time("2026-13-23T10:00:00.000Z"));
        assert!(!looks_like_a_time("2026-11-23"));
    }
}
