//! What one client may ask of a node, so that no client's flood is the others' delay.
//!
//! A client is whoever presents a certificate, where the node asks for one; else an address, of IPv6 its first 64 bits. Each
//! has a budget that fills by the second ([`budget`](super::budget)). A call takes of it by what the answer costs the node at least; a read
//! that took the node longer, and a signature that does not verify, are owed for. A call for which there is no budget waits for up to
//! a second, which slows whoever sends call after call, and is then refused. A client's reads are worked on in turn, on half of the cores
//! at most, and each is paid for before the next: thousands that are asked for at once cost no more than one after the other. Open calls are counted
//! too, and so are connections (`connections`).
//!
//! # Invariants
//! * What is kept of clients is bounded: a client with a full budget and nothing open is forgotten.
//! * A place is given back when the answer's last byte is out.
//!
//! # Deliberately absent
//! Limits by account: what waits of a client and of a sender is bounded and verified in turns, and streams have places by account.

use super::budget::Budgets;
use super::places::first_bits;
use super::shares::{Kept, Share, Shares};
use super::status::over_budget;
use crate::admission::Refusal;
use crate::node::NodeMetrics;
use crate::node::service::Source;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::codegen::http::Extensions;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Request, Status};

/// How long a call waits for its client's budget.
pub const BUDGET_PATIENCE: Duration = Duration::from_secs(1);
/// How far ahead a message of a stream takes of its client's budget.
const MESSAGE_PATIENCE: Duration = Duration::from_secs(60);
/// What a signature that does not verify takes of the budget of whoever sent it.
pub const BAD_SIGNATURE_WEIGHT: u32 = 20;
/// How long the node may work on a read for one of its weight. With the usual budget a client's reads take half a core, whatever
/// they read.
const WORK_PER_WEIGHT: Duration = Duration::from_micros(100);
/// How often clients that ask for nothing are forgotten.
pub(super) const FORGET_EVERY: Duration = Duration::from_secs(60);

/// The bounds for each client, and on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// What a client's budget fills by in a second. It holds as much as two seconds bring.
    pub calls_per_second: NonZeroU32,
    /// Most calls of a client that are open at once.
    pub calls_at_once: usize,
    /// Most transactions that a client has the node wait for at once: as many as four full streams.
    pub waits_at_once: usize,
    /// Most connections; and an eighth of that, or 16, whose handshake is not over.
    pub connections: usize,
    /// Most of them from one address, or the first 48 bits of one of IPv6.
    pub connections_per_address: usize,
}

impl ClientLimits {
    /// Where nothing else is configured.
    pub const DEFAULT: Self = Self {
        calls_per_second: NonZeroU32::new(5_000).unwrap(),
        calls_at_once: 8_192,
        waits_at_once: 16_384,
        connections: 4_096,
        connections_per_address: 1_024,
    };
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Who calls, as far as a connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ClientId {
    /// The SHA-256 of the certificate that it presented.
    Certificate([u8; 32]),
    /// Where it calls from.
    Address(IpAddr),
}

/// An address, or the network of an IPv6 address: whoever has one has 2^64 of them.
fn client_address(address: IpAddr) -> IpAddr {
    first_bits(address, 64)
}

/// What is open, by client and by address. Everything here shares it.
#[derive(Clone)]
pub(super) struct Clients(Arc<Shared>);

struct Shared {
    limits: ClientLimits,
    budgets: Budgets<ClientId>,
    calls: Mutex<BTreeMap<ClientId, OpenCalls>>,
    /// Reads of a client that are worked on at once: half of the cores.
    reads_at_once: usize,
    shares: Shares,
    metrics: NodeMetrics,
}

/// What a client has open.
struct OpenCalls {
    count: usize,
    reads: Arc<Semaphore>,
}

impl Clients {
    pub fn new(limits: ClientLimits, metrics: NodeMetrics) -> Self {
        let budgets = Budgets::new(limits.calls_per_second);
        let (calls, shares) = (Mutex::default(), Shares::new(limits.waits_at_once));
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let reads_at_once = (cores / 2).max(1);
        Self(Arc::new(Shared { limits, budgets, calls, reads_at_once, shares, metrics }))
    }

