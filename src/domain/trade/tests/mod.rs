//! The room's rules by example, each reason once; and random histories, for what holds whatever happens.

mod credit;
mod events;
mod histories;
mod invoices;
mod orders;
mod vouchers;

use super::{Order, OrderTerms, PlaceOrder, SilenceMeans};
use crate::domain::market::{Market, OPENING};
use crate::ledger::Reason;
use crate::primitives::time::DAY_MS;
use crate::primitives::{Amount, BlockTime, Hash, ObjectId};

/// Has an operation performed, signed by these accounts, the first of them its sender.
macro_rules! perform {
    ($market:expr, [$($signer:expr),+], $operation:expr) => {{
        let (signers, operation) = ([$($signer),+], $operation);
        $market.stage.perform(&signers, |context, changes| operation.plan(context, changes))
    }};
}
use perform;

fn name_of<T: std::fmt::Debug>(result: Result<T, Reason>) -> &'static str {
    result.expect_err("it must be declined").name()
}

/// Terms of an order over so much, of which invoices are confirmed within ten days or by silence, and due in thirty.
fn terms(units: u64) -> OrderTerms {
    OrderTerms {
        amount: Amount::new(units),
        document_commitment: Hash([0x0d; 32]),
        line_count: 3,
        deliver_by: Some(BlockTime(OPENING.0 + 20 * DAY_MS)),
        confirmation_days: 10,
        silence: SilenceMeans::Confirms,
        payment_days: Some(30),
    }
}

fn placing(market: &Market, number: u8, terms: OrderTerms) -> PlaceOrder {
    PlaceOrder {
        supplier: market.supplier,
        token: market.token,
        currency: "HKD".parse().expect("a currency"),
        fingerprint: Hash([number; 32]),
        terms,
    }
}

/// An order that both have signed.
fn agreed(market: &mut Market, number: u8, terms: OrderTerms) -> ObjectId {
    let (buyer, supplier) = (market.buyer, market.supplier);
    let order = perform!(market, [buyer], placing(market, number, terms)).expect("a fresh number").object;
    perform!(market, [supplier], super::AcceptOrder { order }).expect("it was placed");
    order
}

fn order_of(market: &Market, id: ObjectId) -> Order {
    market.stage.read(&id).expect("it was placed")
}
