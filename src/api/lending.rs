//! `LendingService`: the lender's rules, which are public; lenders' books and capital, for themselves and whoever supervises
//! them; the supervisor's view of all lenders; and the other networks whose settlements are evidence.
//!
//! # Invariants
//! * An answer is of one snapshot, and says which.
//! * What it costs is bounded by the constants below, and what was not read for that is said.

use super::caller::{Caller, identify};
use super::loans::id_bytes;
use super::networks::{foreign_accounts, networks};
use super::page::{Cursor, OF_RECKONINGS, PageRequest};
use super::status::{malformed, not_found, status};
use super::visibility::Sight;
use crate::domain::financing::{
    BookLine, By, Concentrations, FellDue, LenderCapital, LenderKind, Loan, LoanClass, LoanTally, Parameter,
    ParameterValue, ParameterValues, Parties, Programme, Standing, bps_rounded_up, classes, concentrations, in_force,
    lenders, outstanding, standings, totals,
};
use crate::ledger::open_items::loans_of;
use crate::ledger::{Account, Changes, Column, Entry, OpenItem, View};
use crate::node::service::{LedgerHandle, Snapshot};
use crate::primitives::time::{BusinessCalendar, DAY_MS};
use crate::primitives::{AccountId, Amount, BlockTime, Decode as _, Encode as _, ObjectId, TokenId};
use crate::wire::pb::financing as pb;
use crate::wire::pb::financing::lending_service_server::LendingService;
use crate::wire::{account_id, optional, parameter_number, token_id};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tonic::{Code, Request, Response, Status};

/// Most lines of a lender's book that are read for its concentrations.
const LINES_MAX: usize = 10_000;
/// The same for each lender of the supervisor's view.
const SUPERVISED_LINES_MAX: usize = 1_000;
/// Most loans of a lender that are read for its book.
const LOANS_MAX: usize = 5_000;
/// How many concentrations are told apart.
const LARGEST: usize = 10;
/// How many loans that fell due lately are told apart.
const FELL_DUE_MAX: usize = 20;
/// How many loans are read at a time.
const LOANS_BATCH: usize = 256;

/// The service.
#[derive(Clone)]
pub(super) struct Lending(pub Arc<dyn LedgerHandle>);

#[tonic::async_trait]
impl LendingService for Lending {
    async fn get_lending_rules(
        &self,
        request: Request<pb::GetLendingRulesRequest>,
    ) -> Result<Response<pb::GetLendingRulesResponse>, Status> {
        let (_, Snapshot { view, height, time }) = identify(&*self.0, &request)?;
        let changes = Changes::new(&*view);
        let rules = Parameter::ALL.iter().map(|parameter| rule_to_pb(*parameter, time, &changes)).collect();
        Ok(Response::new(pb::GetLendingRulesResponse { height, time_ms: time.0, rules }))
    }

