//! What comes in: cheap rules first, bounded work, and an answer to everyone.

use super::{Door, forged, simulate};
use crate::admission::{Decoded, Refusal};
use crate::consensus::ForwardedBatch;
use crate::execution::chronicle::{id, key, public, transfer};
use crate::node::intake::{Rejected, WaitingLimits};
use crate::primitives::{AccountId, Encode as _};
use bytes::Bytes;
use commonware_runtime::{Spawner as _, Supervisor as _};
use futures::FutureExt as _;
use futures::future::join_all;

const TWO: WaitingLimits = WaitingLimits { signatures_max: 2, bytes_max: 1 << 20 };

#[test]
fn what_needs_no_signature_is_refused_before_any_is_verified() {
    simulate(|context| async move {
        let mut door = Door::open(&context, WaitingLimits::default()).await;
        let clock = door.intake.now(&context);
        let mut draft = door.chronicle.draft(id("buyer"), vec![transfer("buyer", "supplier", 1).into()]);
        let mut unknown = draft.clone();
        unknown.envelope.sender = AccountId([7; 32]);
        let unknown = forged(door.chronicle.sign_with(&unknown, &[]).signed());
        let stranger = forged(door.chronicle.sign_with(&draft, &[]).signed());
        let mut bound = draft.clone();
        bound.envelope.co_signers = vec![id("financier")];
        let stripped = forged(door.chronicle.sign_with(&bound, &[public(&key("buyer"))]).signed());
        bound.envelope.co_signers = vec![id("nobody")];
        let nobodys = forged(door.chronicle.sign_with(&bound, &[public(&key("buyer"))]).signed());
        draft.envelope.chain_id.0[0] ^= 1;
        let foreign = forged(door.chronicle.sign(&draft).signed());
        // Nobody verifies here, so an answer at once is one that needed no verification.
        let at_once = |transaction| door.intake.submit(transaction, clock).now_or_never();
        let refused = |refusal: Refusal| Some(Err(Rejected::Refused(refusal)));
        assert_eq!(at_once(foreign), refused(Refusal::ForeignChain));
        assert_eq!(at_once(unknown), refused(Refusal::SenderUnknown { account: AccountId([7; 32]) }));
        assert_eq!(at_once(stranger), refused(Refusal::SenderSignatureMissing { account: id("buyer") }));
        assert_eq!(at_once(stripped), refused(Refusal::CoSignatureMissing { account: id("financier") }));
        assert_eq!(at_once(nobodys), refused(Refusal::CoSignerUnknown { account: id("nobody") }));
        let forgery = forged(&door.payment(1));
        assert_eq!(door.intake.submit(forgery.clone(), clock).now_or_never(), None, "this one does");

        context.child("verifier").spawn({
            let intake = door.intake.clone();
            move |context| intake.verify(context)
        });
        let invalid = Refusal::SignatureInvalid { public_key: public(&key("buyer")) };
        assert_eq!(door.intake.submit(forgery, clock).await, Err(Rejected::Refused(invalid)));
        let payment = door.payment(2);
        let pending = door.intake.submit(payment.clone(), clock).await.expect("it is good");
        assert_eq!(pending.transaction_id, payment.id());
        // What waits needs no second verification. With other signatures it does: whoever has a draft has its id.
        assert_eq!(door.intake.submit(payment.clone(), clock).now_or_never(), Some(Ok(pending)));
        let invalid = Refusal::SignatureInvalid { public_key: public(&key("buyer")) };
        assert_eq!(door.intake.submit(forged(&payment), clock).await, Err(Rejected::Refused(invalid)));
        assert_eq!(door.desk.waiting(), 1);
    });
}

#[test]
fn what_waits_to_be_verified_is_bounded_and_each_hears_its_own_answer() {
    simulate(|context| async move {
        let mut door = Door::open(&context, TWO).await;
        let clock = door.intake.now(&context);
        let payments: Vec<_> = (1..=4).map(|units| door.payment(units)).collect();
        let (good, spoilt) = (door.intake.submit(payments[0].clone(), clock), forged(&payments[1]));
        let mut waiting = [good.boxed(), door.intake.submit(spoilt, clock).boxed()];
        for each in &mut waiting {
            assert!(each.now_or_never().is_none(), "nobody verifies yet");
        }
        let third = door.intake.submit(payments[2].clone(), clock).await;
        assert_eq!(third, Err(Rejected::Refused(Refusal::PoolFull)));

        let intake = door.intake.clone();
        let verifier = context.child("verifier").spawn(move |context| intake.verify(context));
        let answers = join_all(waiting).await;
        assert!(answers[0].is_ok(), "a forgery beside it does it no harm: {:?}", answers[0]);
        assert!(matches!(&answers[1], Err(Rejected::Refused(Refusal::SignatureInvalid { .. }))));
        door.intake.submit(payments[2].clone(), clock).await.expect("there is room again");
        // However it ends, nobody is left waiting.
        verifier.abort();
        let _ = verifier.await;
        assert_eq!(door.intake.submit(payments[3].clone(), clock).await, Err(Rejected::Closed));
    });
}

