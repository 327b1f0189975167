//! The protobuf types and gRPC services, as generated from `proto/`.
//!
//! Only `wire`, `api` and `client` name them.

#[allow(missing_docs, clippy::all, clippy::pedantic)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/causeway_proto.rs"));
}

pub use generated::causeway::accounts::v1 as accounts;
pub use generated::causeway::financing::v1 as financing;
pub use generated::causeway::governance::v1 as governance;
pub use generated::causeway::ledger::v1 as ledger;
pub use generated::causeway::node::v1 as node;
pub use generated::causeway::payments::v1 as payments;
pub use generated::causeway::signer::v1 as signer;
pub use generated::causeway::tokens::v1 as tokens;
pub use generated::causeway::trade::v1 as trade;
pub use generated::causeway::types::v1 as types;

/// Every proto file as a serialised `google.protobuf.FileDescriptorSet`, comments included: what reflection answers from.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/causeway_descriptor.bin"));
