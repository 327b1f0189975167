//! Events of shipments by example: who records them, which contradict each other, how one is corrected.

use super::{agreed, name_of, perform, placing, terms};
use crate::domain::accounts::RotateKeys;
use crate::domain::market::{Market, OPENING};
use crate::domain::trade::*;
use crate::ledger::account::KeySet;
use crate::ledger::limits::{CARRIERS_PER_PARTY_MAX, EVENT_AHEAD_MS_MAX, EVENTS_PER_CARRIER_MAX};
use crate::ledger::{Reason, Role};
use crate::primitives::{AccountId, BlockTime, Encode as _, Hash, ObjectId, PublicKey};

const DOCK: Hash = Hash([0xd0; 32]);
const GATE: Hash = Hash([0xd1; 32]);
const HOUR_MS: u64 = 60 * 60 * 1000;

/// A market with an order, a carrier that reads at two places, and another that nobody appointed.
struct Road {
    market: Market,
    order: ObjectId,
    carrier: AccountId,
    other: AccountId,
    events: u8,
}

impl Road {
    fn open() -> Self {
        let mut market = Market::open();
        let order = agreed(&mut market, 1, terms(1_000));
        let [carrier, other] = [6, 7].map(|name| market.stage.open(name, None, &[Role::Carrier]));
        let supplier = market.supplier;
        perform!(market, [supplier], AppointCarrier { order, carrier }).expect("a party appoints");
        for (by, read_point) in [(carrier, DOCK), (carrier, GATE), (other, DOCK)] {
            perform!(market, [by], RegisterReadPoint { read_point }).expect("it is new to the carrier");
        }
        market.stage.now = BlockTime(OPENING.0 + 100 * HOUR_MS);
        Self { market, order, carrier, other, events: 0 }
    }

    /// An event so many hours after the order, of a hash of its own.
    fn event(&mut self, step: BusinessStep, hours: u64, read_point: Hash) -> RecordShipmentEvent {
        self.events += 1;
        RecordShipmentEvent {
            order: self.order,
            event_hash: Hash([self.events; 32]),
            document_commitment: Hash([0xec; 32]),
            kind: EventKind::Object,
            action: EventAction::Observe,
            step,
            event_time: BlockTime(OPENING.0 + hours * HOUR_MS),
            utc_offset_minutes_plus_720: 1_200,
            read_point,
            objects_hash: Hash([0x0b; 32]),
        }
    }

    fn record(&mut self, event: RecordShipmentEvent) -> Result<(), Reason> {
        let carrier = self.carrier;
        perform!(self.market, [carrier], event).map(|_| ())
    }

    /// Has an invoice financed on what the carrier recorded.
    fn serve(&mut self, event: RecordShipmentEvent, invoice: ObjectId) {
        let (order, key) = (self.order, (event.event_hash, self.carrier));
        let recorded: ShipmentEvent = self.market.stage.read(&(order, key)).expect("it was recorded");
        self.market.stage.edit(|changes| recorded.serve(order, invoice, changes));
    }

    /// The carrier declares its event wrong.
    fn declare(&mut self, wrong: RecordShipmentEvent, right: Option<RecordShipmentEvent>) {
        let (carrier, declare) = (self.carrier, declaring(self, wrong, right));
        perform!(self.market, [carrier], declare).expect("it is the carrier's own");
    }

    /// What an invoice can be financed on, by its hash, and whether there is what is spent.
    fn evidence(&self, step: BusinessStep, invoice: ObjectId) -> (Option<Hash>, bool) {
        let (found, spent) = evidence(&self.market.stage.view, self.order, step, invoice);
        (found.map(|event| event.event_hash), spent)
    }

    fn counted(&self) -> Vec<BusinessStep> {
        events_of_order(&self.market.stage.view, self.order).iter().map(|event| event.step).collect()
    }
}

fn declaring(road: &Road, wrong: RecordShipmentEvent, right: Option<RecordShipmentEvent>) -> DeclareEventError {
    DeclareEventError {
        order: road.order,
        event_hash: wrong.event_hash,
        ground: ErrorGround::IncorrectData,
        declared_at: road.market.stage.now,
        corrective_event: right.map(|right| right.event_hash),
    }
}

