//! What counts as reserves, and how much of it.

use crate::ledger::limits::{ATTESTATION_AGE_MS_MAX, RESERVE_ASSETS_MAX};
use crate::ledger::malformed::{Malformed, require};
use crate::primitives::time::DAY_MS;
use crate::primitives::{Amount, BlockTime, CodecError, Decode, Encode, Reader};
use crate::{codec_struct, codec_tag};

/// How many basis points make a whole.
pub const BASIS_POINTS: u32 = 10_000;

/// A class of reserve assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AssetClass {
    /// Cash in segregated accounts.
    Cash,
    /// Deposits with banks.
    Deposit,
    /// Marketable debt of governments, central banks and multilaterals.
    GovernmentDebt,
    /// Overnight reverse repurchase agreements.
    ReverseRepo,
}
codec_tag!(AssetClass { Cash = 1, Deposit = 2, GovernmentDebt = 3, ReverseRepo = 4 });

impl AssetClass {
    /// The class's name in files, effects and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Deposit => "deposit",
            Self::GovernmentDebt => "government-debt",
            Self::ReverseRepo => "reverse-repo",
        }
    }
}

/// The conditions on which assets of a class count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetRule {
    /// The class.
    pub asset_class: AssetClass,
    /// The longest residual maturity, in days of 24 hours.
    pub maturity_days_max: u32,
    /// The least haircut on market value.
    pub haircut_bps_min: u32,
}
codec_struct!(AssetRule { asset_class, maturity_days_max, haircut_bps_min });

/// How a token's reserves are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservePolicy {
    /// What counts; a class without a rule does not.
    pub asset_rules: Vec<AssetRule>,
    /// How long an attestation counts after its as-of time.
    pub attestation_age_ms_max: u64,
}

impl Encode for ReservePolicy {
    fn encode(&self, out: &mut Vec<u8>) {
        self.asset_rules.encode(out);
        self.attestation_age_ms_max.encode(out);
    }
}

impl Decode for ReservePolicy {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let asset_rules = reader.list("asset rules", AssetClass::ALL.len())?;
        Ok(Self { asset_rules, attestation_age_ms_max: u64::decode(reader)? })
    }
}

/// One asset of an attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReserveAsset {
    /// Its class.
    pub asset_class: AssetClass,
    /// Its maturity; 0 for cash, which has none.
    pub matures_at: BlockTime,
    /// Its market value, in the token's minor units.
    pub market_value: Amount,
    /// The haircut applied to it.
    pub haircut_bps: u32,
}
codec_struct!(ReserveAsset { asset_class, matures_at, market_value, haircut_bps });

impl ReserveAsset {
    /// The asset, held to its bounds.
    pub(super) fn check(&self) -> Result<(), Malformed> {
        require(self.haircut_bps <= BASIS_POINTS, "haircut_bps", "it must be at most 10,000")?;
        let is_cash = self.asset_class == AssetClass::Cash;
        let why = "it must be 0 for cash and the maturity for everything else";
        require(is_cash == (self.matures_at == BlockTime(0)), "matures_at_ms", why)
    }

    /// What it counts for: market value less haircut, rounded down. `None` if the haircut exceeds the whole.
    pub fn counted(&self) -> Option<Amount> {
        let share = BASIS_POINTS.checked_sub(self.haircut_bps)?;
        self.market_value.scale_down(u64::from(share), u64::from(BASIS_POINTS))
    }
}

impl ReservePolicy {
    /// The policy, held to its bounds.
    pub(super) fn check(&self) -> Result<(), Malformed> {
        require(!self.asset_rules.is_empty(), "asset_rules", "a policy has at least one rule")?;
        for (index, rule) in self.asset_rules.iter().enumerate() {
            let field = |name: &str| format!("asset_rules[{index}].{name}");
            let earlier = &self.asset_rules[..index];
            let is_first = earlier.iter().all(|other| other.asset_class != rule.asset_class);
            require(is_first, field("asset_class"), "a class has at most one rule")?;
            require(rule.haircut_bps_min <= BASIS_POINTS, field("haircut_bps_min"), "it must be at most 10,000")?;
        }
        let ages = 1..=ATTESTATION_AGE_MS_MAX;
        let why = format!("it must be 1 to {ATTESTATION_AGE_MS_MAX}");
        require(ages.contains(&self.attestation_age_ms_max), "attestation_age_ms_max", why)
    }

    /// Which rule an asset breaks as of a time, by its short name; `None` if it is eligible.
    pub(super) fn rule_broken_by(&self, asset: &ReserveAsset, as_of: BlockTime) -> Option<&'static str> {
        let Some(rule) = self.asset_rules.iter().find(|rule| rule.asset_class == asset.asset_class) else {
            return Some("class");
        };
        let matures = asset.asset_class != AssetClass::Cash;
        if matures && asset.matures_at <= as_of {
            // What should have been paid back already is a claim in default, not a reserve.
            return Some("matured");
        }
        if matures && asset.matures_at.ms_since(as_of) > u64::from(rule.maturity_days_max) * DAY_MS {
            return Some("maturity");
        }
        (asset.haircut_bps < rule.haircut_bps_min).then_some("haircut")
    }

    /// The rules as effects show them.
    pub(super) fn rules_text(&self) -> String {
        let rule_text = |rule: &AssetRule| {
            let AssetRule { asset_class, maturity_days_max, haircut_bps_min } = rule;
            format!("{} maturity<={maturity_days_max}d haircut>={haircut_bps_min}bps", asset_class.name())
        };
        self.asset_rules.iter().map(rule_text).collect::<Vec<_>>().join("; ")
    }
}

/// Assets, held to their number and each to its bounds.
pub(super) fn check_assets(assets: &[ReserveAsset]) -> Result<(), Malformed> {
    let why = format!("it has {} entries and must have at most {RESERVE_ASSETS_MAX}", assets.len());
    require(assets.len() <= RESERVE_ASSETS_MAX, "assets", why)?;
    for (index, asset) in assets.iter().enumerate() {
        asset.check().map_err(|malformed| malformed.within(format_args!("assets[{index}]")))?;
    }
    Ok(())
}
