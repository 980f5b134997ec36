//! Fetching data files: as a whole, or by byte ranges.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures_util::future::try_join_all;

use super::files::{FileSize, StoredFile};
use super::plan::Fetch;
use super::row_sizes::RowSizes;
use super::stall_watch::StallWatch;
use crate::codec::{Footer, RangeProgress, RangeReader, StepRanges};
use crate::cpu;
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Tally;

/// The largest gap between two ranges that is fetched along with them, instead of sending one more GET.
///
/// A connection transfers about as much in a millisecond, the time of a request to a server nearby.
const GAP_BYTES: u64 = 64 << 10;

/// How many kinds of parts are added to a footer: Bloom filters, and the page index.
const MOST_PARTS: usize = 2;

/// The handling of a data file that no longer exists.
#[derive(Debug, Clone)]
pub(crate) enum MissingFile {
    /// The read fails, because the file is committed.
    Fail,
    /// The read logs, counts and skips the file, because it may have been deleted long after its commit.
    Skip(Arc<AtomicU64>),
}

impl MissingFile {
    /// Returns an error if the read fails because this file is missing.
    pub(crate) fn allow(&self, file: &StoredFile) -> Result<()> {
        match self {
            Self::Fail => Err(vanished(file)),
            Self::Skip(_) => Ok(()),
        }
    }
}

/// The first request for a file.
pub(super) struct FileFetch {
    pub(super) dataset: Dataset,
    pub(super) file: StoredFile,
    pub(super) fetch: Fetch,
    pub(super) missing: MissingFile,
    /// True if the read has fetched the file, and counted it as visited, before.
    pub(super) again: bool,
    pub(super) sizes: Arc<RowSizes>,
    pub(super) tally: Arc<Tally>,
    pub(super) watch: Arc<StallWatch>,
}

/// The part of a file that its first request returned.
#[derive(Debug, Clone)]
pub(super) enum FetchedFile {
    Whole(Bytes),
    Footer(Footer),
}

impl FileFetch {
    /// Returns the file, or its footer. Returns `None` if the file is missing and may be skipped.
    ///
    /// Sends 1 GET, or 2 for a footer of more than 32 KiB. Sends none for a footer in the cache.
    pub(super) async fn run(self) -> Result<Option<FetchedFile>> {
        let Self { dataset, file, fetch, missing, again, sizes, tally, watch } = self;
        let fetched = match fetch {
            Fetch::Whole => {
                let body = dataset.client().get(&file.key, sizes.size_of(&file)).await?;
                if let Some(body) = &body {
                    tally.bytes(body.len() as u64);
                    if !again {
                        sizes.learn(&file, body.len() as u64);
                    }
                }
                body.map(FetchedFile::Whole)
            }
            Fetch::ByRanges { size } => footer(&dataset, &file, size, &tally).await?.map(FetchedFile::Footer),
        };
        watch.moved();
        match (&fetched, &missing) {
            (Some(_), _) if again => {}
            (Some(_), _) => tally.file(),
            (None, MissingFile::Fail) => return Err(vanished(&file)),
            (None, MissingFile::Skip(count)) => {
                count.fetch_add(1, Ordering::Relaxed);
                tally.missing(&file.key);
            }
        }
        Ok(fetched)
    }
}

/// Returns the error for a committed file that does not exist.
pub(crate) fn vanished(file: &StoredFile) -> Error {
    let reason = match file.size {
        FileSize::Bytes(_) => {
            "the file is in the listing but does not exist: it was deleted after it was listed, or the server lists keys \
             that it does not serve; read again"
        }
        FileSize::Rows(_) => {
            "a commit names the file, but it does not exist: somebody deleted it; restore the file, or delete its commit \
             too"
        }
    };
    Error::new(ErrorKind::Vanished, format!("get {}: {reason}", file.key))
}

/// The next result of reading a file by ranges.
#[expect(clippy::large_enum_variant, reason = "one exists at a time, and a box would be an allocation per batch")]
pub(crate) enum RangedRead {
    /// A batch, and the reader to go on with.
    Batch(RangeReader, RecordBatch),
    /// The end of the file.
    End,
    /// The file no longer exists.
    FileMissing,
}

/// Returns the footer of a file of `size` bytes, from the cache or from S3: see [`Dataset::cached_footer`].
pub(crate) async fn footer(dataset: &Dataset, file: &StoredFile, size: u64, tally: &Tally) -> Result<Option<Footer>> {
    dataset.cached_footer(&file.key, size, file.version, |bytes| tally.bytes(bytes)).await
}

/// Fetches parts of a file that may exclude many of its rows, and returns the footer with them. The cache keeps it. Returns
/// `None` if the file no longer exists.
///
/// Sends 1 GET for each range, or for each few that are near each other.
pub(crate) async fn add_to_footer(
    dataset: &Dataset,
    file: &StoredFile,
    mut footer: Footer,
    ranges: Vec<Range<u64>>,
    tally: &Tally,
) -> Result<Option<Footer>> {
    let Some((ranges, bodies)) = fetch_ranges(dataset, &file.key, ranges, tally).await? else { return Ok(None) };
    for (range, body) in ranges.into_iter().zip(bodies) {
        footer.add(range.start, body);
    }
    dataset.keep_footer(&file.key, file.version, &footer);
    Ok(Some(footer))
}