#[test]
fn events_arrive_in_any_order_and_are_read_in_theirs() {
    use BusinessStep::{Arriving, Departing, Receiving, Shipping};
    let mut road = Road::open();
    for (step, hours, read_point) in
        [(Receiving, 9, GATE), (Shipping, 1, DOCK), (Arriving, 8, GATE), (Departing, 2, DOCK)]
    {
        let event = road.event(step, hours, read_point);
        road.record(event).expect("its time fits");
    }
    assert_eq!(road.counted(), [Shipping, Departing, Arriving, Receiving]);
}

#[test]
fn recording_declines_each_for_its_own_reason() {
    let mut road = Road::open();
    let (buyer, supplier) = (road.market.buyer, road.market.supplier);
    let proposed =
        perform!(road.market, [buyer], placing(&road.market, 2, terms(1_000))).expect("a fresh number").object;
    let good = road.event(BusinessStep::Shipping, 1, DOCK);
    let ahead = BlockTime(road.market.stage.now.0 + EVENT_AHEAD_MS_MAX + 1);
    let rows = [
        ("UNKNOWN_ORDER", RecordShipmentEvent { order: ObjectId([0; 32]), ..good }),
        // How an order stands is told to those who carry it.
        ("CARRIER_NOT_APPOINTED", RecordShipmentEvent { order: proposed, ..good }),
        ("UNKNOWN_READ_POINT", RecordShipmentEvent { read_point: Hash([0; 32]), ..good }),
        ("EVENT_FROM_THE_FUTURE", RecordShipmentEvent { event_time: ahead, ..good }),
        ("EVENT_BEFORE_ORDER", RecordShipmentEvent { event_time: BlockTime(OPENING.0 - 1), ..good }),
    ];
    for (name, event) in rows {
        assert_eq!(name_of(road.record(event)), name);
    }
    let other = road.other;
    assert_eq!(name_of(perform!(road.market, [other], good)), "CARRIER_NOT_APPOINTED");
    assert_eq!(name_of(perform!(road.market, [supplier], good)), "ROLE_REQUIRED");
    road.record(good).expect("nothing is wrong with it");
    assert_eq!(name_of(road.record(good)), "EVENT_ALREADY_RECORDED");
    let within =
        RecordShipmentEvent { event_time: BlockTime(ahead.0 - 1), ..road.event(BusinessStep::Storing, 0, DOCK) };
    road.record(within).expect("a clock may be a little ahead");
    assert!(
        RecordShipmentEvent { utc_offset_minutes_plus_720: 1_561, ..good }.check().is_err() && good.check().is_ok()
    );
}

/// A hash is of content alone: whoever sees it, in a pool or in the goods' papers, could take it first.
#[test]
fn another_carriers_record_of_an_event_is_in_nobodys_way() {
    let mut road = Road::open();
    let (other, carrier, order, supplier) = (road.other, road.carrier, road.order, road.market.supplier);
    let rightful = road.event(BusinessStep::Shipping, 3, GATE);
    // The squatter states what it likes under the hash: another step, another time, or the same with its own read point.
    let squatting = [
        RecordShipmentEvent { step: BusinessStep::Storing, event_time: BlockTime(OPENING.0), ..rightful },
        RecordShipmentEvent { event_time: BlockTime(OPENING.0 + HOUR_MS), ..rightful },
        rightful,
    ];
    for squatted in squatting {
        let mut road = Road::open();
        perform!(road.market, [supplier], AppointCarrier { order, carrier: other }).expect("a party appoints");
        let squatted = RecordShipmentEvent { read_point: DOCK, ..squatted };
        perform!(road.market, [other], squatted).expect("it says so first");
        road.record(rightful).expect("the rightful carrier's record is its own");
        let own: ShipmentEvent =
            road.market.stage.read(&(order, (rightful.event_hash, carrier))).expect("it was recorded");
        assert_eq!((own.step, own.event_time, own.read_point), (rightful.step, rightful.event_time, GATE));
        assert_eq!(name_of(road.record(rightful)), "EVENT_ALREADY_RECORDED", "once by each");
        assert_eq!(name_of(perform!(road.market, [other], squatted)), "EVENT_ALREADY_RECORDED");
        // Each takes back its own, and the other's stays.
        let declare = DeclareEventError {
            order,
            event_hash: rightful.event_hash,
            ground: ErrorGround::DidNotOccur,
            declared_at: road.market.stage.now,
            corrective_event: None,
        };
        perform!(road.market, [other], declare).expect("it is its own");
        assert_eq!(road.counted(), [BusinessStep::Shipping]);
    }
}

