//! Queries for which Ballista returns wrong rows.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinType, Result as DataFusionResult, not_impl_err};
use datafusion::logical_expr::{Join, LogicalPlan};

/// Fails if Ballista 55 would return wrong rows for a plan.
///
/// - A join without a condition of equality gets the whole left side, and a part of the right side, in each task. A task does not know which
///   rows of the left side have a match in another one.
/// - The adaptive planner runs a part of a union that is brought together in one task also in the tasks of the other parts.
pub(super) fn check(plan: &LogicalPlan, is_adaptive: bool) -> DataFusionResult<()> {
    plan.apply_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if is_torn(join) => not_impl_err!(
            "Ballista returns wrong rows for a join ({}) without a condition that two columns are equal: add one, or run the query \
             without the cluster",
            join.join_type
        ),
        LogicalPlan::Union(_) if is_adaptive => not_impl_err!(
            "Ballista's adaptive planner returns wrong rows for unions: leave ballista.planner.adaptive.enabled off"
        ),
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

fn is_torn(join: &Join) -> bool {
    // If one side has one row, as a scalar subquery has, each task has all of that side and finds every match of its own rows.
    let has_one_row = || [&join.left, &join.right].iter().any(|side| side.max_rows() == Some(1));
    join.on.is_empty() && join.join_type != JoinType::Inner && !has_one_row()
}
