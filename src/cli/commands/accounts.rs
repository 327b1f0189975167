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
        #[command(flatten)]
        new_keys: NewKeys,
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
    /// Replaces an account's keys. The present ones sign (--key, --as, --signer), and as many of the new ones as will have to.
    Rotate {
        #[command(flatten)]
        new_keys: NewKeys,
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
            Self::Open { new_keys, roles, legal_entity_id, voucher } => {
                let mut builder = session.draft()?;
                let keys = new_keys.sign(session).await?;
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
            Self::Rotate { new_keys } => {
                let keys = new_keys.sign(session).await?;
                session.submit_one(operations::rotate_keys(session.account()?, keys)).await
            }
            Self::Close { account } => {
                session.submit_one(operations::close_account(session.common.find_account(&account)?)).await
            }
        }
    }
}

/// The keys that are to sign for an account from now on.
#[derive(Debug, clap::Args)]
pub struct NewKeys {
    /// The file of a key that is to sign for the account, and signs now (`causeway keys new`); several for several.
    #[arg(long = "new-key", value_name = "FILE", required_unless_present_any = ["new_signer", "new_signer_keys"])]
    new_keys: Vec<PathBuf>,
    /// The file whose first line is the passphrase of the new keys. Else it is that of the keys of who acts.
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    /// The signer that holds a key that is to sign for the account, and signs now, if it is another than --signer.
    #[arg(long, value_name = "ADDRESS")]
    new_signer: Option<String>,
    /// Which of that signer's keys, by its public key, if it has several; several for several.
    #[arg(long = "new-signer-key", value_name = "HEX")]
    new_signer_keys: Vec<PublicKey>,
    /// A public key that is to sign for the account and does not now, above the threshold, in hexadecimal; several for several.
    #[arg(long = "public-key", value_name = "HEX")]
    public_keys: Vec<PublicKey>,
    /// How many of the keys must sign.
    #[arg(long, default_value_t = 1)]
    threshold: u8,
}

impl NewKeys {
    /// Has those of them sign that are here or at a signer, and tells them all.
    async fn sign(self, session: &mut Session) -> Result<Keys, Failure> {
        let mut keys = self.public_keys;
        keys.extend(session.sign_with_new_keys(&self.new_keys, self.new_passphrase_file.as_deref())?);
        if self.new_signer.is_some() || !self.new_signer_keys.is_empty() {
            let missing =
                || Failure::Usage("--new-signer-key names a key at a signer: say where with --new-signer".into());
            let address = self.new_signer.or_else(|| session.common.signer.clone()).ok_or_else(missing)?;
            keys.extend(session.sign_with_keys_at(&address, &self.new_signer_keys).await?);
        }
        Ok(Keys { keys, threshold: self.threshold })
    }
}

/// The account with its key set's fields beside its own.
fn flat(mut account: Value) -> Value {
    if let Some(keys) = account.as_object_mut().and_then(|fields| fields.remove("keys")) {
        account["public_keys"] = keys["public_keys"].clone();
        account["threshold"] = keys["threshold"].clone();
    }
    account
}
