//! A dataset's tables beside DataFusion's own tables with the same rows.

use std::sync::Arc;

use s3store::arrow::array::{ArrayRef, AsArray, RecordBatch, StringViewArray};
use s3store::arrow::compute::concat_batches;
use s3store::arrow::datatypes::{DataType, Field, Schema};
use s3store::arrow::util::display::{ArrayFormatter, FormatOptions};
use s3store::datafusion::common::Result as DataFusionResult;
use s3store::datafusion::datasource::MemTable;
use s3store::datafusion::prelude::{SessionConfig, SessionContext};
use s3store::read::{BatchStream, Read};
use s3store::table::Table;
use s3store::{Record, Store};

/// Two sessions: one with a dataset's tables `t` and `t_latest`, and one with tables of the same rows in memory.
pub struct Sessions {
    pub ours: SessionContext,
    theirs: SessionContext,
}

impl Sessions {
    /// `key_columns` are the partition columns that are no columns of the record, each with the column whose text it is.
    pub async fn new<T: Record>(
        store: &Store<T>,
        table: &Table,
        key_columns: &[(&str, &str)],
        partitions: usize,
    ) -> Self {
        let mut config = SessionConfig::new().with_target_partitions(partitions);
        // Would tear files apart, if it applied to the table.
        config.options_mut().optimizer.repartition_file_min_size = 0;
        Self::of(SessionContext::new_with_config(config), store, table, key_columns).await
    }

    /// Compares with a session of another kind.
    pub async fn of<T: Record>(
        ours: SessionContext,
        store: &Store<T>,
        table: &Table,
        key_columns: &[(&str, &str)],
    ) -> Self {
        let theirs = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        s3store::sql::register(&ours, "t", table).unwrap();
        let latest = || store.read_all();
        for (name, read) in [("t", latest().history()), ("t_latest", latest())] {
            let batch = with_key_columns(all(read).await, key_columns);
            let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
            theirs.register_table(name, Arc::new(table)).unwrap();
        }
        Self { ours, theirs }
    }

    /// Gives the other session the rows of a view of the first one.
    pub async fn also_view(&self, name: &str) {
        let frame = self.ours.table(name).await.unwrap();
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let table = MemTable::try_new(schema, vec![frame.collect().await.unwrap()]).unwrap();
        self.theirs.register_table(name, Arc::new(table)).unwrap();
    }

    /// Checks that a query has the same rows in both, in any order, or in the same order if the query sorts all of them.
    pub async fn check(&self, query: &str) {
        let rows = match (rows(&self.ours, query).await, rows(&self.theirs, query).await) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (Err(ours), Err(_)) if ours.to_string().contains("Error during planning") => return,
            (ours, theirs) => panic!("{query}: {:?} {:?}", ours.err(), theirs.err()),
        };
        let (mut ours, mut theirs) = rows;
        // An order within parentheses is not that of the result.
        let is_sorted = query.rfind("ORDER BY").is_some_and(|order| query.rfind(')').is_none_or(|close| close < order));
        if !is_sorted {
            ours.sort_unstable();
            theirs.sort_unstable();
        }
        let shown = |rows: &[String]| rows.iter().take(5).cloned().collect::<Vec<_>>();
        assert!(ours == theirs, "{query}: {} {:?} {} {:?}", ours.len(), shown(&ours), theirs.len(), shown(&theirs));
    }
}

/// Returns the rows of a query as text.
pub async fn rows(session: &SessionContext, query: &str) -> DataFusionResult<Vec<String>> {
    let batches = session.sql(query).await?.collect().await?;
    Ok(batches.iter().flat_map(texts).collect())
}

/// Returns the only number of a query.
pub async fn number(session: &SessionContext, query: &str) -> i64 {
    let batches = session.sql(query).await.unwrap().collect().await.unwrap();
    batches[0].column(0).as_primitive::<s3store::arrow::datatypes::Int64Type>().value(0)
}

/// Returns the plan of a query, or with `ANALYZE` what was executed.
pub async fn explain(session: &SessionContext, query: &str, analyze: bool) -> String {
    let analyze = if analyze { "ANALYZE " } else { "" };
    let plan = session.sql(&format!("EXPLAIN {analyze}{query}")).await.unwrap();
    plan.to_string().await.unwrap()
}

/// Returns a number that `EXPLAIN` shows, such as `files=7`.
pub fn counter(plan: &str, name: &str) -> usize {
    let number = plan.split(&format!("{name}=")).nth(1).unwrap_or_else(|| panic!("no {name}: {plan}"));
    number.split(|digit: char| !digit.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let columns: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let row = |row: usize| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(row).collect()
}

/// Returns all batches of a read as one.
pub async fn all<T: Record>(read: Read<T>) -> RecordBatch {
    let mut batches: BatchStream = read.batches();
    let mut found = Vec::new();
    while let Some(batch) = batches.try_next().await.unwrap() {
        found.push(batch);
    }
    concat_batches(&batches.schema(), &found).unwrap()
}

fn with_key_columns(batch: RecordBatch, key_columns: &[(&str, &str)]) -> RecordBatch {
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    for (name, source) in key_columns {
        let source = batch.column_by_name(source).unwrap();
        let formatter = ArrayFormatter::try_new(source, &FormatOptions::default()).unwrap();
        let texts = (0..batch.num_rows()).map(|row| formatter.value(row).to_string());
        columns.push(Arc::new(StringViewArray::from_iter_values(texts)) as ArrayRef);
        fields.push(Arc::new(Field::new(*name, DataType::Utf8View, false)));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}
