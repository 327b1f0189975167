//! Every call of every service, with requests that are damaged: over HTTP/2, to the services as the node serves them.
//!
//! An input is a call's number, who calls, and the message. Client and server share this thread, so a panic anywhere is seen
//! and memory is counted on both sides.

use super::messages::Messages;
use super::mutate::Form;
use super::run::{Target, USUAL, Verdict};
use crate::wire::api::serving;
use crate::wire::stand_in::{StandIn, account, key, text};
use bytes::{Buf as _, BufMut as _, Bytes};
use causeway::api::read_message;
use causeway::node::service::LedgerHandle as _;
use prost_reflect::MethodDescriptor;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// A number and a caller.
const SELECTOR_BYTES: usize = 2;
/// Messages of each call that are drawn to begin with.
const DRAWN_OF_EACH: u64 = 3;
/// How long a call may wait for a block, which never comes here.
const CALL_TIME_MAX: Duration = Duration::from_millis(200);

struct Stage {
    runtime: tokio::runtime::Runtime,
    ledger: StandIn,
    channel: Channel,
    calls: Vec<MethodDescriptor>,
}

/// The services over a ledger of three accounts.
static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ledger = StandIn::open();
    let channel = runtime.block_on(serving(&ledger));
    Stage { runtime, ledger, channel, calls: Messages::open().calls() }
});

/// Bytes as they are.
#[derive(Clone, Copy, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Who calls: nobody, an institution, or the observer, who sees everything; one of them with a signature of another call.
fn signed_by(caller: u8, path: &str, message: Bytes) -> Request<Bytes> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIME_MAX);
    let (name, number) = [("bank-a", 1), ("watcher", 3)][usize::from(caller % 2)];
    let path = if caller.is_multiple_of(7) { "/another" } else { path };
    if caller.is_multiple_of(5) {
        return request;
    }
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    let (reader, expires_at_ms) = (account(name), now_ms + 60_000);
    let message = read_message(STAGE.ledger.identity().chain_id, reader, expires_at_ms, path);
    for (name, value) in [
        ("causeway-account", reader.to_string()),
        ("causeway-public-key", text(&key(number).public_key())),
        ("causeway-expires-ms", expires_at_ms.to_string()),
        ("causeway-signature", hex::encode(key(number).sign_read(&message).0)),
    ] {
        request.metadata_mut().insert(name, value.parse().expect("ASCII"));
    }
    request
}

/// The first answer of a call. Of a stream without one in store, that it was opened.
async fn answer(call: &MethodDescriptor, caller: u8, message: Bytes) -> Result<(), Status> {
    let path = format!("/{}/{}", call.parent_service().full_name(), call.name());
    let request = signed_by(caller, &path, message);
    let path = path.parse().expect("a path");
    let mut client = tonic::client::Grpc::new(STAGE.channel.clone());
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    if call.is_client_streaming() {
        let request = request.map(|message| tokio_stream::iter([message.clone(), message]));
        let mut answers = client.streaming(request, path, Raw).await?.into_inner();
        return answers.message().await.map(drop);
    }
    if call.is_server_streaming() {
        return client.server_streaming(request, path, Raw).await.map(drop);
    }
    client.unary(request, path, Raw).await.map(drop)
}

fn check(bytes: &[u8]) -> Verdict {
    let Some((selector, message)) = bytes.split_first_chunk::<SELECTOR_BYTES>() else {
        return Verdict::Refused("no call".to_owned());
    };
    let call = &STAGE.calls[usize::from(selector[0]) % STAGE.calls.len()];
    let answered = STAGE.runtime.block_on(answer(call, selector[1], Bytes::copy_from_slice(message)));
    if let Err(status) = &answered {
        let is_undecodable = status.message().contains("failed to decode Protobuf message");
        let is_fault = matches!(status.code(), Code::Unknown | Code::Internal | Code::DataLoss | Code::Unimplemented);
        assert!(!is_fault || is_undecodable, "{}: {status:?}", call.full_name());
        // It travels in a header, and headers have bounds.
        assert!(status.message().len() <= 4_096, "{}: {} bytes of words", call.full_name(), status.message().len());
        return Verdict::Refused(format!("{} {:?} {}", call.name(), status.code(), status.message()));
    }
    Verdict::Read
}

pub fn grpc_calls() -> Target {
    // Made before anything is measured.
    LazyLock::force(&STAGE);
    let messages = Messages::open();
    let calls = messages.calls();
    assert!(calls.len() < 256, "a call's number is one byte");
    let corpus = calls.iter().enumerate().flat_map(|(number, call)| {
        let drawn = messages.drawn(call.input().full_name(), DRAWN_OF_EACH, number as u64);
        drawn.into_iter().zip([0, 1, 3]).map(move |(message, caller)| [&[number as u8, caller], &message[..]].concat())
    });
    Target {
        form: Form::Protobuf { after: SELECTOR_BYTES },
        executions: 1_500,
        allowed: USUAL,
        corpus: corpus.collect(),
        check,
    }
}
