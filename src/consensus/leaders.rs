//! Whose turn it is, as the engine's reports tell.
//!
//! A view ends for this node when its block is certified or final, or when a quorum skips it. The leader of a view
//! follows from the rotation alone, so the next one is known before its view begins.

use super::keys::ours;
use super::port::CurrentLeaders;
use super::{Activity, Scheme};
use crate::primitives::crypto::PublicKey;
use commonware_actor::Feedback;
use commonware_consensus::simplex::elector::{Config as _, Elector as _, RoundRobin, RoundRobinElector};
use commonware_consensus::types::{Epoch, Round, View};
use commonware_consensus::{Reporter, Viewable as _};
use commonware_cryptography::{Sha256, ed25519};
use commonware_utils::channel::watch;
use commonware_utils::ordered::{Quorum as _, Set};
use std::sync::Arc;

/// How leaders are chosen: each validator in turn, in the order of the keys, beginning one further in each epoch.
pub(super) fn rotation() -> RoundRobin<Sha256> {
    RoundRobin::default()
}

/// A place to read the current leaders from, and to wait for the next ones.
#[derive(Clone, Debug)]
pub struct Leaders(watch::Receiver<Option<CurrentLeaders>>);

impl Leaders {
    /// The leaders now; `None` before the first epoch is entered.
    pub fn now(&self) -> Option<CurrentLeaders> {
        *self.0.borrow()
    }

    /// The leaders after the next change of view; `None` once consensus has stopped.
    pub async fn changed(&mut self) -> Option<CurrentLeaders> {
        loop {
            self.0.changed().await.ok()?;
            let leaders = *self.0.borrow_and_update();
            if leaders.is_some() {
                return leaders;
            }
        }
    }

    /// Leaders that are told by hand, and the hand.
    pub fn by_hand(initial: Option<CurrentLeaders>) -> (watch::Sender<Option<CurrentLeaders>>, Self) {
        let (sender, receiver) = watch::channel(initial);
        (sender, Self(receiver))
    }
}

/// Tells the leaders of whatever epoch is entered.
#[derive(Clone, Debug)]
pub(super) struct Announcer(Arc<watch::Sender<Option<CurrentLeaders>>>);

impl Announcer {
    /// An announcer, and where it is heard.
    pub fn new() -> (Self, Leaders) {
        let (sender, leaders) = Leaders::by_hand(None);
        (Self(Arc::new(sender)), leaders)
    }

    /// Begins `epoch` at its first view, and returns what follows its reports.
    pub fn enter(&self, epoch: Epoch, validators: &Set<ed25519::PublicKey>) -> Follower {
        let elector = rotation().build(validators);
        let follower = Follower { announcer: self.clone(), epoch, validators: validators.clone(), elector };
        follower.announce(View::new(1));
        follower
    }
}

/// Follows one epoch's reports.
#[derive(Clone)]
pub(super) struct Follower {
    announcer: Announcer,
    epoch: Epoch,
    validators: Set<ed25519::PublicKey>,
    elector: RoundRobinElector<Scheme>,
}

impl Follower {
    fn leader(&self, view: View) -> Option<PublicKey> {
        let place = self.elector.elect(Round::new(self.epoch, view), ());
        self.validators.key(place).map(ours)
    }

    fn announce(&self, view: View) {
        let (Some(current), Some(next)) = (self.leader(view), self.leader(view.next())) else { return };
        let leaders = CurrentLeaders { epoch: self.epoch.get(), view: view.get(), current, next };
        self.announcer.0.send_if_modified(|announced| {
            // Certificates of past views arrive late and out of order.
            let is_news = announced.is_none_or(|old| (old.epoch, old.view) < (leaders.epoch, leaders.view));
            if is_news {
                *announced = Some(leaders);
            }
            is_news
        });
    }
}

impl Reporter for Follower {
    type Activity = Activity;

    fn report(&mut self, activity: Activity) -> Feedback {
        match activity {
            Activity::Certification(notarization) => self.announce(notarization.view().next()),
            Activity::Nullification(nullification) => self.announce(nullification.view().next()),
            Activity::Finalization(finalization) => self.announce(finalization.view().next()),
            Activity::Notarize(_)
            | Activity::Notarization(_)
            | Activity::Nullify(_)
            | Activity::Finalize(_)
            | Activity::ConflictingNotarize(_)
            | Activity::ConflictingFinalize(_)
            | Activity::NullifyFinalize(_) => {}
        }
        Feedback::Ok
    }
}