    async fn get_lender_capital(
        &self,
        request: Request<pb::GetLenderCapitalRequest>,
    ) -> Result<Response<pb::GetLenderCapitalResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let message = request.get_ref();
        let lender = supervised(caller.required()?, &message.lender_account_id, &*snapshot.view)?;
        let token = token_id("token_id", &message.token_id).map_err(malformed)?;
        let capital = capital_of((lender, token), snapshot.time, &*snapshot.view);
        let capital = Some(capital.ok_or_else(|| not_found("attestation of capital"))?);
        Ok(Response::new(pb::GetLenderCapitalResponse { height: snapshot.height, capital }))
    }

    async fn get_book(&self, request: Request<pb::GetBookRequest>) -> Result<Response<pb::GetBookResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let message = request.get_ref();
        let lender = supervised(caller.required()?, &message.lender_account_id, &*snapshot.view)?;
        let mut tokens = tokens_of(lender, &*snapshot.view);
        if !message.token_id.is_empty() {
            let only = token_id("token_id", &message.token_id).map_err(malformed)?;
            tokens.retain(|token| *token == only);
        }
        let loans = read_loans(lender, &snapshot).await;
        let ledger = Reading { changes: &Changes::new(&*snapshot.view), now: snapshot.time, lines_max: LINES_MAX };
        let of_token = |token| ledger.book(lender, token, Some(&loans));
        let books = tokens.into_iter().map(of_token).collect::<Result<_, _>>()?;
        let (height, time_ms) = (snapshot.height, snapshot.time.0);
        Ok(Response::new(pb::GetBookResponse { height, time_ms, books }))
    }

    async fn get_supervision(
        &self,
        request: Request<pb::GetSupervisionRequest>,
    ) -> Result<Response<pb::GetSupervisionResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        let (caller, view) = (caller.required()?, &*snapshot.view);
        if !Sight::new(caller, view).supervises() {
            return Err(status(
                Code::PermissionDenied,
                "ROLE_REQUIRED",
                "all lenders are seen by observers, operators, auditors and governance",
            ));
        }
        let message = request.get_ref();
        let (page_size, page_token) = (message.page_size, &*message.page_token);
        let asked = PageRequest { filter: "supervision".to_owned(), page_size, page_token };
        let cursor = Cursor::open(caller, &asked, OF_RECKONINGS)?;
        let after = cursor.after.as_deref().and_then(AccountId::from_slice);
        let found = lenders(view, after, cursor.size);
        let last = found.last().filter(|_| found.len() == cursor.size);
        let next_page_token = last.map_or_else(String::new, |lender| cursor.token(&lender.0));
        let mut books = Vec::new();
        for lender in found {
            // A lender's concentrations take milliseconds: others' calls go in between.
            tokio::task::yield_now().await;
            let changes = Changes::new(view);
            let ledger = Reading { changes: &changes, now: snapshot.time, lines_max: SUPERVISED_LINES_MAX };
            for token in tokens_of(lender, view) {
                books.push(ledger.book(lender, token, None)?);
            }
        }
        let (totals, totals_truncated) = totals_to_pb(view)?;
        let (height, time_ms) = (snapshot.height, snapshot.time.0);
        let answer = pb::GetSupervisionResponse { height, time_ms, totals, totals_truncated, books, next_page_token };
        Ok(Response::new(answer))
    }

    async fn list_networks(
        &self,
        request: Request<pb::ListNetworksRequest>,
    ) -> Result<Response<pb::ListNetworksResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        networks(caller, &snapshot, request.get_ref()).map(Response::new)
    }

    async fn list_foreign_accounts(
        &self,
        request: Request<pb::ListForeignAccountsRequest>,
    ) -> Result<Response<pb::ListForeignAccountsResponse>, Status> {
        let (caller, snapshot) = identify(&*self.0, &request)?;
        foreign_accounts(caller.required()?, &snapshot, request.get_ref()).map(Response::new)
    }
}

/// The lender that is asked for, if the caller sees its book.
fn supervised(caller: Caller, lender: &[u8], view: &dyn View) -> Result<AccountId, Status> {
    let named = optional(lender, |id| account_id("lender_account_id", id)).map_err(malformed)?;
    let lender = named.or(caller.account()).ok_or_else(|| not_found("lender"))?;
    let sight = Sight::new(caller, view);
    let known = view.read::<Account>(&lender).is_some();
    let seen = known && (sight.of_account(lender) || sight.supervises());
    if seen { Ok(lender) } else { Err(not_found("lender")) }
}

/// The legal entity by which a lender is counted.
fn entity_of(lender: AccountId, view: &dyn View) -> String {
    view.read::<Account>(&lender).map(|account| account.legal_entity_id).unwrap_or_default()
}

