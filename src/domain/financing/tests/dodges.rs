//! Ways around a rule that someone tried, each of which now ends at it.

use super::desk::{Desk, amount, name_of, publish, terms};
use crate::domain::financing::interest::{Compounding, DayCount, RATE_BPS_MAX, Rate};
use crate::domain::financing::{
    AttestLenderCapital, CapitalFigures, IssueCreditNote, LenderKind, Loan, Parameter, ParameterValue,
    RequestFinancing, set_parameter,
};
use crate::domain::market::OPENING;
use crate::domain::rehearsal::Performed;
use crate::domain::trade::{
    AppointCarrier, AssignReceivable, BusinessStep, DeclareEventError, ErrorGround, EventAction, EventKind, Part,
    RecordShipmentEvent, RegisterInvoice, RegisterReadPoint, SplitReceivable, part_id,
};
use crate::ledger::{Account, Reason, Role};
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, BlockTime, Hash, ObjectId};

fn rule(desk: &mut Desk, parameter: Parameter, figure: u64) {
    let value = ParameterValue { in_force_from: BlockTime(0), value: figure, law: "a law".to_owned() };
    desk.market.stage.edit(|changes| set_parameter(changes, parameter, value).expect("the first"));
}

fn plain(desk: &mut Desk) {
    let evidence = Default::default();
    let terms = crate::domain::financing::ProgrammeTerms { evidence, ..terms(&desk.market) };
    let financier = desk.market.financiers[0];
    desk.programme = publish(&mut desk.market, financier, terms).expect("a financier publishes");
}

fn ask_as(desk: &mut Desk, who: AccountId, receivable: ObjectId, units: u64) -> Result<Performed, Reason> {
    let (programme, purpose) = (desk.programme, String::new());
    let (citations, foreign_receipts) = (Vec::new(), Vec::new());
    let asking =
        RequestFinancing { receivable, programme, advance: amount(units), purpose, citations, foreign_receipts };
    desk.market.stage.perform(&[who], |context, changes| asking.plan(context, changes))
}

fn conditions_of(result: Result<Performed, Reason>) -> String {
    match result {
        Err(Reason::ProgrammeConditionsNotMet { conditions, .. }) => conditions,
        other => panic!("{other:?}"),
    }
}

fn attest(desk: &mut Desk, lender: AccountId, figures: CapitalFigures) {
    let auditor = desk.market.stage.open(60, None, &[Role::Auditor]);
    let operation = AttestLenderCapital { lender, token: desk.market.token, figures };
    let attested = desk.market.stage.perform(&[auditor], |context, changes| operation.plan(context, changes));
    attested.expect("by an auditor");
}

fn figures(kind: LenderKind, as_of: BlockTime) -> CapitalFigures {
    CapitalFigures {
        kind,
        as_of,
        net_assets: amount(100_000),
        loan_funding: amount(0),
        bond_funding: amount(0),
        capital: amount(10_000),
        risk_weighted_assets: amount(0),
        exposures: amount(0),
        lent: amount(0),
    }
}

