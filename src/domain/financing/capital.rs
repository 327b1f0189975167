//! Lenders' capital: what an auditor attests of a lender, and the limits that follow from it.
//!
//! An attestation says what kind of lender it is and its figures as of a time, in the minor units of one token: a lender that
//! lends in several is attested in each. What it has lent on this ledger since is added to what was attested.
//!
//! # Deliberately absent
//! Conversion between currencies, and the weighing of risks: a loan weighs what it is worth.

use super::book::{BookLine, outstanding};
use super::interest::BPS;
use super::loan::LoanTerms;
use super::rules::{Parameter, ParameterValue, in_force};
use crate::domain::tokens;
use crate::ledger::context::{open_account, require_role};
use crate::ledger::malformed::Malformed;
use crate::ledger::{Changes, Column, Context, Effect, Entry, Reason, Role};
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, Amount, BlockTime, TokenId};
use crate::{codec_struct, codec_tag};

/// What kind of lender it is, and so which rules bind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LenderKind {
    /// A small-loan company.
    SmallLoan,
    /// A consumer-finance company.
    ConsumerFinance,
    /// Another, supervised elsewhere.
    Other,
}
codec_tag!(LenderKind { SmallLoan = 1, ConsumerFinance = 2, Other = 3 });

impl LenderKind {
    /// The name in effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SmallLoan => "small-loan",
            Self::ConsumerFinance => "consumer-finance",
            Self::Other => "other",
        }
    }
}

/// A lender's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapitalFigures {
    /// What kind of lender it is.
    pub kind: LenderKind,
    /// The time at which the figures were so.
    pub as_of: BlockTime,
    /// Its net assets.
    pub net_assets: Amount,
    /// What it owes in loans from banks and shareholders.
    pub loan_funding: Amount,
    /// What it owes in bonds and securitisations.
    pub bond_funding: Amount,
    /// Its regulatory capital.
    pub capital: Amount,
    /// Its risk-weighted assets.
    pub risk_weighted_assets: Amount,
    /// Its exposures, on and off the balance sheet.
    pub exposures: Amount,
}
codec_struct!(CapitalFigures {
    kind,
    as_of,
    net_assets,
    loan_funding,
    bond_funding,
    capital,
    risk_weighted_assets,
    exposures,
});

/// The latest attestation of a lender's capital.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LenderCapital {
    /// Who attested.
    pub auditor: AccountId,
    /// What.
    pub figures: CapitalFigures,
    /// What the lender had out on this ledger when it was attested.
    pub lent: Amount,
}
codec_struct!(LenderCapital { auditor, figures, lent });

impl Entry for LenderCapital {
    const COLUMN: Column = Column::LenderCapital;
    type Key = (AccountId, TokenId);
}

/// Attests a lender's capital. The sender has the role of an auditor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttestLenderCapital {
    /// The lender.
    pub lender: AccountId,
    /// The token in whose minor units the figures are.
    pub token: TokenId,
    /// The figures.
    pub figures: CapitalFigures,
}

impl AttestLenderCapital {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the attestation.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `UNKNOWN_TOKEN`, `SAME_ACCOUNT`, `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`,
    /// `ATTESTATION_FROM_THE_FUTURE`, `ATTESTATION_NOT_NEWER`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (auditor, lender, figures) = (context.sender, self.lender, self.figures);
        context.signed_in_role(changes, auditor, Role::Auditor)?;
        tokens::require_known(changes, self.token)?;
        if lender == auditor {
            return Err(Reason::SameAccount { account: lender });
        }
        require_role(lender, &open_account(changes, lender)?, Role::Financier)?;
        let (as_of, now) = (figures.as_of, context.now);
        if as_of > now {
            return Err(Reason::AttestationFromTheFuture { as_of, now });
        }
        let key = (lender, self.token);
        let latest = changes.read::<LenderCapital>(&key).map(|latest| latest.figures.as_of);
        if let Some(latest_as_of) = latest.filter(|latest| *latest >= as_of) {
            return Err(Reason::AttestationNotNewer { latest_as_of, as_of });
        }
        let lent = outstanding(changes, BookLine::Lender(lender), self.token);
        changes.put(&key, &LenderCapital { auditor, figures, lent });
        changes.record(
            Effect::new("financing.capital_attested")
                .with("lender", lender)
                .with("auditor", auditor)
                .with("token", self.token)
                .with("kind", figures.kind.name())
                .with("as_of", as_of)
                .with("net_assets", figures.net_assets)
                .with("loan_funding", figures.loan_funding)
                .with("bond_funding", figures.bond_funding)
                .with("capital", figures.capital)
                .with("risk_weighted_assets", figures.risk_weighted_assets)
                .with("exposures", figures.exposures),
        );
        Ok(())
    }
}

