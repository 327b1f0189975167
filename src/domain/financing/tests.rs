//! The room's rules by example, each reason once; and random histories, for what holds whatever happens.

mod histories;
mod rules;
mod settlements;
