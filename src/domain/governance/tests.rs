//! Each rule of the room in a row, and what no sequence of changes may lead to.

use super::*;
use crate::domain::rehearsal::{Performed, Rehearsal};
use crate::ledger::history::PARAMETERS_KEY;
use crate::ledger::limits::PEERS_MAX;
use crate::ledger::protocol::PROTOCOL_KEY;
use crate::ledger::validators::{FromEpoch, VALIDATORS_MAX, validators_of};
use crate::ledger::{Changes, Context, Parameters, PeerAddress, Protocol, Reason, Role, ValidatorSet, Value};
use crate::primitives::{AccountId, BlockTime, PublicKey};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Longer than any test here, so that it ends where a test ends it.
const EPOCH_LENGTH: u64 = 1_000_000;

/// A ledger with governance and so many validators, and the epoch that it is in.
struct Stage {
    ledger: Rehearsal,
    governance: AccountId,
    epoch: u64,
}

fn key(name: u8) -> PublicKey {
    PublicKey([name; 32])
}

fn address(name: u8) -> PeerAddress {
    format!("10.0.0.{name}:7500").parse().expect("an address")
}

type Plan<'a> = &'a dyn Fn(&Context<'_>, &mut Changes<'_>) -> Result<(), Reason>;

impl Stage {
    /// Validators 1, 2, 3, … with names and without addresses, as a genesis lists them.
    fn of(validators: u8) -> Self {
        let mut ledger = Rehearsal::at(BlockTime(1_000));
        let governance = ledger.open(200, None, &[Role::Governance]);
        let keys: Vec<PublicKey> = (1..=validators).map(key).collect();
        ledger.edit(|changes| {
            list_validators(changes, keys.iter().map(|key| (*key, "genesis")));
            changes.put(&FromEpoch(0), &ValidatorSet::new(keys.clone()).expect("distinct"));
            changes.put(&PARAMETERS_KEY, &Parameters { epoch_length: EPOCH_LENGTH });
        });
        Self { ledger, governance, epoch: 0 }
    }

    /// Signed by governance and by everyone's keys besides.
    fn perform(&mut self, plan: Plan<'_>) -> Result<Performed, Reason> {
        let signers = (0..=u8::MAX).map(key).collect();
        self.ledger.perform_signed(self.governance, &signers, plan)
    }

    fn declines(&mut self, plan: Plan<'_>) -> Reason {
        self.perform(plan).expect_err("it is declined")
    }

    fn add(&mut self, name: u8) -> Result<(), Reason> {
        let add = AddValidator { public_key: key(name), name: format!("validator-{name}"), address: address(name) };
        self.perform(&|context, changes| add.plan(context, changes)).map(drop)
    }

    fn remove(&mut self, name: u8) -> Result<(), Reason> {
        let remove = RemoveValidator { public_key: key(name) };
        self.perform(&|context, changes| remove.plan(context, changes)).map(drop)
    }

    fn rotate(&mut self, from: u8, to: u8) -> Result<(), Reason> {
        let (public_key, new_public_key) = (key(from), key(to));
        let rotate = RotateValidatorKey { public_key, new_public_key, address: address(to) };
        self.perform(&|context, changes| rotate.plan(context, changes)).map(drop)
    }

    fn observe(&mut self, name: u8) -> Result<(), Reason> {
        let add = AddObserver { public_key: key(name), name: format!("observer-{name}") };
        self.perform(&|context, changes| add.plan(context, changes)).map(drop)
    }

    fn forget(&mut self, name: u8) -> Result<(), Reason> {
        let remove = RemoveObserver { public_key: key(name) };
        self.perform(&|context, changes| remove.plan(context, changes)).map(drop)
    }

    /// Ends the epoch.
    fn turn(&mut self) {
        self.epoch += 1;
        let epoch = self.epoch;
        self.ledger.edit(|changes| turn(changes, epoch * EPOCH_LENGTH - 1, epoch));
    }

    fn standing(&self, name: u8) -> Option<Standing> {
        self.ledger.read::<Peer>(&key(name)).map(|peer| peer.standing)
    }

    /// The validators of the epoch, by name.
    fn validators(&self) -> Vec<u8> {
        let set = validators_of(&self.ledger.view, self.epoch).expect("there is one");
        set.keys().iter().map(|key| key.0[0]).collect()
    }
}

fn too_many(leaving: u64, leaving_max: u64, joining: u64, joining_max: u64) -> Result<(), Reason> {
    Err(Reason::TooManyValidatorChanges { leaving, leaving_max, joining, joining_max })
}

