//! Messages of every kind, drawn from the proto files: most fields set, in the shapes that their names ask for.

use super::mutate::integer;
use crate::wire::stand_in::key;
use causeway::execution::genesis::genesis_account_id;
use causeway::wire::pb::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The service that nodes do not serve.
const SIGNER_SERVICE: &str = "causeway.signer.v1.SignerService";
/// Messages within messages.
const DEPTH_MAX: u32 = 6;
/// Texts that some field takes: tokens, days, countries, purposes, legal entities, URIs.
const TEXTS: [&str; 18] = [
    "HKDX",
    "USDX",
    "HKD",
    "2026-11-16",
    "2027-01-15",
    "HK",
    "GDDS",
    "INV-2026-0042",
    "TEST:BANKA",
    "urn:epc:id:sgln:4012345.00001.0",
    "trade-finance",
    "lei:5493001KJTIIGC8Y1R12",
    "https://example.com/terms",
    "x",
    "",
    "貨款",
    "Asia/Hong_Kong",
    "causeway",
];

/// The proto files.
pub struct Messages {
    pool: DescriptorPool,
}

impl Messages {
    pub fn open() -> Self {
        Self { pool: DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the descriptors that are built in") }
    }

    /// Every call of every service of a node, in the order of their names. The signer's is a target of its own.
    pub fn calls(&self) -> Vec<MethodDescriptor> {
        let of_nodes = self.pool.services().filter(|service| service.full_name() != SIGNER_SERVICE);
        let mut calls: Vec<MethodDescriptor> =
            of_nodes.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
        calls.sort_by_key(|call| call.full_name().to_owned());
        calls
    }

    /// So many messages of a kind.
    pub fn drawn(&self, name: &str, count: u64, seed: u64) -> Vec<Vec<u8>> {
        let descriptor = self.kind(name);
        let mut rng = StdRng::seed_from_u64(seed);
        (0..count).map(|_| message(&descriptor, &mut rng, 0).encode_to_vec()).collect()
    }

    pub fn names_of_fields(&self, name: &str) -> Vec<String> {
        self.kind(name).fields().map(|field| field.name().to_owned()).collect()
    }

    fn kind(&self, name: &str) -> MessageDescriptor {
        self.pool.get_message_by_name(name).unwrap_or_else(|| panic!("the proto files have no {name}"))
    }
}

fn message(descriptor: &MessageDescriptor, rng: &mut StdRng, depth: u32) -> DynamicMessage {
    let mut drawn = DynamicMessage::new(descriptor.clone());
    let choices = descriptor.oneofs().map(|oneof| {
        let fields: Vec<FieldDescriptor> = oneof.fields().collect();
        fields[rng.random_range(0..fields.len())].clone()
    });
    let chosen: Vec<FieldDescriptor> = choices.collect();
    let present = if rng.random_bool(0.5) { 1.0 } else { 0.8 };
    for field in descriptor.fields() {
        let is_wanted = match field.containing_oneof() {
            Some(_) => chosen.contains(&field),
            None => rng.random_bool(present),
        };
        if !is_wanted || depth > DEPTH_MAX {
            continue;
        }
        let value = if field.is_list() {
            let count = if rng.random_bool(0.7) { 1 } else { rng.random_range(0..4) };
            Value::List((0..count).map(|_| value(&field, rng, depth)).collect())
        } else {
            value(&field, rng, depth)
        };
        drawn.set_field(&field, value);
    }
    drawn
}

fn value(field: &FieldDescriptor, rng: &mut StdRng, depth: u32) -> Value {
    match field.kind() {
        Kind::Message(descriptor) => Value::Message(message(&descriptor, rng, depth + 1)),
        Kind::Enum(descriptor) => {
            let numbers: Vec<i32> = descriptor.values().map(|value| value.number()).collect();
            let known = numbers[rng.random_range(0..numbers.len())];
            Value::EnumNumber(if rng.random_bool(0.95) { known } else { 1_000 })
        }
        Kind::Bool => Value::Bool(rng.random_bool(0.5)),
        Kind::Bytes => Value::Bytes(bytes(field.name(), rng).into()),
        Kind::String => Value::String(text(field.name(), rng)),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number(field.name(), rng)),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number(field.name(), rng) as u32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number(field.name(), rng) as i64),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number(field.name(), rng) as i32),
        kind => panic!("{}: the proto files of a ledger have no {kind:?}", field.full_name()),
    }
}

/// Ids of accounts that are there, mostly; all of the right length, mostly.
fn bytes(name: &str, rng: &mut StdRng) -> Vec<u8> {
    let usual = match name {
        _ if name.contains("request_id") => 16,
        _ if name.contains("signature") => 64,
        _ if name.contains("header") && !name.contains("hash") => 352,
        _ => 32,
    };
    let accounts = ["bank-a", "bank-b", "watcher"];
    match rng.random_range(0..20) {
        1.. if name.contains("public_key") => key(rng.random_range(1..9)).public_key().0.to_vec(),
        0 => vec![1; [0, 16, 31, 33, 64][rng.random_range(0..5)]],
        1..8 if usual == 32 => genesis_account_id(accounts[rng.random_range(0..accounts.len())]).0.to_vec(),
        _ => (0..usual).map(|_| rng.random_range(0..=255)).collect(),
    }
}

fn text(name: &str, rng: &mut StdRng) -> String {
    let usual = match name {
        _ if name.contains("token") => "HKDX",
        _ if name.contains("currency") => "HKD",
        _ if name.contains("day") || name.contains("date") || name.contains("_on") => "2026-11-16",
        _ if name.contains("country") => "HK",
        "address" => ["10.0.0.7:7500", "validator.example:7500"][rng.random_range(0..2)],
        "name" => "validator-5",
        _ if name.contains("entity") => "TEST:BANKA",
        _ if name.contains("purpose") => "trade-finance",
        _ => TEXTS[rng.random_range(0..TEXTS.len())],
    };
    match rng.random_range(0..12) {
        0 => TEXTS[rng.random_range(0..TEXTS.len())].to_owned(),
        1 => "長い".repeat(rng.random_range(0..200)),
        _ => usual.to_owned(),
    }
}

fn number(name: &str, rng: &mut StdRng) -> u64 {
    match rng.random_range(0..10) {
        0 => integer(rng, 1_000),
        _ if name.ends_with("_ms") => 1_800_000_000_000 + rng.random_range(0..1_000_000_000),
        _ if name.contains("minutes") => 480,
        _ if name == "threshold" => 1,
        _ if name.contains("days_max") => rng.random_range(90..180),
        _ if name.contains("days") => rng.random_range(0..90),
        // A late rate is no lower than the rate.
        _ if name.contains("late_rate") => rng.random_range(2_000..3_000),
        _ if name.ends_with("_bps") || name.contains("_bps_") => rng.random_range(0..2_000),
        1..6 => rng.random_range(0..10),
        _ => rng.random_range(0..20_000),
    }
}
