//! Commands that print records.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::json::LineDelimitedWriter;
use arrow_schema::{Field, Fields, Schema};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::cli::args::{Cat, Connection, Lookup, Place, Tail};
use crate::cli::output::write_rows;
use crate::cli::{Done, Failure, Outcome, connect};
use crate::dataset::Dataset;
use crate::format::Offset;
use crate::pattern::Pattern;
use crate::schema::SchemaView;
use crate::sql::tuple_batches;
use crate::stream::Entry;
use crate::table::Table;

/// How often the change stream is polled for more.
const PACE: Duration = Duration::from_secs(1);

/// Prints records.
pub(super) async fn cat(connection: &Connection, cat: Cat) -> Outcome<Done> {
    let dataset = connect::open(connection, &cat.location).await?;
    let table = connect::table(&dataset, &cat.table).await?;
    let mut provider = table.provider().in_order();
    if cat.history {
        provider = provider.history();
    }
    if !cat.patterns.is_empty() {
        provider = provider.only(cat.patterns.clone())?;
    }
    // With one partition, rows come in the order of reads.
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    context.register_table("t", Arc::new(provider))?;
    let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
    let columns = match cat.columns.as_slice() {
        [] => "*".to_owned(),
        names => names.iter().map(quoted).collect::<Vec<_>>().join(", "),
    };
    let mut query = format!("SELECT {columns} FROM t");
    if let Some(condition) = &cat.condition {
        query = format!("{query} WHERE ({condition})");
    }
    if let Some(limit) = cat.limit {
        query = format!("{query} LIMIT {limit}");
    }
    let rows = context.sql(&query).await?.execute_stream().await?;
    write_rows(rows, &cat.output).await?;
    Ok(Done::Well)
}

/// Prints the change stream.
pub(super) async fn tail(connection: &Connection, tail: Tail) -> Outcome<Done> {
    let dataset = connect::open(connection, &tail.location).await?;
    let table = connect::table(&dataset, &tail.table).await?;
    let mut offset = match &tail.since {
        Some(since) => place(&dataset, since)?,
        None => Offset::START,
    };
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let done = loop {
        let page = async {
            let mut poll = table.poll(&offset);
            if !tail.only.is_empty() {
                poll = poll.only(tail.only.clone());
            }
            let page = poll.await?;
            if tail.records {
                print_records(&table, &page.entries).await?;
            } else {
                page.entries.iter().try_for_each(|entry| print_entry(entry, tail.json))?;
            }
            Outcome::Ok(page)
        };
        // An offset counts when its page was printed.
        let page = tokio::select! {
            page = page => page?,
            _ = &mut interrupt => break Done::Interrupted,
        };
        offset = page.next;
        if page.caught_up {
            if !tail.follow {
                break Done::Well;
            }
            tokio::select! {
                () = dataset.clock().sleep(PACE) => {}
                _ = &mut interrupt => break Done::Interrupted,
            }
        }
    };
    // Not among the records, which another program may read.
    if !offset.as_str().is_empty() {
        eprintln!("resume with --since '{offset}'");
    }
    Ok(done)
}

/// Returns the offset of a place in the change stream.
fn place(dataset: &Dataset, text: &str) -> Outcome<Offset> {
    match Place::parse(text, dataset.clock().now()).map_err(Failure::new)? {
        Place::Instant(instant) => Ok(dataset.offset_at(instant)),
        Place::Offset(offset) => {
            dataset.keys().check_offset(&offset)?;
            Ok(Offset::of(offset))
        }
    }
}

fn print_entry(entry: &Entry, json: bool) -> Outcome<()> {
    if json {
        say!("{}", serde_json::to_string(entry)?);
    } else {
        let Entry { stamped_at, record_count, partition, offset, .. } = entry;
        say!("{}  {record_count:>8} records  {partition}  {offset}", stamped_at.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
    }
    Ok(())
}

/// Prints the records of entries as JSON lines.
async fn print_records(table: &Table, entries: &[Entry]) -> Outcome<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut batches = table.read_entries(entries)?.history().batches()?;
    let mut writer = LineDelimitedWriter::new(std::io::stdout());
    while let Some(batch) = batches.try_next().await? {
        writer.write(&batch)?;
    }
    Ok(writer.finish()?)
}

/// Looks up the tuples of a view.
pub(super) async fn lookup(connection: &Connection, lookup: Lookup) -> Outcome<Done> {
    let dataset = connect::open(connection, &lookup.location).await?;
    let view = view(&dataset, &lookup).await?;
    let names: Vec<_> = view.columns.iter().map(String::as_str).collect();
    let patterns = match lookup.patterns.as_slice() {
        [] => vec![Pattern::all(names.len())],
        texts => texts.iter().map(|text| Pattern::parse(text, &names)).collect::<Result<_, _>>()?,
    };
    let fields: Fields = names.iter().map(|name| Field::new(*name, arrow_schema::DataType::Utf8, false)).collect();
    let schema = Arc::new(Schema::new(fields));
    let all = (0..names.len()).collect();
    let batches = tuple_batches(&dataset, &view, patterns, |_| true, all, Arc::clone(&schema));
    let rows: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(schema, batches));
    write_rows(rows, &lookup.output).await?;
    Ok(Done::Well)
}

async fn view(dataset: &Dataset, lookup: &Lookup) -> Outcome<SchemaView> {
    if !lookup.columns.is_empty() {
        let columns: Vec<_> = lookup.columns.iter().map(String::as_str).collect();
        return Ok(SchemaView::new(&lookup.view, &columns));
    }
    let views = dataset.schema().await?.map(|schema| schema.views).unwrap_or_default();
    if let Some(view) = views.iter().find(|view| view.name == lookup.view) {
        return Ok(view.clone());
    }
    let known: Vec<_> = views.iter().map(|view| view.name.as_str()).collect();
    let failure = Failure::new(format!("no view {:?} is registered", lookup.view));
    Err(failure.with_hint(match known.as_slice() {
        [] => "name its columns with --columns".to_owned(),
        known => format!("the dataset's views are {}; name the columns of another with --columns", known.join(", ")),
    }))
}
