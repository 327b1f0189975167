//! `causeway rebuild`: a node whose data is damaged begins anew from its peers.

use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::{Format, print_one};
use crate::daemon::set_aside;
use crate::node::Config;
use serde_json::json;
use std::path::PathBuf;

/// Sets a stopped node's data aside.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Stop the node first, and start it afterwards. Nothing is removed: what was set aside is in the data directory, to be\n\
                  looked at, and removed once the node has caught up."
)]
pub struct RebuildCommand {
    /// The node's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Set the journals of its votes aside too, where they are damaged. The node then follows and cannot vote until its key is
    /// replaced.
    #[arg(long)]
    without_vote: bool,
}

impl RebuildCommand {
    /// Does it.
    ///
    /// # Errors
    /// The node runs, there is nothing to set aside, or a file cannot be moved.
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        let config = Config::load(&self.config, std::env::vars())?;
        let done = set_aside(&config, self.without_vote)?;
        print_one(common.output, &json!({ "set_aside": done.place, "keeps_vote": done.keeps_vote }));
        if common.output == Format::Text {
            let then = match done.keeps_vote {
                true => "It fetches the blocks from its peers, and votes again where its journals end.",
                false => "It fetches the blocks from its peers and follows. It cannot vote until its key is replaced.",
            };
            let config = self.config.display();
            println!(
                "\nStart the node: causeway node --config {config}. {then}\nIf you have a snapshot it need not fetch all of them; \
                 first: causeway snapshot restore DIR --config {config}"
            );
        }
        Ok(())
    }
}