    /// Who makes a call.
    pub fn calling(&self, extensions: &Extensions) -> CallingClient {
        let certified = extensions.get::<TlsConnectInfo<TcpConnectInfo>>();
        let certificate = certified.and_then(TlsConnectInfo::peer_certs).and_then(|chain| chain.first().cloned());
        let tcp = certified.map(TlsConnectInfo::get_ref).or_else(|| extensions.get::<TcpConnectInfo>());
        let id = match certificate {
            Some(certificate) => ClientId::Certificate(Sha256::digest(&certificate).into()),
            None => {
                let address = tcp.and_then(TcpConnectInfo::remote_addr).map(|address| address.ip());
                ClientId::Address(client_address(address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))))
            }
        };
        self.calling_from(id)
    }

    /// This client, as one that makes a call.
    pub fn calling_from(&self, id: ClientId) -> CallingClient {
        CallingClient { clients: self.clone(), id }
    }

    /// Forgets those whose budget is full.
    pub fn forget_the_idle(&self) {
        self.0.budgets.forget_the_full(Instant::now());
    }
}

/// Who makes a call, for as long as something of it takes of a budget.
#[derive(Clone)]
pub(super) struct CallingClient {
    clients: Clients,
    id: ClientId,
}

impl CallingClient {
    /// Who makes this call. Every call has one once it came in over a connection.
    pub fn of<T>(request: &Request<T>) -> Option<Self> {
        request.extensions().get().cloned()
    }

    /// Who it is.
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// The client as those know it who only tell one from another.
    pub fn source(&self) -> Source {
        let digest: [u8; 32] = match self.id {
            ClientId::Certificate(certificate) => certificate,
            ClientId::Address(IpAddr::V4(address)) => Sha256::digest(address.octets()).into(),
            ClientId::Address(IpAddr::V6(address)) => Sha256::digest(address.octets()).into(),
        };
        Source(digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
    }

    /// Takes a call's weight of the client's budget, and a place among its open calls. Waits a while for the first; a read, whose
    /// cost nobody knows before, waits also until its turn among the client's has come and those before it are paid for.
    pub async fn admit(&self, weight: NonZeroU32, is_read: bool) -> Result<CallPlace, Status> {
        let shared = &self.clients.0;
        let refuse = |wait: Duration| {
            shared.metrics.refused_calls.inc();
            over_budget(wait)
        };
        let (mut place, reads) = {
            let mut calls = shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
            let open = calls
                .entry(self.id)
                .or_insert_with(|| OpenCalls { count: 0, reads: Arc::new(Semaphore::new(shared.reads_at_once)) });
            if open.count >= shared.limits.calls_at_once {
                return Err(refuse(BUDGET_PATIENCE));
            }
            open.count += 1;
            let place =
                CallPlace { client: self.clone(), let_in_for: weight, worked: Duration::ZERO, owed: 0, turn: None };
            (place, open.reads.clone())
        };
        if is_read {
            match tokio::time::timeout(BUDGET_PATIENCE, reads.acquire_owned()).await {
                Ok(turn) => place.turn = turn.ok(),
                Err(_) => return Err(refuse(BUDGET_PATIENCE)),
            }
        }
        // A call that weighs more than a second brings takes that.
        let weight = weight.min(shared.limits.calls_per_second);
        match shared.budgets.take(self.id, weight.get(), BUDGET_PATIENCE, Instant::now()) {
            Ok(Duration::ZERO) => Ok(place),
            Ok(wait) => {
                tokio::time::sleep(wait).await;
                Ok(place)
            }
            Err(wait) => {
                place.turn = None;
                // Refused at once, whoever asks again at once would have the node busy with refusing.
                tokio::time::sleep(BUDGET_PATIENCE).await;
                Err(refuse(wait.saturating_sub(BUDGET_PATIENCE)))
            }
        }
    }

    /// Takes of the client's budget for what a refusal cost the node.
    pub fn charge_for(&self, refusal: &Refusal) {
        if matches!(refusal, Refusal::SignatureInvalid { .. }) {
            self.clients.0.budgets.owe(self.id, BAD_SIGNATURE_WEIGHT, Instant::now());
        }
    }

    /// Takes of the client's budget what something weighed.
    pub fn charge(&self, weight: u32) {
        if weight > 0 {
            self.clients.0.budgets.owe(self.id, weight, Instant::now());
        }
    }

    /// What is kept of a kind for a call of the client: nothing yet.
    pub fn share(&self, kind: Kept) -> Share {
        self.clients.0.shares.of(self.id, kind)
    }

    /// Pays for work of a stream that goes on, and waits until it is paid for.
    pub async fn pay(&self, worked: Duration) {
        let weight = weight_of_work(worked);
        self.charge(weight.saturating_sub(1));
        self.take(NonZeroU32::MIN).await;
    }

    /// Takes a weight of the client's budget, however long that takes, and whatever it owes first.
    pub async fn take(&self, weight: NonZeroU32) {
        let weight = weight.min(self.clients.0.limits.calls_per_second);
        loop {
            match self.clients.0.budgets.take(self.id, weight.get(), MESSAGE_PATIENCE, Instant::now()) {
                Ok(wait) => return tokio::time::sleep(wait).await,
                // So many others of the client's wait that this one does not stand in line yet.
                Err(wait) => tokio::time::sleep(wait.saturating_sub(MESSAGE_PATIENCE)).await,
            }
        }
    }
}

/// An open call's place, and its turn among the client's reads. When dropped it is given back, and what the call took past its
/// weight is owed.
pub(super) struct CallPlace {
    client: CallingClient,
    let_in_for: NonZeroU32,
    worked: Duration,
    owed: u32,
    turn: Option<OwnedSemaphorePermit>,
}

impl CallPlace {
    /// Counts time that the node worked for the call.
    pub fn worked(&mut self, time: Duration) {
        self.worked += time;
    }

