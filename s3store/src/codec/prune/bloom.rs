//! Row groups that can't have a value, by the Bloom filters of their columns.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow_schema::{DataType, TimeUnit};
use parquet::basic::Type as Physical;
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::ColumnChunkMetaData;

use super::super::guard::catch_panics;
use super::super::mapping::{ColumnSource, FilePlan};
use super::super::row_groups::FileParts;
use crate::record::{Comparison, KeyPart, Literal, Predicate, ReadLayout, Test};

/// The largest Bloom filter that is read. It has room for a few million values.
const FILTER_BYTES: u64 = 4 << 20;

/// The Bloom filters of the columns that a predicate compares for equality.
#[derive(Debug)]
pub(in super::super) struct Blooms {
    /// The filters in memory, by row group and column of the layout.
    filters: BTreeMap<(usize, usize), Bloom>,
    /// The ranges of filters that are not in memory, with their row groups.
    lacking: Vec<(usize, Range<u64>)>,
}

/// A Bloom filter, and how the values in it are stored.
#[derive(Debug)]
struct Bloom {
    filter: Sbbf,
    stored: Stored,
}

/// How a column's values are stored, as far as they can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Bytes,
    Int32,
    Int64,
    /// A time in units of so many nanoseconds, in 64 bits.
    Time(i128),
}

impl Blooms {
    /// Finds the filters. One that can't be parsed is as good as none.
    pub(in super::super) fn new(plan: &FilePlan, layout: &ReadLayout, predicate: &Predicate, file: &FileParts) -> Self {
        let mut blooms = Self { filters: BTreeMap::new(), lacking: Vec::new() };
        for column in predicate.columns() {
            let Some(ColumnSource::Leaf { leaf, field, wanted, null: None }) = plan.mapping().source_of(layout, column)
            else {
                continue;
            };
            if !predicate.has_test(&column, |test| values_of(test).is_some()) {
                continue;
            }
            for (group, metadata) in plan.metadata().row_groups().iter().enumerate() {
                let Some(chunk) = metadata.columns().get(leaf) else { continue };
                let Some(stored) = Stored::of(field.data_type(), wanted, chunk.column_descr().physical_type()) else {
                    continue;
                };
                let Some(range) = filter_range(chunk, plan.file_size()) else { continue };
                if file.bytes_from(range.start, range.end - range.start).is_none() {
                    blooms.lacking.push((group, range));
                } else if let Ok(Some(filter)) = catch_panics(|| Sbbf::read_from_column_chunk(chunk, file))
                    && filter.num_blocks() > 0
                {
                    blooms.filters.insert((group, column), Bloom { filter, stored });
                }
            }
        }
        blooms
    }

    /// Returns the ranges of filters that are not in memory, with their row groups.
    pub(in super::super) fn lacking(&self) -> &[(usize, Range<u64>)] {
        &self.lacking
    }

    /// Returns whether no row of a row group fulfils a test, for sure.
    pub(super) fn exclude(&self, group: usize, column: usize, test: &Test) -> bool {
        let (Some(bloom), Some(values)) = (self.filters.get(&(group, column)), values_of(test)) else { return false };
        values.iter().all(|value| bloom.excludes(value))
    }
}

impl Bloom {
    fn excludes(&self, value: &Literal) -> bool {
        let may_have = match (value, self.stored) {
            (Literal::Part(KeyPart::Text(text)), Stored::Bytes) => self.filter.check(text.as_bytes()),
            (Literal::Part(KeyPart::Bytes(bytes)), Stored::Bytes) => self.filter.check(&**bytes),
            // A value outside of the stored type is in no row.
            (Literal::Part(KeyPart::Int(value)), Stored::Int32) => {
                let signed = i32::try_from(*value).ok();
                signed
                    .or_else(|| u32::try_from(*value).ok().map(u32::cast_signed))
                    .is_some_and(|value| self.filter.check(&value))
            }
            (Literal::Part(KeyPart::Int(value)), Stored::Int64) => {
                let signed = i64::try_from(*value).ok();
                signed
                    .or_else(|| u64::try_from(*value).ok().map(u64::cast_signed))
                    .is_some_and(|value| self.filter.check(&value))
            }
            (Literal::Part(KeyPart::Int(nanos)), Stored::Time(unit)) => {
                nanos % unit == 0 && i64::try_from(nanos / unit).is_ok_and(|value| self.filter.check(&value))
            }
            _ => true,
        };
        !may_have
    }
}

/// Returns whether a column of these types can have Bloom filters that a read makes use of.
pub(in super::super) fn has_bloom_filters(written: &DataType, physical: Physical) -> bool {
    Stored::of(written, written, physical).is_some()
}

impl Stored {
    fn of(field: &DataType, wanted: &DataType, physical: Physical) -> Option<Self> {
        use DataType::{Binary, BinaryView, Date32, FixedSizeBinary, Timestamp, Utf8, Utf8View};

        match (field, wanted, physical) {
            (Utf8 | Utf8View | Binary | BinaryView, Utf8 | Utf8View | Binary | BinaryView, Physical::BYTE_ARRAY) => {
                Some(Self::Bytes)
            }
            (FixedSizeBinary(_), FixedSizeBinary(_), Physical::FIXED_LEN_BYTE_ARRAY) => Some(Self::Bytes),
            (Timestamp(unit, _), Timestamp(..), Physical::INT64) => Some(Self::Time(match unit {
                TimeUnit::Second => return None,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            })),
            (Date32, Date32, Physical::INT32) => Some(Self::Int32),
            (field, wanted, Physical::INT32) if field.is_integer() && wanted.is_integer() => Some(Self::Int32),
            (field, wanted, Physical::INT64) if field.is_integer() && wanted.is_integer() => Some(Self::Int64),
            _ => None,
        }
    }
}

/// Returns the values one of which a row must have to fulfil a test.
fn values_of(test: &Test) -> Option<&[Literal]> {
    match test {
        Test::Compare(Comparison::Equal, value) => Some(std::slice::from_ref(value)),
        Test::In(values) => Some(values),
        _ => None,
    }
}

fn filter_range(chunk: &ColumnChunkMetaData, file_size: u64) -> Option<Range<u64>> {
    let start = u64::try_from(chunk.bloom_filter_offset()?).ok()?;
    let length = u64::try_from(chunk.bloom_filter_length()?).ok()?;
    let end = start.checked_add(length)?;
    (length > 0 && length <= FILTER_BYTES && end <= file_size).then_some(start..end)
}
