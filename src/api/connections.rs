//! Connections, each with its place: past their bounds one is closed as soon as it is made.

use super::clients::{Clients, ConnectionPlace};
use futures::{Stream, StreamExt as _};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tonic::transport::server::{Connected, TcpIncoming};
use tracing::debug;

/// A connection and its place, which is given back when the connection is dropped.
pub struct Placed<S, P> {
    stream: S,
    _place: P,
}

impl<S, P> Placed<S, P> {
    /// A connection that takes a place.
    pub fn new(stream: S, place: P) -> Self {
        Self { stream, _place: place }
    }
}

/// Those of the connections for which there are places.
pub(super) fn placed(
    incoming: TcpIncoming,
    clients: Clients,
) -> impl Stream<Item = io::Result<Placed<TcpStream, ConnectionPlace>>> {
    incoming.filter_map(move |stream| {
        let placed = stream.map(|stream| place(stream, &clients)).transpose();
        async move { placed }
    })
}

fn place(stream: TcpStream, clients: &Clients) -> Option<Placed<TcpStream, ConnectionPlace>> {
    // One that is gone already needs no place.
    let address = stream.peer_addr().ok()?.ip();
    let place = clients.connection(address);
    if place.is_none() {
        debug!(%address, "a connection was closed: too many are open");
    }
    Some(Placed::new(stream, place?))
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
        Pin::new(&mut self.stream).poll_read(context, buffer)
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
