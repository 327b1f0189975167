//! Programmes: the terms on which a financier finances whoever meets them, published beforehand.
//!
//! # Life cycle
//! ```text
//! open --close--> closed
//! ```
//! A programme's terms never change: whoever asks under it knows them, and a loan goes by the terms it was made under.
//! Closing one ends nothing but new loans.
//!
//! # Joint lending
//! Another financier consents once, in a share of every loan and up to a limit of its own, with [`JoinProgramme`], which the
//! publisher signs too. What all of them may take is the publisher's to say (`participation_bps_max`), and the publisher keeps at
//! least the floor that the lender's rules set. Either of the two ends it for new loans ([`RemoveParticipant`]).
//!
//! All lenders pay or none does. So while a participant's account is closed, or holds too little, or its limit is reached, no loan is
//! made under the programme: the publisher removes it, or waits.
//!
//! # Deliberately absent
//! A programme in several tokens: its limits are amounts, so a financier publishes one for each currency.

use super::application::all_in_cost_of;
use super::capital::financier;
use super::interest::{RATE_BPS_MAX, Rate};
use super::networks::network;
use super::purposes::require_purpose;
use super::rules::{Parameter, in_force};
use super::standing::Standing;
use crate::domain::tokens;
use crate::domain::trade::BusinessStep;
use crate::ledger::limits::{
    PROGRAMME_DAYS_MAX, PROGRAMME_NETWORKS_MAX, PROGRAMME_PARTICIPANTS_MAX, PROGRAMME_PARTIES_MAX,
    PROGRAMME_PURPOSES_MAX, REFERENCE_BYTES_MAX,
};
use crate::ledger::malformed::{Malformed, require, require_reference};
use crate::ledger::{Changes, Column, Context, Effect, Entry, Reason, View};
use crate::primitives::ids::ObjectKind;
use crate::primitives::time::BusinessCalendar;
use crate::primitives::{AccountId, Amount, ChainId, CodecError, Day, Decode, Encode, ObjectId, Reader, TokenId};
use crate::{codec_struct, codec_tag};

/// A principal so large that a day's interest on it shows the rate to every digit that counts.
const LATE_PRINCIPAL: Amount = Amount::new(1_000_000_000_000_000);
/// Basis points in one, as a share.
pub const WHOLE_BPS: u32 = 10_000;

/// What may be outstanding under a programme, in its token's minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: Amount,
    /// On one buyer's legal entity.
    pub per_obligor: Amount,
    /// To one borrower's legal entity, and on what one supplier's delivered.
    pub per_supplier: Amount,
    /// On one invoice, its parts together.
    pub per_invoice: Amount,
}
codec_struct!(Limits { total, per_obligor, per_supplier, per_invoice });

/// What the borrower's record must be, by the settlement receipts that it cites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordRequired {
    /// How many, at least.
    pub count_min: u32,
    /// What they sum to in the programme's token, at least.
    pub sum_min: Amount,
    /// How many days lie between the first and the last, at least.
    pub period_days_min: u32,
    /// By how many days an invoice among them was paid late, at most.
    pub late_days_max: u32,
}
codec_struct!(RecordRequired { count_min, sum_min, period_days_min, late_days_max });

/// What must be shown before a loan is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvidenceRequired {
    /// That the buyer confirmed the invoice itself, and did not become its debtor by silence.
    pub buyer_confirmed: bool,
    /// That the invoice is under an order that both parties agreed to.
    pub order_agreed: bool,
    /// A step of that order's shipment that a carrier appointed to it recorded, and has not declared wrong since.
    pub shipment_step: Option<BusinessStep>,
    /// How many days begun may lie between that step and the loan; as many as there are, if it does not say.
    pub shipment_age_days_max: Option<u32>,
    /// How many other invoices like this one may have stood when it was registered; any number, if it does not say.
    pub near_duplicates_max: Option<u16>,
    /// The borrower's record.
    pub record: RecordRequired,
    /// Other networks on which a settlement counts, ascending.
    pub networks: Vec<ChainId>,
}
codec_struct!(EvidenceRequired {
    buyer_confirmed,
    order_agreed,
    shipment_step,
    shipment_age_days_max,
    near_duplicates_max,
    record,
    networks,
});