#[test]
fn a_validator_joins_and_another_leaves_at_the_epochs_end() {
    let mut stage = Stage::of(4);
    stage.observe(5).expect("nobody knows it yet");
    stage.add(5).expect("it observes");
    stage.remove(1).expect("one of four may");
    assert_eq!((stage.standing(5), stage.standing(1)), (Some(Standing::Joining), Some(Standing::Leaving)));
    assert_eq!(stage.validators(), [1, 2, 3, 4], "until the epoch ends");
    stage.turn();
    assert_eq!(stage.validators(), [2, 3, 4, 5]);
    assert_eq!((stage.standing(5), stage.standing(1)), (Some(Standing::Validator), Some(Standing::Observer)));
    stage.turn();
    assert_eq!(stage.validators(), [2, 3, 4, 5], "and an epoch without a decision leaves them as they are");
    assert_eq!(stage.ledger.read::<ValidatorSet>(&FromEpoch(2)), None, "of which nothing is noted");
    stage.forget(1).expect("it observes");
    assert_eq!(stage.standing(1), None);
}

#[test]
fn a_key_is_replaced_in_its_validators_place() {
    let mut stage = Stage::of(4);
    stage.rotate(2, 6).expect("one of four may");
    let joining: Peer = stage.ledger.read(&key(6)).expect("it is listed");
    assert_eq!((joining.name.as_str(), joining.replaces), ("genesis", Some(key(2))));
    assert_eq!(stage.standing(2), Some(Standing::Replaced));
    stage.turn();
    assert_eq!(stage.validators(), [1, 3, 4, 6]);
    assert_eq!(stage.standing(2), None, "the old key is off the list");
    let seated: Peer = stage.ledger.read(&key(6)).expect("it is listed");
    assert_eq!((seated.standing, seated.replaces), (Standing::Validator, None));
}

#[test]
fn who_has_not_joined_yet_is_withdrawn() {
    let mut stage = Stage::of(4);
    stage.add(5).expect("the first");
    stage.remove(5).expect("it has not joined");
    assert_eq!(stage.standing(5), Some(Standing::Observer));
    stage.rotate(1, 6).expect("in place of another");
    stage.remove(6).expect("it has not joined");
    assert_eq!((stage.standing(6), stage.standing(1)), (Some(Standing::Observer), Some(Standing::Validator)));
    stage.turn();
    assert_eq!(stage.validators(), [1, 2, 3, 4]);
    stage.add(5).expect("it never validated, so it may yet");
}

/// One row for each rule.
#[test]
fn what_may_not_be_is_declined() {
    let mut stage = Stage::of(4);
    stage.add(5).expect("the first");
    stage.observe(8).expect("an observer");
    let text = |name: u8| key(name).to_string();
    let listed = |name, standing| Err(Reason::PeerListed { public_key: text(name), standing });
    assert_eq!(stage.observe(8), listed(8, "observer"));
    assert_eq!(stage.add(4), listed(4, "validator"));
    assert_eq!(stage.add(5), listed(5, "joining"));
    assert_eq!(stage.rotate(1, 2), listed(2, "validator"));
    assert_eq!(stage.remove(9), Err(Reason::UnknownValidator { public_key: text(9) }));
    assert_eq!(stage.remove(8), Err(Reason::UnknownValidator { public_key: text(8) }), "it observes");
    assert_eq!(stage.rotate(8, 9), Err(Reason::UnknownValidator { public_key: text(8) }));
    assert_eq!(stage.forget(9), Err(Reason::UnknownObserver { public_key: text(9) }));
    assert_eq!(stage.forget(1), Err(Reason::UnknownObserver { public_key: text(1) }), "it validates");

    stage.remove(1).expect("one of four may leave");
    let pending =
        |name, standing| Err(Reason::ValidatorChangePending { public_key: text(name), standing, in_force_epoch: 1 });
    assert_eq!(stage.remove(1), pending(1, "leaving"));
    assert_eq!(stage.rotate(1, 9), pending(1, "leaving"));
    assert_eq!(stage.rotate(5, 9), pending(5, "joining"));

    let taken = Reason::ValidatorAddressTaken { address: address(5).to_string(), public_key: text(5) };
    let elsewhere = |public_key| SetValidatorAddress { public_key, address: address(5) };
    assert_eq!(stage.declines(&|context, changes| elsewhere(key(2)).plan(context, changes)), taken);
    let unknown = Reason::UnknownValidator { public_key: text(8) };
    assert_eq!(stage.declines(&|context, changes| elsewhere(key(8)).plan(context, changes)), unknown);

    stage.turn();
    let retired = |name| Err(Reason::ValidatorKeyRetired { public_key: text(name) });
    assert_eq!(stage.add(1), retired(1), "it validated before");
    assert_eq!(stage.rotate(2, 1), retired(1));
    stage.forget(1).expect("it observes");
    assert_eq!(stage.add(1), retired(1), "and being forgotten does not change that");
    stage.observe(1).expect("it may follow");
}

