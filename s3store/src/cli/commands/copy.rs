//! Copies a dataset.

use serde_json::json;

use crate::cli::args::{Connection, Copy};
use crate::cli::output::size;
use crate::cli::progress::Progress;
use crate::cli::{Done, Failure, Outcome, connect};

/// Copies a dataset, or some of its partitions, to another place.
pub(super) async fn copy(connection: &Connection, copy: Copy) -> Outcome<Done> {
    let Copy { source, destination, patterns, dry_run, json, .. } = &copy;
    let target = Connection {
        endpoint_url: copy.to_endpoint_url.clone().or_else(|| connection.endpoint_url.clone()),
        profile: copy.to_profile.clone().or_else(|| connection.profile.clone()),
        region: copy.to_region.clone().or_else(|| connection.region.clone()),
        verbose: connection.verbose,
    };
    if source == destination && target == *connection {
        return Err(Failure::new("the destination is the source").with_hint("give another bucket or prefix"));
    }
    let dataset = connect::open(connection, source).await?;
    let client = connect::client(&target).await;
    let mut copying = dataset.copy_to(client, &destination.bucket, &destination.prefix);
    if !patterns.is_empty() {
        copying = copying.only(patterns);
    }
    if *dry_run {
        copying = copying.dry_run();
    }
    let progress = Progress::bar("copying", 0, "commits");
    let copying = copying.on_progress(move |now| {
        progress.set(now.commits, now.of_commits);
        progress.note(size(now.new_bytes));
    });
    let copied = copying.await?;
    if *json {
        let object = json!({
            "commits": copied.commits,
            "bytes": copied.bytes,
            "refs": copied.refs,
            "markers": copied.markers,
            "schemas": copied.schemas,
            "new_commits": copied.new_commits,
            "new_bytes": copied.new_bytes,
            "verified": !dry_run,
        });
        say!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(Done::Well);
    }
    let (done, end) = if *dry_run { ("would be copied", "") } else { ("copied", ", verified") };
    say!("{} commits with {} {done}", copied.new_commits, size(copied.new_bytes));
    say!(
        "s3://{}/{}: {} commits, {} refs, {} markers, {}{end}",
        destination.bucket,
        destination.prefix,
        copied.commits,
        copied.refs,
        copied.markers,
        size(copied.bytes)
    );
    Ok(Done::Well)
}
