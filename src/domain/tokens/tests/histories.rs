//! Random histories against a model: plain lists of what happened, and sums over them. The model shares no code and no
//! arithmetic with the room.

use super::*;
use crate::ledger::due::due_by;
use crate::ledger::{Balance, Due, Lock, Value};
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Step {
    Wait { hours: u64 },
    Attest { hours_ago: u64, units: u64 },
    Issue { units: u64 },
    RequestRedemption { units: u64 },
    Pay(Index),
    Reject(Index),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u64..30).prop_map(|hours| Step::Wait { hours }),
        2 => (0u64..60, 0u64..400).prop_map(|(hours_ago, units)| Step::Attest { hours_ago, units }),
        3 => (1u64..200).prop_map(|units| Step::Issue { units }),
        3 => (1u64..100).prop_map(|units| Step::RequestRedemption { units }),
        3 => any::<Index>().prop_map(Step::Pay),
        1 => any::<Index>().prop_map(Step::Reject),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Settled {
    No,
    Paid,
    Rejected,
}

struct Asked {
    id: ObjectId,
    units: u64,
    asked_at: u64,
    settled: Settled,
    breaches: u32,
}

/// Everything that ever happened.
#[derive(Default)]
struct Model {
    attestations: Vec<(u64, u64)>,
    issued: Vec<u64>,
    paid: Vec<(u64, u64)>,
    redemptions: Vec<Asked>,
}

impl Model {
    fn circulation(&self) -> i128 {
        let issued: u64 = self.issued.iter().sum();
        i128::from(issued) - self.paid.iter().map(|(_, units)| i128::from(*units)).sum::<i128>()
    }

    fn open(&self) -> i128 {
        self.redemptions.iter().filter(|asked| asked.settled == Settled::No).map(|asked| i128::from(asked.units)).sum()
    }

    fn reserves(&self, now: u64) -> i128 {
        match self.attestations.last() {
            Some((as_of, units)) if now <= as_of + AGE_MS_MAX => {
                let since: i128 =
                    self.paid.iter().filter(|(at, _)| at >= as_of).map(|(_, units)| i128::from(*units)).sum();
                (i128::from(*units) - since).max(0)
            }
            _ => 0,
        }
    }

    /// When a request is due, by the almanac: Hong Kong is 8 hours ahead, and MONDAY is one.
    fn due_at(asked_at: u64) -> u64 {
        let monday_midnight = MONDAY.0 - 9 * HOUR_MS;
        let days = (asked_at - monday_midnight) / DAY_MS;
        let next = match days % 7 {
            4 => days + 3,
            5 => days + 2,
            _ => days + 1,
        };
        monday_midnight + (next + 1) * DAY_MS
    }
}

/// Works off what is due, as execution does.
fn work_off_due(stage: &mut Stage, model: &mut Model) {
    let now = stage.ledger.now;
    for (key, due) in due_by(&stage.ledger.view, now, usize::MAX) {
        let Due::RedemptionDeadline(id) = due else { panic!("only deadlines were scheduled") };
        let planned = stage.ledger.edit(|changes| {
            changes.delete::<Due>(&key);
            redemption_deadline(changes, id, now);
        });
        let asked = model.redemptions.iter_mut().find(|asked| asked.id == id).expect("a redemption");
        asked.breaches += planned.effects.len() as u32;
    }
}

fn settle(stage: &mut Stage, model: &mut Model, pick: &Index, to: Settled) -> Result<(), TestCaseError> {
    if model.redemptions.is_empty() {
        return Ok(());
    }
    let now = stage.ledger.now.0;
    let place = pick.index(model.redemptions.len());
    let asked = &mut model.redemptions[place];
    let room = |line: ReserveLine| line.reserves_counted.excess_over(line.circulation);
    let room_before = room(stage.line());
    let performed = if to == Settled::Paid { stage.pay(asked.id) } else { stage.reject(asked.id) };
    match performed {
        Ok(performed) => {
            prop_assert!(asked.settled == Settled::No, "settled twice");
            asked.settled = to;
            let overdue = performed.planned.effects.iter().filter(|effect| effect.name == "tokens.redemption_overdue");
            asked.breaches += overdue.count() as u32;
            let told = performed.planned.effects.last().and_then(|settled| settled.field("overdue"));
            prop_assert_eq!(
                told,
                Some(&Value::Flag(asked.breaches > 0)),
                "what was overdue is told so when it is settled"
            );
            if to == Settled::Paid {
                model.paid.push((now, asked.units));
            }
            prop_assert!(room(stage.line()) <= room_before, "settling made room for an issuance");
        }
        Err(reason) => {
            prop_assert!(asked.settled != Settled::No);
            prop_assert_eq!(reason, Reason::RedemptionSettled { redemption: asked.id });
        }
    }
    Ok(())
}

