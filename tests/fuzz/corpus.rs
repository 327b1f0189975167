//! Inputs to begin with: the golden files and fixtures, which are read where they are; for each refusal that longer runs met, a small
//! input that meets it; and what was found before.

use std::fs;
use std::path::{Path, PathBuf};

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn found_folder(target: &str) -> PathBuf {
    tests().join("fixtures/fuzz").join(target)
}

fn grown_file(target: &str) -> PathBuf {
    tests().join("fixtures/fuzz").join(format!("{target}.hex"))
}

/// What a longer run found that is answered in words of its own: an input in each line, in hexadecimal.
pub fn grown(target: &str) -> Vec<Vec<u8>> {
    let file = grown_file(target);
    let Ok(text) = fs::read_to_string(&file) else { return Vec::new() };
    text.lines().map(|line| hexadecimal(line, &file.display())).collect()
}

/// Writes that anew.
pub fn keep_grown(target: &str, inputs: &[Vec<u8>]) {
    let lines: String = inputs.iter().map(|input| hex::encode(input) + "\n").collect();
    fs::write(grown_file(target), lines).expect("the corpus can be written");
}

/// What was found of a target and mended since, in the order of the files' names. A file holds hexadecimal.
pub fn kept(target: &str) -> Vec<Vec<u8>> {
    let Ok(folder) = fs::read_dir(found_folder(target)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = folder.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|file| hexadecimal(&fs::read_to_string(file).expect("a text"), &file.display())).collect()
}

/// Where a finding is kept.
pub fn file_of(target: &str, input: &[u8]) -> PathBuf {
    found_folder(target).join(format!("{}.hex", &blake3::hash(input).to_hex()[..12]))
}

/// Keeps a finding.
pub fn keep(file: &Path, input: &[u8]) {
    fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
    fs::write(file, hex::encode(input) + "\n").expect("the finding can be written");
}

fn hexadecimal(text: &str, place: &dyn std::fmt::Display) -> Vec<u8> {
    hex::decode(text.trim()).unwrap_or_else(|error| panic!("{place}: {error}"))
}

/// A golden file of text.
pub fn golden(name: &str) -> Vec<u8> {
    file(&format!("golden/{name}"))
}

/// The lines of golden files whose names end so, as the bytes that they hold.
pub fn encodings(files: &[&str]) -> Vec<Vec<u8>> {
    let lines = files.iter().flat_map(|name| {
        let text = String::from_utf8(golden(name)).expect("a text");
        let lines = text.lines().filter_map(|line| line.split_once(" = "));
        let encodings = lines.filter(|(name, _)| name.ends_with("encoding"));
        encodings.map(|(_, value)| hexadecimal(value, &name)).collect::<Vec<_>>()
    });
    lines.collect()
}

/// A file of `tests/`.
pub fn file(path: &str) -> Vec<u8> {
    let path = tests().join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of a folder of `tests/fixtures/`, in the order of their names.
pub fn fixtures(folder: &str) -> Vec<Vec<u8>> {
    let folder = tests().join("fixtures").join(folder);
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a fixture")).collect()
}
