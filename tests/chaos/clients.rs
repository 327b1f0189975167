//! Clients that pay each other over gRPC, each as any program would, and write down what they meant, sent and heard.
//!
//! One waits for the end of what it did before it goes on, up to a bound; what has no end by then is pursued when the faults
//! are over. Now and then one sends the same bytes again, to another node; signs two bodies under one request id; takes more
//! than there is; or asks a node what it has.

use super::history::{Deed, Heard, History, Intent, Look, Moment, Proof, Try};
use super::network::{Network, party};
use causeway::client::operations::{self, AssetClass, Keys, ReserveAsset};
use causeway::client::{Client, ClientError, KeyPair, Participant, Reader, Settled, TransactionBuilder, now_ms};
use causeway::ledger::account::Role;
use causeway::ledger::receipt::TrustRoot;
use causeway::ledger::{Reason, SignedTransaction, Status, Value};
use causeway::primitives::{AccountId, Amount, ChainId, RequestId, TokenId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What each account has at first, in minor units: so little that payments meet empty accounts.
pub const FUNDS: u64 = 1_000;
/// How many clients act at once, each with an account of its own.
pub const CLIENTS: usize = 16;
/// How long a client waits for one node before it turns to another.
const PATIENCE: Duration = Duration::from_secs(4);
/// Calls that are made for a transaction before it is left for later.
const TRIES: usize = 3;
/// When transactions expire: few within a fault's time, most long after the run.
const EXPIRES_SOON_MS: u64 = 3_000;
const EXPIRES_LATE_MS: u64 = 6 * 60 * 60 * 1_000;
/// How long a client waits after it found nobody, so that it does not fill the history with that.
const PAUSE: Duration = Duration::from_millis(100);

/// The accounts of a run, and the way to each node.
pub struct Market {
    pub token: TokenId,
    pub accounts: Vec<AccountId>,
    keys: Vec<Arc<KeyPair>>,
    trust: TrustRoot,
    /// A way to each node alone.
    nodes: Vec<Client>,
    observer: Participant,
    begun: Instant,
}

impl Market {
    /// Opens accounts and issues to each what it begins with.
    pub async fn open(network: &Network) -> Result<Self, ClientError> {
        let client = Client::connect(&network.endpoints(), Some(network.chain_id())).await?;
        let participant = |name: &str| Participant::read(&party(&network.directory, name)).unwrap();
        let token: TokenId = "HKDX".parse().unwrap();
        let keys: Vec<_> = (0..CLIENTS).map(|_| Arc::new(KeyPair::generate().unwrap())).collect();

        let bank = participant("bank-east");
        let mut opening = TransactionBuilder::new(client.chain_id(), bank.account)?;
        let open = |key: &Arc<KeyPair>| operations::open_account(Keys::single(key.public_key()), &[Role::Merchant], "");
        let accounts: Vec<_> = keys.iter().map(|key| opening.add(open(key)).account_id()).collect();
        let opening = opening.finish().sign(keys.iter().map(|key| &**key).chain([&bank.key]))?;
        applied(&client.submit_and_wait(&opening).await?, &bank);

        let custodian = participant("custodian");
        let issued = Amount::new(FUNDS * accounts.len() as u64);
        let cash =
            ReserveAsset { asset_class: AssetClass::Cash, matures_at_ms: 0, market_value: issued, haircut_bps: 0 };
        let mut attestation = TransactionBuilder::new(client.chain_id(), custodian.account)?;
        attestation.add(operations::attest_reserves(token, now_ms() - 1_000, &[cash]));
        settle(&client, attestation, &custodian).await?;

        let (maker, checker) = (participant("issuer-maker"), participant("issuer-checker"));
        let allocations: Vec<_> = accounts.iter().map(|account| (*account, Amount::new(FUNDS))).collect();
        let mut request = TransactionBuilder::new(client.chain_id(), maker.account)?;
        let issuance = request.add(operations::request_issuance(token, &allocations, now_ms() + 600_000)).object_id();
        settle(&client, request, &maker).await?;
        let mut approval = TransactionBuilder::new(client.chain_id(), checker.account)?;
        approval.add(operations::approve_issuance(issuance));
        settle(&client, approval, &checker).await?;

        let mut nodes = Vec::new();
        for node in &network.nodes {
            nodes.push(client.of_node(&node.endpoint).await?.with_patience(PATIENCE));
        }
        let (observer, trust, begun) = (participant("observer"), network.trust(), Instant::now());
        Ok(Self { token, accounts, keys, trust, nodes, observer, begun })
    }

    pub fn chain_id(&self) -> ChainId {
        self.trust.chain_id
    }

    /// The key of an account.
    pub fn key(&self, account: usize) -> &KeyPair {
        &self.keys[account]
    }

    pub fn now(&self) -> Moment {
        self.begun.elapsed()
    }

    /// A way to a node, for whoever sees everything.
    pub fn observing(&self, node: usize) -> Client {
        let Participant { account, key, .. } = self.observer.clone();
        self.nodes[node].reading_as(Reader { account, key: Arc::new(key) })
    }

    /// A way to a node, as an account's owner.
    pub fn owning(&self, account: usize, node: usize) -> Client {
        let reader = Reader { account: self.accounts[account], key: self.keys[account].clone() };
        self.nodes[node].reading_as(reader)
    }

    /// What an account has, by a node, and as of which height.
    pub async fn balance(&self, account: usize, node: usize) -> Result<(u64, u64), ClientError> {
        let answer = self.owning(account, node).balances(self.accounts[account]).await?;
        let found = answer.balances.iter().find(|balance| balance.token_id == self.token.as_str());
        Ok((answer.height, found.map_or(0, |balance| balance.available)))
    }

    /// Signs what is meant.
    fn sign(&self, intent: &Intent, request: RequestId, expires_at_ms: u64) -> SignedTransaction {
        let payer = self.accounts[intent.payer];
        let draft = TransactionBuilder::with_request_id(self.trust.chain_id, payer, request);
        let mut draft = draft.expires_at_ms(expires_at_ms);
        if intent.legs.is_empty() {
            draft.add(operations::certify_balance(payer, self.token));
        }
        for (payee, amount) in &intent.legs {
            let (payee, amount) = (self.accounts[*payee], Amount::new(*amount));
            draft.add(operations::transfer(payer, payee, self.token, amount, Default::default()));
        }
        draft.finish().sign([&*self.keys[intent.payer]]).unwrap()
    }

    /// Sends a transaction to a node, and notes what was heard.
    async fn send(&self, node: usize, payer: usize, signed: &SignedTransaction) -> Try {
        let client = self.owning(payer, node);
        let began = self.now();
        let answer = client.submit_and_wait(signed).await;
        let heard = match answer {
            Ok(settled) => Heard::Final(self.proof(&settled, payer)),
            Err(error) => heard_of(&error),
        };
        Try { node, began, ended: self.now(), heard }
    }

    /// Verifies a receipt with the genesis alone, as anyone would.
    fn proof(&self, settled: &Settled, payer: usize) -> Proof {
        let receipt = &settled.receipt;
        if let Err(broken) = receipt.verify(&self.trust) {
            panic!("the receipt of {} does not verify: {broken}", receipt.transaction_id());
        }
        let declined = match &receipt.outcome.status {
            Status::Applied => None,
            Status::Declined(decline) => Some(Reason::entry(decline.code).map_or("UNKNOWN", |entry| entry.name)),
        };
        let account = self.accounts[payer];
        let balance = receipt.balances.iter().find(|each| each.account == account && each.token == self.token);
        let certified = receipt.outcome.effects.iter().find_map(|effect| match effect.field("available") {
            Some(Value::Amount(available)) => Some(*available),
            _ => None,
        });
        Proof {
            receipt: receipt.id(),
            height: receipt.header.height,
            declined: declined.map(str::to_owned),
            left: balance.map(|balance| balance.available).or(certified).map(Amount::minor_units),
        }
    }

    /// Makes calls for a deed until it has an end, from this node on, at most so many.
    async fn pursue(&self, deed: &mut Deed, signed: &SignedTransaction, first: usize, tries: usize) {
        for step in 0..tries {
            let heard = self.send((first + step) % self.nodes.len(), deed.intent.payer, signed).await;
            let pause = matches!(heard.heard, Heard::NotSent | Heard::Refused(_));
            deed.tries.push(heard);
            if deed.end().is_some() {
                return;
            }
            if pause {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Whether a final block has another body under a deed's request id. That a node refuses it for that does not say so: of two
    /// that are not final yet, a node holds the one that it had first.
    async fn rivalled(&self, deed: &Deed, node: usize) -> Option<Try> {
        let (began, payer) = (self.now(), deed.intent.payer);
        let found = self.owning(payer, node).request(self.accounts[payer], deed.request).await.ok()?;
        let is_another = found.transaction_id != deed.id.as_ref() && found.height > 0;
        is_another.then(|| Try { node, began, ended: self.now(), heard: Heard::Rivalled })
    }

    /// Gives every transaction that a node may have taken its end.
    ///
    /// # Errors
    /// One has none within this time.
    pub async fn resolve(&self, history: &mut History, within: Duration) -> Result<(), String> {
        let deadline = Instant::now() + within;
        for deed in &mut history.deeds {
            while deed.end().is_none() && !deed.was_never_taken() {
                if Instant::now() > deadline {
                    return Err(format!("transaction {} has no end {within:?} after all was well: {deed:?}", deed.id));
                }
                let (signed, first) = (self.sign(&deed.intent, deed.request, deed.expires_at_ms), deed.tries.len());
                // The same bytes as before, or their identity would be another.
                assert_eq!(signed.id(), deed.id);
                self.pursue(deed, &signed, first, self.nodes.len()).await;
                if deed.end().is_none() {
                    deed.tries.extend(self.rivalled(deed, first % self.nodes.len()).await);
                }
            }
        }
        Ok(())
    }
}

async fn settle(client: &Client, draft: TransactionBuilder, sender: &Participant) -> Result<(), ClientError> {
    applied(&client.submit_and_wait(&draft.finish().sign([&sender.key])?).await?, sender);
    Ok(())
}

fn applied(settled: &Settled, sender: &Participant) {
    assert!(settled.outcome().is_applied(), "{} was declined: {:?}", sender.name, settled.outcome().status);
}

fn heard_of(error: &ClientError) -> Heard {
    match (error, error.refusal().map(|refusal| refusal.reason.as_str())) {
        (_, Some("TRANSACTION_EXPIRED")) => Heard::Never,
        (_, Some(reason)) => Heard::Refused(reason.to_owned()),
        (ClientError::Unreachable { .. }, None) => Heard::NotSent,
        (ClientError::OutcomeUnknown { .. }, None) => Heard::Nothing,
        (unexpected, None) => panic!("a client was told: {unexpected}"),
    }
}

/// One client: acts until it is told to stop, and hands over what it saw.
pub async fn act(market: Arc<Market>, seed: u64, me: usize, stop: Arc<AtomicBool>) -> History {
    let rng = &mut StdRng::seed_from_u64(seed ^ (me as u64) << 32);
    let mut history = History::default();
    while !stop.load(Ordering::Relaxed) {
        let node = rng.random_range(0..market.nodes.len());
        if rng.random_bool(0.25) {
            let began = market.now();
            let answer = market.balance(me, node).await;
            if let Ok((height, available)) = answer {
                history.looks.push(Look { node, account: me, began, ended: market.now(), height, available });
            }
            continue;
        }
        let request = RequestId(rng.random());
        // Few expire before their end is known. Those of which nobody hears until then are in no block, ever.
        let expires_at_ms = now_ms() + if rng.random_bool(0.1) { EXPIRES_SOON_MS } else { EXPIRES_LATE_MS };
        let (mut deed, signed) = begin(&market, some(rng, me), request, expires_at_ms);
        if rng.random_bool(0.05) {
            // Two bodies under one request id, to two nodes at once: one of them may become final, and never both.
            let (mut rival, rivalling) = begin(&market, some(rng, me), request, expires_at_ms);
            if rival.id != deed.id {
                let other = (node + 1) % market.nodes.len();
                tokio::join!(
                    market.pursue(&mut deed, &signed, node, TRIES),
                    market.pursue(&mut rival, &rivalling, other, TRIES),
                );
                history.deeds.extend([deed, rival]);
                continue;
            }
        }
        market.pursue(&mut deed, &signed, node, TRIES).await;
        if rng.random_bool(0.1) {
            let again = rng.random_range(0..market.nodes.len());
            deed.tries.push(market.send(again, me, &signed).await);
        }
        history.deeds.push(deed);
    }
    history
}

fn begin(market: &Market, intent: Intent, request: RequestId, expires_at_ms: u64) -> (Deed, SignedTransaction) {
    let signed = market.sign(&intent, request, expires_at_ms);
    (Deed { id: signed.id(), request, intent, expires_at_ms, tries: Vec::new() }, signed)
}

/// Something to do: mostly a payment, sometimes of all that most have, sometimes of several at once or of none.
fn some(rng: &mut StdRng, payer: usize) -> Intent {
    let others: Vec<usize> = (0..CLIENTS).filter(|other| *other != payer).collect();
    let legs = match rng.random_range(0..10) {
        0 => Vec::new(),
        1 | 2 => {
            let first = rng.random_range(0..others.len());
            let payees = (0..3).map(|step| others[(first + step) % others.len()]);
            payees.map(|payee| (payee, rng.random_range(1..200))).collect()
        }
        3 => vec![(others[rng.random_range(0..others.len())], rng.random_range(FUNDS..2 * FUNDS))],
        _ => vec![(others[rng.random_range(0..others.len())], rng.random_range(1..300))],
    };
    Intent { payer, legs }
}
