//! Tokens: pegged to a currency, issued against attested reserves, redeemed at par on a clock of business days.
//!
//! # Life cycle
//! An issuer creates a token and names its custodian. The custodian attests what backs it. A maker requests an issuance and
//! a checker approves it, if the reserves counted cover circulation and it. A holder requests redemption, which locks its
//! units; the issuer pays the fiat, states so, and the units are burned; or it rejects, and they are given back. A
//! redemption that is open past its due time records its own breach.
//!
//! # Invariants
//! * No issuance takes circulation above the reserves counted.
//! * Paying a redemption lowers the reserves counted by its amount until an attestation as of a later time: a burn never
//!   makes room for an issuance.
//! * Locked value equals the open redemptions; each is settled once and found overdue at most once.
//!
//! # Deliberately absent
//! Interest, which holders are not paid by law; bank details, of which the ledger keeps a commitment; prices, since assets
//! are attested at market value in the token's own unit.
//!
//! The rules follow Hong Kong's Stablecoins Ordinance (Cap. 656) and the HKMA's guideline on supervision of licensed
//! stablecoin issuers: full backing at all times, redemption at par within one business day. Each is a parameter of a token.

mod certify_balance;
mod issuance;
mod redemption;
mod reserve_policy;
mod reserves;

#[cfg(test)]
mod tests;
mod token;

pub use certify_balance::CertifyBalance;
pub use issuance::{Allocation, ApproveIssuance, Issuance, IssuanceState, RejectIssuance, RequestIssuance};
pub use redemption::{
    PayRedemption, Redemption, RedemptionState, RejectRedemption, RequestRedemption, payout_commitment,
    redemption_deadline, redemptions_overdue,
};
pub use reserve_policy::{AssetClass, AssetRule, BASIS_POINTS, ReserveAsset, ReservePolicy};
pub use reserves::{AttestReserves, Attestation, Payout, Payouts, reserve_line, reserve_lines};
pub use token::{CreateToken, Token, TokenTerms, create, known, known_in, require_known};
