//! The stage on which a scenario plays: the running network, its participants, and the receipts of what they did.

use super::SandboxError;
use super::cast;
use super::certificates::{Authority, CLIENT};
use super::clock;
use super::cluster::Cluster;
use super::directory::SandboxDirectory;
use super::report::{BalanceLine, Output, Report, StateLine, StepRecord};
use super::testnet::create_key;
use crate::client::{
    Added, Client, EXPIRES_IN_DEFAULT, KeyPair, Operation, Participant, Reader, Settled, TransactionBuilder, decimal,
    operations, receipt_file,
};
use crate::execution::genesis::Genesis;
use crate::ledger::receipt::TrustRoot;
use crate::ledger::{Effect, Reason, Status, Value};
use crate::primitives::{AccountId, Amount, ChainId, ObjectId, TokenId};
use crate::wire::pb::financing::{Loan, LoanBucket, LoanState};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a block may take that has the time to which the clock was set.
const CLOCK_PATIENCE: Duration = Duration::from_secs(60);
const CLOCK_POLL: Duration = Duration::from_millis(20);

/// How a step is meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Applied.
    Applied,
    /// Declined for the reason of this name.
    Declined(&'static str),
}

/// The running network and those who act in it.
#[derive(Debug)]
pub struct Stage<'a> {
    /// Where files go.
    pub directory: &'a SandboxDirectory,
    /// The validators.
    pub cluster: &'a mut Cluster,
    /// What is printed.
    pub output: &'a Output,
    /// What happened.
    pub report: Report,
    /// The nodes, read from without a name.
    client: Client,
    genesis: Genesis,
    people: BTreeMap<String, Participant>,
    scales: BTreeMap<TokenId, u32>,
    /// What everyone had of each token when the story began.
    before: BTreeMap<(String, String), u64>,
    /// Whether steps are not told.
    silent: bool,
}

/// A transaction of one participant, in the making.
#[derive(Debug)]
pub struct Draft {
    sender: String,
    builder: TransactionBuilder,
    /// Keys of accounts that it opens, which sign too.
    new_keys: Vec<KeyPair>,
}

impl Draft {
    /// Adds an operation, and tells where it stands.
    pub fn add(&mut self, operation: Operation) -> Added {
        self.builder.add(operation)
    }
}

impl<'a> Stage<'a> {
    /// Connects to the nodes and learns who takes part.
    ///
    /// # Errors
    /// A participant's directory cannot be read, or no node answers.
    pub async fn enter(
        directory: &'a SandboxDirectory,
        cluster: &'a mut Cluster,
        genesis: Genesis,
        output: &'a Output,
    ) -> Result<Self, SandboxError> {
        let client = cluster.connect(&cluster.endpoints(), genesis.chain_id()).await?;
        let mut scales = BTreeMap::new();
        for token in client.tokens().await? {
            if let Ok(id) = token.token_id.parse() {
                scales.insert(id, token.scale);
            }
        }
        let people = read_people(directory)?;
        Ok(Self {
            directory,
            cluster,
            output,
            report: Report::default(),
            client,
            genesis,
            people,
            scales,
            before: BTreeMap::new(),
            silent: false,
        })
    }

    /// A client with connections of its own, to these of the nodes in this order.
    ///
    /// # Errors
    /// None answers.
    pub async fn another_client(&self, endpoints: &[String]) -> Result<Client, SandboxError> {
        Ok(self.cluster.connect(endpoints, self.chain_id()).await?)
    }

    /// Now, by the ledger's clock.
    pub fn now_ms(&self) -> u64 {
        self.client.now_ms()
    }

    /// Stops the validators, and starts them with the ledger's clock at another time, which must lie ahead. Returns when a block
    /// has it.
    ///
    /// # Errors
    /// A validator does not come back, or no block reaches that time.
    pub async fn move_clock_to(&mut self, time_ms: u64) -> Result<(), SandboxError> {
        let ahead_ms = clock::read(self.directory.path())?.saturating_add(time_ms.saturating_sub(self.now_ms()));
        self.cluster.stop();
        clock::change(self.directory.path(), ahead_ms)?;
        self.cluster.start_all()?;
        self.cluster.wait_until_ready(self.chain_id()).await?;
        self.client = self.cluster.connect(&self.cluster.endpoints(), self.chain_id()).await?;
        let deadline = Instant::now() + CLOCK_PATIENCE;
        while Instant::now() < deadline {
            self.cluster.check_running()?;
            if self.client.status().await?.time_ms >= time_ms {
                return Ok(());
            }
            tokio::time::sleep(CLOCK_POLL).await;
        }
        Err(SandboxError::Internal(format!("no block of a time past {time_ms} ms became final: see the nodes' logs")))
    }

