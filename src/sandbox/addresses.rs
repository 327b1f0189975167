//! Where the nodes of a network that is on disk listen: read from their configurations, and changed there.
//!
//! # Invariants
//! * A change writes addresses and nothing else: comments, and whatever was configured by hand, stay.
//! * Addresses are written by whose they are and not by what they were, so a change that was cut short is completed by the
//!   next one.
//! * A file whose form hides an address from us is not written at all.

use super::SandboxError;
use super::testnet::{Ports, node_directory};
use crate::execution::genesis::Genesis;
use crate::node::Config;
use crate::primitives::PublicKey;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The configuration of every node in a network's directory.
pub(super) fn configurations(directory: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    (0..).map(|index| node_directory(directory, index).join("node.toml")).take_while(|path| path.exists())
}

/// The ports that the nodes' configurations name.
///
/// # Errors
/// There are no nodes, or a configuration does not hold.
pub fn read(directory: &Path) -> Result<Ports, SandboxError> {
    let mut ports = Ports { grpc: Vec::new(), p2p: Vec::new(), metrics: Vec::new() };
    for path in configurations(directory) {
        let config = Config::load(&path, [])?;
        ports.grpc.push(config.listen.grpc.port());
        ports.p2p.push(config.listen.p2p.port());
        ports.metrics.extend(config.listen.metrics.map(|address| address.port()));
    }
    match ports.grpc.is_empty() {
        false => Ok(ports),
        true => Err(SandboxError::Internal(format!(
            "{} has a genesis but no nodes; choose another directory with --data-dir",
            directory.display()
        ))),
    }
}

/// The nodes' gRPC endpoints, by their configurations.
///
/// # Errors
/// There are no nodes, or a configuration does not hold.
pub fn endpoints(directory: &Path) -> Result<Vec<String>, SandboxError> {
    let endpoint = |path: PathBuf| {
        let config = Config::load(&path, [])?;
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://127.0.0.1:{}", config.listen.grpc.port()))
    };
    configurations(directory).map(endpoint).collect()
}

/// Has every node listen on other ports, and reach the others on theirs.
///
/// # Errors
/// A configuration cannot be read or written, or does not come out as meant.
pub fn change(directory: &Path, genesis: &Genesis, ports: &Ports) -> Result<(), SandboxError> {
    // The genesis names them in the order of their directories.
    let keys = genesis.file().validators.iter().map(|validator| validator.public_key.parse::<PublicKey>());
    let peers = keys.zip(&ports.p2p).filter_map(|(key, port)| Some((key.ok()?, *port)));
    let peers: BTreeMap<PublicKey, u16> = peers.collect();
    for (index, path) in configurations(directory).enumerate() {
        let unreadable = |cause: &std::io::Error| SandboxError::unwritable(&path, cause);
        let text = std::fs::read_to_string(&path).map_err(|cause| unreadable(&cause))?;
        let (grpc, p2p) = (ports.grpc[index], ports.p2p[index]);
        let own = [("grpc", grpc), ("p2p", p2p), ("metrics", ports.metrics[index])];
        let changed = with_ports(&text, &own, &peers);
        let config = Config::parse(&changed, &path.display().to_string(), [])?;
        let as_meant = config.listen.grpc.port() == grpc
            && config.listen.p2p.port() == p2p
            && config.peers.iter().all(|peer| peers.get(&peer.public_key).is_none_or(|at| *at == peer.address.port()));
        if !as_meant {
            let why = "its addresses are not written one on a line, as the sandbox wrote them: change them by hand";
            return Err(SandboxError::Unwritable { path, why: why.to_owned() });
        }
        let partial = path.with_extension("partial");
        let written = std::fs::write(&partial, changed).and_then(|()| std::fs::rename(&partial, &path));
        written.map_err(|cause| unreadable(&cause))?;
    }
    Ok(())
}

/// A configuration's text with other ports in it: a node's own by their keys, its peers' by theirs.
fn with_ports(text: &str, own: &[(&str, u16)], peers: &BTreeMap<PublicKey, u16>) -> String {
    let mut changed = String::with_capacity(text.len());
    let (mut section, mut peer) = ("", None);
    for line in text.lines() {
        if line.trim_start().starts_with('[') {
            (section, peer) = (line.trim(), None);
        }
        let key = line.split_once('=').map_or("", |(key, _)| key.trim());
        let port = match (section, key) {
            ("[listen]", key) => own.iter().find(|(name, _)| *name == key).map(|(_, port)| *port),
            ("[[peers]]", "public_key") => {
                peer = quoted(line).and_then(|(_, key, _)| key.parse::<PublicKey>().ok());
                None
            }
            ("[[peers]]", "address") => peer.and_then(|peer| peers.get(&peer).copied()),
            _ => None,
        };
        match port.and_then(|port| with_port(line, port)) {
            Some(line) => changed.push_str(&line),
            None => changed.push_str(line),
        }
        changed.push('\n');
    }
    changed
}

fn with_port(line: &str, port: u16) -> Option<String> {
    let (before, address, after) = quoted(line)?;
    let address: SocketAddr = address.parse().ok()?;
    Some(format!("{before}\"{}\"{after}", SocketAddr::new(address.ip(), port)))
}

/// The first quoted text of a line, with what stands before and after it.
fn quoted(line: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = line.split_once('"')?;
    let (text, after) = rest.split_once('"')?;
    Some((before, text, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::testnet::{EPOCH_LENGTH_DEFAULT, Plan, create};

    #[test]
    fn a_network_moves_to_other_ports_and_keeps_the_rest() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let plan = Plan {
            directory: directory.path().to_path_buf(),
            network: "test".to_owned(),
            validators: 3,
            ports: Ports::from_first(9000, 3).expect("few ports"),
            idle_interval_ms: 700,
            tls: false,
            epoch_length: EPOCH_LENGTH_DEFAULT,
        };
        create(&plan).expect("made");
        let second = node_directory(directory.path(), 1).join("node.toml");
        let by_hand = std::fs::read_to_string(&second).expect("written").replace("# \"text\" for", "# By hand.\n#");
        std::fs::write(&second, &by_hand).expect("written");
        let genesis = std::fs::read(directory.path().join("genesis.json")).expect("written");
        let genesis = Genesis::parse(&genesis).expect("it holds");

        let wanted = Ports::from_first(9500, 3).expect("few ports");
        change(directory.path(), &genesis, &wanted).expect("moved");
        assert_eq!(read(directory.path()).expect("they hold"), wanted);
        for index in 0..3 {
            let config = Config::load(&node_directory(directory.path(), index).join("node.toml"), []);
            let config = config.expect("it holds");
            let peers: Vec<u16> = config.peers.iter().map(|peer| peer.address.port()).collect();
            let others: Vec<u16> = (0..3).filter(|other| *other != index).map(|other| wanted.p2p[other]).collect();
            assert_eq!((peers, config.consensus.idle_interval_ms), (others, 700), "validator {index}");
        }
        let moved = std::fs::read_to_string(&second).expect("written");
        assert_eq!(moved.lines().count(), by_hand.lines().count());
        assert!(moved.contains("# By hand."), "{moved}");

        // Back again, and the files are what they were.
        change(directory.path(), &genesis, &plan.ports).expect("moved");
        assert_eq!(std::fs::read_to_string(&second).expect("written"), by_hand);
    }
}
