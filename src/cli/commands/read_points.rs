//! `causeway read-points`: where a carrier reads.

use super::salts::ReadPoints;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::client::epcis::{canonical_read_point, read_point_commitment};
use crate::client::operations;
use crate::primitives::Hash;
use std::path::PathBuf;

/// A read point as its carrier names it.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The place's id as events have it in readPoint.id: a GS1 location URI, such as urn:epc:id:sgln:4099999.00001.D2.
    #[arg(value_name = "URI")]
    id: String,
    /// Where the salts of the read points are kept, a line for each; read-points.txt in the participant's directory, or here,
    /// if not given.
    #[arg(long, value_name = "FILE")]
    read_points: Option<PathBuf>,
}

/// Registers places at which a carrier reads, and takes them out of use.
#[derive(Debug, clap::Subcommand)]
pub enum ReadPointsCommand {
    /// Registers a place at which the carrier reads. The ledger sees a salted commitment to it; the salt is kept here, for
    /// `events record`.
    #[command(after_help = "Example:\n  causeway read-points register --as carrier urn:epc:id:sgln:4099999.00001.D2")]
    Register(Place),
    /// Takes a read point out of use, for good. What it read before may still be recorded.
    #[command(after_help = "Example:\n  causeway read-points retire --as carrier urn:epc:id:sgln:4099999.00001.D2")]
    Retire(Place),
}

impl ReadPointsCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let (Self::Register(place) | Self::Retire(place)) = &self;
        let id = canonical_read_point(&place.id).map_err(|error| Failure::Usage(error.to_string()))?;
        let points = ReadPoints::at(place.read_points.clone(), session.common.participant_directory());
        let (salt, operation): (_, fn(Hash) -> operations::Operation) = match self {
            Self::Register(_) => {
                session.account()?;
                (points.keep(&id)?, operations::register_read_point)
            }
            Self::Retire(_) => {
                let unknown = || Failure::Failed(format!("the read point {id} is not in {}", points.file().display()));
                (points.salt_of(&id)?.ok_or_else(unknown)?, operations::retire_read_point)
            }
        };
        let commitment = read_point_commitment(&salt, &id);
        let mut builder = session.draft()?;
        builder.add(operation(commitment));
        let told = [
            ("read_point", id),
            ("read_point_commitment", commitment.to_string()),
            ("read_points_file", points.file().display().to_string()),
        ];
        session.submit(builder, &told).await
    }
}