/// The tokens in which a lender has something out, written off, or attested.
fn tokens_of(lender: AccountId, view: &dyn View) -> BTreeSet<TokenId> {
    let mut tokens: BTreeSet<TokenId> = classes(view, lender).into_keys().collect();
    let prefix = entity_of(lender, view).to_bytes();
    let attested = view.scan(Column::LenderCapital, &prefix, crate::ledger::limits::TOKENS_MAX);
    for (key, _) in attested.into_iter().take_while(|(key, _)| key.starts_with(&prefix)) {
        match <LenderCapital as Entry>::Key::from_bytes(&key) {
            Ok((_, token)) => drop(tokens.insert(token)),
            Err(_) => view.note_corruption(Column::LenderCapital, &key),
        }
    }
    tokens
}

/// What a lender's open loans say, by token.
struct Loans {
    tallies: BTreeMap<TokenId, LoanTally>,
    truncated: bool,
}

async fn read_loans(lender: AccountId, snapshot: &Snapshot) -> Loans {
    let (view, prefix) = (&*snapshot.view, loans_of(lender));
    let mut loans = Loans { tallies: BTreeMap::new(), truncated: false };
    let mut calendars: BTreeMap<ObjectId, BusinessCalendar> = BTreeMap::new();
    let (mut from, mut read) = (prefix.clone(), 0);
    loop {
        let entries = view.scan(Column::OpenItems, &from, LOANS_BATCH);
        let last_batch = entries.len() < LOANS_BATCH;
        for (key, _) in entries {
            if !key.starts_with(&prefix) {
                return loans;
            }
            if read == LOANS_MAX {
                loans.truncated = true;
                return loans;
            }
            read += 1;
            let Ok((_, OpenItem::Loan(id))) = <(AccountId, OpenItem)>::from_bytes(&key) else {
                view.note_corruption(Column::OpenItems, &key);
                continue;
            };
            from = [&key[..], &[0]].concat();
            let Some(loan) = view.read::<Loan>(&id) else { continue };
            let calendar = calendars.entry(loan.terms.programme).or_insert_with(|| {
                view.read::<Programme>(&loan.terms.programme).map(|found| found.terms.calendar).unwrap_or_default()
            });
            let today = calendar.day_of(snapshot.time);
            loans.tallies.entry(loan.terms.token).or_default().take_up(lender, id, &loan, today);
        }
        if last_batch {
            return loans;
        }
        tokio::task::yield_now().await;
    }
}

/// A state at a time, from which books are made.
struct Reading<'a> {
    changes: &'a Changes<'a>,
    now: BlockTime,
    lines_max: usize,
}

impl Reading<'_> {
    fn book(&self, lender: AccountId, token: TokenId, loans: Option<&Loans>) -> Result<pb::Book, Status> {
        let in_classes = classes(self.changes, lender).remove(&token).unwrap_or_default();
        let in_classes = in_classes.iter().map(|(class, amount)| (*class, u128::from(amount.minor_units()))).collect();
        let (classes, non_performing_bps) = classes_to_pb(&in_classes)?;
        let total = outstanding(self.changes, BookLine::Lender(lender), token);
        let entity = entity_of(lender, self.changes);
        let of_entity = outstanding(self.changes, BookLine::LenderEntity(entity.clone()), token);
        let by = |by| concentrations(self.changes, (&entity, token), by, (LARGEST, self.lines_max));
        let (borrowers, obligors) = (by(By::Borrower), by(By::Obligor));
        let largest = |of: &Concentrations| of.largest.first().map(|one| one.entity.clone()).unwrap_or_default();
        let (borrower, obligor) = (largest(&borrowers), largest(&obligors));
        let parties = Parties { borrower_entity: &borrower, obligor_entity: &obligor };
        let mut stands = standings((lender, &entity, token), parties, Amount::ZERO, self.now, self.changes);
        let tally = loans.map(|loans| (loans.tallies.get(&token).cloned().unwrap_or_default(), loans.truncated));
        stands.extend(tally.iter().flat_map(|(tally, _)| self.of_loans(lender, tally)));
        Ok(pb::Book {
            lender_account_id: id_bytes(&lender.0),
            token_id: token.to_string(),
            outstanding: total.minor_units(),
            classes,
            non_performing_bps,
            borrowers: Some(concentrations_to_pb(borrowers, of_entity)),
            obligors: Some(concentrations_to_pb(obligors, of_entity)),
            loans: tally.map(|(tally, truncated)| tally_to_pb(tally, truncated)).transpose()?,
            capital: capital_of((lender, token), self.now, self.changes),
            standings: stands.iter().map(standing_to_pb).collect(),
        })
    }

    /// Where the loans that were made stand by the rules for each by itself.
    fn of_loans(&self, lender: AccountId, tally: &LoanTally) -> Vec<Standing> {
        let cost = (tally.count > 0).then_some(u64::from(tally.cost_bps_max));
        let own_share = tally.own_share_bps_min.map(u64::from);
        let figures = [(Parameter::AllInCostMax, cost), (Parameter::OwnShareMin, own_share)];
        let of = |(parameter, figure)| {
            let rule = in_force(self.changes, parameter, self.now)?;
            Some(Standing::of_loan(lender, parameter, figure, rule))
        };
        figures.into_iter().filter_map(of).collect()
    }
}

