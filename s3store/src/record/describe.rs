//! The plain description of a record: all that the layers below the types need.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

use super::{ColumnType, ValueError};

/// A record, described: compiled once, the same for typed rows, batches and tools without a type.
#[derive(Debug)]
pub struct Description {
    /// The struct's name, for messages.
    pub record: &'static str,
    /// The columns, in the struct's order. SkippedDefault fields have none.
    pub columns: Vec<ColumnNode>,
    /// The names of the partition's parts, in order.
    pub partition: &'static [&'static str],
    /// Which columns identify an entity and its version; `None` without an entity key. A projection has its root's
    /// here, by index into the *root's* columns.
    pub key: Option<Key>,
    /// The index of the insertion time's column.
    pub inserted_at: Option<usize>,
}

/// The columns that order and deduplicate records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The entity's columns, in declared order: indices into the root's columns.
    pub entity: Vec<usize>,
    /// The version's column.
    pub version: usize,
}

impl Key {
    /// The sort order of a file: the entity's columns, then the version.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.entity.iter().copied().chain([self.version])
    }
}

/// One column, or one node below a column.
#[derive(Debug, Clone)]
pub struct ColumnNode {
    /// The column's name in a file. Below a list it is `element`, in a map `key` and `value`.
    pub name: &'static str,
    /// Names that older files may have for it, tried in order when `name` is missing.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub shape: Shape,
    /// Whether it may hold nulls.
    pub nullable: bool,
    /// Makes an array of one element, in the write type: what a file without this column yields in every row.
    /// `None` below lists and maps, where nothing can be missing.
    pub default: Option<fn() -> Result<ArrayRef, ValueError>>,
    /// Whether nulls of a column that is not nullable become the default; otherwise they are an error.
    pub default_for_nulls: bool,
}

/// The shape of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A single value. Strings are `Utf8` and bytes `Binary` here; the read types are their views.
    Leaf(DataType),
    /// A UUID: 16 fixed bytes, marked as a UUID in the file.
    Uuid,
    /// A list, with its element.
    List(Box<ColumnNode>),
    /// A map with string keys, with its value.
    Map(Box<ColumnNode>),
    /// A struct, with its fields.
    Struct(Vec<ColumnNode>),
}

impl PartialEq for ColumnNode {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.aliases, &self.shape, self.nullable, self.default_for_nulls)
            == (other.name, other.aliases, &other.shape, other.nullable, other.default_for_nulls)
    }
}

impl ColumnNode {
    /// A column of the type `T` under the encoding `E`: without aliases and default, which are then set.
    #[must_use]
    pub fn of<T: ColumnType<E>, E>(name: &'static str) -> Self {
        Self { name, aliases: &[], shape: T::shape(), nullable: T::NULLABLE, default: None, default_for_nulls: false }
    }

    /// The type that arrays have on their way into a file.
    #[must_use]
    pub fn write_type(&self) -> DataType {
        self.data_type(&|leaf| leaf.clone(), Self::write_field)
    }

    /// The type that arrays have on their way out of a file: strings and bytes as views.
    ///
    /// A timestamp or time of day may also keep the file's unit where that is finer; readers take any.
    #[must_use]
    pub fn read_type(&self) -> DataType {
        self.data_type(
            &|leaf| match leaf {
                DataType::Utf8 => DataType::Utf8View,
                DataType::Binary => DataType::BinaryView,
                other => other.clone(),
            },
            Self::read_field,
        )
    }

    fn data_type(&self, leaf: &dyn Fn(&DataType) -> DataType, field: fn(&Self) -> FieldRef) -> DataType {
        match &self.shape {
            Shape::Leaf(data_type) => leaf(data_type),
            Shape::Uuid => DataType::FixedSizeBinary(16),
            Shape::List(element) => DataType::List(field(element)),
            Shape::Map(value) => DataType::Map(entries_field(entry_fields(leaf(&DataType::Utf8), field(value))), false),
            Shape::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        }
    }

    /// The field of what is written.
    pub(crate) fn write_field(&self) -> FieldRef {
        self.field(self.write_type())
    }

    /// The field of what is read.
    pub(crate) fn read_field(&self) -> FieldRef {
        self.field(self.read_type())
    }

    /// The field of this column, with another type of data: one that is on its way to the read type.
    pub(crate) fn field(&self, data_type: DataType) -> FieldRef {
        let mut field = Field::new(self.name, data_type, self.nullable);
        if self.shape == Shape::Uuid {
            // Parquet's logical type UUID follows from Arrow's canonical extension type.
            field.set_metadata([(EXTENSION_TYPE_NAME_KEY.to_owned(), "arrow.uuid".to_owned())].into());
        }
        Arc::new(field)
    }
}

/// The fields of a map's entries.
pub(crate) fn entry_fields(key: DataType, value: FieldRef) -> Fields {
    Fields::from(vec![Arc::new(Field::new("key", key, false)), value])
}

/// The field of a map's entries, with the names that other libraries look for.
pub(crate) fn entries_field(fields: Fields) -> FieldRef {
    Arc::new(Field::new("key_value", DataType::Struct(fields), false))
}

impl Description {
    /// A projection of this record, its columns in the order of `names`.
    #[must_use]
    pub fn projection(&self, record: &'static str, names: &[&str]) -> Self {
        let columns: Vec<ColumnNode> =
            names.iter().filter_map(|name| self.columns.iter().find(|column| column.name == *name)).cloned().collect();
        let inserted_at = self.inserted_at.and_then(|index| self.columns.get(index));
        let inserted_at = inserted_at.and_then(|wanted| columns.iter().position(|column| column.name == wanted.name));
        Self { record, columns, partition: self.partition, key: self.key.clone(), inserted_at }
    }

    /// The schema of what is written.
    pub(crate) fn write_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(ColumnNode::write_field).collect::<Fields>()))
    }
}

/// What is read of a file for a record: its columns, then those key columns that it leaves out.
#[derive(Debug)]
pub(crate) struct ReadLayout {
    /// The columns to read, in order.
    pub(crate) columns: Vec<ColumnNode>,
    /// How many of them are the record's own; the rest serve deduplication alone.
    #[cfg_attr(not(any(test, feature = "arrow")), expect(dead_code, reason = "for batches, which leave out the rest"))]
    pub(crate) own: usize,
    /// The key, by index into `columns`.
    pub(crate) key: Option<Key>,
}

impl ReadLayout {
    /// For reading these columns alone, in no order.
    pub(crate) fn unordered(columns: Vec<ColumnNode>) -> Self {
        Self { own: columns.len(), columns, key: None }
    }

    /// The layout for reading `record`, a projection of `root` (or `root` itself).
    pub(crate) fn new(record: &Description, root: &Description) -> Self {
        let mut columns = record.columns.clone();
        let own = columns.len();
        let key = root.key.as_ref().map(|key| {
            let mut place = |index: usize| {
                let wanted = &root.columns[index];
                columns.iter().position(|column| column.name == wanted.name).unwrap_or_else(|| {
                    columns.push(wanted.clone());
                    columns.len() - 1
                })
            };
            Key { entity: key.entity.iter().map(|&index| place(index)).collect(), version: place(key.version) }
        });
        Self { columns, own, key }
    }

    /// The schema of the batches that are read.
    #[cfg(test)]
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(ColumnNode::read_field).collect::<Fields>()))
    }
}
