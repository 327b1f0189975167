//! One file for each group of commands.

pub mod accounts;
pub mod audit;
pub mod balance;
pub mod bench;
mod bench_chain;
pub mod chain;
pub mod documents;
pub mod finance;
mod invoice_document;
pub mod invoices;
pub mod issue;
pub mod keys;
mod lending;
pub mod lineage;
mod names;
pub mod networks;
mod order_document;
pub mod orders;
mod pair;
pub mod pay;
#[cfg(unix)]
mod peers;
pub mod read_points;
pub mod rebuild;
pub mod receipts;
mod receivables;
pub mod redeem;
pub mod reserves;
pub mod run;
mod salts;
mod shipment_events;
pub mod signer;
pub mod status;
mod supervision;
pub mod tokens;
pub mod transaction;
pub mod validators;
