//! Data files without S3: what a write would put, what a read makes of it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::codec::{Compression, Encoder, Opener};
use crate::error::Result;
use crate::record::{ReadLayout, Record, RootRecord};
use crate::{read, write};

/// Encodes and decodes the data files of a record type, as a [`Store`](crate::Store) does, on the calling thread and
/// without S3: for tests of files, and for measuring.
pub struct Files<T> {
    encoder: Arc<Encoder>,
    opener: Opener,
    records: PhantomData<fn() -> T>,
}

impl<T: RootRecord> Files<T> {
    /// Prepares what is the same for each file.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a record that Parquet has no schema for.
    pub fn new(compression: Compression) -> Result<Self> {
        let description = T::description();
        Ok(Self {
            encoder: Arc::new(Encoder::new(description, compression)?),
            opener: Opener::new(ReadLayout::new(description, description)),
            records: PhantomData,
        })
    }

    /// The Parquet file that a write of these records would put, sorted by the record's key where it has one.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a value that does not fit its column, with row and column.
    pub fn encode(&self, records: &[T], inserted_at: DateTime<Utc>) -> Result<Bytes> {
        write::encode_here(records, inserted_at.timestamp_micros(), &self.encoder)
    }

    /// The records of one file as a snapshot read returns them: the latest of each entity where the record has a key.
    ///
    /// # Errors
    /// [`InvalidData`](crate::ErrorKind::InvalidData) for a file that does not decode, or does not fit the record.
    pub fn decode(&self, file: Bytes) -> Result<Vec<T>> {
        read::decode_here(file, &self.opener)
    }
}

impl<T> fmt::Debug for Files<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("record", &std::any::type_name::<T>()).finish_non_exhaustive()
    }
}

/// The records of one file, whatever wrote it, as `T`: as a snapshot read of a partition with this file alone.
///
/// # Errors
/// [`InvalidData`](crate::ErrorKind::InvalidData) for a file that does not decode, or does not fit the record.
pub fn read_file<T: Record>(file: Bytes) -> Result<Vec<T>> {
    read::decode_here(file, &Opener::new(ReadLayout::new(T::description(), T::Root::description())))
}
