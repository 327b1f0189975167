//! The room's rules by example, each reason once; and random histories, for what holds whatever happens.

mod ageing;
mod days;
mod desk;
mod dodges;
mod dry_runs;
mod histories;
mod lawful;
mod positions;
mod repayment;
mod requests;
mod settlements;