/// Two records of one event are evidence of one invoice together: the goods are delivered once, whoever tells of it.
#[test]
fn an_event_that_two_recorded_is_evidence_of_one_invoice() {
    let mut road = Road::open();
    let (other, order, supplier) = (road.other, road.order, road.market.supplier);
    perform!(road.market, [supplier], AppointCarrier { order, carrier: other }).expect("a party appoints");
    let event = road.event(BusinessStep::Shipping, 3, DOCK);
    road.record(event).expect("nothing stands against it");
    perform!(road.market, [other], event).expect("it is its own record");
    let [first, second] = [ObjectId([1; 32]), ObjectId([2; 32])];
    let of = |road: &Road, invoice| evidence(&road.market.stage.view, order, BusinessStep::Shipping, invoice);
    let (shown, spent) = of(&road, first);
    assert!(!spent);
    road.market.stage.edit(|changes| shown.expect("it counts").serve(order, first, changes));
    assert_eq!(of(&road, second), (None, true));
    assert!(of(&road, first).0.is_some_and(|event| event.serves.is_none_or(|of| of == first)));
}

/// What happens to goods that an invoice was financed on tells of them: other events about the same objects, what says an event right
/// that was declared wrong, whatever objects that states, and what is about those.
#[test]
fn what_tells_of_spent_goods_is_spent() {
    use BusinessStep::{Departing, Shipping};
    let mut road = Road::open();
    let [first, second] = [ObjectId([1; 32]), ObjectId([2; 32])];
    let wrong = road.event(Shipping, 5, DOCK);
    let right = RecordShipmentEvent { objects_hash: Hash([0x0c; 32]), ..road.event(Shipping, 4, DOCK) };
    let righter = RecordShipmentEvent { objects_hash: Hash([0x0d; 32]), ..road.event(Shipping, 3, DOCK) };
    road.record(wrong).expect("nothing stands against it");
    road.serve(wrong, first);
    road.declare(wrong, Some(right));
    assert_eq!(road.evidence(Shipping, second), (None, false), "what is wrong is no evidence");
    // Recorded after the error was declared; then another leg; then what sets that right in turn, recorded before.
    road.record(right).expect("it is about other objects");
    assert_eq!(road.evidence(Shipping, second), (None, true));
    assert_eq!(road.evidence(Shipping, first), (Some(right.event_hash), false), "it is that invoice's own");
    let leg = RecordShipmentEvent { objects_hash: right.objects_hash, ..road.event(Departing, 6, GATE) };
    road.record(leg).expect("legs repeat");
    assert_eq!(road.evidence(Departing, second), (None, true));
    road.record(righter).expect("it is about other objects");
    assert_eq!(road.evidence(Shipping, second), (Some(righter.event_hash), true), "nothing ties it to them yet");
    road.declare(right, Some(righter));
    assert_eq!(road.evidence(Shipping, second), (None, true));
    // An event that says nothing of those goods is free, and so is what repeats none of them.
    let others = RecordShipmentEvent { objects_hash: Hash([0x0e; 32]), ..road.event(Shipping, 2, DOCK) };
    road.record(others).expect("it is about other objects");
    assert_eq!(road.evidence(Shipping, second), (Some(others.event_hash), true));
}

/// Another carrier's word about a hash is its own, unless a lender relied on the very record.
#[test]
fn nobody_spends_another_carriers_event_by_naming_it() {
    use BusinessStep::{Departing, Shipping, Storing};
    let mut road = Road::open();
    let (other, order, supplier) = (road.other, road.order, road.market.supplier);
    let [first, second] = [ObjectId([1; 32]), ObjectId([2; 32])];
    perform!(road.market, [supplier], AppointCarrier { order, carrier: other }).expect("a party appoints");
    let sold = road.event(Shipping, 3, DOCK);
    let rightful = RecordShipmentEvent { objects_hash: Hash([0x0c; 32]), ..road.event(Shipping, 4, DOCK) };
    for event in [sold, rightful] {
        road.record(event).expect("nothing stands against it");
    }
    road.serve(sold, first);
    // Of the goods that are spent, under the rightful event's hash; and of an event of those that the rightful one were to set right.
    let squatted = RecordShipmentEvent { step: Storing, objects_hash: sold.objects_hash, ..rightful };
    let named = road.event(Departing, 5, DOCK);
    for event in [squatted, named] {
        perform!(road.market, [other], event).expect("it says so");
    }
    let declare = declaring(&road, named, Some(rightful));
    perform!(road.market, [other], declare).expect("it is its own");
    assert_eq!(road.evidence(Shipping, second), (Some(rightful.event_hash), true));
    // The record that was relied on spends what it names, whoever recorded that.
    let corrected = RecordShipmentEvent { objects_hash: Hash([0x0d; 32]), ..road.event(Shipping, 6, DOCK) };
    perform!(road.market, [other], corrected).expect("it is about other objects");
    assert_eq!(road.evidence(Shipping, second), (Some(corrected.event_hash), true));
    road.declare(sold, Some(corrected));
    assert_eq!(road.evidence(Shipping, second), (Some(rightful.event_hash), true));
}