#[test]
fn governance_decides_and_the_new_key_signs() {
    let mut stage = Stage::of(4);
    let stranger = stage.ledger.open(201, None, &[Role::Institution]);
    let (add, rotate) = (
        AddValidator { public_key: key(5), name: "five".into(), address: address(5) },
        RotateValidatorKey { public_key: key(1), new_public_key: key(5), address: address(5) },
    );
    let remove = RemoveValidator { public_key: key(1) };
    let moved = SetValidatorAddress { public_key: key(1), address: address(1) };
    let (observe, forget) =
        (AddObserver { public_key: key(8), name: "eight".into() }, RemoveObserver { public_key: key(8) });
    let plans: [Plan<'_>; 6] = [
        &|context, changes| add.plan(context, changes),
        &|context, changes| rotate.plan(context, changes),
        &|context, changes| remove.plan(context, changes),
        &|context, changes| moved.plan(context, changes),
        &|context, changes| observe.plan(context, changes),
        &|context, changes| forget.plan(context, changes),
    ];
    for (index, plan) in plans.iter().enumerate() {
        let declined = stage.ledger.perform(&[stranger], plan).expect_err("a stranger asks");
        assert_eq!(declined, Reason::RoleRequired { account: stranger, role: "governance" }, "{index}");
    }
    let did_not_sign = Reason::ValidatorKeyDidNotSign { public_key: key(5).to_string() };
    for plan in &plans[..2] {
        let declined = stage.ledger.perform(&[stage.governance], plan).expect_err("governance alone");
        assert_eq!(declined, did_not_sign);
    }
    stage.ledger.perform(&[stage.governance], plans[4]).expect("an observer's key need not sign");
}

#[test]
fn who_stays_is_a_quorum_before_and_after() {
    let mut four = Stage::of(4);
    four.add(5).expect("one more");
    assert_eq!(four.add(6), too_many(0, 1, 2, 1));
    assert_eq!(four.rotate(1, 6), too_many(1, 1, 2, 1));
    four.remove(1).expect("and one less");
    assert_eq!(four.remove(2), Err(Reason::TooFewValidators { validators: 3, validators_min: 4 }));
    assert_eq!(
        four.remove(5),
        Err(Reason::TooFewValidators { validators: 3, validators_min: 4 }),
        "withdrawn, it misses"
    );

    let mut seven = Stage::of(7);
    seven.remove(1).expect("one of two");
    seven.remove(2).expect("two of two");
    assert_eq!(seven.remove(3), too_many(3, 2, 0, 1));
    seven.add(8).expect("six bear the loss of one");
    assert_eq!(seven.add(9), Ok(()), "seven that of two");
    assert_eq!(seven.add(10), too_many(2, 2, 3, 2));
    seven.turn();
    assert_eq!(seven.validators(), [3, 4, 5, 6, 7, 8, 9]);

    assert_eq!(Stage::of(4).remove(1), Err(Reason::TooFewValidators { validators: 3, validators_min: 4 }));
    assert_eq!(Stage::of(3).remove(1), Err(Reason::TooFewValidators { validators: 2, validators_min: 3 }));
    assert_eq!(Stage::of(3).rotate(1, 5), too_many(1, 0, 1, 1), "three bear the loss of none");
}

/// A network that begins with one validator comes to four, one in each epoch.
#[test]
fn a_small_network_grows() {
    let mut stage = Stage::of(1);
    for name in 2..=5 {
        stage.add(name).expect("one in an epoch");
        assert!(matches!(stage.add(100), Err(Reason::TooManyValidatorChanges { joining: 2, .. })));
        stage.turn();
    }
    assert_eq!(stage.validators(), [1, 2, 3, 4, 5]);
}

