//! Who takes part in a network made here, and with which tokens. Names and numbers are invented.

use crate::client::operations::{AssetClass, AssetRule};
use crate::domain::financing::Parameter;
use crate::execution::genesis::{AccountSpec, AssetRuleSpec, LendingParameterSpec, TokenSpec};
use crate::ledger::account::Role;
use crate::primitives::PublicKey;

/// A party that the genesis names.
#[derive(Clone, Debug)]
pub struct GenesisParty {
    /// Its name, from which its account id follows.
    pub name: &'static str,
    /// What it may do.
    pub roles: &'static [Role],
    /// The company behind it.
    pub legal_entity_id: &'static str,
    /// The party above it.
    pub parent: Option<&'static str>,
    /// What it is, for people.
    pub description: &'static str,
}

impl GenesisParty {
    pub(super) fn to_spec(&self, key: PublicKey) -> AccountSpec {
        AccountSpec {
            name: self.name.to_owned(),
            keys: vec![key.to_string()],
            threshold: 1,
            roles: self.roles.iter().map(|role| role.name().to_owned()).collect(),
            legal_entity_id: self.legal_entity_id.to_owned(),
            parent: self.parent.map(str::to_owned),
        }
    }
}

macro_rules! party {
    ($name:literal, [$($role:ident),*], $legal:literal, $parent:expr, $description:literal) => {
        GenesisParty {
            name: $name,
            roles: &[$(Role::$role),*],
            legal_entity_id: $legal,
            parent: $parent,
            description: $description,
        }
    };
}

/// The parties of the genesis. A parent stands before those under it.
pub fn genesis_parties() -> Vec<GenesisParty> {
    vec![
        party!("issuer", [Issuer], "HKBR:70000001", None, "issues HKDX"),
        party!("issuer-maker", [IssuanceMaker], "", Some("issuer"), "requests issuances of HKDX"),
        party!("issuer-checker", [IssuanceChecker], "", Some("issuer"), "approves issuances of HKDX"),
        party!("usd-issuer", [Issuer], "HKBR:70000002", None, "issues USDX"),
        party!("usd-issuer-maker", [IssuanceMaker], "", Some("usd-issuer"), "requests issuances of USDX"),
        party!("usd-issuer-checker", [IssuanceChecker], "", Some("usd-issuer"), "approves issuances of USDX"),
        party!("custodian", [Custodian], "HKBR:70000003", None, "attests the reserves"),
        party!("bank-east", [Institution], "HKBR:70000004", None, "the buyer's bank"),
        party!("bank-west", [Institution], "HKBR:70000005", None, "the supplier's and the financier's bank"),
        party!("observer", [Observer], "", None, "the regulator: reads everything"),
        party!("governance", [Governance], "", None, "sets what the law sets for lenders"),
        party!("auditor", [Auditor], "", None, "attests the capital of lenders"),
        party!("operator", [Operator], "", None, "runs the validators: reads everything"),
    ]
}

/// A party whose account a bank opens once the network runs.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Its name.
    pub name: &'static str,
    /// Its bank.
    pub bank: &'static str,
    /// What it may do.
    pub role: Role,
    /// The company behind it.
    pub legal_entity_id: &'static str,
    /// What it is, for people.
    pub description: &'static str,
}

/// The banks' customers.
pub static CUSTOMERS: [Customer; 5] = [
    Customer {
        name: "buyer",
        bank: "bank-east",
        role: Role::Merchant,
        legal_entity_id: "HKBR:70000010",
        description: "buys and pays",
    },
    Customer {
        name: "supplier",
        bank: "bank-west",
        role: Role::Merchant,
        legal_entity_id: "HKBR:70000011",
        description: "delivers and is paid",
    },
    Customer {
        name: "financier",
        bank: "bank-west",
        role: Role::Financier,
        legal_entity_id: "HKBR:70000012",
        description: "finances the supplier's invoices",
    },
    Customer {
        name: "carrier",
        bank: "bank-west",
        role: Role::Carrier,
        legal_entity_id: "HKBR:70000013",
        description: "moves the goods, and records where they were read",
    },
    TIER_TWO,
];

