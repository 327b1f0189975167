//! Connections, each with its place: past their bounds one is closed as soon as it is made, or has another give way, and one whose
//! client says nothing is closed too.
//!
//! A connection is established once its TLS handshake is over, certificates included, and its client has said something. Until then it
//! has a place among those that are not, an eighth as many, of which the oldest always gives way: who never comes so far takes nobody's place
//! who does. Of the established the oldest of whoever has most gives way to who has fewer (`places`). Making connections takes of a budget, too.
//!
//! # Invariants
//! * A place is given back when the connection is closed.
//! * A connection has its first byte within [`Patience::handshake`], and never rests for longer than [`Patience::silence`], before
//!   its handshakes are over and afterwards. Whoever keeps to HTTP/2 answers the server's pings, and is not cut off.
//! * One whose place was given to another is closed at once, whatever it waits for.
//!
//! # Deliberately absent
//! A bound on handshakes that drip byte by byte, other than TLS's own: answering pings holds a place as cheaply.

use super::budget::Budgets;
use super::clients::ClientLimits;
use super::places::{Network, Place, Places};
use super::streams::STREAM_PATIENCE;
use crate::node::NodeMetrics;
use futures::{Stream, StreamExt as _};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// What a connection takes of a budget of its network, which is for connections alone and as large as that of calls.
const CONNECTION_WEIGHT: u32 = 25;
/// How many connections there are for each whose handshake is not over, and how many of these there are at least.
const CONNECTIONS_PER_HANDSHAKE: usize = 8;
const HANDSHAKES_LEAST: usize = 16;

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
        handshake: Duration::from_secs(5),
        silence: KEEPALIVE_INTERVAL.saturating_add(KEEPALIVE_TIMEOUT).saturating_add(Duration::from_secs(10)),
        reader: STREAM_PATIENCE,
    };
}

impl Default for Patience {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A connection's place, as a connection knows it.
pub trait Standing {
    /// Its handshake is over, and its client has said something. Tells whether there is a place for it.
    fn establish(&mut self) -> bool {
        true
    }

    /// Resolves once the place was given to another.
    fn poll_displaced(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// A place that is given to nobody else.
impl Standing for tokio::sync::OwnedSemaphorePermit {}

/// A connection and its place, which is given back when the connection is dropped.
pub struct Placed<S, P> {
    stream: S,
    place: P,
    /// Whether something came.
    is_heard: bool,
    /// Whether the server has asked who it is, which it does once its handshake is over.
    is_known: AtomicBool,
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
        let (is_heard, is_known) = (false, AtomicBool::new(false));
        Self { stream, place, is_heard, is_known, silence: patience.silence, until, timer }
    }
}

impl<S, P: Standing> Placed<S, P> {
    /// What came was heard. Fails if that makes it one more than there are places for.
    fn establish(&mut self) -> io::Result<()> {
        if self.is_heard && self.is_known.load(Ordering::Relaxed) && !self.place.establish() {
            debug!("a connection is closed: too many are open");
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "too many connections are open"));
        }
        Ok(())
    }

    /// Resolves when its place was given to another.
    fn poll_displaced(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        self.place.poll_displaced(context).map(|()| {
            debug!("a connection is closed: it gives way to another's");
            io::Error::new(io::ErrorKind::ConnectionAborted, "the connection gives way to another's")
        })
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

/// The places of a node's connections. Everything here shares them.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    limits: ClientLimits,
    /// Whoever has asked for too much may still come back and be told so: a budget for connections alone.
    budgets: Budgets<Network>,
    established: Places,
    handshakes: Places,
    metrics: NodeMetrics,
}

impl Connections {
    pub fn new(limits: ClientLimits, metrics: NodeMetrics) -> Self {
        let established = Places::new(limits.connections, limits.connections_per_address);
        let handshakes = (limits.connections / CONNECTIONS_PER_HANDSHAKE).max(HANDSHAKES_LEAST);
        let handshakes = Places::new(handshakes, handshakes);
        let budgets = Budgets::new(limits.calls_per_second);
        Self(Arc::new(Shared { limits, budgets, established, handshakes, metrics }))
    }

    /// A place for a connection from an address until its handshake is over, if there would be one afterwards.
    pub fn take(&self, address: IpAddr) -> Option<ConnectionPlace> {
        let network = Network::from(address);
        // Whoever makes one after the other, and drops them, never has many.
        let weight = CONNECTION_WEIGHT.min(self.0.limits.calls_per_second.get());
        let is_paid = self.0.budgets.take(network, weight, Duration::ZERO, Instant::now()).is_ok();
        if !is_paid || !self.0.established.has_room_for(network) {
            self.count_closed();
            return None;
        }
        let found = self.0.handshakes.take_surely(network);
        if found.displaced {
            self.count_closed();
        }
        Some(ConnectionPlace { connections: self.clone(), network, place: found.place, is_established: false })
    }

    fn count_closed(&self) {
        self.0.metrics.refused_connections.inc();
    }

    /// Forgets those whose budget is full.
    pub fn forget_the_idle(&self) {
        self.0.budgets.forget_the_full(Instant::now());
    }

    /// Those of the connections for which there are places.
    pub fn placed(
        self,
        incoming: TcpIncoming,
        patience: Patience,
    ) -> impl Stream<Item = io::Result<Placed<TcpStream, ConnectionPlace>>> {
        incoming.filter_map(move |stream| {
            let placed = stream.map(|stream| self.place(stream, patience)).transpose();
            async move { placed }
        })
    }

