//! Files by ranges: their footers, and of the rest what is wanted.

use std::ops::Range;

use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::codec::{FileReader, Footer, Step, Tail};
use crate::dataset::{Dataset, blocking};
use crate::error::{Error, Result};
use crate::metrics::Tally;

/// How much of a file's end is fetched for its footer; more where the footer says so.
const FOOTER_BYTES: u64 = 32 << 10;

/// What is fetched in vain rather than by one more GET.
const GAP_BYTES: u64 = 16 << 10;

/// The footer of a file of `size` bytes: 1 GET, or 2 where it is large. `None` where the file is gone.
pub(crate) async fn footer(dataset: &Dataset, key: &str, size: u64, tally: &Tally) -> Result<Option<Footer>> {
    if size == 0 {
        return Err(Error::invalid_data(format!("{key}: it is empty")));
    }
    let mut wanted = FOOTER_BYTES;
    loop {
        let Some(tail) = range(dataset, key, size.saturating_sub(wanted)..size, tally).await? else { return Ok(None) };
        match blocking(move || Footer::parse(tail, size)).await.map_err(|error| error.context(key))? {
            Tail::Footer(footer) => return Ok(Some(footer)),
            Tail::Needs(bytes) if bytes > wanted && wanted < size => wanted = bytes,
            Tail::Needs(_) => return Err(Error::invalid_data(format!("{key}: its footer is larger than the file"))),
        }
    }
}

/// The next step of a file's reader that is no request: fetches what it needs. `None` where the file is gone.
pub(crate) async fn step(
    dataset: &Dataset,
    key: &str,
    mut reader: FileReader,
    tally: &Tally,
) -> Result<Option<(FileReader, Step)>> {
    loop {
        let next = blocking(move || reader.step().map(|step| (reader, step)));
        let (rest, step) = next.await.map_err(|error| error.context(key))?;
        reader = rest;
        let Step::Needs(ranges) = step else { return Ok(Some((reader, step))) };
        let ranges = coalesced(ranges);
        let bodies = try_join_all(ranges.iter().map(|wanted| range(dataset, key, wanted.clone(), tally))).await?;
        let Some(bodies) = bodies.into_iter().collect::<Option<Vec<Bytes>>>() else { return Ok(None) };
        reader.push(ranges, bodies).map_err(|error| error.context(key))?;
    }
}

/// The ranges in order, with those as one that have little between them.
fn coalesced(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut whole: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match whole.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP_BYTES) => last.end = last.end.max(range.end),
            _ => whole.push(range),
        }
    }
    whole
}

/// 1 GET.
async fn range(dataset: &Dataset, key: &str, wanted: Range<u64>, tally: &Tally) -> Result<Option<Bytes>> {
    let body = dataset.client().get_range(key, wanted).await?;
    tally.bytes(body.as_ref().map_or(0, |body| body.len() as u64));
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_with_little_between_them_are_one() {
        let mib = 1 << 20;
        let ranges = vec![5 * mib..6 * mib, 0..100, 100..200, 200 + GAP_BYTES..300 + GAP_BYTES, 50..60];
        assert_eq!(coalesced(ranges), [0..300 + GAP_BYTES, 5 * mib..6 * mib]);
        assert_eq!(coalesced(Vec::new()), []);
    }
}
