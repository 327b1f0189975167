//! The end of an epoch: what was decided in it takes force.

use super::peer::{PEERS_KEY, Peer, PeerList, RetiredKey, Standing};
use super::roster::peers;
use crate::ledger::validators::FromEpoch;
use crate::ledger::{Changes, Effect, ValidatorSet};
use crate::primitives::PublicKey;

/// Has the block at `height`, its epoch's last, hand over to the validators of `next_epoch`, if they are others.
pub fn turn(changes: &mut Changes<'_>, height: u64, next_epoch: u64) {
    let listed = peers(changes);
    if listed.iter().all(|(_, peer)| peer.standing.votes_now() == peer.standing.votes_next()) {
        return;
    }
    let keys = listed.iter().filter(|(_, peer)| peer.standing.votes_next()).map(|(key, _)| *key).collect();
    // Every change was held to these bounds when it was made; were one not, the validators would stay who they are.
    let Some(validators) = ValidatorSet::new(keys) else { return };
    let (mut joined, mut left) = (Vec::new(), Vec::new());
    for (key, peer) in listed {
        match peer.standing {
            Standing::Observer | Standing::Validator => continue,
            Standing::Joining => {
                changes.put(&key, &Peer { standing: Standing::Validator, replaces: None, ..peer });
                joined.push(key);
                continue;
            }
            // It dials from now on, as observers do.
            Standing::Leaving => changes.put(&key, &Peer { standing: Standing::Observer, address: None, ..peer }),
            Standing::Replaced => changes.delete::<Peer>(&key),
        }
        changes.put(&key, &RetiredKey { from_epoch: next_epoch });
        left.push(key);
    }
    changes.put(&FromEpoch(next_epoch), &validators);
    changes.put(&PEERS_KEY, &PeerList { changed_at: height });
    changes.record(
        Effect::new("governance.validators_changed")
            .with("in_force_epoch", next_epoch)
            .with("validators", validators.keys().len() as u64)
            .with("validators_hash", validators.hash())
            .with("joined", keys_text(&joined))
            .with("left", keys_text(&left)),
    );
}

/// Keys in hexadecimal, in order, separated by spaces.
fn keys_text(keys: &[PublicKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
