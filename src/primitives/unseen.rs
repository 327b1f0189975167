//! Characters that nobody sees, or that change how others show: what makes two spellings look like one.
//!
//! An invoice number, a reference or a reason is read by people and compared by programs. With a character that does not show, one
//! invoice has as many numbers as anyone likes, and with one that turns the direction of writing a text says to people what it does not
//! say to programs. So texts on the ledger have none.
//!
//! The table is our own, since every validator must refuse the same, for as long as a ledger stands: what a library's next edition of
//! Unicode says would be a change of the protocol. It has, by Unicode 16.0.0,
//! * all of Default_Ignorable_Code_Point (`DerivedCoreProperties.txt`): soft hyphen, zero width spaces and joiners, Hangul fillers,
//!   variation selectors, tags, and what is reserved for more of them;
//! * all of General_Category Cf, format characters, those that turn the direction of writing (Bidi_Control) among them;
//! * the line and paragraph separators, U+2028 and U+2029, and U+2800, the braille pattern of no dots;
//! * private use characters, which look as whoever made the font likes, noncharacters, planes 4 to 13, in which nothing is assigned, and
//!   the rest of the 14th.
//!
//! Control characters (Cc) are Rust's `char::is_control`, and never change.
//!
//! # Exceptions
//! The zero width joiner and non-joiner, U+200D and U+200C, are letters' business in scripts from Arabic to Mongolian: Persian is misspelt
//! without. In a text they stand between two characters of such scripts, and nowhere else; in a reference, nowhere. A
//! reference has no spaces but U+0020 besides, since the others look like it.
//!
//! # Deliberately absent
//! Characters that look like others (Latin `A`, Cyrillic `А`; one accented letter, and a letter with its accent after it), which are seen,
//! and each right where it is at home. Code points of planes 0 to 3 that are not assigned yet: they show as boxes, and the next edition has some of them as letters.

/// What does not show, or changes how others do: ranges with both ends, ascending.
const UNSEEN: [(u32, u32); 33] = [
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xE000, 0xF8FF),
    (0xFDD0, 0xFDEF),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0xFFFE, 0xFFFF),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0x1FFFE, 0x1FFFF),
    (0x2FFFE, 0x2FFFF),
    (0x3FFFE, 0xDFFFF),
    // Tags and variation selectors, and what is reserved for their like.
    (0xE0000, 0xE0FFF),
    // The rest of plane 14, and the planes of private use.
    (0xE1000, 0x10FFFF),
];

/// Spaces that look like U+0020: General_Category Zs without it.
const SPACES: [(u32, u32); 6] =
    [(0x00A0, 0x00A0), (0x1680, 0x1680), (0x2000, 0x200A), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)];

/// Scripts in which a joiner between two characters changes a word: Arabic, Syriac, N'Ko and their neighbours; those of India and Sri
/// Lanka; Tibetan and Burmese; Khmer and Mongolian.
const JOINING: [(u32, u32); 3] = [(0x0600, 0x0DFF), (0x0F00, 0x109F), (0x1780, 0x18AF)];

/// The zero width non-joiner and joiner.
const JOINERS: [char; 2] = ['\u{200C}', '\u{200D}'];

/// The first character of a free text that does not show, or changes how others do.
pub fn unseen_in_text(text: &str) -> Option<char> {
    let mut before = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let joining = |next: Option<char>| next.is_some_and(|next| is_in(&JOINING, next) && !is_unseen(next));
        let joins = JOINERS.contains(&character) && joining(before) && joining(rest.clone().next());
        if is_unseen(character) && !joins {
            return Some(character);
        }
        before = Some(character);
    }
    None
}

/// The first character of a reference that does not show, changes how others do, or is a space that is not U+0020.
pub fn unseen_in_reference(reference: &str) -> Option<char> {
    reference.chars().find(|character| is_unseen(*character) || is_in(&SPACES, *character))
}

fn is_unseen(character: char) -> bool {
    character.is_control() || is_in(&UNSEEN, character)
}

fn is_in(ranges: &[(u32, u32)], character: char) -> bool {
    let code = u32::from(character);
    let after = ranges.partition_point(|(first, _)| *first <= code);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| code <= *last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_ascend_and_do_not_overlap() {
        for ranges in [&UNSEEN[..], &SPACES, &JOINING] {
            assert!(ranges.iter().all(|(first, last)| first <= last));
            assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "{ranges:x?}");
        }
    }

    /// One number, and what looks like it: in no spelling but the first is it taken.
    #[test]
    fn a_number_has_one_spelling_that_looks_like_it() {
        assert_eq!(unseen_in_reference("QX-1"), None);
        let unseen = [
            '\u{00AD}',
            '\u{034F}',
            '\u{061C}',
            '\u{115F}',
            '\u{17B4}',
            '\u{180E}',
            '\u{200B}',
            '\u{200C}',
            '\u{200D}',
            '\u{200E}',
            '\u{200F}',
            '\u{2028}',
            '\u{2029}',
            '\u{202A}',
            '\u{202E}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{2800}',
            '\u{3164}',
            '\u{E000}',
            '\u{FDD0}',
            '\u{FE00}',
            '\u{FE0F}',
            '\u{FEFF}',
            '\u{FFA0}',
            '\u{FFF9}',
            '\u{FFFF}',
            '\u{1D173}',
            '\u{40000}',
            '\u{E0001}',
            '\u{E0020}',
            '\u{E0100}',
            '\u{E1000}',
            '\u{F0000}',
            '\u{10FFFF}',
            '\u{0}',
            '\u{1B}',
            '\u{7F}',
            '\u{85}',
        ];
        for character in unseen {
            for spelling in [format!("{character}QX-1"), format!("QX{character}-1"), format!("QX-1{character}")] {
                assert_eq!(unseen_in_reference(&spelling), Some(character), "{}", spelling.escape_unicode());
                assert_eq!(unseen_in_text(&spelling), Some(character), "{}", spelling.escape_unicode());
            }
        }
        // Spaces of other widths are seen as a space, so a text may have them.
        for space in ['\u{A0}', '\u{2003}', '\u{202F}', '\u{3000}'] {
            let spelling = format!("QX{space}1");
            assert_eq!((unseen_in_reference(&spelling), unseen_in_text(&spelling)), (Some(space), None));
        }
        assert_eq!(unseen_in_reference("QX 1"), None);
    }

    /// What people write is taken, in whatever script.
    #[test]
    fn scripts_are_written_as_they_are() {
        for written in [
            "Invoice No. 7/2026, 5 % – €",
            "发票-8 請求書 계산서",
            "חשבונית",
            "فاتورة",
            "счёт",
            "ใบแจ้งหนี้",
            "Ünïted e\u{301}",
            "🚢",
        ] {
            assert_eq!((unseen_in_text(written), unseen_in_reference(written)), (None, None), "{written}");
        }
        // Persian and Marathi with a joiner between two letters, which a text may have and a reference may not.
        for (written, joiner) in [("می\u{200C}خواهم", '\u{200C}'), ("र\u{94D}\u{200D}य", '\u{200D}')] {
            assert_eq!((unseen_in_text(written), unseen_in_reference(written)), (None, Some(joiner)), "{written}");
        }
        for misplaced in ["\u{200C}می", "می\u{200C}", "A\u{200D}B", "م\u{200C}\u{200C}ی", "م\u{200C}-", "🧑\u{200D}🌾"]
        {
            assert!(unseen_in_text(misplaced).is_some(), "{}", misplaced.escape_unicode());
        }
    }
}
