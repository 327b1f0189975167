//! Someone at a shell: types commands as one participant or another, and holds what comes of them to what must.

use super::programs::{assert_fails, json, run, said, text};
use causeway::wire::pb::FILE_DESCRIPTOR_SET;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

/// Someone at a shell, beside a network that serves.
pub struct Desk<'a> {
    pub data_dir: &'a Path,
    /// The operations that were applied, by their names in `Operation`.
    applied: RefCell<BTreeSet<String>>,
}

impl<'a> Desk<'a> {
    pub fn beside(data_dir: &'a Path) -> Self {
        Self { data_dir, applied: RefCell::default() }
    }

    /// Holds what was applied so far to every operation of a room, such as `trade`.
    pub fn has_applied_every_operation_of(&self, room: &str) {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        let operation = pool.get_message_by_name("causeway.ledger.v1.Operation").unwrap();
        let is_of_room = |field: &FieldDescriptor| {
            let Kind::Message(message) = field.kind() else { return false };
            message.package_name() == format!("causeway.{room}.v1")
        };
        let of_room: Vec<String> = operation.fields().filter(is_of_room).map(|field| field.name().to_owned()).collect();
        assert!(!of_room.is_empty(), "there is no room {room}");
        let applied = self.applied.borrow();
        let missing: Vec<_> = of_room.iter().filter(|name| !applied.contains(*name)).collect();
        assert!(missing.is_empty(), "no command of this test came to these operations: {missing:?}");
    }

    pub fn arguments<'b>(&'b self, who: &'b str, command: &[&'b str]) -> Vec<&'b str> {
        [command, &["--as", who, "--sandbox", text(self.data_dir), "--output", "json"]].concat()
    }

    /// A command that must do what it says.
    pub fn does(&self, who: &str, command: &[&str]) -> Value {
        json(self.arguments(who, command))
    }

    /// A transaction that must be applied.
    pub fn applies(&self, who: &str, command: &[&str]) -> Value {
        let settled = self.does(who, command);
        assert_eq!(settled["status"], "APPLIED", "{command:?}: {settled}");
        let operations = settled["transaction"]["operations"].as_array().unwrap();
        let names = operations.iter().flat_map(|operation| operation.as_object().unwrap().keys().cloned());
        self.applied.borrow_mut().extend(names);
        settled
    }

    /// A command that comes to nothing, and is told why.
    pub fn refuses(&self, who: &str, command: &[&str], code: i32, named: &[&str]) {
        assert_fails(&run(self.arguments(who, command)), code, named);
    }

    /// A transaction that the ledger declines, for this reason.
    pub fn declines(&self, who: &str, command: &[&str], reason: &str) {
        let output = run(self.arguments(who, command));
        assert_eq!(output.status.code(), Some(3), "{command:?}: {}", said(&output));
        let settled: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(settled["reason"], reason, "{command:?}");
    }
}

/// A field of an answer that is a text.
pub fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is not in {value}"))
}
