//! What a user sees once the network serves: where it is, whose keys are where, what lasts, and what to try next.

use super::cast::{CUSTOMERS, genesis_parties};
use super::cluster::Cluster;
use super::directory::SandboxDirectory;
use super::report::{Output, plain_table};
use super::testnet::node_directory;

/// Prints the banner.
pub fn print(output: &Output, directory: &SandboxDirectory, cluster: &Cluster, quorum: usize) {
    let path = directory.path().display();
    output.note("\nCauseway sandbox. NOT FOR PRODUCTION: every passphrase lies beside its key.\n");
    let mut nodes = plain_table();
    nodes.set_header(["node", "gRPC", "process", "log"]);
    let processes = cluster.process_ids();
    for (index, endpoint) in cluster.endpoints().into_iter().enumerate() {
        let process = processes.get(index).map(ToString::to_string).unwrap_or_default();
        let log = node_directory(directory.path(), index).join("node.log");
        nodes.add_row([cluster.name(index), endpoint, process, log.display().to_string()]);
    }
    output.note(&nodes.to_string());

    if cluster.size() > 1 && quorum == cluster.size() {
        output.note(&format!(
            "It takes all {quorum} of them: a network of {quorum} bears the loss of none, 4 bear the loss of one."
        ));
    }

    let mut accounts = plain_table();
    accounts.set_header(["account", "what it is"]);
    for party in genesis_parties() {
        accounts.add_row([party.name, party.description]);
    }
    for customer in &CUSTOMERS {
        accounts.add_row([customer.name, customer.description]);
    }
    output.note(&format!("\n{accounts}"));
    output.note(&format!("Keys    {path}/participants/NAME/key.pem"));
    output
        .note(&format!("Data    {path}  (kept: run again with the same directory to go on, delete it to start anew)"));
    let flag = match std::env::current_dir().is_ok_and(|here| here.join("sandbox-data") == directory.path()) {
        true => String::new(),
        false => format!(" --sandbox {path}"),
    };
    let program = std::env::args().next().unwrap_or_else(|| "causeway".to_owned());
    output.note(&format!("Try     {program} pay{flag} --as buyer --to supplier 12.50 HKDX"));
    output.note(&format!("        {program} balance show{flag} --as supplier\n"));
}
