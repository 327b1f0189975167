//! Programmes, loans and their ends, other networks.

use super::super::super::cast::{GENESIS_TIME_MS, account, token};
use super::super::own_ledger::{EPOCH_LENGTH, OwnLedger};
use super::trade::{due_in, registering};
use super::{Desk, money, opened};
use causeway::client::operations::{self, NewFinancingRequest, NewProgramme, Operation};
use causeway::domain::financing::{RegisterNetwork, TokenPair};
use causeway::primitives::ids::ObjectKind;
use causeway::primitives::time::DAY_MS;
use causeway::primitives::{AccountId, Amount, ObjectId};
use rand::RngExt as _;
use rand::rngs::StdRng;

/// What each lender has in the beginning.
const LENT_MAX: u64 = 100_000_000;
/// The programmes of the opening, by place: their publishers. Request ids of programmes are their places.
const PROGRAMMES: [&str; 3] = ["financier", "rival", "financier"];
/// The one of them in which the rival takes a part.
const JOINT: usize = 2;
/// Request ids of what will be late, and what each invoice of it is over.
const LATE_INVOICES: [u64; 3] = [20, 21, 22];
const LATE_LOANS: [u64; 3] = [30, 31, 32];
const LATE_AMOUNT: u64 = 50_000;

/// A programme of the opening.
pub fn programme(place: usize) -> ObjectId {
    opened(PROGRAMMES[place], place as u64, ObjectKind::Programme)
}

pub fn published_programmes(desk: &mut Desk<'_>) {
    for (place, lender) in PROGRAMMES.into_iter().enumerate() {
        desk.act_under(place as u64, &[lender], vec![operations::publish_programme(terms())]);
    }
}

pub fn funded_lenders(desk: &mut Desk<'_>) {
    for lender in &PROGRAMMES[..2] {
        desk.act("buyer", money::pay("buyer", lender, LENT_MAX));
    }
    desk.act_with(&["rival", "financier"], operations::join_programme(programme(JOINT), 4_000, Amount::new(LENT_MAX)));
}

/// Invoices that are due long before the months have passed that a plan may have pass.
pub fn late_invoices(desk: &mut Desk<'_>) {
    for number in LATE_INVOICES {
        let invoice = due_in(desk, None, &format!("late {number}"), LATE_AMOUNT, 2);
        desk.act_under(number, &["supplier"], vec![invoice]);
    }
}

fn late_invoice(place: usize) -> ObjectId {
    opened("supplier", LATE_INVOICES[place], ObjectKind::Receivable)
}

fn late_loan(place: usize) -> ObjectId {
    opened("supplier", LATE_LOANS[place], ObjectKind::Loan)
}

pub fn confirmed_late_invoices(desk: &mut Desk<'_>) {
    for place in 0..LATE_INVOICES.len() {
        desk.act("buyer", operations::confirm_invoice(late_invoice(place)));
    }
}

pub fn late_loans(desk: &mut Desk<'_>) {
    for (place, number) in LATE_LOANS.into_iter().enumerate() {
        let programme = programme([0, 1, JOINT][place]);
        desk.act_under(number, &["supplier"], vec![asking(late_invoice(place), programme, LATE_AMOUNT / 2)]);
    }
}

/// Months after the opening: loans are in default, written off, and something of them comes in after all. One is paid by its
/// borrower while its lender declares it lost.
pub fn collection(desk: &mut Desk<'_>) {
    let lenders = [PROGRAMMES[0], PROGRAMMES[1], PROGRAMMES[JOINT]];
    for (place, lender) in lenders.into_iter().enumerate() {
        desk.act(lender, operations::declare_default(late_loan(place)));
    }
    desk.act("supplier", operations::repay_loan(late_loan(1), Amount::new(LATE_AMOUNT / 20)));
    desk.then();
    for (place, lender) in lenders.into_iter().enumerate() {
        let rivals = [(); 2].map(|()| desk.act(lender, operations::write_off_loan(late_loan(place))));
        desk.race("whether a loan is an asset", &[], &rivals);
    }
    desk.then();
    for (place, lender) in lenders.into_iter().enumerate() {
        desk.act(lender, operations::record_recovery(late_loan(place), Amount::new(LATE_AMOUNT / 10)));
    }
    desk.act("buyer", operations::pay_invoice(late_invoice(1), Amount::new(LATE_AMOUNT / 10), "late"));
}

