//! The stage on which a scenario plays: the running network, its participants, and the receipts of what they did.

use super::SandboxError;
use super::cluster::Cluster;
use super::directory::SandboxDirectory;
use super::report::{BalanceLine, Output, Report, StepRecord};
use super::testnet::create_key;
use crate::client::{
    Client, KeyPair, Operation, Participant, Reader, Settled, TransactionBuilder, decimal, operations, receipt_file,
};
use crate::execution::genesis::Genesis;
use crate::ledger::receipt::TrustRoot;
use crate::ledger::{Reason, Status};
use crate::primitives::ids::Origin;
use crate::primitives::{AccountId, Amount, ChainId, TokenId};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

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
}

/// A transaction of one participant, in the making.
#[derive(Debug)]
pub struct Draft {
    sender: String,
    builder: TransactionBuilder,
}

impl Draft {
    /// Adds an operation, and tells where it stands.
    pub fn add(&mut self, operation: Operation) -> Origin {
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
        let client = Client::connect(&cluster.endpoints(), Some(genesis.chain_id())).await?;
        let mut scales = BTreeMap::new();
        for token in client.tokens().await? {
            if let Ok(id) = token.token_id.parse() {
                scales.insert(id, token.scale);
            }
        }
        let people = read_people(directory)?;
        Ok(Self { directory, cluster, output, report: Report::default(), client, genesis, people, scales })
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
        let builder = TransactionBuilder::new(self.chain_id(), account)?;
        Ok(Draft { sender: sender.to_owned(), builder })
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
        let mut draft = self.draft(customer.bank)?;
        let keys = operations::Keys::single(key.public_key());
        let origin = draft.add(operations::open_account(keys, &[customer.role], legal_entity_id));
        let sentence = format!("{} opens an account for the {}", customer.bank, customer.name);
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
        let signed = draft.builder.finish().sign(keys)?;
        // Read as the sender, so that its receipt opens its balances.
        let settled = self.reading_as(&draft.sender)?.submit_and_wait(&signed).await;
        let settled = settled.map_err(|cause| SandboxError::Step { step: step.to_owned(), cause: Box::new(cause) })?;
        let (found, as_expected) = match (&settled.outcome().status, expect) {
            (Status::Applied, Expect::Applied) => ("applied".to_owned(), true),
            (Status::Applied, Expect::Declined(_)) => ("applied".to_owned(), false),
            (Status::Declined(decline), _) => {
                let reason = Reason::entry(decline.code).map_or("UNKNOWN", |entry| entry.name);
                (format!("declined: {reason}"), matches!(expect, Expect::Declined(expected) if expected == reason))
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
        self.output.step(self.report.steps.len() + 1, &record);
        self.report.steps.push(record);
        Ok(settled)
    }

    /// The height that the nodes are at.
    ///
    /// # Errors
    /// None of them answers.
    pub async fn height(&self) -> Result<u64, SandboxError> {
        Ok(self.client.status().await?.height)
    }

    /// Verifies every receipt from its file, with the genesis file and nothing else.
    ///
    /// # Errors
    /// The first that does not verify.
    pub fn verify_receipts(&self) -> Result<usize, SandboxError> {
        let trust = TrustRoot {
            chain_id: self.genesis.chain_id(),
            validators: self.genesis.validators().clone(),
            epoch_length: self.genesis.epoch_length(),
            checkpoint: None,
        };
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
        for name in ["bank-east", "bank-west", "buyer", "supplier", "financier"] {
            if !self.knows(name) {
                continue;
            }
            for balance in client.balances(self.account(name)?).await?.balances {
                let text = |amount: u64| decimal::format(Amount::new(amount), balance.scale);
                lines.push(BalanceLine {
                    name: name.to_owned(),
                    token: balance.token_id.clone(),
                    available: text(balance.available),
                    locked: text(balance.locked),
                });
            }
        }
        Ok(lines)
    }
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