    fn place(&self, stream: TcpStream, patience: Patience) -> Option<Placed<TcpStream, ConnectionPlace>> {
        // One that is gone already needs no place.
        let address = stream.peer_addr().ok()?.ip();
        let place = self.take(address);
        if place.is_none() {
            debug!(%address, "a connection was closed: too many are open");
        }
        Some(Placed::new(stream, place?, patience))
    }
}

/// A connection's place. It is given back when dropped.
pub(super) struct ConnectionPlace {
    connections: Connections,
    network: Network,
    place: Place,
    is_established: bool,
}

impl Standing for ConnectionPlace {
    fn establish(&mut self) -> bool {
        if self.is_established {
            return true;
        }
        let found = self.connections.0.established.take(self.network);
        if found.as_ref().is_none_or(|found| found.displaced) {
            self.connections.count_closed();
        }
        if let Some(found) = found {
            (self.place, self.is_established) = (found.place, true);
        }
        self.is_established
    }

    fn poll_displaced(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.place.poll_displaced(context)
    }
}

impl<S: Connected, P> Connected for Placed<S, P> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.is_known.store(true, Ordering::Relaxed);
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin, P: Standing + Unpin> AsyncRead for Placed<S, P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(displaced) = self.poll_displaced(context) {
            return Poll::Ready(Err(displaced));
        }
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(read) => {
                self.until = Instant::now() + self.silence;
                self.is_heard = true;
                Poll::Ready(read.and_then(|()| self.establish()))
            }
            Poll::Pending => self.poll_silent(context).map(Err),
        }
    }
}

/// A client that does not read has whatever is written wait, and must give way all the same.
macro_rules! unless_displaced {
    ($self:ident, $context:ident, $polled:expr) => {
        match $polled {
            Poll::Pending => $self.poll_displaced($context).map(Err),
            ready => ready,
        }
    };
}

impl<S: AsyncWrite + Unpin, P: Standing + Unpin> AsyncWrite for Placed<S, P> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        unless_displaced!(self, context, Pin::new(&mut self.stream).poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        unless_displaced!(self, context, Pin::new(&mut self.stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        unless_displaced!(self, context, Pin::new(&mut self.stream).poll_shutdown(context))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        unless_displaced!(self, context, Pin::new(&mut self.stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::num::NonZeroU32;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    impl Standing for () {}

    impl Standing for Place {
        fn poll_displaced(&mut self, context: &mut Context<'_>) -> Poll<()> {
            Self::poll_displaced(self, context)
        }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    fn is_displaced(place: &mut ConnectionPlace) -> bool {
        place.poll_displaced(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[test]
    fn connections_made_and_dropped_take_of_the_budget() {
        let limits = ClientLimits { calls_per_second: NonZeroU32::new(100).unwrap(), ..ClientLimits::DEFAULT };
        let connections = Connections::new(limits, NodeMetrics::default());
        let made = (0..100).filter(|_| connections.take(address(1)).is_some()).count();
        // Two seconds' worth; a slow machine gives a little more.
        assert!((8..=12).contains(&made), "{made}");
        assert_eq!(connections.0.metrics.refused_connections.get(), 100 - made as u64);
        assert!(connections.take(address(2)).is_some());
    }

    #[test]
    fn a_flood_of_connections_gives_way_to_who_has_fewer() {
        let limits = ClientLimits { connections: 8, connections_per_address: 6, ..ClientLimits::DEFAULT };
        let connections = Connections::new(limits, NodeMetrics::default());
        let from = |last| connections.take(address(last));
        let established = |last| from(last).and_then(|mut place| place.establish().then_some(place));
        let closed = || connections.0.metrics.refused_connections.get();
        let flood: Vec<_> = (0..6).map_while(|_| established(1)).collect();
        assert!(flood.len() == 6 && from(1).is_none(), "six from one address");
        assert_eq!(closed(), 1);
        let _two = [established(2), established(2)].map(|place| place.expect("there is room"));
        let mut silent: Vec<_> = (0..HANDSHAKES_LEAST).map_while(|_| from(3)).collect();
        let mut other = established(3).expect("the flood gives way");
        assert!(!is_displaced(&mut other));
        assert!(is_displaced(&mut silent[0]) && !is_displaced(&mut silent[1]), "the oldest handshake gave way");
        let told: Vec<_> = flood.into_iter().map(|mut place| is_displaced(&mut place)).collect();
        assert_eq!(told, [true, false, false, false, false, false]);
        assert_eq!(closed(), 3, "a handshake and a connection had to give way");
    }

    #[tokio::test]
    async fn a_connection_whose_place_was_given_to_another_ends_whatever_it_waits_for() {
        for writes in [false, true] {
            let places = Places::new(1, 1);
            let from = |last| Network::from(address(last));
            let (_client, ours) = tokio::io::duplex(64);
            let mut waiting = Placed::new(ours, places.take_surely(from(1)).place, Patience::DEFAULT);
            let task = tokio::spawn(async move {
                match writes {
                    true => waiting.write_all(&[0; 1_000]).await,
                    false => waiting.read_exact(&mut [0; 8]).await.map(|_| ()),
                }
            });
            tokio::task::yield_now().await;
            let _newer = places.take_surely(from(2));
            let ended = task.await.expect("it ends").expect_err("nobody closed it");
            assert_eq!(ended.kind(), io::ErrorKind::ConnectionAborted, "writes: {writes}");
        }
    }

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
