//! The list of peers as operations read and change it.

use super::peer::{PEERS_KEY, Peer, PeerList, RetiredKey, Standing};
use crate::ledger::limits::{PEERS_MAX, VALIDATORS_KEPT_MIN};
use crate::ledger::validators::VALIDATORS_MAX;
use crate::ledger::{Changes, Context, Entry, PeerAddress, Reason, Role, View};
use crate::primitives::{Decode, PublicKey};

/// Every peer, by key. There are at most [`PEERS_MAX`], and as many that a rotation brings.
pub fn peers(view: &dyn View) -> Vec<(PublicKey, Peer)> {
    // More than can be listed.
    let entries = view.scan(Peer::COLUMN, &[], 4 * PEERS_MAX).into_iter();
    let read = |(key, value): (bytes::Bytes, bytes::Bytes)| {
        let peer = PublicKey::from_bytes(&key).and_then(|public_key| Ok((public_key, Peer::from_bytes(&value)?)));
        peer.inspect_err(|_| view.note_corruption(Peer::COLUMN, &key)).ok()
    };
    entries.filter_map(read).collect()
}

/// The epoch from which what is decided now is in force: the one after the block's.
pub(super) fn in_force_epoch(context: &Context<'_>, changes: &Changes<'_>) -> u64 {
    context.epoch(changes) + 1
}

/// Whether governance decides this.
///
/// # Errors
/// Those of [`Context::signed_in_role`].
pub(super) fn require_governance(context: &Context<'_>, changes: &Changes<'_>) -> Result<(), Reason> {
    context.signed_in_role(changes, context.sender, Role::Governance).map(drop)
}

/// Whether the key may be given a vote: it never had one, its holder signed, and it is not listed or observes.
///
/// # Errors
/// `VALIDATOR_KEY_RETIRED`, `PEER_LISTED`, `VALIDATOR_KEY_DID_NOT_SIGN`.
pub(super) fn require_newcomer(context: &Context<'_>, changes: &Changes<'_>, key: PublicKey) -> Result<(), Reason> {
    let public_key = key.to_string();
    if changes.has::<RetiredKey>(&key) {
        return Err(Reason::ValidatorKeyRetired { public_key });
    }
    let standing = changes.read::<Peer>(&key).map(|peer| peer.standing);
    if let Some(standing) = standing.filter(|standing| *standing != Standing::Observer) {
        return Err(Reason::PeerListed { public_key, standing: standing.name() });
    }
    match context.signers.contains(&key) {
        true => Ok(()),
        false => Err(Reason::ValidatorKeyDidNotSign { public_key }),
    }
}

/// Whether nobody but `except` listens at the address.
///
/// # Errors
/// `VALIDATOR_ADDRESS_TAKEN`.
pub(super) fn require_free(changes: &Changes<'_>, address: &PeerAddress, except: &[PublicKey]) -> Result<(), Reason> {
    let listed = peers(changes);
    let taken = listed.iter().find(|(key, peer)| peer.address.as_ref() == Some(address) && !except.contains(key));
    match taken {
        None => Ok(()),
        Some((key, _)) => {
            Err(Reason::ValidatorAddressTaken { address: address.to_string(), public_key: key.to_string() })
        }
    }
}

/// Writes the list's changes, if what they come to may be.
///
/// # Errors
/// `TOO_MANY_PEERS`, `TOO_FEW_VALIDATORS`, `TOO_MANY_VALIDATORS`, `TOO_MANY_VALIDATOR_CHANGES`.
pub(super) fn relist(
    context: &Context<'_>,
    changes: &mut Changes<'_>,
    relisted: impl IntoIterator<Item = (PublicKey, Option<Peer>)>,
) -> Result<(), Reason> {
    let grows = |before: usize, after: usize| after > before && after > PEERS_MAX;
    let before = peers(changes).len();
    for (key, peer) in relisted {
        match peer {
            Some(peer) => changes.put(&key, &peer),
            None => changes.delete::<Peer>(&key),
        }
    }
    changes.put(&PEERS_KEY, &PeerList { changed_at: context.height });
    let after = peers(changes);
    if grows(before, after.len()) {
        return Err(Reason::TooManyPeers { peers_max: PEERS_MAX as u64 });
    }
    check_next_set(after.iter().map(|(_, peer)| peer.standing))
}

/// Holds the validators of the next epoch to what they may be after those of this one.
fn check_next_set(standings: impl Iterator<Item = Standing> + Clone) -> Result<(), Reason> {
    let count = |which: fn(Standing) -> bool| standings.clone().filter(|standing| which(*standing)).count();
    let now = count(Standing::votes_now);
    let next = count(Standing::votes_next);
    let staying = count(|standing| standing.votes_now() && standing.votes_next());
    let (leaving, joining) = (now - staying, next - staying);
    if next > VALIDATORS_MAX {
        return Err(Reason::TooManyValidators { validators_max: VALIDATORS_MAX as u64 });
    }
    let validators_min = now.clamp(1, VALIDATORS_KEPT_MIN);
    if next < validators_min {
        return Err(Reason::TooFewValidators { validators: next as u64, validators_min: validators_min as u64 });
    }
    let leaving_max = faults_max(now);
    // Up to four there is no other way than by one that must come up.
    let joining_max = faults_max(next).max(usize::from(now < VALIDATORS_KEPT_MIN));
    if leaving > leaving_max || joining > joining_max {
        let [leaving, leaving_max, joining, joining_max] =
            [leaving, leaving_max, joining, joining_max].map(|number| number as u64);
        return Err(Reason::TooManyValidatorChanges { leaving, leaving_max, joining, joining_max });
    }
    Ok(())
}

/// How many of so many may be down: see [`crate::ledger::ValidatorSet::faults_max`].
fn faults_max(validators: usize) -> usize {
    validators.saturating_sub(1) / 3
}
