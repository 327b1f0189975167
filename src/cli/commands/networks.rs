//! `causeway networks`: other networks on which a settlement counts as evidence here, and who has an account on both.

use crate::cli::failure::Failure;
use crate::cli::flags::genesis_in;
use crate::cli::output::print_many;
use crate::cli::session::Session;
use crate::client::json::to_json;
use crate::client::{operations, receipt_file};
use crate::domain::financing::{RegisterNetwork, TokenPair};
use crate::execution::genesis::Genesis;
use crate::ledger::ValidatorSet;
use crate::primitives::{AccountId, ChainId, PublicKey};
use serde_json::Value;
use std::path::PathBuf;

/// Registers and lists other networks, and links accounts on them.
#[derive(Debug, clap::Subcommand)]
pub enum NetworksCommand {
    /// Registers a network by its genesis file, or registers one again as it is now. Governance does, on this ledger.
    Register {
        /// The network's genesis file.
        file: PathBuf,
        /// A validator of a later epoch, by its public key: every one of them, where they are no longer the genesis'.
        #[arg(long = "validator", value_name = "KEY")]
        validators: Vec<PublicKey>,
        /// A token there and the token here that it is taken for, of the same minor unit: up to 16.
        #[arg(long = "token", value_name = "THERE=HERE", value_parser = read_pair)]
        tokens: Vec<TokenPair>,
    },
    /// Ends belief in a network's receipts. Governance does.
    Retire {
        /// Its chain id.
        chain: ChainId,
    },
    /// Says which account the acting one has on another network. Keep the receipt (--receipt FILE): it is for 'link' there.
    Declare {
        /// The other network's chain id.
        chain: ChainId,
        /// The account there.
        there: AccountId,
    },
    /// Links the acting account to its account on another network, by the receipt of 'declare' there.
    Link {
        /// The receipt file.
        file: PathBuf,
    },
    /// Lists the other networks that governance registered, retired ones too.
    List,
    /// Lists the accounts of other networks that are linked to accounts here, as far as the acting one may see these.
    Accounts {
        /// Only those of this network, by its chain id.
        chain: Option<ChainId>,
    },
}

impl NetworksCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let operation = match self {
            Self::Register { file, validators, tokens } => {
                operations::register_network(&registration(&genesis_in(&file)?, validators, tokens)?)
            }
            Self::Retire { chain } => operations::retire_network(chain),
            Self::Declare { chain, there } => operations::declare_foreign_account(chain, there),
            Self::Link { file } => operations::link_foreign_account(receipt_file::read(&file)?),
            Self::List => {
                let values: Vec<Value> = session.client.networks().await?.iter().map(to_json).collect();
                print_many(session.format(), &values, &["network_chain_id", "name", "state", "epoch_length"]);
                return Ok(());
            }
            Self::Accounts { chain } => {
                session.account()?;
                let values: Vec<Value> = session.client.foreign_accounts(chain).await?.iter().map(to_json).collect();
                print_many(session.format(), &values, &["network_chain_id", "foreign_account_id", "account_id"]);
                return Ok(());
            }
        };
        session.submit_one(operation).await
    }
}

/// A network as its genesis file says, save validators that took the place of the genesis'.
fn registration(
    genesis: &Genesis,
    validators: Vec<PublicKey>,
    mut tokens: Vec<TokenPair>,
) -> Result<RegisterNetwork, Failure> {
    let named = match validators.is_empty() {
        true => Some(genesis.validators().clone()),
        false => ValidatorSet::new(validators),
    };
    let validators = named.ok_or_else(|| Failure::Usage("give 1 to 100 validators, each once".to_owned()))?;
    tokens.sort_by_key(|pair| pair.there);
    let (network, name) = (genesis.chain_id(), genesis.file().network.clone());
    let registration = RegisterNetwork { network, name, validators, epoch_length: genesis.epoch_length(), tokens };
    registration.check().map_err(|malformed| Failure::Usage(malformed.to_string()))?;
    Ok(registration)
}

fn read_pair(text: &str) -> Result<TokenPair, String> {
    let (there, here) = text.split_once('=').ok_or("it must be THERE=HERE, such as HKDX=HKDX")?;
    let token = |id: &str| id.parse().map_err(|error| format!("'{id}': {error}"));
    Ok(TokenPair { there: token(there)?, here: token(here)? })
}
