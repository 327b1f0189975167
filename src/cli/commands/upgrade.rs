//! `causeway upgrade`: which version of the protocol the ledger follows, and from when on another.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, print_many, say};
use crate::cli::session::Session;
use crate::client::operations;
use serde_json::{Value, json};

/// Shows and raises the version of the protocol that the ledger follows. Changes are for governance, and take force with the
/// first block of the epoch after the next.
#[derive(Debug, clap::Subcommand)]
pub enum UpgradeCommand {
    /// Shows of each endpoint which version it follows, and what is decided.
    Show,
    /// Decides that the ledger follows a version from the epoch after the next on. Install software that knows it on every node first.
    Decide {
        /// The version: the one after what is in force.
        protocol_version: u32,
    },
    /// Takes back what was decided, before its epoch begins.
    Withdraw {
        /// The version that was decided on.
        protocol_version: u32,
    },
}

impl UpgradeCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let operation = match self {
            Self::Show => return show(session).await,
            Self::Decide { protocol_version } => {
                require_installed(session, protocol_version).await?;
                operations::decide_upgrade(protocol_version)
            }
            Self::Withdraw { protocol_version } => operations::withdraw_upgrade(protocol_version),
        };
        session.submit_one(operation).await
    }
}

/// What a node says of the protocol.
struct Answer {
    endpoint: String,
    /// Its software, the version that the next block follows, the newest that it follows, what is decided, and from when on.
    versions: Result<(String, u32, u32, u32, u64), String>,
}

async fn ask(session: &Session) -> Result<Vec<Answer>, Failure> {
    let answers = session.statuses().await?.into_iter().map(|(endpoint, status)| {
        let versions = status.map_err(|error| error.to_string()).map(|status| {
            let decided = (status.protocol_version_decided, status.upgrade_height);
            (status.version, status.protocol_version, status.protocol_version_max, decided.0, decided.1)
        });
        Answer { endpoint, versions }
    });
    Ok(answers.collect())
}

async fn show(session: &Session) -> Result<(), Failure> {
    let rows = ask(session).await?.into_iter().map(|Answer { endpoint, versions }| match versions {
        Err(error) => json!({ "endpoint": endpoint, "error": error }),
        Ok((software, in_force, max, decided, height)) => json!({
            "endpoint": endpoint,
            "software": software,
            "protocol_version": in_force,
            "protocol_version_max": max,
            "protocol_version_decided": if decided == 0 { Value::Null } else { decided.into() },
            "upgrade_height": if decided == 0 { Value::Null } else { height.into() },
        }),
    });
    let rows: Vec<Value> = rows.collect();
    let columns = [
        "endpoint",
        "software",
        "protocol_version",
        "protocol_version_max",
        "protocol_version_decided",
        "upgrade_height",
        "error",
    ];
    let told: Vec<&str> = columns.into_iter().filter(|column| rows.iter().any(|row| !row[*column].is_null())).collect();
    print_many(session.format(), &rows, &told);
    if session.format() == Format::Text {
        rows.iter().filter_map(behind).for_each(|sentence| say(&sentence));
    }
    Ok(())
}

/// What there is to say of a node that is about to stop.
fn behind(row: &Value) -> Option<String> {
    let (max, decided) = (row["protocol_version_max"].as_u64()?, row["protocol_version_decided"].as_u64()?);
    (decided > max).then(|| {
        format!(
            "{} stops before height {}: its software knows no version after {max}. Install a newer one.",
            row["endpoint"].as_str().unwrap_or_default(),
            row["upgrade_height"]
        )
    })
}

/// Whether every node that was named follows the version. One that does not would stop.
async fn require_installed(session: &Session, version: u32) -> Result<(), Failure> {
    for Answer { endpoint, versions } in ask(session).await? {
        match versions {
            Ok((software, _, max, ..)) if max < version => {
                return Err(Failure::Failed(format!(
                    "{endpoint} would stop: its software ({software}) knows no version of the protocol after {max}. Install one \
                     that knows {version} on every node first"
                )));
            }
            Ok(_) => {}
            Err(error) => {
                return Err(Failure::Failed(format!(
                    "{endpoint} does not say which versions of the protocol it knows: {error}. Name only nodes that run \
                     (--endpoint), and all of them"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_about_to_stop_is_told() {
        let row = |max: u64, decided: Value| json!({ "endpoint": "http://a:7400", "protocol_version_max": max, "protocol_version_decided": decided, "upgrade_height": 512 });
        let sentence =
            "http://a:7400 stops before height 512: its software knows no version after 1. Install a newer one.";
        assert_eq!(behind(&row(1, 2.into())).as_deref(), Some(sentence));
        assert_eq!(behind(&row(2, 2.into())), None);
        assert_eq!(behind(&row(1, Value::Null)), None);
    }
}
