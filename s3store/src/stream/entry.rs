//! The entries of the change stream.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::error::{Error, Result};
use crate::format::{DataName, Offset, PartitionKey, Prefix};
use crate::record::Names;
use crate::scan::{FileSize, PartitionFiles, StoredFile};

/// An entry of the change stream: one commit, at the offset of one of its refs.
///
/// A commit that was restamped has an entry for each of its refs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Entry {
    /// The entry's position in the stream.
    pub offset: Offset,
    /// The bucket that contains `data_path` and `ref_path`.
    pub bucket: String,
    /// The partition, as `name=value/name=value`.
    pub partition: String,
    /// The key of the data file.
    pub data_path: String,
    /// The key of the ref: the same text as `offset`.
    pub ref_path: String,
    /// The time on the writer's clock when it put the ref, in whole microseconds. The stream is ordered by it.
    pub stamped_at: DateTime<Utc>,
    /// The insertion time of the write, in whole microseconds: the value of the file's insertion time column.
    ///
    /// Unless the writer sets it, this is when the write began, so it is earlier than `stamped_at` by the time for
    /// encoding and upload.
    pub inserted_at: DateTime<Utc>,
    /// The number of records in the data file.
    pub record_count: u64,
}

/// Returns the distinct partitions of entries, in key order.
///
/// Use it to find the partitions that have changed in several datasets.
///
/// # Example
/// ```
/// # async fn example(
/// #     costs: s3store::Dataset, cost_entries: Vec<s3store::Entry>, usage_entries: Vec<s3store::Entry>,
/// # ) {
/// use s3store::stream::partitions_of;
///
/// let usage = partitions_of(&usage_entries);
/// let common = cost_entries.iter().filter(|entry| usage.contains(entry.partition.as_str()));
/// # }
/// ```
#[must_use]
pub fn partitions_of(entries: &[Entry]) -> BTreeSet<&str> {
    entries.iter().map(|entry| entry.partition.as_str()).collect()
}

/// Returns the data files of entries, each once, at the first of its offsets: partitions in key order, and files in key
/// order within one.
pub(crate) fn files(entries: impl IntoIterator<Item = impl Borrow<Entry>>) -> Vec<PartitionFiles> {
    let mut partitions: BTreeMap<String, BTreeMap<String, (Offset, u64)>> = BTreeMap::new();
    for entry in entries {
        let Entry { partition, data_path, record_count, offset, .. } = entry.borrow();
        let files = match partitions.get_mut(partition) {
            Some(files) => files,
            None => partitions.entry(partition.clone()).or_default(),
        };
        match files.get_mut(data_path) {
            Some((first, _)) if *first > *offset => first.clone_from(offset),
            Some(_) => {}
            None => drop(files.insert(data_path.clone(), (offset.clone(), *record_count))),
        }
    }
    let file =
        |(key, (offset, rows))| StoredFile { key, size: FileSize::Rows(rows), version: None, offset: Some(offset) };
    let partition =
        |(key, files): (String, BTreeMap<_, _>)| PartitionFiles { key, files: files.into_iter().map(file).collect() };
    partitions.into_iter().map(partition).collect()
}

/// Returns an error if an entry is not of this dataset, or its partition does not fit the record type.
pub(crate) fn check(entry: &Entry, bucket: &str, prefix: &Prefix, partition_names: &Names) -> Result<()> {
    let Entry { offset, data_path, partition, .. } = entry;
    let foreign =
        |reason: String| Err(Error::invalid_input(format!("entry {offset} is not of this dataset: {reason}")));
    if entry.bucket != bucket {
        return foreign(format!("its bucket is {:?}, the dataset's is {bucket:?}", entry.bucket));
    }
    match prefix.parse_data_key(data_path) {
        Some(key) if key.partition == partition && matches!(key.name, DataName::File { .. }) => {}
        _ => return foreign(format!("{data_path:?} is not a data file of partition {partition:?} under {prefix}")),
    }
    PartitionKey::parse(partition, partition_names).map(drop).map_err(|error| error.context(format!("entry {offset}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(partition: &str, file: &str) -> Entry {
        let data_path = format!("d/data/{partition}/{file}-0190a8d9b7c47f7e8a9b0c1d2e3f4a5b.parquet");
        let ref_path = format!("d/_ref/0000000000000001-{file}-0190a8d9b7c47f7e8a9b0c1d2e3f4a5b;x.ref");
        Entry {
            offset: Offset::of(ref_path.clone()),
            bucket: "b".to_owned(),
            partition: partition.to_owned(),
            data_path,
            ref_path,
            stamped_at: DateTime::UNIX_EPOCH,
            inserted_at: DateTime::UNIX_EPOCH,
            record_count: 3,
        }
    }

    #[test]
    fn each_file_is_read_once_in_partition_and_key_order() {
        let entries =
            [entry("p=1-2", "b"), entry("p=1", "z"), entry("p=1-2", "a"), entry("p=1", "z"), entry("p=1", "c")];
        let partitions = files(&entries);
        let keys: Vec<_> = partitions.iter().map(|partition| partition.key.as_str()).collect();
        assert_eq!(keys, ["p=1", "p=1-2"]);
        let files: Vec<_> = partitions.iter().flat_map(|partition| &partition.files).collect();
        assert_eq!(
            files.iter().map(|file| &file.key[..13]).collect::<Vec<_>>(),
            ["d/data/p=1/c-", "d/data/p=1/z-", "d/data/p=1-2/", "d/data/p=1-2/"]
        );
        assert!(files.iter().all(|file| file.size == FileSize::Rows(3)));
        assert_eq!(partitions_of(&entries).into_iter().collect::<Vec<_>>(), ["p=1", "p=1-2"]);
        assert!(partitions_of(&[]).is_empty());
    }

    #[test]
    fn entries_of_another_dataset_are_refused() {
        let prefix = Prefix::new("d").unwrap();
        let checked =
            |entry: &Entry, prefix: &Prefix| check(entry, "b", prefix, &Names::of(&["p"])).map_err(|e| e.to_string());
        let good = entry("p=1", "t");
        assert_eq!(checked(&good, &prefix), Ok(()));
        let other_bucket = Entry { bucket: "c".to_owned(), ..good.clone() };
        assert!(checked(&other_bucket, &prefix).unwrap_err().contains("its bucket is \"c\", the dataset's is \"b\""));
        assert!(checked(&good, &Prefix::new("e").unwrap()).unwrap_err().contains("is not of this dataset"));
        let other_partition = Entry { partition: "p=2".to_owned(), ..good.clone() };
        assert!(checked(&other_partition, &prefix).unwrap_err().contains("is not a data file of partition \"p=2\""));
        assert!(
            checked(&entry("q=1", "t"), &prefix).unwrap_err().contains("expected `p=…`"),
            "{:?}",
            checked(&entry("q=1", "t"), &prefix)
        );
    }
}
