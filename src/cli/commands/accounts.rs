//! `causeway accounts`: opening, keys, closing.

use crate::cli::failure::Failure;
use crate::cli::output::{print_many, print_one};
use crate::cli::session::Session;
use crate::client::json::to_json;
use crate::client::operations::{self, Keys};
use crate::ledger::account::Role;
use crate::primitives::PublicKey;
use serde_json::Value;
use std::path::PathBuf;

/// Opens, shows and changes accounts.
#[derive(Debug, clap::Subcommand)]
pub enum AccountsCommand {
    /// Opens an account under the acting one, which must be an institution or an issuer.
    Open {
        /// The file of a key that will sign for it, and signs now (`causeway keys new`); several for several.
        #[arg(long = "new-key", value_name = "FILE", required = true)]
        new_keys: Vec<PathBuf>,
        /// The file whose first line is the passphrase of the new keys. Else it is that of the keys of who acts.
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        /// A public key that will sign for it and does not now, above the threshold, in hexadecimal; several for several.
        #[arg(long = "public-key", value_name = "HEX")]
        public_keys: Vec<String>,
        /// How many of the keys must sign.
        #[arg(long, default_value_t = 1)]
        threshold: u8,
        /// What it may do: merchant, financier; issuance-maker, issuance-checker under an issuer.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<Role>,
        /// The company behind it, by an id of a public register, such as LEI:… or HKBR:…
        #[arg(long, value_name = "ID", default_value = "")]
        legal_entity_id: String,
        /// An account of that company (an id, or a participant's name) that vouches, where another institution opened the
        /// company's first. It signs too: name it with --co-signer as well.
        #[arg(long, value_name = "ACCOUNT")]
        voucher: Option<String>,
    },
    /// Shows an account of one's own; the acting one if none is named.
    Show {
        /// Its id, or a participant's name.
        account: Option<String>,
    },
    /// Shows what one may know of another's account: the company behind it, what it may do, whether it is closed.
    Counterparty {
        /// Its id, or a participant's name.
        account: String,
    },
    /// Lists the accounts that the acting one may see.
    List,
    /// Replaces an account's keys. The present ones sign (--key, --as), and as many of the new ones as will have to.
    Rotate {
        /// The file of a key that will sign from now on, and signs now; several for several.
        #[arg(long = "new-key", value_name = "FILE", required = true)]
        new_keys: Vec<PathBuf>,
        /// The file whose first line is the passphrase of the new keys. Else it is that of the present ones.
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        /// A public key that will sign from now on and does not now, above the threshold; several for several.
        #[arg(long = "public-key", value_name = "HEX")]
        public_keys: Vec<String>,
        /// How many of the keys must sign.
        #[arg(long, default_value_t = 1)]
        threshold: u8,
    },
    /// Closes an account for good. It must hold nothing.
    Close {
        /// Its id, or a participant's name.
        account: String,
    },
}

impl AccountsCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &mut Session) -> Result<(), Failure> {
        match self {
            Self::Open { new_keys, new_passphrase_file, public_keys, threshold, roles, legal_entity_id, voucher } => {
                let mut builder = session.draft()?;
                let mut keys = read_keys(&public_keys, threshold)?;
                keys.keys.extend(session.sign_with_new_keys(&new_keys, new_passphrase_file.as_deref())?);
                let operation = match voucher {
                    None => operations::open_account(keys, &roles, &legal_entity_id),
                    Some(voucher) => {
                        let voucher = session.common.find_account(&voucher)?;
                        builder.co_signed_by(voucher);
                        operations::open_vouched_account(keys, &roles, &legal_entity_id, voucher)
                    }
                };
                let opened = builder.add(operation).account_id();
                session.submit(builder, &[("account_id", opened.to_string())]).await
            }
            Self::Show { account } => {
                let account = session.account_or_own(account.as_deref())?;
                print_one(session.format(), &flat(to_json(&session.client.account(account).await?)));
                Ok(())
            }
            Self::Counterparty { account } => {
                session.account()?;
                let account = session.common.find_account(&account)?;
                print_one(session.format(), &to_json(&session.client.counterparty(account).await?));
                Ok(())
            }
            Self::List => {
                session.account()?;
                let accounts = session.client.accounts().await?;
                let accounts: Vec<Value> = accounts.iter().map(|account| flat(to_json(account))).collect();
                print_many(session.format(), &accounts, &["account_id", "roles", "legal_entity_id", "closed"]);
                Ok(())
            }
            Self::Rotate { new_keys, new_passphrase_file, public_keys, threshold } => {
                let mut keys = read_keys(&public_keys, threshold)?;
                keys.keys.extend(session.sign_with_new_keys(&new_keys, new_passphrase_file.as_deref())?);
                session.submit_one(operations::rotate_keys(session.account()?, keys)).await
            }
            Self::Close { account } => {
                session.submit_one(operations::close_account(session.common.find_account(&account)?)).await
            }
        }
    }
}

fn read_keys(texts: &[String], threshold: u8) -> Result<Keys, Failure> {
    let read = |text: &String| text.parse::<PublicKey>().map_err(|error| Failure::Usage(format!("'{text}': {error}")));
    Ok(Keys { keys: texts.iter().map(read).collect::<Result<_, _>>()?, threshold })
}

/// The account with its key set's fields beside its own.
fn flat(mut account: Value) -> Value {
    if let Some(keys) = account.as_object_mut().and_then(|fields| fields.remove("keys")) {
        account["public_keys"] = keys["public_keys"].clone();
        account["threshold"] = keys["threshold"].clone();
    }
    account
}
