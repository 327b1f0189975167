//! The binary from outside: what a user, an operator and a merchant's engineer type, and what they are told.

mod audit;
mod commands;
mod desk;
mod documents;
mod network;
mod pages;
pub mod programs;
mod readers;
mod scenes;
mod secrets;
mod signing;
mod snapshots;
mod tls;
mod trading;
mod validators;
mod words;
