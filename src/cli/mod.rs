//! F7: the command line. A gRPC client and no more, save for what runs a node or a network here.
//!
//! Every command prints text for people or, with `--output json`, JSON for programs, and ends with an exit code that
//! `failure` documents.
//!
//! # Deliberately absent
//! Rules: what is allowed the ledger decides, and says.

mod commands;
mod failure;
mod flags;
mod outcome;
mod output;
mod session;
mod signers;
mod values;

use crate::primitives::{TransactionId, printable, printable_json};
use clap::{CommandFactory as _, FromArgMatches as _};
use commands::{
    accounts, audit, balance, bench, chain, documents, finance, invoices, issue, keys, lineage, networks, orders, pay,
    read_points, rebuild, receipts, redeem, reserves, run, signer, snapshot, tokens, upgrade, validators,
};
use failure::Failure;
use flags::Common;
use output::Format;
use session::Session;
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code of a command whose reader has gone: what a shell tells of SIGPIPE.
const READER_GONE: i32 = 141;

/// What the program says that it is: two builds of one version from other sources are not the same.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (source ", env!("CAUSEWAY_SOURCE"), ")");

/// Causeway: a settlement node for fiat-pegged tokens, and its command line.
#[derive(Debug, clap::Parser)]
#[command(name = "causeway", version = VERSION, propagate_version = true, max_term_width = 110)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 the command line is wrong, 3 the ledger declined,\n\
    4 sent, and nobody said what became of it: it may still happen, so look before you send another one.\n\
    With --output json a failure is one JSON object on standard error: error, and a refusal's reason and hint. A decline is\n\
    an answer like any other, on standard output.\n\
    Begin with: causeway sandbox")]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Starts a local network with accounts, money and a scenario.
    Sandbox(run::SandboxCommand),
    /// Makes a network's files: genesis, keys, configurations.
    Testnet(run::TestnetCommand),
    /// Runs a node.
    Node {
        /// Its configuration (see config/node.toml).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Checks a stopped node's data: executes it again from the genesis and compares.
    Audit(audit::AuditCommand),
    /// Sets a stopped node's damaged data aside, so that it begins anew from its peers and goes on voting.
    Rebuild(rebuild::RebuildCommand),
    /// Takes a snapshot of a node, verifies one, and has a node begin from one: backup, and joining without replay.
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Loads a network with payments, and checks what it acknowledged.
    ///
    /// Without more it starts validators of its own, as separate processes with synced stores in a temporary directory, opens
    /// and funds accounts, signs the payments, starts the clock, and sends for ten seconds. Then it holds every acknowledged
    /// transaction and every account's balance against the nodes' blocks, and ends with exit code 1 if one was lost, stands
    /// there twice, or does not agree. docs/performance.md says how it measures.
    Bench(Box<bench::BenchCommand>),
    /// Makes and shows keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Holds keys and signs with them for clients, which give --signer in place of --key.
    #[command(subcommand)]
    Signer(signer::SignerCommand),
    /// Opens, shows and changes accounts.
    #[command(subcommand)]
    Accounts(accounts::AccountsCommand),
    /// Shows and certifies balances.
    #[command(subcommand)]
    Balance(balance::BalanceCommand),
    /// Creates and shows tokens.
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Attests and shows reserves.
    #[command(subcommand)]
    Reserves(reserves::ReservesCommand),
    /// Requests, decides and shows issuances.
    #[command(subcommand)]
    Issue(issue::IssueCommand),
    /// Pays another account.
    Pay(pay::PayCommand),
    /// Requests, settles and shows redemptions.
    #[command(subcommand)]
    Redeem(redeem::RedeemCommand),
    /// Places, accepts, changes, cancels and shows orders.
    #[command(subcommand, alias = "order")]
    Orders(orders::OrdersCommand),
    /// Registers places at which a carrier reads, and takes them out of use.
    #[command(subcommand, alias = "read-point")]
    ReadPoints(read_points::ReadPointsCommand),
    /// Registers, confirms, disputes, credits, passes on, shows and pays invoices.
    #[command(subcommand, alias = "invoice")]
    Invoices(invoices::InvoicesCommand),
    /// Shows what trade documents say: orders, invoices, credit notes, logistics events.
    #[command(subcommand, alias = "document")]
    Documents(documents::DocumentsCommand),
    /// Publishes programmes, asks for, pays and shows loans.
    #[command(subcommand)]
    Finance(finance::FinanceCommand),
    /// Registers other networks whose settlements count here, and links accounts on them.
    #[command(subcommand)]
    Networks(networks::NetworksCommand),
    /// Shows and raises the version of the protocol that the ledger follows.
    #[command(subcommand)]
    Upgrade(upgrade::UpgradeCommand),
    /// Lists and changes the validators.
    #[command(subcommand, alias = "validator")]
    Validators(validators::ValidatorsCommand),
    /// Lists nodes that follow without voting, and takes them off the list.
    #[command(subcommand, alias = "observer")]
    Observers(validators::ObserversCommand),
    /// Fetches receipts, and verifies them offline.
    #[command(subcommand, alias = "receipt")]
    Receipts(receipts::ReceiptsCommand),
    /// Shows where a loan, a receivable or an order comes from, with a proof for each step, and verifies it offline.
    #[command(subcommand)]
    Lineage(lineage::LineageCommand),
    /// Shows what became of a transaction: pending, applied, declined, expired, or unknown to the node.
    Transaction {
        /// Its id, as a payment or a timeout told it.
        transaction: TransactionId,
    },
    /// Shows and follows blocks.
    #[command(subcommand)]
    Blocks(chain::BlocksCommand),
    /// Follows the ledger's events; records, takes back and shows those of shipments.
    #[command(subcommand)]
    Events(chain::EventsCommand),
    /// Shows how the nodes are.
    Status,
    /// Prints a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (Cli { mut common, command }, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refuse_to_parse(&error),
    };
    if !matches!(command, Command::Node { .. } | Command::Signer(_)) {
        end_with_the_reader();
    }
    // A signer signs for whoever asks, and acts as nobody.
    let acts = !matches!(command, Command::Signer(_));
    match common.prefer_the_command_line(&matches, acts).and_then(|()| dispatch(&common, command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match common.output {
                // Its answer was printed.
                _ if matches!(failure, Failure::Declined) => {}
                Format::Json => eprintln!("{}", printable_json(&failure.to_json().to_string())),
                Format::Text => eprintln!("causeway: {}", printable(&failure.to_string())),
            }
            failure.exit_code()
        }
    }
}

