//! SQL over datasets, by DataFusion.
//!
//! [`register`] makes a dataset's tables known to a `SessionContext`:
//!
//! | table | rows |
//! |---|---|
//! | `billing` | every version of each entity, as [`history`](crate::read::Read::history) returns them |
//! | `billing_latest` | the latest version of each entity, as [`Store::read`](crate::Store::read) returns it |
//! | `billing_changes(since, until)` | the rows of the commits in a window of the change stream, with `offset`, `stamped_at` and `inserted_at`. Both ends may be an instant, an offset as text, or null; a row at `since` counts if it is an instant. |
//! | `billing_sku_days` | the tuples of the view `sku_days`, for each view of the schema |
//!
//! The rows are those of a read: committed, ordered and deduplicated by the same rules. A query reads one snapshot: all of its
//! scans see the same committed files of a partition, and the same end of the change stream. Requests go through the dataset, with its permits, retries and metrics.
//! Memory is taken from DataFusion's pool, and rows that do not fit are sorted in its temporary files' directory.
//!
//! # Example
//! ```
//! # #[cfg(feature = "testing")] {
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use s3store::datafusion::prelude::SessionContext;
//! use s3store::{Dataset, Record};
//!
//! #[derive(Record)]
//! #[record(partition_by(customer))]
//! struct Cost {
//!     #[record(entity)]
//!     customer: String,
//!     #[record(entity)]
//!     sku: String,
//!     #[record(version)]
//!     revision: u64,
//!     net: i64,
//! }
//!
//! # let client = s3store::testing::S3::with_bucket("warehouse").client();
//! let dataset = Dataset::init(client, "warehouse", "billing").await?.into_dataset();
//! let store = dataset.store::<Cost>();
//! for (revision, net) in [(1, 5), (2, 7)] {
//!     store.write(&[Cost { customer: "abc".into(), sku: "A".into(), revision, net }]).await?;
//! }
//!
//! let context = SessionContext::new();
//! s3store::sql::register(&context, "billing", &store.table())?;
//! let sums = context.sql("SELECT customer, sum(net) AS net FROM billing_latest GROUP BY 1").await?;
//! assert_eq!(sums.to_string().await?.lines().nth(3), Some("| abc      | 7   |"));
//! # Ok(())
//! # }
//! # }
//! ```

mod changes;
#[cfg(feature = "ballista")]
pub mod cluster;
mod condition;
mod found;
mod groups;
mod provider;
mod scan;
mod snapshot;
mod view;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Result as DataFusionResult, TableReference, plan_err};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

use self::changes::ChangesFunction;
pub use self::provider::DatasetTable;
pub use self::view::ViewTable;
#[cfg(feature = "cli")]
pub(crate) use self::view::tuple_batches;
use crate::error::Error;
use crate::table::Table;

impl Table {
    /// Returns the table for DataFusion: the latest version of each entity. [`DatasetTable::history`] returns every version.
    ///
    /// # Example
    /// ```
    /// # async fn example(table: s3store::table::Table) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use s3store::datafusion::prelude::SessionContext;
    ///
    /// let context = SessionContext::new();
    /// context.register_table("costs", Arc::new(table.provider()))?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn provider(&self) -> DatasetTable {
        DatasetTable::new(self)
    }

    /// Returns a view of the dataset as a table for DataFusion. Returns `None` if the table's schema has no such view.
    #[must_use]
    pub fn view_provider(&self, name: &str) -> Option<ViewTable> {
        let view = self.schema().views.iter().find(|view| view.name == name)?;
        Some(ViewTable::new(self.dataset(), view))
    }
}

/// Makes the tables of a dataset known to a session: see the [module](self).
///
/// The name may have letters, digits and `_`. It is made lower-case, as SQL does with names that are not quoted, and so are the
/// names of views. DataFusion leaves the names of table functions as they are: write `billing_changes()`. A view whose table would have the name of another one has `view_` before its name.
///
/// # Errors
/// The name is not valid, or the session has a table or table function of one of these names. Then nothing is registered.
pub fn register(context: &SessionContext, name: &str, table: &Table) -> DataFusionResult<()> {
    if name.is_empty() || !name.chars().all(|character| character.is_alphanumeric() || character == '_') {
        return plan_err!("{name:?} is no name for a table: use letters, digits and _");
    }
    let name = &name.to_lowercase();
    register_as(context, name, &format!("{name}_latest"), &format!("{name}_"), table)
}

/// Makes the tables known under other names. `start` is that of the names of the change stream and of views.
pub(crate) fn register_as(
    context: &SessionContext,
    history: &str,
    latest: &str,
    start: &str,
    table: &Table,
) -> DataFusionResult<()> {
    let changes = format!("{start}changes");
    let views = context.copied_config().options().execution.parquet.schema_force_view_types;
    let provider = if views { table.provider() } else { table.provider().without_views() };
    let mut tables: Vec<(String, Arc<dyn TableProvider>)> =
        vec![(history.to_owned(), Arc::new(provider.clone().history())), (latest.to_owned(), Arc::new(provider))];
    for view in &table.schema().views {
        let name = format!("{start}{}", view.name.to_lowercase());
        let is_taken = name == changes || tables.iter().any(|(taken, _)| *taken == name);
        let name = if is_taken { format!("{start}view_{}", view.name.to_lowercase()) } else { name };
        let view = ViewTable::new(table.dataset(), view);
        tables.push((name, Arc::new(if views { view } else { view.without_views() })));
    }
    // All or none.
    for (name, _) in &tables {
        if context.table_exist(TableReference::bare(name.as_str()))? {
            return plan_err!("the session has a table {name:?} already");
        }
    }
    if context.table_function(&changes).is_ok() {
        return plan_err!("the session has a table function {changes:?} already");
    }
    for (name, provider) in tables {
        context.register_table(TableReference::bare(name), provider)?;
    }
    context.register_udtf(&changes, Arc::new(ChangesFunction::new(table, views)));
    Ok(())
}

pub(crate) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
