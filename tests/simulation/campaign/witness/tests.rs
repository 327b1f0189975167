//! Planted facts.
