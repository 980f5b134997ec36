//! The report of what failed, late and lost writes left behind, and the deletion of what no reader sees.

mod diagnose;
mod prune;
mod report;

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use futures_util::{StreamExt, TryStreamExt, stream};

use self::diagnose::{Attempts, CommittedFile, Diagnosis, Listing, Scope};
pub use self::prune::{Prune, Pruned};
pub use self::report::{Finding, Report};
use crate::clock::{Reading, micros};
use crate::dataset::Dataset;
use crate::delta::{Log, State};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Offset;
use crate::metrics::{Method, Tally};
use crate::stream::{IntoWindow, Window};

impl Dataset {
    /// Examines the writes in a window of time. Await the returned builder. It changes nothing.
    ///
    /// It finds:
    /// - commits whose ref or commit object landed after the commit timeout, so that readers of the change stream may have
    ///   missed them; [`restamp`](Dataset::restamp) repairs them
    /// - refs and files without a commit
    /// - commits without a ref or file
    /// - files whose number of rows differs from their commit's
    /// - multipart uploads of data files that a crash left behind, of any age of at least 24 hours
    /// - if the dataset is [published](crate::publish): files in the Delta log that are not committed, and commits that it will
    ///   not get
    ///
    /// It detects late objects by comparing S3's time of the object with the time in the ref's name, which is the writer's.
    /// This is an estimate. S3 reports whole seconds of its own clock. It reports the time of the last PUT, which may be a
    /// retry that changed nothing. A commit that may have been late within its second is reported, because an unnecessary
    /// restamp does no harm.
    ///
    /// A ref belongs to the window by the time in its name. A file or commit belongs to it by S3's time or by its ref. The
    /// window ends at the latest one [settle window](Dataset::settle_window) before the present.
    ///
    /// The call lists all objects of the dataset and holds their names in memory.
    ///
    /// # Errors
    /// - [`ClockSkew`](crate::ErrorKind::ClockSkew): the local clock is ahead by more than the dataset allows.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused a request, or
    ///   did not answer.
    ///
    /// An unreadable object is a [finding](Finding::Unreadable), not an error. If the list of uploads fails, the report says so
    /// in [`uploads`](Report::uploads), and if the Delta log can't be read, in [`published_until`](Report::published_until).
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests. It changes nothing.
    ///
    /// # Requests
    /// 1 LIST per 1,000 objects, 1 per 1,000 unfinished uploads and at least 1, 1 HEAD for each token with a commit in the
    /// window, and 1 GET for the footer of each data file committed in the window. A footer larger than 32 KiB takes 2. And
    /// 1 GET for the last checkpoint of the Delta log, and 1 for each part of it and for each later version.
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

/// An examination of a dataset, made by [`Dataset::doctor`].
#[derive(Debug, Clone)]
#[must_use = "nothing is examined until it is awaited"]
pub struct Doctor {
    dataset: Dataset,
    window: Window,
    footers: bool,
}

impl Doctor {
    /// Skips the footers of data files: the report has no [`RowCount`](Finding::RowCount), and no GET is sent.
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
            now: reading.micros,
        };
        // Before the listing, in which its files must be.
        let log = Log::read(&dataset).await;
        let state = log.as_ref().ok().map(|log| &log.state);
        let mut diagnosis = examine(&dataset, scope, reading, state, tally).await?;
        let listed = dataset.client().list_uploads(&dataset.keys().data_prefix()).await;
        let uploads = match listed {
            Ok(uploads) => {
                diagnosis.add_uploads(dataset.keys(), uploads, scope);
                Ok(diagnosis.uploads)
            }
            Err(error) => {
                tracing::warn!(%error, "doctor can't see the multipart uploads that a crash left behind");
                Err(error)
            }
        };
        if footers {
            let found = count_rows(&dataset, std::mem::take(&mut diagnosis.committed_files), tally).await?;
            diagnosis.findings.extend(found);
        }
        let published_until = match log {
            Ok(log) => Ok(log.state.offset.as_ref().and_then(Offset::instant)),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                diagnosis.findings.push(Finding::Unreadable { path: dataset.keys().log_prefix(), error });
                Ok(None)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Config | ErrorKind::Refused) => {
                tracing::warn!(%error, "doctor can't read the delta log");
                Err(error)
            }
            Err(error) => return Err(error),
        };
        let Diagnosis { findings, refs, commits, files, .. } = diagnosis;
        Ok(Report { findings, refs, commits, files, uploads, published_until })
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

async fn examine(
    dataset: &Dataset,
    scope: Scope,
    reading: Reading,
    log: Option<&State>,
    tally: &Tally,
) -> Result<Diagnosis> {
    let keys = dataset.keys();
    let mut listing = Listing::default();
    // Lists refs up to the present, because the ref of a restamp may be later than the window.
    let since = Offset::of(keys.offset_at(scope.since));
    let mut refs = dataset.client().list(keys.ref_prefix()).after(since.as_str());
    while let Some(page) = refs.next().await? {
        // If the clock was ahead, the window would include writes in progress.
        dataset.check_reader_clock(reading, page.date)?;
        listing.add_refs(keys, page.objects);
    }
    let mut data = dataset.client().list(keys.data_prefix());
    while let Some(page) = data.next().await? {
        listing.add_data(keys, page.objects);
    }

    let mut diagnosis = Diagnosis::default();
    diagnosis.findings.extend(listing.take_malformed());
    dataset.metrics().malformed_refs(Method::Doctor, diagnosis.findings.len() as u64);
    let tokens = listing.tokens_in(keys, scope);
    dataset.metrics().fanout(tokens.len(), dataset.client().permits());
    let lookups = stream::iter(tokens.into_iter().map(|(token, key)| async move {
        let found = match &key {
            Some(key) => {
                tally.commit_head();
                dataset.find_commit(key).await
            }
            None => Ok(None),
        };
        (token, key, found)
    }));
    let mut attempts = Attempts::default();
    let mut results = lookups.buffered(dataset.client().permits());
    while let Some((token, key, found)) = results.next().await {
        match found {
            Ok(found) => {
                if log.is_some() {
                    attempts.insert(token.clone(), found.as_ref().map(|found| found.meta.attempt));
                }
                diagnosis.add(dataset.bucket(), keys, &listing, &token, found.map(|found| found.meta), scope)?
            }
            Err(error) => diagnosis.findings.push(unreadable(key.unwrap_or_default(), error)?),
        }
    }
    drop(results);
    if let Some(log) = log {
        diagnosis.add_log(keys, &listing, &attempts, log);
    }
    Ok(diagnosis)
}

/// Compares the number of rows in the files' footers with their commits'. Returns the differences.
async fn count_rows(dataset: &Dataset, files: Vec<CommittedFile>, tally: &Tally) -> Result<Vec<Finding>> {
    dataset.metrics().fanout(files.len(), dataset.client().permits());
    let counted = stream::iter(files.into_iter().map(|CommittedFile { commit, size }| async move {
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

/// Returns the number of rows in a file's footer, or `None` if the file does not exist.
async fn rows_of(dataset: &Dataset, key: &str, size: u64, tally: &Tally) -> Result<Option<u64>> {
    let footer = dataset.footer(key, size, |bytes| tally.bytes(bytes)).await?;
    footer.map(|footer| footer.rows().map_err(|error| error.context(key))).transpose()
}

/// Converts an error about bad data to a finding. Any other error ends the examination.
fn unreadable(path: String, error: Error) -> Result<Finding> {
    match error.kind() {
        ErrorKind::InvalidData => Ok(Finding::Unreadable { path, error }),
        _ => Err(error),
    }
}
