//! What an owner of receivables could be paid for them now, and by whom.
//!
//! Every programme is held against every receivable by the function that decides in a block, over one working set of the
//! snapshot, so that an entry is read once for a whole page.
//!
//! # Invariants
//! * A receivable costs at most [`PROGRAMMES_MAX`] programmes that are looked at, and [`OFFERS_MAX`] that are held against it; a
//!   page [`OFFERS_PER_PAGE_MAX`], and interest compounded over no more days than [`DAYS_COMPOUNDED_MAX`] before its last receivable.
//! * An answer is of one snapshot.

use super::caller::Caller;
use super::financing::in_the_next_block;
use super::loans::{condition_to_pb, id_bytes};
use super::page::{Cursor, OF_RECKONINGS, Page, PageRequest, page_under};
use super::status::{malformed, not_found};
use super::visibility::Sight;
use crate::domain::financing::interest::Compounding;
use crate::domain::financing::{
    self, Application, Citation, DryRun, Evidence, Programme, Shown, open_programmes, require_purpose,
    settlement_record,
};
use crate::domain::trade::Receivable;
use crate::ledger::limits::PROGRAMME_DAYS_MAX;
use crate::ledger::open_items::{Open, receivables_of};
use crate::ledger::{Changes, Context, OpenItem, Reason, WorkingSet};
use crate::node::service::Snapshot;
use crate::primitives::time::DAY_MS;
use crate::primitives::{ChainId, Encode as _, ObjectId, TokenId};
use crate::wire::pb::financing as pb;
use crate::wire::{account_id, citations_from_pb, optional};
use std::collections::{BTreeMap, BTreeSet};
use tonic::Status;

/// Most open programmes of a token that are looked at for one receivable.
pub const PROGRAMMES_MAX: usize = 256;
/// Most programmes that are held against one receivable.
pub const OFFERS_MAX: usize = 16;
/// Most programmes that are held against the receivables of a page: as many as the usual page needs, where every receivable has
/// as many as it may. A larger page ends where the next receivable could exceed it.
pub const OFFERS_PER_PAGE_MAX: usize = OFFERS_MAX * OF_RECKONINGS.usual;

/// How many days of daily compounding a page's programmes may stand for before it ends. A dry run goes through them a dozen times,
/// so with one receivable more, of the longest tenor, that is some tenths of a second of a core.
pub const DAYS_COMPOUNDED_MAX: u64 = 32_768;

/// The open programmes of each token on a page, as far as they are looked at.
type Programmes = BTreeMap<TokenId, Vec<(ObjectId, Programme)>>;
/// What the citations come to, by token.
type Records = BTreeMap<TokenId, Result<Evidence, Reason>>;

/// A page of an owner's open receivables with their offers.
///
/// # Errors
/// A malformed field; NOT_FOUND if the owner is not the caller's to see.
pub(super) async fn financeable(
    chain_id: ChainId,
    caller: Caller,
    snapshot: &Snapshot,
    message: pb::ListFinanceableRequest,
) -> Result<pb::ListFinanceableResponse, Status> {
    let named = optional(&message.owner_account_id, |id| account_id("owner_account_id", id)).map_err(malformed)?;
    let owner = named.or(caller.account()).ok_or_else(|| not_found("owner"))?;
    if !Sight::new(caller, &*snapshot.view).of_account(owner) {
        return Err(not_found("owner"));
    }
    require_purpose("purpose", &message.purpose, 0).map_err(malformed)?;
    let citations = citations_from_pb(message.citations).map_err(malformed)?;
    for (index, cited) in citations.iter().enumerate() {
        cited.check().map_err(|error| malformed(error.within(format_args!("citations[{index}]"))))?;
    }
    let asked = PageRequest {
        filter: format!("financeable/{owner}/{}", message.purpose),
        page_size: message.page_size,
        page_token: &message.page_token,
    };
    let view = &*snapshot.view;
    let cursor = Cursor::open(caller, &asked, OF_RECKONINGS)?;
    let Page { items, mut next_page_token } =
        page_under::<Open, _>(view, &receivables_of(owner), &cursor, |(_, item), _| {
            let OpenItem::Receivable(id) = item else { return None };
            let found = view.read::<Receivable>(id)?;
            (found.owner() == owner).then_some((*id, found))
        })?;
    let (signers, entries) = (BTreeSet::new(), WorkingSet::new(snapshot.view.clone()));
    let mut desk = Desk {
        sight: Sight::new(caller, view),
        context: in_the_next_block(chain_id, snapshot, owner, &signers),
        changes: Changes::new(&entries),
        citations,
        purpose: message.purpose,
        programmes: Programmes::new(),
        records: Records::new(),
        days_compounded: 0,
    };
    let mut receivables: Vec<pb::FinanceableReceivable> = Vec::new();
    let (mut offers, mut last) = (0, None);
    for (id, found) in items {
        let full = offers + OFFERS_MAX > OFFERS_PER_PAGE_MAX || desk.days_compounded > DAYS_COMPOUNDED_MAX;
        if let Some(last) = last.filter(|_| full) {
            next_page_token = cursor.token(&(owner, OpenItem::Receivable(last)).to_bytes());
            break;
        }
        // A receivable takes milliseconds: others' calls go in between.
        tokio::task::yield_now().await;
        let financeable = desk.receivable(id, &found);
        (offers, last) = (offers + financeable.offers.len(), Some(id));
        receivables.push(financeable);
    }
    let (height, time_ms) = (snapshot.height, snapshot.time.0);
    Ok(pb::ListFinanceableResponse { height, time_ms, receivables, next_page_token })
}

