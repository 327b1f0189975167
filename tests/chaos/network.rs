//! Validators as processes of their own, which a test may kill, stop in their tracks, and find ended.
//!
//! # Invariants
//! * Whoever ends by itself without a cause that was given to it is found: [`Network::nobody_ended`].
//! * What is written here is removed when the network is, and stays if the test fails, for its logs.

use super::disk::SmallDisk;
use super::links::Links;
use crate::sandbox::programs;
use causeway::execution::genesis::Genesis;
use causeway::ledger::receipt::TrustRoot;
use causeway::node::config::variable_of;
use causeway::primitives::ChainId;
use causeway::sandbox::cluster::{bind_to_parent, require_free};
use causeway::sandbox::testnet::{self, Ports, node_directory};
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

/// How long a leader waits for transactions before it proposes an empty block, in ms.
const IDLE_INTERVAL_MS: u64 = 500;
/// Below the ports that the system gives to whoever calls: while a node is down nobody else takes its.
const PORTS: std::ops::Range<u16> = 11_000..31_000;

/// A network on this machine.
pub struct Network {
    pub directory: PathBuf,
    pub genesis: Genesis,
    pub nodes: Vec<Node>,
    pub links: Option<Links>,
}

impl Network {
    /// Makes one, and starts nothing.
    pub fn new(validators: usize, links: Option<Links>) -> Self {
        Self::with_epochs(validators, links, testnet::EPOCH_LENGTH_DEFAULT)
    }

    /// The same, with epochs of so many heights.
    pub fn with_epochs(validators: usize, links: Option<Links>, epoch_length: u64) -> Self {
        let directory = tempfile::Builder::new().prefix("causeway-chaos-").tempdir().unwrap().keep();
        let ports = free_ports(validators);
        let plan = testnet::Plan {
            directory: directory.clone(),
            network: "chaos".to_owned(),
            validators,
            ports: ports.clone(),
            idle_interval_ms: IDLE_INTERVAL_MS,
            tls: false,
            epoch_length,
        };
        testnet::create(&plan).unwrap();
        let genesis = Genesis::parse(&std::fs::read(directory.join("genesis.json")).unwrap()).unwrap();
        if let Some(links) = &links {
            (0..validators).for_each(|place| move_to_links(&node_directory(&directory, place), &ports, links));
        }
        let node = |(place, port): (usize, &u16)| {
            let host = links.as_ref().map_or(Ipv4Addr::LOCALHOST, |links| links.address(place));
            Node {
                place,
                directory: node_directory(&directory, place),
                endpoint: format!("http://{host}:{port}"),
                namespace: links.as_ref().map(|links| links.namespace(place)),
                disk: None,
                clock_ahead_ms: 0,
                program: None,
                protocol_version_max: 0,
                was_full: false,
                process: None,
                log_start: 0,
            }
        };
        let nodes = ports.grpc.iter().enumerate().map(node).collect();
        Self { directory, genesis, nodes, links }
    }

    /// No node ends by itself, whatever is done to others; one whose disk is full may, and says that it is.
    ///
    /// # Errors
    /// Which did, and what it said.
    pub fn nobody_ended(&mut self) -> Result<(), String> {
        for node in &mut self.nodes {
            let Some(status) = node.ended() else { continue };
            let log = node.log();
            if !(node.was_full && log.contains("is full")) {
                return Err(format!("node {} ended by itself ({status}):\n{}", node.place, last_lines(&log)));
            }
        }
        Ok(())
    }

    pub fn start_all(&mut self) {
        self.nodes.iter_mut().for_each(Node::start);
    }

    pub fn chain_id(&self) -> ChainId {
        self.genesis.chain_id()
    }

    /// What whoever verifies a receipt believes: the genesis and nothing else.
    pub fn trust(&self) -> TrustRoot {
        self.genesis.trust_root()
    }

