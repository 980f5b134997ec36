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
//! scans see the same committed files of a partition. Requests go through the dataset, with its permits, retries and metrics.
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
mod condition;
mod groups;
mod provider;
mod scan;
mod snapshot;
mod view;

use std::sync::Arc;

use datafusion::common::Result as DataFusionResult;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

use self::changes::ChangesFunction;
pub use self::provider::DatasetTable;
pub use self::view::ViewTable;
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
/// # Errors
/// The session has a table of one of these names.
pub fn register(context: &SessionContext, name: &str, table: &Table) -> DataFusionResult<()> {
    context.register_table(name, Arc::new(table.provider().history()))?;
    context.register_table(format!("{name}_latest"), Arc::new(table.provider()))?;
    context.register_udtf(&format!("{name}_changes"), Arc::new(ChangesFunction::new(table)));
    for view in &table.schema().views {
        let provider = ViewTable::new(table.dataset(), view);
        context.register_table(format!("{name}_{}", view.name), Arc::new(provider))?;
    }
    Ok(())
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