/// Where a page's receivables are looked at, one after another.
struct Desk<'a> {
    sight: Sight<'a>,
    context: Context<'a>,
    changes: Changes<'a>,
    citations: Vec<Citation>,
    purpose: String,
    programmes: Programmes,
    records: Records,
    /// How many days of daily compounding were reckoned for, the costliest part of an offer.
    days_compounded: u64,
}

impl Desk<'_> {
    fn receivable(&mut self, id: ObjectId, found: &Receivable) -> pb::FinanceableReceivable {
        let refused = financing::financeable(id, found.owner(), (&self.purpose, self.context.now), &self.changes).err();
        let (mut offers, mut more_programmes) = (Vec::new(), false);
        if refused.is_none() {
            let (admitting, more) = self.admitting(found);
            more_programmes = more;
            let days = found.due_at.ms_since(self.context.now).div_ceil(DAY_MS);
            let daily = admitting.iter().filter(|(_, of)| of.terms.pricing.rate.compounding == Compounding::Daily);
            self.days_compounded += days.min(PROGRAMME_DAYS_MAX.into()) * daily.count() as u64;
            offers =
                admitting.iter().map(|(programme, terms)| self.offer(id, found.token, *programme, terms)).collect();
            offers.sort_by_key(|offer: &pb::FinancingOffer| {
                let against = offer.failing.len() + usize::from(!offer.reason.is_empty());
                (against > 0, if against > 0 { 0 } else { offer.all_in_cost_bps })
            });
        }
        pb::FinanceableReceivable {
            receivable_id: id_bytes(&id.0),
            supplier_account_id: id_bytes(&found.supplier.0),
            buyer_account_id: id_bytes(&found.buyer.0),
            token_id: found.token.to_string(),
            outstanding: found.outstanding().minor_units(),
            due_at_ms: found.due_at.0,
            reason: refused.map(|reason| reason.name().to_owned()).unwrap_or_default(),
            offers,
            more_programmes,
        }
    }

    /// The programmes that are for a receivable's parties, and whether there are more.
    fn admitting(&mut self, found: &Receivable) -> (Vec<(ObjectId, Programme)>, bool) {
        let changes = &self.changes;
        let of_token = self.programmes.entry(found.token).or_insert_with(|| {
            let ids = open_programmes(changes, found.token, PROGRAMMES_MAX + 1);
            ids.into_iter().filter_map(|id| Some((id, changes.read(&id)?))).collect()
        });
        let looked_at = of_token.iter().take(PROGRAMMES_MAX);
        let parties = (found.supplier, found.owner());
        let mut admitting = looked_at.filter(|(_, programme)| programme.terms.admits(parties, found.buyer));
        let taken: Vec<_> = admitting.by_ref().take(OFFERS_MAX).cloned().collect();
        (taken, admitting.next().is_some() || of_token.len() > PROGRAMMES_MAX)
    }

    fn record(&mut self, token: TokenId) -> Result<Evidence, Reason> {
        let Self { citations, context, changes, records, .. } = self;
        let shown = Shown { citations, foreign_receipts: &[], networks: &[] };
        let proven = || settlement_record(&shown, (context.sender, token), context, changes);
        records.entry(token).or_insert_with(proven).clone()
    }

    fn offer(
        &mut self,
        receivable: ObjectId,
        token: TokenId,
        id: ObjectId,
        programme: &Programme,
    ) -> pb::FinancingOffer {
        let record = self.record(token);
        let read = Application::read((receivable, id), &self.purpose, |_, _| record, &self.context, &self.changes);
        let found = read.and_then(|application| application.dry_run(&self.changes));
        let shown = pb::FinancingOffer {
            programme_id: id_bytes(&id.0),
            programme_name: programme.terms.name.clone(),
            financier_account_id: id_bytes(&programme.financier.0),
            recourse: programme.terms.recourse,
            ..pb::FinancingOffer::default()
        };
        let DryRun { advance, offer, against } = match found {
            Ok(found) => found,
            Err(reason) => return pb::FinancingOffer { reason: reason.name().to_owned(), ..shown },
        };
        let failing = against.into_iter().map(|condition| condition_to_pb(condition, self.sight)).collect();
        let due_on = offer.terms.due_on.to_string();
        // What one minor unit costs, where there is room for none, is nobody's price.
        if advance.is_zero() {
            return pb::FinancingOffer { failing, due_on, ..shown };
        }
        pb::FinancingOffer {
            advance: advance.minor_units(),
            fee: offer.terms.fee.minor_units(),
            interest: offer.interest.unwrap_or_default().minor_units(),
            due_on,
            all_in_cost_bps: offer.terms.all_in_cost_bps,
            failing,
            ..shown
        }
    }
}
