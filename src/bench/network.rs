//! The nodes of a run: validators of its own, or a network that runs already; and who opens, funds and reads there.
//!
//! # Invariants
//! * The run's own validators are stopped, and its temporary directory is removed, on every way out.

use super::{BenchError, IssuanceParties, Network, Nodes, machine};
use crate::client::operations::{self, AssetClass, ReserveAsset};
use crate::client::{Client, Participant, Reader, TransactionBuilder, now_ms};
use crate::ledger::{Reason, Status};
use crate::primitives::{Amount, TokenId};
use crate::sandbox::cluster::Cluster;
use crate::sandbox::testnet::{self, Plan, Ports, node_directory, participant_directory};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a leader of the run's own network waits for transactions before it proposes an empty block.
const IDLE_INTERVAL_MS: u64 = 1_000;
/// How long a requested issuance may wait for its approval.
const ISSUANCE_EXPIRES_IN_MS: u64 = 10 * 60 * 1000;

/// The nodes of a run. The order of the fields is the order of their end: processes before their directory.
#[derive(Debug)]
pub struct LoadedNetwork {
    cluster: Option<Cluster>,
    _temporary: Option<TemporaryDirectory>,
    /// Where the run's own nodes keep their stores.
    directories: Vec<PathBuf>,
    /// The nodes.
    pub client: Client,
    endpoints: Vec<String>,
    /// Opens the accounts and funds them.
    pub institution: Participant,
    /// The token that is paid in.
    pub token: TokenId,
    /// How many validators there are.
    pub validators: usize,
    reader: Participant,
    issuance: Option<IssuanceParties>,
}

impl LoadedNetwork {
    /// Starts the validators, or connects to those that run.
    ///
    /// # Errors
    /// A validator does not start, or nobody answers, or a party's directory cannot be read.
    pub async fn enter(network: &Network) -> Result<Self, BenchError> {
        match network {
            Network::Own { validators, directory } => Self::start(*validators, directory.as_deref()).await,
            Network::Running { endpoints, tls, parties } => {
                let client = Client::connect_over(tls.clone(), endpoints, None).await?;
                let institution = Participant::read(&parties.institution)?;
                let validators = client.status().await?.validators.len();
                Ok(Self {
                    cluster: None,
                    _temporary: None,
                    directories: Vec::new(),
                    client,
                    endpoints: endpoints.clone(),
                    // It sees every account under it, and every transaction of theirs.
                    reader: institution.clone(),
                    institution,
                    token: parties.token,
                    validators,
                    issuance: parties.issuance.clone(),
                })
            }
        }
    }

    async fn start(validators: usize, directory: Option<&Path>) -> Result<Self, BenchError> {
        let temporary = directory.is_none().then(|| TemporaryDirectory::under(&std::env::temp_dir())).transpose()?;
        let directory = directory.or(temporary.as_ref().map(|made| made.0.as_path())).unwrap_or(Path::new("."));
        let ports = Ports::free(validators).map_err(|error| BenchError::Internal(error.to_string()))?;
        let made = testnet::create(&Plan {
            directory: directory.to_path_buf(),
            network: "bench".to_owned(),
            validators,
            ports: ports.clone(),
            idle_interval_ms: IDLE_INTERVAL_MS,
            tls: false,
            epoch_length: testnet::EPOCH_LENGTH_DEFAULT,
        });
        let made = made.map_err(crate::sandbox::SandboxError::from)?;
        let mut cluster = Cluster::start(directory, &ports)?;
        cluster.wait_until_ready(made.chain_id).await?;
        let endpoints = cluster.endpoints();
        let party = |name: &str| participant_directory(directory, name);
        Ok(Self {
            client: Client::connect(&endpoints, Some(made.chain_id)).await?,
            endpoints,
            cluster: Some(cluster),
            directories: (0..validators).map(|index| node_directory(directory, index)).collect(),
            institution: Participant::read(&party("bank-east"))?,
            reader: Participant::read(&party("observer"))?,
            token: "HKDX".parse().map_err(|_| BenchError::Internal("HKDX is no token id".to_owned()))?,
            validators,
            issuance: Some(IssuanceParties {
                custodian: party("custodian"),
                maker: party("issuer-maker"),
                checker: party("issuer-checker"),
            }),
            _temporary: temporary,
        })
    }

    /// The nodes that are loaded.
    pub fn targets(&self, nodes: Nodes) -> &[String] {
        match nodes {
            Nodes::All => &self.endpoints,
            Nodes::First => &self.endpoints[..self.endpoints.len().min(1)],
        }
    }

    /// All nodes' endpoints.
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// A client that sees every transaction of the run.
    pub fn reader(&self) -> Client {
        let Participant { account, key, .. } = self.reader.clone();
        self.client.reading_as(Reader { account, key: Arc::new(key) })
    }

    /// The processor time that the run's own nodes have used together.
    pub fn cpu_time(&self) -> Option<Duration> {
        let processes = self.cluster.as_ref()?.process_ids();
        processes.into_iter().map(machine::cpu_time).sum()
    }

