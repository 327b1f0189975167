//! Compiles the proto files: Rust types and gRPC services, and the descriptors that reflection and JSON are made of.
//!
//! protox stands in for `protoc`, so nothing but a Rust toolchain is needed.

use std::error::Error;
use std::path::{Path, PathBuf};

const PROTO_ROOT: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO_ROOT}");
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
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_proto_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