/// Nobody joins a programme whose publisher does not sign, and either of the two ends it; a loan keeps its shares.
#[test]
fn a_stranger_does_not_stop_a_programme() {
    let mut desk = Desk::open();
    let [publisher, other] = desk.market.financiers;
    let evil = desk.market.stage.open(77, None, &[Role::Financier]);
    let join = crate::domain::financing::JoinProgramme { programme: desk.programme, share_bps: 1, limit: amount(0) };
    let alone = desk.market.stage.perform(&[evil], |context, changes| join.plan(context, changes));
    assert_eq!(alone.err(), Some(Reason::MissingSignature { account: publisher }));
    let nothing = crate::domain::financing::JoinProgramme { share_bps: 0, ..join };
    assert_eq!(nothing.check().expect_err("no share").field, "share_bps");

    desk.join(other, 3_000, 1_000).expect("both sign");
    let receivable = desk.market.confirmed(1, 20_000);
    let asking = desk.asking(receivable, 10_000);
    assert!(conditions_of(desk.request(&asking)).starts_with("participant: "), "its limit is reached");
    desk.join(other, 3_000, 100_000).expect("both sign");
    let token = desk.market.token;
    let empty = crate::ledger::Balance::default();
    let funds = desk.market.stage.read::<crate::ledger::Balance>(&(other, token)).expect("it has funds");
    desk.market.stage.edit(|changes| changes.put(&(other, token), &empty));
    assert_eq!(name_of(desk.request(&asking)), "INSUFFICIENT_FUNDS");
    desk.market.stage.edit(|changes| changes.put(&(other, token), &funds));
    let loan = desk.request(&asking).expect("all legs").object;

    assert_eq!(name_of(desk.remove_as(evil, other)), "NOT_THE_FINANCIER");
    assert_eq!(name_of(desk.remove_as(publisher, evil)), "NOT_A_PARTICIPANT");
    desk.market.alter(other, |account| account.closed = true);
    let second = desk.market.confirmed(2, 20_000);
    let again = desk.asking(second, 10_000);
    assert_eq!(name_of(desk.request(&again)), "ACCOUNT_CLOSED");
    desk.remove_as(publisher, other).expect("its own programme");
    desk.request(&again).expect("by the publisher alone");
    assert_eq!(desk.loan(loan).legs().len(), 2);
    desk.market.alter(other, |account| account.closed = false);
    desk.join(other, 3_000, 100_000).expect("both sign");
    desk.remove_as(other, other).expect("itself");
}

/// The cap holds for what is late too: where it is published, where it is lent, and of what accrues.
#[test]
fn a_late_rate_is_held_to_the_cap() {
    let dear = |desk: &Desk| {
        let mut terms = terms(&desk.market);
        (terms.pricing.rate.bps, terms.pricing.late_rate_bps) = (0, RATE_BPS_MAX);
        terms
    };
    let mut desk = Desk::open();
    let financier = desk.market.financiers[0];
    let terms = dear(&desk);
    let before = publish(&mut desk.market, financier, terms.clone()).expect("no cap is set");
    rule(&mut desk, Parameter::AllInCostMax, 2_400);
    assert_eq!(name_of(publish(&mut desk.market, financier, terms)), "ALL_IN_COST_ABOVE_CAP");
    desk.programme = before;
    let receivable = desk.market.confirmed(1, 20_000);
    let asking = desk.asking(receivable, 10_000);
    assert_eq!(name_of(desk.request(&asking)), "ALL_IN_COST_ABOVE_CAP");
}

/// However long something is late, it costs no more a year than the pricing says that lateness does.
#[test]
fn lateness_never_costs_more_than_is_said() {
    let market = crate::domain::market::Market::open();
    for bps in [1, 365, 1_095, 2_400, 9_999] {
        for day_count in [DayCount::Act365Fixed, DayCount::Act360] {
            for compounding in [Compounding::Simple, Compounding::Daily, Compounding::Monthly] {
                let mut pricing = terms(&market).pricing;
                (pricing.rate, pricing.late_rate_bps) = (Rate { bps: 0, day_count, compounding }, bps);
                let late = Rate { bps, ..pricing.rate };
                let from = crate::primitives::Day(20_800);
                let principal = amount(1_000_000_000_000);
                for days in [1, 2, 7, 30, 31, 90, 364, 365, 366, 1_000, 3_653] {
                    let to = from.checked_add(days).expect("a day");
                    let no_fee = (late, amount(0));
                    let cost = crate::domain::financing::application::all_in_cost_of(principal, no_fee, from, to);
                    let said = pricing.late_cost_bps();
                    assert!(
                        cost.bps_rounded_up() <= said,
                        "{bps} {day_count:?} {compounding:?} {days}: {cost:?}, {said}"
                    );
                }
            }
        }
    }
}

