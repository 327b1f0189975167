//! The floors of the house, enforced by reading the sources: one crate lets the compiler enforce neither what a floor
//! imports nor that the lower floors are pure. `docs/architecture.md` draws the house.
//!
//! Comments are passed over; what remains is read as text. So an import that no `causeway::` or `crate::` path names would
//! escape, and none in Rust does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The rooms of `src/`, each with its floor.
const FLOORS: [(&str, u8); 16] = [
    ("primitives", 0),
    ("ledger", 1),
    ("domain", 2),
    ("execution", 3),
    ("wire", 4),
    ("admission", 4),
    ("storage", 4),
    ("consensus", 4),
    ("node", 5),
    ("api", 6),
    ("client", 6),
    ("bench", 7),
    ("cli", 7),
    ("daemon", 7),
    ("sandbox", 7),
    ("signer", 7),
];

/// Imports within a floor that are allowed: `(from, to)`.
const DOORS: [(&str, &str); 6] = [
    // Admission decodes what it admits.
    ("admission", "wire"),
    // `causeway sandbox` and `causeway testnet` are commands, and commands look up a sandbox's participants.
    ("cli", "sandbox"),
    // `causeway node` is a command too.
    ("cli", "daemon"),
    // And so is `causeway bench`, which loads a network made as the sandbox makes one.
    ("cli", "bench"),
    // And `causeway signer serve`.
    ("cli", "signer"),
    ("bench", "sandbox"),
];

/// Imports between the rooms of `domain`, which are read-only functions: `(from, to)`.
const DOMAIN_DOORS: [(&str, &str); 7] = [
    ("tokens", "accounts"),
    ("payments", "tokens"),
    ("trade", "accounts"),
    ("trade", "tokens"),
    ("financing", "trade"),
    ("financing", "tokens"),
    ("financing", "payments"),
];

/// What floors 0 to 3 must not touch, because the same block must give the same bytes on every machine.
const IMPURE: [&str; 16] = [
    "tokio",
    "tonic",
    "rocksdb",
    "SystemTime",
    "Instant",
    "std::time",
    "rand",
    "getrandom",
    "std::env",
    "std::fs",
    "std::net",
    "std::thread",
    "f32",
    "f64",
    "HashMap",
    "HashSet",
];

/// The one file of the pure floors that names an unordered map, in order to keep everyone from iterating over it.
const NAMES_A_HASH_MAP: &str = "src/ledger/point_map.rs";

/// What floors 4 and 5 must leave to the engine's context, so that the whole node runs in its simulator.
const REAL: [&str; 5] = ["tokio::spawn", "tokio::time", "Instant::now", "SystemTime::now", "rayon"];

/// Where generated protobuf types may be seen.
const SEES_PROTOBUF: [&str; 3] = ["wire", "api", "client"];

/// The file that is too long hides a second thing.
const LINES_MAX: usize = 600;

/// A file of `src/`.
pub(super) struct Source {
    pub(super) path: String,
    /// The folder or file directly under `src/`.
    pub(super) room: String,
    /// Each line without its comment, with its number.
    code: Vec<(usize, String)>,
    line_count: usize,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let relative = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        let room = relative.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let code = text.lines().enumerate().map(|(index, line)| (index + 1, without_comment(line))).collect();
        Self { path: format!("src/{relative}"), room, code, line_count: text.lines().count() }
    }

    fn floor(&self) -> Option<u8> {
        floor_of(&self.room)
    }

    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.contains("/tests/") || matches!(name, "tests.rs" | "rehearsal.rs")
    }

    /// Lines of product code: those before the file's unit tests, and none of a file that is a test.
    pub(super) fn product(&self) -> &[(usize, String)] {
        if self.is_test() {
            return &[];
        }
        let tests = self.code.windows(2).position(|pair| {
            pair[0].1.trim() == "#[cfg(test)]" && pair[1].1.trim_start().starts_with("mod ") && pair[1].1.contains('{')
        });
        &self.code[..tests.unwrap_or(self.code.len())]
    }
}

fn without_comment(line: &str) -> String {
    let trimmed = line.trim_start();
    if trimmed.starts_with("//") {
        return String::new();
    }
    // A `//` inside a text (`https://…`) is not a comment; one after a space is.
    line.split_once(" // ").map_or(line, |(code, _)| code).to_owned()
}

fn floor_of(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// Every file of `src/`, in the order of their paths.
pub(super) fn sources() -> Vec<Source> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(Source::read(&root, &path));
            }
        }
    }
    assert!(found.len() > 20, "only {} files in {}", found.len(), root.display());
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Whether `word` stands in `line` as a word of its own.
fn mentions(line: &str, word: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// The names that follow `prefix` in a line: `crate::ledger::…` gives `ledger`, `crate::{a, b::c}` gives `a` and `b`.
fn named_after(code: &[(usize, String)], prefix: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (index, (number, line)) in code.iter().enumerate() {
        for (at, _) in line.match_indices(prefix) {
            let rest = &line[at + prefix.len()..];
            let list = match rest.strip_prefix('{') {
                // A list may go on over the next lines, up to the semicolon.
                Some(first) => {
                    let following = code[index + 1..].iter().map(|(_, line)| line.as_str());
                    let mut list = first.to_owned();
                    for line in following.take_while(|_| !first.contains(';')) {
                        list.push_str(line);
                        if line.contains(';') {
                            break;
                        }
                    }
                    top_level(list.split(';').next().unwrap_or_default())
                }
                None => vec![rest.to_owned()],
            };
            for item in list {
                let name: String = item.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if !name.is_empty() {
                    named.push((*number, name));
                }
            }
        }
    }
    named
}

/// The items of a brace list, without what stands in inner braces.
fn top_level(list: &str) -> Vec<String> {
    let (mut items, mut item, mut depth) = (Vec::new(), String::new(), 0);
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            _ if depth == 0 => item.push(character),
            _ => {}
        }
    }
    items.push(item);
    items
}