impl EvidenceRequired {
    fn check(&self) -> Result<(), Malformed> {
        let age = self.shipment_age_days_max;
        let of_a_step = age.is_none() || self.shipment_step.is_some();
        require(of_a_step, "shipment_age_days_max", "it is of a shipment_step, and none is asked for")?;
        let bounded = age.is_none_or(|days| days <= PROGRAMME_DAYS_MAX);
        require(bounded, "shipment_age_days_max", format!("it must be at most {PROGRAMME_DAYS_MAX}"))?;
        let ascending = self.networks.windows(2).all(|pair| pair[0] < pair[1]);
        let networks = ascending && self.networks.len() <= PROGRAMME_NETWORKS_MAX;
        let bound = format!("they must be at most {PROGRAMME_NETWORKS_MAX}, ascending, each once");
        require(networks, "network_chain_ids", bound)
    }
}

/// What a loan costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pricing {
    /// How interest runs.
    pub rate: Rate,
    /// The annual rate that takes its place from the due day on, once the days of grace are over; at least the rate.
    pub late_rate_bps: u32,
    /// Days after the due day within which the rate stays what it was.
    pub grace_days: u32,
    /// A fee in basis points of the advance, rounded down.
    pub fee_bps: u32,
    /// A fee for each loan besides.
    pub fee_flat: Amount,
}
codec_struct!(Pricing { rate, late_rate_bps, grace_days, fee_bps, fee_flat });

/// The terms of a programme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgrammeTerms {
    /// Its name, for people.
    pub name: String,
    /// The token of its loans and of the receivables that secure them.
    pub token: TokenId,
    /// The buyers whose debts are financed, ascending; empty for any.
    pub buyers: Vec<AccountId>,
    /// The suppliers whose deliveries are financed, and who are financed, ascending; empty for any.
    pub suppliers: Vec<AccountId>,
    /// How much of what is outstanding is advanced, at most.
    pub advance_rate_bps: u32,
    /// Days from the loan to the due day, at least.
    pub tenor_days_min: u32,
    /// Days from the loan to the due day, at most.
    pub tenor_days_max: u32,
    /// What a loan costs.
    pub pricing: Pricing,
    /// What may be outstanding.
    pub limits: Limits,
    /// What must be shown.
    pub evidence: EvidenceRequired,
    /// What the proceeds may be used for, as codes of purposes; empty for anything that is lawful.
    pub purposes: Vec<String>,
    /// Whether the borrower owes what the buyer does not pay.
    pub recourse: bool,
    /// What other financiers may take of each loan, in all.
    pub participation_bps_max: u32,
    /// The days by which loans run and fall due.
    pub calendar: BusinessCalendar,
}
codec_struct!(ProgrammeTerms {
    name,
    token,
    buyers,
    suppliers,
    advance_rate_bps,
    tenor_days_min,
    tenor_days_max,
    pricing,
    limits,
    evidence,
    purposes,
    recourse,
    participation_bps_max,
    calendar,
});

impl ProgrammeTerms {
    /// Whether it is for these parties at all: the supplier who delivered, the owner who asks, and the buyer who owes.
    pub fn admits(&self, (supplier, owner): (AccountId, AccountId), buyer: AccountId) -> bool {
        self.admits_supplier(supplier) && self.admits_supplier(owner) && self.admits_buyer(buyer)
    }

    /// The highest advance on so much that is owed, by the advance rate.
    pub(super) fn advance_max(&self, outstanding: Amount) -> Amount {
        outstanding.scale_down(self.advance_rate_bps.into(), WHOLE_BPS.into()).unwrap_or_default()
    }

    pub(super) fn admits_supplier(&self, supplier: AccountId) -> bool {
        self.suppliers.is_empty() || self.suppliers.binary_search(&supplier).is_ok()
    }

    pub(super) fn admits_buyer(&self, buyer: AccountId) -> bool {
        self.buyers.is_empty() || self.buyers.binary_search(&buyer).is_ok()
    }

