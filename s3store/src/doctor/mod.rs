//! Examining a dataset: what writes that failed, were late or lost their process have left behind.

mod diagnose;
mod report;

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use futures_util::{StreamExt, TryStreamExt, stream};

use self::diagnose::{Diagnosis, Footer, Scope, Seen};
pub use self::report::{Finding, Report};
use crate::clock::{Reading, micros};
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Offset;
use crate::metrics::{Method, Tally};
use crate::read::ranged;
use crate::stream::{IntoWindow, Window};

impl Dataset {
    /// Examines what was written in a window of time. Await the returned builder. It changes nothing.
    ///
    /// It finds commits whose ref or commit landed past the commit timeout, so that readers of the change stream may
    /// have missed them; refs and files without commit; commits without ref or file; and files that hold other numbers
    /// of rows than their commits say. [`restamp`](Dataset::restamp) brings back what the stream may have missed.
    ///
    /// Whether something was late is told by S3's time of the object against the writer's clock. That is an estimate:
    /// S3 tells whole seconds, by its own clock, and the time of an object's last PUT, which may have been a retry's
    /// that changed nothing. What may have been late, within that second, is reported; restamping it does no harm.
    ///
    /// Refs belong to the window by the instant that they were stamped with, files and commits also by S3's time of
    /// them. The window ends a [settle window](Dataset::settle_window) before the present at the latest.
    ///
    /// It lists all objects of the dataset and holds their names in memory.
    ///
    /// # Errors
    /// [`ClockSkew`](crate::ErrorKind::ClockSkew) where the local clock is ahead by more than the dataset allows;
    /// [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3's answers. What can't
    /// be read is a [finding](Finding::Unreadable), not an error.
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests. Nothing is changed in any case.
    ///
    /// # Requests
    /// 1 LIST per 1,000 objects; 1 HEAD for each token of the window that has a commit; 1 GET, or where the footer is
    /// larger than 32 KiB 2, for the end of each data file that is committed in the window.
    ///
    /// # Example
    /// ```
    /// # async fn example(dataset: s3store::Dataset, yesterday: s3store::chrono::DateTime<s3store::chrono::Utc>) -> Result<(), Box<dyn std::error::Error>> {
    /// for finding in dataset.doctor(yesterday..).await?.findings {
    ///     println!("{finding}");
    ///     if let Some(commit) = finding.to_restamp() {
    ///         dataset.restamp(commit).await?;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn doctor(&self, window: impl IntoWindow) -> Doctor {
        Doctor { dataset: self.clone(), window: window.into_window(), footers: true }
    }
}

/// An examination, made by [`Dataset::doctor`].
#[derive(Debug, Clone)]
#[must_use = "nothing is examined until it is awaited"]
pub struct Doctor {
    dataset: Dataset,
    window: Window,
    footers: bool,
}

impl Doctor {
    /// Leaves the files' footers alone: no [`RowCount`](Finding::RowCount) is found, and no GET is made.
    pub fn without_record_counts(mut self) -> Self {
        self.footers = false;
        self
    }

    async fn run(self, tally: &Tally) -> Result<Report> {
        let Self { dataset, window, footers } = self;
        let reading = dataset.clock().reading();
        let settled = reading.micros.saturating_sub(micros(dataset.settle_window()));
        let scope = Scope {
            since: window.start.unwrap_or(0),
            until: window.end.map_or(settled, |end| end.min(settled)),
            commit_timeout: micros(dataset.commit_timeout()),
        };
        let mut diagnosis = examine(&dataset, scope, reading, tally).await?;
        if footers {
            let found = count_rows(&dataset, std::mem::take(&mut diagnosis.footers), tally).await?;
            diagnosis.findings.extend(found);
        }
        let Diagnosis { findings, refs, commits, files, .. } = diagnosis;
        Ok(Report { findings, refs, commits, files })
    }
}

impl IntoFuture for Doctor {
    type Output = Result<Report>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.dataset.metrics().call(Method::Doctor);
            call.run(async |tally| self.run(&tally).await).await
        })
    }
}

async fn examine(dataset: &Dataset, scope: Scope, reading: Reading, tally: &Tally) -> Result<Diagnosis> {
    let keys = dataset.keys();
    let mut seen = Seen::default();
    // Up to the present: what was restamped may have its ref behind the window.
    let since = Offset::of(keys.offset_at(scope.since));
    let mut refs = dataset.client().list(keys.ref_prefix()).after(since.as_str());
    while let Some(page) = refs.next().await? {
        // With a clock that was ahead, the window would reach into writes in flight.
        dataset.check_reader_clock(reading, page.date)?;
        seen.add_refs(keys, page.objects);
    }
    let mut data = dataset.client().list(keys.data_prefix());
    while let Some(page) = data.next().await? {
        seen.add_data(keys, page.objects);
    }

    let mut diagnosis = Diagnosis::default();
    diagnosis.findings.extend(seen.malformed());
    dataset.metrics().malformed_refs(Method::Doctor, diagnosis.findings.len() as u64);
    let questions = seen.questions(keys, scope);
    dataset.metrics().fanout(questions.len(), dataset.client().permits());
    let questions = stream::iter(questions.into_iter().map(|(place, key)| async move {
        let found = match &key {
            Some(key) => {
                tally.commit_head();
                dataset.find_commit(key).await
            }
            None => Ok(None),
        };
        (place, key, found)
    }));
    let mut answers = questions.buffered(dataset.client().permits());
    while let Some((place, key, found)) = answers.next().await {
        match found {
            Ok(found) => diagnosis.add(dataset.bucket(), keys, &seen, &place, found.map(|found| found.meta), scope)?,
            Err(error) => diagnosis.findings.push(unreadable(key.unwrap_or_default(), error)?),
        }
    }
    drop(answers);
    Ok(diagnosis)
}

/// What the files' footers say otherwise than their commits.
async fn count_rows(dataset: &Dataset, footers: Vec<Footer>, tally: &Tally) -> Result<Vec<Finding>> {
    dataset.metrics().fanout(footers.len(), dataset.client().permits());
    let counted = stream::iter(footers.into_iter().map(|Footer { commit, size }| async move {
        match rows_of(dataset, &commit.data_path, size, tally).await {
            Ok(None) => Ok(Some(Finding::CommitWithoutFile { commit })),
            Ok(Some(in_file)) if in_file == commit.record_count => Ok(None),
            Ok(Some(in_file)) => Ok(Some(Finding::RowCount { commit, in_file })),
            Err(error) => unreadable(commit.data_path, error).map(Some),
        }
    }));
    let counted = counted.buffered(dataset.client().permits());
    counted.try_filter_map(|finding| std::future::ready(Ok(finding))).try_collect().await
}

/// The rows that a file's footer tells; `None` where the file is gone.
async fn rows_of(dataset: &Dataset, key: &str, size: u64, tally: &Tally) -> Result<Option<u64>> {
    let footer = ranged::footer(dataset, key, size, tally).await?;
    footer.map(|footer| footer.rows().map_err(|error| error.context(key))).transpose()
}

/// Bad data is a finding; anything else ends the examination.
fn unreadable(path: String, error: Error) -> Result<Finding> {
    match error.kind() {
        ErrorKind::InvalidData => Ok(Finding::Unreadable { path, error }),
        _ => Err(error),
    }
}
