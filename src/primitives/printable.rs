//! Texts of others' making, as they may be shown: on a terminal, in a log.
//!
//! A terminal obeys control characters, and shows nothing of what has no width or changes the direction of writing. With
//! these a name, a file or a node could write over what the program itself says.

use std::borrow::Cow;

/// The text with everything escaped that is not shown as itself: control characters, line ends, what has no width, what changes the
/// direction, what is not assigned. `\u{202e}` stands for what it names. What is shown as itself stays.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_escaped_in_code) {
        let mark = piece.chars().next_back().filter(|last| is_escaped_in_code(*last));
        let rest = &piece[..piece.len() - mark.map_or(0, char::len_utf8)];
        shown.extend(rest.escape_debug());
        shown.extend(mark);
    }
    Cow::Owned(shown)
}

/// What a text in a program's source has an escape for, and is shown as itself.
fn is_escaped_in_code(character: char) -> bool {
    "\"'\\".contains(character)
}

/// JSON that says the same with such characters escaped as JSON does it.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    if json.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        // Line ends stand between JSON's own words; in its texts they are escaped already.
        if character == '\n' || is_shown_as_itself(character) {
            shown.push(character);
            continue;
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            shown.push_str(&format!("\\u{unit:04x}"));
        }
    }
    Cow::Owned(shown)
}

fn is_shown_as_itself(character: char) -> bool {
    // After a letter, since what combines with one is shown with it, and by itself it is not.
    is_escaped_in_code(character) || String::from_iter(['a', character]).escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_as_itself_stays() {
        for text in ["", "Nordwind Handel GmbH", "\"quoted\", it's C:\\x", "Łódź · ─ 東京 हिन्दी العربية", "e\u{301}"]
        {
            assert_eq!(printable(text), text);
            assert_eq!(printable_json(text), text);
        }
    }

    #[test]
    fn what_a_terminal_obeys_or_hides_is_escaped() {
        for (text, shown, json) in [
            ("\u{1b}[2K\rverified", "\\u{1b}[2K\\rverified", "\\u001b[2K\\u000dverified"),
            ("a\u{9b}31m", "a\\u{9b}31m", "a\\u009b31m"),
            ("x\u{202e}y\u{200b}z\u{2066}", "x\\u{202e}y\\u{200b}z\\u{2066}", "x\\u202ey\\u200bz\\u2066"),
            ("a\u{e0041}\u{7f}", "a\\u{e0041}\\u{7f}", "a\\udb40\\udc41\\u007f"),
        ] {
            assert_eq!(printable(text), shown);
            assert_eq!(printable_json(text), json);
        }
        assert_eq!(printable("one\ntwo"), "one\\ntwo");
        assert_eq!(printable_json("{\n  \"a\": 1\n}"), "{\n  \"a\": 1\n}");
    }
}
