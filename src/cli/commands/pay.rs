//! `causeway pay`: one payment.

use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::client::operations::{self, Remittance};
use crate::primitives::TokenId;

/// Pays another account.
#[derive(Debug, clap::Args)]
pub struct PayCommand {
    /// How much, such as 1250.00.
    #[arg(allow_negative_numbers = true)]
    amount: String,
    /// The token, such as HKDX.
    token: TokenId,
    /// Who is paid, by an id or a participant's name.
    #[arg(long)]
    to: String,
    /// The payer's own id of the payment, at most 35 bytes.
    #[arg(long, default_value = "")]
    end_to_end_id: String,
    /// An ISO 20022 purpose code, such as SUPP.
    #[arg(long, default_value = "")]
    purpose: String,
    /// The number of an invoice that is paid; several for several.
    #[arg(long = "invoice", value_name = "NUMBER")]
    invoices: Vec<String>,
}

impl PayCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let payee = session.common.find_account(&self.to)?;
        let amount = session.amount(&self.amount, self.token).await?;
        let remittance = Remittance {
            end_to_end_id: self.end_to_end_id,
            purpose_code: self.purpose,
            invoice_references: self.invoices,
        };
        session.submit_one(operations::transfer(session.account()?, payee, self.token, amount, remittance)).await
    }
}
