//! `causeway bench`, as whoever runs it sees it.

mod load;
#[cfg(unix)]
mod peers;
