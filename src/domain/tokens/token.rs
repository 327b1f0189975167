//! Tokens and their terms.

use super::reserve_policy::ReservePolicy;
use crate::codec_struct;
use crate::ledger::context::{open_account, require_role};
use crate::ledger::limits::{REDEMPTION_BUSINESS_DAYS_MAX, TOKEN_SCALE_MAX, TOKENS_MAX, TOKENS_PER_ISSUER_MAX};
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{Changes, Column, Context, Effect, Entry, Reason, Role, View};
use crate::primitives::time::BusinessCalendar;
use crate::primitives::{AccountId, Currency, Decode as _, Reader, TokenId};

/// What a token promises. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTerms {
    /// What it is pegged to.
    pub currency: Currency,
    /// Decimals of a unit: 2 if a minor unit is a cent.
    pub scale: u32,
    /// Who attests its reserves.
    pub custodian: AccountId,
    /// How its reserves are counted.
    pub reserve_policy: ReservePolicy,
    /// The business days of its redemptions.
    pub calendar: BusinessCalendar,
    /// Within how many of them a redemption is to be paid.
    pub redemption_business_days: u32,
}
codec_struct!(TokenTerms { currency, scale, custodian, reserve_policy, calendar, redemption_business_days });

impl TokenTerms {
    /// The terms, held to their bounds.
    ///
    /// # Errors
    /// The first field that breaks one, by its path in the message that holds the terms.
    pub fn check(&self) -> Result<(), Malformed> {
        require(self.scale <= TOKEN_SCALE_MAX, "scale", format!("it must be at most {TOKEN_SCALE_MAX}"))?;
        self.reserve_policy.check().map_err(|malformed| malformed.within("reserve_policy"))?;
        let calendar_why = "its offset must be -720 to 840 minutes, its holidays at most 1,024, ascending, each once";
        require(self.calendar.is_well_formed(), "calendar", calendar_why)?;
        let days = 1..=REDEMPTION_BUSINESS_DAYS_MAX;
        let days_why = format!("it must be 1 to {REDEMPTION_BUSINESS_DAYS_MAX}");
        require(days.contains(&self.redemption_business_days), "redemption_business_days", days_why)
    }
}

/// A token as state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Who issues it and pays redemptions.
    pub issuer: AccountId,
    /// What it promises.
    pub terms: TokenTerms,
}
codec_struct!(Token { issuer, terms });

impl Entry for Token {
    const COLUMN: Column = Column::Tokens;
    type Key = TokenId;
}

/// The token, if it is on this ledger.
///
/// # Errors
/// `UNKNOWN_TOKEN`.
pub fn known(changes: &Changes<'_>, token: TokenId) -> Result<Token, Reason> {
    changes.read(&token).ok_or(Reason::UnknownToken { token })
}

/// The token, if it is on this ledger and pegged to the currency of a document.
///
/// # Errors
/// `UNKNOWN_TOKEN`, `CURRENCY_MISMATCH`.
pub fn known_in(changes: &Changes<'_>, token: TokenId, currency: Currency) -> Result<Token, Reason> {
    let found = known(changes, token)?;
    if found.terms.currency != currency {
        let (token_currency, invoice_currency) = (found.terms.currency.into(), currency.into());
        return Err(Reason::CurrencyMismatch { token, token_currency, invoice_currency });
    }
    Ok(found)
}

/// Whether the token is on this ledger, for those who need none of its terms: a calendar alone can be 1,024 holidays.
///
/// # Errors
/// `UNKNOWN_TOKEN`.
pub fn require_known(changes: &Changes<'_>, token: TokenId) -> Result<(), Reason> {
    if changes.has::<Token>(&token) { Ok(()) } else { Err(Reason::UnknownToken { token }) }
}

/// Whether the issuer may have one more, and the ledger carry it.
fn require_room(changes: &Changes<'_>, issuer: AccountId) -> Result<(), Reason> {
    let tokens = changes.scan(Column::Tokens, &[], TOKENS_MAX);
    let mut own = 0;
    for (key, value) in &tokens {
        // The issuer stands first in the entry: the calendar behind it, of up to 1,024 holidays, need not be read.
        match AccountId::decode(&mut Reader::new(value)) {
            Ok(of) => own += usize::from(of == issuer),
            Err(_) => changes.note_corruption(Column::Tokens, key),
        }
    }
    if own >= TOKENS_PER_ISSUER_MAX {
        return Err(Reason::TooManyTokensOfIssuer { issuer, tokens_max: TOKENS_PER_ISSUER_MAX as u64 });
    }
    match tokens.len() < TOKENS_MAX {
        true => Ok(()),
        false => Err(Reason::TooManyTokens { tokens_max: TOKENS_MAX as u64 }),
    }
}

/// Creates a token that the sender issues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateToken {
    /// Its id.
    pub token: TokenId,
    /// What it promises.
    pub terms: TokenTerms,
}

impl CreateToken {
    /// The operation, held to its bounds.
    ///
    /// # Errors
    /// Those of [`TokenTerms::check`].
    pub fn check(&self) -> Result<(), Malformed> {
        self.terms.check()
    }

    /// Plans the creation.
    ///
    /// # Errors
    /// Those of [`create`], and of an unsigned or closed sender.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        context.signed_by(changes, context.sender)?;
        create(changes, self.token, context.sender, &self.terms)
    }
}

/// Puts a new token on the ledger: what creating one and the genesis have in common.
///
/// # Errors
/// `ROLE_REQUIRED`, `TOKEN_EXISTS`, `TOO_MANY_TOKENS_OF_ISSUER`, `TOO_MANY_TOKENS`, `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`,
/// `SAME_ACCOUNT`.
pub fn create(changes: &mut Changes<'_>, token: TokenId, issuer: AccountId, terms: &TokenTerms) -> Result<(), Reason> {
    require_role(issuer, &open_account(changes, issuer)?, Role::Issuer)?;
    if changes.has::<Token>(&token) {
        return Err(Reason::TokenExists { token });
    }
    require_room(changes, issuer)?;
    let custodian = open_account(changes, terms.custodian)?;
    if terms.custodian == issuer {
        return Err(Reason::SameAccount { account: issuer });
    }
    require_role(terms.custodian, &custodian, Role::Custodian)?;
    changes.put(&token, &Token { issuer, terms: terms.clone() });
    changes.record(
        Effect::new("tokens.created")
            .with("token", token)
            .with("currency", terms.currency)
            .with("scale", terms.scale)
            .with("issuer", issuer)
            .with("custodian", terms.custodian)
            .with("asset_rules", terms.reserve_policy.rules_text())
            .with("attestation_age_ms_max", terms.reserve_policy.attestation_age_ms_max)
            .with("redemption_business_days", terms.redemption_business_days),
    );
    Ok(())
}
