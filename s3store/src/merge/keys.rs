//! Keys as bytes that compare like the columns they stand for.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::ArrowError;

use crate::codec::sort::unordered;
use crate::error::{Error, Result};
use crate::record::Key;

/// Encodes the keys of batches.
#[derive(Debug)]
pub(super) struct KeyEncoder {
    key: Key,
    /// Made for the types of the first batch.
    converters: Option<Converters>,
}

#[derive(Debug)]
struct Converters {
    whole: RowConverter,
    entity: Entity,
}

/// How an entity is told from the whole key, entity and version.
#[derive(Debug)]
enum Entity {
    /// The version is the last so many bytes.
    Before(usize),
    /// The version's length varies: entities are encoded apart.
    Apart(RowConverter),
}

/// The keys of a batch's rows.
#[derive(Debug)]
pub(super) struct Keys {
    whole: Rows,
    entity: Result<Rows, usize>,
}

impl KeyEncoder {
    pub(super) fn new(key: &Key) -> Self {
        Self { key: key.clone(), converters: None }
    }

    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<Keys> {
        let columns = columns(batch, &self.key)?;
        let converters = match &mut self.converters {
            Some(converters) => converters,
            none => none.insert(Converters::new(&columns).map_err(unordered)?),
        };
        let whole = converters.whole.convert_columns(&columns).map_err(unordered)?;
        let entity = match &converters.entity {
            Entity::Before(bytes) => Err(*bytes),
            Entity::Apart(converter) => {
                Ok(converter.convert_columns(&columns[..self.key.entity.len()]).map_err(unordered)?)
            }
        };
        Ok(Keys { whole, entity })
    }
}

impl Converters {
    fn new(columns: &[ArrayRef]) -> Result<Self, ArrowError> {
        let converter = |columns: &[ArrayRef]| {
            RowConverter::new(columns.iter().map(|column| SortField::new(column.data_type().clone())).collect())
        };
        let (entity, version) = columns.split_at(columns.len().saturating_sub(1));
        let fixed = version.iter().all(|version| version.data_type().primitive_width().is_some());
        let entity = if fixed {
            let sample: Vec<_> =
                version.iter().map(|version| arrow_array::new_null_array(version.data_type(), 1)).collect();
            Entity::Before(converter(version)?.convert_columns(&sample)?.row(0).data().len())
        } else {
            Entity::Apart(converter(entity)?)
        };
        Ok(Self { whole: converter(columns)?, entity })
    }
}

impl Keys {
    /// How the whole key of a row compares with another's.
    pub(super) fn cmp(&self, row: usize, other: &Self, other_row: usize) -> std::cmp::Ordering {
        self.whole.row(row).cmp(&other.whole.row(other_row))
    }

    pub(super) fn same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        self.whole.row(row) == other.whole.row(other_row)
    }

    pub(super) fn same_entity(&self, row: usize, other: &Self, other_row: usize) -> bool {
        match (&self.entity, &other.entity) {
            (Ok(entity), Ok(others)) => entity.row(row) == others.row(other_row),
            _ => self.entity_bytes(row) == other.entity_bytes(other_row),
        }
    }

    fn entity_bytes(&self, row: usize) -> &[u8] {
        let version = self.entity.as_ref().err().copied().unwrap_or(0);
        let bytes = self.whole.row(row).data();
        &bytes[..bytes.len().saturating_sub(version)]
    }
}

/// The columns of the key.
pub(super) fn columns(batch: &RecordBatch, key: &Key) -> Result<Vec<ArrayRef>> {
    let column = |index: usize| match batch.columns().get(index) {
        Some(column) if column.null_count() == 0 => Ok(column.clone()),
        Some(_) => Err(Error::invalid_data("a null in a key column")),
        None => Err(Error::invalid_data("a key column is missing")),
    };
    key.columns().map(column).collect()
}
