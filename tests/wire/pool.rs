//! The pool's bounds and turns.

use super::stand_in::{GENESIS_TIME_MS, StandIn, account, key, opening, signed};
use causeway::admission::{Admissible, Decoded, Origin, Pool, PoolLimits, Pooled, Refusal};
use causeway::node::service::LedgerHandle as _;
use causeway::primitives::{AccountId, BlockTime};
use causeway::wire::signed_transaction;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A transaction of bank `a` or `b`, told apart by its request; `number` makes another body under one request.
fn admissible(ledger: &StandIn, bank: bool, request: u8, number: u8, lasts_ms: u64) -> Admissible {
    let (name, by) = if bank { ("bank-a", key(1)) } else { ("bank-b", key(2)) };
    let mut body = opening(ledger, account(name), request, number);
    body.expires_at_ms = GENESIS_TIME_MS + lasts_ms;
    let received = signed_transaction(Some(signed(&body, &by))).expect("it is well-formed");
    let transaction = Decoded::read(received).and_then(Decoded::verify).expect("it is authentic");
    let snapshot = ledger.snapshot().expect("there is a state");
    Admissible::check(Arc::new(transaction), ledger.identity().chain_id, snapshot.time, &*snapshot.view)
        .expect("it is admissible")
}

/// One of a sender that need not be there, a customer of that institution.
fn waiting(ledger: &StandIn, sender: u8, institution: u8, request: u8) -> Admissible {
    let body = opening(ledger, AccountId([sender; 32]), request, 50);
    let received = signed_transaction(Some(signed(&body, &key(1)))).expect("it is well-formed");
    let transaction = Decoded::read(received).and_then(Decoded::verify).expect("it is authentic");
    Admissible::again(Arc::new(transaction), AccountId([institution; 32]))
}

#[test]
fn limits_hold_and_say_so() {
    let ledger = StandIn::open();
    let limits = PoolLimits { transactions_max: 5, bytes_max: 1 << 20, sender_transactions_max: 2 };
    let mut pool = Pool::new(limits);
    let one = admissible(&ledger, true, 1, 50, 1_000);
    assert_eq!(pool.insert(&one, Origin::Peer), Ok(Pooled::Added));
    assert_eq!(pool.client_transactions(0, 0).count(), 0);
    assert_eq!(pool.insert(&one, Origin::Client), Ok(Pooled::AlreadyWaiting));
    assert_eq!(pool.client_transactions(0, 0).count(), 1);
    let another_body = admissible(&ledger, true, 1, 51, 1_000);
    let reused = Refusal::RequestIdReused { transaction_id: one.transaction().id() };
    assert_eq!(pool.insert(&another_body, Origin::Client), Err(reused));
    assert_eq!(pool.insert(&admissible(&ledger, true, 2, 50, 1_000), Origin::Client), Ok(Pooled::Added));
    let third = admissible(&ledger, true, 3, 50, 1_000);
    assert_eq!(pool.insert(&third, Origin::Client), Err(Refusal::SenderQueueFull { waiting: 2 }));
    // Room comes back with finality.
    assert!(pool.remove(&one.transaction().id()).is_some());
    assert_eq!(pool.insert(&third, Origin::Client), Ok(Pooled::Added));
    let size = third.transaction().signed().encoded_len();
    let mut pool = Pool::new(PoolLimits { bytes_max: size - 1, ..limits });
    assert_eq!(pool.insert(&third, Origin::Client), Err(Refusal::PoolFull));
}

/// However many send without end, one more finds room; and within an institution it is the same among its senders.
#[test]
fn whoever_sends_without_end_leaves_room_for_others() {
    let ledger = StandIn::open();
    let limits = PoolLimits { transactions_max: 100, bytes_max: 1 << 20, sender_transactions_max: 1_000 };
    let fill = |pool: &mut Pool, sender: u8, institution: u8| {
        for request in 0..100 {
            let added = pool.insert(&waiting(&ledger, sender, institution, request), Origin::Peer);
            if let Err(refusal) = added {
                return (request, refusal.name());
            }
        }
        panic!("there is room without end")
    };
    let mut pool = Pool::new(limits);
    assert_eq!(fill(&mut pool, 1, 1), (34, "SENDER_QUEUE_FULL"), "a third of the pool for one sender");
    assert_eq!(fill(&mut pool, 2, 1), (11, "SENDER_QUEUE_FULL"), "for the next, a third of what is left");
    let rest: u8 = (3..20).map(|sender| fill(&mut pool, sender, 1).0).sum();
    assert_eq!((34 + 11 + rest, fill(&mut pool, 20, 1)), (50, (0, "INSTITUTION_QUEUE_FULL")), "half in all");
    let others: Vec<u8> = (2..6).map(|institution| fill(&mut pool, 20 + institution, institution).0).collect();
    assert_eq!(others, [17, 11, 8, 5], "and each of the others finds room");
    let bytes = waiting(&ledger, 1, 1, 100).transaction().signed().encoded_len();
    let mut pool = Pool::new(PoolLimits { bytes_max: 10 * bytes, ..limits });
    assert_eq!(fill(&mut pool, 1, 1), (5, "INSTITUTION_QUEUE_FULL"), "half of the bytes");
}

