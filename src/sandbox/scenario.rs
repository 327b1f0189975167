//! The default scenario: one order's money from reserves to redemption, with what must not happen tried on the way.

use super::SandboxError;
use super::cast::{self, CUSTOMERS};
use super::delivery;
use super::invoice::Document;
use super::stage::{Expect, Stage};
use crate::client::operations::{
    self, AssetClass, BusinessStep, NewFinancingRequest, NewInvoice, NewProgramme, NewToken, Remittance, ReserveAsset,
};
use crate::client::{Settled, now_ms};
use crate::domain::tokens::payout_commitment;
use crate::domain::trade::{InvoiceFacts, document_commitment, fingerprint, key_commitment};
use crate::primitives::time::DAY_MS;
use crate::primitives::{Amount, ObjectId, TokenId, TransactionId};
use std::time::Instant;

const MINUTE_MS: u64 = 60 * 1000;

/// What the trade of the scenario is about.
#[derive(Clone, Debug)]
pub(super) struct Trade {
    pub token: TokenId,
    pub amount: Amount,
    pub facts: InvoiceFacts,
    pub due_at_ms: u64,
    pub key: [u8; 32],
}

/// Opens the accounts of the banks' customers, those that are not open yet.
///
/// # Errors
/// An account is not opened.
pub async fn open_accounts(stage: &mut Stage<'_>, documents: &[Document]) -> Result<(), SandboxError> {
    let document = documents.first();
    for customer in CUSTOMERS {
        if stage.knows(customer.name) {
            continue;
        }
        // The companies of the document are the companies of the accounts, or its fingerprint would be of others.
        let from_document = match customer.name {
            "supplier" => document.and_then(Document::supplier_legal_id),
            "buyer" => document.and_then(Document::buyer_legal_id),
            _ => None,
        };
        stage.open_account(&customer, from_document.as_deref().unwrap_or(customer.legal_entity_id)).await?;
    }
    Ok(())
}

/// The first of the documents that is not on the ledger from an earlier run; our own if each of them is.
///
/// # Errors
/// No node answers, or a document says too little to be told from others.
pub async fn choose(stage: &Stage<'_>, documents: Vec<Document>) -> Result<Document, SandboxError> {
    // Without the pair's key no run has come to the point of registering anything.
    let key = kept_key(stage)?;
    let registered = match key {
        Some(_) => stage.reading_as("supplier")?.receivables(None).await?,
        None => Vec::new(),
    };
    for document in documents {
        let Some(key) = key else { return Ok(document) };
        let fingerprint = fingerprint(&key, &facts(stage, &document).await?);
        if !registered.iter().any(|receivable| receivable.fingerprint[..] == fingerprint.0[..]) {
            return Ok(document);
        }
        stage.output.note(&format!(
            "The invoice {} of {} is on this ledger since an earlier run, and an invoice is registered once.",
            document.invoice.number, document.name
        ));
    }
    stage
        .output
        .note("The sandbox's own invoice takes its place; another directory (--data-dir) starts a ledger anew.");
    Document::own()
}

/// Brings money to everyone: reserves, issuances to the banks, and from the banks to their customers.
///
/// # Errors
/// A step does not go as it must.
pub async fn fund(stage: &mut Stage<'_>, document: &Document) -> Result<(), SandboxError> {
    let (hkdx, usdx) = (token("HKDX")?, token("USDX")?);
    let (trade_token, amount) = trade_token(stage, document).await?;
    let mut tokens = vec![(hkdx, "issuer"), (usdx, "usd-issuer")];
    if ![hkdx, usdx].contains(&trade_token) {
        tokens.push((trade_token, "issuer"));
    }
    for (token, issuer) in &tokens {
        attest(stage, *token, amount).await?;
        issue(stage, *token, issuer, amount).await?;
    }
    issue_past_reserves(stage, hkdx).await?;

    let mut draft = stage.draft("bank-east")?;
    let (bank, buyer) = (stage.account("bank-east")?, stage.account("buyer")?);
    for (token, _) in &tokens {
        let amount = add(units(stage, *token, 50_000), if *token == trade_token { amount } else { Amount::ZERO })?;
        draft.add(operations::transfer(bank, buyer, *token, amount, remittance("FUND-BUYER", "CASH", &[])));
    }
    stage
        .settle(
            "fund-buyer",
            "bank-east funds the buyer in each token, in one transaction",
            draft,
            &[],
            Expect::Applied,
        )
        .await?;
    let mut draft = stage.draft("bank-west")?;
    let (bank, financier) = (stage.account("bank-west")?, stage.account("financier")?);
    draft.add(operations::transfer(bank, financier, trade_token, amount, remittance("FUND-FINANCIER", "CASH", &[])));
    stage.settle("fund-financier", "bank-west funds the financier", draft, &[], Expect::Applied).await?;
    Ok(())
}