    /// Holds the terms to their static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        require_reference("name", &self.name, 1, REFERENCE_BYTES_MAX)?;
        for (field, parties) in [("buyer_account_ids", &self.buyers), ("supplier_account_ids", &self.suppliers)] {
            let ascending = parties.windows(2).all(|pair| pair[0] < pair[1]) && parties.len() <= PROGRAMME_PARTIES_MAX;
            require(ascending, field, format!("they must be at most {PROGRAMME_PARTIES_MAX}, ascending, each once"))?;
        }
        let rate = (1..=WHOLE_BPS).contains(&self.advance_rate_bps);
        require(rate, "advance_rate_bps", format!("it must be 1 to {WHOLE_BPS}"))?;
        let tenor = self.tenor_days_min <= self.tenor_days_max && self.tenor_days_max <= PROGRAMME_DAYS_MAX;
        require(tenor, "tenor_days_max", format!("it must be from tenor_days_min to {PROGRAMME_DAYS_MAX}"))?;
        self.pricing.check().map_err(|malformed| malformed.within("pricing"))?;
        self.evidence.check().map_err(|malformed| malformed.within("evidence"))?;
        require(self.purposes.len() <= PROGRAMME_PURPOSES_MAX, "purposes", "there must be at most 16")?;
        for (index, purpose) in self.purposes.iter().enumerate() {
            require_purpose(&format!("purposes[{index}]"), purpose, 1)?;
        }
        let participation = self.participation_bps_max < WHOLE_BPS;
        require(participation, "participation_bps_max", format!("it must be below {WHOLE_BPS}"))?;
        let calendar_why = "its offset must be -720 to 840 minutes, its holidays at most 1,024, ascending, each once";
        require(self.calendar.is_well_formed(), "calendar", calendar_why)
    }
}

impl Pricing {
    fn check(&self) -> Result<(), Malformed> {
        let late = (self.rate.bps..=RATE_BPS_MAX).contains(&self.late_rate_bps);
        require(late, "late_rate_bps", format!("it must be from the rate to {RATE_BPS_MAX}"))?;
        let grace = self.grace_days <= PROGRAMME_DAYS_MAX;
        require(grace, "grace_days", format!("it must be at most {PROGRAMME_DAYS_MAX}"))?;
        require(self.fee_bps <= WHOLE_BPS, "fee_bps", format!("it must be at most {WHOLE_BPS}"))
    }

    /// What lateness costs a year, in basis points, rounded up: one day of the late rate, compounded for a year, since a loan that is
    /// paid a day late costs as much for that day as one that is late for longer, and no more.
    pub fn late_cost_bps(&self) -> u32 {
        let late = Rate { bps: self.late_rate_bps, ..self.rate };
        // In the middle of a month, where every convention counts a day as one.
        let (from, to) = (Day(10), Day(11));
        all_in_cost_of(LATE_PRINCIPAL, (late, Amount::ZERO), from, to).bps_rounded_up()
    }

    /// The fee of a loan; `None` if it does not fit an amount.
    pub fn fee(&self, advance: Amount) -> Option<Amount> {
        advance.scale_down(self.fee_bps.into(), WHOLE_BPS.into())?.checked_add(self.fee_flat)
    }
}

/// Another financier's consent to a share of every loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Who.
    pub lender: AccountId,
    /// Its share of each loan.
    pub share_bps: u32,
    /// What it has outstanding under the programme, at most.
    pub limit: Amount,
}
codec_struct!(Participant { lender, share_bps, limit });

/// Whether a programme makes loans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgrammeState {
    /// It does.
    Open,
    /// No longer.
    Closed,
}
codec_tag!(ProgrammeState { Open = 1, Closed = 2 });

impl ProgrammeState {
    /// The name in effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// A programme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programme {
    /// Who published it, and originates its loans.
    pub financier: AccountId,
    /// Its terms.
    pub terms: ProgrammeTerms,
    state: ProgrammeState,
    participants: Vec<Participant>,
}
codec_struct!(Programme { financier, terms, state, participants });

impl Entry for Programme {
    const COLUMN: Column = Column::Programmes;
    type Key = ObjectId;
}

/// That a programme makes loans, by its token: what a borrower looks through. The key says all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenProgramme;

impl Encode for OpenProgramme {
    fn encode(&self, _: &mut Vec<u8>) {}
}

impl Decode for OpenProgramme {
    fn decode(_: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self)
    }
}

impl Entry for OpenProgramme {
    const COLUMN: Column = Column::OpenProgrammes;
    type Key = (TokenId, ObjectId);
}