    /// The answer is found: what it took is owed from now on, and the client's next read has its turn.
    pub fn found(&mut self) {
        self.settle();
        self.turn = None;
    }

    fn settle(&mut self) {
        let past = weight_of_work(self.worked).saturating_sub(self.let_in_for.get());
        self.client.charge(past - self.owed);
        self.owed = past;
    }
}

impl Drop for CallPlace {
    fn drop(&mut self) {
        self.settle();
        let CallingClient { clients, id } = &self.client;
        let mut calls = clients.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = calls.get_mut(id) {
            open.count -= 1;
            if open.count == 0 {
                calls.remove(id);
            }
        }
    }
}

/// What work comes to.
fn weight_of_work(worked: Duration) -> u32 {
    u32::try_from(worked.as_micros() / WORK_PER_WEIGHT.as_micros()).unwrap_or(u32::MAX)
}

/// Gives one of a count back, which is forgotten at none.
pub(super) fn give_back<K: Ord>(places: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(taken) = places.get_mut(key) {
        *taken -= 1;
        if *taken == 0 {
            places.remove(key);
        }
    }
}

/// What a call takes of its client's budget, by what the costliest answer of its kind takes of the node.
pub(super) fn weight_of(method_path: &str) -> NonZeroU32 {
    let method = method_path.rsplit('/').next().unwrap_or_default();
    let weight = match method {
        "GetLineage" | "ListFinanceable" | "GetBook" | "GetSupervision" => 50,
        "GetReceipt" | "AssessFinancing" | "StreamBlocks" | "StreamEvents" | "SubmitStream" => 5,
        method if method.starts_with("List") => 5,
        _ => 1,
    };
    NonZeroU32::new(weight).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn clients(limits: ClientLimits) -> Clients {
        Clients::new(limits, NodeMetrics::default())
    }

    fn client(clients: &Clients, last: u8) -> CallingClient {
        CallingClient { clients: clients.clone(), id: ClientId::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))) }
    }

    #[tokio::test]
    async fn a_flood_is_its_senders_delay_and_nobody_elses() {
        let clients = clients(ClientLimits { calls_per_second: NonZeroU32::new(10).unwrap(), ..ClientLimits::DEFAULT });
        let (flood, other) = (client(&clients, 1), client(&clients, 2));
        // A budget holds two of these; the next comes a second later, and that is how long a call waits.
        let ten = NonZeroU32::new(10).unwrap();
        let answers = futures::future::join_all((0..10).map(|_| flood.admit(ten, false))).await;
        let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert!((1..=8).contains(&refused.len()), "{} of 10 were refused", refused.len());
        assert!(refused.iter().all(|status| status.code() == tonic::Code::ResourceExhausted));
        assert_eq!(clients.0.metrics.refused_calls.get(), refused.len() as u64);
        let signature = Refusal::SignatureInvalid { public_key: crate::primitives::PublicKey([1; 32]) };
        flood.charge_for(&signature);
        assert!(flood.admit(NonZeroU32::MIN, false).await.is_err(), "what it owes comes first");
        other.admit(ten, false).await.expect("a budget of its own");
    }

    /// A read's weight is what it takes at least; one that takes longer is paid for by the time that it took.
    #[tokio::test]
    async fn a_read_that_takes_long_is_owed_for() {
        let clients = clients(ClientLimits { calls_per_second: NonZeroU32::new(10).unwrap(), ..ClientLimits::DEFAULT });
        let one = client(&clients, 1);
        let mut short = one.admit(NonZeroU32::new(5).unwrap(), true).await.expect("a place");
        short.worked(5 * WORK_PER_WEIGHT);
        drop(short);
        let mut long = one.admit(NonZeroU32::new(5).unwrap(), true).await.expect("a place");
        long.worked(45 * WORK_PER_WEIGHT);
        drop(long);
        // 50, of which two seconds' worth were there, and 1 more.
        let wait = clients.0.budgets.take(one.id, 1, BUDGET_PATIENCE, Instant::now()).expect_err("it owes").as_millis();
        assert!((2_500..=3_100).contains(&wait), "{wait} ms");
    }

    /// A stream's message is not let in before it is paid for, and what its sender owes is paid first.
    #[tokio::test]
    async fn a_message_of_a_stream_waits_for_its_budget() {
        let clients =
            clients(ClientLimits { calls_per_second: NonZeroU32::new(100).unwrap(), ..ClientLimits::DEFAULT });
        let one = client(&clients, 1);
        let signature = Refusal::SignatureInvalid { public_key: crate::primitives::PublicKey([1; 32]) };
        // Twelve cost 240, and two seconds bring 200.
        (0..12).for_each(|_| one.charge_for(&signature));
        let began = Instant::now();
        one.take(NonZeroU32::MIN).await;
        assert!(began.elapsed() >= Duration::from_millis(350), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn the_work_on_a_stream_is_paid_for_before_it_goes_on() {
        let clients =
            clients(ClientLimits { calls_per_second: NonZeroU32::new(100).unwrap(), ..ClientLimits::DEFAULT });
        let (one, began) = (client(&clients, 1), Instant::now());
        one.pay(150 * WORK_PER_WEIGHT).await;
        assert!(began.elapsed() < Duration::from_millis(100), "two seconds' worth was there");
        one.pay(100 * WORK_PER_WEIGHT).await;
        assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    }

    /// What a read costs is known once it is done. So many at once would all be let in for what the cheapest costs.
    #[tokio::test]
    async fn reads_of_a_client_take_turns_and_each_is_paid_for_before_the_next() {
        let clients = clients(ClientLimits { calls_per_second: NonZeroU32::new(10).unwrap(), ..ClientLimits::DEFAULT });
        let at_once = clients.0.reads_at_once;
        let one = client(&clients, 1);
        let mut working = futures::future::join_all((0..at_once).map(|_| one.admit(NonZeroU32::MIN, true))).await;
        let next = tokio::spawn({
            let one = one.clone();
            async move { one.admit(NonZeroU32::MIN, true).await.err().map(|status| status.code()) }
        });
        tokio::task::yield_now().await;
        assert!(!next.is_finished(), "its turn has not come");
        one.admit(NonZeroU32::MIN, false).await.expect("what is no read waits for none");
        client(&clients, 2).admit(NonZeroU32::MIN, true).await.expect("another's turn");
        let first = working[0].as_mut().expect("a place");
        first.worked(1_000 * WORK_PER_WEIGHT);
        first.found();
        assert_eq!(next.await.expect("it ends"), Some(tonic::Code::ResourceExhausted), "the first is not paid for");
    }

    #[tokio::test]
    async fn open_calls_are_bounded_and_their_places_come_back() {
        let clients = clients(ClientLimits { calls_at_once: 2, ..ClientLimits::DEFAULT });
        let one = client(&clients, 1);
        let first = one.admit(NonZeroU32::MIN, false).await.expect("a place");
        let _second = one.admit(NonZeroU32::MIN, false).await.expect("a place");
        assert!(one.admit(NonZeroU32::MIN, false).await.is_err());
        client(&clients, 2).admit(NonZeroU32::MIN, false).await.expect("another's places");
        drop(first);
        one.admit(NonZeroU32::MIN, false).await.expect("a place");
        drop(_second);
        assert!(clients.0.calls.lock().unwrap().is_empty(), "nobody is remembered for nothing");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let same =
            |one: &str, other: &str| client_address(one.parse().unwrap()) == client_address(other.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
    }
}