/// Customers whom some stories need besides.
pub const CO_FINANCIER: Customer = Customer {
    name: "co-financier",
    bank: "bank-east",
    role: Role::Financier,
    legal_entity_id: "HKBR:70000014",
    description: "lends too",
};
/// The supplier's own supplier.
pub const TIER_TWO: Customer = Customer {
    name: "tier-2",
    bank: "bank-west",
    role: Role::Merchant,
    legal_entity_id: "HKBR:70000015",
    description: "makes parts for the supplier",
};
/// The supplier of that one.
pub const TIER_THREE: Customer = Customer {
    name: "tier-3",
    bank: "bank-east",
    role: Role::Merchant,
    legal_entity_id: "HKBR:70000016",
    description: "makes the material of the parts",
};

/// Every customer that may have an account.
pub fn customers() -> impl Iterator<Item = &'static Customer> {
    CUSTOMERS.iter().chain([&CO_FINANCIER, &TIER_THREE])
}

/// How long an attestation counts: a day.
pub const ATTESTATION_AGE_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// Hong Kong's time zone.
pub const UTC_OFFSET_MINUTES: i16 = 480;

/// What counts as reserves in Hong Kong: cash, deposits up to 3 months, public debt up to 1 year, overnight reverse repos.
pub const ASSET_RULES: [AssetRule; 4] = [
    AssetRule { asset_class: AssetClass::Cash, maturity_days_max: 0, haircut_bps_min: 0 },
    AssetRule { asset_class: AssetClass::Deposit, maturity_days_max: 93, haircut_bps_min: 0 },
    AssetRule { asset_class: AssetClass::GovernmentDebt, maturity_days_max: 366, haircut_bps_min: 200 },
    AssetRule { asset_class: AssetClass::ReverseRepo, maturity_days_max: 1, haircut_bps_min: 0 },
];

/// The tokens of the genesis, with the names of their issuers.
pub fn genesis_tokens() -> Vec<TokenSpec> {
    let name_of =
        |class: AssetClass| AssetClass::NAMES.iter().find(|(_, known)| *known == class).map(|(name, _)| *name);
    let rule = |rule: &AssetRule| AssetRuleSpec {
        asset_class: name_of(rule.asset_class).unwrap_or_default().to_owned(),
        maturity_days_max: rule.maturity_days_max,
        haircut_bps_min: rule.haircut_bps_min,
    };
    let token = |token: &str, currency: &str, issuer: &str| TokenSpec {
        token_id: token.to_owned(),
        currency: currency.to_owned(),
        scale: 2,
        issuer: issuer.to_owned(),
        custodian: "custodian".to_owned(),
        asset_rules: ASSET_RULES.iter().map(rule).collect(),
        attestation_age_ms_max: ATTESTATION_AGE_MS_MAX,
        utc_offset_minutes: UTC_OFFSET_MINUTES,
        // Hong Kong's general holidays of the coming year that are no Sundays; a production calendar has more years.
        holidays: HOLIDAYS.iter().map(|day| (*day).to_owned()).collect(),
        redemption_business_days: 1,
    };
    vec![token("HKDX", "HKD", "issuer"), token("USDX", "USD", "usd-issuer")]
}

/// The lender's rules of the genesis: the cap on the all-in annual cost of a loan, and the least that an originator lends
/// itself.
pub fn lending_parameters() -> Vec<LendingParameterSpec> {
    let rule = |parameter: Parameter, value| LendingParameterSpec {
        parameter: parameter.name().to_owned(),
        value,
        law: "the sandbox's rules".to_owned(),
        in_force_from_ms: 0,
    };
    vec![rule(Parameter::AllInCostMax, 2_400), rule(Parameter::OwnShareMin, 3_000)]
}

const HOLIDAYS: [&str; 4] = ["2026-12-25", "2026-12-26", "2027-01-01", "2027-05-01"];