#[test]
fn lists_end() {
    let mut stage = Stage::of(VALIDATORS_MAX as u8);
    assert_eq!(stage.add(150), Err(Reason::TooManyValidators { validators_max: 100 }));
    let mut listed = VALIDATORS_MAX as u8;
    while usize::from(listed) < PEERS_MAX {
        listed += 1;
        // Governance's own key is one of these, which is nobody's business.
        stage.observe(listed).expect("there is room");
    }
    let full = Err(Reason::TooManyPeers { peers_max: 200 });
    assert_eq!(stage.observe(250), full);
    assert_eq!(stage.rotate(1, 250), full);
    stage.rotate(1, 150).expect("it is listed already");
    stage.forget(199).expect("it observes");
    stage.observe(250).expect("in its place");
}

#[test]
fn an_address_goes_with_the_place() {
    let mut stage = Stage::of(4);
    let at = |public_key, name| SetValidatorAddress { public_key, address: address(name) };
    stage.perform(&|context, changes| at(key(1), 1).plan(context, changes)).expect("it had none");
    let rotate = RotateValidatorKey { public_key: key(1), new_public_key: key(5), address: address(1) };
    stage.perform(&|context, changes| rotate.plan(context, changes)).expect("on the same machine");
    stage.turn();
    let peers: BTreeMap<_, _> = peers(&stage.ledger.view).into_iter().collect();
    assert_eq!(peers[&key(5)].address, Some(address(1)));
    assert_eq!(peers.len(), 4);
    // Who observes dials.
    stage.add(6).expect("one more");
    stage.turn();
    stage.remove(6).expect("one less");
    stage.turn();
    assert_eq!(
        stage.ledger.read::<Peer>(&key(6)).map(|peer| (peer.standing, peer.address)),
        Some((Standing::Observer, None))
    );
}

#[test]
fn what_changes_is_recorded_with_the_epoch_from_which_it_is_so() {
    let mut stage = Stage::of(4);
    let add = AddValidator { public_key: key(5), name: "five".into(), address: address(5) };
    let added = stage.perform(&|context, changes| add.plan(context, changes)).expect("one more");
    let effect = &added.planned.effects[0];
    assert_eq!(effect.name, "governance.validator_added");
    assert_eq!(effect.field("in_force_epoch"), Some(&Value::Number(1)));
    assert_eq!(effect.field("address"), Some(&Value::Text(address(5).to_string())));
    let turned = stage.ledger.edit(|changes| turn(changes, EPOCH_LENGTH - 1, 1));
    let effect = &turned.effects[0];
    assert_eq!(effect.name, "governance.validators_changed");
    assert_eq!(effect.field("joined"), Some(&Value::Text(key(5).to_string())));
    assert_eq!(effect.field("validators"), Some(&Value::Number(5)));
    let list: PeerList = stage.ledger.read(&PEERS_KEY).expect("it is kept");
    assert_eq!(list.changed_at, EPOCH_LENGTH - 1);
}

/// What must hold of the list and of the sets, whatever was asked.
fn check(stage: &Stage, ever: &mut BTreeSet<PublicKey>) {
    let listed = peers(&stage.ledger.view);
    let with = |which: fn(Standing) -> bool| -> BTreeSet<PublicKey> {
        listed.iter().filter(|(_, peer)| which(peer.standing)).map(|(key, _)| *key).collect()
    };
    let (now, next) = (with(Standing::votes_now), with(Standing::votes_next));
    let set = validators_of(&stage.ledger.view, stage.epoch).expect("there is one");
    assert_eq!(now.iter().copied().collect::<Vec<_>>(), set.keys(), "the list and the set of the epoch");
    let staying = now.intersection(&next).count();
    let next = ValidatorSet::new(next.into_iter().collect()).expect("the next epoch has validators");
    assert!(next.keys().len() >= now.len().min(4), "fewer than there must be");
    assert!(staying >= set.quorum(), "{staying} of {} stay", now.len());
    assert!(now.len() < 4 || staying >= next.quorum(), "{staying} stay, and {} make a quorum then", next.quorum());
    for (key, peer) in &listed {
        let retired = stage.ledger.read::<RetiredKey>(key).is_some();
        assert!(!retired || peer.standing == Standing::Observer, "{key} validates again");
        assert_eq!(peer.replaces.is_some(), peer.replaces.is_some_and(|old| now.contains(&old)), "it replaces nobody");
    }
    let mut addresses: Vec<_> = listed
        .iter()
        .filter(|(_, peer)| peer.standing.votes_next())
        .filter_map(|(_, peer)| peer.address.as_ref())
        .collect();
    let count = addresses.len();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), count, "two listen at one address");
    assert!(listed.len() <= PEERS_MAX);
    ever.extend(now);
    let gone = ever.iter().filter(|key| !set.keys().contains(key));
    for key in gone {
        assert!(stage.ledger.read::<RetiredKey>(key).is_some(), "{key} validated, and may again");
    }
}

