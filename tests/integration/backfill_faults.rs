//! Backfills over files that can't be read: files that do not decode, rows without a tuple, and commits that are broken.

use std::collections::BTreeSet;
use std::time::Duration;

use s3store::testing::{Fault, Operation};
use s3store::view::{BackfillError, Backfilled, ViewReader};
use s3store::{Commit, Dataset, Error, ErrorKind, Record, View};

use crate::integration::harness::{BUCKET, Virtual, within};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Row {
    part: String,
    customer: String,
    amount: i64,
}

/// A view that `Row`'s writers do not maintain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, View)]
#[view(of = Row, name = "customers")]
struct Customers {
    customer: String,
}

/// A view whose function panics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, View)]
#[view(of = Row, name = "signs")]
struct Signs {
    #[view(with = sign(amount))]
    sign: i64,
}

fn sign(amount: &i64) -> Option<i64> {
    assert_ne!(*amount, 13, "an unlucky amount");
    Some(amount.signum())
}

/// A view whose function fails.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, View)]
#[view(of = Row, name = "small")]
struct Small {
    #[view(with = small(amount))]
    amount: i64,
}

fn small(amount: &i64) -> Result<Option<i64>, String> {
    if *amount < 100 { Ok(Some(*amount)) } else { Err(format!("{amount} is large")) }
}

/// The same records, with another type of `customer`.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct OtherRow {
    part: String,
    customer: f64,
    amount: i64,
}

fn row(part: &str, customer: &str) -> Row {
    Row { part: part.into(), customer: customer.into(), amount: 1 }
}

struct Scene {
    world: Virtual,
    dataset: Dataset,
    view: ViewReader<Customers>,
    /// The commits of three files with a good row each, in the partitions `a`, `b` and `c`.
    good: Vec<Commit>,
}

impl Scene {
    async fn new() -> Self {
        let world = Virtual::new();
        let dataset = world.dataset().await;
        let rows = ["a", "b", "c"].map(|part| row(part, &format!("good-{part}")));
        let good = dataset.store::<Row>().write(&rows).await.unwrap();
        Self { view: dataset.view(), world, dataset, good }
    }

    /// Writes one more file, and returns its commit.
    async fn write(&self, part: &str, rows: &[Row]) -> Commit {
        let commit = self.dataset.store::<Row>().write_partition(format!("part={part}"), rows).await.unwrap();
        commit.unwrap()
    }

    /// Writes a committed file and replaces its bytes.
    async fn corrupt(&self, part: &str, bytes: &'static [u8]) -> Commit {
        let commit = self.write(part, &[row(part, "lost")]).await;
        self.world.s3.put_object(BUCKET, &commit.data_path, bytes);
        commit
    }

    /// Removes the commit of a file, as if the write had ended before it.
    fn uncommit(&self, commit: &Commit) {
        self.world.s3.remove_object(BUCKET, &commit_key(commit)).unwrap();
    }

    async fn found(&self) -> BTreeSet<String> {
        self.view.lookup("*").await.unwrap().into_iter().map(|tuple| tuple.customer).collect()
    }

    /// Backfills. The good files must always be done.
    async fn backfill(&self) -> Result<Backfilled, BackfillError> {
        let done = self.view.backfill("*").await;
        let found = self.found().await;
        assert!(["good-a", "good-b", "good-c"].iter().all(|customer| found.contains(*customer)), "{found:?}");
        done
    }
}

/// Returns the key of a commit whose token is that of its attempt.
fn commit_key(commit: &Commit) -> String {
    let (folder, name) = commit.data_path.rsplit_once('/').unwrap();
    let stem = name.strip_suffix(".parquet").unwrap();
    let token = &stem[..(stem.len() - 1) / 2];
    format!("{folder}/{token}.commit")
}

fn failed_keys(error: &BackfillError) -> BTreeSet<&str> {
    error.failed.iter().map(|failed| failed.key.as_str()).collect()
}

const BROKEN: [&[u8]; 4] =
    [b"", b"PAR1", b"not a Parquet file, but long enough to be one", b"PAR1\xff\xff\xff\x7fPAR1"];