/// What of an advance is paid back within the days of grace was not late; the rest is as late as it was.
#[test]
fn a_unit_in_grace_forgives_nothing() {
    let owed_in_all = |trick: bool| {
        let mut desk = Desk::open_with(|terms| {
            (terms.pricing.grace_days, terms.pricing.late_rate_bps) = (60, 3_650);
        });
        let (_, id) = desk.lent();
        let on = |loan: &Loan, days| loan.terms.due_on.checked_add(days).expect("a day");
        let mut paid = 0;
        if trick {
            desk.days_after_due(60);
            let loan = desk.loan(id);
            let owed = loan.owed(on(&loan, 60));
            paid = owed.fee.minor_units() + owed.interest.minor_units() + 1;
            let supplier = desk.market.supplier;
            desk.repay_as(supplier, id, paid).expect("it was advanced more");
            let none = crate::domain::financing::Owed { principal: amount(9_999), ..Default::default() };
            assert_eq!(desk.loan(id).owed(on(&loan, 60)), none);
        }
        let loan = desk.loan(id);
        paid + loan.owed(on(&loan, 61)).total().minor_units()
    };
    let (straight, tricked) = (owed_in_all(false), owed_in_all(true));
    assert!(straight.abs_diff(tricked) <= 1, "{straight}, and {tricked} with a unit paid in grace");
}

/// A credit note takes off what no loan claims today, late interest included.
#[test]
fn a_credit_note_leaves_what_is_owed_today() {
    let mut desk = Desk::open_with(|terms| {
        terms.recourse = false;
        (terms.pricing.grace_days, terms.pricing.late_rate_bps) = (0, 3_650);
    });
    let (receivable, id) = desk.lent();
    desk.days_after_due(89);
    let loan = desk.loan(id);
    let owed = loan.owed(loan.terms.due_on.checked_add(89).expect("a day")).total();
    let owed = owed.minor_units();
    let (supplier, written) = (desk.market.supplier, desk.receivable(receivable).secured().minor_units());
    assert!(written < owed, "it was written when the loan was made");
    let mut credit = |units: u64| {
        let note = crate::domain::trade::IssueCreditNote {
            receivable,
            amount: amount(units),
            fingerprint: Hash([5; 32]),
            document_commitment: Hash([6; 32]),
        };
        let note = IssueCreditNote(note);
        desk.market.stage.perform(&[supplier], |context, changes| note.plan(context, changes))
    };
    assert_eq!(name_of(credit(20_000 - written)), "CREDIT_EXCEEDS_UNFINANCED");
    assert_eq!(name_of(credit(20_001 - owed)), "CREDIT_EXCEEDS_UNFINANCED");
    credit(20_000 - owed).expect("the last unit that no loan claims");
    desk.pay(receivable, owed).expect("the buyer has the funds");
    assert_eq!(desk.loan(id).state(), crate::domain::financing::LoanState::Repaid);
}

/// Whoever a receivable is passed on to borrows on what its supplier delivered, and is one of the programme's suppliers itself.
#[test]
fn a_shell_does_not_borrow_past_the_suppliers_limit() {
    let mut desk = Desk::open();
    let (supplier, financier) = (desk.market.supplier, desk.market.financiers[0]);
    let shell = desk.market.stage.open(50, None, &[Role::Merchant]);
    let with = |desk: &mut Desk, suppliers: Vec<AccountId>| {
        let mut terms = terms(&desk.market);
        (terms.suppliers, terms.evidence) = (suppliers, Default::default());
        terms.limits.per_supplier = amount(10_000);
        desk.programme = publish(&mut desk.market, financier, terms).expect("a financier publishes");
    };
    with(&mut desk, vec![supplier]);
    let [first, second] = [1, 2].map(|number| desk.market.confirmed(number, 20_000));
    let assign = AssignReceivable { receivable: second, assignee: shell };
    let stage = &mut desk.market.stage;
    stage.perform(&[supplier, shell], |context, changes| assign.plan(context, changes)).expect("both sign");
    assert!(conditions_of(ask_as(&mut desk, shell, second, 1)).starts_with("borrower: "));
    with(&mut desk, Vec::new());
    ask_as(&mut desk, supplier, first, 10_000).expect("its limit");
    assert_eq!(conditions_of(ask_as(&mut desk, shell, second, 1)), "per_supplier: more, must be 100.00 HKDX at most");
    // And what the shell has is its own, whoever delivered.
    with(&mut desk, Vec::new());
    ask_as(&mut desk, shell, second, 10_000).expect("its limit");
    let third = desk.market.confirmed(3, 20_000);
    assert_eq!(conditions_of(ask_as(&mut desk, supplier, third, 1)), "per_supplier: more, must be 100.00 HKDX at most");
}