proptest! {
    /// Whatever is asked, in whatever order, every epoch is handed over by a quorum to a quorum.
    #[test]
    fn any_sequence_of_changes_keeps_the_bounds(
        validators in 1u8..9,
        asked in proptest::collection::vec((0u8..8, 1u8..20, 1u8..20), 0..60),
    ) {
        let mut stage = Stage::of(validators);
        let mut ever = BTreeSet::new();
        for (what, one, other) in asked {
            let _ = match what {
                0 | 1 => stage.add(one),
                2 => stage.remove(one),
                3 => stage.rotate(one, other),
                4 => stage.observe(one),
                5 => stage.forget(one),
                6 => {
                    let moved = SetValidatorAddress { public_key: key(one), address: address(other) };
                    stage.perform(&|context, changes| moved.plan(context, changes)).map(drop)
                }
                _ => {
                    stage.turn();
                    Ok(())
                }
            };
            check(&stage, &mut ever);
        }
    }
}

#[test]
fn the_protocol_is_raised_by_one_with_an_epochs_notice() {
    let mut stage = Stage::of(4);
    stage.ledger.edit(|changes| changes.put(&PROTOCOL_KEY, &Protocol::following(1)));
    let decide = |stage: &mut Stage, protocol_version: u32| {
        let decide = DecideUpgrade { protocol_version };
        stage.perform(&|context, changes| decide.plan(context, changes)).map(drop)
    };
    let withdraw = |stage: &mut Stage, protocol_version: u32| {
        let withdraw = WithdrawUpgrade { protocol_version };
        stage.perform(&|context, changes| withdraw.plan(context, changes)).map(drop)
    };
    let in_epochs = |stage: &Stage| {
        let protocol: Protocol = stage.ledger.read(&PROTOCOL_KEY).expect("it is there");
        [1, 2, 4].map(|epoch| protocol.in_epoch(epoch))
    };
    let not_next = |protocol_version, protocol_version_in_force| {
        Err(Reason::ProtocolVersionNotNext { protocol_version, protocol_version_in_force })
    };
    assert_eq!(decide(&mut stage, 3), not_next(3, 1));
    assert_eq!(withdraw(&mut stage, 2), Err(Reason::NoUpgradeDecided { protocol_version: 2 }));
    decide(&mut stage, 2).expect("it is the next");
    assert_eq!(in_epochs(&stage), [1, 2, 2]);
    let decided = Err(Reason::UpgradeDecided { protocol_version: 2, in_force_epoch: 2 });
    assert_eq!((decide(&mut stage, 2), decide(&mut stage, 3)), (decided.clone(), decided));
    assert_eq!(withdraw(&mut stage, 3), Err(Reason::NoUpgradeDecided { protocol_version: 3 }), "it is another");
    withdraw(&mut stage, 2).expect("its epoch has not begun");
    assert_eq!(in_epochs(&stage), [1, 1, 1]);
    decide(&mut stage, 2).expect("it may be decided again");

    stage.ledger.at_height(2 * EPOCH_LENGTH - 1);
    assert!(matches!(decide(&mut stage, 3), Err(Reason::UpgradeDecided { .. })), "it is not in force yet");
    stage.ledger.at_height(2 * EPOCH_LENGTH);
    assert_eq!(withdraw(&mut stage, 2), Err(Reason::NoUpgradeDecided { protocol_version: 2 }), "it is in force");
    assert_eq!(decide(&mut stage, 2), not_next(2, 2));
    decide(&mut stage, 3).expect("the one after it");
    assert_eq!(in_epochs(&stage), [2, 2, 3], "what was before no block asks any more");
}

#[test]
fn an_upgrade_is_for_governance() {
    let mut stage = Stage::of(4);
    let stranger = stage.ledger.open(202, None, &[Role::Institution]);
    let (decide, withdraw) = (DecideUpgrade { protocol_version: 2 }, WithdrawUpgrade { protocol_version: 2 });
    let signers = (0..=u8::MAX).map(key).collect();
    let plans: [Plan<'_>; 2] =
        [&|context, changes| decide.plan(context, changes), &|context, changes| withdraw.plan(context, changes)];
    for plan in plans {
        let declined = stage.ledger.perform_signed(stranger, &signers, plan).expect_err("it is no governance");
        assert!(matches!(declined, Reason::RoleRequired { .. }), "{declined:?}");
    }
    assert!(DecideUpgrade { protocol_version: 1 }.check().is_err(), "every ledger has that");
}