/// A sum of many amounts, as the wire carries it.
fn narrowed(units: u128) -> Result<u64, Status> {
    let beyond = || status(Code::OutOfRange, "AMOUNT_OVERFLOW", "the sum of these amounts is beyond 64 bits");
    u64::try_from(units).map_err(|_| beyond())
}

/// Every class once, and the part that is non-performing of what is not written off.
fn classes_to_pb(classes: &BTreeMap<LoanClass, u128>) -> Result<(Vec<pb::ClassAmount>, u32), Status> {
    let of = |class: &LoanClass| classes.get(class).copied().unwrap_or_default();
    let sum =
        |counts: fn(LoanClass) -> bool| LoanClass::ALL.iter().filter(|class| counts(**class)).map(of).sum::<u128>();
    let (bad, all) = (sum(LoanClass::is_non_performing), sum(|class| class != LoanClass::WrittenOff));
    let amount = |class: &LoanClass| {
        // The wire's numbers of classes are the ledger's tags.
        Ok(pb::ClassAmount { class: i32::from(class.tag()), outstanding: narrowed(of(class))? })
    };
    Ok((LoanClass::ALL.iter().map(amount).collect::<Result<_, Status>>()?, share(bad, all)))
}

/// A part of a sum in basis points, rounded up.
fn share(part: u128, whole: u128) -> u32 {
    u32::try_from(bps_rounded_up(part, whole)).unwrap_or(u32::MAX)
}

fn totals_to_pb(view: &dyn View) -> Result<(Vec<pb::SupervisedTotal>, bool), Status> {
    let found = totals(view, LINES_MAX);
    let mut by_token: BTreeMap<TokenId, BTreeMap<LoanClass, u128>> = BTreeMap::new();
    for ((token, class), sum) in found.classes {
        by_token.entry(token).or_default().insert(class, sum);
    }
    let total = |(token, in_classes): (TokenId, BTreeMap<LoanClass, u128>)| {
        let (classes, non_performing_bps) = classes_to_pb(&in_classes)?;
        let assets = in_classes.iter().filter(|(class, _)| **class != LoanClass::WrittenOff);
        let outstanding = narrowed(assets.map(|(_, sum)| sum).sum())?;
        Ok(pb::SupervisedTotal { token_id: token.to_string(), classes, outstanding, non_performing_bps })
    };
    Ok((by_token.into_iter().map(total).collect::<Result<_, Status>>()?, !found.whole))
}

fn concentrations_to_pb(found: Concentrations, total: Amount) -> pb::Concentrations {
    let one = |one: crate::domain::financing::Concentration| pb::Concentration {
        legal_entity_id: one.entity,
        outstanding: one.outstanding.minor_units(),
        share_bps: share(one.outstanding.minor_units().into(), total.minor_units().into()),
    };
    pb::Concentrations {
        largest: found.largest.into_iter().map(one).collect(),
        others: found.others.minor_units(),
        others_count: u32::try_from(found.others_count).unwrap_or(u32::MAX),
        truncated: !found.whole,
    }
}

