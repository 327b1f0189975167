//! F5: the node.

pub mod config;
pub mod service;

pub use config::{Config, ConfigError};