    /// The name of whoever has this account, for people.
    pub fn name_of(&self, account: AccountId) -> String {
        let found = self.people.values().find(|person| person.account == account);
        found.map_or_else(|| account.to_string(), |person| person.name.clone())
    }

    /// The ledger.
    pub fn chain_id(&self) -> ChainId {
        self.genesis.chain_id()
    }

    /// A client that reads as nobody in particular.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A participant.
    ///
    /// # Errors
    /// Nobody has this name.
    pub fn person(&self, name: &str) -> Result<&Participant, SandboxError> {
        self.people.get(name).ok_or_else(|| SandboxError::Internal(format!("there is no participant '{name}'")))
    }

    /// A participant's account.
    ///
    /// # Errors
    /// Nobody has this name.
    pub fn account(&self, name: &str) -> Result<AccountId, SandboxError> {
        self.person(name).map(|person| person.account)
    }

    /// Whether a participant has an account.
    pub fn knows(&self, name: &str) -> bool {
        self.people.contains_key(name)
    }

    /// A client that reads as a participant.
    ///
    /// # Errors
    /// Nobody has this name.
    pub fn reading_as(&self, name: &str) -> Result<Client, SandboxError> {
        let person = self.person(name)?;
        Ok(self.client.reading_as(Reader { account: person.account, key: Arc::new(person.key.clone()) }))
    }

    /// A token's decimals.
    pub fn scale(&self, token: TokenId) -> u32 {
        self.scales.get(&token).copied().unwrap_or_default()
    }

    /// Takes note of a token that was created on the way.
    pub fn learn_token(&mut self, token: TokenId, scale: u32) {
        self.scales.insert(token, scale);
    }

    /// An amount of a token, as people write it.
    pub fn money(&self, amount: Amount, token: TokenId) -> String {
        format!("{} {token}", decimal::format(amount, self.scale(token)))
    }

    /// A transaction of a participant.
    ///
    /// # Errors
    /// Nobody has this name.
    pub fn draft(&self, sender: &str) -> Result<Draft, SandboxError> {
        let account = self.account(sender)?;
        let expires_at_ms = self.now_ms().saturating_add(EXPIRES_IN_DEFAULT.as_millis() as u64);
        let builder = TransactionBuilder::new(self.chain_id(), account)?.expires_at_ms(expires_at_ms);
        Ok(Draft { sender: sender.to_owned(), builder, new_keys: Vec::new() })
    }

    /// Makes a key for a customer and has its bank open an account for it.
    ///
    /// # Errors
    /// The key cannot be made, or the ledger does not open the account.
    pub async fn open_account(
        &mut self,
        customer: &super::cast::Customer,
        legal_entity_id: &str,
    ) -> Result<(), SandboxError> {
        let directory = self.directory.participant(customer.name);
        let key = match directory.join("key.pem").exists() {
            // An earlier run ended between making the key and opening the account.
            true => read_unclaimed_key(&directory)?,
            false => create_key(&directory)?,
        };
        if let (Some(authority), false) = (Authority::read(self.directory.path())?, directory.join(CLIENT[0]).exists())
        {
            authority.sign_client(&directory)?;
        }
        let mut draft = self.draft(customer.bank)?;
        let keys = operations::Keys::single(key.public_key());
        let origin = draft.add(operations::open_account(keys, &[customer.role], legal_entity_id));
        let sentence = format!("{} opens the account of {}", customer.bank, customer.name);
        draft.new_keys.push(key.clone());
        self.settle(&format!("open-{}", customer.name), &sentence, draft, &[], Expect::Applied).await?;
        let participant = Participant { name: customer.name.to_owned(), account: origin.account_id(), key };
        participant.write_file(&directory, "key.pem", "passphrase")?;
        self.people.insert(customer.name.to_owned(), participant);
        Ok(())
    }

