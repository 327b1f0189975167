//! A plan that fails, made shorter: steps are left out, in ever smaller pieces, as long as it still fails.

use super::plan::Plan;

/// Most runs that this takes.
const RUNS_MAX: usize = 60;

/// The shortest plan that was found to fail.
pub fn shrink(plan: &Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let mut shortest = plan.clone();
    let mut piece = plan.steps.len().div_ceil(2).max(1);
    let mut runs = 0;
    loop {
        let mut from = 0;
        while from < shortest.steps.len() && runs < RUNS_MAX {
            let mut shorter = shortest.clone();
            shorter.steps.drain(from..(from + piece).min(shortest.steps.len()));
            runs += 1;
            match fails(&shorter) {
                true => shortest = shorter,
                false => from += piece,
            }
        }
        if piece == 1 || runs == RUNS_MAX {
            return shortest;
        }
        piece = piece.div_ceil(2);
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Step;
    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let plan = Plan::of(1);
        let guilty = [Step::Fill(90), Step::Free(91)];
        let mut steps = plan.steps.clone();
        steps.insert(3, guilty[0].clone());
        steps.push(guilty[1].clone());
        let both = |plan: &Plan| guilty.iter().all(|step| plan.steps.contains(step));
        let shrunk = shrink(&Plan { steps, ..plan }, both);
        assert_eq!(shrunk.steps, guilty);
    }
}
