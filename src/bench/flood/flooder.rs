//! Who floods: a client that asks for as much as a node gives it, in one of the ways that there are, until it is told to end.
//!
//! It heeds nothing that it is told: a refusal is the next question's beginning, a closed connection that of another.

use super::Flood;
use crate::bench::BenchError;
use crate::client::{Connection, Participant, Reader, TransactionBuilder, now_ms, operations};
use crate::primitives::{AccountId, Amount, ChainId};
use crate::wire::pb::{accounts, financing, ledger, node, trade};
use bytes::Bytes;
use futures::StreamExt as _;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::Request;
use tonic::transport::{Channel, Endpoint};
use tower::Service as _;

/// Connections over which calls are made.
const CHANNELS: usize = 8;
/// Calls under way on each of them.
const CALLS_PER_CHANNEL: usize = 64;
/// Expensive calls under way on each of them: more would only wait for each other.
const READS_PER_CHANNEL: usize = 16;
/// Transactions in a message of a stream.
const FORGED_PER_MESSAGE: usize = 256;
/// Forged transactions that are made once, and sent again and again.
const FORGED: usize = 4_096;
/// Connections that are held, and those that are made and dropped at once.
const HELD: usize = 900;
const MAKERS: usize = 64;
/// Streams of which nothing is read, and long answers.
const UNREAD_STREAMS: usize = 48;
const UNREAD_ANSWERS: usize = 256;
/// How long a client that reads nothing waits before it asks again.
const UNREAD_FOR: Duration = Duration::from_secs(5);
/// Messages that are begun and not ended, over how many connections, and what of each is sent at once and then by the second.
const UNENDED: usize = 2_048;
const UNENDED_CHANNELS: usize = 16;
const UNENDED_FIRST: usize = 32 * 1_024;
const UNENDED_EVERY: Duration = Duration::from_secs(1);
/// What such a message says that it will have, in bytes.
const UNENDED_PROMISED: [u32; 2] = [4_000_000, 100_000];
/// What begins an HTTP/2 connection, with settings that say nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// What a flood asked for, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloodCounts {
    /// Calls, transactions or connections.
    pub asked: u64,
    /// How many of them the node answered, or took.
    pub answered: u64,
    /// How many it refused, or closed.
    pub refused: u64,
}

impl fmt::Display for FloodCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asked, {} answered, {} refused", self.asked, self.answered, self.refused)
    }
}

#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    fn asks(&self, count: u64) {
        self.asked.fetch_add(count, Ordering::Relaxed);
    }

    fn hears<T, E>(&self, answer: &Result<T, E>) {
        let counter = if answer.is_ok() { &self.answered } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn told(&self) -> FloodCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FloodCounts { asked: read(&self.asked), answered: read(&self.answered), refused: read(&self.refused) }
    }
}

/// A client that floods a node.
pub struct Flooder {
    endpoint: String,
    from: IpAddr,
    chain_id: ChainId,
    institution: Participant,
    counts: Arc<Counts>,
}

