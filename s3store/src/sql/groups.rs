//! The files that the scans of a plan read, divided between the partitions of the plan.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringViewArray, TimestampMicrosecondArray};

use super::condition::{EntryPart, Source};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::metrics::Method;
use crate::scan::{self, FileSize, PartitionFiles, StoredFile};
use crate::stream::Entry;

/// Files that are merged with each other: those of a partition, or the file of one entry of the change stream.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Unit {
    pub(super) files: PartitionFiles,
    pub(super) entry: Option<Arc<Entry>>,
}

/// The size of a row in a file whose size is not known.
pub(super) const ROW_BYTES: u32 = 64;

/// The units that a partition of the plan reads, in order.
pub(super) type Group = Arc<[Unit]>;

impl Unit {
    pub(super) fn of_partition(files: PartitionFiles) -> Self {
        Self { files, entry: None }
    }

    pub(super) fn of_entry(entry: Entry) -> Self {
        let file = StoredFile {
            key: entry.data_path.clone(),
            size: FileSize::Rows(entry.record_count),
            version: None,
            offset: Some(entry.offset.clone()),
        };
        Self { files: PartitionFiles { key: entry.partition.clone(), files: vec![file] }, entry: Some(Arc::new(entry)) }
    }

    /// Returns the size of the files in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = |file: &StoredFile| match file.size {
            FileSize::Bytes(bytes) => bytes,
            FileSize::Rows(rows) => rows.saturating_mul(ROW_BYTES.into()),
        };
        self.files.files.iter().map(bytes).sum()
    }

    /// Returns a column that has the same value in all rows of the unit.
    pub(super) fn constant(&self, source: Source, rows: usize) -> Option<ArrayRef> {
        let text =
            |text: &str| Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(text, rows))) as ArrayRef;
        let time = |micros: i64| {
            let times = TimestampMicrosecondArray::from_value(micros, rows).with_timezone("UTC");
            Arc::new(times) as ArrayRef
        };
        Some(match (source, &self.entry) {
            (Source::Partition(part), _) => {
                text(self.files.key.split('/').nth(part)?.split_once('=').map(|(_, text)| text)?)
            }
            (Source::Entry(EntryPart::Offset), Some(entry)) => text(entry.offset.as_str()),
            (Source::Entry(EntryPart::StampedAt), Some(entry)) => time(entry.stamped_at.timestamp_micros()),
            (Source::Entry(EntryPart::InsertedAt), Some(entry)) => time(entry.inserted_at.timestamp_micros()),
            (Source::Record(_) | Source::Entry(_), _) => return None,
        })
    }
}

/// Divides units, which are in order, into at most `most` groups of neighbours of about the same size. There is at least one
/// group.
///
/// A unit is never torn apart, because its files are merged. Small files cost a request each, so each counts as if it
/// had some bytes more.
pub(super) fn by_size(units: Vec<Unit>, most: usize) -> Vec<Group> {
    /// About the bytes that arrive in the time of a request.
    const REQUEST_BYTES: u64 = 256 << 10;

    let cost = |unit: &Unit| unit.bytes() + unit.files.files.len() as u64 * REQUEST_BYTES;
    let mut left: u64 = units.iter().map(cost).sum();
    let mut groups: Vec<Vec<Unit>> = vec![Vec::new()];
    let mut size = 0;
    for unit in units {
        let cost = cost(&unit);
        let free = most.saturating_sub(groups.len()) as u64;
        // The share of the group that is being filled, of what is left for it and the free groups.
        let share = (left + size) / (free + 1);
        let is_full = size > 0 && size + cost / 2 > share;
        if free > 0 && is_full {
            groups.push(Vec::new());
            size = 0;
        }
        if let Some(group) = groups.last_mut() {
            group.push(unit);
        }
        (size, left) = (size + cost, left - cost);
    }
    groups.into_iter().map(Into::into).collect()
}

/// Returns how many rows a byte of the files has, by the footer of the largest one. Returns `None` without files.
///
/// Sends 1 GET, or none if the footer is in the cache.
pub(super) async fn rows_per_byte(dataset: &Dataset, partitions: &[PartitionFiles]) -> Result<Option<f64>> {
    let sized = |file: &StoredFile| match file.size {
        FileSize::Bytes(bytes) => Some((bytes, file.clone())),
        FileSize::Rows(_) => None,
    };
    let files = partitions.iter().flat_map(|partition| &partition.files).filter_map(sized);
    let Some((size, file)) = files.max_by_key(|(size, _)| *size) else { return Ok(None) };
    let call = dataset.metrics().call(Method::Explain);
    let footer = call.run(async |tally| scan::footer(dataset, &file, size, &tally).await).await?;
    let rows = match footer {
        Some(footer) => footer.rows().map_err(|error| error.context(&file.key))?,
        // The read reports it.
        None => return Ok(None),
    };
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    Ok(Some(rows as f64 / size.max(1) as f64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(number: usize, sizes: &[u64]) -> Unit {
        let file = |(index, size): (usize, &u64)| StoredFile {
            key: format!("{number}/{index}"),
            size: FileSize::Bytes(*size),
            version: None,
            offset: None,
        };
        Unit::of_partition(PartitionFiles {
            key: format!("p={number:04}"),
            files: sizes.iter().enumerate().map(file).collect(),
        })
    }

    proptest! {
        #[test]
        fn groups_have_all_partitions_in_order(
            sizes in prop::collection::vec(prop::collection::vec(0_u64..20_000_000, 1..4), 0..40),
            most in 1_usize..12,
        ) {
            let units: Vec<_> = sizes.iter().enumerate().map(|(number, sizes)| unit(number, sizes)).collect();
            let keys = |units: &[Unit]| units.iter().map(|unit| unit.files.key.clone()).collect::<Vec<_>>();
            let expected = keys(&units);
            let groups = by_size(units, most);
            prop_assert!(!groups.is_empty() && groups.len() <= most);
            prop_assert!(expected.is_empty() || groups.iter().all(|group| !group.is_empty()));
            prop_assert_eq!(groups.iter().flat_map(|group| keys(group)).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn groups_are_of_about_the_same_size() {
        let mib = 1 << 20;
        let partitions: Vec<_> = (0..120).map(|number| unit(number, &[10 * mib])).collect();
        let groups = by_size(partitions, 8);
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [15; 8]);
        // One for each partition, if there are few.
        let few: Vec<_> = (0..3).map(|number| unit(number, &[mib * (number as u64 + 1)])).collect();
        assert_eq!(by_size(few, 8).len(), 3);
        let skewed = [50, 1, 1, 1, 50, 1].map(|size| size * mib);
        let partitions = skewed.iter().enumerate().map(|(number, size)| unit(number, &[*size])).collect();
        let groups = by_size(partitions, 2);
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [3, 3]);
    }
}
