//! The latest versions as a query of other engines.

use super::PublishDelta;
use super::columns::Columns;
use crate::schema::{SchemaForm, SchemaType};
use crate::table::Table;

/// A dialect of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SqlDialect {
    /// DuckDB, in whose `delta_scan` a table is named.
    DuckDb,
    /// Spark SQL, which names quoted by backticks.
    Spark,
    /// Trino and Athena.
    Trino,
}

impl SqlDialect {
    fn quoted(self, name: &str) -> String {
        match self {
            Self::DuckDb | Self::Trino => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Spark => format!("`{}`", name.replace('`', "``")),
        }
    }
}

impl Table {
    /// Returns a query of the latest version of each entity, without deleted ones, for an engine that reads the published
    /// Delta table as `source`, such as `delta_scan('s3://warehouse/billing')`. Returns `None` if the record has no entity, if the
    /// Delta table lacks a column of the key, or if the entity lacks a column from which a partition is made by a format or a
    /// function: reads return an entity once for each partition. Sends nothing.
    ///
    /// Of several records with equal versions, the engine chooses one. Reads return the one that was written last.
    ///
    /// # Example
    /// ```
    /// # use s3store::{publish::SqlDialect, table::Table};
    /// # fn example(table: Table) {
    /// if let Some(query) = table.latest_sql("delta_scan('s3://warehouse/billing')", SqlDialect::DuckDb) {
    ///     println!("CREATE VIEW billing AS {query}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn latest_sql(&self, source: &str, dialect: SqlDialect) -> Option<String> {
        self.publish_delta().latest_sql(source, dialect)
    }
}

impl PublishDelta {
    /// Returns a query of the latest versions as [`Table::latest_sql`] does, without the columns that are left out.
    #[must_use]
    pub fn latest_sql(&self, source: &str, dialect: SqlDialect) -> Option<String> {
        let schema = self.table.schema();
        let version = schema.version.as_deref()?;
        let columns = Columns::new(&schema.columns, &self.left_out);
        let published: Vec<&str> = columns.names().collect();
        let is_published = |name: &str| published.contains(&name);
        let deleted = schema.deleted.as_deref();
        // Reads deduplicate within a partition.
        let mut key: Vec<&str> = schema.entity.iter().map(String::as_str).collect();
        for part in &schema.partition {
            match (&part.form, part.columns.as_slice()) {
                (_, columns) if !columns.is_empty() && columns.iter().all(|name| schema.entity.contains(name)) => {}
                (SchemaForm::Value, [name]) => key.push(name),
                _ => return None,
            }
        }
        let mut needed = key.iter().copied().chain([version]).chain(deleted);
        if schema.entity.is_empty() || !needed.all(is_published) {
            return None;
        }
        let quoted = |name: &str| dialect.quoted(name);
        let list = |names: &mut dyn Iterator<Item = &str>| names.map(quoted).collect::<Vec<_>>().join(", ");
        let alive = deleted.map_or_else(String::new, |name| {
            let is_flag = schema.column(name).is_some_and(|column| column.data_type == SchemaType::Boolean);
            match is_flag {
                true => format!(" AND NOT coalesce({}, false)", quoted(name)),
                false => format!(" AND {} IS NULL", quoted(name)),
            }
        });
        let all = list(&mut published.iter().copied());
        let entity = list(&mut key.iter().copied());
        Some(format!(
            "SELECT {all} FROM (SELECT *, row_number() OVER (PARTITION BY {entity} ORDER BY {} DESC) AS s3store_row FROM {source}) \
             AS versions WHERE s3store_row = 1{alive}",
            quoted(version)
        ))
    }
}
