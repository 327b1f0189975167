//! GS1 identifiers in one form: the canonical GS1 Digital Link, down to the finest level of identification and no further.
//!
//! # What is read
//! EPC URNs (`urn:epc:id`, `urn:epc:class`, `urn:epc:idpat`) of the schemes that have a GS1 key, and Digital Links on any
//! domain. Every other URI stays as it is.
//!
//! # Deliberately absent
//! Whether an identifier was ever issued, and check digits of links: a wrong one is a wrong link, and hashes as such. EPC
//! schemes without a GS1 key (`usdod`, `adi`, `bic`, `gid`) are refused, as are compressed links, which look like any path.

use super::EpcisError;
use super::json::Place;

const DOMAIN: &str = "https://id.gs1.org/";

/// The canonical form of a URI.
pub(super) fn canonical(place: &Place<'_>, text: &str) -> Result<String, EpcisError> {
    if let Some(epc) = text.strip_prefix("urn:epc:") {
        let link = of_urn(epc).ok_or_else(|| place.invalid("an EPC that has a GS1 key, with all its parts"))?;
        return Ok(format!("{DOMAIN}{link}"));
    }
    match text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
        Some(rest) => of_web(place, text, rest),
        None => Ok(text.to_owned()),
    }
}

/// The link of an EPC, from what follows `urn:epc:`.
fn of_urn(epc: &str) -> Option<String> {
    let (kind, rest) = epc.split_once(':')?;
    let (scheme, rest) = rest.split_once(':')?;
    let is_pattern = match kind {
        "id" | "class" => false,
        "idpat" => true,
        _ => return None,
    };
    if (kind == "class") != (scheme == "lgtin") {
        return None;
    }
    match scheme {
        "sgtin" | "lgtin" | "upui" | "itip" => of_trade_item(scheme, rest, is_pattern),
        "sgln" | "grai" | "gdti" | "sgcn" | "pgln" => of_twelve_digits(scheme, rest, is_pattern),
        "cpi" => of_component(rest, is_pattern),
        _ if is_pattern => None,
        "sscc" | "gsrn" | "gsrnp" | "gsin" => of_plain_number(scheme, rest),
        "giai" | "ginc" => {
            let (prefix, reference) = rest.split_once('.')?;
            let limit = 30usize.checked_sub(prefix.len())?;
            let ai = if scheme == "giai" { "8004" } else { "401" };
            company_prefix(prefix)
                .then(|| component(reference, limit))
                .flatten()
                .map(|text| format!("{ai}/{prefix}{text}"))
        }
        _ => None,
    }
}

/// Company prefix, reference, and what follows; the first two have so many digits together.
fn keyed(text: &str, digits: usize) -> Option<(&str, &str, Option<&str>)> {
    let mut parts = text.splitn(3, '.');
    let (prefix, reference, rest) = (parts.next()?, parts.next()?, parts.next());
    let whole = prefix.len() + reference.len() == digits && reference.bytes().all(|byte| byte.is_ascii_digit());
    (company_prefix(prefix) && whole).then_some((prefix, reference, rest))
}

