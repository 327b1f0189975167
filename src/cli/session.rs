//! A command's connection to the ledger: who signs, how amounts are read, and how answers are printed.

use super::failure::Failure;
use super::flags::{Common, Identity};
use super::outcome::{outcome_value, settled_to_json, token_of};
use super::output::{self, Format, say};
use super::signers;
use crate::client::decimal::DecimalError;
use crate::client::json::body_to_json;
use crate::client::{
    Client, ClientError, EXPIRES_IN_DEFAULT, KeyPair, Operation, Passphrase, PassphraseSource, Reader, Settled, Signer,
    TransactionBuilder, decimal, receipt_file,
};
use crate::ledger::{Reason, Status, Value as Figure};
use crate::primitives::amount::percent;
use crate::primitives::{AccountId, Amount, ChainId, PublicKey, TokenId};
use crate::wire::pb::node::GetStatusResponse;
use crate::wire::pb::tokens;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The reason of which the acting account is told what it has, too.
const INSUFFICIENT_FUNDS: &str = "INSUFFICIENT_FUNDS";

/// A connection to the ledger, and who uses it.
#[derive(Debug)]
pub struct Session {
    /// The flags.
    pub common: Common,
    /// The nodes.
    pub client: Client,
    identity: Option<Identity>,
    /// Keys of no account yet, which sign too.
    new_keys: Vec<Arc<dyn Signer>>,
    progress: indicatif::ProgressBar,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// Nobody answers, the node is of another ledger, or the keys do not open.
    pub async fn open(common: &Common) -> Result<Self, Failure> {
        let expected: Option<ChainId> = common.read_genesis()?.map(|genesis| genesis.chain_id());
        let identity = common.identity().await?;
        let progress = match common.output {
            Format::Text => indicatif::ProgressBar::new_spinner(),
            Format::Json => indicatif::ProgressBar::hidden(),
        };
        let client = Client::connect_over(common.tls()?, &common.endpoints()?, expected).await?;
        let mut client = client.with_patience(Duration::from_secs(common.timeout));
        if let Some(Identity { account, keys }) = &identity
            && let Some(key) = keys.first()
        {
            client = client.reading_as(Reader { account: *account, key: key.clone() });
        }
        Ok(Self { common: common.clone(), client, identity, new_keys: Vec::new(), progress })
    }

    /// How to print.
    pub fn format(&self) -> Format {
        self.common.output
    }

    /// Tells people something beside the answer. Programs have it from the answer.
    pub fn note(&self, text: &str) {
        if self.format() == Format::Text {
            say(text);
        }
    }

    /// The account that acts.
    ///
    /// # Errors
    /// None was named.
    pub fn account(&self) -> Result<AccountId, Failure> {
        let missing = || {
            Failure::Usage(
                "say who acts: --as NAME (of a sandbox), or --account ID with --key FILE or --signer ADDRESS".into(),
            )
        };
        self.identity.as_ref().map(|identity| identity.account).ok_or_else(missing)
    }

    /// The account that a flag names, or the one that acts.
    ///
    /// # Errors
    /// Neither is there.
    pub fn account_or_own(&self, named: Option<&str>) -> Result<AccountId, Failure> {
        named.map_or_else(|| self.account(), |named| self.common.find_account(named))
    }

    /// An amount of a token, as the flags say it is written; above zero, as all but a fee and an empty reserve are.
    ///
    /// # Errors
    /// It is none, or the token is not known.
    pub async fn amount(&self, text: &str, token: TokenId) -> Result<Amount, Failure> {
        match self.amount_or_zero(text, token).await? {
            amount if amount.is_zero() => {
                Err(Failure::Usage(format!("'{text}' is nothing: the amount must be above zero")))
            }
            amount => Ok(amount),
        }
    }

