//! Operations on tokens, their reserves, issuances and redemptions.

use crate::domain::tokens::{
    Allocation, ApproveIssuance, AssetClass, AssetRule, AttestReserves, CertifyBalance, CreateToken, PayRedemption,
    RejectIssuance, RejectRedemption, RequestIssuance, RequestRedemption, ReserveAsset, ReservePolicy, TokenTerms,
};
use crate::ledger::limits::{ISSUANCE_ALLOCATIONS_MAX, RESERVE_ASSETS_MAX};
use crate::ledger::malformed::{Malformed, require};
use crate::primitives::currency::Currency;
use crate::primitives::time::{BusinessCalendar, HOLIDAYS_MAX};
use crate::wire::fields::{account_id, amount, hash, object_id, required, time, token_id};
use crate::wire::pb::tokens as pb;

pub(super) fn create_token(message: pb::CreateToken) -> Result<CreateToken, Malformed> {
    let operation = CreateToken {
        token: token_id("token_id", &message.token_id)?,
        terms: TokenTerms {
            currency: currency("currency", &message.currency)?,
            scale: message.scale,
            custodian: account_id("custodian_account_id", &message.custodian_account_id)?,
            reserve_policy: reserve_policy(required("reserve_policy", message.reserve_policy)?)?,
            calendar: calendar(required("calendar", message.calendar)?)?,
            redemption_business_days: message.redemption_business_days,
        },
    };
    operation.check()?;
    Ok(operation)
}

/// A currency's ISO 4217 code.
pub(super) fn currency(field: &str, code: &str) -> Result<Currency, Malformed> {
    code.parse().map_err(|_| Malformed::new(field, "it must be the ISO 4217 code of a currency, such as HKD"))
}

fn reserve_policy(message: pb::ReservePolicy) -> Result<ReservePolicy, Malformed> {
    let rule = |(index, rule): (usize, &pb::AssetRule)| {
        let field = format!("reserve_policy.asset_rules[{index}].asset_class");
        Ok(AssetRule {
            asset_class: asset_class(&field, rule.asset_class)?,
            maturity_days_max: rule.maturity_days_max,
            haircut_bps_min: rule.haircut_bps_min,
        })
    };
    Ok(ReservePolicy {
        asset_rules: message.asset_rules.iter().enumerate().map(rule).collect::<Result<_, _>>()?,
        attestation_age_ms_max: message.attestation_age_ms_max,
    })
}

fn asset_class(field: &str, number: i32) -> Result<AssetClass, Malformed> {
    match pb::AssetClass::try_from(number) {
        Ok(pb::AssetClass::Cash) => Ok(AssetClass::Cash),
        Ok(pb::AssetClass::Deposit) => Ok(AssetClass::Deposit),
        Ok(pb::AssetClass::GovernmentDebt) => Ok(AssetClass::GovernmentDebt),
        Ok(pb::AssetClass::ReverseRepo) => Ok(AssetClass::ReverseRepo),
        Ok(pb::AssetClass::Unspecified) | Err(_) => Err(Malformed::new(field, "it is not an asset class")),
    }
}

pub(super) fn calendar(message: pb::BusinessCalendar) -> Result<BusinessCalendar, Malformed> {
    let offset = message.utc_offset_minutes;
    let bounds = "it must be -720 to 840 minutes east of UTC";
    require((-720..=840).contains(&offset), "calendar.utc_offset_minutes", bounds)?;
    let calendar = BusinessCalendar {
        // The bounds above keep the sum within 0 to 1560.
        utc_offset_minutes_plus_720: (offset + 720) as u16,
        holidays: message.holidays,
    };
    let bounds = format!("they must ascend, each once, and be at most {HOLIDAYS_MAX}");
    require(calendar.is_well_formed(), "calendar.holidays", bounds)?;
    Ok(calendar)
}

pub(super) fn attest_reserves(message: pb::AttestReserves) -> Result<AttestReserves, Malformed> {
    let count = message.assets.len();
    require(
        count <= RESERVE_ASSETS_MAX,
        "assets",
        format!("there are {count} and must be at most {RESERVE_ASSETS_MAX}"),
    )?;
    let asset = |(index, asset): (usize, &pb::ReserveAsset)| {
        Ok(ReserveAsset {
            asset_class: asset_class(&format!("assets[{index}].asset_class"), asset.asset_class)?,
            matures_at: time(&format!("assets[{index}].matures_at_ms"), asset.matures_at_ms)?,
            market_value: amount(asset.market_value),
            haircut_bps: asset.haircut_bps,
        })
    };
    let operation = AttestReserves {
        token: token_id("token_id", &message.token_id)?,
        as_of: time("as_of_ms", message.as_of_ms)?,
        assets: message.assets.iter().enumerate().map(asset).collect::<Result<_, Malformed>>()?,
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn request_issuance(message: pb::RequestIssuance) -> Result<RequestIssuance, Malformed> {
    let count = message.allocations.len();
    let bounds = format!("there are {count} and must be 1 to {ISSUANCE_ALLOCATIONS_MAX}");
    require((1..=ISSUANCE_ALLOCATIONS_MAX).contains(&count), "allocations", bounds)?;
    let allocation = |(index, allocation): (usize, &pb::Allocation)| {
        Ok(Allocation {
            account: account_id(&format!("allocations[{index}].account_id"), &allocation.account_id)?,
            amount: amount(allocation.amount),
        })
    };
    let operation = RequestIssuance {
        token: token_id("token_id", &message.token_id)?,
        allocations: message.allocations.iter().enumerate().map(allocation).collect::<Result<_, Malformed>>()?,
        expires_at: time("expires_at_ms", message.expires_at_ms)?,
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn approve_issuance(message: pb::ApproveIssuance) -> Result<ApproveIssuance, Malformed> {
    Ok(ApproveIssuance { issuance: object_id("issuance_id", &message.issuance_id)? })
}

pub(super) fn reject_issuance(message: pb::RejectIssuance) -> Result<RejectIssuance, Malformed> {
    Ok(RejectIssuance { issuance: object_id("issuance_id", &message.issuance_id)? })
}

pub(super) fn request_redemption(message: pb::RequestRedemption) -> Result<RequestRedemption, Malformed> {
    let operation = RequestRedemption {
        token: token_id("token_id", &message.token_id)?,
        amount: amount(message.amount),
        payout_commitment: hash("payout_commitment", &message.payout_commitment)?,
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn pay_redemption(message: pb::PayRedemption) -> Result<PayRedemption, Malformed> {
    let redemption = object_id("redemption_id", &message.redemption_id)?;
    let operation = PayRedemption { redemption, fiat_reference: message.fiat_reference };
    operation.check()?;
    Ok(operation)
}

pub(super) fn reject_redemption(message: pb::RejectRedemption) -> Result<RejectRedemption, Malformed> {
    let redemption = object_id("redemption_id", &message.redemption_id)?;
    let operation = RejectRedemption { redemption, narrative: message.narrative };
    operation.check()?;
    Ok(operation)
}

pub(super) fn certify_balance(message: pb::CertifyBalance) -> Result<CertifyBalance, Malformed> {
    Ok(CertifyBalance {
        account: account_id("account_id", &message.account_id)?,
        token: token_id("token_id", &message.token_id)?,
    })
}
