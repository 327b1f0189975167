//! The room's rules: each reason in a row (`declines`), the stories of its documents (`stories`), and random histories
//! against a model that knows nothing of the code (`histories`).

mod declines;
mod histories;
mod stories;

use super::*;
use crate::domain::rehearsal::{Performed, Rehearsal};
use crate::ledger::{Reason, ReserveLine, Role};
use crate::primitives::time::{BusinessCalendar, DAY_MS};
use crate::primitives::{AccountId, Amount, BlockTime, Hash, ObjectId, TokenId};

/// Monday, 2026-11-23, 09:00 in Hong Kong.
const MONDAY: BlockTime = BlockTime(1_795_395_600_000);
const HOUR_MS: u64 = 60 * 60 * 1000;
const AGE_MS_MAX: u64 = 10 * DAY_MS;

/// A ledger with one token and everyone whom it needs.
struct Stage {
    ledger: Rehearsal,
    issuer: AccountId,
    custodian: AccountId,
    maker: AccountId,
    checker: AccountId,
    holder: AccountId,
}

fn hkdx() -> TokenId {
    "HKDX".parse().expect("a token id")
}

fn amount(units: u64) -> Amount {
    Amount::new(units)
}

fn terms(custodian: AccountId) -> TokenTerms {
    let rule =
        |asset_class, maturity_days_max, haircut_bps_min| AssetRule { asset_class, maturity_days_max, haircut_bps_min };
    TokenTerms {
        currency: "HKD".parse().expect("a currency"),
        scale: 2,
        custodian,
        reserve_policy: ReservePolicy {
            asset_rules: vec![rule(AssetClass::Cash, 0, 0), rule(AssetClass::GovernmentDebt, 366, 200)],
            attestation_age_ms_max: AGE_MS_MAX,
        },
        calendar: BusinessCalendar { utc_offset_minutes_plus_720: 1200, holidays: Vec::new() },
        redemption_business_days: 1,
    }
}

fn cash(units: u64) -> ReserveAsset {
    let (asset_class, matures_at, haircut_bps) = (AssetClass::Cash, BlockTime(0), 0);
    ReserveAsset { asset_class, matures_at, market_value: amount(units), haircut_bps }
}

fn bill(units: u64, matures_at: BlockTime, haircut_bps: u32) -> ReserveAsset {
    ReserveAsset { asset_class: AssetClass::GovernmentDebt, matures_at, market_value: amount(units), haircut_bps }
}

impl Stage {
    fn new() -> Self {
        let mut ledger = Rehearsal::at(MONDAY);
        let issuer = ledger.open(1, None, &[Role::Issuer]);
        let custodian = ledger.open(2, None, &[Role::Custodian]);
        let maker = ledger.open(3, Some(issuer), &[Role::IssuanceMaker]);
        let checker = ledger.open(4, Some(issuer), &[Role::IssuanceChecker]);
        let bank = ledger.open(5, None, &[Role::Institution]);
        let holder = ledger.open(6, Some(bank), &[Role::Merchant]);
        ledger.edit(|changes| create(changes, hkdx(), issuer, &terms(custodian)).expect("a good token"));
        Self { ledger, issuer, custodian, maker, checker, holder }
    }

    /// A stage on which so much is attested and so much of it is issued to the holder.
    fn with(attested: u64, issued: u64) -> Self {
        let mut stage = Self::new();
        stage.attest(MONDAY, vec![cash(attested)]).expect("reserves");
        if issued > 0 {
            stage.issue(issued).expect("within the reserves");
        }
        stage
    }

    fn attest(&mut self, as_of: BlockTime, assets: Vec<ReserveAsset>) -> Result<Performed, Reason> {
        let operation = AttestReserves { token: hkdx(), as_of, assets };
        operation.check().expect("well formed");
        self.ledger.perform(&[self.custodian], |context, changes| operation.plan(context, changes))
    }

    fn request_issuance(&mut self, units: u64) -> Result<ObjectId, Reason> {
        let allocations = vec![Allocation { account: self.holder, amount: amount(units) }];
        let expires_at = BlockTime(self.ledger.now.0 + DAY_MS);
        let operation = RequestIssuance { token: hkdx(), allocations, expires_at };
        let performed = self.ledger.perform(&[self.maker], |context, changes| operation.plan(context, changes));
        performed.map(|performed| performed.object)
    }

    fn approve(&mut self, checker: AccountId, issuance: ObjectId) -> Result<Performed, Reason> {
        self.ledger.perform(&[checker], |context, changes| ApproveIssuance { issuance }.plan(context, changes))
    }

    fn reject_issuance(&mut self, checker: AccountId, issuance: ObjectId) -> Result<Performed, Reason> {
        self.ledger.perform(&[checker], |context, changes| RejectIssuance { issuance }.plan(context, changes))
    }

    fn issue(&mut self, units: u64) -> Result<ObjectId, Reason> {
        let issuance = self.request_issuance(units)?;
        self.approve(self.checker, issuance).map(|_| issuance)
    }

    fn request_redemption(&mut self, units: u64) -> Result<ObjectId, Reason> {
        let operation = RequestRedemption { token: hkdx(), amount: amount(units), payout_commitment: Hash([7; 32]) };
        let performed = self.ledger.perform(&[self.holder], |context, changes| operation.plan(context, changes));
        performed.map(|performed| performed.object)
    }

    fn pay(&mut self, redemption: ObjectId) -> Result<Performed, Reason> {
        let operation = PayRedemption { redemption, fiat_reference: "FPS-1".into() };
        self.ledger.perform(&[self.issuer], |context, changes| operation.plan(context, changes))
    }

    fn reject(&mut self, redemption: ObjectId) -> Result<Performed, Reason> {
        let operation = RejectRedemption { redemption, narrative: "no such account".into() };
        self.ledger.perform(&[self.issuer], |context, changes| operation.plan(context, changes))
    }

    fn line(&self) -> ReserveLine {
        reserve_line(&self.ledger.view, hkdx(), self.ledger.now).expect("the token")
    }

    /// Lets so much time pass.
    fn wait(&mut self, ms: u64) {
        self.ledger.now.0 += ms;
    }
}