/// Fails with every place that breaks a rule, so that one run shows them all.
fn nothing_breaks(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn every_room_has_a_floor() {
    let known = |source: &Source| source.floor().is_some() || matches!(source.room.as_str(), "lib" | "main");
    let broken: Vec<_> = sources().into_iter().filter(|source| !known(source)).map(|source| source.path).collect();
    nothing_breaks("a folder of src/ stands on no floor; give it one in tests/architecture.rs", &broken);
}

#[test]
fn a_floor_imports_only_lower_floors() {
    let mut broken = Vec::new();
    for source in sources() {
        let Some(floor) = source.floor() else { continue };
        for (line, name) in named_after(source.product(), "crate::") {
            let Some(imported) = floor_of(&name) else { continue };
            let door = DOORS.contains(&(&source.room, &name));
            if name != source.room && imported >= floor && !door {
                broken.push(format!("{}:{line}: {} (F{floor}) imports {name} (F{imported})", source.path, source.room));
            }
        }
    }
    nothing_breaks("a floor imports only the floors below it, and rooms of one floor only through doors", &broken);
}

#[test]
fn rooms_of_the_domain_see_each_other_through_doors() {
    let rooms = ["accounts", "tokens", "payments", "trade", "financing"];
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.room == "domain") {
        let Some(room) = source.path.split('/').nth(2).filter(|room| rooms.contains(room)) else { continue };
        let mut named = named_after(source.product(), "crate::domain::");
        named.extend(named_after(source.product(), "super::super::"));
        for (line, name) in named {
            if name != room && rooms.contains(&name.as_str()) && !DOMAIN_DOORS.contains(&(room, &name)) {
                broken.push(format!("{}:{line}: {room} imports {name}", source.path));
            }
        }
    }
    nothing_breaks("rooms of the domain see each other along one line", &broken);
}

#[test]
fn the_lower_floors_are_pure() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.floor().is_some_and(|floor| floor <= 3)) {
        for (line, code) in source.product() {
            let allowed = |word: &str| word == "HashMap" && source.path == NAMES_A_HASH_MAP;
            for word in IMPURE.iter().filter(|word| mentions(code, word) && !allowed(word)) {
                broken.push(format!("{}:{line}: {word}", source.path));
            }
        }
    }
    nothing_breaks("floors 0 to 3 know no runtime, clock, randomness, environment, floats or unordered maps", &broken);
}

#[test]
fn the_node_below_grpc_runs_in_the_simulator() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| matches!(source.floor(), Some(4 | 5))) {
        for (line, code) in source.product() {
            for word in REAL.iter().filter(|word| mentions(code, word)) {
                broken.push(format!("{}:{line}: {word}", source.path));
            }
        }
    }
    nothing_breaks("floors 4 and 5 take time, tasks and threads from the engine's context", &broken);
}

#[test]
fn protobuf_stays_at_the_edge() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !SEES_PROTOBUF.contains(&source.room.as_str())) {
        for (line, code) in source.product() {
            if ["wire::pb", "prost", "tonic"].iter().any(|word| mentions(code, word)) && source.floor() < Some(7) {
                broken.push(format!("{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    nothing_breaks("generated protobuf types are seen only by wire, api and client", &broken);
}

#[test]
fn rooms_have_names_of_the_field() {
    let nameless = ["utils", "util", "helpers", "common", "manager", "misc"];
    let is_nameless =
        |source: &Source| source.path.trim_end_matches(".rs").split('/').any(|part| nameless.contains(&part));
    let broken: Vec<_> = sources().into_iter().filter(is_nameless).map(|source| source.path).collect();
    nothing_breaks("a room is named for what it holds", &broken);
}

#[test]
fn no_file_hides_a_second_thing() {
    let long: BTreeMap<_, _> = sources()
        .into_iter()
        .filter(|source| source.line_count > LINES_MAX)
        .map(|source| (source.path, source.line_count))
        .collect();
    assert!(long.is_empty(), "files past {LINES_MAX} lines: {long:?}");
}

#[test]
fn the_reader_reads() {
    let code = |text: &str| -> Vec<_> {
        text.lines().enumerate().map(|(index, line)| (index + 1, without_comment(line))).collect()
    };
    let names = |text: &str| named_after(&code(text), "crate::").into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(names("use crate::ledger::Reason;"), ["ledger"]);
    assert_eq!(names("use crate::{ledger::{a, b}, primitives};"), ["ledger", "primitives"]);
    assert_eq!(names("use crate::{\n    ledger::{a, b},\n    node,\n};"), ["ledger", "node"]);
    assert_eq!(names("// use crate::node;"), [""; 0]);
    assert!(mentions("let x: f64 = 1.0;", "f64") && !mentions("let x = buf64;", "f64"));
    assert!(mentions("use rand::Rng;", "rand") && !mentions("let operand = 1;", "rand"));
}