/// All parts of an invoice count together.
#[test]
fn parts_do_not_pass_the_limit_of_their_invoice() {
    let mut desk = Desk::open();
    let (supplier, financier) = (desk.market.supplier, desk.market.financiers[0]);
    let mut terms = terms(&desk.market);
    terms.evidence = Default::default();
    terms.limits.per_invoice = amount(1_000);
    desk.programme = publish(&mut desk.market, financier, terms).expect("a financier publishes");
    let receivable = desk.market.confirmed(1, 8_000);
    for (receivable, units) in [(receivable, 4_000), (part_id(receivable, 0), 2_000)] {
        let parts = vec![Part { owner: supplier, amount: amount(units) }; 2];
        let split = SplitReceivable { receivable, parts, term_exception: String::new() };
        let stage = &mut desk.market.stage;
        stage.perform(&[supplier], |context, changes| split.plan(context, changes)).expect("its own");
    }
    let grandchild = part_id(part_id(receivable, 0), 1);
    ask_as(&mut desk, supplier, part_id(receivable, 1), 600).expect("600 of 1,000");
    let declined = conditions_of(ask_as(&mut desk, supplier, grandchild, 401));
    assert_eq!(declined, "per_invoice: more, must be 10.00 HKDX at most");
    ask_as(&mut desk, supplier, grandchild, 400).expect("the last unit");
}

/// A lender of the borrower's own company, or of the buyer's, finances nobody.
#[test]
fn nobody_lends_to_its_own_company() {
    let mut desk = Desk::open();
    plain(&mut desk);
    let receivable = desk.market.confirmed(1, 20_000);
    let [financier, other] = desk.market.financiers;
    let (supplier, buyer) = (desk.market.supplier, desk.market.buyer);
    desk.join(other, 3_000, 100_000).expect("both sign");
    for (lender, party) in [(financier, supplier), (financier, buyer), (other, supplier), (other, buyer)] {
        let mut desk = Desk { market: desk.market.clone(), programme: desk.programme };
        let company = desk.market.stage.read::<Account>(&party).expect("it is open").legal_entity_id;
        desk.market.alter(lender, |account| account.legal_entity_id = company);
        let declined = ask_as(&mut desk, supplier, receivable, 1_000).err();
        assert_eq!(declined, Some(Reason::LenderIsAParty { lender, party }));
    }
    ask_as(&mut desk, supplier, receivable, 1_000).expect("nobody's own");
}

