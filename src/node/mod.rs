//! F5: the node.

pub mod config;

pub use config::{Config, ConfigError};
