//! Queries for which Ballista returns wrong rows.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DataFusionResult, not_impl_err};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Fails if Ballista would return wrong rows for a plan.
///
/// Ballista 55 runs each part of a union in tasks of its own. A part whose rows are brought together in one task, by a sort, a
/// limit, or an aggregate without groups, is run by the tasks of the other parts, too: its rows are missing, or there are too
/// many of them.
pub(super) fn check(plan: &LogicalPlan) -> DataFusionResult<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Union(union) = node {
            for input in &union.inputs {
                check_part(input)?;
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn check_part(part: &LogicalPlan) -> DataFusionResult<()> {
    part.apply_with_subqueries(|node| {
        let what = match node {
            LogicalPlan::Sort(_) => "is sorted",
            LogicalPlan::Limit(_) => "has a limit",
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => "is aggregated to one row",
            LogicalPlan::Window(window) if !window.window_expr.iter().all(is_partitioned) => {
                "has a window function without PARTITION BY"
            }
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        not_impl_err!(
            "a part of a UNION {what}, or reads rows for which this holds; Ballista returns wrong rows for that: run the part \
             as a query of its own"
        )
    })?;
    Ok(())
}

fn is_partitioned(window: &Expr) -> bool {
    match window.clone().unalias() {
        Expr::WindowFunction(function) => !function.params.partition_by.is_empty(),
        _ => false,
    }
}
