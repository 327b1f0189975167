//! Foreign bytes, by machine: every decoder that sees bytes of someone else's gets good ones, damaged.
//!
//! * [`run`]: a target, how it is run from a seed, and how a finding is made small.
//! * [`mutate`], [`text`]: damage, with an eye for lengths, integers, protobuf fields, and JSON, XML and TOML.
//! * [`messages`]: good messages of every kind, drawn from the proto files, so that a new operation or call is met untold.
//! * [`meter`]: what a decoder takes of memory and of the processor.
//! * The rest: the targets, by who sends the bytes.
//!
//! # What must hold of every target
//! * No panic, caught or not. No hanging: a second of the processor's at most.
//! * Memory stays within a multiple of the input, whatever lengths it claims; a refusal is not told in many times its words.
//! * What is accepted means one thing: where there is a canonical encoding, it is the input.
//! * What claims to be proven is what was proven: no damaged receipt verifies as another.
//!
//! `cargo test` runs a fixed number of executions, the same everywhere. `make fuzz SECONDS=60` runs on by the clock and keeps what
//! it finds in `tests/fixtures/fuzz/`, which every run begins with; with `KEEP=1` it also keeps what was answered in new words.
//!
//! # Deliberately absent
//! Coverage: it needs a compiler's instrumentation. In its place an input is kept for the rest of a run if the decoder answers it in
//! words that it has not used before.

pub mod calls;
mod corpus;
mod documents;
mod ledger;
pub mod messages;
mod meter;
mod mutate;
mod python;
mod run;
mod settings;
mod signatures;
mod signer;
mod text;

/// A test for each target, by the target's name.
macro_rules! fuzzed {
    ($($room:ident :: $target:ident,)*) => {$(
        #[test]
        fn $target() {
            run::fuzz(stringify!($target), &$room::$target());
        }
    )*};
}
fuzzed! {
    ledger::headers,
    ledger::transactions,
    ledger::outcomes,
    ledger::certificates,
    ledger::validator_sets,
    ledger::merkle_paths,
    ledger::blocks,
    ledger::sealed_blocks,
    ledger::forwarded_batches,
    ledger::receipts,
    ledger::receipt_messages,
    ledger::receipt_files,
    ledger::lineage_files,
    ledger::store_records,
    ledger::journal_logs,
    ledger::certified_headers,
    ledger::snapshot_manifests,
    ledger::transaction_bodies,
    signatures::signed_by_many,
    calls::grpc_calls,
    documents::ubl_documents,
    documents::epcis_documents,
    settings::genesis_files,
    settings::node_configurations,
    settings::ids_and_amounts,
    settings::key_files,
    signer::signing_requests,
    signer::signer_policies,
}