    /// An amount of a token, or zero.
    ///
    /// # Errors
    /// It is none, or the token is not known.
    pub async fn amount_or_zero(&self, text: &str, token: TokenId) -> Result<Amount, Failure> {
        if self.common.minor_units {
            return decimal::parse(text, 0).map_err(|error| match error {
                DecimalError::TooFine { .. } => {
                    Failure::Usage(format!("'{text}' is not a whole number, as --minor-units wants it"))
                }
                error => error.into(),
            });
        }
        decimal::parse(text, self.scale(token).await?).map_err(|error| match error {
            DecimalError::TooFine { found, scale, .. } => {
                let (found, has) = (decimal::decimals(found as u64), decimal::decimals(scale.into()));
                Failure::Usage(format!("'{text}' has {found}, and {token} has {has}: nothing is rounded here"))
            }
            error => error.into(),
        })
    }

    /// Who has how much of a token, each as ACCOUNT=AMOUNT.
    ///
    /// # Errors
    /// One is of another form, or is no account or no amount.
    pub async fn allocations(&self, texts: &[String], token: TokenId) -> Result<Vec<(AccountId, Amount)>, Failure> {
        let mut allocations = Vec::new();
        for text in texts {
            let form = || Failure::Usage(format!("'{text}' is not of the form ACCOUNT=AMOUNT"));
            let (account, amount) = text.split_once('=').ok_or_else(form)?;
            allocations.push((self.common.find_account(account)?, self.amount(amount, token).await?));
        }
        Ok(allocations)
    }

    /// A token's decimals.
    ///
    /// # Errors
    /// The token is not known.
    pub async fn scale(&self, token: TokenId) -> Result<u32, Failure> {
        Ok(self.token(token).await?.scale)
    }

    /// A token.
    ///
    /// # Errors
    /// It is not known; those that are.
    pub async fn token(&self, token: TokenId) -> Result<tokens::Token, Failure> {
        let error = match self.client.token(token).await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        // Which there are says what was meant.
        let is_unknown = error.refusal().is_some_and(|refusal| refusal.reason == "NOT_FOUND");
        match self.client.tokens().await {
            Ok(tokens) if is_unknown && !tokens.iter().any(|found| found.token_id == token.as_str()) => {
                let known: Vec<&str> = tokens.iter().map(|found| found.token_id.as_str()).collect();
                Err(Failure::Failed(format!("there is no token {token} on this ledger; it has {}", known.join(", "))))
            }
            _ => Err(error.into()),
        }
    }

    /// A value with its amounts as people read them: decimals, with their tokens. Programs have minor units, and the token named.
    ///
    /// # Errors
    /// No node answers.
    pub async fn with_units(&self, mut value: Value) -> Result<Value, Failure> {
        if self.format() == Format::Text {
            let tokens = self.client.tokens().await?;
            let scale_of = |id: &str| tokens.iter().find(|token| token.token_id == id).map(|token| token.scale);
            output::with_units(&mut value, &scale_of);
        }
        Ok(value)
    }

    /// A transaction of the account that acts.
    ///
    /// # Errors
    /// Nobody was named.
    pub fn draft(&self) -> Result<TransactionBuilder, Failure> {
        let builder = TransactionBuilder::new(self.client.chain_id(), self.account()?)?;
        Ok(builder.expires_at_ms(self.client.now_ms().saturating_add(EXPIRES_IN_DEFAULT.as_millis() as u64)))
    }

    /// Signs, submits, waits, prints. `created` names what the transaction creates.
    ///
    /// # Errors
    /// It was refused, its outcome is unknown, or the ledger declined it.
    pub async fn submit(&self, builder: TransactionBuilder, created: &[(&str, String)]) -> Result<(), Failure> {
        let settled = self.settle(builder).await?;
        self.print_settled(&settled, created, None).await
    }

    /// The same of what is paid in one token, which a decline of it need not name.
    ///
    /// # Errors
    /// Those of [`Self::submit`].
    pub async fn submit_in(
        &self,
        token: TokenId,
        builder: TransactionBuilder,
        created: &[(&str, String)],
    ) -> Result<(), Failure> {
        let settled = self.settle(builder).await?;
        self.print_settled(&settled, created, Some(token)).await
    }

