//! Programmes, loans and offers as the wire shows them.

use super::visibility::Sight;
use crate::domain::financing::interest::{Compounding, DayCount};
use crate::domain::financing::{
    BookLine, Bucket, Condition, Leg, Loan, LoanState, Offer, Pricing, Programme, ProgrammeState, ProgrammeTerms,
    outstanding,
};
use crate::ledger::history::TIP_KEY;
use crate::ledger::{Changes, Tip, View};
use crate::primitives::{AccountId, Amount, BlockTime, ObjectId};
use crate::wire::pb::financing as pb;
use crate::wire::pb::tokens::BusinessCalendar;
use bytes::Bytes;

pub(super) fn id_bytes(id: &[u8; 32]) -> Bytes {
    Bytes::copy_from_slice(id)
}

fn accounts(ids: &[AccountId]) -> Vec<Bytes> {
    ids.iter().map(|id| id_bytes(&id.0)).collect()
}

/// A condition as the caller is told it.
pub(super) fn condition_to_pb(condition: Condition, sight: Sight<'_>) -> pb::FailingCondition {
    let told = condition.told_to(|lender| sight.of_lender(lender));
    let Condition { name, found, required, law, amounts, withheld: _ } = told;
    pb::FailingCondition {
        name: name.to_owned(),
        found,
        required,
        law,
        token_id: amounts.map(|amounts| amounts.token.to_string()).unwrap_or_default(),
        found_amount: amounts.and_then(|amounts| amounts.found).map(Amount::minor_units),
        required_amount: amounts.map(|amounts| amounts.required.minor_units()),
    }
}

pub(super) fn offer_to_pb(offer: &Offer, sight: Sight<'_>) -> pb::AssessFinancingResponse {
    pb::AssessFinancingResponse {
        failing: offer.against().into_iter().map(|condition| condition_to_pb(condition, sight)).collect(),
        fee: offer.terms.fee.minor_units(),
        interest: offer.interest.unwrap_or_default().minor_units(),
        due_on: offer.terms.due_on.to_string(),
        all_in_cost_bps: offer.terms.all_in_cost_bps,
        token_id: offer.terms.token.to_string(),
        advance: offer.terms.advance.minor_units(),
    }
}

pub(super) fn programme_to_pb(id: &ObjectId, programme: Programme, view: &dyn View) -> pb::Programme {
    let state = match programme.state() {
        ProgrammeState::Open => pb::ProgrammeState::Open,
        ProgrammeState::Closed => pb::ProgrammeState::Closed,
    };
    let participants = programme.participants().iter().map(|participant| pb::Participant {
        lender_account_id: id_bytes(&participant.lender.0),
        share_bps: participant.share_bps,
        limit: participant.limit.minor_units(),
    });
    pb::Programme {
        programme_id: id_bytes(&id.0),
        financier_account_id: id_bytes(&programme.financier.0),
        state: state.into(),
        participants: participants.collect(),
        outstanding: outstanding(&Changes::new(view), BookLine::Programme(*id), programme.terms.token).minor_units(),
        terms: Some(terms_to_pb(programme.terms)),
    }
}

fn terms_to_pb(terms: ProgrammeTerms) -> pb::ProgrammeTerms {
    let (limits, evidence) = (terms.limits, terms.evidence);
    pb::ProgrammeTerms {
        name: terms.name,
        token_id: terms.token.to_string(),
        buyer_account_ids: accounts(&terms.buyers),
        supplier_account_ids: accounts(&terms.suppliers),
        advance_rate_bps: terms.advance_rate_bps,
        tenor_days_min: terms.tenor_days_min,
        tenor_days_max: terms.tenor_days_max,
        pricing: Some(pricing_to_pb(&terms.pricing)),
        limits: Some(pb::Limits {
            total: limits.total.minor_units(),
            per_obligor: limits.per_obligor.minor_units(),
            per_supplier: limits.per_supplier.minor_units(),
            per_invoice: limits.per_invoice.minor_units(),
        }),
        evidence: Some(pb::EvidenceRequired {
            buyer_confirmed: evidence.buyer_confirmed,
            settlements_min: evidence.record.count_min,
            settlements_sum_min: evidence.record.sum_min.minor_units(),
            settlements_period_days_min: evidence.record.period_days_min,
            settlements_late_days_max: evidence.record.late_days_max,
            order_agreed: evidence.order_agreed,
            shipment_step: evidence.shipment_step.map_or(0, |step| i32::from(step.tag())),
            shipment_age_days_max: evidence.shipment_age_days_max,
            near_duplicates_max: evidence.near_duplicates_max.map(Into::into),
            network_chain_ids: evidence.networks.iter().map(|id| id_bytes(&id.0)).collect(),
        }),
        purposes: terms.purposes,
        recourse: terms.recourse,
        participation_bps_max: terms.participation_bps_max,
        calendar: Some(BusinessCalendar {
            utc_offset_minutes: i32::from(terms.calendar.utc_offset_minutes_plus_720) - 720,
            holidays: terms.calendar.holidays,
        }),
    }
}

