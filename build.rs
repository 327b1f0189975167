//! Compiles the proto files: Rust types and gRPC services, and the descriptors that reflection and JSON are made of. And tells
//! the program which sources it is made of.
//!
//! protox stands in for `protoc`, and the sources are read as they lie here, so nothing but a Rust toolchain is needed: a
//! tarball builds like a clone, and the same sources are told alike by every machine that compiles them.

use std::error::Error;
use std::path::{Path, PathBuf};

const PROTO_ROOT: &str = "proto";
/// All that the program is made of, dependencies by their versions and checksums.
const SOURCES: [&str; 5] = ["Cargo.lock", "Cargo.toml", "build.rs", PROTO_ROOT, "src"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-env=CAUSEWAY_SOURCE={:016x}", fingerprint_of_sources()?);
    let mut files = Vec::new();
    collect_proto_files(Path::new(PROTO_ROOT), &mut files)?;
    // The order of directory entries differs between machines; the descriptors must not.
    files.sort();

    let mut compiler = protox::Compiler::new([PROTO_ROOT])?;
    // Comments go into the reflected descriptors and from there into clients' tools.
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(&files)?;
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out_dir.join("causeway_descriptor.bin"), compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        .bytes(".")
        .include_file("causeway_proto.rs")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

fn collect_proto_files(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    collect_files(directory, files)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "proto"));
    Ok(())
}

fn collect_files(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a of 64 bits over each source's path, length and bytes, in the order of paths. It tells builds apart that differ by accident or by
/// release. Whoever means to deceive runs a program that says whatever they like.
fn fingerprint_of_sources() -> std::io::Result<u64> {
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        let path = Path::new(source);
        if path.is_dir() {
            collect_files(path, &mut files)?;
        } else {
            files.push(path.to_owned());
        }
    }
    let named = |path: PathBuf| {
        let parts = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
        (parts.collect::<Vec<_>>().join("/"), path)
    };
    let mut files: Vec<(String, PathBuf)> = files.into_iter().map(named).collect();
    files.sort();
    let mut fingerprint = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            fingerprint = (fingerprint ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for (name, path) in files {
        let text = std::fs::read(path)?;
        for bytes in [name.as_bytes(), &(text.len() as u64).to_be_bytes(), &text] {
            take(bytes);
        }
    }
    Ok(fingerprint)
}
