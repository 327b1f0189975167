//! The room's rules by example, each reason once; and random histories, for what holds whatever happens.

mod desk;
mod histories;
mod lawful;
mod repayment;
mod requests;
mod settlements;