impl Flooder {
    /// A client of this node, which calls from this address and reads as this institution.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn at(endpoint: &str, from: IpAddr, institution: Participant) -> Result<Self, BenchError> {
        let client = crate::client::Client::connect(&[endpoint], None).await?;
        let (endpoint, chain_id) = (endpoint.to_owned(), client.chain_id());
        Ok(Self { endpoint, from, chain_id, institution, counts: Arc::default() })
    }

    /// Floods until `told` resolves, and tells what came of it. `begun` is called once everything is under way.
    ///
    /// # Errors
    /// It cannot begin.
    pub async fn flood(
        &self,
        flood: Flood,
        begun: impl FnOnce(),
        told: impl Future<Output = ()>,
    ) -> Result<FloodCounts, BenchError> {
        let mut tasks = JoinSet::new();
        match flood {
            Flood::Calls => self.call(&mut tasks)?,
            Flood::Signatures => self.forge(&mut tasks)?,
            Flood::Connections => self.connect(&mut tasks)?,
            Flood::Reads => self.read(&mut tasks).await?,
            Flood::SlowReaders => self.ask_and_not_read(&mut tasks)?,
            Flood::SlowWriters => self.begin_and_not_end(&mut tasks)?,
        }
        begun();
        told.await;
        tasks.abort_all();
        Ok(self.counts.told())
    }

    /// A connection of its own, from where the flood comes.
    fn connection(&self, set_up: impl FnOnce(Endpoint) -> Endpoint) -> Result<Connection, BenchError> {
        let channel = self.channel(set_up)?;
        let Participant { account, key, .. } = self.institution.clone();
        let reader = Reader { account, key: Arc::new(key) };
        Ok(Connection::over(&self.endpoint, channel).reading_as(reader, self.chain_id))
    }

    fn channel(&self, set_up: impl FnOnce(Endpoint) -> Endpoint) -> Result<Channel, BenchError> {
        let endpoint = Endpoint::from_shared(self.endpoint.clone());
        let endpoint = set_up(endpoint.map_err(|error| BenchError::Internal(error.to_string()))?);
        Ok(endpoint.local_address(Some(self.from)).connect_lazy())
    }

    fn call(&self, tasks: &mut JoinSet<()>) -> Result<(), BenchError> {
        for _ in 0..CHANNELS {
            let connection = self.connection(|endpoint| endpoint)?;
            for _ in 0..CALLS_PER_CHANNEL {
                let (mut service, counts) = (connection.node(), self.counts.clone());
                tasks.spawn(async move {
                    loop {
                        counts.asks(1);
                        counts.hears(&service.get_status(node::GetStatusRequest {}).await);
                    }
                });
            }
        }
        Ok(())
    }

    /// Transactions as the institution's, with signatures that take a whole verification to be found wrong.
    fn forged(&self) -> Result<Arc<Vec<ledger::SignedTransaction>>, BenchError> {
        let (account, key) = (self.institution.account, &self.institution.key);
        let token = "HKDX".parse().map_err(|_| BenchError::Internal("HKDX is no token id".to_owned()))?;
        let forge = |_| -> Result<_, BenchError> {
            let mut builder = TransactionBuilder::new(self.chain_id, account)?.expires_at_ms(now_ms() + 20 * 3_600_000);
            builder.add(operations::transfer(account, AccountId([1; 32]), token, Amount::new(1), Default::default()));
            let body = builder.finish().body().clone();
            // Of another message: a point and a scalar as they must be.
            let signature = Bytes::copy_from_slice(&key.sign_read(&body).0);
            let public_key = Bytes::copy_from_slice(&key.public_key().0);
            Ok(ledger::SignedTransaction {
                body,
                signatures: vec![ledger::TransactionSignature { public_key, signature }],
            })
        };
        Ok(Arc::new((0..FORGED).map(forge).collect::<Result<_, _>>()?))
    }

    fn forge(&self, tasks: &mut JoinSet<()>) -> Result<(), BenchError> {
        let forged = self.forged()?;
        for _ in 0..CHANNELS {
            let mut service = self.connection(|endpoint| endpoint)?.ledger();
            let (counts, forged) = (self.counts.clone(), forged.clone());
            tasks.spawn(async move {
                loop {
                    let (sender, queued) = tokio::sync::mpsc::channel(1);
                    let answers = service.submit_stream(ReceiverStream::new(queued));
                    let send = async {
                        for chunk in forged.chunks(FORGED_PER_MESSAGE).cycle() {
                            counts.asks(chunk.len() as u64);
                            let message = ledger::SubmitStreamRequest { transactions: chunk.to_vec() };
                            if sender.send(message).await.is_err() {
                                break;
                            }
                        }
                    };
                    let hear = async {
                        let Ok(answers) = answers.await else { return };
                        let mut answers = answers.into_inner();
                        while let Ok(Some(message)) = answers.message().await {
                            counts.refused.fetch_add(message.results.len() as u64, Ordering::Relaxed);
                        }
                    };
                    tokio::select! { () = send => {}, () = hear => {} }
                    // A stream that is refused at once must not make this a loop that waits for nothing.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
        Ok(())
    }

    fn connect(&self, tasks: &mut JoinSet<()>) -> Result<(), BenchError> {
        let address = self.endpoint.trim_start_matches("http://").parse::<SocketAddr>();
        let address = address.map_err(|error| BenchError::Internal(format!("{}: {error}", self.endpoint)))?;
        for task in 0..HELD + MAKERS {
            let (counts, from, held) = (self.counts.clone(), self.from, task < HELD);
            tasks.spawn(async move {
                loop {
                    counts.asks(1);
                    let made = connected(from, address).await;
                    counts.hears(&made);
                    match made {
                        // Until the node closes it.
                        Ok(mut stream) if held => {
                            let mut bytes = [0; 256];
                            while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
                        }
                        Ok(_) => {}
                        Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                    }
                }
            });
        }
        Ok(())
    }

    async fn read(&self, tasks: &mut JoinSet<()>) -> Result<(), BenchError> {
        let first = self.connection(|endpoint| endpoint)?;
        let of_lists = |status: Status| BenchError::Internal(format!("the flood found nothing to read: {status}"));
        let receivables = first.trade().list_receivables(trade::ListReceivablesRequest::default()).await;
        let receivables = receivables.map_err(of_lists)?;
        let receivable = receivables.into_inner().receivables.into_iter().next().unwrap_or_default();
        let loans = first.financing().list_loans(financing::ListLoansRequest::default()).await.map_err(of_lists)?;
        let loan = loans.into_inner().loans.into_iter().next().unwrap_or_default();
        let found = Found { owner: receivable.supplier_account_id, loan: loan.loan_id };
        for _ in 0..CHANNELS {
            let connection = self.connection(|endpoint| endpoint)?;
            for number in 0..READS_PER_CHANNEL {
                let (connection, found, counts) = (connection.clone(), found.clone(), self.counts.clone());
                tasks.spawn(async move {
                    for kind in number.. {
                        counts.asks(1);
                        counts.hears(&expensive(kind, &connection, &found).await);
                    }
                });
            }
        }
        Ok(())
    }

    fn ask_and_not_read(&self, tasks: &mut JoinSet<()>) -> Result<(), BenchError> {
        // As little as HTTP/2 lets a reader announce and still be sent something.
        let narrow =
            |endpoint: Endpoint| endpoint.initial_stream_window_size(1_024).initial_connection_window_size(65_535);
        for task in 0..UNREAD_STREAMS + UNREAD_ANSWERS {
            let connection = self.connection(narrow)?;
            let counts = self.counts.clone();
            tasks.spawn(async move {
                loop {
                    counts.asks(1);
                    let mut streams = connection.ledger();
                    if task < UNREAD_STREAMS / 2 {
                        let opened = streams.stream_blocks(ledger::StreamBlocksRequest { from_height: 0 }).await;
                        counts.hears(&opened);
                        tokio::time::sleep(UNREAD_FOR).await;
                    } else if task < UNREAD_STREAMS {
                        let from = ledger::StreamEventsRequest { cursor: "0".to_owned() };
                        let opened = streams.stream_events(from).await;
                        counts.hears(&opened);
                        tokio::time::sleep(UNREAD_FOR).await;
                    } else {
                        let mut service = connection.accounts();
                        let list = accounts::ListAccountsRequest { page_size: 1_000, ..Default::default() };
                        // The answer is longer than the window, and nobody widens that for as long as this is not polled.
                        let mut asking = Box::pin(service.list_accounts(list));
                        let _ = futures::poll!(&mut asking);
                        tokio::time::sleep(UNREAD_FOR).await;
                        counts.hears(&asking.await);
                    }
                }
            });
        }
        Ok(())
    }

    fn begin_and_not_end(&self, tasks: &mut JoinSet<()>) -> Result<(), BenchError> {
        for _ in 0..UNENDED_CHANNELS {
            let channel = self.channel(|endpoint| endpoint)?;
            for task in 0..UNENDED / UNENDED_CHANNELS {
                let (mut channel, counts) = (channel.clone(), self.counts.clone());
                let method = ["SubmitStream", "Submit"][task % 2];
                let promised = UNENDED_PROMISED[task % 2];
                tasks.spawn(async move {
                    loop {
                        counts.asks(1);
                        let request = Request::post(format!("/causeway.ledger.v1.LedgerService/{method}"))
                            .header("content-type", "application/grpc")
                            .header("te", "trailers")
                            .body(unended(promised));
                        let Ok(request) = request else { return };
                        let answer = match futures::future::poll_fn(|context| channel.poll_ready(context)).await {
                            Ok(()) => channel.call(request).await,
                            Err(error) => Err(error),
                        };
                        // Whatever the node says, it has had enough of it.
                        if let Ok(answer) = answer {
                            let _ = answer.into_body().collect().await;
                        }
                        counts.refused.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                });
            }
        }
        Ok(())
    }
}

/// The body of a request whose message comes a byte at a time after its beginning, and never comes to its end.
fn unended(promised: u32) -> Body {
    let prefix = [&[0][..], &promised.to_be_bytes(), &[0; UNENDED_FIRST]].concat();
    let first = futures::stream::once(futures::future::ready(Bytes::from(prefix)));
    let rest = futures::stream::unfold((), |()| async {
        tokio::time::sleep(UNENDED_EVERY).await;
        Some((Bytes::from_static(&[0]), ()))
    });
    Body::new(StreamBody::new(first.chain(rest).map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)))))
}

async fn connected(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(from, 0))?;
    let mut stream = socket.connect(to).await?;
    stream.write_all(PREFACE).await?;
    // The node's settings; nothing comes where it closed the connection.
    match stream.read(&mut [0; 64]).await? {
        0 => Err(std::io::ErrorKind::ConnectionReset.into()),
        _ => Ok(stream),
    }
}