#[tokio::test(start_paused = true)]
async fn files_that_do_not_decode_and_were_never_committed_are_skipped_and_counted() {
    let scene = Scene::new().await;
    for bytes in BROKEN {
        let commit = scene.corrupt("b", bytes).await;
        scene.uncommit(&commit);
    }
    scene.world.s3.clear_requests();
    let done = scene.backfill().await.unwrap();
    assert_eq!((done.files, done.uncommitted, done.failed, done.missing), (3, 4, 0, 0));
    assert_eq!(scene.world.count(Operation::Head), 4);
}

#[tokio::test(start_paused = true)]
async fn a_file_whose_token_was_committed_with_another_file_was_never_committed() {
    let scene = Scene::new().await;
    let store = scene.dataset.store::<Row>();
    let commit = store.write_partition("part=b", &[row("b", "kept")]).token("t").await.unwrap().unwrap();
    // The same token, but an attempt that the commit does not name.
    let (head, attempt) = commit.data_path.strip_suffix(".parquet").unwrap().split_at(commit.data_path.len() - 8 - 4);
    let other = if attempt == "0000" { "1111" } else { "0000" };
    scene.world.s3.put_object(BUCKET, &format!("{head}{other}.parquet"), "broken");
    let done = scene.backfill().await.unwrap();
    assert_eq!((done.files, done.uncommitted, done.failed), (4, 1, 0));
    assert!(scene.found().await.contains("kept"));
}