/// The first programmes that make loans in a token, in the order of their ids.
pub fn open_programmes(view: &dyn View, token: TokenId, most: usize) -> Vec<ObjectId> {
    let prefix = token.to_bytes();
    let entries = view.scan(OpenProgramme::COLUMN, &prefix, most);
    let of_token = entries.into_iter().take_while(|(key, _)| key.starts_with(&prefix));
    of_token
        .filter_map(|(key, _)| match <(TokenId, ObjectId)>::from_bytes(&key) {
            Ok((_, programme)) => Some(programme),
            Err(_) => {
                view.note_corruption(OpenProgramme::COLUMN, &key);
                None
            }
        })
        .collect()
}

/// The programme of an id.
///
/// # Errors
/// `UNKNOWN_PROGRAMME`.
pub fn programme(changes: &Changes<'_>, id: ObjectId) -> Result<Programme, Reason> {
    changes.read(&id).ok_or(Reason::UnknownProgramme { programme: id })
}

impl Programme {
    /// Whether it makes loans.
    pub fn state(&self) -> ProgrammeState {
        self.state
    }

    /// Who else lends, in the order in which they joined.
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// The publisher's own share of each loan.
    pub fn own_share_bps(&self) -> u32 {
        WHOLE_BPS.saturating_sub(self.participants.iter().map(|participant| participant.share_bps).sum())
    }

    /// Whether it makes loans.
    ///
    /// # Errors
    /// `PROGRAMME_CLOSED`.
    pub(super) fn require_open(&self, id: ObjectId) -> Result<(), Reason> {
        match self.state {
            ProgrammeState::Open => Ok(()),
            ProgrammeState::Closed => Err(Reason::ProgrammeClosed { programme: id }),
        }
    }
}

/// Publishes a programme. The sender is the financier, and originates its loans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishProgramme {
    /// The terms.
    pub terms: ProgrammeTerms,
}

impl PublishProgramme {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// Those of [`ProgrammeTerms::check`].
    pub fn check(&self) -> Result<(), Malformed> {
        self.terms.check().map_err(|malformed| malformed.within("terms"))
    }

    /// Plans the programme.
    ///
    /// # Errors
    /// Those of [`Context::signed_by`], `ROLE_REQUIRED`, `LEGAL_ENTITY_REQUIRED`, `UNKNOWN_TOKEN`, `UNKNOWN_NETWORK`, `NETWORK_RETIRED`,
    /// `ALL_IN_COST_ABOVE_CAP`, `ALREADY_EXISTS`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        context.signed_by(changes, context.sender)?;
        financier(context.sender, changes)?;
        let terms = &self.terms;
        tokens::require_known(changes, terms.token)?;
        terms.evidence.networks.iter().try_for_each(|id| network(changes, *id).map(drop))?;
        let cap = in_force(changes, Parameter::AllInCostMax, context.now);
        let late = Some(u64::from(terms.pricing.late_cost_bps()));
        let standing = cap.map(|cap| Standing::of_loan(context.sender, Parameter::AllInCostMax, late, cap));
        standing.and_then(|standing| standing.breach()).map_or(Ok(()), Err)?;
        // A request id can return once it is forgotten, and the programme's id with it.
        let id = context.object_id(ObjectKind::Programme);
        if changes.has::<Programme>(&id) {
            return Err(Reason::AlreadyExists { object: id });
        }
        let (financier, state) = (context.sender, ProgrammeState::Open);
        changes.put(&id, &Programme { financier, terms: terms.clone(), state, participants: Vec::new() });
        changes.put(&(terms.token, id), &OpenProgramme);
        changes.record(
            Effect::new("financing.programme_published")
                .with("programme", id)
                .with("financier", financier)
                .with("name", terms.name.as_str())
                .with("token", terms.token)
                .with("advance_rate_bps", terms.advance_rate_bps)
                .with("tenor_days_max", terms.tenor_days_max)
                .with("rate_bps", terms.pricing.rate.bps)
                .with("day_count", terms.pricing.rate.day_count.name())
                .with("compounding", terms.pricing.rate.compounding.name())
                .with("fee_bps", terms.pricing.fee_bps)
                .with("fee_flat", terms.pricing.fee_flat)
                .with("limit_total", terms.limits.total)
                .with("recourse", terms.recourse)
                .with("state", state.name()),
        );
        Ok(())
    }
}

/// Ends new loans under a programme. The sender is its financier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseProgramme {
    /// The programme.
    pub programme: ObjectId,
}

