//! Where every story begins: tokens with their reserves, issued to the banks, in the hands of their customers; payments that
//! are nothing but payments; and redemption, where it ends.

use crate::client::Settled;
use crate::client::operations::{self, AssetClass, NewToken, Remittance, ReserveAsset};
use crate::client::ubl::UblInvoice;
use crate::domain::tokens::payout_commitment;
use crate::primitives::time::DAY_MS;
use crate::primitives::{Amount, TokenId, TransactionId};
use crate::sandbox::SandboxError;
use crate::sandbox::cast::{self, CUSTOMERS, Customer};
use crate::sandbox::documents::Document;
use crate::sandbox::stage::{Expect, Stage};

const MINUTE_MS: u64 = 60 * 1000;

/// Opens the accounts of the banks' customers, those that are not open yet.
///
/// # Errors
/// An account is not opened.
pub async fn open_accounts(stage: &mut Stage<'_>, document: Option<&Document<UblInvoice>>) -> Result<(), SandboxError> {
    for customer in &CUSTOMERS {
        // The companies of the document are the companies of the accounts, or its fingerprint would be of others.
        let from_document = match customer.name {
            "supplier" => document.and_then(Document::supplier_legal_id),
            "buyer" => document.and_then(Document::buyer_legal_id),
            _ => None,
        };
        open_account(stage, customer, from_document.as_deref().unwrap_or(customer.legal_entity_id)).await?;
    }
    Ok(())
}

/// Opens the account of a customer, if it is not open yet.
///
/// # Errors
/// It is not opened.
pub async fn open_account(
    stage: &mut Stage<'_>,
    customer: &Customer,
    legal_entity_id: &str,
) -> Result<(), SandboxError> {
    match stage.knows(customer.name) {
        true => Ok(()),
        false => stage.open_account(customer, legal_entity_id).await,
    }
}

/// Brings money to everyone in the genesis' tokens and in that of the trade: reserves, issuances to the banks, and from the
/// banks to the customers.
///
/// # Errors
/// A step does not go as it must.
pub async fn fund_all(stage: &mut Stage<'_>, document: &Document<UblInvoice>) -> Result<(), SandboxError> {
    let (hkdx, usdx) = (token("HKDX")?, token("USDX")?);
    let (trade_token, amount) = trade_token(stage, document).await?;
    let mut tokens = vec![hkdx, usdx];
    if !tokens.contains(&trade_token) {
        tokens.push(trade_token);
    }
    for token in &tokens {
        attest(stage, *token, amount).await?;
        issue(stage, *token, amount).await?;
    }
    issue_past_reserves(stage, hkdx).await?;
    fund_customers(stage, &tokens, (trade_token, amount)).await
}

/// The same in the token of the trade alone.
///
/// # Errors
/// A step does not go as it must.
pub async fn fund(stage: &mut Stage<'_>, (token, amount): (TokenId, Amount)) -> Result<(), SandboxError> {
    attest(stage, token, amount).await?;
    issue(stage, token, amount).await?;
    fund_customers(stage, &[token], (token, amount)).await
}

async fn fund_customers(
    stage: &mut Stage<'_>,
    tokens: &[TokenId],
    (trade_token, trade_amount): (TokenId, Amount),
) -> Result<(), SandboxError> {
    let (bank, buyer) = (stage.account("bank-east")?, stage.account("buyer")?);
    let mut draft = stage.draft("bank-east")?;
    for token in tokens {
        let more = if *token == trade_token { trade_amount } else { Amount::ZERO };
        let amount = add(units(stage, *token, 100_000), more)?;
        draft.add(operations::transfer(bank, buyer, *token, amount, remittance("FUND-BUYER", "CASH", &[])));
    }
    let sentence = match tokens.len() {
        1 => "bank-east funds the buyer",
        _ => "bank-east funds the buyer in each token, in one transaction",
    };
    stage.settle("fund-buyer", sentence, draft, &[], Expect::Applied).await?;
    fund_lender(stage, "financier", "bank-west", (trade_token, trade_amount)).await
}

/// Brings a lender what it lends.
///
/// # Errors
/// Its bank does not pay.
pub async fn fund_lender(
    stage: &mut Stage<'_>,
    lender: &str,
    bank: &str,
    (token, amount): (TokenId, Amount),
) -> Result<(), SandboxError> {
    let what_for = remittance(&format!("FUND-{}", lender.to_uppercase()), "CASH", &[]);
    let payment = operations::transfer(stage.account(bank)?, stage.account(lender)?, token, amount, what_for);
    stage.apply(bank, &format!("fund-{lender}"), &format!("{bank} funds the {lender}"), payment).await.map(drop)
}

/// A token by its name.
///
/// # Errors
/// It is no name of a token.
pub fn token(id: &str) -> Result<TokenId, SandboxError> {
    id.parse().map_err(|error: crate::primitives::ids::ParseIdError| SandboxError::Internal(error.to_string()))
}