fn company_prefix(text: &str) -> bool {
    (6..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn of_trade_item(scheme: &str, text: &str, is_pattern: bool) -> Option<String> {
    let (prefix, reference, rest) = keyed(text, 13)?;
    let (indicator, item) = reference.split_at_checked(1)?;
    let gtin = with_check_digit(&format!("{indicator}{prefix}{item}"));
    let rest = rest?;
    if scheme == "itip" {
        let mut parts = rest.splitn(3, '.');
        let (piece, total, serial) = (parts.next()?, parts.next()?, parts.next()?);
        let two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let key = (two(piece) && two(total)).then(|| format!("8006/{gtin}{piece}{total}"))?;
        return if is_pattern {
            (serial == "*").then_some(key)
        } else {
            Some(format!("{key}/21/{}", component(serial, 20)?))
        };
    }
    if is_pattern {
        return (rest == "*").then(|| format!("01/{gtin}"));
    }
    let (qualifier, limit) = match scheme {
        "lgtin" => ("10", 20),
        "upui" => ("235", 28),
        _ => ("21", 20),
    };
    Some(format!("01/{gtin}/{qualifier}/{}", component(rest, limit)?))
}

fn of_twelve_digits(scheme: &str, text: &str, is_pattern: bool) -> Option<String> {
    let (prefix, reference, rest) = keyed(text, 12)?;
    let zero = if scheme == "grai" { "0" } else { "" };
    let number = with_check_digit(&format!("{zero}{prefix}{reference}"));
    if is_pattern {
        let ai = match scheme {
            "grai" => "8003",
            "gdti" => "253",
            "sgcn" => "255",
            _ => return None,
        };
        return (rest? == "*").then(|| format!("{ai}/{number}"));
    }
    match scheme {
        "pgln" => rest.is_none().then(|| format!("417/{number}")),
        "sgln" if rest? == "0" => Some(format!("414/{number}")),
        "sgln" => Some(format!("414/{number}/254/{}", component(rest?, 20)?)),
        "grai" => Some(format!("8003/{number}{}", component(rest?, 16)?)),
        "gdti" => Some(format!("253/{number}{}", component(rest?, 17)?)),
        _ => {
            let serial = rest?;
            let numeric = (1..=12).contains(&serial.len()) && serial.bytes().all(|byte| byte.is_ascii_digit());
            numeric.then(|| format!("255/{number}{serial}"))
        }
    }
}

fn of_plain_number(scheme: &str, text: &str) -> Option<String> {
    let (ai, digits) = match scheme {
        "sscc" => ("00", 17),
        "gsrn" => ("8018", 17),
        "gsrnp" => ("8017", 17),
        _ => ("402", 16),
    };
    let (prefix, reference, rest) = keyed(text, digits)?;
    let (extension, serial) = if scheme == "sscc" { reference.split_at_checked(1)? } else { ("", reference) };
    rest.is_none().then(|| format!("{ai}/{}", with_check_digit(&format!("{extension}{prefix}{serial}"))))
}

fn of_component(text: &str, is_pattern: bool) -> Option<String> {
    let (prefix, rest) = text.split_once('.')?;
    let (reference, serial) = rest.rsplit_once('.')?;
    let of_a_part = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'-';
    let well_formed = company_prefix(prefix)
        && !reference.is_empty()
        && prefix.len() + reference.len() <= 30
        && reference.bytes().all(of_a_part);
    let key = well_formed.then(|| format!("8010/{prefix}{reference}"))?;
    if is_pattern {
        return (serial == "*").then_some(key);
    }
    let numeric = (1..=12).contains(&serial.len()) && serial.bytes().all(|byte| byte.is_ascii_digit());
    numeric.then(|| format!("{key}/8011/{serial}"))
}

/// A serial number as a link writes it: what a URN leaves as it is and a link must escape is escaped.
fn component(text: &str, characters_max: usize) -> Option<String> {
    let (mut link, mut count, mut rest) = (String::new(), 0, text.chars());
    while let Some(letter) = rest.next() {
        count += 1;
        match letter {
            '%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
                    return None;
                }
                link.extend(['%', high, low]);
            }
            '!' | '(' | ')' | '*' | '+' | ',' | ':' => link.push_str(&format!("%{:02X}", letter as u32)),
            '\'' | '-' | '.' | ';' | '=' | '_' => link.push(letter),
            _ if letter.is_ascii_alphanumeric() => link.push(letter),
            _ => return None,
        }
    }
    (1..=characters_max).contains(&count).then_some(link)
}

/// The digits with their check digit (GS1 General Specifications, 7.9.1).
fn with_check_digit(digits: &str) -> String {
    let weighted = digits.bytes().rev().enumerate().map(|(place, byte)| {
        let digit = u32::from(byte.saturating_sub(b'0'));
        if place % 2 == 0 { 3 * digit } else { digit }
    });
    let check = (10 - weighted.sum::<u32>() % 10) % 10;
    format!("{digits}{check}")
}

/// The keys that a link may have.
const KEYS: [&str; 14] =
    ["00", "01", "253", "255", "401", "402", "414", "417", "8003", "8004", "8006", "8010", "8017", "8018"];

/// Keys and qualifiers by their short names, which older links have.
const SHORT_NAMES: [(&str, &str); 17] = [
    ("gtin", "01"),
    ("itip", "8006"),
    ("cpid", "8010"),
    ("gln", "414"),
    ("party", "417"),
    ("gsrnp", "8017"),
    ("gsrn", "8018"),
    ("gcn", "255"),
    ("sscc", "00"),
    ("gdti", "253"),
    ("ginc", "401"),
    ("gsin", "402"),
    ("grai", "8003"),
    ("giai", "8004"),
    ("cpv", "22"),
    ("lot", "10"),
    ("ser", "21"),
];