/// Plays the scenario from end to end.
///
/// # Errors
/// The first step that does not go as it must.
pub async fn play(stage: &mut Stage<'_>, document: &Document) -> Result<(), SandboxError> {
    fund(stage, document).await?;
    let paid = pay_three_times(stage).await?;
    let trade = prepare_trade(stage, document).await?;
    let order = delivery::agree_on_order(stage, &trade).await?;
    let receivable = register_invoice(stage, document, &trade, order).await?;
    finance(stage, &trade, (order, receivable), &paid).await?;
    certify_absence(stage, &trade).await?;
    lose_a_validator(stage).await?;
    pay_invoice(stage, &trade, receivable).await?;
    redeem(stage).await
}

pub(super) fn token(id: &str) -> Result<TokenId, SandboxError> {
    id.parse().map_err(|error: crate::primitives::ids::ParseIdError| SandboxError::Internal(error.to_string()))
}

fn overflow() -> SandboxError {
    SandboxError::Internal("the invoice's amount is more than this scenario can carry".to_owned())
}

fn add(left: Amount, right: Amount) -> Result<Amount, SandboxError> {
    left.checked_add(right).ok_or_else(overflow)
}

fn units(stage: &Stage<'_>, token: TokenId, count: u64) -> Amount {
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
async fn trade_token(stage: &mut Stage<'_>, document: &Document) -> Result<(TokenId, Amount), SandboxError> {
    let currency = document.invoice.currency.as_str();
    let known = stage.client().tokens().await?.into_iter().find(|token| token.currency == currency);
    let (id, scale) = match known {
        Some(found) => (token(&found.token_id)?, found.scale),
        None => create_token(stage, currency).await?,
    };
    stage.learn_token(id, scale);
    let amount = document.invoice.payable_amount.minor_units(scale);
    let amount =
        amount.map_err(|error| SandboxError::Invoice { document: document.name.clone(), why: error.to_string() })?;
    Ok((id, Amount::new(amount)))
}

async fn create_token(stage: &mut Stage<'_>, currency: &str) -> Result<(TokenId, u32), SandboxError> {
    let id = token(&format!("{currency}X"))?;
    let exponent = iso_currency::Currency::from_code(currency).and_then(|currency| currency.exponent());
    let scale = u32::from(exponent.unwrap_or(2));
    let mut draft = stage.draft("issuer")?;
    draft.add(operations::create_token(NewToken {
        token: id,
        currency: currency.to_owned(),
        scale,
        custodian: stage.account("custodian")?,
        asset_rules: cast::ASSET_RULES.to_vec(),
        attestation_age_ms_max: cast::ATTESTATION_AGE_MS_MAX,
        utc_offset_minutes: cast::UTC_OFFSET_MINUTES.into(),
        holidays: Vec::new(),
        redemption_business_days: 1,
    }));
    let sentence = format!("the issuer creates {id}, because the invoice is in {currency}");
    stage.settle("create-token", &sentence, draft, &[], Expect::Applied).await?;
    Ok((id, scale))
}

/// Attests reserves that cover what circulates, what the scenario issues, and a margin.
async fn attest(stage: &mut Stage<'_>, token: TokenId, trade_amount: Amount) -> Result<(), SandboxError> {
    let circulating = Amount::new(stage.client().token(token).await?.circulation);
    let unit = units(stage, token, 1_000_000);
    let cash = add(add(circulating, add(unit, unit)?)?, add(trade_amount, trade_amount)?)?;
    // The nodes' clocks are this machine's; a second back keeps the statement out of the future.
    let as_of_ms = now_ms() - 1_000;
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
    let mut draft = stage.draft("custodian")?;
    draft.add(operations::attest_reserves(token, as_of_ms, &assets));
    let step = format!("attest-{}", token.as_str().to_lowercase());
    let sentence = format!("the custodian attests the reserves of {token}: cash, deposits, public debt less 2 %");
    stage.settle(&step, &sentence, draft, &[], Expect::Applied).await.map(drop)
}

/// Issues to both banks, by two people of the issuer.
async fn issue(stage: &mut Stage<'_>, token: TokenId, issuer: &str, trade_amount: Amount) -> Result<(), SandboxError> {
    let amount = add(units(stage, token, 500_000), trade_amount)?;
    let allocations = [(stage.account("bank-east")?, amount), (stage.account("bank-west")?, amount)];
    let (maker, checker) = (format!("{issuer}-maker"), format!("{issuer}-checker"));
    let suffix = token.as_str().to_lowercase();
    let mut draft = stage.draft(&maker)?;
    let issuance = draft.add(operations::request_issuance(token, &allocations, now_ms() + 30 * MINUTE_MS)).object_id();
    let each = stage.money(amount, token);
    let sentence = format!("{maker} requests {each} for each bank");
    stage.settle(&format!("request-issuance-{suffix}"), &sentence, draft, &[], Expect::Applied).await?;
    let mut draft = stage.draft(&checker)?;
    draft.add(operations::approve_issuance(issuance));
    let sentence = format!("{checker} approves it, and it is minted");
    stage.settle(&format!("approve-issuance-{suffix}"), &sentence, draft, &[], Expect::Applied).await.map(drop)
}

/// Asks for one minor unit more than the reserves allow.
async fn issue_past_reserves(stage: &mut Stage<'_>, token: TokenId) -> Result<(), SandboxError> {
    let line = stage.client().token(token).await?;
    let room = Amount::new(line.reserves_counted).excess_over(Amount::new(line.circulation));
    let amount = add(room, Amount::new(1))?;
    let mut draft = stage.draft("issuer-maker")?;
    let allocations = [(stage.account("bank-east")?, amount)];
    let issuance = draft.add(operations::request_issuance(token, &allocations, now_ms() + 30 * MINUTE_MS)).object_id();
    let sentence = format!("issuer-maker requests {}, a cent past the reserves", stage.money(amount, token));
    stage.settle("request-past-reserves", &sentence, draft, &[], Expect::Applied).await?;
    let mut draft = stage.draft("issuer-checker")?;
    draft.add(operations::approve_issuance(issuance));
    let expect = Expect::Declined("RESERVE_SHORTFALL");
    stage.settle("approve-past-reserves", "issuer-checker approves it", draft, &[], expect).await?;
    let mut draft = stage.draft("issuer-checker")?;
    draft.add(operations::reject_issuance(issuance));
    stage.settle("reject-past-reserves", "issuer-checker rejects it", draft, &[], Expect::Applied).await.map(drop)
}

async fn pay(
    stage: &mut Stage<'_>,
    step: &str,
    token: TokenId,
    amount: Amount,
    what_for: Remittance,
) -> Result<Settled, SandboxError> {
    let (buyer, supplier) = (stage.account("buyer")?, stage.account("supplier")?);
    let mut draft = stage.draft("buyer")?;
    draft.add(operations::transfer(buyer, supplier, token, amount, what_for));
    let sentence = format!("the buyer pays the supplier {}", stage.money(amount, token));
    stage.settle(step, &sentence, draft, &[], Expect::Applied).await
}

/// Three payments, in the tokens of two issuers, between the customers of two banks.
async fn pay_three_times(stage: &mut Stage<'_>) -> Result<Vec<TransactionId>, SandboxError> {
    let (hkdx, usdx) = (token("HKDX")?, token("USDX")?);
    let payments = [
        ("pay-1", hkdx, units(stage, hkdx, 12_500), remittance("PO-2026-0101", "SUPP", &["INV-7001"])),
        ("pay-2", usdx, units(stage, usdx, 1_800), remittance("PO-2026-0102", "SUPP", &["INV-7002", "INV-7003"])),
        ("pay-3", hkdx, units(stage, hkdx, 7_250), remittance("PO-2026-0103", "GDDS", &["INV-7004"])),
    ];
    let mut paid = Vec::new();
    for (step, token, amount, what_for) in payments {
        paid.push(pay(stage, step, token, amount, what_for).await?.receipt.transaction.id());
    }
    Ok(paid)
}

/// Reads the facts of the invoice and has the parties agree on the key of its fingerprint, once.
async fn prepare_trade(stage: &mut Stage<'_>, document: &Document) -> Result<Trade, SandboxError> {
    let (token, amount) = trade_token(stage, document).await?;
    let key = agree_on_key(stage).await?;
    let invoice = &document.invoice;
    let due = invoice.due_date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let due_at_ms = due.and_then(|due| u64::try_from(due.timestamp().as_millisecond()).ok()).unwrap_or_default();
    let now = now_ms();
    if due_at_ms <= now {
        let said = invoice
            .due_date
            .map_or_else(|| "no due date".to_owned(), |date| format!("the due date {date}, which has passed"));
        stage
            .output
            .note(&format!("     The invoice {} has {said}; the parties agree on 60 days from now.", invoice.number));
    }
    let facts = facts(stage, document).await?;
    Ok(Trade { token, amount, facts, due_at_ms: if due_at_ms > now { due_at_ms } else { now + 60 * DAY_MS }, key })
}

/// What makes the document's invoice this one and no other, between the companies of the accounts.
async fn facts(stage: &Stage<'_>, document: &Document) -> Result<InvoiceFacts, SandboxError> {
    let supplier = stage.reading_as("supplier")?;
    let supplier_legal_id = supplier.counterparty(stage.account("supplier")?).await?.legal_entity_id;
    let buyer_legal_id = supplier.counterparty(stage.account("buyer")?).await?.legal_entity_id;
    let facts = document.invoice.facts(&supplier_legal_id, &buyer_legal_id);
    facts.map_err(|error| SandboxError::Invoice { document: document.name.clone(), why: error.to_string() })
}

/// The key of an earlier run, if there was one.
fn kept_key(stage: &Stage<'_>) -> Result<Option<[u8; 32]>, SandboxError> {
    let path = stage.directory.participant("supplier").join("fingerprint-key.hex");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .map_err(|_| SandboxError::Internal(format!("{} is not a key of 64 hexadecimal digits", path.display())))?;
    Ok(Some(key))
}

/// The key that supplier and buyer share, kept in both their directories.
async fn agree_on_key(stage: &mut Stage<'_>) -> Result<[u8; 32], SandboxError> {
    if let Some(key) = kept_key(stage)? {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| SandboxError::Internal(error.to_string()))?;
    let mut draft = stage.draft("supplier")?;
    let (supplier, buyer) = (stage.account("supplier")?, stage.account("buyer")?);
    draft.add(operations::commit_fingerprint_key(supplier, buyer, key_commitment(&key)));
    let sentence = "supplier and buyer commit the key of their invoices' fingerprints";
    stage.settle("commit-fingerprint-key", sentence, draft, &["buyer"], Expect::Applied).await?;
    for name in ["supplier", "buyer"] {
        let path = stage.directory.participant(name).join("fingerprint-key.hex");
        let text = format!("{}\n", hex::encode(key));
        crate::client::keys::write_new_private_file(&path, text.as_bytes())
            .map_err(|cause| SandboxError::unwritable(&path, &cause))?;
    }
    Ok(key)
}

async fn register_invoice(
    stage: &mut Stage<'_>,
    document: &Document,
    trade: &Trade,
    order: ObjectId,
) -> Result<ObjectId, SandboxError> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| SandboxError::Internal(error.to_string()))?;
    let mut draft = stage.draft("supplier")?;
    let operation = operations::register_invoice(NewInvoice {
        buyer: stage.account("buyer")?,
        token: trade.token,
        currency: trade.facts.currency.as_str().to_owned(),
        amount: trade.amount,
        due_at_ms: trade.due_at_ms,
        fingerprint: fingerprint(&trade.key, &trade.facts),
        document_commitment: document_commitment(&salt, &document.bytes),
        issued_on: trade.facts.issue_date.to_string(),
        order: Some(order),
    });
    let receivable = draft.add(operation.clone()).object_id();
    let (number, money) = (&trade.facts.number, stage.money(trade.amount, trade.token));
    let sentence = format!("the supplier registers invoice {number} over {money}");
    stage.settle("register-invoice", &sentence, draft, &[], Expect::Applied).await?;
    let mut draft = stage.draft("supplier")?;
    draft.add(operation);
    let expect = Expect::Declined("INVOICE_ALREADY_REGISTERED");
    stage.settle("register-invoice-again", "the supplier registers it a second time", draft, &[], expect).await?;
    let mut draft = stage.draft("buyer")?;
    draft.add(operations::confirm_invoice(receivable));
    stage.settle("confirm-invoice", "the buyer confirms that it owes it", draft, &[], Expect::Applied).await?;
    Ok(receivable)
}

