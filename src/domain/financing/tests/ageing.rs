//! Ageing that cannot be stopped: whose ids are whose, and what is done to a loan before its turn among what falls due.

use super::desk::{Desk, amount};
use crate::domain::financing::{Bucket, DeclareDefault, LoanState, RequestFinancing, WriteOffLoan};
use crate::domain::market::Market;
use crate::domain::tokens::RequestRedemption;
use crate::domain::trade::{PlaceOrder, RegisterInvoice};
use crate::ledger::{Changes, Context, Reason};
use crate::primitives::ids::ObjectKind;
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, BlockTime, ChainId, Hash, ObjectId, RequestId};

/// Plans operations one by one, each as the first of a transaction under one request id, as if it were forgotten in between.
struct OneRequest<'a>(&'a mut Market);

impl OneRequest<'_> {
    fn perform(
        &mut self,
        sender: AccountId,
        plan: impl FnOnce(&Context<'_>, &mut Changes<'_>) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let stage = &mut self.0.stage;
        let signers = stage.read::<crate::ledger::Account>(&sender).into_iter().flat_map(|of| of.keys.keys().to_vec());
        let signers = signers.collect();
        let context = Context {
            chain_id: ChainId([0xcc; 32]),
            height: 1,
            now: stage.now,
            sender,
            request_id: RequestId([9; 16]),
            operation_index: 0,
            signers: &signers,
        };
        let mut changes = Changes::new(&stage.view);
        plan(&context, &mut changes)?;
        let planned = changes.finish();
        stage.view.apply(&planned.writes);
        Ok(())
    }
}

fn id_of(sender: AccountId, kind: ObjectKind) -> ObjectId {
    crate::primitives::ids::Origin { sender, request_id: RequestId([9; 16]), operation_index: 0 }.object_id(kind)
}

/// The deadline of whatever the borrower makes under the loan's old request id stands beside the loan's ageing.
#[test]
fn nothing_takes_the_place_of_a_loans_ageing() {
    // The token's own calendar, so that both can be due at one time.
    let mut desk = Desk::open_with(|terms| {
        terms.calendar = Default::default();
        terms.evidence = Default::default();
    });
    let receivable = desk.market.confirmed(1, 20_000);
    let supplier = desk.market.supplier;
    let asking = RequestFinancing {
        receivable,
        programme: desk.programme,
        advance: amount(10_000),
        purpose: String::new(),
        citations: Vec::new(),
        foreign_receipts: Vec::new(),
    };
    let mut request = OneRequest(&mut desk.market);
    request.perform(supplier, |context, changes| asking.plan(context, changes)).expect("every condition holds");
    let id = id_of(supplier, ObjectKind::Loan);
    let ages_at = desk.loan(id).ageing_due(id).expect("it is not late yet").at;
    // A redemption asked for at noon of the last business day before is due when the loan is late.
    let calendar = crate::primitives::time::BusinessCalendar::default();
    let hours = (1..200).map(|hours| BlockTime(ages_at.0 - hours * DAY_MS / 24));
    let asked_at = hours.into_iter().find(|at| calendar.end_of_business_day_after(*at, 1) == Some(ages_at));
    desk.market.stage.now = asked_at.expect("within a week");
    let redeeming = RequestRedemption { token: desk.market.token, amount: amount(1), payout_commitment: Hash([1; 32]) };
    let mut request = OneRequest(&mut desk.market);
    request.perform(supplier, |context, changes| redeeming.plan(context, changes)).expect("it has the advance");
    let again = request.perform(supplier, |context, changes| redeeming.plan(context, changes));
    assert_eq!(again, Err(Reason::AlreadyExists { object: id_of(supplier, ObjectKind::Redemption) }));
    let due = crate::ledger::due::due_by(&desk.market.stage.view, ages_at, usize::MAX);
    assert_eq!(due.len(), 2, "{due:?}");
    desk.days_after_due(200);
    assert_eq!((desk.loan(id).state(), desk.loan(id).bucket()), (LoanState::Overdue, Bucket::Over90));
}

/// What an operation makes has an id of its kind: no two kinds share one.
#[test]
fn every_kind_has_ids_of_its_own() {
    let sender = AccountId([1; 32]);
    let ids: std::collections::BTreeSet<ObjectId> = ObjectKind::ALL.iter().map(|kind| id_of(sender, *kind)).collect();
    assert_eq!(ids.len(), ObjectKind::ALL.len());
    let mut market = Market::open();
    let (supplier, buyer) = (market.supplier, market.buyer);
    let invoice = RegisterInvoice { ..market.invoice(1, 500) };
    let mut request = OneRequest(&mut market);
    request.perform(supplier, |context, changes| invoice.plan(context, changes)).expect("a fresh fingerprint");
    let order = PlaceOrder {
        supplier,
        token: invoice.token,
        currency: invoice.currency,
        fingerprint: Hash([2; 32]),
        terms: crate::domain::trade::OrderTerms {
            amount: amount(500),
            document_commitment: Hash([3; 32]),
            line_count: 1,
            deliver_by: None,
            confirmation_days: 0,
            silence: crate::domain::trade::SilenceMeans::Nothing,
            payment_days: None,
        },
    };
    request.perform(buyer, |context, changes| order.plan(context, changes)).expect("a fresh number");
    assert!(market.stage.read::<crate::domain::trade::Receivable>(&id_of(supplier, ObjectKind::Receivable)).is_some());
    assert!(market.stage.read::<crate::domain::trade::Order>(&id_of(buyer, ObjectKind::Order)).is_some());
}

/// A block works off a limited number of due things. Whoever declares a default first ages the loan to what it is.
#[test]
fn a_default_comes_before_its_ageings_turn() {
    let mut desk = Desk::open();
    let (_, id) = desk.lent();
    desk.days_after_due(0);
    desk.market.stage.now = BlockTime(desk.market.stage.now.0 + 91 * DAY_MS);
    assert_eq!((desk.loan(id).state(), desk.loan(id).bucket()), (LoanState::Performing, Bucket::Current));
    let originator = desk.market.financiers[0];
    let declaring = DeclareDefault { loan: id };
    let declared = desk.market.stage.perform(&[originator], |context, changes| declaring.plan(context, changes));
    let effects = declared.expect("it is late enough").planned.effects;
    let told: Vec<&str> = effects.iter().map(|effect| effect.name.as_str()).collect();
    assert_eq!(told, ["financing.loan_aged", "financing.loan_defaulted"]);
    assert_eq!((desk.loan(id).state(), desk.loan(id).bucket()), (LoanState::Defaulted, Bucket::Over90));
    desk.work_off_due();
    assert_eq!(crate::ledger::due::due_by(&desk.market.stage.view, BlockTime(u64::MAX), usize::MAX), []);
    let writing = WriteOffLoan { loan: id };
    let written = desk.market.stage.perform(&[originator], |context, changes| writing.plan(context, changes));
    assert_eq!(written.expect("it is in default").planned.effects.len(), 1);
}