/// A command line that is none: clap's own words, and for programs the same in one object.
fn refuse_to_parse(error: &clap::Error) -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    let wants_json = arguments.iter().any(|argument| argument == "--output=json")
        || arguments.windows(2).any(|pair| pair == ["--output", "json"]);
    if error.use_stderr() && wants_json {
        let text = error.render().to_string();
        // The first paragraph says what is wrong; the rest is usage.
        let said = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").trim();
        let failure = Failure::Usage(said.split_whitespace().collect::<Vec<_>>().join(" "));
        eprintln!("{}", failure.to_json());
        return failure.exit_code();
    }
    error.exit()
}

/// Lets `causeway blocks follow | head` end when its reader does: printing panics then. The signal itself stays ignored, since
/// it would as well end a process that writes to a node's closed connection.
fn end_with_the_reader() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if text.starts_with("failed printing to stdout") && text.contains("Broken pipe") {
            std::process::exit(READER_GONE);
        }
        before(panic);
    }));
}

fn dispatch(common: &Common, command: Command) -> Result<(), Failure> {
    match command {
        Command::Node { config } => run_node(&config),
        Command::Testnet(command) => command.run(common),
        Command::Audit(command) => command.run(common),
        Command::Rebuild(command) => command.run(common),
        Command::Snapshot(command) => command.run(common),
        Command::Keys(command) => command.run(common),
        Command::Documents(command) => command.run(common),
        Command::Receipts(receipts::ReceiptsCommand::Verify { file, checkpoint }) => {
            receipts::verify(common, &file, checkpoint)
        }
        Command::Lineage(lineage::LineageCommand::Verify { file }) => lineage::verify(common, &file),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "causeway", &mut std::io::stdout());
            Ok(())
        }
        command => tokio::runtime::Runtime::new()?.block_on(ask(common, command)),
    }
}