pub fn overflow() -> SandboxError {
    SandboxError::Internal("the invoice's amount is more than this scenario can carry".to_owned())
}

fn add(left: Amount, right: Amount) -> Result<Amount, SandboxError> {
    left.checked_add(right).ok_or_else(overflow)
}

/// So many whole units of a token.
pub fn units(stage: &Stage<'_>, token: TokenId, count: u64) -> Amount {
    Amount::new(count.saturating_mul(10u64.saturating_pow(stage.scale(token))))
}

fn remittance(end_to_end_id: &str, purpose_code: &str, invoices: &[&str]) -> Remittance {
    Remittance {
        end_to_end_id: end_to_end_id.to_owned(),
        purpose_code: purpose_code.to_owned(),
        invoice_references: invoices.iter().map(|number| (*number).to_owned()).collect(),
    }
}

/// The token of the invoice's currency, created if the ledger has none, and the invoice's amount in it.
///
/// # Errors
/// The token is not created, or cannot hold the amount.
pub async fn trade_token(
    stage: &mut Stage<'_>,
    document: &Document<UblInvoice>,
) -> Result<(TokenId, Amount), SandboxError> {
    let currency = document.says.currency.as_str();
    let known = stage.client().tokens().await?.into_iter().find(|token| token.currency == currency);
    let (id, scale) = match known {
        Some(found) => (token(&found.token_id)?, found.scale),
        None => create_token(stage, currency).await?,
    };
    stage.learn_token(id, scale);
    let amount = document.says.payable_amount.minor_units(scale);
    let amount =
        amount.map_err(|error| SandboxError::Invoice { document: document.name.clone(), why: error.to_string() })?;
    Ok((id, Amount::new(amount)))
}

/// What a token for a currency is called, and how many decimals it has: the currency's own.
pub fn new_token(currency: &str) -> (String, u32) {
    let exponent = iso_currency::Currency::from_code(currency).and_then(|currency| currency.exponent());
    (format!("{currency}X"), u32::from(exponent.unwrap_or(2)))
}

async fn create_token(stage: &mut Stage<'_>, currency: &str) -> Result<(TokenId, u32), SandboxError> {
    let (id, scale) = new_token(currency);
    let id = token(&id)?;
    let terms = NewToken {
        token: id,
        currency: currency.to_owned(),
        scale,
        custodian: stage.account("custodian")?,
        asset_rules: cast::ASSET_RULES.to_vec(),
        attestation_age_ms_max: cast::ATTESTATION_AGE_MS_MAX,
        utc_offset_minutes: cast::UTC_OFFSET_MINUTES.into(),
        holidays: Vec::new(),
        redemption_business_days: 1,
    };
    let sentence = format!("the issuer creates {id}, because the invoice is in {currency}");
    stage.apply("issuer", "create-token", &sentence, operations::create_token(terms)).await?;
    Ok((id, scale))
}

/// Attests reserves that cover what circulates, what the scenario issues, and a margin.
async fn attest(stage: &mut Stage<'_>, token: TokenId, trade_amount: Amount) -> Result<(), SandboxError> {
    let circulating = Amount::new(stage.client().token(token).await?.circulation);
    let unit = units(stage, token, 1_000_000);
    let cash = add(add(circulating, add(unit, unit)?)?, add(trade_amount, trade_amount)?)?;
    // A second back keeps the statement out of the future.
    let as_of_ms = stage.now_ms() - 1_000;
    let asset = |asset_class, matures_at_ms, market_value, haircut_bps| ReserveAsset {
        asset_class,
        matures_at_ms,
        market_value,
        haircut_bps,
    };
    let assets = [
        asset(AssetClass::Cash, 0, cash, 0),
        asset(AssetClass::Deposit, as_of_ms + 30 * DAY_MS, unit, 0),
        asset(AssetClass::GovernmentDebt, as_of_ms + 180 * DAY_MS, unit, 200),
    ];
    let attestation = operations::attest_reserves(token, as_of_ms, &assets);
    let step = format!("attest-{}", token.as_str().to_lowercase());
    let sentence = format!("the custodian attests the reserves of {token}: cash, deposits, public debt less 2 %");
    stage.apply("custodian", &step, &sentence, attestation).await?;
    let found = stage.client().token(token).await?;
    let money = |amount: u64| stage.money(Amount::new(amount), token);
    stage.tell(&format!(
        "Counted as reserves: {}; in circulation: {}.",
        money(found.reserves_counted),
        money(found.circulation)
    ));
    Ok(())
}