/// A web URI: a Digital Link in its canonical form, any other as it is.
fn of_web(place: &Place<'_>, text: &str, rest: &str) -> Result<String, EpcisError> {
    let without_query = rest.split(['?', '#']).next().unwrap_or_default();
    let (domain, path) = without_query.split_once('/').unwrap_or((without_query, ""));
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let found = (0..segments.len()).find_map(|start| Some((start, link_of(&segments[start..])?)));
    let Some((start, link)) = found else {
        return match domain {
            "id.gs1.org" => Err(place.invalid("a GS1 Digital Link with a key, its value and its qualifiers")),
            _ => Ok(text.to_owned()),
        };
    };
    let canonical = format!("{DOMAIN}{link}");
    // A key before the one whose value fits: which of them is meant depends on who reads it.
    let has_one_key = !segments[..start].iter().any(|segment| KEYS.contains(&ai_of(segment)));
    let is_plain = has_one_key && !path.ends_with('/') && !rest.contains('#') && link.bytes().all(is_unescaped);
    if canonical == text || is_plain {
        return Ok(canonical);
    }
    let why = "programs differ on its canonical form; write it on https://id.gs1.org, without escapes, fragment and final slash";
    Err(EpcisError::Unhashable { path: place.path.clone(), what: "this GS1 Digital Link", why })
}

fn is_unescaped(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"\"'-./;<=>_".contains(&byte)
}

/// The link that these segments are, down to the finest level, if they are one.
fn link_of(segments: &[&str]) -> Option<String> {
    let (key, rest) = segments.split_first()?;
    let (value, qualifiers) = rest.split_first()?;
    let key = ai_of(key);
    let value = key_value(key, value)?;
    let (mut lot, mut finest) = (None, None);
    for pair in qualifiers.chunks(2) {
        let [name, text] = pair else { return None };
        if text.is_empty() || text.len() > 90 {
            return None;
        }
        match (key, ai_of(name)) {
            // A variant of a product is no other product.
            ("01" | "8006", "22") => {}
            ("01" | "8006", "10") => lot = Some(format!("/10/{text}")),
            ("01" | "8006", "21") => finest = Some(format!("/21/{text}")),
            ("01", "235") => finest = Some(format!("/235/{text}")),
            ("414", "254") => finest = Some(format!("/254/{text}")),
            ("8010", "8011") if text.len() <= 12 && all_digits(text) => finest = Some(format!("/8011/{text}")),
            _ => return None,
        }
    }
    Some(format!("{key}/{value}{}", finest.or(lot).unwrap_or_default()))
}

