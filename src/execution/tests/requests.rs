//! Request ids: seen, remembered past their expiry, and forgotten by the queue of due things.

use crate::execution::chronicle::{Chronicle, HOUR_MS, MINUTE_MS, id, reason, transfer};
use crate::execution::{Ineligible, Operation, ParentState, apply_block};
use crate::ledger::due::due_by;
use crate::ledger::limits::{DUE_PER_BLOCK_MAX, REQUEST_RETENTION_MS, REQUESTS_PER_DUE_ENTRY_MAX};
use crate::ledger::{Column, Due, DueKey, DueKind, Request, View as _, Writes};
use crate::primitives::{AccountId, BlockTime, Encode as _, ObjectId, RequestId};
use bytes::Bytes;
use std::sync::Arc;

fn pay(units: u64) -> Vec<Operation> {
    vec![transfer("buyer", "supplier", units).into()]
}

#[test]
fn a_request_id_serves_once_applied_or_declined() {
    let mut chronicle = Chronicle::funded();
    for (units, expected) in [(5, "APPLIED"), (1_000_000, "INSUFFICIENT_FUNDS")] {
        let draft = chronicle.draft(id("buyer"), pay(units));
        let first = chronicle.sign(&draft);
        let outcome = chronicle.append(1_000, std::slice::from_ref(&first)).swap_remove(0);
        assert_eq!(reason(&outcome), expected);
        let mut again = draft;
        again.operations = pay(7);
        let again = chronicle.sign(&again);
        assert_ne!(again.id(), first.id());
        let height = chronicle.tip().header.height;
        let seen = Ineligible::RequestSeen { transaction_id: first.id(), height };
        assert_eq!(chronicle.build(1_000, &[first, again]).1, [seen.clone(), seen]);
    }
}

#[test]
fn two_senders_may_choose_the_same_request_id() {
    let mut chronicle = Chronicle::funded();
    let mut one = chronicle.draft(id("buyer"), pay(5));
    one.envelope.request_id = RequestId([7; 16]);
    let mut two = chronicle.draft(id("financier"), vec![transfer("financier", "supplier", 5).into()]);
    two.envelope.request_id = RequestId([7; 16]);
    let transactions = [chronicle.sign(&one), chronicle.sign(&two)];
    assert!(chronicle.append(1_000, &transactions).iter().all(|outcome| outcome.is_applied()));
}

#[test]
fn within_a_block_the_first_of_a_request_id_stands() {
    let mut chronicle = Chronicle::funded();
    let draft = chronicle.draft(id("buyer"), pay(5));
    let mut rival = draft.clone();
    rival.operations = pay(6);
    let (first, rival) = (chronicle.sign(&draft), chronicle.sign(&rival));
    let height = chronicle.tip().header.height + 1;
    let left_out = chronicle.append_eligible(1_000, &[first.clone(), rival]);
    assert_eq!(left_out, [Ineligible::RequestSeen { transaction_id: first.id(), height }]);
}

#[test]
fn a_request_id_is_remembered_for_an_hour_past_expiry_and_then_forgotten() {
    let mut chronicle = Chronicle::funded();
    let draft = chronicle.draft(id("buyer"), pay(5));
    let key = (id("buyer"), draft.envelope.request_id);
    chronicle.append(1_000, &[chronicle.sign(&draft)]);
    let expires_at = draft.envelope.expires_at.0;
    // Forgetting goes by the minute, and never early.
    let forgotten_from = (expires_at + REQUEST_RETENTION_MS).div_ceil(MINUTE_MS) * MINUTE_MS;

    let mut reused = draft.clone();
    reused.envelope.expires_at = BlockTime(forgotten_from + HOUR_MS);
    reused.operations = pay(6);
    chronicle.append(forgotten_from - 2 - chronicle.now().0, &[]);
    assert!(chronicle.read::<Request>(&key).is_some());
    assert!(matches!(chronicle.build(1, &[chronicle.sign(&reused)]).1[..], [Ineligible::RequestSeen { .. }]));
    let (idle, _) = chronicle.build(2, &[]);
    let forgotten = (Column::Requests, Bytes::from(key.to_bytes()));
    assert_eq!(idle.writes.get(&forgotten), Some(&None), "at {forgotten_from} it is forgotten");
    let outcomes = chronicle.append(2, &[chronicle.sign(&reused)]);
    assert!(outcomes[0].is_applied(), "and may serve again");
    chronicle.check_state();
}

#[test]
fn forgetting_needs_no_outcome_of_the_block() {
    let mut chronicle = Chronicle::funded();
    assert_eq!(chronicle.append(3 * HOUR_MS, &[]), []);
    assert!(due_by(&*chronicle.tip().view, chronicle.now(), DUE_PER_BLOCK_MAX).is_empty());
}

#[test]
fn a_block_works_off_a_bounded_number_of_due_things() {
    let chronicle = Chronicle::begin();
    let entries_in_one_block = DUE_PER_BLOCK_MAX / REQUESTS_PER_DUE_ENTRY_MAX;
    let entry_count = entries_in_one_block + 2;
    let writes: Writes = (0..entry_count)
        .map(|n| {
            let mut entry_id = ObjectId([0; 32]);
            entry_id.0[..8].copy_from_slice(&(n as u64).to_be_bytes());
            let requests = (0..REQUESTS_PER_DUE_ENTRY_MAX).map(|m| {
                let mut request_id = RequestId([0; 16]);
                request_id.0[..8].copy_from_slice(&((n << 32 | m) as u64).to_be_bytes());
                (AccountId([1; 32]), request_id)
            });
            let due = Due::ForgetRequests(requests.collect());
            let key = DueKey { at: chronicle.now(), kind: DueKind::ForgetRequests, id: entry_id };
            ((Column::Due, Bytes::from(key.to_bytes())), Some(Bytes::from(due.to_bytes())))
        })
        .collect();
    let mut entries = chronicle.entries().clone();
    entries.apply(&writes);
    let crowded = ParentState { view: Arc::new(entries.clone()), ..chronicle.tip().clone() };
    let executor =
        crate::execution::BlockExecutor::open(crowded.clone(), chronicle.place(1_000)).expect("a good place");
    let built = executor.close().expect("the invariants hold");
    let removed = built.writes.iter().filter(|((column, _), value)| *column == Column::Due && value.is_none()).count();
    assert_eq!(removed, entries_in_one_block);
    entries.apply(&built.writes);
    assert_eq!(entries.scan(Column::Due, &[], 10).len(), 2, "the rest waits for the next block");
    apply_block(crowded, &built.header, &[]).expect("a validator works off the same");
}