#[test]
fn parties_appoint_so_many_carriers() {
    let mut road = Road::open();
    let (buyer, supplier, stranger, order) =
        (road.market.buyer, road.market.supplier, road.market.stranger, road.order);
    let appoint = |carrier| AppointCarrier { order, carrier };
    let (carrier, other) = (road.carrier, road.other);
    assert_eq!(name_of(perform!(road.market, [stranger], appoint(other))), "NOT_A_PARTY_TO_THE_ORDER");
    assert_eq!(name_of(perform!(road.market, [buyer], appoint(stranger))), "ROLE_REQUIRED");
    let buyers: [AccountId; CARRIERS_PER_PARTY_MAX] =
        std::array::from_fn(|place| road.market.stage.open(100 + place as u8, None, &[Role::Carrier]));
    for next in buyers {
        for again in [false, true] {
            let appointed = perform!(road.market, [buyer], appoint(next));
            appointed.unwrap_or_else(|reason| panic!("{next} {again}: {reason:?}"));
        }
    }
    assert_eq!(name_of(perform!(road.market, [buyer], appoint(other))), "TOO_MANY_CARRIERS");
    // The other party's places are its own, and a carrier that both appointed is one.
    perform!(road.market, [supplier], appoint(carrier)).expect("once more changes nothing");
    let mut of_supplier = vec![other];
    of_supplier.extend([200, 201].map(|name| road.market.stage.open(name, None, &[Role::Carrier])));
    for next in of_supplier {
        perform!(road.market, [supplier], appoint(next)).expect("there is room");
    }
    assert_eq!(name_of(perform!(road.market, [supplier], appoint(buyers[0]))), "TOO_MANY_CARRIERS");
    let found: Order = road.market.stage.read(&order).expect("it was placed");
    assert_eq!(found.carriers().len(), 2 * CARRIERS_PER_PARTY_MAX);
}

/// What a party's carrier records voids nothing that the other party's saw, whichever comes first; what both parties' carrier
/// recorded stands against each of them.
#[test]
fn a_carrier_is_contradicted_by_those_whom_its_own_party_appointed() {
    let contradicting = |buyers: &[bool], first_is_carrier: bool| {
        let mut road = Road::open();
        let (carrier, other, order, buyer) = (road.carrier, road.other, road.order, road.market.buyer);
        // The supplier appointed `carrier`; the buyer appoints `other`, and `carrier` too where that is asked for.
        for (appointed, asked) in [other, carrier].into_iter().zip(buyers) {
            if *asked {
                perform!(road.market, [buyer], AppointCarrier { order, carrier: appointed }).expect("a party appoints");
            }
        }
        let (first, second) = if first_is_carrier { (carrier, other) } else { (other, carrier) };
        let shipped = road.event(BusinessStep::Shipping, 3, DOCK);
        perform!(road.market, [first], shipped).expect("nothing stands against it");
        let again = road.event(BusinessStep::Shipping, 5, DOCK);
        perform!(road.market, [second], again).err().map(|reason| reason.name())
    };
    for (buyers, first_is_carrier, declined) in [
        ([true, false], true, None),
        ([true, false], false, None),
        // `carrier` is both parties', so its word stands against the buyer's own, and the buyer's own not against it.
        ([true, true], true, Some("EVENT_CONTRADICTED")),
        ([true, true], false, None),
    ] {
        assert_eq!(contradicting(&buyers, first_is_carrier), declined, "{buyers:?} {first_is_carrier}");
    }
}