fn ai_of(segment: &str) -> &str {
    SHORT_NAMES.iter().find(|(name, _)| *name == segment).map_or(segment, |(_, ai)| ai)
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A key's value in its one form, if it can be that key's.
fn key_value(key: &str, text: &str) -> Option<String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let is_number = |count: usize| digits == count && text.len() == count;
    let starts_with = |count: usize, longest: usize| digits >= count && text.len() <= longest;
    let well_formed = match key {
        "01" => [8, 12, 13, 14].into_iter().any(is_number),
        "00" | "8006" | "8017" | "8018" => is_number(18),
        "402" => is_number(17),
        "414" | "417" => is_number(13),
        "253" => starts_with(13, 30),
        "255" => starts_with(13, 25) && digits == text.len(),
        "8003" => starts_with(14, 30),
        "401" | "8004" | "8010" => starts_with(4, 30) && text.len() > 4,
        _ => false,
    };
    well_formed.then(|| if key == "01" { format!("{text:0>14}") } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::json::Node;
    use super::*;

    fn form(text: &str) -> Result<String, EpcisError> {
        let node = Node::Text(text.to_owned());
        canonical(&Place::root(&node), text)
    }

    /// Every scheme, from the examples of the EPC Tag Data Standard and of GS1's own documents.
    #[test]
    fn urns_become_links() {
        for (urn, link) in [
            ("id:sgtin:0614141.107346.2017", "01/10614141073464/21/2017"),
            ("id:sgtin:4012345.012345.a!b(c", "01/04012345123456/21/a%21b%28c"),
            ("id:sgtin:123456789012.1.%2Fx", "01/11234567890125/21/%2Fx"),
            ("id:sscc:4012345.0000000333", "00/040123450000003338"),
            ("id:sgln:0614141.07346.1234", "414/0614141073467/254/1234"),
            ("id:sgln:0614141.00777.0", "414/0614141007776"),
            ("id:sgln:123456789012..0", "414/1234567890128"),
            ("id:grai:4012345.66666.87", "8003/0401234566666387"),
            ("id:giai:4012345.AAbb", "8004/4012345AAbb"),
            ("id:gsrn:4012345.9876540000", "8018/401234598765400000"),
            ("id:gsrnp:4012345.0000098765", "8017/401234500000987658"),
            ("id:gdti:4012345.55555.98", "253/401234555555498"),
            ("id:cpi:4012345.ABC.123", "8010/4012345ABC/8011/123"),
            ("id:sgcn:4012345.99999.44", "255/401234599999044"),
            ("id:ginc:4012345.333", "401/4012345333"),
            ("id:gsin:4012345.999987654", "402/40123459999876541"),
            ("id:itip:4012345.012345.01.02.999", "8006/040123451234560102/21/999"),
            ("id:upui:4012345.012345.AB12", "01/04012345123456/235/AB12"),
            ("id:pgln:4012345.00225", "417/4012345002256"),
            ("class:lgtin:4054739.099914.20160711", "01/04054739999148/10/20160711"),
            ("idpat:sgtin:4054739.099914.*", "01/04054739999148"),
            ("idpat:grai:4012345.66666.*", "8003/04012345666663"),
            ("idpat:gdti:4012345.55555.*", "253/4012345555554"),
            ("idpat:sgcn:4012345.99999.*", "255/4012345999990"),
            ("idpat:cpi:4012345.ABC.*", "8010/4012345ABC"),
            ("idpat:itip:4012345.012345.01.02.*", "8006/040123451234560102"),
        ] {
            assert_eq!(form(&format!("urn:epc:{urn}")), Ok(format!("{DOMAIN}{link}")), "{urn}");
        }
    }

    #[test]
    fn what_is_no_epc_is_refused() {
        for urn in [
            "id:sgtin:0614141.107346",
            "id:sgtin:0614141.10734.2017",
            "id:sgtin:06141.41107346.1",
            "id:sgtin:0614141.107346.",
            "id:sgtin:0614141.107346.%2",
            "id:sgtin:0614141.107346.a b",
            "id:sgtin:0614141.107346.123456789012345678901",
            "id:sscc:4012345.000000033",
            "id:sscc:4012345.0000000333.1",
            "id:usdod:CAGEY.5678",
            "idpat:sgtin:0614141.*.*",
            "idpat:sgln:0614141.07346.*",
            "class:sgtin:0614141.107346.1",
            "id:lgtin:4012345.012345.998877",
            "id",
            "id:",
            "",
        ] {
            assert!(matches!(form(&format!("urn:epc:{urn}")), Err(EpcisError::Invalid { .. })), "{urn}");
        }
    }

    #[test]
    fn links_are_brought_to_one_form() {
        let canonical = "https://id.gs1.org/01/09506000134352/21/12345";
        for link in [
            canonical,
            "http://example.com/shop/01/9506000134352/21/12345?x=1",
            "https://example.com/gtin/9506000134352/lot/A1/ser/12345",
            "https://example.com/01/09506000134352/22/2A/10/ABC/21/12345",
        ] {
            assert_eq!(form(link).as_deref(), Ok(canonical), "{link}");
        }
        for (link, form_of) in [
            ("https://example.org/8004/401234599999", "https://id.gs1.org/8004/401234599999"),
            ("https://example.com/253/4012345000054987", "https://id.gs1.org/253/4012345000054987"),
            ("https://id.gs1.org/414/4012345000115/254/9%2F87", "https://id.gs1.org/414/4012345000115/254/9%2F87"),
        ] {
            assert_eq!(form(link).as_deref(), Ok(form_of), "{link}");
        }
    }

    #[test]
    fn what_is_no_link_stays_and_what_may_be_one_is_refused() {
        for other in [
            "http://transaction.acme.com/po/12345678",
            "https://example.com/01/2026-01",
            "https://example.com",
            "geo:22.3,114.2",
            "urn:epcglobal:cbv:bt:0614141073467:1152",
            "https://example.com/00/12",
            "https://example.com/01/12345678/77/1",
        ] {
            assert_eq!(form(other).as_deref(), Ok(other));
        }
        for unsure in [
            "https://example.com/414/4012345000115/254/9%2F87",
            "https://id.gs1.org/01/09506000134352/",
            "https://id.gs1.org/01/09506000134352#a",
            "https://example.com/00/shop/01/09506000134352",
        ] {
            assert!(matches!(form(unsure), Err(EpcisError::Unhashable { .. })), "{unsure}");
        }
        assert!(matches!(form("https://id.gs1.org/01/123"), Err(EpcisError::Invalid { .. })));
    }
}
