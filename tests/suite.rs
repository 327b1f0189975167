//! The one integration binary. Tiers are modules.

mod consensus;
mod storage;
