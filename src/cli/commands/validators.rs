//! `causeway validators` and `causeway observers`: who validates from the next epoch on, and who follows.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, json, print_many};
use crate::cli::session::Session;
use crate::client::json::to_json;
use crate::client::operations;
use crate::ledger::PeerAddress;
use crate::primitives::PublicKey;
use serde_json::Value;
use std::path::PathBuf;

/// A node's key, which signs too.
#[derive(Debug, clap::Args)]
pub struct NodeKey {
    /// The file of the new validator's key: it signs too, as proof that somebody has it.
    #[arg(long, value_name = "FILE")]
    node_key: PathBuf,
    /// The file whose first line is that key's passphrase. Else it is that of the keys of who acts.
    #[arg(long, value_name = "FILE")]
    node_passphrase_file: Option<PathBuf>,
    /// Where its node listens for others, such as 10.0.0.7:7500 or validator.example:7500.
    #[arg(long, value_name = "HOST:PORT")]
    address: PeerAddress,
}

/// Lists and changes the validators. Changes are for governance, and take force with the first block of the next epoch.
#[derive(Debug, clap::Subcommand)]
pub enum ValidatorsCommand {
    /// Lists the validators and observers, with what is decided for the next epoch.
    List,
    /// Gives a node's key a vote from the next epoch on. Its node should be running by then: list it with 'observers add' first.
    Add {
        /// Its name, for people.
        name: String,
        #[command(flatten)]
        node: NodeKey,
    },
    /// Takes a validator's vote from the next epoch on; its node observes then.
    Remove {
        /// The validator, by its name or its public key.
        validator: String,
    },
    /// Puts another key in a validator's place from the next epoch on.
    Rotate {
        /// The validator, by its name or its public key.
        validator: String,
        #[command(flatten)]
        node: NodeKey,
    },
    /// Says where a validator listens from now on.
    Move {
        /// The validator, by its name or its public key.
        validator: String,
        /// Where its node listens for others.
        #[arg(value_name = "HOST:PORT")]
        address: PeerAddress,
    },
}

/// Lists nodes that follow without voting, and takes them off the list. Governance does.
#[derive(Debug, clap::Subcommand)]
pub enum ObserversCommand {
    /// Lists a node: the others let it in.
    Add {
        /// Its name, for people.
        name: String,
        /// Its public key (`causeway keys show FILE`).
        #[arg(value_name = "KEY")]
        public_key: PublicKey,
    },
    /// Takes a node off the list: the others cut it off.
    Remove {
        /// The observer, by its name or its public key.
        observer: String,
    },
}

impl ValidatorsCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &mut Session) -> Result<(), Failure> {
        let operation = match self {
            Self::List => return list(session).await,
            Self::Add { name, node } => {
                let key = session.sign_with_node_key(&node.node_key, node.node_passphrase_file.as_deref())?;
                operations::add_validator(key, &name, &node.address)
            }
            Self::Remove { validator } => operations::remove_validator(find(session, &validator).await?),
            Self::Rotate { validator, node } => {
                let old = find(session, &validator).await?;
                let new = session.sign_with_node_key(&node.node_key, node.node_passphrase_file.as_deref())?;
                operations::rotate_validator_key(old, new, &node.address)
            }
            Self::Move { validator, address } => {
                operations::set_validator_address(find(session, &validator).await?, &address)
            }
        };
        session.submit_one(operation).await
    }
}

impl ObserversCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let operation = match self {
            Self::Add { name, public_key } => operations::add_observer(public_key, &name),
            Self::Remove { observer } => operations::remove_observer(find(session, &observer).await?),
        };
        session.submit_one(operation).await
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let listed = to_json(&session.client.peers().await?);
    match session.format() {
        Format::Json => println!("{}", json(&listed)),
        Format::Text => {
            let peers: Vec<Value> = listed["peers"].as_array().cloned().unwrap_or_default();
            print_many(Format::Text, &peers, &["name", "standing", "in_force_epoch", "address", "public_key"]);
            let (epoch, length) = (&listed["epoch"], listed["epoch_length"].as_u64().unwrap_or(1));
            let next = (epoch.as_u64().unwrap_or_default() + 1).saturating_mul(length);
            println!("Epoch {epoch}, at height {}. The next one begins at height {next}.", listed["height"]);
        }
    }
    Ok(())
}

/// A peer's key, by itself or by the peer's name.
async fn find(session: &Session, named: &str) -> Result<PublicKey, Failure> {
    if let Ok(key) = named.parse() {
        return Ok(key);
    }
    let listed = session.client.peers().await?.peers;
    let mut of_name = listed.iter().filter(|peer| peer.name == named);
    let key = |peer: &crate::wire::pb::governance::Peer| <[u8; 32]>::try_from(&peer.public_key[..]).ok().map(PublicKey);
    match (of_name.next().and_then(key), of_name.next()) {
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) => Err(Failure::Usage(format!("several are named '{named}': give the public key"))),
        (None, _) => {
            Err(Failure::Usage(format!("'{named}' is neither listed (causeway validators list) nor a public key")))
        }
    }
}