/// The financier's terms for whoever meets them: 90 % for the token's year at 8 %, a fee of 0.5 %, three receipts of settlements.
async fn publish_programme(stage: &mut Stage<'_>, trade: &Trade) -> Result<ObjectId, SandboxError> {
    let mut draft = stage.draft("financier")?;
    let programme = operations::publish_programme(NewProgramme {
        name: "RECEIVABLES".to_owned(),
        token: trade.token,
        buyers: Vec::new(),
        suppliers: Vec::new(),
        advance_rate_bps: 9_000,
        tenor_days_max: 365,
        rate_bps: 800,
        late_rate_bps: 1_200,
        fee_bps: 50,
        limit: trade.amount,
        settlements_min: 3,
        settlements_late_days_max: 0,
        order_agreed: true,
        shipment_step: Some(BusinessStep::Shipping),
        recourse: true,
        participation_bps_max: 0,
        utc_offset_minutes: cast::UTC_OFFSET_MINUTES.into(),
        holidays: Vec::new(),
    });
    let programme = draft.add(programme).object_id();
    let sentence = "the financier publishes a programme: who meets its terms is financed at once";
    stage.settle("publish-programme", sentence, draft, &[], Expect::Applied).await?;
    Ok(programme)
}

async fn finance(
    stage: &mut Stage<'_>,
    trade: &Trade,
    (order, receivable): (ObjectId, ObjectId),
    paid: &[TransactionId],
) -> Result<(), SandboxError> {
    let reader = stage.reading_as("supplier")?;
    let mut citations = Vec::new();
    for transaction in paid {
        citations.push(reader.citation(*transaction).await?);
    }
    let programme = publish_programme(stage, trade).await?;
    let advance = trade.amount.scale_down(90, 100).ok_or_else(overflow)?;
    let request = NewFinancingRequest { receivable, programme, advance, purpose: String::new(), citations };
    let without = NewFinancingRequest { citations: Vec::new(), ..request.clone() };
    let mut draft = stage.draft("supplier")?;
    draft.add(operations::request_financing(without));
    let sentence = format!("the supplier asks for {} and shows nothing", stage.money(advance, trade.token));
    let expect = Expect::Declined("PROGRAMME_CONDITIONS_NOT_MET");
    stage.settle("finance-without-record", &sentence, draft, &[], expect).await?;
    let shipped = delivery::ship(stage, trade, order).await?;
    let mut draft = stage.draft("supplier")?;
    draft.add(operations::request_financing(request.clone()));
    let sentence = "the supplier cites the three receipts: approved, paid and secured in one transaction";
    stage.settle("request-financing", sentence, draft, &[], Expect::Applied).await?;
    delivery::tell(stage, shipped.elapsed());
    let mut draft = stage.draft("supplier")?;
    draft.add(operations::request_financing(request));
    let expect = Expect::Declined("RECEIVABLE_ALREADY_FINANCED");
    stage.settle("finance-again", "the supplier asks for the same invoice again", draft, &[], expect).await.map(drop)
}

