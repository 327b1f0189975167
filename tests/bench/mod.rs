//! `causeway bench`, as whoever runs it sees it.

mod chain;
mod flood;
mod load;
#[cfg(unix)]
mod peers;