/// In turn among institutions, and among the senders of each: many accounts bring no more turns.
#[test]
fn many_accounts_of_one_institution_have_one_institutions_turns() {
    let ledger = StandIn::open();
    let mut pool = Pool::new(PoolLimits::default());
    for sender in 1..=8 {
        pool.insert(&waiting(&ledger, sender, 1, sender), Origin::Peer).expect("there is room");
    }
    for request in 1..=4 {
        pool.insert(&waiting(&ledger, 9, 2, request), Origin::Peer).expect("there is room");
    }
    let mut senders = Vec::new();
    for _ in 0..2 {
        let block = pool.for_block(4, usize::MAX, |id| senders.iter().any(|(taken, _)| taken == id));
        let of_lone = block.iter().filter(|each| each.envelope().sender == AccountId([9; 32])).count();
        assert_eq!((block.len(), of_lone), (4, 2));
        senders.extend(block.iter().map(|each| (each.id(), each.envelope().sender)));
    }
    let of_many: BTreeSet<AccountId> = senders.iter().map(|(_, sender)| *sender).collect();
    assert_eq!(of_many.len(), 5, "four of the many had their turn, and each one: {senders:?}");
}

#[test]
fn senders_take_turns_and_each_keeps_its_order() {
    let ledger = StandIn::open();
    let mut pool = Pool::new(PoolLimits::default());
    let busy: Vec<_> = (1..=6).map(|request| admissible(&ledger, true, request, 50, 1_000)).collect();
    for transaction in &busy {
        pool.insert(transaction, Origin::Client).expect("there is room");
    }
    let lone = admissible(&ledger, false, 1, 50, 1_000);
    pool.insert(&lone, Origin::Client).expect("there is room");
    let ids = |pool: &mut Pool, most: usize| -> Vec<_> {
        pool.for_block(most, usize::MAX, |_| false).iter().map(|transaction| transaction.id()).collect()
    };
    let first = ids(&mut pool, 3);
    assert!(first.contains(&lone.transaction().id()), "a lone payment waits for one turn");
    let of_busy: Vec<_> = first.iter().filter(|id| **id != lone.transaction().id()).collect();
    assert_eq!(of_busy, [&busy[0].transaction().id(), &busy[1].transaction().id()]);
    assert_eq!(ids(&mut pool, 100).len(), 7, "what is offered goes on waiting");
    let rest = pool.for_block(100, usize::MAX, |id| first.contains(id));
    assert_eq!(rest.len(), 4);
    let size = lone.transaction().signed().encoded_len();
    assert_eq!(pool.for_block(100, size * 2, |_| false).len(), 2);
    assert!(pool.for_block(100, 0, |_| false).is_empty());
}

#[test]
fn what_clients_gave_is_told_by_arrival_and_not_while_a_block_offers_it() {
    let ledger = StandIn::open();
    let mut pool = Pool::new(PoolLimits::default());
    let ids: Vec<_> = (1..=3)
        .map(|request| {
            let admissible = admissible(&ledger, true, request, 50, 1_000);
            pool.insert(&admissible, Origin::Client).expect("there is room");
            admissible.transaction().id()
        })
        .collect();
    let told = |pool: &Pool, from, committed| -> Vec<_> {
        pool.client_transactions(from, committed).map(|(arrival, transaction)| (arrival, transaction.id())).collect()
    };
    assert_eq!(told(&pool, 0, 0), [(0, ids[0]), (1, ids[1]), (2, ids[2])]);
    assert_eq!(told(&pool, 2, 0), [(2, ids[2])]);
    pool.note_offered(&ids[1], 7);
    assert_eq!(told(&pool, 0, 6), [(0, ids[0]), (2, ids[2])], "a block above offers it");
    assert_eq!(told(&pool, 0, 7).len(), 3, "the block of that height held others");
    pool.remove(&ids[0]);
    assert_eq!(told(&pool, 0, 7), [(1, ids[1]), (2, ids[2])]);
}