/// What a party to an order records is its word; and one event is evidence of one invoice.
#[test]
fn evidence_is_a_carriers_and_of_one_invoice() {
    let mut desk = Desk::open();
    let (supplier, buyer, financier) = (desk.market.supplier, desk.market.buyer, desk.market.financiers[0]);
    let order = desk.market.ordered(9, 60_000);
    let carrier = desk.market.stage.open(8, None, &[Role::Carrier]);
    let company = |desk: &Desk, of| desk.market.stage.read::<Account>(&of).expect("it is open").legal_entity_id;
    let (own, suppliers, buyers) = (company(&desk, carrier), company(&desk, supplier), company(&desk, buyer));
    for entity in [suppliers, buyers] {
        desk.market.alter(carrier, |account| account.legal_entity_id = entity.clone());
        let appoint = AppointCarrier { order, carrier };
        let declined = desk.market.stage.perform(&[supplier], |context, changes| appoint.plan(context, changes));
        assert_eq!(declined.err(), Some(Reason::CarrierIsAParty { order, carrier }));
    }
    desk.market.alter(carrier, |account| account.legal_entity_id = own);
    desk.market.alter(supplier, |account| account.roles = account.roles.with(Role::Carrier));
    let itself = AppointCarrier { order, carrier: supplier };
    let declined = desk.market.stage.perform(&[buyer], |context, changes| itself.plan(context, changes));
    assert_eq!(name_of(declined), "CARRIER_IS_A_PARTY");
    let appoint = AppointCarrier { order, carrier };
    desk.market.stage.perform(&[supplier], |context, changes| appoint.plan(context, changes)).expect("another company");

    let mut terms = terms(&desk.market);
    terms.evidence = Default::default();
    terms.evidence.shipment_step = Some(BusinessStep::Loading);
    desk.programme = publish(&mut desk.market, financier, terms).expect("a financier publishes");
    let read_point = Hash([3; 32]);
    let dock = RegisterReadPoint { read_point };
    desk.market.stage.perform(&[carrier], |context, changes| dock.plan(context, changes)).expect("a new reader");
    let record = |desk: &mut Desk, hash: u8| {
        let event = RecordShipmentEvent {
            order,
            event_hash: Hash([hash; 32]),
            document_commitment: Hash([4; 32]),
            kind: EventKind::Object,
            action: EventAction::Observe,
            step: BusinessStep::Loading,
            event_time: desk.market.stage.now,
            utc_offset_minutes_plus_720: 720,
            read_point,
            objects_hash: Hash([hash; 32]),
        };
        desk.market.stage.perform(&[carrier], |context, changes| event.plan(context, changes)).expect("it happened");
    };
    record(&mut desk, 1);
    let receivables = [1, 2].map(|number| {
        let invoice = RegisterInvoice { order: Some(order), ..desk.market.invoice(number, 20_000) };
        let receivable = desk.market.register(invoice).expect("within the order");
        desk.market.confirm_as(buyer, receivable).expect("it was registered");
        receivable
    });
    let loan = ask_as(&mut desk, supplier, receivables[0], 10_000).expect("the event").object;
    let declined = conditions_of(ask_as(&mut desk, supplier, receivables[1], 10_000));
    assert_eq!(declined, "shipment_step: recorded, and another invoice was financed on it, must be loading");
    // Paid back and asked for again, it is the same invoice's evidence.
    desk.market.stage.mint(desk.market.token, supplier, 1_000);
    desk.repay_as(supplier, loan, 10_100).expect("principal and fee");
    ask_as(&mut desk, supplier, receivables[0], 10_000).expect("its own event");
    record(&mut desk, 2);
    ask_as(&mut desk, supplier, receivables[1], 10_000).expect("an event of its own");
}

/// An order with two confirmed invoices under it, and the carrier of its goods. The desk's programme asks for a step of their way.
struct Road {
    desk: Desk,
    order: ObjectId,
    carrier: AccountId,
    step: BusinessStep,
    invoices: [ObjectId; 2],
}

impl Road {
    fn open(step: BusinessStep) -> Self {
        let mut desk = Desk::open();
        let (supplier, buyer, financier) = (desk.market.supplier, desk.market.buyer, desk.market.financiers[0]);
        let mut terms = terms(&desk.market);
        terms.evidence = Default::default();
        terms.evidence.shipment_step = Some(step);
        desk.programme = publish(&mut desk.market, financier, terms).expect("a financier publishes");
        let order = desk.market.ordered(9, 60_000);
        let carrier = desk.market.stage.open(8, None, &[Role::Carrier]);
        let (appoint, dock) = (AppointCarrier { order, carrier }, RegisterReadPoint { read_point: Hash([3; 32]) });
        desk.market.stage.perform(&[supplier], |context, changes| appoint.plan(context, changes)).expect("a party");
        desk.market.stage.perform(&[carrier], |context, changes| dock.plan(context, changes)).expect("a new reader");
        let invoices = [1, 2].map(|number| {
            let invoice = RegisterInvoice { order: Some(order), ..desk.market.invoice(number, 20_000) };
            let receivable = desk.market.register(invoice).expect("within the order");
            desk.market.confirm_as(buyer, receivable).expect("it was registered");
            receivable
        });
        Self { desk, order, carrier, step, invoices }
    }

