//! The validators: separate processes of this very program, each with its own store and sockets.
//!
//! # Invariants
//! * No validator outlives the sandbox: they are stopped on every way out, and on Linux the kernel stops them when the
//!   sandbox is killed.
//! * A validator that stops unasked is noticed, with the last error or warning that it logged.
//!
//! Validators are started from the program's main thread: on Linux the wish to be stopped with the parent is bound to the
//! thread that started the child.

use super::SandboxError;
use super::testnet::{Ports, node_directory};
use super::{addresses, certificates};
use crate::client::{Client, ClientError, Tls};
use crate::node::config::{KEYS, variable_of};
use crate::primitives::ChainId;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long validators are given to end by themselves.
const STOP_PATIENCE: Duration = Duration::from_secs(8);
/// How long the network is given to make its first block.
const START_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// One validator.
#[derive(Debug)]
struct Validator {
    directory: PathBuf,
    endpoint: String,
    process: Option<Child>,
    /// Where its log ended when it was last started: what stands before is of earlier runs.
    log_start: u64,
}

impl Validator {
    fn name(&self) -> String {
        self.directory.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// The validators of a sandbox.
#[derive(Debug)]
pub struct Cluster {
    program: PathBuf,
    validators: Vec<Validator>,
    /// How its nodes are called, if over TLS.
    tls: Option<Tls>,
}

impl Cluster {
    /// Starts every validator.
    ///
    /// # Errors
    /// A port is in use, or a process cannot be started.
    pub fn start(directory: &Path, ports: &Ports) -> Result<Self, SandboxError> {
        require_free(ports)?;
        let program = std::env::current_exe().map_err(|error| SandboxError::Internal(error.to_string()))?;
        let validator = |(index, endpoint)| Validator {
            directory: node_directory(directory, index),
            endpoint,
            process: None,
            log_start: 0,
        };
        let validators = addresses::endpoints(directory)?.into_iter().enumerate().map(validator).collect();
        let mut cluster = Self { program, validators, tls: certificates::tls_of(directory, certificates::OPERATOR)? };
        cluster.start_all()?;
        Ok(cluster)
    }

    /// Starts every validator, none of which runs.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn start_all(&mut self) -> Result<(), SandboxError> {
        (0..self.validators.len()).try_for_each(|index| self.start_validator(index))
    }

    /// The nodes' gRPC endpoints.
    pub fn endpoints(&self) -> Vec<String> {
        self.validators.iter().map(|validator| validator.endpoint.clone()).collect()
    }

    /// A client of these of its nodes, in this order.
    ///
    /// # Errors
    /// None answers, or one of another ledger does.
    pub async fn connect<U: AsRef<str>>(&self, endpoints: &[U], chain_id: ChainId) -> Result<Client, ClientError> {
        Client::connect_over(self.tls.clone(), endpoints, Some(chain_id)).await
    }

    /// How many validators there are.
    pub fn size(&self) -> usize {
        self.validators.len()
    }

    /// A validator's name.
    pub fn name(&self, index: usize) -> String {
        self.validators[index].name()
    }

    /// The processes' ids, for those who want to look or to kill.
    pub fn process_ids(&self) -> Vec<u32> {
        self.validators.iter().filter_map(|validator| validator.process.as_ref().map(Child::id)).collect()
    }

    /// Starts a validator that does not run.
    ///
    /// # Errors
    /// Its process cannot be started.
    pub fn start_validator(&mut self, index: usize) -> Result<(), SandboxError> {
        let validator = &mut self.validators[index];
        let log_path = validator.directory.join("node.log");
        let log = File::options().create(true).append(true).open(&log_path);
        let log = log.map_err(|cause| SandboxError::unwritable(&log_path, &cause))?;
        validator.log_start = log.metadata().map_or(0, |log| log.len());
        let errors = log.try_clone().map_err(|cause| SandboxError::unwritable(&log_path, &cause))?;
        let mut command = Command::new(&self.program);
        command.arg("node").arg("--config").arg(validator.directory.join("node.toml"));
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        // What the caller set for a node of its own is not meant for these.
        for (key, _) in KEYS {
            command.env_remove(variable_of(key));
        }
        bind_to_parent(&mut command);
        let child = command.spawn();
        validator.process = Some(child.map_err(|cause| SandboxError::Spawn { name: validator.name(), cause })?);
        Ok(())
    }

    /// Kills a validator without warning, as a power cut would.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self, index: usize) -> Result<(), SandboxError> {
        let validator = &mut self.validators[index];
        let name = validator.name();
        let mut process =
            validator.process.take().ok_or_else(|| SandboxError::Internal(format!("{name} does not run")))?;
        process
            .kill()
            .and_then(|()| process.wait())
            .map(drop)
            .map_err(|error| SandboxError::Internal(error.to_string()))
    }

    /// Waits until every node answers, is of this ledger, and the first block after the genesis is final.
    ///
    /// # Errors
    /// A validator stopped, or time ran out.
    pub async fn wait_until_ready(&mut self, chain_id: ChainId) -> Result<u64, SandboxError> {
        let deadline = Instant::now() + START_PATIENCE;
        let mut height = 0;
        for index in 0..self.validators.len() {
            height = self.wait_for_height(index, chain_id, 1, deadline).await?;
        }
        Ok(height)
    }

    /// Waits until one node has applied a height.
    ///
    /// # Errors
    /// It stopped, or time ran out.
    pub async fn wait_for(&mut self, index: usize, chain_id: ChainId, height: u64) -> Result<u64, SandboxError> {
        self.wait_for_height(index, chain_id, height, Instant::now() + START_PATIENCE).await
    }

