//! Connections, each with its place: past their bounds one is closed as soon as it is made, and one whose client says nothing is
//! closed too.
//!
//! # Invariants
//! * A connection has its first byte within [`Patience::handshake`], and never rests for longer than [`Patience::silence`], before
//!   its handshakes are over and afterwards. Whoever keeps to HTTP/2 answers the server's pings, and is not cut off.
//!
//! # Deliberately absent
//! A bound on handshakes that drip byte by byte, other than TLS's own: answering pings holds a place as cheaply.

use super::clients::{Clients, ConnectionPlace};
use super::streams::STREAM_PATIENCE;
use futures::{Stream, StreamExt as _};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::transport::server::{Connected, TcpIncoming};
use tracing::debug;

/// How often a server pings a connection on which nothing comes.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long it waits for the answer before it closes the connection.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection keeps its place without a word from its client, and a stream its queue without being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until its first byte; and for the whole of a TLS handshake.
    pub handshake: Duration,
    /// From any byte to the next. Longer than it takes until a ping and its answer.
    pub silence: Duration,
    /// How long a stream's reader may leave its queue full.
    pub reader: Duration,
}

impl Patience {
    /// Where nothing else is said.
    pub const DEFAULT: Self = Self {
        handshake: Duration::from_secs(10),
        silence: KEEPALIVE_INTERVAL.saturating_add(KEEPALIVE_TIMEOUT).saturating_add(Duration::from_secs(10)),
        reader: STREAM_PATIENCE,
    };
}

impl Default for Patience {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A connection and its place, which is given back when the connection is dropped.
pub struct Placed<S, P> {
    stream: S,
    _place: P,
    silence: Duration,
    /// Until when something must be heard.
    until: Instant,
    /// Wakes then, or earlier: it is set anew when it has run out and not at every byte.
    timer: Pin<Box<Sleep>>,
}

impl<S, P> Placed<S, P> {
    /// A connection that takes a place.
    pub fn new(stream: S, place: P, patience: Patience) -> Self {
        let until = Instant::now() + patience.handshake;
        let timer = Box::pin(sleep_until(until));
        Self { stream, _place: place, silence: patience.silence, until, timer }
    }

    /// Resolves when nothing was heard for too long.
    fn poll_silent(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            if Instant::now() >= self.until {
                debug!("a connection is closed: its client says nothing");
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client says nothing"));
            }
            self.timer.as_mut().reset(self.until);
        }
    }
}

/// Those of the connections for which there are places.
pub(super) fn placed(
    incoming: TcpIncoming,
    clients: Clients,
    patience: Patience,
) -> impl Stream<Item = io::Result<Placed<TcpStream, ConnectionPlace>>> {
    incoming.filter_map(move |stream| {
        let placed = stream.map(|stream| place(stream, &clients, patience)).transpose();
        async move { placed }
    })
}

fn place(stream: TcpStream, clients: &Clients, patience: Patience) -> Option<Placed<TcpStream, ConnectionPlace>> {
    // One that is gone already needs no place.
    let address = stream.peer_addr().ok()?.ip();
    let place = clients.connection(address);
    if place.is_none() {
        debug!(%address, "a connection was closed: too many are open");
    }
    Some(Placed::new(stream, place?, patience))
}

impl<S: Connected, P> Connected for Placed<S, P> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin, P: Unpin> AsyncRead for Placed<S, P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(read) => {
                self.until = Instant::now() + self.silence;
                Poll::Ready(read)
            }
            Poll::Pending => self.poll_silent(context).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin, P: Unpin> AsyncWrite for Placed<S, P> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_connection_without_a_first_byte_is_ended_and_so_is_one_that_falls_silent() {
        let patience =
            Patience { handshake: Duration::from_millis(50), silence: Duration::from_millis(300), ..Patience::DEFAULT };
        for (heard, waits) in [(0, patience.handshake), (1, patience.silence)] {
            let (mut client, ours) = tokio::io::duplex(64);
            // What comes is there before the first look, however slow this machine is.
            client.write_all(&vec![0; heard]).await.expect("there is room");
            let (began, mut silent) = (Instant::now(), Placed::new(ours, (), patience));
            let mut read = Vec::new();
            let ended = silent.read_to_end(&mut read).await.expect_err("nobody closed it");
            assert_eq!((ended.kind(), read.len()), (io::ErrorKind::TimedOut, heard));
            assert!(began.elapsed() >= waits, "{heard} bytes, and ended after {:?}", began.elapsed());
        }
    }

    #[test]
    fn whoever_answers_pings_is_never_too_silent() {
        assert!(Patience::DEFAULT.silence > KEEPALIVE_INTERVAL + KEEPALIVE_TIMEOUT);
    }
}
