//! Publishes a dataset as a Delta table.

use serde_json::json;

use crate::cli::args::{Connection, Dialect, Location, Publish};
use crate::cli::progress::Progress;
use crate::cli::{Done, Failure, Outcome, connect};
use crate::publish::{PublishDelta, Published, SqlDialect};

/// Adds the committed files to the Delta log.
pub(super) async fn publish(connection: &Connection, publish: Publish) -> Outcome<Done> {
    let dataset = connect::open(connection, &publish.location).await?;
    let table = connect::table(&dataset, &publish.table).await?;
    let mut publishing = table.publish_delta().leave_out(publish.leave_out);
    if let Some(dialect) = publish.latest_sql {
        return print_latest_sql(&publishing, &publish.location, dialect);
    }
    if publish.reconcile {
        publishing = publishing.reconcile();
    }
    if !publish.follow {
        let progress = Progress::spinner("publishing");
        let published = publishing.await?;
        drop(progress);
        show(&published, publish.json)?;
        let Published { missing, unpublishable, unreadable, .. } = &published;
        let has_findings = [missing, unpublishable, unreadable].iter().any(|keys| !keys.is_empty());
        return Ok(if has_findings { Done::WithFindings } else { Done::Well });
    }
    let mut publishing = publishing.interval(publish.interval).stream();
    while let Some(published) = publishing.try_next().await? {
        show(&published, publish.json)?;
    }
    Ok(Done::Well)
}

/// Prints a query of the latest versions.
fn print_latest_sql(publishing: &PublishDelta, location: &Location, dialect: Dialect) -> Outcome<Done> {
    let Location { bucket, prefix } = location;
    let (dialect, source) = match dialect {
        Dialect::Duckdb => (SqlDialect::DuckDb, format!("delta_scan('s3://{bucket}/{}')", prefix.replace('\'', "''"))),
        Dialect::Spark => (SqlDialect::Spark, format!("delta.`s3a://{bucket}/{}`", prefix.replace('`', "``"))),
        // Trino knows tables by the names in its catalog.
        Dialect::Trino => {
            let name = prefix.rsplit('/').next().unwrap_or_default();
            (SqlDialect::Trino, format!("\"{}\"", name.replace('"', "\"\"")))
        }
    };
    match publishing.latest_sql(&source, dialect) {
        Some(query) => say!("{query}"),
        None => {
            return Err(Failure::new(
                "the records have no entity and version, the table lacks them, or partitions are made of other columns",
            ));
        }
    }
    Ok(Done::Well)
}

/// Prints what was published.
fn show(published: &Published, json: bool) -> Outcome<()> {
    if json {
        let left_out: Vec<_> =
            published.left_out.iter().map(|left| json!({"column": left.path, "reason": left.reason})).collect();
        let object = json!({
            "version": published.version,
            "versions": published.versions,
            "files": published.files,
            "left_out": left_out,
            "unpublishable": published.unpublishable,
            "missing": published.missing,
            "unreadable": published.unreadable,
        });
        say!("{object}");
        return Ok(());
    }
    let version = published.version.map_or_else(|| "none".to_owned(), |version| version.to_string());
    say!("{} files added; the version of the table is {version}", published.files);
    published.left_out.iter().for_each(|left| say!("left out: {left}"));
    published.unpublishable.iter().for_each(|key| say!("can't be published: {key}"));
    published.missing.iter().for_each(|key| say!("missing: {key}"));
    published.unreadable.iter().for_each(|key| say!("not readable: {key}"));
    Ok(())
}