fn take(stage: &mut Stage, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    let now = stage.ledger.now.0;
    match step {
        Step::Wait { hours } => {
            stage.wait(hours * HOUR_MS);
            work_off_due(stage, model);
        }
        Step::Attest { hours_ago, units } => {
            let as_of = now - hours_ago * HOUR_MS;
            let newer = model.attestations.last().is_none_or(|(latest, _)| as_of > *latest);
            let attested = stage.attest(BlockTime(as_of), vec![cash(*units)]).is_ok();
            prop_assert_eq!(attested, newer);
            if attested {
                model.attestations.push((as_of, *units));
            }
        }
        Step::Issue { units } => {
            let covered = model.circulation() + i128::from(*units) <= model.reserves(now);
            let issued = stage.issue(*units).is_ok();
            prop_assert_eq!(issued, covered, "issuing {} against {}", units, model.reserves(now));
            if issued {
                model.issued.push(*units);
                let line = stage.line();
                prop_assert!(line.circulation <= line.reserves_counted);
            }
        }
        Step::RequestRedemption { units } => {
            let enough = model.circulation() - model.open() >= i128::from(*units);
            let requested = stage.request_redemption(*units);
            prop_assert_eq!(requested.is_ok(), enough);
            if let Ok(id) = requested {
                let (units, asked_at, settled, breaches) = (*units, now, Settled::No, 0);
                model.redemptions.push(Asked { id, units, asked_at, settled, breaches });
            }
        }
        Step::Pay(pick) => settle(stage, model, pick, Settled::Paid)?,
        Step::Reject(pick) => settle(stage, model, pick, Settled::Rejected)?,
    }
    Ok(())
}

fn compare(stage: &Stage, model: &Model) -> Result<(), TestCaseError> {
    let now = stage.ledger.now.0;
    let line = stage.line();
    let units = |amount: Amount| i128::from(amount.minor_units());
    prop_assert_eq!(units(line.circulation), model.circulation());
    prop_assert_eq!(units(line.reserves_counted), model.reserves(now));
    prop_assert_eq!(units(line.shortfall), (model.circulation() - model.reserves(now)).max(0));
    prop_assert_eq!(line.attested_as_of.0, model.attestations.last().map_or(0, |(as_of, _)| *as_of));
    let balance: Balance = stage.ledger.read(&(stage.holder, hkdx())).unwrap_or_default();
    prop_assert_eq!(units(balance.locked), model.open());
    prop_assert_eq!(units(balance.available), model.circulation() - model.open());
    let overdue = model.redemptions.iter().filter(|asked| asked.settled == Settled::No && asked.breaches > 0).count();
    prop_assert_eq!(redemptions_overdue(&stage.ledger.view), overdue as u64);
    for asked in &model.redemptions {
        let open = asked.settled == Settled::No;
        prop_assert_eq!(stage.ledger.read::<Lock>(&asked.id).is_some(), open);
        let redemption: Redemption = stage.ledger.read(&asked.id).expect("redemptions stay");
        prop_assert_eq!(redemption.due_at.0, Model::due_at(asked.asked_at));
        prop_assert_eq!(u32::from(redemption.overdue_at.is_some()), asked.breaches, "a breach is recorded once");
        if open {
            prop_assert_eq!(redemption.overdue_at.is_some(), now >= redemption.due_at.0);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever is attested, issued and redeemed, in whatever order: circulation is never raised above the reserves
    /// counted, no settlement makes room for an issuance, locked value equals the open redemptions, each is settled once,
    /// each breach of a deadline is recorded once, and what is overdue is counted until it is settled.
    #[test]
    fn the_ledger_agrees_with_the_model(steps in proptest::collection::vec(any_step(), 1..60)) {
        let (mut stage, mut model) = (Stage::new(), Model::default());
        for step in &steps {
            take(&mut stage, &mut model, step)?;
            compare(&stage, &model)?;
        }
    }
}
