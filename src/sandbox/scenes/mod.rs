//! The stories that a sandbox plays, each on the running network and step by step: what they are called, and which of them
//! needs what.
//!
//! What they share is in `market` (money), `trade` (orders and invoices) and `lending` (programmes and loans).
//!
//! # Invariants
//! * Every step is a transaction whose end is held against what the story expects, and whose receipt is kept and verified.
//! * A story tells states and amounts as the nodes and the receipts give them, and computes none itself.

mod closed_loop;
mod double_financing;
mod joint_loan;
mod late_payer;
mod lending;
pub mod market;
mod trade;
mod voucher;
mod whole;

use super::SandboxError;
use super::documents::{Document, Documents};
use super::figures;
use super::stage::Stage;
use crate::client::ubl::UblInvoice;
pub use closed_loop::time_loans;
pub use trade::choose;
pub use whole::lose_a_validator;

/// What is played once the accounts are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Settlement, the closed loop, a validator's loss and redemption, from end to end.
    Default,
    /// From the order over the carrier's event to the money, and back.
    ClosedLoop,
    /// A loan that nobody pays for months.
    LatePayer,
    /// One invoice, two financiers.
    DoubleFinancing,
    /// Two lenders of one loan.
    JointLoan,
    /// A receivable in parts, down the tiers of suppliers.
    Voucher,
    /// The figures of this machine.
    Figures,
    /// Nothing: accounts and funds only.
    None,
}

impl Scenario {
    /// Every one, with its name on the command line.
    const ALL: [(&'static str, Self); 8] = [
        ("default", Self::Default),
        ("closed-loop", Self::ClosedLoop),
        ("late-payer", Self::LatePayer),
        ("double-financing", Self::DoubleFinancing),
        ("joint-loan", Self::JointLoan),
        ("voucher", Self::Voucher),
        ("figures", Self::Figures),
        ("none", Self::None),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, scenario)| *scenario == self).map_or("", |(name, _)| name)
    }

    /// Whether it plays on the documents that the user named.
    pub fn takes_documents(self) -> bool {
        matches!(self, Self::Default | Self::ClosedLoop | Self::None)
    }

    /// Whether it tells a story, and so brings its own money.
    pub fn is_story(self) -> bool {
        !matches!(self, Self::Figures | Self::None)
    }
}

impl std::str::FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = || Self::ALL.map(|(name, _)| name).join(", ");
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, scenario)| scenario);
        found.ok_or_else(|| format!("'{text}' is no scenario; scenarios are {}", names()))
    }
}

/// Plays one.
///
/// # Errors
/// The first step that does not go as it must.
pub async fn play(
    scenario: Scenario,
    stage: &mut Stage<'_>,
    documents: &Documents,
    invoice: &Document<UblInvoice>,
) -> Result<(), SandboxError> {
    match scenario {
        Scenario::Default => whole::play(stage, documents, invoice).await,
        Scenario::ClosedLoop => closed_loop::play(stage, documents, invoice).await,
        Scenario::LatePayer => late_payer::play(stage, invoice).await,
        Scenario::DoubleFinancing => double_financing::play(stage, invoice).await,
        Scenario::JointLoan => joint_loan::play(stage, invoice).await,
        Scenario::Voucher => voucher::play(stage, invoice).await,
        Scenario::Figures => figures::measure(stage).await,
        Scenario::None => Ok(()),
    }
}