/// Two financiers are asked for a loan on one receivable at once; the loan is repaid by borrower and buyer at once.
pub fn two_financiers(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = rng.random_range(10_000..500_000);
    let receivable = desk.act("supplier", registering(desk, "financed", amount)).made;
    desk.then();
    let confirmed = desk.act("buyer", operations::confirm_invoice(receivable));
    desk.then();
    let advance = amount * rng.random_range(10..80) / 100;
    let mut places = [0, 1, JOINT];
    places.rotate_left(rng.random_range(0..3));
    let rivals: Vec<_> =
        places[..2].iter().map(|place| desk.act("supplier", asking(receivable, programme(*place), advance))).collect();
    desk.race("a receivable's pledge", &[confirmed], &rivals);
    desk.then();
    for loan in &rivals {
        desk.act("supplier", operations::repay_loan(loan.made, Amount::new(advance / 2)));
    }
    desk.act("buyer", operations::pay_invoice(receivable, Amount::new(amount), "all of it"));
}

/// A programme that two lend under, until one leaves it; and it is closed while somebody asks under it.
pub fn joint_programme(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = rng.random_range(10_000..500_000);
    let joint = desk.act("rival", operations::publish_programme(terms())).made;
    let receivable = desk.act("supplier", registering(desk, "jointly financed", amount)).made;
    desk.then();
    let (share, limit) = (rng.random_range(1..5_500), Amount::new(LENT_MAX));
    desk.act_with(&["financier", "rival"], operations::join_programme(joint, share, limit));
    desk.act("buyer", operations::confirm_invoice(receivable));
    desk.then();
    let asked = desk.act("supplier", asking(receivable, joint, amount / 2));
    let leaving = operations::remove_participant(joint, account("financier"));
    let rivals = ["financier", "rival"].map(|who| desk.act(who, leaving.clone()));
    desk.race("a participant's place", &[], &rivals);
    desk.act("rival", operations::close_programme(joint));
    desk.then();
    desk.act("supplier", operations::repay_loan(asked.made, Amount::new(amount / 10)));
    desk.act("supplier", asking(receivable, joint, amount / 4));
}

/// A network that governance registers, on which the supplier has an account; its receipts are believed until it is retired.
pub fn other_network(desk: &mut Desk<'_>) {
    let mut there = OwnLedger::new(&format!("network {}", desk.deed));
    let (here, network) = (desk.cast.chain_id(), there.cast.chain_id());
    let own = operations::declare_foreign_account(here, account("supplier"));
    let declared = there.cast.transaction("supplier", 1, GENESIS_TIME_MS + DAY_MS, [own]);
    there.append(&[declared]);
    let receipt = there.receipt(1, 0);
    let registration = RegisterNetwork {
        network,
        name: "elsewhere".to_owned(),
        validators: there.cast.genesis.validators().clone(),
        epoch_length: EPOCH_LENGTH,
        tokens: vec![TokenPair { there: token(), here: token() }],
    };
    desk.act("governance", operations::register_network(&registration));
    desk.act("supplier", operations::declare_foreign_account(network, account("supplier")));
    desk.then();
    let rivals = [(); 2].map(|()| desk.act("supplier", operations::link_foreign_account(receipt.clone())));
    desk.race("an account's link", &[], &rivals);
    desk.then();
    desk.act("governance", operations::retire_network(network));
    desk.then();
    desk.act("supplier", operations::link_foreign_account(receipt));
}

pub fn asking(receivable: ObjectId, programme: ObjectId, advance: u64) -> Operation {
    operations::request_financing(NewFinancingRequest {
        receivable,
        programme,
        advance: Amount::new(advance),
        // Stated, since a list of forbidden purposes may be in force.
        purpose: "working-capital".to_owned(),
        citations: Vec::new(),
        foreign_receipts: Vec::new(),
    })
}

/// Up to 90 % of a confirmed invoice, without asking for more.
fn terms() -> NewProgramme {
    NewProgramme {
        name: "STORM".to_owned(),
        token: token(),
        buyers: Vec::<AccountId>::new(),
        suppliers: Vec::new(),
        advance_rate_bps: 9_000,
        tenor_days_max: 365,
        rate_bps: 800,
        late_rate_bps: 1_200,
        fee_bps: 50,
        limit: Amount::new(LENT_MAX),
        settlements_min: 0,
        settlements_late_days_max: 0,
        order_agreed: false,
        shipment_step: None,
        shipment_age_days_max: None,
        near_duplicates_max: None,
        networks: Vec::new(),
        purposes: Vec::new(),
        recourse: true,
        participation_bps_max: 6_000,
        utc_offset_minutes: 480,
        holidays: Vec::new(),
    }
}