/// Issues to both banks, by two people of the issuer.
async fn issue(stage: &mut Stage<'_>, token: TokenId, trade_amount: Amount) -> Result<(), SandboxError> {
    let amount = add(units(stage, token, 500_000), trade_amount)?;
    let allocations = [(stage.account("bank-east")?, amount), (stage.account("bank-west")?, amount)];
    let issuer = if token.as_str() == "USDX" { "usd-issuer" } else { "issuer" };
    let (maker, checker) = (format!("{issuer}-maker"), format!("{issuer}-checker"));
    let suffix = token.as_str().to_lowercase();
    let request = operations::request_issuance(token, &allocations, stage.now_ms() + 30 * MINUTE_MS);
    let sentence = format!("{maker} requests {} for each bank", stage.money(amount, token));
    let issuance = stage.create(&maker, &format!("request-issuance-{suffix}"), &sentence, request).await?;
    let sentence = format!("{checker} approves it, and it is minted");
    let approval = operations::approve_issuance(issuance);
    stage.apply(&checker, &format!("approve-issuance-{suffix}"), &sentence, approval).await.map(drop)
}

/// Asks for one minor unit more than the reserves allow.
async fn issue_past_reserves(stage: &mut Stage<'_>, token: TokenId) -> Result<(), SandboxError> {
    let line = stage.client().token(token).await?;
    let room = Amount::new(line.reserves_counted).excess_over(Amount::new(line.circulation));
    let amount = add(room, Amount::new(1))?;
    let allocations = [(stage.account("bank-east")?, amount)];
    let request = operations::request_issuance(token, &allocations, stage.now_ms() + 30 * MINUTE_MS);
    let sentence = format!("issuer-maker requests {}, a cent past the reserves", stage.money(amount, token));
    let issuance = stage.create("issuer-maker", "request-past-reserves", &sentence, request).await?;
    let approval = operations::approve_issuance(issuance);
    let (sentence, reason) = ("issuer-checker approves it", "RESERVE_SHORTFALL");
    stage.decline("issuer-checker", "approve-past-reserves", sentence, approval, reason).await?;
    let rejection = operations::reject_issuance(issuance);
    stage.apply("issuer-checker", "reject-past-reserves", "issuer-checker rejects it", rejection).await.map(drop)
}

/// The buyer pays the supplier.
///
/// # Errors
/// It does not.
pub async fn pay(
    stage: &mut Stage<'_>,
    step: &str,
    (token, amount): (TokenId, Amount),
    (end_to_end_id, invoices): (&str, &[&str]),
) -> Result<Settled, SandboxError> {
    let what_for = remittance(end_to_end_id, "SUPP", invoices);
    let payment = operations::transfer(stage.account("buyer")?, stage.account("supplier")?, token, amount, what_for);
    let sentence = format!("the buyer pays the supplier {}", stage.money(amount, token));
    stage.apply("buyer", step, &sentence, payment).await
}

/// Three payments of earlier deliveries between the customers of two banks, each in a token of its own: the supplier's record.
///
/// # Errors
/// One of them is not made.
pub async fn pay_three_times(stage: &mut Stage<'_>, tokens: [TokenId; 3]) -> Result<Vec<TransactionId>, SandboxError> {
    let payments: [(&str, u64, &str, &[&str]); 3] = [
        ("pay-1", 12_500, "PO-2026-0101", &["INV-7001"]),
        ("pay-2", 1_800, "PO-2026-0102", &["INV-7002", "INV-7003"]),
        ("pay-3", 7_250, "PO-2026-0103", &["INV-7004"]),
    ];
    let mut paid = Vec::new();
    for ((step, count, order, invoices), token) in payments.into_iter().zip(tokens) {
        let amount = units(stage, token, count);
        paid.push(pay(stage, step, (token, amount), (order, invoices)).await?.receipt.transaction_id());
    }
    Ok(paid)
}

/// The supplier turns tokens into fiat.
///
/// # Errors
/// A step does not go as it must.
pub async fn redeem(stage: &mut Stage<'_>) -> Result<(), SandboxError> {
    let hkdx = token("HKDX")?;
    let amount = units(stage, hkdx, 10_000);
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| SandboxError::Internal(error.to_string()))?;
    // Where the fiat goes stays between the parties; the ledger sees a salted commitment to it.
    let payout = payout_commitment(&salt, "HK 012-345-678901-001");
    let request = operations::request_redemption(hkdx, amount, payout);
    let sentence = format!("the supplier redeems {}; the units are locked", stage.money(amount, hkdx));
    let redemption = stage.create("supplier", "request-redemption", &sentence, request).await?;
    let payment = operations::pay_redemption(redemption, "FPS-20261122-0001");
    stage.apply("issuer", "pay-redemption", "the issuer has paid the fiat out, and burns them", payment).await?;
    let certificate = operations::certify_balance(stage.account("supplier")?, hkdx);
    let sentence = "the ledger certifies the supplier's balance";
    stage.apply("supplier", "certify-balance", sentence, certificate).await.map(drop)
}
