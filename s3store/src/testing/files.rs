//! Encoding and decoding data files without S3.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::codec::{Compression, Encoder, Opener, decode_by_ranges};
use crate::error::Result;
use crate::read::{RowStruct, Rows};
use crate::record::{ReadLayout, Record, RootRecord};
use crate::{read, write};

/// Encodes and decodes the data files of a record type, for tests of files and for benchmarks.
///
/// It runs the same code as a [`Store`](crate::Store), but on the calling thread and without S3.
///
/// # Example
/// ```
/// use s3store::chrono::DateTime;
/// use s3store::testing::Files;
/// use s3store::{Compression, Record};
///
/// #[derive(Debug, PartialEq, Record)]
/// #[record(partition_by(period))]
/// struct Cost {
///     period: String,
///     amount: i64,
/// }
///
/// # fn main() -> s3store::Result<()> {
/// let files = Files::<Cost>::new(Compression::Snappy)?;
/// let costs = [Cost { period: "2026-03-17".to_owned(), amount: 42 }];
/// let file = files.encode(&costs, DateTime::UNIX_EPOCH)?;
/// assert_eq!(files.decode(file)?, costs);
/// # Ok(())
/// # }
/// ```
pub struct Files<T> {
    encoder: Arc<Encoder>,
    opener: Opener,
    records: PhantomData<fn() -> T>,
}

impl<T: RootRecord> Files<T> {
    /// Prepares the schemas and options that all files share.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if Parquet can't represent the record type.
    pub fn new(compression: Compression) -> Result<Self> {
        let description = T::description();
        Ok(Self {
            encoder: Arc::new(Encoder::new(description, compression)?),
            opener: Opener::new(ReadLayout::new(description, description)),
            records: PhantomData,
        })
    }

    /// Encodes records as the Parquet file that a write would put: sorted by the record's key if it has one.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if a value does not fit its column. The message contains the row
    /// and the column.
    pub fn encode(&self, records: &[T], inserted_at: DateTime<Utc>) -> Result<Bytes> {
        write::encode_file(records, inserted_at.timestamp_micros(), &self.encoder, false)
    }

    /// Encodes records as [`encode`](Self::encode) does, and computes their digest as a write with a token does. For
    /// benchmarks.
    ///
    /// # Errors
    /// Those of [`encode`](Self::encode).
    #[doc(hidden)]
    pub fn encode_with_digest(&self, records: &[T], inserted_at: DateTime<Utc>) -> Result<Bytes> {
        write::encode_file(records, inserted_at.timestamp_micros(), &self.encoder, true)
    }

    /// Decodes the records of one file as a snapshot read returns them: only the latest of each entity if the record has
    /// a key.
    ///
    /// # Errors
    /// [`InvalidData`](crate::ErrorKind::InvalidData) if the file is malformed or does not fit the record type.
    pub fn decode(&self, file: Bytes) -> Result<Vec<T>> {
        read::decode_file(file, &self.opener)
    }

    /// Decodes one file to batches whose rows borrow, as [`Read::rows`](crate::read::Read::rows) returns them for a partition
    /// with only this file.
    ///
    /// # Errors
    /// [`InvalidData`](crate::ErrorKind::InvalidData) if the file is malformed or does not fit the record type.
    pub fn decode_rows(&self, file: Bytes) -> Result<Vec<Rows<T>>>
    where
        T: RowStruct<Held: Send>,
    {
        read::decode_file_rows(file, &self.opener)
    }

    /// Decodes all columns of one file by byte ranges, as a backfill does, and returns the number of rows. For tests that
    /// compare both ways to read a file.
    ///
    /// # Errors
    /// [`InvalidData`](crate::ErrorKind::InvalidData) if the file is malformed or does not fit the record type.
    #[doc(hidden)]
    pub fn decode_by_ranges(&self, file: &Bytes) -> Result<usize> {
        decode_by_ranges(file, self.opener.layout())
    }
}

impl<T> fmt::Debug for Files<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("record", &std::any::type_name::<T>()).finish_non_exhaustive()
    }
}

/// Decodes the records of one file as `T`. Returns what a snapshot read of a partition with only this file returns.
///
/// Any program may have written the file. Use [`Files`] to decode several files of one record type faster.
///
/// # Errors
/// [`InvalidData`](crate::ErrorKind::InvalidData) if the file is malformed or does not fit the record type.
pub fn read_file<T: Record>(file: Bytes) -> Result<Vec<T>> {
    read::decode_file(file, &Opener::new(ReadLayout::new(T::description(), T::Root::description())))
}