async fn certify_absence(stage: &mut Stage<'_>, trade: &Trade) -> Result<(), SandboxError> {
    let other = InvoiceFacts { number: format!("{}-NEVER-SENT", trade.facts.number), ..trade.facts.clone() };
    let mut draft = stage.draft("financier")?;
    let (supplier, buyer) = (stage.account("supplier")?, stage.account("buyer")?);
    draft.add(operations::certify_absence(supplier, buyer, fingerprint(&trade.key, &other)));
    let sentence = format!("the ledger certifies that invoice {} is not on it", other.number);
    stage.settle("certify-absence", &sentence, draft, &[], Expect::Applied).await.map(drop)
}

/// Kills a validator while payments go on, and starts it again.
pub(super) async fn lose_a_validator(stage: &mut Stage<'_>) -> Result<(), SandboxError> {
    let index = stage.cluster.size() - 1;
    let name = stage.cluster.name(index);
    let hkdx = token("HKDX")?;
    let bears_a_loss = stage.cluster.size() >= 4;
    stage.cluster.kill(index)?;
    stage.output.note(&format!("     {name} is killed."));
    if bears_a_loss {
        for number in 1..=3 {
            let what_for = remittance(&format!("PO-2026-020{number}"), "SUPP", &[]);
            pay(stage, &format!("pay-without-{name}-{number}"), hkdx, units(stage, hkdx, 100), what_for).await?;
        }
    } else {
        stage.output.note("     Fewer than four validators bear no loss: the ledger stands until it is back.");
    }
    let wanted = if bears_a_loss { stage.height().await? } else { 1 };
    let started = Instant::now();
    stage.cluster.start_validator(index)?;
    let height = stage.cluster.wait_for(index, stage.chain_id(), wanted).await?;
    let back_after_ms = started.elapsed().as_secs_f64() * 1000.0;
    stage.report.restart = Some(super::report::Restart { validator: name.clone(), back_after_ms });
    stage.output.note(&format!("     {name} serves again after {back_after_ms:.0} ms, at height {height}."));
    let what_for = remittance("PO-2026-0210", "SUPP", &[]);
    pay(stage, &format!("pay-with-{name}-back"), hkdx, units(stage, hkdx, 100), what_for).await?;
    Ok(())
}