#[test]
fn what_expired_leaves() {
    let ledger = StandIn::open();
    let mut pool = Pool::new(PoolLimits::default());
    for (request, lasts_ms) in [(1, 1_000), (2, 2_000), (3, 3_000)] {
        pool.insert(&admissible(&ledger, true, request, 50, lasts_ms), Origin::Client).expect("there is room");
    }
    // A transaction may still stand in a block of the very time of its expiry.
    assert_eq!(pool.expire(BlockTime(GENESIS_TIME_MS + 2_000)).len(), 1);
    assert_eq!(pool.expire(BlockTime(GENESIS_TIME_MS + 9_000)).len(), 2);
    assert_eq!((pool.len(), pool.bytes()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever comes and goes, the limits hold and the counts are those of what waits.
    #[test]
    fn bounds_hold(steps in proptest::collection::vec((0u8..3, any::<bool>(), 0u8..8, 50u8..52), 0..40)) {
        let ledger = StandIn::open();
        let limits = PoolLimits { transactions_max: 6, bytes_max: 1_500, sender_transactions_max: 4 };
        let mut pool = Pool::new(limits);
        for (step, bank, request, number) in steps {
            let transaction = admissible(&ledger, bank, request, number, 1_000 + u64::from(request));
            match step {
                0 | 1 => drop(pool.insert(&transaction, Origin::Client)),
                _ => drop(pool.remove(&transaction.transaction().id())),
            }
            let all = pool.for_block(usize::MAX, usize::MAX, |_| false);
            prop_assert!(pool.len() <= 6 && pool.bytes() <= 1_500);
            prop_assert_eq!(all.len(), pool.len());
            prop_assert_eq!(all.iter().map(|waiting| waiting.signed().encoded_len()).sum::<usize>(), pool.bytes());
            let of_a = all.iter().filter(|waiting| waiting.envelope().sender == account("bank-a")).count();
            prop_assert!(of_a <= 4 && pool.len() - of_a <= 4);
        }
    }
}

/// How long a sender's transactions take to expire, all in one block interval: those that came last first, or those that came first.
fn takes_to_expire(transactions: &[Admissible], in_order: &[Admissible]) -> Duration {
    let mut pool = Pool::new(PoolLimits::default());
    for transaction in transactions {
        pool.insert(transaction, Origin::Peer).expect("there is room");
    }
    let sender = transactions[0].transaction().envelope().sender;
    let ids = |all: &[Admissible]| all.iter().map(|each| each.transaction().id()).collect::<Vec<_>>();
    assert_eq!(pool.of_sender(&sender).map(|each| each.id()).collect::<Vec<_>>(), ids(transactions));
    let began = Instant::now();
    let expired = pool.expire(BlockTime(u64::MAX));
    let took = began.elapsed();
    assert_eq!(expired.iter().map(|each| each.id()).collect::<Vec<_>>(), ids(in_order), "as their expiries are");
    assert!(pool.is_empty() && pool.bytes() == 0 && pool.of_sender(&sender).next().is_none());
    took
}

/// A sender chooses its expiries, and with them the order in which what it has waiting expires, under the pool's lock: each leaves as
/// fast from the end of its line as from the front. Were the line searched, the last of 8,192 would take as many steps.
#[test]
fn expiry_costs_the_same_in_whatever_order_a_sender_chose() {
    let ledger = StandIn::open();
    let transactions: Vec<Admissible> = (0..8_192u64)
        .map(|number| {
            let mut body = opening(&ledger, account("bank-a"), 1, 1);
            body.request_id = u128::from(number).to_be_bytes().to_vec().into();
            body.expires_at_ms = GENESIS_TIME_MS + 60_000 + number;
            let received = signed_transaction(Some(signed(&body, &key(1)))).expect("it is well-formed");
            let transaction = Decoded::read(received).and_then(Decoded::verify).expect("it is authentic");
            Admissible::again(Arc::new(transaction), AccountId([1; 32]))
        })
        .collect();
    let reversed: Vec<Admissible> = transactions.iter().rev().cloned().collect();
    // The best of three, since other programs run here too.
    let best = |arrived: &[Admissible]| (0..3).map(|_| takes_to_expire(arrived, &transactions)).min().expect("three");
    let (ascending, descending) = (best(&transactions), best(&reversed));
    assert!(
        descending < 5 * ascending,
        "{descending:?} where the first expires last, {ascending:?} where it expires first"
    );
}
