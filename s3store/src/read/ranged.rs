//! Reading files by byte ranges: the footer first, then only the column chunks that are wanted.

use std::ops::Range;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::codec::{Footer, RangeProgress, RangeReader};
use crate::cpu;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::metrics::Tally;

/// The largest gap between two ranges that is fetched along with them, instead of sending one more GET.
const GAP_BYTES: u64 = 16 << 10;

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

/// Fetches the footer of a file of `size` bytes: see [`Dataset::footer`].
pub(crate) async fn footer(dataset: &Dataset, key: &str, size: u64, tally: &Tally) -> Result<Option<Footer>> {
    dataset.footer(key, size, |bytes| tally.bytes(bytes)).await
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
        let ranges = match progress {
            RangeProgress::Batch(batch) => return Ok(RangedRead::Batch(reader, batch)),
            RangeProgress::End => return Ok(RangedRead::End),
            RangeProgress::Needs(ranges) => coalesce(ranges),
        };
        let bodies = try_join_all(ranges.iter().map(|range| get_range(dataset, key, range.clone(), tally))).await?;
        let Some(bodies) = bodies.into_iter().collect::<Option<Vec<Bytes>>>() else {
            return Ok(RangedRead::FileMissing);
        };
        reader.push(ranges, bodies).map_err(|error| error.context(key))?;
    }
}

/// Sorts ranges and joins those that have at most [`GAP_BYTES`] between them.
fn coalesce(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
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
