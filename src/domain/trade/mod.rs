//! Trade.