    /// Signs and submits a transaction, keeps its receipt, and holds its end against what was expected.
    ///
    /// # Errors
    /// It could not be submitted, or ended another way.
    pub async fn settle(
        &mut self,
        step: &str,
        sentence: &str,
        mut draft: Draft,
        cosigners: &[&str],
        expect: Expect,
    ) -> Result<Settled, SandboxError> {
        let mut keys = vec![&self.person(&draft.sender)?.key];
        for name in cosigners {
            let person = self.person(name)?;
            draft.builder.co_signed_by(person.account);
            keys.push(&person.key);
        }
        keys.extend(&draft.new_keys);
        let signed = draft.builder.finish().sign(keys)?;
        // Read as the sender, so that its receipt opens its balances.
        let settled = self.reading_as(&draft.sender)?.submit_and_wait(&signed).await;
        let settled = settled.map_err(|cause| SandboxError::Step { step: step.to_owned(), cause: Box::new(cause) })?;
        let (found, rule, as_expected) = match (&settled.outcome().status, expect) {
            (Status::Applied, Expect::Applied) => ("applied".to_owned(), None, true),
            (Status::Applied, Expect::Declined(_)) => ("applied".to_owned(), None, false),
            (Status::Declined(decline), _) => {
                let entry = Reason::entry(decline.code);
                let reason = entry.map_or("UNKNOWN", |entry| entry.name);
                let as_expected = matches!(expect, Expect::Declined(expected) if expected == reason);
                (format!("declined: {reason}"), entry.map(|entry| entry.explanation), as_expected)
            }
        };
        if !as_expected {
            let expected = match expect {
                Expect::Applied => "applied".to_owned(),
                Expect::Declined(reason) => format!("declined with {reason}"),
            };
            return Err(SandboxError::Unexpected { step: step.to_owned(), expected, found });
        }
        let path = self.directory.receipt(settled.receipt.header.height, step);
        receipt_file::write(&path, &settled.receipt).map_err(|error| SandboxError::Internal(error.to_string()))?;
        let record = StepRecord::new(step, sentence, &found, &settled, path);
        if !self.silent {
            self.output.step(self.report.steps.len() + 1, &record);
        }
        if let Some(rule) = rule {
            self.tell(rule);
        }
        self.report.steps.push(record);
        Ok(settled)
    }

    /// Has somebody do one thing, which must be applied.
    ///
    /// # Errors
    /// Those of [`Self::settle`].
    pub async fn apply(
        &mut self,
        who: &str,
        step: &str,
        sentence: &str,
        operation: Operation,
    ) -> Result<Settled, SandboxError> {
        let mut draft = self.draft(who)?;
        draft.add(operation);
        self.settle(step, sentence, draft, &[], Expect::Applied).await
    }

    /// The same of what creates something: its id.
    ///
    /// # Errors
    /// Those of [`Self::settle`].
    pub async fn create(
        &mut self,
        who: &str,
        step: &str,
        sentence: &str,
        operation: Operation,
    ) -> Result<ObjectId, SandboxError> {
        let mut draft = self.draft(who)?;
        let created = draft.add(operation).object_id();
        self.settle(step, sentence, draft, &[], Expect::Applied).await?;
        Ok(created)
    }

    /// Has somebody try one thing, which must be declined for a reason.
    ///
    /// # Errors
    /// Those of [`Self::settle`].
    pub async fn decline(
        &mut self,
        who: &str,
        step: &str,
        sentence: &str,
        operation: Operation,
        reason: &'static str,
    ) -> Result<Settled, SandboxError> {
        let mut draft = self.draft(who)?;
        draft.add(operation);
        self.settle(step, sentence, draft, &[], Expect::Declined(reason)).await
    }

    /// Begins a part of the story.
    pub fn chapter(&self, title: &str) {
        self.output.note(&format!("\n{title}\n"));
    }

    /// Tells something beside the steps.
    pub fn tell(&self, sentence: &str) {
        if !self.silent {
            self.output.tell(sentence);
        }
    }

    /// Plays on without telling of each step, or with it again. What is expected of steps, and what is kept of them, stays
    /// the same.
    pub fn be_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Begins the story: what everyone has from here on is compared with what it has now.
    ///
    /// # Errors
    /// No node answers.
    pub async fn begin_story(&mut self) -> Result<(), SandboxError> {
        let lines = self.balances().await?;
        self.before = lines.into_iter().map(|line| ((line.name, line.token), line.available + line.locked)).collect();
        Ok(())
    }

    /// Reads a loan as the regulator does, who sees all of them.
    ///
    /// # Errors
    /// No node answers.
    pub async fn loan(&self, loan: ObjectId) -> Result<Loan, SandboxError> {
        Ok(self.reading_as("observer")?.loan(loan).await?)
    }

    /// Notes where a receivable, and the loan that was made on it, stand after something.
    ///
    /// # Errors
    /// No node answers.
    pub async fn note_state(
        &mut self,
        moment: &str,
        which: &str,
        receivable: ObjectId,
        loan: Option<ObjectId>,
    ) -> Result<(), SandboxError> {
        let found = self.reading_as("observer")?.receivable(receivable).await?;
        let loan = match loan {
            Some(loan) => Some(self.loan(loan).await?),
            None => None,
        };
        let scale = found.token_id.parse().map_or(0, |token| self.scale(token));
        self.report.states.push(StateLine {
            moment: moment.to_owned(),
            which: which.to_owned(),
            receivable: short_name(found.state().as_str_name(), "RECEIVABLE_STATE_"),
            outstanding: Amount::new(found.outstanding),
            loan: loan.as_ref().map(standing),
            owed: loan.as_ref().map_or(Amount::ZERO, owed),
            token: found.token_id,
            scale,
        });
        Ok(())
    }

    /// The height that the nodes are at.
    ///
    /// # Errors
    /// None of them answers.
    pub async fn height(&self) -> Result<u64, SandboxError> {
        Ok(self.client.status().await?.height)
    }

