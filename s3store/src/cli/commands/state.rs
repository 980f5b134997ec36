//! Commands about the state of a dataset.

use std::io::{IsTerminal as _, Write as _};

use chrono::{DateTime, Utc};
use comfy_table::{Cell, CellAlignment};
use serde_json::json;

use crate::cli::args::{Connection, Doctor, Info, Init, Ls, Place, Prune, Token};
use crate::cli::output::{new_table, size};
use crate::cli::progress::Progress;
use crate::cli::{Done, Failure, Outcome, connect};
use crate::dataset::{Dataset, Initialized};
use crate::doctor::Finding;
use crate::error::ErrorKind;
use crate::read::PartitionSummary;
use crate::stream::Window;
use crate::table::Table;

/// The width of the largest bar of a histogram.
const BAR: usize = 30;

/// Initialises a dataset.
pub(super) async fn init(connection: &Connection, init: Init) -> Outcome<Done> {
    let client = connect::client(connection).await;
    let building = Dataset::init(client, &init.location.bucket, &init.location.prefix);
    let (timeout, skew) = (init.commit_timeout, init.max_clock_skew);
    let found = match building.commit_timeout(timeout).max_clock_skew(skew).await? {
        Initialized::Created(_) => "initialised",
        Initialized::Found(_) => "was initialised before with the same values",
    };
    say!("s3://{}/{} {found}", init.location.bucket, init.location.prefix);
    Ok(Done::Well)
}

/// Shows what a dataset contains.
pub(super) async fn info(connection: &Connection, info: Info) -> Outcome<Done> {
    let dataset = connect::open(connection, &info.location).await?;
    let table = match connect::table(&dataset, &info.table).await {
        Ok(table) => Some(table),
        // A new dataset.
        Err(error) if error.kind() == ErrorKind::Config => None,
        Err(error) => return Err(error.into()),
    };
    let progress = Progress::spinner(if info.records { "counting records" } else { "listing files" });
    let partitions = match &table {
        Some(table) if info.records => table.partitions("*").record_counts().await?,
        Some(table) => table.partitions("*").await?,
        None => Vec::new(),
    };
    drop(progress);
    let sum = |of: fn(&PartitionSummary) -> u64| partitions.iter().map(of).sum::<u64>();
    let (files, bytes) = (sum(|one| one.files), sum(|one| one.bytes));
    let records = info.records.then(|| sum(|one| one.records.unwrap_or(0)));
    let newest = partitions.iter().filter_map(|one| one.newest_commit).max();
    if info.json {
        let object = json!({
            "bucket": dataset.bucket(),
            "prefix": dataset.prefix(),
            "commit_timeout_ms": dataset.commit_timeout().as_millis() as u64,
            "max_clock_skew_ms": dataset.max_clock_skew().as_millis() as u64,
            "partitions": partitions.len(),
            "files": files,
            "bytes": bytes,
            "records": records,
            "newest_commit": newest,
            "schema": table.as_ref().map(Table::schema),
        });
        say!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(Done::Well);
    }
    say!("dataset         s3://{}/{}", dataset.bucket(), dataset.prefix());
    say!("commit timeout  {:?}", dataset.commit_timeout());
    say!(
        "clock skew      {:?}, so readers of changes are {:?} behind",
        dataset.max_clock_skew(),
        dataset.settle_window()
    );
    say!("partitions      {}", partitions.len());
    say!("files           {files}, {}", size(bytes));
    if let Some(records) = records {
        say!("records         {records}, all versions");
    }
    say!("newest commit   {}", newest.map_or_else(|| "none".to_owned(), shown));
    let Some(table) = table else { return Ok(Done::Well) };
    print_schema(&table);
    print_histogram(&partitions);
    Ok(Done::Well)
}

fn print_schema(table: &Table) {
    let schema = table.schema();
    let named = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    say!("entity          {}", named(&schema.entity));
    say!("version         {}", schema.version.as_deref().unwrap_or("none"));
    let parts: Vec<_> = schema.partition.iter().map(|part| part.name.clone()).collect();
    say!("partitioned by  {}", named(&parts));
    let views: Vec<_> = schema.views.iter().map(|view| view.name.clone()).collect();
    say!("views           {}", named(&views));
    let mut columns = new_table(["column", "type", "may be null"].map(str::to_owned));
    for column in &schema.columns {
        let null = if column.nullable || column.may_be_missing { "yes" } else { "" };
        columns.add_row([column.name.clone(), column.data_type.to_string(), null.to_owned()]);
    }
    say!("{columns}");
}