/// A row for each rule of the table, and one for each of its limits.
#[test]
fn events_that_cannot_both_be_true() {
    use BusinessStep::{Accepting, Arriving, Commissioning, Departing, Inspecting, Packing, Receiving, Shipping};
    type Said = (BusinessStep, u64, Hash);
    let rows: [(Said, Said, Option<&str>); 14] = [
        ((Departing, 2, DOCK), (Arriving, 2, GATE), Some("one_place_at_a_time")),
        ((Inspecting, 2, DOCK), (Packing, 2, GATE), Some("one_place_at_a_time")),
        ((Departing, 2, DOCK), (Arriving, 2, DOCK), None),
        ((Shipping, 2, DOCK), (Shipping, 3, DOCK), Some("step_happens_once")),
        ((Receiving, 2, DOCK), (Receiving, 3, GATE), Some("step_happens_once")),
        ((Receiving, 2, DOCK), (Receiving, 2, DOCK), None),
        ((Departing, 2, DOCK), (Departing, 3, GATE), None),
        ((Inspecting, 2, DOCK), (Inspecting, 3, DOCK), None),
        ((Shipping, 5, DOCK), (Commissioning, 6, DOCK), Some("steps_have_an_order")),
        ((Packing, 5, DOCK), (Receiving, 4, GATE), Some("steps_have_an_order")),
        ((Accepting, 5, DOCK), (Arriving, 6, DOCK), Some("steps_have_an_order")),
        ((Shipping, 5, DOCK), (Departing, 4, DOCK), None),
        ((Receiving, 5, DOCK), (Arriving, 5, DOCK), None),
        ((Accepting, 5, DOCK), (Inspecting, 6, DOCK), None),
    ];
    for (first, second, rule) in rows {
        for (one, two) in [(first, second), (second, first)] {
            let mut road = Road::open();
            let standing = road.event(one.0, one.1, one.2);
            road.record(standing).expect("nothing stands against it");
            let next = road.event(two.0, two.1, two.2);
            let expected = rule.map(|rule| Reason::EventContradicted { event_hash: standing.event_hash, rule });
            assert_eq!(road.record(next).err(), expected, "{one:?} {two:?}");
            let elsewhere = RecordShipmentEvent { objects_hash: Hash([0x0c; 32]), ..road.event(two.0, two.1, two.2) };
            road.record(elsewhere).expect("other objects are another matter");
        }
    }
}

#[test]
fn an_event_declared_wrong_counts_no_longer_and_contradicts_nothing() {
    let mut road = Road::open();
    let (carrier, other, order) = (road.carrier, road.other, road.order);
    let wrong = road.event(BusinessStep::Shipping, 5, DOCK);
    let right = road.event(BusinessStep::Shipping, 3, DOCK);
    road.record(wrong).expect("nothing stands against it");
    assert_eq!(name_of(road.record(right)), "EVENT_CONTRADICTED");
    let now = road.market.stage.now;
    let declare = DeclareEventError {
        order,
        event_hash: wrong.event_hash,
        ground: ErrorGround::IncorrectData,
        declared_at: now,
        corrective_event: Some(right.event_hash),
    };
    let ahead = BlockTime(now.0 + EVENT_AHEAD_MS_MAX + 1);
    assert_eq!(name_of(perform!(road.market, [other], declare)), "CARRIER_NOT_APPOINTED");
    let buyer = road.market.buyer;
    perform!(road.market, [buyer], AppointCarrier { order, carrier: other }).expect("a party appoints");
    for (name, by, declare) in [
        ("NOT_THE_CARRIER", other, declare),
        ("UNKNOWN_ORDER", carrier, DeclareEventError { order: ObjectId([0; 32]), ..declare }),
        ("UNKNOWN_EVENT", carrier, DeclareEventError { event_hash: right.event_hash, ..declare }),
        ("EVENT_FROM_THE_FUTURE", carrier, DeclareEventError { declared_at: ahead, ..declare }),
    ] {
        assert_eq!(name_of(perform!(road.market, [by], declare)), name);
    }
    perform!(road.market, [carrier], declare).expect("it is the carrier's own");
    assert_eq!(road.counted(), []);
    assert_eq!(name_of(perform!(road.market, [carrier], declare)), "EVENT_DECLARED_WRONG");
    assert_eq!(name_of(road.record(wrong)), "EVENT_ALREADY_RECORDED");
    road.record(right).expect("nothing stands against it any more");
    assert_eq!(road.counted(), [BusinessStep::Shipping]);
    assert_eq!(recorded_events(&road.market.stage.view, order).len(), 2);
    assert!(DeclareEventError { corrective_event: Some(wrong.event_hash), ..declare }.check().is_err());
}

