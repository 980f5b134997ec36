//! Keys encoded as bytes that compare as the key columns do.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::ArrowError;

use super::time_units::comparable;
use crate::codec::neighbours::incomparable;
use crate::error::{Error, Result};
use crate::record::Key;

/// Encodes the keys of batches whose schemas differ in units of time only.
#[derive(Debug)]
pub(super) struct KeyEncoder {
    key: Key,
    /// If `true`, times are encoded by their instants, because the batches differ in the units of key columns.
    by_instant: bool,
    /// Created for the column types of the first batch.
    converters: Option<Converters>,
}

#[derive(Debug)]
struct Converters {
    key: RowConverter,
    entity: EntityConverter,
}

/// How to find the entity in an encoded key, which is the entity followed by the version.
#[derive(Debug)]
enum EntityConverter {
    /// The version has a fixed length, so the entity is the key without its last `version_bytes` bytes.
    Prefix { version_bytes: usize },
    /// The version's length varies, so entities are also encoded separately.
    Separate(RowConverter),
}

/// The encoded keys of a batch's rows.
#[derive(Debug)]
pub(super) struct EncodedKeys {
    keys: Rows,
    entities: Entities,
}

#[derive(Debug)]
enum Entities {
    Prefix { version_bytes: usize },
    Separate(Rows),
}

impl KeyEncoder {
    /// `by_instant` must be true if the batches differ in the unit of a key column.
    pub(super) fn new(key: &Key, by_instant: bool) -> Self {
        Self { key: key.clone(), by_instant, converters: None }
    }

    /// Encodes the keys of a batch.
    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<EncodedKeys> {
        let (mut columns, mut entity) = (key_columns(batch, &self.key)?, self.key.entity.len());
        if self.by_instant {
            let version = comparable(columns.split_off(entity)).map_err(incomparable)?;
            columns = comparable(columns).map_err(incomparable)?;
            entity = columns.len();
            columns.extend(version);
        }
        let converters = match &mut self.converters {
            Some(converters) => converters,
            none => none.insert(Converters::new(&columns, entity).map_err(incomparable)?),
        };
        let keys = converters.key.convert_columns(&columns).map_err(incomparable)?;
        let entities = match &converters.entity {
            EntityConverter::Prefix { version_bytes } => Entities::Prefix { version_bytes: *version_bytes },
            EntityConverter::Separate(converter) => {
                Entities::Separate(converter.convert_columns(&columns[..entity]).map_err(incomparable)?)
            }
        };
        Ok(EncodedKeys { keys, entities })
    }
}

impl Converters {
    fn new(columns: &[ArrayRef], entity: usize) -> Result<Self, ArrowError> {
        let converter = |columns: &[ArrayRef]| {
            RowConverter::new(columns.iter().map(|column| SortField::new(column.data_type().clone())).collect())
        };
        let (entity, version) = columns.split_at(entity);
        let fixed = version.iter().all(|version| version.data_type().primitive_width().is_some());
        let entity = if fixed {
            let sample: Vec<_> =
                version.iter().map(|version| arrow_array::new_null_array(version.data_type(), 1)).collect();
            let version_bytes = converter(version)?.convert_columns(&sample)?.row(0).data().len();
            EntityConverter::Prefix { version_bytes }
        } else {
            EntityConverter::Separate(converter(entity)?)
        };
        Ok(Self { key: converter(columns)?, entity })
    }
}

impl EncodedKeys {
    /// Compares the key of a row with that of another row.
    pub(super) fn cmp(&self, row: usize, other: &Self, other_row: usize) -> std::cmp::Ordering {
        self.keys.row(row).cmp(&other.keys.row(other_row))
    }

    /// Returns whether two rows have the same entity and version.
    pub(super) fn same_key(&self, row: usize, other: &Self, other_row: usize) -> bool {
        self.keys.row(row) == other.keys.row(other_row)
    }

    /// Returns whether two rows have the same entity.
    pub(super) fn same_entity(&self, row: usize, other: &Self, other_row: usize) -> bool {
        match (&self.entities, &other.entities) {
            (Entities::Separate(entities), Entities::Separate(others)) => entities.row(row) == others.row(other_row),
            _ => self.entity_prefix(row) == other.entity_prefix(other_row),
        }
    }

    fn entity_prefix(&self, row: usize) -> &[u8] {
        let version_bytes = match &self.entities {
            Entities::Prefix { version_bytes } => *version_bytes,
            Entities::Separate(_) => 0,
        };
        let key = self.keys.row(row).data();
        &key[..key.len().saturating_sub(version_bytes)]
    }
}

/// Returns the key columns of a batch, entity first. They must not contain nulls.
pub(super) fn key_columns(batch: &RecordBatch, key: &Key) -> Result<Vec<ArrayRef>> {
    let column = |index: usize| match batch.columns().get(index) {
        Some(column) if column.null_count() == 0 => Ok(column.clone()),
        Some(_) => Err(Error::invalid_data("a key column contains a null")),
        None => Err(Error::invalid_data("a key column is missing")),
    };
    key.columns().map(column).collect()
}
