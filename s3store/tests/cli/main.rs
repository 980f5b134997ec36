//! The command line, end to end: the binary against an S3 on a socket.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod copy;
mod recording;
mod serve;
mod server;
mod terminal;

use std::process::{Command, Output, Stdio};

use s3store::chrono::{DateTime, Utc};
use s3store::testing::{ACCESS_KEY, ConditionalPut, Fault, Listener, Operation, S3, SECRET_KEY};
use s3store::{Dataset, Record, View};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day, client = customer), views(SkuDays))]
struct Cost {
    #[record(entity)]
    day: String,
    #[record(entity)]
    customer: String,
    #[record(entity)]
    sku: String,
    net: Option<f64>,
    tags: Vec<String>,
    #[record(version, timestamp = "ms")]
    revised_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, View)]
#[view(of = Cost, name = "sku_days")]
struct SkuDays {
    sku: String,
    day: String,
}

fn cost(index: i64, version: i64) -> Cost {
    Cost {
        day: format!("2026-03-{:02}", index % 2 + 1),
        customer: ["abc", "x, y"][usize::try_from(index / 2 % 2).unwrap()].to_owned(),
        sku: format!("SKU-{index}"),
        net: (index > 0).then_some((index * 10 + version) as f64),
        tags: vec!["a \"b\"".to_owned()],
        revised_at: DateTime::from_timestamp(version, 0).unwrap(),
    }
}

/// An S3 on a socket with a dataset of eight entities, each in two versions.
struct World {
    s3: S3,
    listener: Listener,
}

const LOCATION: &str = "s3://warehouse/billing";

