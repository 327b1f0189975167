//! What a user sees once the network serves: where it is, whose keys are where, what lasts, and what to try next.

use super::SandboxError;
use super::cast::{CUSTOMERS, genesis_parties};
use super::cluster::Cluster;
use super::directory::SandboxDirectory;
use super::documents::Document;
use super::report::{Output, plain_table, shown};
use super::stage::Stage;
use crate::client::decimal;
use crate::client::ubl::UblInvoice;
use crate::primitives::Amount;

/// What the hint pays: a dozen units and a half, or a dozen where a token has no parts.
const HINTED_HUNDREDTHS: u64 = 1_250;

/// Prints the banner.
///
/// # Errors
/// No node answers.
pub async fn print(stage: &Stage<'_>, quorum: usize, invoice: &Document<UblInvoice>) -> Result<(), SandboxError> {
    let (output, directory): (&Output, &SandboxDirectory) = (stage.output, stage.directory);
    let path = directory.path().display();
    output.note("\nCauseway sandbox. NOT FOR PRODUCTION: every passphrase lies beside its key.\n");
    tell_nodes(output, stage.cluster, quorum);
    let token = token_of(stage, invoice).await?;
    output.note(&format!("\n{}", accounts(stage, invoice, &token).await?));
    output.note(&format!("Keys    {path}/participants/NAME/key.pem"));
    output.note(&format!("Logs    {path}/nodes/NODE/node.log"));
    output.note(&format!("Data    {path}  (kept: run again to go on, delete it to start anew)"));
    let flag = match std::env::current_dir().is_ok_and(|here| here.join("sandbox-data") == directory.path()) {
        true => String::new(),
        false => format!(" --sandbox {path}"),
    };
    let program = std::env::args().next().unwrap_or_else(|| "causeway".to_owned());
    let amount = token.hinted_amount();
    output.note(&format!("Try     {program} pay{flag} --as buyer --to supplier {amount} {}", token.id));
    output.note(&format!("        {program} balance show{flag} --as supplier\n"));
    Ok(())
}

fn tell_nodes(output: &Output, cluster: &Cluster, quorum: usize) {
    let mut nodes = plain_table();
    nodes.set_header(["node", "gRPC", "process"]);
    let processes = cluster.process_ids();
    for (index, endpoint) in cluster.endpoints().into_iter().enumerate() {
        let process = processes.get(index).map(ToString::to_string).unwrap_or_default();
        nodes.add_row([cluster.name(index), endpoint, process]);
    }
    output.note(&shown(nodes));
    if cluster.size() > 1 && quorum == cluster.size() {
        output.note(&format!(
            "It takes all {quorum} of them: a network of {quorum} bears the loss of none, 4 bear the loss of one."
        ));
    }
}

/// The token in which the invoice is paid.
struct TradeToken {
    id: String,
    scale: u32,
    /// Whether the ledger has it already; else the scenario creates it.
    is_there: bool,
}

impl TradeToken {
    fn hinted_amount(&self) -> String {
        let units = 10u64.saturating_pow(self.scale).saturating_mul(HINTED_HUNDREDTHS) / 100;
        decimal::format(Amount::new(units), self.scale)
    }
}

async fn token_of(stage: &Stage<'_>, invoice: &Document<UblInvoice>) -> Result<TradeToken, SandboxError> {
    let currency = invoice.says.currency.as_str();
    let known = stage.client().tokens().await?.into_iter().find(|token| token.currency == currency);
    Ok(match known {
        Some(found) => TradeToken { id: found.token_id, scale: found.scale, is_there: true },
        None => {
            let (id, scale) = super::scenes::market::new_token(currency);
            TradeToken { id, scale, is_there: false }
        }
    })
}

/// Who takes part, with the company behind each: of supplier and buyer those that the user's document names.
async fn accounts(
    stage: &Stage<'_>,
    invoice: &Document<UblInvoice>,
    token: &TradeToken,
) -> Result<String, SandboxError> {
    let mut accounts = plain_table();
    accounts.set_header(["account", "company", "what it is"]);
    for party in genesis_parties() {
        let more = match (party.name, token.id.as_str()) {
            (_, "HKDX" | "USDX") => String::new(),
            ("issuer", id) if token.is_there => format!(" and {id}"),
            ("issuer", id) => format!(", and {id} for the invoice in {}", invoice.says.currency.as_str()),
            ("issuer-maker" | "issuer-checker", id) => format!(" and {id}"),
            _ => String::new(),
        };
        accounts.add_row([party.name, party.legal_entity_id, &format!("{}{more}", party.description)]);
    }
    let reader = stage.reading_as("observer")?;
    for customer in &CUSTOMERS {
        let company = reader.counterparty(stage.account(customer.name)?).await?.legal_entity_id;
        accounts.add_row([customer.name, &company, customer.description]);
    }
    Ok(shown(accounts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hinted_is_an_amount_of_the_token() {
        for (scale, told) in [(0, "12"), (2, "12.50"), (3, "12.500")] {
            assert_eq!(TradeToken { id: String::new(), scale, is_there: true }.hinted_amount(), told);
        }
    }
}