/// Prints how many partitions there are of each size, by powers of four.
fn print_histogram(partitions: &[PartitionSummary]) {
    let Some(histogram) = histogram(partitions.iter().map(|one| one.bytes)) else { return };
    say!("partitions by size");
    let largest = histogram.iter().map(|(_, count)| *count).max().unwrap_or(1);
    for (limit, count) in histogram {
        let bar = "█".repeat((count * BAR).div_ceil(largest));
        say!("  up to {:>10}  {bar} {count}", size(limit));
    }
}

/// Returns the number of sizes up to each limit and above the one before. The limits are powers of four, from the smallest
/// size to the largest. Returns `None` without sizes.
fn histogram(sizes: impl Iterator<Item = u64>) -> Option<Vec<(u64, usize)>> {
    let step = |size: u64| (u64::BITS - size.saturating_sub(1).leading_zeros()).div_ceil(2);
    let mut steps: Vec<u32> = sizes.map(step).collect();
    steps.sort_unstable();
    let (first, last) = (*steps.first()?, *steps.last()?);
    let count = |wanted: u32| steps.iter().filter(|step| **step == wanted).count();
    Some((first..=last).map(|step| (1_u64.checked_shl(2 * step).unwrap_or(u64::MAX), count(step))).collect())
}

/// Lists partitions, files, commits or orphans.
pub(super) async fn ls(connection: &Connection, ls: Ls) -> Outcome<Done> {
    let dataset = connect::open(connection, &ls.location).await?;
    if ls.orphans {
        return orphans(&dataset, ls.json).await;
    }
    let table = dataset.table().await?;
    if ls.commits {
        let mut offset = crate::format::Offset::START;
        loop {
            let page = table.poll(&offset).await?;
            for entry in &page.entries {
                match ls.json {
                    true => say!("{}", serde_json::to_string(entry)?),
                    false => {
                        say!("{}  {:>8} records  {}", shown(entry.stamped_at), entry.record_count, entry.data_path)
                    }
                }
            }
            offset = page.next;
            if page.caught_up {
                return Ok(Done::Well);
            }
        }
    }
    let patterns = if ls.patterns.is_empty() { vec!["*".to_owned()] } else { ls.patterns };
    if ls.files {
        for (path, bytes) in table.files(patterns).await? {
            match ls.json {
                true => say!("{}", json!({"data_path": path, "bytes": bytes})),
                false => say!("{:>10}  {path}", bytes.map_or_else(String::new, size)),
            }
        }
        return Ok(Done::Well);
    }
    let partitions = table.partitions(patterns).await?;
    if ls.json {
        for partition in &partitions {
            say!("{}", serde_json::to_string(partition)?);
        }
        return Ok(Done::Well);
    }
    let mut rows = new_table(["partition", "files", "size", "newest commit"].map(str::to_owned));
    for PartitionSummary { partition, files, bytes, newest_commit, .. } in partitions {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let newest = newest_commit.map(shown).unwrap_or_default();
        rows.add_row([Cell::new(partition), right(files.to_string()), right(size(bytes)), Cell::new(newest)]);
    }
    say!("{rows}");
    Ok(Done::Well)
}

/// Lists the data files and refs of writes that were never committed.
async fn orphans(dataset: &Dataset, json: bool) -> Outcome<Done> {
    for finding in dataset.doctor(..).without_record_counts().await?.findings {
        let (kind, path) = match &finding {
            Finding::FileWithoutCommit { data_path } => ("file", data_path),
            Finding::RefWithoutCommit { ref_path } => ("ref", ref_path),
            _ => continue,
        };
        match json {
            true => say!("{}", json!({"kind": kind, "path": path})),
            false => say!("{kind:<4}  {path}"),
        }
    }
    Ok(Done::Well)
}

/// Shows the commit of a token.
pub(super) async fn token(connection: &Connection, token: Token) -> Outcome<Done> {
    let dataset = connect::open(connection, &token.location).await?;
    let Some(commit) = dataset.commit_of(&token.partition, &token.token).await? else {
        say!("not committed");
        return Ok(Done::WithFindings);
    };
    if token.json {
        say!("{}", serde_json::to_string(&commit)?);
    } else {
        say!("{} records in {}", commit.record_count, commit.data_path);
        say!("inserted at {}", shown(commit.inserted_at));
    }
    Ok(Done::Well)
}

