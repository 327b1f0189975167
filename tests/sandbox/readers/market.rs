//! A network of one validator on which two trades were done that have nothing to do with each other: one that readers are parties of,
//! and one that is others' business. A second network knows both.

use super::super::network::Serving;
use causeway::client::operations::{
    self, AssetClass, Keys, NewFinancingRequest, NewInvoice, NewProgramme, Operation, Remittance, ReserveAsset,
};
use causeway::client::{Client, KeyPair, Participant, Settled, TransactionBuilder, now_ms};
use causeway::domain::financing::{CapitalFigures, LenderKind, RegisterNetwork, TokenPair};
use causeway::domain::trade::{
    BusinessStep, EventAction, EventKind, OrderTerms, PlaceOrder, RecordShipmentEvent, SilenceMeans,
};
use causeway::execution::genesis::Genesis;
use causeway::ledger::account::Role;
use causeway::ledger::receipt::Receipt;
use causeway::primitives::time::DAY_MS;
use causeway::primitives::{AccountId, Amount, BlockTime, Hash, ObjectId, TokenId, TransactionId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who takes part in the genesis or is a bank's customer in a sandbox.
const OF_THE_SANDBOX: [&str; 18] = [
    "tier-2",
    "buyer",
    "supplier",
    "financier",
    "carrier",
    "bank-east",
    "bank-west",
    "issuer",
    "issuer-maker",
    "issuer-checker",
    "usd-issuer",
    "usd-issuer-maker",
    "usd-issuer-checker",
    "custodian",
    "auditor",
    "governance",
    "observer",
    "operator",
];
/// Whose trade is nobody else's business.
const STRANGERS: [(&str, Role); 4] = [
    ("other-buyer", Role::Merchant),
    ("other-supplier", Role::Merchant),
    ("other-lender", Role::Financier),
    ("other-carrier", Role::Carrier),
];

/// A network that serves until this is dropped.
pub struct Ground {
    data_dir: PathBuf,
    endpoint: String,
    _serving: Serving,
}

impl Ground {
    pub fn open(directory: &Path, name: &str) -> Self {
        let (data_dir, ready_file) = (directory.join(name), directory.join(format!("{name}.ready")));
        let serving = Serving::start_with(&data_dir, &ready_file, &["--validators", "1", "--ports", "free"]);
        let ready: Value = serde_json::from_slice(&std::fs::read(&ready_file).unwrap()).unwrap();
        let endpoint = ready["endpoints"][0].as_str().unwrap().to_owned();
        Self { data_dir, endpoint, _serving: serving }
    }

    fn participant(&self, name: &str) -> Participant {
        Participant::read(&self.data_dir.join("participants").join(name)).unwrap()
    }

    fn genesis(&self) -> Genesis {
        Genesis::parse(&std::fs::read(self.data_dir.join("genesis.json")).unwrap()).unwrap()
    }
}

/// Who trades with whom, for which token, and a number that makes hashes.
struct Cast {
    buyer: &'static str,
    supplier: &'static str,
    lender: &'static str,
    carrier: &'static str,
    maker: &'static str,
    checker: &'static str,
    token: &'static str,
    currency: &'static str,
    number: u8,
}

const READERS_TRADE: Cast = Cast {
    buyer: "buyer",
    supplier: "supplier",
    lender: "financier",
    carrier: "carrier",
    maker: "issuer-maker",
    checker: "issuer-checker",
    token: "HKDX",
    currency: "HKD",
    number: 1,
};
const OTHERS_TRADE: Cast = Cast {
    buyer: "other-buyer",
    supplier: "other-supplier",
    lender: "other-lender",
    carrier: "other-carrier",
    maker: "usd-issuer-maker",
    checker: "usd-issuer-checker",
    token: "USDX",
    currency: "USD",
    number: 11,
};

/// What came of a trade.
pub struct Trade {
    pub issuance: ObjectId,
    pub redemption: ObjectId,
    /// A payment of the buyer's to the supplier, and the block that holds it.
    pub payment: (TransactionId, u64),
    pub order: ObjectId,
    /// One that is financed, and one that could be.
    pub receivables: [ObjectId; 2],
    pub programme: ObjectId,
    pub loan: ObjectId,
    pub key_commitment: Hash,
}

impl Trade {
    /// The ids that tell of the trade.
    pub fn ids(&self) -> Vec<[u8; 32]> {
        let [financed, open] = self.receivables;
        let objects = [self.issuance, self.redemption, self.order, financed, open, self.loan];
        objects.iter().map(|object| object.0).chain([self.payment.0.0]).collect()
    }
}

/// Everyone, and what they did.
pub struct Market {
    pub endpoint: String,
    pub client: Client,
    pub people: BTreeMap<&'static str, Participant>,
    /// The trade that readers are parties of.
    pub own: Option<Trade>,
    /// The one that is others' business.
    pub others: Option<Trade>,
    /// The last transaction, which pays everyone.
    pub last: TransactionId,
}

impl Market {
    /// Everything that was done, on the first of two networks.
    pub async fn of(here: &Ground, there: &Ground) -> Self {
        let client = Client::connect(&[&here.endpoint], None).await.unwrap();
        let people = OF_THE_SANDBOX.iter().map(|name| (*name, here.participant(name))).collect();
        let (endpoint, last) = (here.endpoint.clone(), TransactionId([0; 32]));
        let mut market = Self { endpoint, client, people, own: None, others: None, last };
        market.open_strangers().await;
        for token in ["HKDX", "USDX"] {
            let market_value = Amount::new(1_000_000_000_000);
            let cash = ReserveAsset { asset_class: AssetClass::Cash, matures_at_ms: 0, market_value, haircut_bps: 0 };
            market.applies(&["custodian"], operations::attest_reserves(named(token), now_ms() - 1, &[cash])).await;
        }
        market.own = Some(market.trade(&READERS_TRADE).await);
        market.others = Some(market.trade(&OTHERS_TRADE).await);
        market.link(there).await;
        market.pay_everyone().await;
        market
    }

    pub fn account(&self, name: &str) -> AccountId {
        self.people[name].account
    }

    /// A transaction of the first, signed by all, that must be applied.
    async fn settled(&self, signers: &[&str], operation: Operation) -> (ObjectId, Settled) {
        let mut draft = TransactionBuilder::new(self.client.chain_id(), self.account(signers[0])).unwrap();
        let made = draft.add(operation).object_id();
        let keys = signers.iter().map(|name| &self.people[name].key);
        let settled = self.client.submit_and_wait(&draft.finish().sign(keys).unwrap()).await.unwrap();
        assert!(settled.outcome().is_applied(), "{signers:?}: {:?}", settled.outcome().status);
        (made, settled)
    }

    async fn applies(&self, signers: &[&str], operation: Operation) -> ObjectId {
        self.settled(signers, operation).await.0
    }

    /// Accounts under the buyer's bank, which is no reader.
    async fn open_strangers(&mut self) {
        let bank = self.people["bank-east"].clone();
        for (number, (name, role)) in (1..).zip(STRANGERS) {
            let key = KeyPair::from_seed(&[number; 32]);
            let mut opening = TransactionBuilder::new(self.client.chain_id(), bank.account).unwrap();
            let keys = Keys::single(key.public_key());
            let account =
                opening.add(operations::open_account(keys, &[role], &format!("HKBR:7100000{number}"))).account_id();
            let signed = opening.finish().sign([&bank.key, &key]).unwrap();
            assert!(self.client.submit_and_wait(&signed).await.unwrap().outcome().is_applied(), "{name}");
            self.people.insert(name, Participant { name: name.to_owned(), account, key });
        }
    }

    /// Money made and given back, goods ordered, shipped and invoiced, an invoice financed, and a payment.
    async fn trade(&self, cast: &Cast) -> Trade {
        let (token, [buyer, supplier]) =
            (named(cast.token), [cast.buyer, cast.supplier].map(|name| self.account(name)));
        let parts = [buyer, supplier, self.account(cast.lender)].map(|account| (account, Amount::new(5_000_000)));
        let issuance = operations::request_issuance(token, &parts, now_ms() + 600_000);
        let issuance = self.applies(&[cast.maker], issuance).await;
        self.applies(&[cast.checker], operations::approve_issuance(issuance)).await;
        let redemption = operations::request_redemption(token, Amount::new(700), Hash([cast.number; 32]));
        let redemption = self.applies(&[cast.supplier], redemption).await;
        let paid = operations::transfer(buyer, supplier, token, Amount::new(900), Remittance::default());
        let (_, paid) = self.settled(&[cast.buyer], paid).await;
        let key_commitment = Hash([cast.number; 32]);
        let commit = operations::commit_fingerprint_key(supplier, buyer, key_commitment);
        self.applies(&[cast.supplier, cast.buyer], commit).await;
        let order = self.order(cast).await;
        let mut receivables = Vec::new();
        for number in [cast.number, cast.number + 1] {
            let invoice = NewInvoice {
                buyer,
                token,
                currency: cast.currency.to_owned(),
                amount: Amount::new(100_000),
                due_at_ms: now_ms() + 60 * DAY_MS,
                fingerprint: Hash([number; 32]),
                document_commitment: Hash([0xdc; 32]),
                issued_on: BlockTime(now_ms()).day().to_string(),
                order: Some(order),
            };
            let receivable = self.applies(&[cast.supplier], operations::register_invoice(invoice)).await;
            self.applies(&[cast.buyer], operations::confirm_invoice(receivable)).await;
            receivables.push(receivable);
        }
        self.attest_capital(cast, token).await;
        let programme = self.applies(&[cast.lender], operations::publish_programme(terms(cast, token))).await;
        let request = NewFinancingRequest {
            receivable: receivables[0],
            programme,
            advance: Amount::new(50_000),
            purpose: String::new(),
            citations: Vec::new(),
            foreign_receipts: Vec::new(),
        };
        let loan = self.applies(&[cast.supplier], operations::request_financing(request)).await;
        let payment = (paid.receipt.outcome.transaction_id, paid.receipt.header.height);
        let receivables = [receivables[0], receivables[1]];
        Trade { issuance, redemption, payment, order, receivables, programme, loan, key_commitment }
    }

    async fn order(&self, cast: &Cast) -> ObjectId {
        let terms = OrderTerms {
            amount: Amount::new(500_000),
            document_commitment: Hash([2; 32]),
            line_count: 2,
            deliver_by: None,
            confirmation_days: 10,
            silence: SilenceMeans::Nothing,
            payment_days: None,
        };
        let place = PlaceOrder {
            supplier: self.account(cast.supplier),
            token: named(cast.token),
            currency: cast.currency.parse().unwrap(),
            fingerprint: Hash([cast.number; 32]),
            terms,
        };
        let (order, placed) = self.settled(&[cast.buyer], operations::place_order(&place)).await;
        self.applies(&[cast.supplier], operations::accept_order(order)).await;
        self.applies(&[cast.supplier], operations::appoint_carrier(order, self.account(cast.carrier))).await;
        let read_point = Hash([cast.number; 32]);
        self.applies(&[cast.carrier], operations::register_read_point(read_point)).await;
        let event = RecordShipmentEvent {
            order,
            event_hash: Hash([cast.number; 32]),
            document_commitment: Hash([3; 32]),
            kind: EventKind::Object,
            action: EventAction::Observe,
            step: BusinessStep::Shipping,
            event_time: BlockTime(placed.receipt.header.time.0 + 1),
            utc_offset_minutes_plus_720: 1_200,
            read_point,
            objects_hash: Hash([cast.number; 32]),
        };
        self.applies(&[cast.carrier], operations::record_shipment_event(&event)).await;
        order
    }

    async fn attest_capital(&self, cast: &Cast, token: TokenId) {
        let all = Amount::new(10_000_000);
        let figures = CapitalFigures {
            kind: LenderKind::Other,
            as_of: BlockTime(now_ms() - 1),
            net_assets: all,
            loan_funding: Amount::ZERO,
            bond_funding: Amount::ZERO,
            capital: all,
            risk_weighted_assets: all,
            exposures: all,
            lent: Amount::ZERO,
        };
        let lender = self.account(cast.lender);
        self.applies(&["auditor"], operations::attest_lender_capital(lender, token, &figures)).await;
    }

    /// The supplier, and somebody else, show that they have accounts on the other network.
    async fn link(&self, there: &Ground) {
        let genesis = there.genesis();
        let network = RegisterNetwork {
            network: genesis.chain_id(),
            name: "elsewhere".to_owned(),
            validators: genesis.validators().clone(),
            epoch_length: genesis.epoch_length(),
            tokens: vec![TokenPair { there: named("HKDX"), here: named("HKDX") }],
        };
        self.applies(&["governance"], operations::register_network(&network)).await;
        for name in ["supplier", "usd-issuer"] {
            let receipt = self.declared(there, name).await;
            self.applies(&[name], operations::link_foreign_account(receipt)).await;
        }
    }

    /// The receipt of somebody's saying there that it has its account here.
    async fn declared(&self, there: &Ground, name: &str) -> Receipt {
        let client = Client::connect(&[&there.endpoint], None).await.unwrap();
        let who = there.participant(name);
        let mut draft = TransactionBuilder::new(client.chain_id(), who.account).unwrap();
        draft.add(operations::declare_foreign_account(self.client.chain_id(), self.account(name)));
        client.submit_and_wait(&draft.finish().sign([&who.key]).unwrap()).await.unwrap().receipt
    }

    /// One transaction that concerns everyone, after which whoever follows events has seen all of its own.
    async fn pay_everyone(&mut self) {
        let payer = &self.people["bank-east"];
        let mut draft = TransactionBuilder::new(self.client.chain_id(), payer.account).unwrap();
        for payee in self.people.values().filter(|payee| payee.account != payer.account) {
            let remittance = Remittance::default();
            draft.add(operations::transfer(payer.account, payee.account, named("HKDX"), Amount::new(1), remittance));
        }
        let settled = self.client.submit_and_wait(&draft.finish().sign([&payer.key]).unwrap()).await.unwrap();
        assert!(settled.outcome().is_applied(), "{:?}", settled.outcome().status);
        self.last = settled.receipt.outcome.transaction_id;
    }
}

fn named(token: &str) -> TokenId {
    token.parse().unwrap()
}

fn terms(cast: &Cast, token: TokenId) -> NewProgramme {
    NewProgramme {
        name: cast.lender.to_uppercase(),
        token,
        buyers: Vec::new(),
        suppliers: Vec::new(),
        advance_rate_bps: 9_000,
        tenor_days_max: 90,
        rate_bps: 800,
        late_rate_bps: 800,
        fee_bps: 0,
        limit: Amount::new(400_000),
        settlements_min: 0,
        settlements_late_days_max: 0,
        order_agreed: true,
        shipment_step: None,
        shipment_age_days_max: None,
        near_duplicates_max: None,
        networks: Vec::new(),
        purposes: Vec::new(),
        recourse: true,
        participation_bps_max: 0,
        utc_offset_minutes: 480,
        holidays: Vec::new(),
    }
}