#[test]
fn a_retired_read_point_says_no_more_than_it_read_before() {
    let mut road = Road::open();
    let (carrier, other, supplier) = (road.carrier, road.other, road.market.supplier);
    let retire = RetireReadPoint { read_point: GATE };
    assert_eq!(name_of(perform!(road.market, [carrier], RegisterReadPoint { read_point: GATE })), "READ_POINT_EXISTS");
    assert_eq!(name_of(perform!(road.market, [supplier], RegisterReadPoint { read_point: GATE })), "ROLE_REQUIRED");
    assert_eq!(name_of(perform!(road.market, [other], retire)), "UNKNOWN_READ_POINT");
    perform!(road.market, [carrier], retire).expect("it is its own");
    assert_eq!(name_of(perform!(road.market, [carrier], retire)), "READ_POINT_RETIRED");
    assert_eq!(name_of(perform!(road.market, [carrier], RegisterReadPoint { read_point: GATE })), "READ_POINT_EXISTS");
    let since = road.event(BusinessStep::Arriving, 100, GATE);
    assert_eq!(name_of(road.record(since)), "READ_POINT_RETIRED");
    let before = road.event(BusinessStep::Arriving, 99, GATE);
    road.record(before).expect("it was in use then");
    // The other's, under the same commitment, is another.
    perform!(road.market, [other], RetireReadPoint { read_point: DOCK }).expect("it is its own");
    let at_dock = road.event(BusinessStep::Departing, 98, DOCK);
    road.record(at_dock).expect("the carrier's own is in use");
}

#[test]
fn events_outlive_the_keys_and_the_account_that_recorded_them() {
    let mut road = Road::open();
    let carrier = road.carrier;
    let first = road.event(BusinessStep::Shipping, 1, DOCK);
    road.record(first).expect("nothing stands against it");
    let keys = KeySet::new(vec![PublicKey([0x99; 32])], 1).expect("one key");
    let rotate = RotateKeys { account: carrier, keys: keys.clone() };
    let both = [PublicKey([6; 32]), PublicKey([0x99; 32])].into();
    let rotated = road.market.stage.perform_signed(carrier, &both, |context, changes| rotate.plan(context, changes));
    rotated.expect("both sets signed");
    let second = road.event(BusinessStep::Departing, 2, DOCK);
    let old = [PublicKey([6; 32])].into();
    let by_old = road.market.stage.perform_signed(carrier, &old, |context, changes| second.plan(context, changes));
    assert_eq!(name_of(by_old), "MISSING_SIGNATURE");
    road.record(second).expect("the new key signs");
    road.market.alter(carrier, |account| account.closed = true);
    let third = road.event(BusinessStep::Arriving, 3, DOCK);
    assert_eq!(name_of(road.record(third)), "ACCOUNT_CLOSED");
    assert_eq!(road.counted().len(), 2);
}

/// A carrier that records all it may takes no room from another.
#[test]
fn a_carrier_records_so_many_events_of_an_order() {
    let mut road = Road::open();
    let order = road.order;
    let event = road.event(BusinessStep::Storing, 1, DOCK);
    road.record(event).expect("nothing stands against it");
    let stored: ShipmentEvent =
        road.market.stage.read(&(order, (event.event_hash, road.carrier))).expect("it was recorded");
    road.market.stage.edit(|changes| {
        for number in 1..EVENTS_PER_CARRIER_MAX as u64 {
            let mut event_hash = Hash([0xff; 32]);
            event_hash.0[..8].copy_from_slice(&number.to_be_bytes());
            changes.put(&(order, (event_hash, stored.carrier)), &ShipmentEvent { event_hash, ..stored });
        }
    });
    let next = road.event(BusinessStep::Storing, 2, DOCK);
    assert_eq!(name_of(road.record(next)), "TOO_MANY_EVENTS");
    let (buyer, other) = (road.market.buyer, road.other);
    perform!(road.market, [buyer], AppointCarrier { order, carrier: other }).expect("a party appoints");
    perform!(road.market, [other], next).expect("its room is its own");
}

/// State and messages hold steps by number.
#[test]
fn steps_are_numbered_in_the_order_of_the_standards_list() {
    let numbers: Vec<Vec<u8>> = BusinessStep::ALL.iter().map(|step| step.to_bytes()).collect();
    assert_eq!(numbers, (1..=15).map(|number| vec![number]).collect::<Vec<_>>());
}
