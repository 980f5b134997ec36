//! Reading files by byte ranges.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::errors::ParquetError;

use super::BATCH_ROWS;
use super::guard::catch_panics;
use super::mapping::{BatchAdapter, FilePlan};
use crate::error::Result;

/// A decoder of a file that is fetched by ranges. It performs no I/O: the caller fetches the ranges that
/// [`advance`](Self::advance) asks for and passes them to [`push`](Self::push).
#[derive(Debug)]
pub(crate) struct RangeReader {
    adapter: BatchAdapter,
    decoder: ParquetPushDecoder,
    /// The batches of the current row group, or `None` between two row groups.
    row_group: Option<ParquetRecordBatchReader>,
}

/// The next thing that a [`RangeReader`] has or needs.
#[derive(Debug)]
pub(crate) enum RangeProgress {
    /// The decoder needs these byte ranges of the file to go on.
    Needs(Vec<Range<u64>>),
    Batch(RecordBatch),
    End,
}

impl RangeReader {
    /// `bytes` is the given range of the file, which is already in memory.
    pub(super) fn new(plan: FilePlan, range: Range<u64>, bytes: Bytes) -> Result<Self> {
        let decoder = catch_panics(|| {
            let options = ArrowReaderOptions::new().with_schema(Arc::clone(plan.mapping().decoded_schema()));
            let metadata = ArrowReaderMetadata::try_new(Arc::clone(plan.metadata()), options)?;
            let mask = ProjectionMask::leaves(metadata.parquet_schema(), plan.mapping().leaves().iter().copied());
            let mut decoder = ParquetPushDecoderBuilder::new_with_metadata(metadata)
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS)
                .build()?;
            decoder.push_range(range, bytes)?;
            Ok(decoder)
        })?;
        Ok(Self { adapter: BatchAdapter::new(plan), decoder, row_group: None })
    }

    /// Decodes the next batch, or returns the byte ranges that it needs. Drop the reader after an error.
    pub(crate) fn advance(&mut self) -> Result<RangeProgress> {
        loop {
            if let Some(batches) = &mut self.row_group {
                match catch_panics(|| batches.next().transpose().map_err(ParquetError::from))? {
                    Some(batch) => return self.adapter.adapt(&batch).map(RangeProgress::Batch),
                    None => self.row_group = None,
                }
            }
            match catch_panics(|| self.decoder.try_next_reader())? {
                DecodeResult::Data(row_group) => self.row_group = Some(row_group),
                DecodeResult::NeedsData(ranges) => return Ok(RangeProgress::Needs(ranges)),
                DecodeResult::Finished => return self.adapter.finish().map(|()| RangeProgress::End),
            }
        }
    }

    /// Takes the bytes of ranges that [`advance`](Self::advance) asked for.
    pub(crate) fn push(&mut self, ranges: Vec<Range<u64>>, bytes: Vec<Bytes>) -> Result<()> {
        catch_panics(|| self.decoder.push_ranges(ranges, bytes))
    }
}
