//! Financing: receivables turned into money at once, by rules that a financier published beforehand.
//!
//! # Life cycle
//! A financier publishes a [programme]; others may join it with a share of every loan. Whoever owns a confirmed
//! receivable asks under a programme and cites settlement receipts as its record. If every condition holds, and no rule of
//! law is broken, the [loan] is made, disbursed by all of its lenders and secured by the receivable in that one
//! operation; else the request is declined, with every condition that failed. The buyer then pays the invoice, in whole or
//! in parts: the lenders receive what the loan is owed first, the owner the rest.
//!
//! # Invariants
//! * A receivable secures at most one loan at a time, and never more than what is owed on it.
//! * An advance and its security change hands together, from every lender or from none.
//! * What is paid reaches lenders and owner in full, the lenders until the loan is repaid, each its share.
//! * What is outstanding by lender and by programme is counted as loans change, and each block is held to a recount.
//! * Every citation was proven when the request was made, from state and what the request carries alone.
//!
//! # Deliberately absent
//! Old blocks and receipts: a validator that joined by snapshot decides as any other. Discretion: a financier's judgement is
//! in its programme's terms. Loans to natural persons, minors and students among them: what secures a loan is a receivable
//! between legal entities, so nobody else can ask for one. Collection from an account that does not sign: recourse is a debt,
//! and its borrower pays it.

mod ageing;
pub mod all_in_cost;
mod application;
mod assessment;
mod book;
mod capital;
mod citation;
mod collection;
mod credit_note;
pub mod interest;
mod loan;
mod networks;
mod payment;
mod position;
mod programme;
mod purposes;
mod request;
mod rules;
mod shares;
mod standing;
#[cfg(test)]
mod tests;

pub use ageing::{Bucket, LoanClass};
pub use application::{Application, DryRun, Offer, financeable};
pub use assessment::{Condition, Exposure, Proposal, Withheld, assess};
pub use book::{BookLine, Outstanding, outstanding};
pub use capital::{AttestLenderCapital, CapitalFigures, LenderCapital, LenderKind};
pub use citation::{Citation, Evidence, Settlement, SettlementRecord, Shown, settlement_record};
pub use collection::{DeclareDefault, RecordRecovery, WriteOffLoan};
pub use credit_note::IssueCreditNote;
pub use loan::{Loan, LoanState, LoanStep, LoanTerms, Owed, age_loan, loan};
pub use networks::{
    DeclareForeignAccount, ForeignAccount, LinkForeignAccount, Network, NetworkState, RegisterNetwork, RetireNetwork,
    TokenPair, network,
};
pub use payment::{PayInvoice, RepayLoan};
pub use position::{
    By, Concentration, Concentrations, FellDue, LATELY_DAYS, LoanTally, Totals, classes, concentrations, lenders,
    totals,
};
pub use programme::{
    CloseProgramme, EvidenceRequired, JoinProgramme, Limits, OpenProgramme, Participant, Pricing, Programme,
    ProgrammeState, ProgrammeTerms, PublishProgramme, RecordRequired, RemoveParticipant, open_programmes, programme,
};
pub use purposes::{ForbiddenPurposes, SetForbiddenPurposes, forbid_purposes, require_purpose};
pub use request::RequestFinancing;
pub use rules::{Parameter, ParameterValue, ParameterValues, SetLendingParameter, in_force, set_parameter};
pub use shares::Leg;
pub use standing::{Parties, Standing, bps_rounded_up, standings};
