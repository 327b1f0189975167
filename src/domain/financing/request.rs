//! Financing requests: made and taken back by the supplier.

use super::citation::{Citation, SettlementRecord, settlement_record};
use crate::domain::trade::{Receivable, receivable};
use crate::ledger::context::{open_account, require_role};
use crate::ledger::limits::CITATIONS_MAX;
use crate::ledger::{Changes, Column, Context, Effect, Entry, Malformed, Reason, Role};
use crate::primitives::{AccountId, Amount, BlockTime, ObjectId};
use crate::{codec_struct, codec_tag};

/// Where a financing request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinancingRequestState {
    /// Waits for the financier, and can be accepted until its expiry.
    Requested,
    /// Accepted: the advance was paid and the receivable assigned.
    Accepted,
    /// Taken back by the supplier.
    Withdrawn,
}
codec_tag!(FinancingRequestState { Requested = 1, Accepted = 2, Withdrawn = 3 });

impl FinancingRequestState {
    /// The state's name in reasons, effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Accepted => "accepted",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// How the reason names a request whose time has passed. It is no state: no entry says it, the time does.
const EXPIRED: &str = "expired";

/// A financing request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinancingRequest {
    /// Which receivable.
    pub receivable: ObjectId,
    /// Who asks.
    pub supplier: AccountId,
    /// Who is asked.
    pub financier: AccountId,
    /// What the supplier is paid now.
    pub advance: Amount,
    /// What the financier receives on top of it when the buyer pays.
    pub fee: Amount,
    /// Until when it may be accepted, inclusively.
    pub expires_at: BlockTime,
    /// How many settlements were cited, all proven.
    pub settlements_cited: u16,
    /// What they paid the supplier in the receivable's token.
    pub settlements_sum: Amount,
    state: FinancingRequestState,
}
codec_struct!(FinancingRequest {
    receivable,
    supplier,
    financier,
    advance,
    fee,
    expires_at,
    settlements_cited,
    settlements_sum,
    state,
});

impl Entry for FinancingRequest {
    const COLUMN: Column = Column::FinancingRequests;
    type Key = ObjectId;
}

/// The financing request of an id.
///
/// # Errors
/// `UNKNOWN_FINANCING_REQUEST`.
pub fn financing_request(changes: &Changes<'_>, id: ObjectId) -> Result<FinancingRequest, Reason> {
    changes.read(&id).ok_or(Reason::UnknownFinancingRequest { request: id })
}

impl FinancingRequest {
    /// Where it stands.
    pub fn state(&self) -> FinancingRequestState {
        self.state
    }

    /// Closes an open request.
    ///
    /// # Errors
    /// `FINANCING_REQUEST_CLOSED` if it was accepted or withdrawn before, or has expired by `now`.
    pub(super) fn accept(&mut self, id: ObjectId, now: BlockTime) -> Result<(), Reason> {
        self.close(id, FinancingRequestState::Accepted)?;
        if now > self.expires_at {
            return Err(Reason::FinancingRequestClosed { request: id, state: EXPIRED });
        }
        Ok(())
    }

    /// Takes an open request back; an expired one too, which tidies up and harms nobody.
    fn withdraw(&mut self, id: ObjectId) -> Result<(), Reason> {
        self.close(id, FinancingRequestState::Withdrawn)
    }

    fn close(&mut self, id: ObjectId, state: FinancingRequestState) -> Result<(), Reason> {
        match self.state {
            FinancingRequestState::Requested => {
                self.state = state;
                Ok(())
            }
            FinancingRequestState::Accepted | FinancingRequestState::Withdrawn => {
                Err(Reason::FinancingRequestClosed { request: id, state: self.state.name() })
            }
        }
    }
}

/// What a financier of this advance and fee would claim, if the receivable can be financed so.
///
/// # Errors
/// Those of [`Receivable::pledgeable`], `ADVANCE_EXCEEDS_RECEIVABLE`, `ADVANCE_EXCEEDS_OUTSTANDING`.
pub(super) fn claim_on((id, found): (ObjectId, &Receivable), advance: Amount, fee: Amount) -> Result<Amount, Reason> {
    found.pledgeable(id)?;
    let (face, outstanding) = (found.amount, found.outstanding());
    let within = |limit: Amount| advance.checked_add(fee).filter(|claim| *claim <= limit);
    within(face).ok_or(Reason::AdvanceExceedsReceivable { advance, face })?;
    within(outstanding).ok_or(Reason::AdvanceExceedsOutstanding { advance, fee, outstanding })
}

/// Asks a financier to finance a confirmed receivable. The sender is its owner, for whom this is the supplier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFinancing {
    /// The receivable.
    pub receivable: ObjectId,
    /// Who is asked.
    pub financier: AccountId,
    /// What the supplier would be paid now.
    pub advance: Amount,
    /// What the financier would receive on top when the buyer pays.
    pub fee: Amount,
    /// Until when it may be accepted.
    pub expires_at: BlockTime,
    /// Settlement receipts of this supplier, 1 to 16, each once.
    pub citations: Vec<Citation>,
}