fn pricing_to_pb(pricing: &Pricing) -> pb::Pricing {
    let day_count = match pricing.rate.day_count {
        DayCount::Act365Fixed => pb::DayCount::Act365Fixed,
        DayCount::Act360 => pb::DayCount::Act360,
        DayCount::Thirty360 => pb::DayCount::Thirty360,
    };
    let compounding = match pricing.rate.compounding {
        Compounding::Simple => pb::Compounding::Simple,
        Compounding::Daily => pb::Compounding::Daily,
        Compounding::Monthly => pb::Compounding::Monthly,
    };
    pb::Pricing {
        rate_bps: pricing.rate.bps,
        day_count: day_count.into(),
        compounding: compounding.into(),
        late_rate_bps: pricing.late_rate_bps,
        grace_days: pricing.grace_days,
        fee_bps: pricing.fee_bps,
        fee_flat: pricing.fee_flat.minor_units(),
    }
}

pub(super) fn loan_to_pb(id: &ObjectId, loan: &Loan, view: &dyn View) -> pb::Loan {
    let state = match loan.state() {
        LoanState::Performing => pb::LoanState::Performing,
        LoanState::Overdue => pb::LoanState::Overdue,
        LoanState::Defaulted => pb::LoanState::Defaulted,
        LoanState::WrittenOff => pb::LoanState::WrittenOff,
        LoanState::Repaid => pb::LoanState::Repaid,
        LoanState::Recovered => pb::LoanState::Recovered,
    };
    let bucket = match loan.bucket() {
        Bucket::Current => pb::LoanBucket::Current,
        Bucket::Days1To30 => pb::LoanBucket::Days1To30,
        Bucket::Days31To60 => pb::LoanBucket::Days31To60,
        Bucket::Days61To90 => pb::LoanBucket::Days61To90,
        Bucket::Over90 => pb::LoanBucket::Over90,
    };
    let now = view.read::<Tip>(&TIP_KEY).map_or(BlockTime::default(), |tip| tip.time);
    let programme = view.read::<Programme>(&loan.terms.programme);
    let today = programme.map_or(loan.terms.due_on, |programme| programme.terms.calendar.day_of(now));
    let owed = loan.owed(today);
    let leg = |leg: &Leg| pb::LoanLeg {
        lender_account_id: id_bytes(&leg.lender.0),
        lent: leg.lent.minor_units(),
        principal_received: leg.principal_received.minor_units(),
        charges_received: leg.charges_received.minor_units(),
    };
    let terms = &loan.terms;
    pb::Loan {
        loan_id: id_bytes(&id.0),
        receivable_id: id_bytes(&terms.receivable.0),
        programme_id: id_bytes(&terms.programme.0),
        borrower_account_id: id_bytes(&terms.borrower.0),
        token_id: terms.token.to_string(),
        advance: terms.advance.minor_units(),
        fee: terms.fee.minor_units(),
        principal: owed.principal.minor_units(),
        interest_owed: owed.interest.minor_units(),
        fee_owed: owed.fee.minor_units(),
        all_in_cost_bps: terms.all_in_cost_bps,
        started_on: terms.started_on.to_string(),
        due_on: terms.due_on.to_string(),
        recourse: terms.recourse,
        state: state.into(),
        bucket: bucket.into(),
        legs: loan.legs().iter().map(leg).collect(),
        written_off: loan.written_off().minor_units(),
        recovered: loan.recovered().minor_units(),
        borrower_legal_entity_id: terms.borrower_entity.clone(),
        obligor_legal_entity_id: terms.obligor_entity.clone(),
    }
}
