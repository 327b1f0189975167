//! `NodeService`: how the node is. Public.

use crate::node::service::{LedgerHandle, Mode};
use crate::wire::pb::node as pb;
use crate::wire::pb::node::node_service_server::NodeService;
use bytes::Bytes;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Clone)]
pub(super) struct Node(pub Arc<dyn LedgerHandle>);

#[tonic::async_trait]
impl NodeService for Node {
    async fn get_status(&self, _: Request<pb::GetStatusRequest>) -> Result<Response<pb::GetStatusResponse>, Status> {
        let (identity, status) = (self.0.identity(), self.0.status());
        let mode = match status.mode {
            Mode::Validator => pb::NodeMode::Validator,
            Mode::Verifier => pb::NodeMode::Verifier,
        };
        let validators = status.validators.into_iter().map(|validator| pb::Validator {
            heard: status.heard.contains(&validator.public_key),
            name: validator.name,
            public_key: Bytes::copy_from_slice(&validator.public_key.0),
        });
        Ok(Response::new(pb::GetStatusResponse {
            chain_id: Bytes::copy_from_slice(&identity.chain_id.0),
            network: identity.network.clone(),
            node_public_key: Bytes::copy_from_slice(&identity.public_key.0),
            mode: mode.into(),
            height: status.height,
            time_ms: status.time.0,
            block_hash: Bytes::copy_from_slice(&status.block_hash.0),
            epoch: status.epoch,
            parent_state_digest: Bytes::copy_from_slice(&status.parent_state_digest.0),
            validators: validators.collect(),
            // The pool's limit is far below.
            pool_transactions: status.pool_transactions as u32,
            version: identity.version.clone(),
            // There are at most 100 validators.
            quorum: status.quorum as u32,
            final_age_ms: u64::try_from(status.final_age.as_millis()).unwrap_or(u64::MAX),
            stands_still: status.stands_still,
            protocol_version: status.versions.version,
            protocol_version_max: status.versions.version_max,
            protocol_version_decided: status.versions.decided.map_or(0, |(version, _)| version),
            upgrade_height: status.versions.decided.map_or(0, |(_, height)| height),
            earliest_block_height: status.begins_at,
        }))
    }

    async fn get_genesis(&self, _: Request<pb::GetGenesisRequest>) -> Result<Response<pb::GetGenesisResponse>, Status> {
        Ok(Response::new(pb::GetGenesisResponse { genesis: self.0.identity().genesis.clone() }))
    }
}
