//! The wire: strict bodies, signatures by public vectors, the pool's bounds, and the API's own rules over a real socket.

pub mod api;
mod bodies;
mod lending;
mod limits;
mod lineage;
mod pool;
mod signer;
pub mod stand_in;
mod submission;
mod tls;
mod trade;
mod vectors;
mod waits;