/// Whoever knows a public key can send garbage in its account's name. Others get in all the same.
#[test]
fn garbage_in_one_name_makes_room_for_another() {
    simulate(|context| async move {
        let mut door = Door::open(&context, TWO).await;
        let clock = door.intake.now(&context);
        let garbage: Vec<_> = (1..=3).map(|units| forged(&door.payment(units))).collect();
        let mut first = door.intake.submit(garbage[0].clone(), clock).boxed();
        let mut second = door.intake.submit(garbage[1].clone(), clock).boxed();
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        let back = transfer("supplier", "buyer", 1);
        let honest = door.chronicle.transaction("supplier", vec![back.into()]).signed().clone();
        let mut honest = door.intake.submit(honest, clock).boxed();
        assert!((&mut honest).now_or_never().is_none(), "it is queued");
        let full = Err(Rejected::Refused(Refusal::PoolFull));
        assert_eq!((&mut second).now_or_never(), Some(full.clone()), "the newest of the longest line made room");
        assert_eq!(door.intake.submit(garbage[2].clone(), clock).now_or_never(), Some(full), "no more than its share");
        context.child("verifier").spawn({
            let intake = door.intake.clone();
            move |context| intake.verify(context)
        });
        assert!(honest.await.is_ok());
        assert!(matches!(first.await, Err(Rejected::Refused(Refusal::SignatureInvalid { .. }))));
    });
}

/// Between looking for a transaction among those that wait and finding it plausible, the same bytes may come in another way.
#[test]
fn the_same_bytes_by_another_way_are_no_reuse_of_their_own_request_id() {
    simulate(|context| async move {
        let mut door = Door::open(&context, TWO).await;
        let payment = door.payment(1);
        let transactions = vec![Bytes::from(payment.to_bytes())];
        door.intake
            .take_forwarded(&ForwardedBatch { from: public(&key("node-1")), transactions }, door.intake.now(&context));
        assert_eq!(door.desk.waiting(), 1);
        let again = Decoded::read(payment).expect("a good body");
        door.desk
            .plausible(again, door.intake.now(&context), door.chronicle.entries())
            .expect("it is the very one that waits");
    });
}

#[test]
fn who_waits_when_the_door_closes_hears_so() {
    simulate(|context| async move {
        let mut door = Door::open(&context, TWO).await;
        let payment = door.payment(1);
        let mut waiting = door.intake.submit(payment, door.intake.now(&context)).boxed();
        assert!((&mut waiting).now_or_never().is_none());
        door.intake.close();
        assert_eq!(waiting.await, Err(Rejected::Closed));
    });
}

#[test]
fn of_what_a_peer_forwards_the_good_comes_in() {
    simulate(|context| async move {
        let mut door = Door::open(&context, TWO).await;
        let payments: Vec<_> = (1..=3).map(|units| door.payment(units)).collect();
        let sent = [payments[0].clone(), forged(&payments[1]), payments[2].clone()];
        let mut transactions: Vec<Bytes> = sent.iter().map(|each| Bytes::from(each.to_bytes())).collect();
        transactions.insert(1, Bytes::from_static(b"noise"));
        let batch = ForwardedBatch { from: public(&key("node-1")), transactions };
        door.intake.take_forwarded(&batch, door.intake.now(&context));
        let waits = |place: usize| door.desk.is_waiting(&payments[place].id());
        assert_eq!([waits(0), waits(1), waits(2)], [true, false, true]);
    });
}

/// The disks of all nodes fill together. A node that takes nothing new in goes on, and answers for what it has.
#[test]
fn a_node_that_is_short_of_room_takes_nothing_new_in() {
    simulate(|context| async move {
        let mut door = Door::open(&context, WaitingLimits::default()).await;
        let clock = door.intake.now(&context);
        let intake = door.intake.clone();
        context.child("verifier").spawn(move |context| intake.verify(context));
        let (first, second) = (door.payment(1), door.payment(2));
        let pending = door.intake.submit(first.clone(), clock).await.expect("there is room");
        assert!(!door.intake.set_short_of_room(true));
        let refused = door.intake.submit(second.clone(), clock).await.expect_err("there is none").to_string();
        assert!(refused.contains("nearly full") && refused.contains("another node"), "{refused}");
        assert_eq!(door.intake.submit(first, clock).await, Ok(pending), "what it has already it has");
        assert!(door.intake.set_short_of_room(false));
        door.intake.submit(second, clock).await.expect("there is room again");
    });
}