impl World {
    async fn new() -> Self {
        let s3 = S3::with_bucket("warehouse");
        let listener = s3.listen("127.0.0.1:0").await.unwrap();
        let world = Self { s3, listener };
        let made = world.run(&["init", LOCATION, "--commit-timeout", "1500ms", "--max-clock-skew", "100ms"]).await;
        assert!(made.status.success() && text(&made.stdout).contains("initialised"), "{made:?}");
        let dataset = Dataset::open(world.s3.client(), "warehouse", "billing").await.unwrap();
        for version in 1..3 {
            let costs: Vec<_> = (0..8).map(|index| cost(index, version)).collect();
            dataset.store::<Cost>().write(&costs).token(format!("job-{version}")).await.unwrap();
        }
        world
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s3store"));
        command.args(arguments).stdin(Stdio::null());
        command.env_clear().env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ENDPOINT_URL", self.listener.endpoint());
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Returns what a command prints. It must end well.
    async fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout)
    }

    /// Returns the errors of a command. It must fail with the exit code 2, in a line and a hint.
    async fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        let errors = text(&output.stderr);
        assert!(errors.starts_with("error: ") && errors.lines().count() <= 2, "{errors}");
        errors
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Waits for the settle window. S3 has whole seconds, so a shorter one would make every commit look late.
#[expect(clippy::disallowed_methods, reason = "the binary is another process, whose clock can't be moved")]
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(2_700)).await;
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_printed_in_every_form() {
    let world = World::new().await;
    let csv = world.ok(&["cat", LOCATION, "--columns", "sku,client,net", "--where", "sku < 'SKU-4'"]).await;
    let expected = "sku,client,net\nSKU-0,abc,\nSKU-2,\"x, y\",22.0\nSKU-1,abc,12.0\nSKU-3,\"x, y\",32.0\n";
    assert_eq!(csv, expected);
    let json = lines(&world.ok(&["cat", LOCATION, "day=2026-03-01/*", "--format", "json"]).await);
    assert_eq!(json.len(), 4);
    assert_eq!(json[0]["tags"], serde_json::json!(["a \"b\""]));
    let history = lines(&world.ok(&["cat", LOCATION, "--history", "--format", "json"]).await);
    assert_eq!(history.len(), 16);
    let place = |row: &Value| ["day", "client", "sku", "revised_at"].map(|column| row[column].to_string());
    assert!(history.is_sorted_by_key(place), "the order is that of reads: {history:?}");
    assert_eq!(lines(&world.ok(&["cat", LOCATION, "--limit", "3", "--format", "json"]).await).len(), 3);
    let table = world.ok(&["cat", LOCATION, "--columns", "sku,net", "--limit", "1", "--format", "table"]).await;
    assert!(table.contains("│ sku") && table.contains("SKU-0"), "{table}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.parquet");
    world.ok(&["cat", LOCATION, "--format", "parquet", "--output", file.to_str().unwrap()]).await;
    let file = std::fs::File::open(file).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 8);
    let errors = world.fails(&["cat", LOCATION, "--columns", "skuu"]).await;
    assert!(errors.contains("skuu"), "{errors}");
    let errors = world.fails(&["cat", LOCATION, "month=1"]).await;
    assert!(errors.contains("month") && errors.contains("day"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_answered() {
    let world = World::new().await;
    let query = "SELECT client, sum(net) AS net FROM latest GROUP BY 1 ORDER BY 1";
    assert_eq!(world.ok(&["sql", LOCATION, query]).await, "client,net\nabc,106.0\n\"x, y\",188.0\n");
    assert_eq!(world.ok(&["sql", LOCATION, "SELECT count(*) FROM history"]).await, "count(*)\n16\n");
    let days = world.ok(&["sql", LOCATION, "SELECT day FROM sku_days WHERE sku = 'SKU-5'"]).await;
    assert_eq!(days, "day\n2026-03-02\n");
    let errors = world.fails(&["sql", LOCATION, "SELECT nope FROM latest"]).await;
    assert!(errors.contains("nope"), "{errors}");
    let errors = world.fails(&["sql", LOCATION, "SELECT FROM WHERE"]).await;
    assert!(errors.contains("error: "), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_a_dataset_is_shown() {
    let world = World::new().await;
    let info = world.ok(&["info", LOCATION, "--records"]).await;
    for part in [
        "partitions      4",
        "files           8, ",
        "records         16, all versions",
        "entity          day, customer, sku",
        "partitions by size",
        "views           sku_days",
    ] {
        assert!(info.contains(part), "{part}: {info}");
    }
    let info: Value = serde_json::from_str(&world.ok(&["info", LOCATION, "--json"]).await).unwrap();
    assert_eq!((&info["files"], &info["commit_timeout_ms"]), (&8.into(), &1_500.into()));
    assert_eq!(info["schema"]["version"], "revised_at");
    let partitions = lines(&world.ok(&["ls", LOCATION, "--json", "day=2026-03-02/*"]).await);
    assert_eq!(partitions.len(), 2);
    assert_eq!(partitions[0]["partition"], "day=2026-03-02/client=abc");
    assert!(world.ok(&["ls", LOCATION]).await.contains("day=2026-03-01/client=x, y"));
    let files = lines(&world.ok(&["ls", LOCATION, "--files", "--json"]).await);
    assert_eq!(files.len(), 8);
    let path = files[0]["data_path"].as_str().unwrap();
    assert_eq!(files[0]["bytes"], world.s3.object("warehouse", path).unwrap().body.len());
    let commit = world.ok(&["token", LOCATION, "day=2026-03-01/client=abc", "job-2", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&commit).unwrap()["record_count"], 2);
    let missing = world.run(&["token", LOCATION, "day=2026-03-01/client=abc", "job-3"]).await;
    assert_eq!((missing.status.code(), text(&missing.stdout).as_str()), (Some(1), "not committed\n"));
    let tuples = world.ok(&["lookup", LOCATION, "sku_days", "sku=SKU-3/*"]).await;
    assert_eq!(tuples, "sku,day\nSKU-3,2026-03-02\n");
    let errors = world.fails(&["lookup", LOCATION, "nope"]).await;
    assert!(errors.contains("the dataset's views are sku_days"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_change_stream_is_printed() {
    let world = World::new().await;
    settle().await;
    let output = world.run(&["tail", LOCATION, "--json"]).await;
    let entries = lines(&text(&output.stdout));
    assert_eq!(entries.len(), 8);
    assert!(text(&output.stderr).starts_with("resume with --since 'billing/_ref/"), "{output:?}");
    let offset = entries[3]["offset"].as_str().unwrap();
    assert_eq!(lines(&world.ok(&["tail", LOCATION, "--json", "--since", offset]).await).len(), 4);
    assert_eq!(world.ok(&["tail", LOCATION, "--since", "now"]).await, "");
    assert_eq!(lines(&world.ok(&["tail", LOCATION, "--records", "--since", "1h"]).await).len(), 16);
    let only = ["tail", LOCATION, "--only", "*/client=abc", "--json"];
    assert_eq!(lines(&world.ok(&only).await).len(), 4);
    assert_eq!(lines(&world.ok(&["ls", LOCATION, "--commits", "--json"]).await).len(), 8);
    let errors = world.fails(&["tail", LOCATION, "--since", "yesterday"]).await;
    assert!(errors.contains("neither an offset nor an instant"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_reports_findings_and_restamps() {
    let world = World::new().await;
    settle().await;
    let healthy = world.ok(&["doctor", LOCATION]).await;
    assert!(healthy.starts_with("0 findings among 8 commits"), "{healthy}");
    // A commit without a ref, and a file without a commit.
    let refs: Vec<_> = world.s3.keys("warehouse").into_iter().filter(|key| key.contains("/_ref/")).collect();
    world.s3.remove_object("warehouse", &refs[0]).unwrap();
    world.s3.inject(Fault::on(Operation::Put).key_ends_with(".commit").always().fail(403, "AccessDenied"));
    let dataset = Dataset::open(world.s3.client(), "warehouse", "billing").await.unwrap();
    dataset.store::<Cost>().write(&[cost(1, 9)]).await.unwrap_err();
    world.s3.clear_faults();
    settle().await;
    let sick = world.run(&["doctor", LOCATION, "--json"]).await;
    assert_eq!(sick.status.code(), Some(1), "{sick:?}");
    let kinds: Vec<_> = lines(&text(&sick.stdout)).iter().map(|finding| finding["kind"].clone()).collect();
    assert!(kinds.contains(&"commit_without_ref".into()) && kinds.contains(&"file_without_commit".into()), "{kinds:?}");
    let orphans = lines(&world.ok(&["ls", LOCATION, "--orphans", "--json"]).await);
    assert_eq!(orphans.iter().filter(|orphan| orphan["kind"] == "file").count(), 1);
    // Nobody can be asked.
    let errors = world.run(&["doctor", LOCATION, "--restamp"]).await;
    assert!(text(&errors.stderr).contains("add --yes"), "{errors:?}");
    let repaired = world.run(&["doctor", LOCATION, "--restamp", "--yes"]).await;
    assert_eq!(repaired.status.code(), Some(1), "the orphan remains");
    assert!(text(&repaired.stderr).contains("restamped 1 commits"), "{repaired:?}");
    let after = lines(&text(&world.run(&["doctor", LOCATION, "--json"]).await.stdout));
    assert!(after.iter().all(|finding| finding["kind"] != "commit_without_ref"), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_have_a_line_and_a_hint() {
    let world = World::new().await;
    let errors = world.fails(&["info", "s3://warehouse/nothing"]).await;
    assert!(errors.contains("hint: is this the right prefix?"), "{errors}");
    let errors = world.fails(&["info", "s3://nowhere/billing"]).await;
    assert!(errors.contains("nowhere"), "{errors}");
    let usage = world.run(&["info", "warehouse/billing"]).await;
    assert_eq!(usage.status.code(), Some(2));
    assert!(text(&usage.stderr).contains("s3://bucket/prefix"), "{usage:?}");
    let help = world.ok(&["cat", "--help"]).await;
    assert!(help.contains("Examples:") && help.contains("--where"), "{help}");
    assert!(world.ok(&["completions", "bash"]).await.contains("_s3store"));
    assert!(world.ok(&["man"]).await.contains(".TH s3store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_s3_is_a_place_to_try_things_out() {
    use std::io::{BufRead as _, BufReader};

    let served = tokio::task::spawn_blocking(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s3store"));
        let mut server =
            command.args(["serve", "--port", "0", "--latency", "1ms"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = BufReader::new(server.stdout.take().unwrap()).lines();
        let url = printed.next().unwrap().unwrap().strip_prefix("export AWS_ENDPOINT_URL=").unwrap().to_owned();
        let mut client = Command::new(env!("CARGO_BIN_EXE_s3store"));
        client.env_clear().env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
        client.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let made = client.args(["init", "s3://warehouse/x", "--endpoint-url", &url]).output().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        made
    });
    let made = served.await.unwrap();
    assert!(made.status.success() && text(&made.stdout).contains("s3://warehouse/x initialised"), "{made:?}");
}

#[tokio::test]
async fn bench_measures_a_bucket_and_leaves_nothing() {
    let world = World::new().await;
    let before = world.s3.keys("warehouse").len();
    let arguments = ["bench", "s3://warehouse/scratch", "--objects", "12", "--size", "5KiB", "--concurrency", "3"];
    let found = world.run(&[arguments.as_slice(), &["--json"]].concat()).await;
    assert!(found.status.success(), "{found:?}");
    let report: Value = serde_json::from_str(&text(&found.stdout)).unwrap();
    assert!(report["tests"].as_array().unwrap().iter().all(|test| test["passed"] == true), "{report}");
    let counts: Vec<_> =
        report["requests"].as_array().unwrap().iter().map(|one| one["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [12, 12, 12, 12, 12, 2]);
    assert_eq!(world.s3.keys("warehouse").len(), before);

    // A server that ignores the condition.
    world.s3.set_conditional_put(ConditionalPut::Ignored);
    let found = world.run(&arguments).await;
    let shown = text(&found.stdout);
    assert!(shown.contains("LACKS  If-None-Match: the condition is ignored"), "{shown}");
    assert!(shown.contains("PUT if none"), "{shown}");

    let refused = world.run(&["bench", "s3://nowhere/scratch"]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("NoSuchBucket"), "{refused:?}");
}

#[tokio::test]
async fn sql_answers_the_queries_of_the_standard_input() {
    let world = World::new().await;
    let piped = async |input: &'static str, more: &[&str]| {
        let mut command = world.command(&[["sql", LOCATION].as_slice(), more].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        })
        .await
        .unwrap()
    };
    let found = piped("-- two queries\nSELECT count(*) AS n FROM latest;\nSELECT 'a;b' AS t;", &[]).await;
    assert_eq!(text(&found.stdout), "n\n8\nt\na;b\n", "{found:?}");
    let found = piped("SELECT 1; SELECT 2", &["--output", "/nonexistent/file"]).await;
    assert!(text(&found.stderr).contains("2 queries can't be written to one file"), "{found:?}");
    let found = piped("SELECT 1 AS one; SELECT nothing FROM latest; SELECT 3", &[]).await;
    assert_eq!((found.status.code(), text(&found.stdout).as_str()), (Some(2), "one\n1\n"), "{found:?}");
    assert!(text(&piped(" ", &[]).await.stderr).contains("there is no query"));
    assert!(text(&piped("SHOW TABLES", &[]).await.stdout).contains("latest"));
}

#[tokio::test]
async fn prune_shows_and_then_deletes_orphans() {
    let world = World::new().await;
    // The server's clock is years behind.
    let options = Dataset::options().clock_guard(s3store::dataset::ClockGuard::Off);
    let dataset = options.open(world.s3.client(), "warehouse", "billing").await.unwrap();
    world.s3.set_time(s3store::testing::ServerTime::Fixed(DateTime::from_timestamp(1_700_000_000, 0).unwrap()));
    world.s3.inject(Fault::on(Operation::Put).key_ends_with(".commit").always().fail(403, "AccessDenied"));
    let old = dataset.store::<Cost>().write(&[cost(1, 9)]).await;
    assert!(old.is_err());
    world.s3.clear_faults();
    world.s3.set_time(s3store::testing::ServerTime::System);
    let before = world.s3.keys("warehouse").len();
    let shown = text(&world.run(&["prune", LOCATION]).await.stdout);
    assert!(shown.contains("1 files of") && shown.contains("add --yes"), "{shown}");
    assert_eq!(world.s3.keys("warehouse").len(), before);
    let deleted = text(&world.run(&["prune", LOCATION, "--yes", "--json"]).await.stdout);
    let kinds: Vec<Value> = deleted.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kinds.iter().map(|one| one["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["file", "ref"], "{deleted}");
    assert_eq!(world.s3.keys("warehouse").len(), before - 2);
    let refused = world.run(&["prune", LOCATION, "--older-than", "1h"]).await;
    assert!(text(&refused.stderr).contains("24 hours"), "{refused:?}");
}