/// A node has a runtime of its own, so it is started outside of ours.
fn run_node(config: &std::path::Path) -> Result<(), Failure> {
    let config = crate::node::Config::load(config, std::env::vars())?;
    Ok(crate::daemon::run(&config)?)
}

async fn ask(common: &Common, command: Command) -> Result<(), Failure> {
    if let Command::Sandbox(command) = command {
        return command.run(common).await;
    }
    if let Command::Bench(command) = command {
        return command.run(common).await;
    }
    if let Command::Signer(command) = command {
        return command.run(common).await;
    }
    let mut session = Session::open(common).await?;
    match command {
        Command::Accounts(command) => command.run(&mut session).await,
        Command::Balance(command) => command.run(&session).await,
        Command::Tokens(command) => command.run(&session).await,
        Command::Reserves(command) => command.run(&session).await,
        Command::Issue(command) => command.run(&session).await,
        Command::Pay(command) => command.run(&session).await,
        Command::Redeem(command) => command.run(&session).await,
        Command::Invoices(command) => command.run(&session).await,
        Command::Orders(command) => command.run(&session).await,
        Command::ReadPoints(command) => command.run(&session).await,
        Command::Finance(command) => command.run(&session).await,
        Command::Networks(command) => command.run(&session).await,
        Command::Upgrade(command) => command.run(&session).await,
        Command::Validators(command) => command.run(&mut session).await,
        Command::Observers(command) => command.run(&session).await,
        Command::Receipts(receipts::ReceiptsCommand::Get { transaction, without_balances, checkpoint_height }) => {
            receipts::get(&session, transaction, without_balances, checkpoint_height).await
        }
        Command::Lineage(lineage::LineageCommand::Get { object, file }) => {
            lineage::get(&session, object, file.as_deref()).await
        }
        Command::Blocks(command) => command.run(&session).await,
        Command::Events(command) => command.run(&session).await,
        Command::Transaction { transaction } => commands::transaction::run(&session, transaction).await,
        Command::Status => commands::status::run(&session).await,
        // Those that ask no node were dispatched before.
        Command::Sandbox(_)
        | Command::Bench(_)
        | Command::Node { .. }
        | Command::Testnet(_)
        | Command::Audit(_)
        | Command::Rebuild(_)
        | Command::Snapshot(_)
        | Command::Keys(_)
        | Command::Signer(_)
        | Command::Documents(_)
        | Command::Receipts(receipts::ReceiptsCommand::Verify { .. })
        | Command::Lineage(lineage::LineageCommand::Verify { .. })
        | Command::Completions { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    const PUBLIC_KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

    #[test]
    fn who_acts_is_named_once_on_the_command_line() {
        let read = |arguments: &[&str]| {
            let matches = Cli::command().try_get_matches_from([&["causeway", "status"], arguments].concat());
            let matches = matches.expect("it parses");
            let mut common = Cli::from_arg_matches(&matches).expect("it parses").common;
            common.prefer_the_command_line(&matches, true).map(|()| common)
        };
        for line in [
            &["--as", "buyer", "--account", "cw1"][..],
            &["--as", "buyer", "--key", "key.pem"],
            &["--participant", "here", "--account", "cw1", "--key", "key.pem"],
            &["--as", "buyer", "--participant", "here"],
            &["--key", "key.pem"],
            &["--signer", "unix:/signer"],
            &["--account", "cw1", "--key", "key.pem", "--signer", "unix:/signer"],
            &["--account", "cw1", "--signer-key", PUBLIC_KEY],
        ] {
            assert!(matches!(read(line), Err(Failure::Usage(_))), "{line:?}");
        }
        assert_eq!(read(&["--as", "buyer"]).expect("one").act_as.as_deref(), Some("buyer"));
        for line in [["--as", "buyer"], ["--participant", "here"], ["--account", "cw1"]] {
            let line = [&line[..], &["--signer", "unix:/signer"]].concat();
            assert_eq!(read(&line).expect("one").signer.as_deref(), Some("unix:/signer"), "{line:?}");
        }
        assert_eq!(read(&["--account", "cw1", "--key", "key.pem"]).expect("one").key.len(), 1);
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn receipt_and_receipts_are_the_same() {
        for name in ["receipt", "receipts"] {
            let parsed = Cli::try_parse_from(["causeway", name, "verify", "--genesis", "genesis.json", "file.json"]);
            assert!(parsed.is_ok(), "{name}");
        }
    }

    #[test]
    fn who_acts_and_whose_account_is_shown_are_two_things() {
        let line = ["causeway", "balance", "show", "supplier", "--account", "buyer", "--key", "key.pem"];
        let parsed = Cli::try_parse_from(line).expect("both may be given");
        assert_eq!(parsed.common.account.as_deref(), Some("buyer"));
    }

    /// A command's own argument of the same id would silently take a common flag's place.
    #[test]
    fn no_command_hides_a_common_flag() {
        let mut waiting = vec![Cli::command()];
        let common: Vec<_> = Cli::command().get_arguments().map(|argument| argument.get_id().clone()).collect();
        while let Some(command) = waiting.pop() {
            for sub in command.get_subcommands() {
                let hidden = sub.get_arguments().find(|argument| common.contains(argument.get_id()));
                assert!(hidden.is_none(), "{}: {hidden:?}", sub.get_name());
                waiting.push(sub.clone());
            }
        }
    }

    /// A node must not take the command line's variables for misspelt ones of its own.
    #[test]
    fn a_node_knows_the_command_lines_variables() {
        let ours = Cli::command();
        let variables =
            ours.get_arguments().filter_map(|argument| argument.get_env()).map(|name| name.to_string_lossy());
        let known = |name: &str| {
            let keys = crate::node::config::KEYS.iter().map(|(key, _)| crate::node::config::variable_of(key));
            crate::node::config::CLIENT_VARIABLES.contains(&name) || keys.into_iter().any(|key| key == name)
        };
        for variable in variables.chain([crate::client::passphrase::PASSPHRASE_VARIABLE.into()]) {
            assert!(known(&variable), "{variable}");
        }
    }

    /// What the help of a trade's commands shows can be typed, with ids in place of the words in capitals.
    #[test]
    fn every_command_of_a_trade_shows_an_example_that_can_be_typed() {
        let (cli, id) = (Cli::command(), "0".repeat(64));
        let groups = ["orders", "invoices", "events", "read-points"].map(|name| cli.find_subcommand(name));
        for command in groups.iter().flatten().flat_map(|group| group.get_subcommands()) {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<&str> = help.lines().filter(|line| line.starts_with("  causeway ")).collect();
            assert!(!examples.is_empty(), "{name} shows no example");
            for example in examples {
                assert_eq!(example.split_whitespace().nth(2), Some(name), "{example}");
                let typed = example.split_whitespace().map(|word| match word {
                    "ORDER" | "RECEIVABLE" | "HASH" => id.as_str(),
                    word => word,
                });
                if let Err(error) = Cli::try_parse_from(typed) {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_command_reads_like_a_sentence() {
        let line = ["causeway", "pay", "12.50", "HKDX", "--as", "buyer", "--to", "supplier"];
        assert!(Cli::try_parse_from(line).is_ok());
        assert!(Cli::try_parse_from(["causeway", "pay", "12.50", "hkdx", "--to", "supplier"]).is_err());
    }
}
