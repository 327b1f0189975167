//! Tokens: reserves, issuance, redemption.
