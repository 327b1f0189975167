//! Lenders' capital: what an auditor attests of a lender. What follows from it is for [`super::standing`] to say.
//!
//! An attestation says what kind of lender it is and its figures as of a time, in the minor units of one token: a lender that
//! lends in several is attested in each. It is of the lender's legal entity, whatever accounts that lends by.
//!
//! An attestation is made after the time that it is as of, and loans are made in between. So it says how much of its exposures was
//! out on this ledger as of that time, and all that is out beyond that weighs on top of the figures, whenever it was lent.
//!
//! # Deliberately absent
//! Conversion between currencies, and the weighing of risks: a loan weighs what it is worth.

use crate::domain::tokens;
use crate::ledger::context::{open_account, require_role};
use crate::ledger::malformed::Malformed;
use crate::ledger::{Account, Changes, Column, Context, Effect, Entry, Reason, Role};
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
    /// What of them was out on this ledger.
    pub lent: Amount,
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
    lent,
});

/// The latest attestation of a lender's capital.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LenderCapital {
    /// Who attested.
    pub auditor: AccountId,
    /// What.
    pub figures: CapitalFigures,
}
codec_struct!(LenderCapital { auditor, figures });

impl Entry for LenderCapital {
    const COLUMN: Column = Column::LenderCapital;
    /// The lender's legal entity, and the token.
    type Key = (String, TokenId);
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
    /// `LEGAL_ENTITY_REQUIRED`, `ATTESTATION_FROM_THE_FUTURE`, `ATTESTATION_NOT_NEWER`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (auditor, lender, figures) = (context.sender, self.lender, self.figures);
        context.signed_in_role(changes, auditor, Role::Auditor)?;
        tokens::require_known(changes, self.token)?;
        if lender == auditor {
            return Err(Reason::SameAccount { account: lender });
        }
        let legal_entity_id = financier(lender, changes)?.legal_entity_id;
        let (as_of, now) = (figures.as_of, context.now);
        if as_of > now {
            return Err(Reason::AttestationFromTheFuture { as_of, now });
        }
        let key = (legal_entity_id, self.token);
        let latest = changes.read::<LenderCapital>(&key).map(|latest| latest.figures.as_of);
        if let Some(latest_as_of) = latest.filter(|latest| *latest >= as_of) {
            return Err(Reason::AttestationNotNewer { latest_as_of, as_of });
        }
        changes.put(&key, &LenderCapital { auditor, figures });
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
                .with("exposures", figures.exposures)
                .with("lent", figures.lent)
                .with("legal_entity_id", key.0),
        );
        Ok(())
    }
}

/// An open account that lends, of a company: whose loans are counted together is its legal entity.
///
/// # Errors
/// `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`, `ROLE_REQUIRED`, `LEGAL_ENTITY_REQUIRED`.
pub(super) fn financier(lender: AccountId, changes: &Changes<'_>) -> Result<Account, Reason> {
    let account = open_account(changes, lender)?;
    require_role(lender, &account, Role::Financier)?;
    match account.legal_entity_id.is_empty() {
        true => Err(Reason::LegalEntityRequired { account: lender }),
        false => Ok(account),
    }
}