#[tokio::test(start_paused = true)]
async fn all_committed_files_that_do_not_decode_are_reported_at_the_end() {
    let scene = Scene::new().await;
    let mut commits = Vec::new();
    for (part, bytes) in ["a", "b", "c", "d"].into_iter().zip(BROKEN) {
        commits.push(scene.corrupt(part, bytes).await);
    }
    let error = scene.backfill().await.unwrap_err();
    assert_eq!(failed_keys(&error), commits.iter().map(|commit| commit.data_path.as_str()).collect());
    assert_eq!((error.done.files, error.done.failed, error.done.uncommitted), (3, 4, 0));
    assert!(error.cause.is_none() && error.kind() == ErrorKind::InvalidData);
    for failed in &error.failed {
        assert_eq!(failed.error.kind(), ErrorKind::InvalidData);
        assert!(failed.error.to_string().contains(&failed.key), "{}", failed.error);
    }
    let text = error.to_string();
    assert!(text.contains("4 committed files") && text.contains(&error.failed[0].key), "{text}");
    let converted = Error::from(error);
    assert!(converted.kind() == ErrorKind::InvalidData && converted.to_string() == text, "{converted}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_reports_every_partition_and_then_the_error() {
    let scene = Scene::new().await;
    let commit = scene.corrupt("a", b"broken").await;
    let mut steps = scene.view.backfill("*").stream();
    let mut failed = Vec::new();
    for partition in ["part=a", "part=b", "part=c"] {
        let step = steps.try_next().await.unwrap().unwrap();
        assert_eq!((step.partition.as_str(), step.total_partitions, step.done.failed), (partition, 3, 1));
        failed.push(step.failed.into_iter().map(|file| file.key).collect::<Vec<_>>());
    }
    assert_eq!(failed, [vec![commit.data_path.clone()], vec![], vec![]]);
    let error = steps.try_next().await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidData && error.to_string().contains(&commit.data_path), "{error}");
    assert!(steps.try_next().await.unwrap().is_none());
    // A backfill that continues after the partition does not meet the file again.
    scene.view.backfill("*").resume_after("part=a").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rows_whose_values_no_key_can_contain_do_not_stop_a_backfill() {
    let long = "x".repeat(1_500);
    for bad in ["", "a/b", "..", "a..b", long.as_str()] {
        let scene = Scene::new().await;
        let rows = [row("b", "before"), row("b", bad), row("b", "between"), row("b", bad), row("b", "after")];
        let commit = scene.write("b", &rows).await;
        let error = scene.backfill().await.unwrap_err();
        assert_eq!(failed_keys(&error), BTreeSet::from([commit.data_path.as_str()]), "{bad:?}");
        let text = error.to_string();
        assert!(text.contains("customers"), "{text}");
        // The markers of the file's other rows land.
        let found = scene.found().await;
        assert!(["before", "between", "after"].iter().all(|customer| found.contains(*customer)), "{found:?}");

        scene.uncommit(&commit);
        let done = scene.backfill().await.unwrap();
        assert_eq!((done.files, done.uncommitted, done.failed), (3, 1, 0), "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_for_which_a_view_function_fails_do_not_stop_a_backfill() {
    for (amounts, first_bad) in [([2, 100, 3, 200, 4], 1), ([100, 2, 3, 4, 300], 0), ([2, 3, 100, 200, 4], 2)] {
        let scene = Scene::new().await;
        let rows = amounts.map(|amount| Row { amount, ..row("b", "x") });
        let commit = scene.write("b", &rows).await;
        let view = scene.dataset.view::<Small>();
        let error = view.backfill("*").await.unwrap_err();
        assert_eq!(failed_keys(&error), BTreeSet::from([commit.data_path.as_str()]));
        let text = error.to_string();
        assert!(text.contains(&format!("row {first_bad}: ")) && text.contains("100 is large"), "{text}");
        // The markers of the file's other rows land, and of other files.
        assert_eq!(view.lookup("*").await.unwrap(), [1, 2, 3, 4].map(|amount| Small { amount }), "{amounts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_do_not_fit_the_record_are_reported() {
    let scene = Scene::new().await;
    let other = OtherRow { part: "b".into(), customer: 1.5, amount: 1 };
    let commit = scene.dataset.store::<OtherRow>().write(&[other]).await.unwrap().remove(0);
    let error = scene.backfill().await.unwrap_err();
    assert_eq!(failed_keys(&error), BTreeSet::from([commit.data_path.as_str()]));
    assert!(error.to_string().contains("customer"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_view_function_that_panics_fails_only_its_file() {
    let scene = Scene::new().await;
    let commit = scene.write("b", &[Row { amount: 13, ..row("b", "x") }]).await;
    scene.write("c", &[Row { amount: -1, ..row("c", "x") }]).await;
    let view = scene.dataset.view::<Signs>();
    let error = view.backfill("*").await.unwrap_err();
    assert_eq!(failed_keys(&error), BTreeSet::from([commit.data_path.as_str()]));
    assert!(error.to_string().contains("an unlucky amount"), "{error}");
    assert_eq!(view.lookup("*").await.unwrap(), [-1, 1].map(|sign| Signs { sign }));
}

#[tokio::test(start_paused = true)]
async fn a_file_whose_commit_cannot_be_read_counts_as_committed() {
    let scene = Scene::new().await;
    let commit = scene.corrupt("b", b"broken").await;
    scene.world.s3.put_object(BUCKET, &commit_key(&commit), "");
    let error = scene.backfill().await.unwrap_err();
    assert_eq!(failed_keys(&error), BTreeSet::from([commit.data_path.as_str()]));
    assert!(error.to_string().contains(".commit"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn objects_that_s3_does_not_hand_out_are_reported() {
    for (status, code) in [(403, "InvalidObjectState"), (416, "InvalidRange")] {
        let scene = Scene::new().await;
        let key = scene.write("b", &[row("b", "archived")]).await.data_path;
        scene.world.s3.inject(Fault::on(Operation::Get).key(key.clone()).always().fail(status, code));
        let error = scene.backfill().await.unwrap_err();
        assert_eq!(failed_keys(&error), BTreeSet::from([key.as_str()]));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_of_s3_still_end_a_backfill() {
    let scene = Scene::new().await;
    let broken = scene.corrupt("a", b"broken").await;
    let unavailable = |operation, key: &str| Fault::on(operation).key(key).always().fail(503, "ServiceUnavailable");
    // While the commit can't be looked up, it is unknown whether the file matters.
    scene.world.s3.inject(unavailable(Operation::Head, &commit_key(&broken)));
    let error = scene.view.backfill("*").await.unwrap_err();
    assert_eq!((error.kind(), error.failed.len(), error.done.files), (ErrorKind::Unavailable, 0, 0));

    scene.world.s3.clear_faults();
    scene.world.s3.inject(unavailable(Operation::Get, &scene.good[1].data_path));
    let backfill = scene.view.backfill("*").into_future();
    let error = within(Duration::from_secs(60), backfill).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.done.failed, error.done.files), (ErrorKind::Unavailable, 1, 1));
    assert_eq!(failed_keys(&error), BTreeSet::from([broken.data_path.as_str()]));
    assert_eq!(Error::from(error).kind(), ErrorKind::Unavailable);
}
