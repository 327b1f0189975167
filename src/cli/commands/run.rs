//! `causeway node`, `causeway testnet`, `causeway sandbox`: what runs here instead of asking a node.

use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::{Format, print_one};
use crate::sandbox::testnet::{self, Plan, Ports};
use crate::sandbox::{self, Options, PortChoice, Scenario};
use serde_json::json;
use std::path::PathBuf;

/// Makes a network's files: genesis, keys, and a commented configuration for each node.
#[derive(Debug, clap::Args)]
pub struct TestnetCommand {
    /// How many validators: 4 bear the loss of one, 7 of two.
    #[arg(long, default_value_t = 4)]
    validators: usize,
    /// Where.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The network's name.
    #[arg(long, default_value = "testnet")]
    network: String,
    /// The first port; nodes and metrics listen 100 and 200 above it [default: 7400; for a node that is added, above the others]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    ports: Option<u16>,
    /// How many heights an epoch has: changes of the validators take force with the next one.
    #[arg(long, value_name = "HEIGHTS", default_value_t = testnet::EPOCH_LENGTH_DEFAULT, value_parser = clap::value_parser!(u64).range(2..))]
    epoch_length: u64,
    /// Adds one more node to the network that the directory has: a key that never voted, and a configuration. Governance then
    /// lists it: see 'causeway observers' and 'causeway validators'.
    #[arg(long, conflicts_with_all = ["validators", "network", "epoch_length"])]
    add: bool,
    /// Have nodes and clients show each other certificates, of a development authority made here.
    #[arg(long)]
    tls: bool,
}

impl TestnetCommand {
    /// Does it.
    ///
    /// # Errors
    /// The directory holds a network already, or cannot be written.
    pub fn run(self, common: &Common) -> Result<(), Failure> {
        if self.add {
            return add_node(common, &self.out, self.ports);
        }
        let first_port = self.ports.unwrap_or(Ports::FIRST_DEFAULT);
        let made = testnet::create(&Plan {
            directory: self.out,
            network: self.network,
            validators: self.validators,
            ports: Ports::from_first(first_port, self.validators)?,
            idle_interval_ms: 1_000,
            tls: self.tls,
            epoch_length: self.epoch_length,
        })?;
        let first = made.nodes.first().map(|node| node.join("node.toml"));
        print_one(
            common.output,
            &json!({
                "chain_id": made.chain_id.to_string(),
                "genesis": made.directory.join("genesis.json"),
                "nodes": made.nodes,
                "participants": made.directory.join("participants"),
            }),
        );
        if let (Format::Text, Some(first)) = (common.output, first) {
            println!("\nNOT FOR PRODUCTION: every passphrase lies beside its key.");
            if let count @ 2..=3 = made.nodes.len() {
                println!(
                    "It takes all {count} validators: a network of {count} bears the loss of none, 4 bear the loss of one."
                );
            }
            println!("\nStart each node with its own file, such as: causeway node --config {}", first.display());
        }
        Ok(())
    }
}

/// Makes one more node's files.
fn add_node(common: &Common, directory: &std::path::Path, first_port: Option<u16>) -> Result<(), Failure> {
    let added = testnet::add_node(directory, first_port)?;
    let config = added.directory.join("node.toml");
    print_one(
        common.output,
        &json!({ "node": added.directory, "public_key": added.public_key.to_string(), "address": added.address }),
    );
    if common.output == Format::Text {
        println!("\nStart it with: causeway node --config {}", config.display());
        println!(
            "The others let it in once governance has listed it: causeway observers add NAME {}",
            added.public_key
        );
    }
    Ok(())
}

/// Starts a local network, with accounts, money and a scenario, and keeps serving until Ctrl-C.
#[derive(Debug, clap::Args)]
pub struct SandboxCommand {
    /// How many validators; 4, or as many as the directory has.
    #[arg(long)]
    validators: Option<usize>,
    /// Where everything lies. Kept at the end; run again with the same directory to go on.
    #[arg(long, value_name = "DIR", default_value = "sandbox-data")]
    data_dir: PathBuf,
    /// The first port, or 'free' for whatever ports the machine has.
    #[arg(long, value_name = "FIRST|free")]
    ports: Option<PortChoice>,
    /// How many heights an epoch of a new network has: changes of the validators take force with the next one.
    #[arg(long, value_name = "HEIGHTS", value_parser = clap::value_parser!(u64).range(2..))]
    epoch_length: Option<u64>,
    /// A file to write once the network serves and every account is open.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// What to play: 'default' (all of it, and a validator's loss), 'closed-loop' (from the order over the goods' departure to
    /// the money, and back), 'late-payer' (a loan through ageing, default and recovery), 'double-financing' (one invoice, two financiers), 'joint-loan' (two lenders), 'voucher' (a
    /// receivable in parts, down the tiers), 'figures' (what this machine settles), or 'none'.
    #[arg(long, value_name = "NAME", default_value = "default")]
    scenario: Scenario,
    /// Have nodes and clients show each other certificates, of a development authority made here.
    #[arg(long)]
    tls: bool,
    /// End after the scenario.
    #[arg(long)]
    exit: bool,
}

impl SandboxCommand {
    /// Does it.
    ///
    /// # Errors
    /// What went wrong, in one line.
    pub async fn run(self, common: &Common) -> Result<(), Failure> {
        let options = Options {
            validators: self.validators,
            data_dir: self.data_dir,
            epoch_length: self.epoch_length,
            ports: self.ports,
            ready_file: self.ready_file,
            scenario: self.scenario,
            tls: self.tls,
            exit: self.exit,
            json: common.output == Format::Json,
        };
        Ok(sandbox::run(options).await?)
    }
}