    /// What whoever verifies believes: the genesis file and nothing else.
    pub fn trust(&self) -> TrustRoot {
        self.genesis.trust_root()
    }

    /// Verifies every receipt from its file, with the genesis file and nothing else.
    ///
    /// # Errors
    /// The first that does not verify.
    pub fn verify_receipts(&self) -> Result<usize, SandboxError> {
        let trust = self.trust();
        for step in &self.report.steps {
            let refuse = |why: String| SandboxError::Receipt { path: step.receipt.clone(), why };
            let receipt = receipt_file::read(&step.receipt).map_err(|error| refuse(error.to_string()))?;
            receipt.verify(&trust).map_err(|error| refuse(error.to_string()))?;
        }
        Ok(self.report.steps.len())
    }

    /// What everyone has, as the observer sees it.
    ///
    /// # Errors
    /// No node answers.
    pub async fn balances(&self) -> Result<Vec<BalanceLine>, SandboxError> {
        let client = self.reading_as("observer")?;
        let mut lines = Vec::new();
        let banks = ["bank-east", "bank-west"];
        for name in banks.into_iter().chain(cast::customers().map(|customer| customer.name)) {
            if !self.knows(name) {
                continue;
            }
            for balance in client.balances(self.account(name)?).await?.balances {
                let before = self.before.get(&(name.to_owned(), balance.token_id.clone())).copied();
                lines.push(BalanceLine {
                    name: name.to_owned(),
                    token: balance.token_id,
                    scale: balance.scale,
                    available: balance.available,
                    locked: balance.locked,
                    // Whoever had nothing of it when the story began is in no list of that time.
                    before: before.or((!self.before.is_empty()).then_some(0)),
                });
            }
        }
        Ok(lines)
    }
}

/// The effects of a name that a receipt tells of.
pub fn effects<'r>(settled: &'r Settled, name: &'r str) -> impl Iterator<Item = &'r Effect> {
    settled.outcome().effects.iter().filter(move |effect| effect.name == name)
}

/// An amount of the first effect of a name that a receipt tells of.
///
/// # Errors
/// It tells of none.
pub fn amount_of(settled: &Settled, effect: &str, field: &str) -> Result<Amount, SandboxError> {
    match effects(settled, effect).find_map(|effect| effect.field(field)) {
        Some(Value::Amount(amount)) => Ok(*amount),
        _ => Err(SandboxError::Internal(format!("the receipt tells no amount '{field}' of {effect}"))),
    }
}

/// What a loan's lenders are owed as of the newest block.
pub fn owed(loan: &Loan) -> Amount {
    Amount::new(loan.principal.saturating_add(loan.interest_owed).saturating_add(loan.fee_owed))
}

/// A loan's state, with how late it is if it is late.
fn standing(loan: &Loan) -> String {
    let state = short_name(loan.state().as_str_name(), "LOAN_STATE_");
    match (loan.state(), loan.bucket()) {
        (LoanState::Repaid | LoanState::Recovered, _) | (_, LoanBucket::Unspecified | LoanBucket::Current) => state,
        (_, bucket) => format!("{state}, {}", bucket_name(bucket)),
    }
}

/// How late a loan is, for people.
pub fn bucket_name(bucket: LoanBucket) -> &'static str {
    match bucket {
        LoanBucket::Unspecified => "unknown",
        LoanBucket::Current => "current",
        LoanBucket::Days1To30 => "1-30 days late",
        LoanBucket::Days31To60 => "31-60 days late",
        LoanBucket::Days61To90 => "61-90 days late",
        LoanBucket::Over90 => "over 90 days late",
    }
}

/// An enumeration's name on the wire as people write it.
fn short_name(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase().replace('_', "-")
}

fn read_people(directory: &SandboxDirectory) -> Result<BTreeMap<String, Participant>, SandboxError> {
    let root = directory.path().join("participants");
    let entries = std::fs::read_dir(&root).map_err(|error| SandboxError::Internal(error.to_string()))?;
    let mut homes: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    homes.retain(|home| home.join(crate::client::participant::PARTICIPANT_FILE).exists());
    // Opening a key takes a tenth of a second on purpose; a resumed sandbox opens a dozen.
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = homes.iter().map(|home| scope.spawn(|| Participant::read(home))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut people = BTreeMap::new();
    for result in results {
        let participant = result?;
        people.insert(participant.name.clone(), participant);
    }
    Ok(people)
}

fn read_unclaimed_key(directory: &std::path::Path) -> Result<KeyPair, SandboxError> {
    let passphrase = crate::client::PassphraseSource::File(directory.join("passphrase")).read();
    let passphrase = passphrase.map_err(crate::client::KeyFileError::from)?;
    Ok(KeyPair::read_file(&directory.join("key.pem"), &passphrase)?)
}