fn tally_to_pb(mut tally: LoanTally, truncated: bool) -> Result<pb::LoanFigures, Status> {
    let fell_due = tally.fell_due.iter().map(|one| u128::from(one.outstanding.minor_units())).sum();
    tally.fell_due.sort_by_key(|one| (std::cmp::Reverse(one.due_on), one.loan));
    let one = |FellDue { loan, due_on, outstanding }: FellDue| pb::FellDue {
        loan_id: id_bytes(&loan.0),
        due_on: due_on.to_string(),
        outstanding: outstanding.minor_units(),
    };
    Ok(pb::LoanFigures {
        count: tally.count,
        truncated,
        originated: narrowed(tally.originated)?,
        others: narrowed(tally.others)?,
        joined: narrowed(tally.joined)?,
        charges_owed: narrowed(tally.charges)?,
        fell_due: narrowed(fell_due)?,
        fell_due_loans: tally.fell_due.into_iter().take(FELL_DUE_MAX).map(one).collect(),
    })
}

fn standing_to_pb(standing: &Standing) -> pb::RuleStanding {
    pb::RuleStanding {
        parameter: parameter_number(standing.parameter),
        name: standing.parameter.name().to_owned(),
        figure: standing.figure,
        limit: standing.rule.value,
        law: standing.rule.law.clone(),
        kept: standing.is_kept(),
        headroom: standing.headroom.map(Amount::minor_units),
        excess: standing.excess.minor_units(),
    }
}

fn capital_of((lender, token): (AccountId, TokenId), now: BlockTime, view: &dyn View) -> Option<pb::LenderCapital> {
    let LenderCapital { auditor, figures } = view.read(&(entity_of(lender, view), token))?;
    let kind = match figures.kind {
        LenderKind::SmallLoan => pb::LenderKind::SmallLoan,
        LenderKind::ConsumerFinance => pb::LenderKind::ConsumerFinance,
        LenderKind::Other => pb::LenderKind::Other,
    };
    Some(pb::LenderCapital {
        lender_account_id: id_bytes(&lender.0),
        token_id: token.to_string(),
        auditor_account_id: id_bytes(&auditor.0),
        kind: kind.into(),
        as_of_ms: figures.as_of.0,
        age_days: now.ms_since(figures.as_of).div_ceil(DAY_MS),
        net_assets: figures.net_assets.minor_units(),
        loan_funding: figures.loan_funding.minor_units(),
        bond_funding: figures.bond_funding.minor_units(),
        capital: figures.capital.minor_units(),
        risk_weighted_assets: figures.risk_weighted_assets.minor_units(),
        exposures: figures.exposures.minor_units(),
        lent: figures.lent.minor_units(),
    })
}

fn rule_to_pb(parameter: Parameter, now: BlockTime, changes: &Changes<'_>) -> pb::LendingRule {
    let value = |value: ParameterValue| pb::ParameterValue {
        in_force_from_ms: value.in_force_from.0,
        value: value.value,
        law: value.law,
    };
    let in_force = in_force(changes, parameter, now);
    let from = in_force.as_ref().map(|value| value.in_force_from);
    let values = changes.read::<ParameterValues>(&parameter).unwrap_or_default().values;
    let (coming, reached): (Vec<_>, Vec<_>) = values.into_iter().partition(|value| value.in_force_from > now);
    let past = reached.into_iter().filter(|value| Some(value.in_force_from) != from);
    pb::LendingRule {
        parameter: parameter_number(parameter),
        name: parameter.name().to_owned(),
        past: past.map(value).collect(),
        in_force: in_force.map(value),
        coming: coming.into_iter().map(value).collect(),
    }
}
