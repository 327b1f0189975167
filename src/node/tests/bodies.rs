//! Bodies as the wire has them, written by hand: this floor sees no protobuf types.

use crate::domain::tokens::Allocation;
use crate::execution::{Envelope, Operation};
use crate::primitives::crypto::write_varint;
use crate::primitives::{Amount, TokenId};

/// A field of a protobuf message that has a length.
fn field(number: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    write_varint(number << 3 | 2, &mut out);
    write_varint(bytes.as_ref().len() as u64, &mut out);
    out.extend_from_slice(bytes.as_ref());
    out
}

/// A field that is a number; protobuf leaves a zero out.
fn number(number: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if value != 0 {
        write_varint(number << 3, &mut out);
        write_varint(value, &mut out);
    }
    out
}

/// A body as the proto files describe it, for the operations that these tests need.
pub(in crate::node) fn write_body(envelope: &Envelope, operations: &[Operation]) -> Vec<u8> {
    let token_id = |token: TokenId| field(1, token.to_string());
    let operation = |operation: &Operation| match operation {
        Operation::AttestReserves(attest) => {
            let asset = |market_value: Amount| [number(1, 1), number(3, market_value.minor_units())].concat();
            let assets = attest.assets.iter().flat_map(|cash| field(3, asset(cash.market_value))).collect();
            field(11, [token_id(attest.token), number(2, attest.as_of.0), assets].concat())
        }
        Operation::RequestIssuance(request) => {
            let allocation = |to: &Allocation| [field(1, to.account), number(2, to.amount.minor_units())].concat();
            let allocations = request.allocations.iter().flat_map(|to| field(2, allocation(to))).collect();
            field(12, [token_id(request.token), allocations, number(3, request.expires_at.0)].concat())
        }
        Operation::ApproveIssuance(approve) => field(13, field(1, approve.issuance)),
        Operation::RequestRedemption(request) => {
            let amount = number(2, request.amount.minor_units());
            field(15, [token_id(request.token), amount, field(3, request.payout_commitment)].concat())
        }
        Operation::Transfer(pay) => {
            let parties = [field(1, pay.payer), field(2, pay.payee)].concat();
            let amount = number(4, pay.amount.minor_units());
            field(30, [parties, field(3, pay.token.to_string()), amount].concat())
        }
        Operation::RotateValidatorKey(rotate) => {
            let keys = [field(1, rotate.public_key.0), field(2, rotate.new_public_key.0)].concat();
            field(102, [keys, field(3, rotate.address.to_string())].concat())
        }
        other => panic!("these tests do not write {other:?}"),
    };
    let operations: Vec<u8> = operations.iter().flat_map(|each| field(5, operation(each))).collect();
    let Envelope { chain_id, sender, request_id, expires_at, co_signers } = envelope;
    let co_signers = co_signers.iter().flat_map(|account| field(6, account)).collect();
    let head = [field(1, chain_id), field(2, sender), field(3, request_id), number(4, expires_at.0)].concat();
    [head, operations, co_signers].concat()
}