    pub fn endpoints(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.endpoint.clone()).collect()
    }

    /// Removes everything that it wrote.
    pub fn remove(mut self) {
        self.nodes.iter_mut().for_each(Node::kill);
        // A disk that is mounted is gone before what it is mounted in.
        self.nodes.clear();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Has a node listen on its link and find the others on theirs. Each port is of one node, so it says whose address it is.
fn move_to_links(node: &Path, ports: &Ports, links: &Links) {
    let path = node.join("node.toml");
    let mut text = std::fs::read_to_string(&path).unwrap().replace("allow_plaintext = false", "allow_plaintext = true");
    // The small disk of a node that is to fill it.
    text = text.replace("disk_free_mib = 500", "disk_free_mib = 0");
    for listening in [&ports.grpc, &ports.p2p, &ports.metrics] {
        for (place, port) in listening.iter().enumerate() {
            text = text.replace(&format!("127.0.0.1:{port}\""), &format!("{}:{port}\"", links.address(place)));
        }
    }
    std::fs::write(path, text).unwrap();
}

/// The last lines of a log.
pub fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// Ports that are free now. Where they begin depends on the process, so that two runs do not try the same ones.
fn free_ports(validators: usize) -> Ports {
    let span = 300;
    let count = (PORTS.end - PORTS.start) / span;
    let begin = u16::try_from(std::process::id() % u32::from(count)).unwrap();
    let candidates = (0..count).map(|step| PORTS.start + (begin + step) % count * span);
    let mut free = candidates.map(|first| Ports::from_first(first, validators).unwrap());
    free.find(|ports| require_free(ports).is_ok()).expect("no free ports")
}

/// One validator.
pub struct Node {
    pub place: usize,
    pub directory: PathBuf,
    pub endpoint: String,
    /// The network namespace that it runs in, if not the machine's.
    namespace: Option<PathBuf>,
    /// A disk of its own.
    pub disk: Option<SmallDisk>,
    /// By how far its clock is ahead from its next start on.
    pub clock_ahead_ms: u64,
    /// The program that it is from its next start on, if not the one that is tested.
    pub program: Option<PathBuf>,
    /// The newest version of the protocol that it takes itself to follow from its next start on; 0: what its program does.
    pub protocol_version_max: u32,
    /// Whether its disk was full since it was started.
    pub was_full: bool,
    process: Option<Child>,
    /// Where its log ended when it was last started.
    log_start: u64,
}

impl Node {
    /// Starts it, unless it runs.
    ///
    /// The kernel ends it with the thread that starts it, so that nothing outlives a test that is killed.
    pub fn start(&mut self) {
        if self.process.is_some() {
            return;
        }
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        self.log_start = log.metadata().unwrap().len();
        let config = self.directory.join("node.toml");
        let arguments = ["node", "--config", programs::text(&config)];
        let mut command = match &self.program {
            None => programs::causeway(arguments),
            Some(program) => programs::another(program, arguments),
        };
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        if self.clock_ahead_ms > 0 {
            command.env(variable_of("rehearsal.clock_ahead_ms"), self.clock_ahead_ms.to_string());
        }
        if self.protocol_version_max > 0 {
            command.env(variable_of("rehearsal.protocol_version_max"), self.protocol_version_max.to_string());
        }
        bind_to_parent(&mut command);
        if let Some(namespace) = &self.namespace {
            let namespace = File::open(namespace).unwrap();
            // SAFETY: between fork and exec one call that is safe there, on a descriptor that the closure keeps open.
            unsafe {
                command.pre_exec(move || match libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                });
            }
        }
        self.was_full = false;
        self.process = Some(command.spawn().unwrap());
    }

    /// Kills it, if it runs.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        self.signal(libc::SIGTERM);
        if let Some(mut process) = self.process.take() {
            process.wait().unwrap();
        }
    }

    /// Stops it in its tracks, if it runs.
    pub fn pause(&self) {
        self.signal(libc::SIGSTOP);
    }

    pub fn resume(&self) {
        self.signal(libc::SIGCONT);
    }

    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    fn signal(&self, signal: libc::c_int) {
        if let Some(process) = &self.process {
            let id = libc::pid_t::try_from(process.id()).unwrap();
            // SAFETY: a signal to a child that was not waited for yet, so its id is still its own.
            unsafe { libc::kill(id, signal) };
        }
    }

    /// How it ended, if it ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.process.as_mut()?.try_wait().unwrap()?;
        self.process = None;
        Some(status)
    }

    /// Where it keeps its store and the journals of its votes.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub fn log_path(&self) -> PathBuf {
        self.directory.join("node.log")
    }

    /// What it wrote since it was last started.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.log_path()).unwrap_or_default();
        let from = usize::try_from(self.log_start).unwrap().min(log.len());
        String::from_utf8_lossy(&log[from..]).into_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A participant's directory.
pub fn party(network: &Path, name: &str) -> PathBuf {
    testnet::participant_directory(network, name)
}