    /// The largest resident memory of any of them, in MiB.
    pub fn memory_mib_max(&self) -> Option<u64> {
        self.cluster.as_ref()?.process_ids().into_iter().filter_map(machine::memory_mib_max).max()
    }

    /// What the run's own nodes have on disk, in bytes, on average.
    pub fn disk_bytes(&self) -> Option<f64> {
        let bytes: u64 = self.directories.iter().map(|directory| machine::directory_bytes(directory)).sum();
        (!self.directories.is_empty()).then(|| bytes as f64 / self.directories.len() as f64)
    }

    /// Whether the run's own nodes keep their stores in memory.
    pub fn directory_in_memory(&self) -> bool {
        self.directories.first().is_some_and(|directory| machine::is_in_memory(directory))
    }

    /// Checks that the run's own nodes still run.
    ///
    /// # Errors
    /// One that stopped.
    pub fn check_running(&mut self) -> Result<(), BenchError> {
        Ok(self.cluster.as_mut().map_or(Ok(()), Cluster::check_running)?)
    }

    /// Sees to it that the institution has this much of the token, by an issuance if need be.
    ///
    /// # Errors
    /// It has too little, and nobody was named who issues; or a step is not applied.
    pub async fn provide(&self, needed: Amount) -> Result<(), BenchError> {
        let account = self.institution.account;
        let key = Arc::new(self.institution.key.clone());
        let balances = self.client.reading_as(Reader { account, key }).balances(account).await?.balances;
        let found = balances.iter().find(|balance| balance.token_id == self.token.as_str());
        let missing = needed.excess_over(Amount::new(found.map_or(0, |balance| balance.available)));
        if missing.is_zero() {
            return Ok(());
        }
        let Some(parties) = &self.issuance else {
            let (name, token) = (&self.institution.name, self.token);
            let found = format!("{name} lacks {missing} minor units of {token}; name who attests and issues them");
            return Err(BenchError::Preparation { step: "funding", found });
        };
        let custodian = Participant::read(&parties.custodian)?;
        let (maker, checker) = (Participant::read(&parties.maker)?, Participant::read(&parties.checker)?);
        self.attest(&custodian, missing).await?;
        let mut draft = self.draft(&maker)?;
        let allocations = [(account, missing)];
        let expires_at_ms = now_ms() + ISSUANCE_EXPIRES_IN_MS;
        let request = operations::request_issuance(self.token, &allocations, expires_at_ms);
        let issuance = draft.add(request).object_id();
        self.settle("requesting an issuance", draft, &maker).await?;
        let mut draft = self.draft(&checker)?;
        draft.add(operations::approve_issuance(issuance));
        self.settle("approving an issuance", draft, &checker).await
    }

    /// Attests cash that covers what circulates and what is to be issued, where the reserves counted do not.
    async fn attest(&self, custodian: &Participant, missing: Amount) -> Result<(), BenchError> {
        let line = self.client.token(self.token).await?;
        let overflow = || BenchError::Plan("so many accounts need more of the token than there can be".to_owned());
        let needed = Amount::new(line.circulation).checked_add(missing).ok_or_else(overflow)?;
        if Amount::new(line.reserves_counted) >= needed {
            return Ok(());
        }
        let (asset_class, market_value) = (AssetClass::Cash, needed);
        let cash = ReserveAsset { asset_class, matures_at_ms: 0, market_value, haircut_bps: 0 };
        let mut draft = self.draft(custodian)?;
        // The nodes' clocks may be a little behind; a statement of the future would be declined.
        draft.add(operations::attest_reserves(self.token, now_ms() - 1_000, &[cash]));
        self.settle("attesting reserves", draft, custodian).await
    }

    fn draft(&self, sender: &Participant) -> Result<TransactionBuilder, BenchError> {
        Ok(TransactionBuilder::new(self.client.chain_id(), sender.account)?)
    }

    async fn settle(
        &self,
        step: &'static str,
        draft: TransactionBuilder,
        sender: &Participant,
    ) -> Result<(), BenchError> {
        let signed = draft.finish().sign([&sender.key])?;
        match &self.client.submit_and_wait(&signed).await?.outcome().status {
            Status::Applied => Ok(()),
            Status::Declined(decline) => {
                let found = Reason::entry(decline.code).map_or("UNKNOWN", |entry| entry.name).to_owned();
                Err(BenchError::Preparation { step, found })
            }
        }
    }
}

/// A directory for one run, removed with everything in it when dropped.
#[derive(Debug)]
pub(super) struct TemporaryDirectory(pub(super) PathBuf);

impl TemporaryDirectory {
    /// A new one under `parent`, which is made if it is not there.
    pub(super) fn under(parent: &Path) -> Result<Self, BenchError> {
        let mut tag = [0; 8];
        getrandom::fill(&mut tag).map_err(|error| BenchError::Internal(error.to_string()))?;
        let path = parent.join(format!("causeway-bench-{}", hex::encode(tag)));
        std::fs::create_dir_all(&path).map_err(|cause| BenchError::Unwritable { path: path.clone(), cause })?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What cannot be removed is left to the system, which empties its directory of temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