/// What there is to read.
#[derive(Clone)]
struct Found {
    /// Who owns a receivable.
    owner: Bytes,
    loan: Bytes,
}

/// A call whose answer costs much: each in turn.
async fn expensive(number: usize, connection: &Connection, found: &Found) -> Result<(), Status> {
    let page_size = 1_000;
    let (mut trade, mut loans) = (connection.trade(), connection.financing());
    match number % 7 {
        0 => {
            let list = accounts::ListAccountsRequest { page_size, ..Default::default() };
            connection.accounts().list_accounts(list).await.map(drop)
        }
        1 => trade.list_receivables(trade::ListReceivablesRequest { page_size, ..Default::default() }).await.map(drop),
        2 => loans.list_loans(financing::ListLoansRequest { page_size, ..Default::default() }).await.map(drop),
        3 => {
            loans.list_programmes(financing::ListProgrammesRequest { page_size, ..Default::default() }).await.map(drop)
        }
        4 => {
            let owner_account_id = found.owner.clone();
            let ask = financing::ListFinanceableRequest { owner_account_id, page_size, ..Default::default() };
            loans.list_financeable(ask).await.map(drop)
        }
        5 => trade.list_orders(trade::ListOrdersRequest { page_size, ..Default::default() }).await.map(drop),
        _ => {
            let ask = ledger::GetLineageRequest { object_id: found.loan.clone(), ..Default::default() };
            connection.ledger().get_lineage(ask).await.map(drop)
        }
    }
}
