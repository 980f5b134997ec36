//! A record type over a dataset.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use super::handle::Dataset;
use crate::codec::{Compression, Encoder};
use crate::error::{Error, Result};
use crate::record::{Record, RootRecord, View, ViewWriter};

/// A handle that reads and writes a dataset's records as values of `T`.
///
/// It writes if `T` is a record, and reads if `T` is a record or a projection of one. Making a handle costs nothing and
/// sends nothing. Clones share the encoders that were prepared for `T`.
pub struct Store<T> {
    dataset: Dataset,
    compression: Compression,
    encoders: Arc<Encoders>,
    /// Views that were added to this handle. The record's own views are not in here.
    views: Vec<ViewWriter<T>>,
    records: PhantomData<fn() -> T>,
}

/// One encoder for each compression, made on first use.
type Encoders = [OnceLock<Arc<Encoder>>; 4];

impl Dataset {
    /// Returns a handle that reads and writes the dataset's records as `T`. Sends nothing.
    #[must_use]
    pub fn store<T: Record>(&self) -> Store<T> {
        Store {
            dataset: self.clone(),
            compression: Compression::default(),
            encoders: Arc::default(),
            views: Vec::new(),
            records: PhantomData,
        }
    }
}

impl<T: Record> Store<T> {
    /// Sets the compression of the files that this handle writes. Default: snappy. Readers accept every compression.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Returns the dataset.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    pub(crate) fn default_compression(&self) -> Compression {
        self.compression
    }
}

impl<T: RootRecord> Store<T> {
    /// Adds a view that every write of this handle keeps up to date.
    ///
    /// Use it for a view of another crate, which the record can't name itself. Every writer of the record must add the
    /// view, or look-ups miss records. Prefer `#[record(views(…))]` if you can: it applies to all writers.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the record already has a view of that name.
    pub fn add_view<V: View<Record = T>>(mut self) -> Result<Self> {
        if self.views().iter().any(|view| view.name == V::NAME) {
            let record = &T::description().record;
            return Err(Error::invalid_input(format!("{record} already has a view {:?}", V::NAME)));
        }
        self.views.push(ViewWriter::of::<V>());
        Ok(self)
    }

    /// Returns the views that writes put markers for: the record's own, and those that were added.
    pub(crate) fn views(&self) -> Vec<ViewWriter<T>> {
        let mut views = T::views();
        views.extend(&self.views);
        views
    }

    /// Returns the encoder of this record type for a compression.
    pub(crate) fn encoder(&self, compression: Compression) -> Result<Arc<Encoder>> {
        let [snappy, zstd, gzip, uncompressed] = &*self.encoders;
        let slot = match compression {
            Compression::Snappy => snappy,
            Compression::Zstd => zstd,
            Compression::Gzip => gzip,
            Compression::Uncompressed => uncompressed,
        };
        if let Some(encoder) = slot.get() {
            return Ok(Arc::clone(encoder));
        }
        let encoder = Encoder::new(T::description(), compression)?;
        Ok(Arc::clone(slot.get_or_init(|| Arc::new(encoder))))
    }
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self {
            dataset: self.dataset.clone(),
            compression: self.compression,
            encoders: Arc::clone(&self.encoders),
            views: self.views.clone(),
            records: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("record", &std::any::type_name::<T>())
            .field("dataset", &self.dataset)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}