    async fn wait_for_height(
        &mut self,
        index: usize,
        chain_id: ChainId,
        wanted: u64,
        deadline: Instant,
    ) -> Result<u64, SandboxError> {
        let mut last = "it does not answer".to_owned();
        while Instant::now() < deadline {
            self.check_running()?;
            match self.connect(&[&self.validators[index].endpoint], chain_id).await {
                Ok(client) => match client.status().await {
                    Ok(status) if status.height >= wanted => return Ok(status.height),
                    Ok(status) => last = format!("it is at height {}", status.height),
                    Err(error) => last = error.to_string(),
                },
                Err(error) => last = error.to_string(),
            }
            sleep(POLL).await;
        }
        let validator = &self.validators[index];
        let log = validator.directory.join("node.log");
        Err(SandboxError::NotReady { name: validator.name(), last, log })
    }

    /// Checks that every validator that was started still runs.
    ///
    /// # Errors
    /// One that stopped, with what it complained of last.
    pub fn check_running(&mut self) -> Result<(), SandboxError> {
        for validator in &mut self.validators {
            let Some(process) = &mut validator.process else { continue };
            if let Ok(Some(status)) = process.try_wait() {
                validator.process = None;
                let log = validator.directory.join("node.log");
                let complaint = last_complaint(&log, validator.log_start);
                let (name, status) = (validator.name(), status_text(status));
                return Err(SandboxError::Stopped { name, status, complaint, log });
            }
        }
        Ok(())
    }

    /// Asks every validator to end, and insists where one does not.
    pub fn stop(&mut self) {
        for validator in &self.validators {
            if let Some(process) = &validator.process {
                ask_to_end(process);
            }
        }
        let deadline = Instant::now() + STOP_PATIENCE;
        for validator in &mut self.validators {
            let Some(mut process) = validator.process.take() else { continue };
            while matches!(process.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(POLL);
            }
            // Does nothing to a process that has ended; then its slot in the kernel's table is given back.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn status_text(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

/// The last error or warning of a log from a place on: a line of the node's, or what its process said when it failed.
fn last_complaint(path: &Path, from: u64) -> Option<String> {
    let text = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(text.get(usize::try_from(from).ok()?..)?);
    let complains = |line: &&str| {
        let level = line.split_whitespace().nth(1);
        line.starts_with("causeway: ") || matches!(level, Some("ERROR" | "WARN"))
    };
    text.lines().rev().find(complains).map(|line| line.trim().to_owned())
}

/// Checks that every port can be listened on.
///
/// # Errors
/// The first that cannot.
pub fn require_free(ports: &Ports) -> Result<(), SandboxError> {
    for port in ports.all() {
        if let Err(cause) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Err(SandboxError::Port { port, cause });
        }
    }
    Ok(())
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn ask_to_end(process: &Child) {
    if let Ok(id) = libc::pid_t::try_from(process.id()) {
        // SAFETY: a signal to a child that we have not waited for yet, so its id is still its own.
        unsafe { libc::kill(id, libc::SIGTERM) };
    }
}

#[cfg(not(unix))]
fn ask_to_end(_process: &Child) {}

/// Keeps the terminal's Ctrl-C from the child, so that the sandbox decides about its end, and ends it with the sandbox.
#[cfg(unix)]
pub fn bind_to_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id();
        #[allow(unsafe_code)]
        // SAFETY: between fork and exec only calls that are safe there: prctl, getppid, and nothing that allocates.
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
                // The parent may have ended before the wish was made.
                match u32::try_from(libc::getppid()) {
                    Ok(found) if found == parent => Ok(()),
                    _ => Err(std::io::Error::from_raw_os_error(libc::ESRCH)),
                }
            });
        }
    }
}

/// Where there are no process groups, the child ends as the system ends it.
#[cfg(not(unix))]
pub fn bind_to_parent(_command: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stopped_validator_complained_of_is_told_and_nothing_else() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let log = root.path().join("node.log");
        let earlier = "2026-11-22T10:00:00.000000Z ERROR causeway::node::halt: the node stops cause=of yesterday\n";
        let calm = "2026-11-22T10:00:01.000000Z  INFO causeway::daemon: serving grpc=127.0.0.1:7400\n";
        std::fs::write(&log, [earlier, calm].concat()).expect("written");
        let from = earlier.len() as u64;
        assert_eq!(last_complaint(&log, from), None);
        let warning = "2026-11-22T10:00:02.000000Z  WARN causeway::node: a proposed block is invalid\n";
        std::fs::write(&log, [earlier, calm, warning, calm].concat()).expect("written");
        assert_eq!(last_complaint(&log, from).as_deref(), Some(warning.trim()));
        let said = "causeway: the disk is full\n";
        std::fs::write(&log, [earlier, calm, warning, said].concat()).expect("written");
        assert_eq!(last_complaint(&log, from).as_deref(), Some(said.trim()));
    }

    #[test]
    fn a_busy_port_is_named_before_anything_is_started() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = busy.local_addr().expect("bound").port();
        let ports = Ports { grpc: vec![port], p2p: Vec::new(), metrics: Vec::new() };
        let refused = Cluster::start(root.path(), &ports).expect_err("busy").to_string();
        assert!(refused.contains(&port.to_string()) && refused.contains("--ports"), "{refused}");
        assert!(!refused.contains('\n'), "{refused}");
    }
}
