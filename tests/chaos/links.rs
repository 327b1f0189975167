//! A network namespace for each node, joined by a bridge: links that can be cut, one way or both, slowed, and made to lose.
//!
//! A link is cut where it leaves: the sender's kernel is told a neighbour's address that nobody has, so what it sends gets
//! lost without a word, as on a cut line. Delay and loss take the kernel's `netem`; where it has none, the narrow link that
//! `tbf` makes takes its place: what does not fit waits, and what waits too long is lost.
//!
//! Everything is named after this process, is removed with it, and what a killed one left behind is removed by the next.
//!
//! # Deliberately absent
//! A machine that forbids it is not worked around: [`Links::new`] says what it forbids.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

/// What an address is resolved to so that nobody hears.
const NOBODY: &str = "02:00:00:00:00:fe";
/// Begins every name here.
const PREFIX: &str = "cwc";

/// The namespaces of one network.
pub struct Links {
    count: usize,
    /// The address's second and third part.
    subnet: (u8, u8),
    pub has_netem: bool,
}

/// Runs a command of iproute2.
fn run(program: &str, arguments: &str) -> Result<(), String> {
    let output = Command::new(program).args(arguments.split_whitespace()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

impl Links {
    /// Makes them for so many nodes.
    ///
    /// # Errors
    /// What this machine does not have or forbids.
    pub fn new(count: usize) -> Result<Self, String> {
        sweep();
        let process = std::process::id();
        let subnet = (64 + (process >> 8 & 0x3f) as u8, process as u8);
        let mut links = Self { count, subnet, has_netem: false };
        let bridge = links.name("br");
        run("ip", &format!("link add {bridge} type bridge"))?;
        run("ip", &format!("addr add {}/24 dev {bridge}", links.address(links.count)))?;
        run("ip", &format!("link set {bridge} up"))?;
        for place in 0..count {
            let (name, cable) = (links.name(place), links.name(format!("v{place}")));
            run("ip", &format!("netns add {name}"))?;
            run("ip", &format!("link add {cable} type veth peer name eth0 netns {name}"))?;
            run("ip", &format!("link set {cable} master {bridge} up"))?;
            run("ip", &format!("-n {name} addr add {}/24 dev eth0", links.address(place)))?;
            run("ip", &format!("-n {name} link set eth0 up"))?;
            run("ip", &format!("-n {name} link set lo up"))?;
        }
        let netem = format!("-n {} qdisc add dev eth0 root netem delay 1ms", links.name(0));
        links.has_netem = run("tc", &netem).is_ok();
        links.heal();
        Ok(links)
    }

    fn name(&self, what: impl std::fmt::Display) -> String {
        format!("{PREFIX}{}-{what}", std::process::id())
    }

    /// Where a node is reached.
    pub fn address(&self, place: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, self.subnet.0, self.subnet.1, place as u8 + 1)
    }

    /// The namespace that a node's process is to enter.
    pub fn namespace(&self, place: usize) -> PathBuf {
        PathBuf::from("/run/netns").join(self.name(place))
    }

    /// Nothing that one sends reaches the other any more.
    pub fn mute(&self, from: usize, to: usize) -> Result<(), String> {
        let (name, address) = (self.name(from), self.address(to));
        run("ip", &format!("-n {name} neigh replace {address} lladdr {NOBODY} dev eth0 nud permanent"))
    }

    /// What a node sends takes longer, and some of it is lost.
    pub fn slow(&self, place: usize, delay_ms: u64, loss: u64) -> Result<(), String> {
        let how = match self.has_netem {
            true => format!("netem delay {delay_ms}ms {}ms loss {loss}%", delay_ms / 4),
            false => format!("tbf rate {}kbit burst 4kb latency {delay_ms}ms", 2_000 / loss.max(1)),
        };
        run("tc", &format!("-n {} qdisc replace dev eth0 root {how}", self.name(place)))
    }

    /// All links are as they were.
    pub fn heal(&self) {
        for place in 0..self.count {
            let name = self.name(place);
            // There is nothing to remove where nothing was slowed.
            let _ = run("tc", &format!("-n {name} qdisc del dev eth0 root"));
            for other in (0..self.count).filter(|other| *other != place) {
                let _ = run("ip", &format!("-n {name} neigh del {} dev eth0", self.address(other)));
            }
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        remove(std::process::id(), self.count);
    }
}

fn remove(process: u32, count: usize) {
    for place in 0..count {
        let _ = run("ip", &format!("netns del {PREFIX}{process}-{place}"));
    }
    let _ = run("ip", &format!("link del {PREFIX}{process}-br"));
}

/// Removes what processes left behind that were killed.
fn sweep() {
    let left = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = left.filter_map(|entry| entry.file_name().into_string().ok());
    let processes = names.filter_map(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
    for process in processes.filter(|process| !PathBuf::from(format!("/proc/{process}")).exists()) {
        remove(process, usize::from(u8::MAX));
    }
}