async fn pay_invoice(stage: &mut Stage<'_>, trade: &Trade, receivable: ObjectId) -> Result<(), SandboxError> {
    let mut draft = stage.draft("buyer")?;
    draft.add(operations::pay_invoice(receivable, trade.amount, "PO-2026-0117"));
    let sentence = format!(
        "the buyer pays the invoice, {}: the financier is repaid, the rest reaches the supplier",
        stage.money(trade.amount, trade.token)
    );
    stage.settle("pay-invoice", &sentence, draft, &[], Expect::Applied).await.map(drop)
}

async fn redeem(stage: &mut Stage<'_>) -> Result<(), SandboxError> {
    let hkdx = token("HKDX")?;
    let amount = units(stage, hkdx, 10_000);
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| SandboxError::Internal(error.to_string()))?;
    // Where the fiat goes stays between the parties; the ledger sees a salted commitment to it.
    let payout = payout_commitment(&salt, "HK 012-345-678901-001");
    let mut draft = stage.draft("supplier")?;
    let redemption = draft.add(operations::request_redemption(hkdx, amount, payout)).object_id();
    let sentence = format!("the supplier redeems {}; the units are locked", stage.money(amount, hkdx));
    stage.settle("request-redemption", &sentence, draft, &[], Expect::Applied).await?;
    let mut draft = stage.draft("issuer")?;
    draft.add(operations::pay_redemption(redemption, "FPS-20261122-0001"));
    stage
        .settle("pay-redemption", "the issuer has paid the fiat out, and burns them", draft, &[], Expect::Applied)
        .await?;
    let mut draft = stage.draft("supplier")?;
    draft.add(operations::certify_balance(stage.account("supplier")?, hkdx));
    let sentence = "the ledger certifies the supplier's balance";
    stage.settle("certify-balance", sentence, draft, &[], Expect::Applied).await.map(drop)
}