impl RequestFinancing {
    /// Holds the operation to its static bounds. A request without citations is well formed: it is declined, with
    /// `NO_CITATION`.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        if self.advance.is_zero() {
            return Err(Malformed::new("advance", "it must be positive"));
        }
        if self.citations.len() > CITATIONS_MAX {
            return Err(Malformed::new("citations", format!("there must be at most {CITATIONS_MAX}")));
        }
        for (index, citation) in self.citations.iter().enumerate() {
            citation.check().map_err(|malformed| malformed.within(format_args!("citations[{index}]")))?;
        }
        Ok(())
    }

    /// Plans the request.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_OWNER`, `MISSING_SIGNATURE`, `RECEIVABLE_ALREADY_FINANCED`, `RECEIVABLE_NOT_CONFIRMED`,
    /// `RECEIVABLE_NOT_OPEN`, `ADVANCE_EXCEEDS_RECEIVABLE`, `ADVANCE_EXCEEDS_OUTSTANDING`, `FINANCING_EXPIRY_PASSED`,
    /// `SAME_ACCOUNT`, `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`, `ROLE_REQUIRED`, `NO_CITATION`, `CITATION_FOREIGN`,
    /// `CITATION_UNPROVEN`, `CITATION_DECLINED`, `CITATION_NOT_THE_SUPPLIERS`, `CITATION_REPEATED`, `AMOUNT_OVERFLOW`,
    /// `ALREADY_EXISTS`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.receivable;
        let found = receivable(changes, id)?;
        // Whoever owns it now: the invoice's supplier, or a supplier that it passed on to.
        let (supplier, now, expires_at) = (found.owner(), context.now, self.expires_at);
        if context.sender != supplier {
            return Err(Reason::NotTheOwner { receivable: id });
        }
        context.signed_by(changes, supplier)?;
        claim_on((id, &found), self.advance, self.fee)?;
        if expires_at < now {
            return Err(Reason::FinancingExpiryPassed { expires_at, now });
        }
        // The advance would be paid, and the claim repaid, from an account to itself.
        if self.financier == supplier || self.financier == found.buyer {
            return Err(Reason::SameAccount { account: self.financier });
        }
        let financier_account = open_account(changes, self.financier)?;
        require_role(self.financier, &financier_account, Role::Financier)?;
        if self.citations.is_empty() {
            return Err(Reason::NoCitation { receivable: id });
        }
        let record = settlement_record(&self.citations, (supplier, found.token), context, changes)?;
        self.open(record, context, changes)
    }

    fn open(&self, record: SettlementRecord, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        // A request id can return once it is forgotten, and the financing request's id with it.
        let id = context.object_id();
        if changes.read::<FinancingRequest>(&id).is_some() {
            return Err(Reason::AlreadyExists { object: id });
        }
        let request = FinancingRequest {
            receivable: self.receivable,
            supplier: context.sender,
            financier: self.financier,
            advance: self.advance,
            fee: self.fee,
            expires_at: self.expires_at,
            settlements_cited: record.count,
            settlements_sum: record.sum,
            state: FinancingRequestState::Requested,
        };
        changes.put(&id, &request);
        changes.record(
            Effect::new("financing.requested")
                .with("request", id)
                .with("receivable", request.receivable)
                .with("supplier", request.supplier)
                .with("financier", request.financier)
                .with("advance", request.advance)
                .with("fee", request.fee)
                .with("expires_at", request.expires_at)
                .with("settlements_cited", request.settlements_cited)
                .with("settlements_sum", request.settlements_sum)
                .with("state", request.state.name()),
        );
        Ok(())
    }
}

/// Takes a financing request back. The sender is the supplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithdrawFinancing {
    /// The request.
    pub request: ObjectId,
}

impl WithdrawFinancing {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the withdrawal.
    ///
    /// # Errors
    /// `UNKNOWN_FINANCING_REQUEST`, `NOT_THE_SUPPLIER`, those of [`Context::signed_by`], `FINANCING_REQUEST_CLOSED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.request;
        let mut request = financing_request(changes, id)?;
        let (receivable, supplier) = (request.receivable, request.supplier);
        if context.sender != supplier {
            return Err(Reason::NotTheSupplier { receivable, supplier });
        }
        context.signed_by(changes, supplier)?;
        request.withdraw(id)?;
        changes.put(&id, &request);
        changes.record(
            Effect::new("financing.withdrawn")
                .with("request", id)
                .with("receivable", receivable)
                .with("supplier", supplier)
                .with("financier", request.financier)
                .with("state", request.state.name()),
        );
        Ok(())
    }
}