    /// Reads key files whose keys are to sign too, and tells their public keys. Their passphrase is in a file of its own, or that
    /// of the keys of who acts.
    ///
    /// # Errors
    /// A file cannot be read, or the passphrase does not open it.
    pub fn sign_with_new_keys(
        &mut self,
        paths: &[PathBuf],
        passphrase_file: Option<&Path>,
    ) -> Result<Vec<PublicKey>, Failure> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let passphrase = self.passphrase_in(passphrase_file)?;
        let keys = paths.iter().map(|path| KeyPair::read_file(path, &passphrase)).collect::<Result<Vec<_>, _>>()?;
        let public_keys = keys.iter().map(KeyPair::public_key).collect();
        self.new_keys.extend(keys.into_iter().map(|key| Arc::new(key) as Arc<dyn Signer>));
        Ok(public_keys)
    }

    /// Has keys at a signer sign too, and tells which they are: those that are named, or its only one.
    ///
    /// # Errors
    /// It does not answer, has not all of them, or has several of which none is named.
    pub async fn sign_with_keys_at(&mut self, address: &str, named: &[PublicKey]) -> Result<Vec<PublicKey>, Failure> {
        let keys = signers::keys_at(&self.common, address, named).await?;
        let public_keys = keys.iter().map(|key| key.public_key()).collect();
        self.new_keys.extend(keys);
        Ok(public_keys)
    }

    fn passphrase_in(&self, file: Option<&Path>) -> Result<Passphrase, Failure> {
        let elsewhere = || self.common.passphrase();
        Ok(file.map_or_else(elsewhere, |file| PassphraseSource::File(file.to_path_buf())).read()?)
    }

    /// What each node that was named says of itself, by its endpoint.
    ///
    /// # Errors
    /// A sandbox was named that is none.
    pub async fn statuses(&self) -> Result<Vec<(String, Result<GetStatusResponse, ClientError>)>, Failure> {
        let mut statuses = Vec::new();
        for endpoint in self.common.endpoints()? {
            let status = match self.client.of_node(&endpoint).await {
                Ok(client) => client.status().await,
                Err(error) => Err(error),
            };
            statuses.push((endpoint, status));
        }
        Ok(statuses)
    }

    /// Reads the key file of a node, which is to sign too, and tells its public key. Its passphrase is in a file of its own, or
    /// that of the keys of who acts.
    ///
    /// # Errors
    /// A file cannot be read, or the passphrase does not open the key.
    pub fn sign_with_node_key(&mut self, path: &Path, passphrase_file: Option<&Path>) -> Result<PublicKey, Failure> {
        let passphrase = self.passphrase_in(passphrase_file)?;
        let key = KeyPair::read_file(path, &passphrase)?;
        let public_key = key.public_key();
        self.new_keys.push(Arc::new(key));
        Ok(public_key)
    }

    /// Signs and submits one operation that creates nothing.
    ///
    /// # Errors
    /// Those of [`Self::submit`].
    pub async fn submit_one(&self, operation: Operation) -> Result<(), Failure> {
        let mut builder = self.draft()?;
        builder.add(operation);
        self.submit(builder, &[]).await
    }

    /// Signs and submits, and waits. Nothing but [`Failure::OutcomeUnknown`] leaves open what became of it.
    ///
    /// # Errors
    /// It was refused or could not be sent, or its outcome is unknown.
    pub async fn settle(&self, mut builder: TransactionBuilder) -> Result<Settled, Failure> {
        let own = self.identity.as_ref().map(|identity| identity.keys.as_slice()).unwrap_or_default();
        if own.is_empty() {
            return Err(Failure::Usage("give the account's key with --key FILE, or --signer ADDRESS".into()));
        }
        let mut signers = [own, &self.new_keys].concat();
        for name in &self.common.co_signer {
            let participant = self.common.credentials(name)?;
            builder.co_signed_by(participant.account);
            signers.push(signers::key_of_co_signer(&self.common, &participant).await?);
        }
        // Before anything is sent: a payment that worked and a file that did not would invite to pay again.
        self.common.receipt_path()?;
        let expires_at = builder.expires_at();
        let signed = builder.finish().sign_by(&signers).await?;
        self.progress.enable_steady_tick(Duration::from_millis(100));
        self.progress.set_message(format!("waiting for finality of {}", signed.id()));
        let settled = self.client.submit_and_wait(&signed).await;
        self.progress.finish_and_clear();
        settled.map_err(|error| Failure::of_submission(signed.id(), expires_at, error))
    }

    /// Writes a decline's amounts with their units, for people: decimals where it or the command names the token.
    async fn write_decimals(&self, settled: &Settled, paid_in: Option<TokenId>, value: &mut Value) {
        let Status::Declined(decline) = &settled.outcome().status else { return };
        let token = token_of(&decline.fields).or(paid_in);
        let scale = match token {
            Some(token) => self.scale(token).await.ok(),
            None => None,
        };
        let people = self.common.participants_by_account();
        for (name, figure) in &decline.fields {
            match figure {
                // Each by itself, as they are many at times.
                Figure::Text(conditions) if name == "conditions" => {
                    value[name.as_str()] = conditions.split("; ").map(Value::from).collect();
                }
                Figure::Amount(amount) => {
                    value[name.as_str()] = output::money(*amount, token.as_ref().map(TokenId::as_str), scale).into();
                }
                Figure::Number(points) if name.ends_with("_bps") => value[name.as_str()] = percent(*points).into(),
                Figure::Account(account) => {
                    if let Some(person) = people.get(account) {
                        value[name.as_str()] = format!("{person} ({account})").into();
                    }
                }
                _ => {}
            }
        }
        let short = Reason::entry(decline.code).is_some_and(|entry| entry.name == INSUFFICIENT_FUNDS);
        if let (true, Some(token)) = (short, token)
            && decline.fields.iter().any(|(_, figure)| Some(figure) == self.own_figure().as_ref())
            && let Some(available) = self.available(token).await
        {
            value["available"] = output::money(available, Some(token.as_str()), scale).into();
        }
    }

    fn own_figure(&self) -> Option<Figure> {
        self.identity.as_ref().map(|identity| Figure::Account(identity.account))
    }

    /// What the acting account has of a token now. A decline does not say it, since others are shown its receipt.
    async fn available(&self, token: TokenId) -> Option<Amount> {
        let balances = self.client.balances(self.identity.as_ref()?.account).await.ok()?.balances;
        let found = balances.iter().find(|balance| balance.token_id == token.as_str());
        Some(Amount::new(found.map_or(0, |balance| balance.available)))
    }

    /// Prints what a transaction did, and keeps its receipt where that was asked for.
    ///
    /// # Errors
    /// The ledger declined it, or the receipt cannot be written.
    pub async fn print_settled(
        &self,
        settled: &Settled,
        created: &[(&str, String)],
        paid_in: Option<TokenId>,
    ) -> Result<(), Failure> {
        let mut value = settled_to_json(settled);
        if self.format() == Format::Text {
            self.write_decimals(settled, paid_in, &mut value).await;
        }
        if settled.outcome().is_applied() {
            for (name, id) in created {
                value[*name] = id.as_str().into();
            }
        }
        if self.format() == Format::Json {
            value["outcome"] = outcome_value(&settled.receipt);
            if let Some(transaction) = &settled.receipt.transaction {
                value["transaction"] = body_to_json(transaction.signed.body());
            }
        }
        output::print_one(self.format(), &value);
        // What happened is told before the file is tried: who hears only of the file would do it again.
        if let Some(path) = &self.common.receipt {
            receipt_file::write(path, &settled.receipt)?;
        }
        match &settled.outcome().status {
            Status::Applied => Ok(()),
            Status::Declined(_) => Err(Failure::Declined),
        }
    }
}
