//! F6: the gRPC services.
//!
//! Everything is answered from a [`LedgerHandle`](crate::node::service::LedgerHandle), so the rules that live here are
//! the wire's own: which status, who sees what, which page, when a stream ends. `docs/wire.md` tells callers about them.
//!
//! # Invariants
//! * Every answer and every stream is filtered by [`visibility`](self) for the caller that the call's metadata proves.
//! * A call that ends early stops a wait, never a transaction.
//! * Every status but OK carries `google.rpc.ErrorInfo`.
//!
//! # Deliberately absent
//! Rules of the ledger. A call that reads never waits for a block; a call that submits never decides.

mod accounts;
mod budget;
mod call;
mod caller;
mod clients;
mod connections;
mod financeable;
mod financing;
mod governance;
mod ledger;
mod lending;
mod lineage;
mod loans;
mod networks;
mod node;
mod page;
pub mod places;
pub mod processor;
mod queue;
mod request;
mod server;
mod shares;
mod status;
mod streams;
mod submissions;
mod tokens;
mod trade;
mod visibility;

pub use caller::{READ_AUTHORISATION_AHEAD_MS_MAX, read_message};
pub use clients::{BAD_SIGNATURE_WEIGHT, BUDGET_PATIENCE, ClientLimits};
pub use connections::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, Patience, Placed, Standing};
pub use page::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
pub use server::{
    CALL_WINDOW, CONNECTION_WINDOW, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, SERVICES, STREAMS_PER_CONNECTION_MAX,
    ServeError, ServerConfig, serve,
};
pub use status::ERROR_DOMAIN;
pub use streams::STREAM_PATIENCE;
pub use submissions::{STREAM_BATCH_MAX, STREAM_IN_FLIGHT_MAX};
