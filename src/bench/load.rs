//! The load benchmark, from an empty directory to a checked result.

use super::{BenchError, Plan, Report};

/// Runs a plan from end to end. What the check found wrong stands in [`Report::failures`].
///
/// # Errors
/// There is no result: the network did not start, an account was not opened, a plan that does not hold together.
pub async fn run(plan: &Plan) -> Result<Report, BenchError> {
    Err(BenchError::Internal(format!("a load of {} accounts cannot be run yet", plan.accounts)))
}