/// Holds a lender's part of a loan to the rules that its capital sets.
///
/// # Errors
/// `LENDER_CAPITAL_NOT_ATTESTED`, `FUNDING_ABOVE_LIMIT`, `BORROWER_SHARE_ABOVE_LIMIT`, `OBLIGOR_SHARE_ABOVE_LIMIT`,
/// `CAPITAL_ADEQUACY_BELOW_MINIMUM`, `LEVERAGE_RATIO_BELOW_MINIMUM`.
pub(super) fn require_capital(
    (lender, amount): (AccountId, Amount),
    terms: &LoanTerms,
    now: BlockTime,
    changes: &Changes<'_>,
) -> Result<(), Reason> {
    let attested: Option<LenderCapital> = changes.read(&(lender, terms.token));
    if let Some(age) = in_force(changes, Parameter::CapitalAttestationAgeMax, now) {
        let fresh = |capital: &LenderCapital| now.ms_since(capital.figures.as_of) <= age.value.saturating_mul(DAY_MS);
        if !attested.as_ref().is_some_and(fresh) {
            return Err(Reason::LenderCapitalNotAttested { lender, age_days_max: age.value, law: age.law });
        }
    }
    let Some(attested) = attested else { return Ok(()) };
    let test = Test { lender, amount, terms, now, changes, attested: &attested };
    match attested.figures.kind {
        LenderKind::SmallLoan => test.small_loan(),
        LenderKind::ConsumerFinance => test.consumer_finance(),
        LenderKind::Other => Ok(()),
    }
}

/// One lender's part of a loan, and what it is held to.
struct Test<'a> {
    lender: AccountId,
    amount: Amount,
    terms: &'a LoanTerms,
    now: BlockTime,
    changes: &'a Changes<'a>,
    attested: &'a LenderCapital,
}

impl Test<'_> {
    fn rule(&self, parameter: Parameter) -> Option<ParameterValue> {
        in_force(self.changes, parameter, self.now)
    }

    /// What the lender would have out on a line, with this loan.
    fn with(&self, line: BookLine) -> u128 {
        let standing = outstanding(self.changes, line, self.terms.token);
        u128::from(standing.minor_units()) + u128::from(self.amount.minor_units())
    }

    fn small_loan(&self) -> Result<(), Reason> {
        let (lender, figures) = (self.lender, &self.attested.figures);
        let net_assets = u128::from(figures.net_assets.minor_units());
        for (parameter, funding, owed) in [
            (Parameter::LoanFundingMax, "loans", figures.loan_funding),
            (Parameter::BondFundingMax, "bonds", figures.bond_funding),
        ] {
            let figure_bps = bps_rounded_up(owed.minor_units().into(), net_assets);
            if let Some(rule) = self.rule(parameter).filter(|rule| figure_bps > rule.value) {
                let (limit_bps, law) = (rule.value, rule.law);
                return Err(Reason::FundingAboveLimit { lender, funding, figure_bps, limit_bps, law });
            }
        }
        let borrower = BookLine::LenderBorrower(lender, self.terms.borrower_entity.clone());
        let figure_bps = bps_rounded_up(self.with(borrower), net_assets);
        if let Some(rule) = self.rule(Parameter::BorrowerShareMax).filter(|rule| figure_bps > rule.value) {
            let (limit_bps, law) = (rule.value, rule.law);
            return Err(Reason::BorrowerShareAboveLimit { lender, figure_bps, limit_bps, law });
        }
        let obligor = BookLine::LenderObligor(lender, self.terms.obligor_entity.clone());
        let figure_bps = bps_rounded_up(self.with(obligor), net_assets);
        if let Some(rule) = self.rule(Parameter::ObligorShareMax).filter(|rule| figure_bps > rule.value) {
            let (limit_bps, law) = (rule.value, rule.law);
            return Err(Reason::ObligorShareAboveLimit { lender, figure_bps, limit_bps, law });
        }
        Ok(())
    }

    fn consumer_finance(&self) -> Result<(), Reason> {
        let (lender, figures) = (self.lender, &self.attested.figures);
        let capital = u128::from(figures.capital.minor_units());
        let grown = self.with(BookLine::Lender(lender)).saturating_sub(self.attested.lent.minor_units().into());
        let over = |attested: Amount| bps_rounded_down(capital, u128::from(attested.minor_units()) + grown);
        let figure_bps = over(figures.risk_weighted_assets);
        if let Some(rule) = self.rule(Parameter::CapitalAdequacyMin).filter(|rule| figure_bps < rule.value) {
            let (limit_bps, law) = (rule.value, rule.law);
            return Err(Reason::CapitalAdequacyBelowMinimum { lender, figure_bps, limit_bps, law });
        }
        let figure_bps = over(figures.exposures);
        if let Some(rule) = self.rule(Parameter::LeverageRatioMin).filter(|rule| figure_bps < rule.value) {
            let (limit_bps, law) = (rule.value, rule.law);
            return Err(Reason::LeverageRatioBelowMinimum { lender, figure_bps, limit_bps, law });
        }
        Ok(())
    }
}

/// A part of a whole in basis points, rounded up: what must stay below a limit is not rounded under it. Of nothing, any part
/// is beyond every limit.
fn bps_rounded_up(part: u128, whole: u128) -> u64 {
    match (part, whole) {
        (0, _) => 0,
        (_, 0) => u64::MAX,
        (part, whole) => u64::try_from((part * u128::from(BPS)).div_ceil(whole)).unwrap_or(u64::MAX),
    }
}

/// A part of a whole in basis points, rounded down: what must reach a minimum is not rounded up to it.
fn bps_rounded_down(part: u128, whole: u128) -> u64 {
    (part * u128::from(BPS)).checked_div(whole).map_or(u64::MAX, |bps| u64::try_from(bps).unwrap_or(u64::MAX))
}
