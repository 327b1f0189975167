//! The one integration binary. Tiers are modules.

mod alerts;
mod architecture;
mod bench;
mod chaos;
mod consensus;
mod effects;
mod fuzz;
mod golden;
mod links;
mod mouth;
mod operations;
mod reasons;
mod sandbox;
mod simulation;
mod state_machines;
mod storage;
mod wire;
mod world;
