//! Execution, held to its rules on chains of real blocks.

mod blocks;
mod genesis;
mod receipts;
mod requests;
mod stories;