    /// An event of the goods, so many milliseconds after now, of a hash of its own.
    fn event(&self, hash: u8, after_ms: u64) -> RecordShipmentEvent {
        RecordShipmentEvent {
            order: self.order,
            event_hash: Hash([hash; 32]),
            document_commitment: Hash([4; 32]),
            kind: EventKind::Object,
            action: EventAction::Observe,
            step: self.step,
            event_time: BlockTime(self.desk.market.stage.now.0 + after_ms),
            utc_offset_minutes_plus_720: 720,
            read_point: Hash([3; 32]),
            objects_hash: Hash([5; 32]),
        }
    }

    fn record(&mut self, event: RecordShipmentEvent) {
        let recorded = self.desk.market.stage.perform(&[self.carrier], |context, changes| event.plan(context, changes));
        recorded.expect("it contradicts nothing");
    }

    fn declare_wrong(&mut self, event: RecordShipmentEvent, corrective_event: Option<Hash>) {
        let (order, event_hash, declared_at) = (self.order, event.event_hash, self.desk.market.stage.now);
        let ground = ErrorGround::IncorrectData;
        let wrong = DeclareEventError { order, event_hash, ground, declared_at, corrective_event };
        let declared = self.desk.market.stage.perform(&[self.carrier], |context, changes| wrong.plan(context, changes));
        declared.expect("its own event");
    }

    fn ask(&mut self, invoice: usize) -> Result<Performed, Reason> {
        let supplier = self.desk.market.supplier;
        ask_as(&mut self.desk, supplier, self.invoices[invoice], 10_000)
    }
}

/// The goods of a shipment are delivered once: neither another leg, nor the same step told in another action, nor an event that says
/// the first one right is evidence of a second invoice.
#[test]
fn goods_are_evidence_of_one_invoice_whatever_is_recorded_of_them() {
    use BusinessStep::{Departing, Shipping};
    type Telling = fn(&mut Road);
    let twice: Telling = |road| [road.event(1, 0), road.event(2, 1)].into_iter().for_each(|event| road.record(event));
    let and_deleted: Telling = |road| {
        let deleted = RecordShipmentEvent { action: EventAction::Delete, ..road.event(2, 1) };
        [road.event(1, 0), deleted].into_iter().for_each(|event| road.record(event));
    };
    let once: Telling = |road| road.record(road.event(1, 0));
    let corrected: Telling = |road| {
        let right = road.event(2, 1);
        road.declare_wrong(road.event(1, 0), Some(right.event_hash));
        road.record(right);
    };
    let corrected_to_others: Telling = |road| {
        let right = RecordShipmentEvent { objects_hash: Hash([6; 32]), ..road.event(2, 1) };
        road.declare_wrong(road.event(1, 0), Some(right.event_hash));
        road.record(right);
    };
    let declared_and_told_again: Telling = |road| {
        road.declare_wrong(road.event(1, 0), None);
        road.record(road.event(2, 1));
    };
    let rows: [(&str, BusinessStep, Telling, Telling); 5] = [
        ("two legs", Departing, twice, |_| ()),
        ("seen, and its life ended", Shipping, and_deleted, |_| ()),
        ("set right", Shipping, once, corrected),
        ("set right with other objects", Shipping, once, corrected_to_others),
        ("declared wrong, and told again", Shipping, once, declared_and_told_again),
    ];
    for (what, step, before, after) in rows {
        let mut road = Road::open(step);
        before(&mut road);
        road.ask(0).unwrap_or_else(|reason| panic!("{what}: {reason:?}"));
        after(&mut road);
        let must_be =
            format!("shipment_step: recorded, and another invoice was financed on it, must be {}", step.name());
        assert_eq!(conditions_of(road.ask(1)), must_be, "{what}");
        let others = RecordShipmentEvent { objects_hash: Hash([7; 32]), ..road.event(3, 2) };
        road.record(others);
        road.ask(1).unwrap_or_else(|reason| panic!("{what}: other goods are another matter: {reason:?}"));
    }
}