/// Reports what failed, late and lost writes left behind.
pub(super) async fn doctor(connection: &Connection, doctor: Doctor) -> Outcome<Done> {
    let dataset = connect::open(connection, &doctor.location).await?;
    let since = match &doctor.since {
        Some(text) => match Place::parse(text, dataset.clock().now()).map_err(Failure::new)? {
            Place::Instant(instant) => Some(instant),
            Place::Offset(_) => return Err(Failure::new("--since takes an instant or a time span here")),
        },
        None => None,
    };
    let mut examination = dataset.doctor(Window::new(since, None));
    if doctor.no_record_counts {
        examination = examination.without_record_counts();
    }
    let progress = Progress::spinner("examining the dataset");
    let report = examination.await?;
    drop(progress);
    for finding in &report.findings {
        match doctor.json {
            true => say!("{}", json!({"kind": kind(finding), "text": finding.to_string()})),
            false => say!("{finding}"),
        }
    }
    if let Err(error) = &report.uploads {
        eprintln!("unfinished uploads are not known: {error}");
    }
    if let Err(error) = &report.published_until {
        eprintln!("the delta log was not examined: {error}");
    }
    if !doctor.json {
        say!(
            "{} findings among {} commits, {} refs and {} files",
            report.findings.len(),
            report.commits,
            report.refs,
            report.files
        );
    }
    let commits: Vec<_> = report.findings.iter().filter_map(Finding::to_restamp).collect();
    if doctor.restamp && !commits.is_empty() && (doctor.yes || asked(&format!("restamp {} commits?", commits.len()))?) {
        let progress = Progress::bar("restamping", commits.len() as u64, "commits");
        for commit in &commits {
            progress.advance();
            dataset.restamp(commit).await.map_err(|error| Failure::new(error.to_string()))?;
        }
        drop(progress);
        eprintln!("restamped {} commits", commits.len());
        // A restamp does not repair the others.
        return Ok(if commits.len() == report.findings.len() { Done::Well } else { Done::WithFindings });
    }
    Ok(if report.findings.is_empty() { Done::Well } else { Done::WithFindings })
}

/// Deletes what failed writes left behind, or shows it.
pub(super) async fn prune(connection: &Connection, prune: Prune) -> Outcome<Done> {
    let dataset = connect::open(connection, &prune.location).await?;
    let pruning = dataset.prune(prune.older_than);
    let progress = Progress::spinner(if prune.yes { "deleting orphans" } else { "looking for orphans" });
    let pruned = if prune.yes { pruning.await? } else { pruning.dry_run().await? };
    drop(progress);
    for (kind, keys) in [("file", &pruned.files), ("ref", &pruned.refs)] {
        for key in keys {
            match prune.json {
                true => say!("{}", json!({"kind": kind, "key": key, "deleted": prune.yes})),
                false => say!("{kind}  {key}"),
            }
        }
    }
    for (key, error) in &pruned.unreadable {
        eprintln!("kept the files of {key}: {error}");
    }
    if !prune.json {
        let done = if prune.yes { "deleted" } else { "would be deleted; add --yes" };
        say!("{} files of {} and {} refs {done}", pruned.files.len(), size(pruned.bytes), pruned.refs.len());
    }
    Ok(if pruned.unreadable.is_empty() { Done::Well } else { Done::WithFindings })
}

/// Asks a question on the terminal.
fn asked(question: &str) -> Outcome<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new("nobody can be asked here").with_hint("add --yes"));
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Returns the name of a finding's kind in JSON.
fn kind(finding: &Finding) -> &'static str {
    match finding {
        Finding::Late { .. } => "late",
        Finding::CommitWithoutRef { .. } => "commit_without_ref",
        Finding::CommitWithoutFile { .. } => "commit_without_file",
        Finding::RowCount { .. } => "row_count",
        Finding::Unreadable { .. } => "unreadable",
        Finding::RefWithoutCommit { .. } => "ref_without_commit",
        Finding::FileWithoutCommit { .. } => "file_without_commit",
        Finding::UnfinishedUpload { .. } => "unfinished_upload",
        Finding::MalformedRef { .. } => "malformed_ref",
        Finding::Unpublished { .. } => "unpublished",
        Finding::PublishedWithoutCommit { .. } => "published_without_commit",
        Finding::PublishedWithoutFile { .. } => "published_without_file",
    }
}

fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_every_size() {
        assert_eq!(histogram(std::iter::empty()), None);
        assert_eq!(histogram([0, 1, 2, 4, 5, 16, 17].into_iter()), Some(vec![(1, 2), (4, 2), (16, 2), (64, 1)]));
        assert_eq!(histogram([1 << 20, u64::MAX].into_iter()).map(|steps| steps.len()), Some(23));
    }
}
