//! Accounts: opening, keys, closing.