/// What is lent between the time that an attestation is as of and the attestation itself weighs on top of it.
#[test]
fn an_old_as_of_hides_no_loan() {
    let mut desk = Desk::open();
    plain(&mut desk);
    rule(&mut desk, Parameter::LeverageRatioMin, 1_000);
    let (supplier, financier) = (desk.market.supplier, desk.market.financiers[0]);
    attest(&mut desk, financier, figures(LenderKind::ConsumerFinance, OPENING));
    desk.market.stage.now = BlockTime(OPENING.0 + 2 * DAY_MS);
    let receivable = desk.market.confirmed(1, 200_000);
    ask_as(&mut desk, supplier, receivable, 100_000).expect("ten times its capital");
    let second = desk.market.confirmed(2, 20_000);
    for as_of in [OPENING.0 + 1, OPENING.0 + DAY_MS] {
        attest(&mut desk, financier, figures(LenderKind::ConsumerFinance, BlockTime(as_of)));
        assert_eq!(name_of(ask_as(&mut desk, supplier, second, 1)), "LEVERAGE_RATIO_BELOW_MINIMUM");
    }
    // An auditor who counted it among the exposures says so, and it counts once.
    let counted = CapitalFigures {
        exposures: amount(99_999),
        lent: amount(100_000),
        ..figures(LenderKind::ConsumerFinance, desk.market.stage.now)
    };
    attest(&mut desk, financier, counted);
    ask_as(&mut desk, supplier, second, 1).expect("the last unit");
}

/// A company has one share of its net assets to lend to a borrower, by however many accounts it lends; and one that nobody
/// attested lends nothing while there is such a rule.
#[test]
fn a_company_lends_its_share_once() {
    let mut desk = Desk::open();
    let supplier = desk.market.supplier;
    let [one, other] = desk.market.financiers;
    rule(&mut desk, Parameter::BorrowerShareMax, 1_000);
    plain(&mut desk);
    let [first, second, third] = [1, 2, 3].map(|number| desk.market.confirmed(number, 20_000));
    let unattested = ask_as(&mut desk, supplier, first, 1).expect_err("nobody attested it");
    let Reason::LenderNotAttested { lender, rule, law } = unattested else { panic!("{unattested:?}") };
    assert_eq!((lender, rule, law.as_str()), (one, "borrower-share-bps-max", "a law"));

    let company = desk.market.stage.read::<Account>(&one).expect("it is open").legal_entity_id;
    desk.market.alter(other, |account| account.legal_entity_id = company);
    attest(&mut desk, one, figures(LenderKind::SmallLoan, OPENING));
    ask_as(&mut desk, supplier, first, 10_000).expect("its share");
    let mut terms = terms(&desk.market);
    terms.evidence = Default::default();
    desk.programme = publish(&mut desk.market, other, terms).expect("a financier publishes");
    assert_eq!(name_of(ask_as(&mut desk, supplier, second, 1)), "BORROWER_SHARE_ABOVE_LIMIT");
    // In a joint loan of both, what both lend is one company's.
    let paid = desk.pay(first, 20_000);
    paid.expect("the buyer has the funds");
    plain(&mut desk);
    desk.join(other, 5_000, 100_000).expect("both sign");
    assert_eq!(name_of(ask_as(&mut desk, supplier, third, 10_001)), "BORROWER_SHARE_ABOVE_LIMIT");
    ask_as(&mut desk, supplier, third, 10_000).expect("its share");
}
