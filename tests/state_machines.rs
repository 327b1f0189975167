//! `docs/state-machines.md` is drawn from the tables that execution itself goes by.
//! `CAUSEWAY_GOLDEN=write cargo test --test suite state_machines` draws it anew.

use causeway::domain::financing::{LoanState, LoanStep};
use causeway::domain::trade::{OrderState, OrderStep, ReceivableState, Step};
use std::fmt::Write as _;
use std::path::PathBuf;

const INTRODUCTION: &str = "\
# State machines

What can happen to a thing on the ledger, and in which order. The arrows are the steps, and a step that is not drawn does not
exist: whoever asks for it is declined. Each drawing is made from the one table by which execution decides, and a test holds the
two together.
";

/// A thing with states and steps.
struct Machine<'a, State, Step> {
    title: &'a str,
    about: &'a str,
    states: &'a [State],
    steps: &'a [Step],
    state_name: fn(State) -> &'static str,
    step_name: fn(Step) -> &'static str,
    after: fn(State, Step) -> Option<State>,
}

impl<State: Copy, Step: Copy> Machine<'_, State, Step> {
    /// The drawing, in Mermaid. The first state is where it begins; what no step leaves is where it ends.
    fn draw(&self) -> String {
        let Self { title, about, .. } = self;
        let mut drawing = format!("\n## {title}\n\n{about}\n\n```mermaid\nstateDiagram-v2\n");
        let name = self.state_name;
        writeln!(drawing, "    [*] --> {}", name(self.states[0])).unwrap();
        for &state in self.states {
            let mut ends = true;
            for &step in self.steps {
                if let Some(next) = (self.after)(state, step) {
                    writeln!(drawing, "    {} --> {}: {}", name(state), name(next), (self.step_name)(step)).unwrap();
                    ends = false;
                }
            }
            if ends {
                writeln!(drawing, "    {} --> [*]", name(state)).unwrap();
            }
        }
        drawing + "```\n"
    }
}

fn page() -> String {
    let receivable = Machine {
        title: "Receivable",
        about: "An invoice, or a part of one. A step `settle` is the last payment, `credit` a credit note over all that is left,\n\
                `resolve` one over what was disputed. The buyer's silence confirms only where the order has it so.",
        states: ReceivableState::ALL,
        steps: Step::ALL,
        state_name: ReceivableState::name,
        step_name: Step::name,
        after: ReceivableState::after,
    };
    let order = Machine {
        title: "Order",
        about: "Placed by the buyer, agreed by the supplier's signature. Either party cancels what is only proposed; what is agreed is\n\
                changed and cancelled by both.",
        states: OrderState::ALL,
        steps: OrderStep::ALL,
        state_name: OrderState::name,
        step_name: OrderStep::name,
        after: OrderState::after,
    };
    let loan = Machine {
        title: "Loan",
        about: "What was advanced on a receivable. Time alone makes it overdue; `default` and `write off` are declared by its\n\
                originator, 90 days late at the least; `repay` and `recover` are the last payment.",
        states: LoanState::ALL,
        steps: LoanStep::ALL,
        state_name: LoanState::name,
        step_name: LoanStep::name,
        after: LoanState::after,
    };
    [INTRODUCTION.to_owned(), order.draw(), receivable.draw(), loan.draw()].concat()
}

#[test]
fn the_page_is_drawn_from_the_tables() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/state-machines.md");
    if std::env::var_os("CAUSEWAY_GOLDEN").is_some_and(|mode| mode == "write") {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/state-machines.md is not what the tables say: CAUSEWAY_GOLDEN=write cargo test --test suite state_machines"
    );
}
