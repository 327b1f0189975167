//! Execution, held to its rules on chains of real blocks.

mod blocks;
mod closed_loop;
mod fallen_due;
mod garbled;
mod genesis;
mod histories;
mod networks;
mod receipts;
mod requests;
mod stories;