impl CloseProgramme {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the end.
    ///
    /// # Errors
    /// `UNKNOWN_PROGRAMME`, `NOT_THE_FINANCIER`, those of [`Context::signed_by`], `PROGRAMME_CLOSED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.programme;
        let mut found = programme(changes, id)?;
        let financier = found.financier;
        if context.sender != financier {
            return Err(Reason::NotTheFinancier { programme: id, financier });
        }
        context.signed_by(changes, financier)?;
        found.require_open(id)?;
        found.state = ProgrammeState::Closed;
        changes.put(&id, &found);
        changes.delete::<OpenProgramme>(&(found.terms.token, id));
        changes.record(
            Effect::new("financing.programme_closed")
                .with("programme", id)
                .with("financier", financier)
                .with("state", found.state.name()),
        );
        Ok(())
    }
}

/// Consents to a share of every loan under another's programme, in place of an earlier consent. The sender is the lender; the
/// publisher signs too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinProgramme {
    /// The programme.
    pub programme: ObjectId,
    /// The share of each loan.
    pub share_bps: u32,
    /// What to have outstanding under it, at most.
    pub limit: Amount,
}

impl JoinProgramme {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        let whole = (1..WHOLE_BPS).contains(&self.share_bps);
        require(whole, "share_bps", format!("it must be positive and below {WHOLE_BPS}"))
    }

    /// Plans the consent.
    ///
    /// # Errors
    /// `UNKNOWN_PROGRAMME`, those of [`Context::signed_by`] for the lender and for the publisher, `ROLE_REQUIRED`,
    /// `LEGAL_ENTITY_REQUIRED`, `PROGRAMME_CLOSED`, `SAME_ACCOUNT`, `PARTICIPATION_EXCEEDED`, `OWN_SHARE_BELOW_FLOOR`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (id, lender) = (self.programme, context.sender);
        let mut found = programme(changes, id)?;
        context.signed_by(changes, lender)?;
        financier(lender, changes)?;
        found.require_open(id)?;
        if lender == found.financier {
            return Err(Reason::SameAccount { account: lender });
        }
        context.signed_by(changes, found.financier)?;
        found.participants.retain(|participant| participant.lender != lender);
        found.participants.push(Participant { lender, share_bps: self.share_bps, limit: self.limit });
        let (own, participation_bps_max) = (found.own_share_bps(), found.terms.participation_bps_max);
        let shared = found.participants.iter().map(|participant| u64::from(participant.share_bps)).sum::<u64>();
        if shared > u64::from(participation_bps_max) || found.participants.len() > PROGRAMME_PARTICIPANTS_MAX {
            return Err(Reason::ParticipationExceeded {
                programme: id,
                participation_bps_max: participation_bps_max.into(),
            });
        }
        let floor = in_force(changes, Parameter::OwnShareMin, context.now);
        let standing =
            floor.map(|floor| Standing::of_loan(found.financier, Parameter::OwnShareMin, Some(own.into()), floor));
        standing.and_then(|standing| standing.breach()).map_or(Ok(()), Err)?;
        changes.put(&id, &found);
        changes.record(
            Effect::new("financing.programme_joined")
                .with("programme", id)
                .with("financier", found.financier)
                .with("lender", lender)
                .with("share_bps", self.share_bps)
                .with("limit", self.limit),
        );
        Ok(())
    }
}

/// Ends a participant's share in new loans. The sender is the participant or the publisher. Loans that were made keep their shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoveParticipant {
    /// The programme.
    pub programme: ObjectId,
    /// Who lends no more under it.
    pub participant: AccountId,
}

impl RemoveParticipant {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the end.
    ///
    /// # Errors
    /// `UNKNOWN_PROGRAMME`, `NOT_A_PARTICIPANT`, `NOT_THE_FINANCIER`, those of [`Context::signed_by`].
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (id, lender) = (self.programme, self.participant);
        let mut found = programme(changes, id)?;
        let financier = found.financier;
        let before = found.participants.len();
        found.participants.retain(|participant| participant.lender != lender);
        if found.participants.len() == before {
            return Err(Reason::NotAParticipant { programme: id, account: lender });
        }
        if ![lender, financier].contains(&context.sender) {
            return Err(Reason::NotTheFinancier { programme: id, financier });
        }
        context.signed_by(changes, context.sender)?;
        changes.put(&id, &found);
        changes.record(
            Effect::new("financing.participant_removed")
                .with("programme", id)
                .with("financier", financier)
                .with("lender", lender)
                .with("by", context.sender),
        );
        Ok(())
    }
}