/// Opens a file by its footer. Fetches what may exclude many of its rows first: Bloom filters, then the page index. Returns the
/// footer with these parts. Returns `None` if the file no longer exists.
///
/// Sends none or a few GETs.
pub(crate) async fn open_file<F>(
    dataset: &Dataset,
    file: &StoredFile,
    footer: Footer,
    open: F,
    tally: &Tally,
) -> Result<Option<(Footer, RangeReader)>>
where
    F: Fn(Footer) -> Result<RangeReader> + Clone + Send + 'static,
{
    let reader = open_footer(dataset, file, footer.clone(), open.clone()).await?;
    complete_file(dataset, file, footer, reader, open, tally).await
}

/// Fetches what an open file lacks, as [`open_file`] does, and opens it again with that.
pub(super) async fn complete_file<F>(
    dataset: &Dataset,
    file: &StoredFile,
    mut footer: Footer,
    mut reader: RangeReader,
    open: F,
    tally: &Tally,
) -> Result<Option<(Footer, RangeReader)>>
where
    F: Fn(Footer) -> Result<RangeReader> + Clone + Send + 'static,
{
    // Each part is added once.
    for _ in 0..MOST_PARTS {
        if reader.lacking().is_empty() {
            break;
        }
        let larger = add_to_footer(dataset, file, footer, reader.lacking().to_vec(), tally).await?;
        let Some(larger) = larger else { return Ok(None) };
        footer = larger;
        reader = open_footer(dataset, file, footer.clone(), open.clone()).await?;
    }
    if reader.lacking().is_empty() {
        return Ok(Some((footer, reader)));
    }
    Err(Error::internal(format!("{}: the file lacks a part that was fetched", file.key)))
}

async fn open_footer(
    dataset: &Dataset,
    file: &StoredFile,
    footer: Footer,
    open: impl FnOnce(Footer) -> Result<RangeReader> + Send + 'static,
) -> Result<RangeReader> {
    let opened = cpu::run(dataset.clock(), move || open(footer)).await;
    opened.map_err(|error| error.context(file.label()))
}

/// Decodes the next batch of a file. Fetches the ranges that the reader needs for it, side by side.
pub(crate) async fn next_batch(
    dataset: &Dataset,
    key: &str,
    mut reader: RangeReader,
    tally: &Tally,
) -> Result<RangedRead> {
    loop {
        let advanced = cpu::run(dataset.clock(), move || reader.advance().map(|progress| (reader, progress)));
        let (rest, progress) = advanced.await.map_err(|error| error.context(key))?;
        reader = rest;
        let needs = match progress {
            RangeProgress::Batch(batch) => return Ok(RangedRead::Batch(reader, batch)),
            RangeProgress::End => return Ok(RangedRead::End),
            RangeProgress::Needs(needs) => needs,
        };
        let Some((needs, bodies)) = fetch_step(dataset, key, needs, tally).await? else {
            return Ok(RangedRead::FileMissing);
        };
        reader.push(needs, bodies).map_err(|error| error.context(key))?;
    }
}

/// Fetches the ranges of a step, side by side. Returns the ranges that were fetched, which may be larger. Returns `None`
/// if the file no longer exists.
pub(super) async fn fetch_step(
    dataset: &Dataset,
    key: &str,
    needs: StepRanges,
    tally: &Tally,
) -> Result<Option<(StepRanges, Vec<Bytes>)>> {
    let fetched = fetch_ranges(dataset, key, needs.ranges, tally).await?;
    Ok(fetched.map(|(ranges, bodies)| (StepRanges { ranges, step: needs.step }, bodies)))
}

async fn fetch_ranges(
    dataset: &Dataset,
    key: &str,
    ranges: Vec<Range<u64>>,
    tally: &Tally,
) -> Result<Option<(Vec<Range<u64>>, Vec<Bytes>)>> {
    let ranges = coalesce(ranges);
    let bodies = ranges.iter().map(|range| get_range(dataset, key, range.clone(), tally));
    let bodies: Option<Vec<Bytes>> = try_join_all(bodies).await?.into_iter().collect();
    Ok(bodies.map(|bodies| (ranges, bodies)))
}

/// Sorts ranges and joins those that have at most [`GAP_BYTES`] between them.
pub(super) fn coalesce(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP_BYTES) => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Fetches a range of a file. Returns `None` if the file no longer exists. Sends 1 GET.
async fn get_range(dataset: &Dataset, key: &str, range: Range<u64>, tally: &Tally) -> Result<Option<Bytes>> {
    let body = dataset.client().get_range(key, range).await?;
    tally.bytes(body.as_ref().map_or(0, |body| body.len() as u64));
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_with_small_gaps_are_joined() {
        let mib = 1 << 20;
        let ranges = vec![5 * mib..6 * mib, 0..100, 100..200, 200 + GAP_BYTES..300 + GAP_BYTES, 50..60];
        assert_eq!(coalesce(ranges), [0..300 + GAP_BYTES, 5 * mib..6 * mib]);
        assert_eq!(coalesce(Vec::new()), []);
    }
}
