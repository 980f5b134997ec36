//! The conversion of records to columns, on the threads for CPU work.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::super::encode::batches;
use super::super::group::{self, Group};
use super::super::markers::marker_keys_at_once;
#[cfg(feature = "arrow")]
use super::batch::{BatchRecords, BatchRows};
use super::pending::Part;
use crate::codec::Encoder;
use crate::error::{Error, Result};
use crate::format::{AttemptId, PartitionKey, Prefix, Token};
use crate::record::{RootRecord, ViewWriter};

/// Converts records, and finds their partitions and the views' markers.
pub(super) struct Converter<T> {
    pub(super) encoder: Arc<Encoder>,
    pub(super) views: Arc<[ViewWriter<T>]>,
    pub(super) prefix: Prefix,
    /// A token of the writer of the greatest length, to check the lengths of keys.
    pub(super) longest_token: Token,
}

/// Records as columns.
pub(super) struct Converted<T> {
    /// In key order.
    pub(super) partitions: Vec<ConvertedPartition>,
    /// The error of a record that was left out.
    pub(super) unfit: Option<Error>,
    /// The records that were not converted: those after that one.
    pub(super) rest: Option<Part<T>>,
}

pub(super) struct ConvertedPartition {
    pub(super) key: PartitionKey,
    pub(super) batches: Vec<RecordBatch>,
    /// The keys of the views' markers.
    pub(super) markers: BTreeSet<String>,
}

impl<T: RootRecord> Converter<T> {
    /// Converts records. Leaves out the first one that does not fit. `first` is the number of the first record, for
    /// messages.
    pub(super) fn convert(&self, part: Part<T>, first: u64, inserted_at: i64) -> Result<Converted<T>> {
        match part {
            Part::Records(records) => {
                let (converted, rest) = self.convert_records(records, first, inserted_at)?;
                Ok(Converted { rest: (!rest.is_empty()).then_some(Part::Records(rest)), ..converted })
            }
            #[cfg(feature = "arrow")]
            Part::Batch(rows) => self.convert_rows(rows, first, inserted_at),
        }
    }

    /// Converts rows of a batch as the records that they are.
    #[cfg(feature = "arrow")]
    fn convert_rows(&self, mut rows: BatchRows, first: u64, inserted_at: i64) -> Result<Converted<T>> {
        let BatchRecords { records, unfit } = rows.to_records();
        let mut taken = records.len();
        let (mut converted, rest) = self.convert_records(records, first, inserted_at)?;
        if converted.unfit.is_some() {
            taken -= rest.len();
        } else if let Some(error) = unfit {
            let row = first.saturating_add(taken as u64);
            converted.unfit = Some(group::unfit(row, &error));
            taken += 1;
        }
        let rest = rows.split_off(taken);
        Ok(Converted { rest: (rest.len() > 0).then_some(Part::Batch(rest)), ..converted })
    }

    /// Converts records, as [`convert`](Self::convert) does. Returns the rest apart.
    fn convert_records(&self, mut records: Vec<T>, first: u64, inserted_at: i64) -> Result<(Converted<T>, Vec<T>)> {
        let converted = |partitions, unfit| Converted { partitions, unfit, rest: None };
        let error = match self.partitions(&records, first, inserted_at) {
            Ok(partitions) => return Ok((converted(partitions, None), Vec::new())),
            Err(error) => error,
        };
        let alone = |(row, record)| {
            let number = first.saturating_add(row as u64);
            self.partitions(std::slice::from_ref(record), number, inserted_at).err().map(|error| (row, error))
        };
        // If each record fits alone, none of them is at fault.
        let (row, unfit) = records.iter().enumerate().find_map(alone).ok_or(error)?;
        let rest = records.split_off(row + 1);
        records.truncate(row);
        let partitions = self.partitions(&records, first, inserted_at)?;
        Ok((converted(partitions, Some(unfit)), rest))
    }

    fn partitions(&self, records: &[T], first: u64, inserted_at: i64) -> Result<Vec<ConvertedPartition>> {
        group::group(records, first)?.into_iter().map(|group| self.partition(group, inserted_at)).collect()
    }

    fn partition(&self, group: Group<'_, T>, inserted_at: i64) -> Result<ConvertedPartition> {
        let Group { key, rows } = group;
        let (token, attempt) = (&self.longest_token, AttemptId::from_bytes([0; 16]));
        self.prefix.data_key(&key, token, attempt)?;
        self.prefix.ref_key(0, token, attempt, &key)?;
        let markers = marker_keys_at_once(&self.prefix, &self.views, &rows)?;
        let schema = self.encoder.schema();
        let batch = |columns: Result<Vec<_>>| {
            RecordBatch::try_new(Arc::clone(&schema), columns?)
                .map_err(|error| Error::internal("the columns of records do not have their types").with_source(error))
        };
        let batches = batches(&rows, inserted_at).map(batch).collect::<Result<_>>()?;
        Ok(ConvertedPartition { key, batches, markers })
    }
}
