//! The untyped description of a record, for the layers that don't know its Rust type.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use arrow_array::ArrayRef;
use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};

use super::{ColumnType, Predicate, ValueError};
use crate::error::Error;

/// The description of a record. It is not generic, so that typed rows, batches and tools share the code that uses it. It
/// owns what it needs, so that it can be made of a stored schema.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub struct Description {
    /// The struct's name, for error messages.
    pub record: Cow<'static, str>,
    /// The columns, in the struct's order. Skipped fields have no column.
    pub columns: Vec<ColumnNode>,
    /// The names of the partition columns, in order.
    pub partition: Names,
    /// How the values of the partition columns are made, in the same order.
    pub rendering: Vec<Rendering>,
    /// The columns that identify an entity and its version; `None` without an entity key. A projection has its root's key,
    /// as indices into the *root's* columns.
    pub key: Option<Key>,
    /// The index of the column for the insertion time.
    pub inserted_at: Option<usize>,
    /// The index of the column that marks deleted entities. A projection has its root's, as `key`.
    pub deleted: Option<usize>,
}

/// Some names of columns, in order. Clones are cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub struct Names(Arc<[Cow<'static, str>]>);

impl Names {
    /// Returns the names that a derive knows.
    #[must_use]
    pub fn of(names: &[&'static str]) -> Self {
        names.iter().copied().map(Cow::Borrowed).collect()
    }

    /// Returns the names as text.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.0.iter().map(AsRef::as_ref).collect()
    }
}

impl FromIterator<Cow<'static, str>> for Names {
    fn from_iter<I: IntoIterator<Item = Cow<'static, str>>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

impl Deref for Names {
    type Target = [Cow<'static, str>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// How the value of a partition column is made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub struct Rendering {
    /// The names of the columns that it is made from.
    pub columns: Names,
    /// The form of the value.
    pub form: RenderingForm,
    /// True if the value is the text of the column's stored value in the form of the crate, from which the stored value can
    /// be parsed. False if the text of a value is made by code of the user.
    pub is_stored: bool,
}

/// The form of a partition column's value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub enum RenderingForm {
    /// The value of the column, as its type renders it.
    Value,
    /// A date or time in this format.
    Format(Cow<'static, str>),
    /// An integer with leading zeros, of at least so many digits.
    Pad(usize),
    /// The result of a function.
    Function,
}

/// The columns that order and deduplicate records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub struct Key {
    /// The entity's columns, in declared order, as indices into the root's columns.
    pub entity: Vec<usize>,
    /// The index of the version's column.
    pub version: usize,
}

impl Key {
    /// Returns the sort order of a file: the entity's columns, then the version.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.entity.iter().copied().chain([self.version])
    }
}

/// A column, or a node below a column.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub struct ColumnNode {
    /// The column's name in a file. A list's element is called `element`; a map's parts are called `key` and `value`.
    pub name: Cow<'static, str>,
    /// The column's names in older files, tried in order if `name` is missing.
    pub aliases: Vec<Cow<'static, str>>,
    /// The shape of its values.
    pub shape: Shape,
    /// True if it may contain nulls.
    pub nullable: bool,
    /// The value of all rows if a file lacks this column, and of nulls if the column is not nullable. `None` unless the
    /// field has the attribute `default`.
    pub default: Option<DefaultValue>,
    /// The part that the column plays in its record.
    pub role: Role,
    /// If `true`, a list is written as a repeated column instead of a group with the logical type LIST.
    pub bare_list: bool,
    /// If `false`, files have no dictionary of the column's values.
    pub dictionary: bool,
    /// If `true`, files have a Bloom filter of the column's values.
    pub bloom: bool,
    /// The texts of all values that an enum has. Empty for types with any values.
    pub values: Vec<String>,
}

/// The value of a column in files that lack it: an array of one element, in the write type.
#[derive(Debug, Clone)]
pub enum DefaultValue {
    /// A function that makes the array.
    Made(fn() -> Result<ArrayRef, ValueError>),
    /// The array, which another process has made.
    Array(ArrayRef),
}

impl DefaultValue {
    /// Returns the array.
    ///
    /// # Errors
    /// The value does not fit the column.
    pub fn array(&self) -> Result<ArrayRef, ValueError> {
        match self {
            Self::Made(make) => make(),
            Self::Array(array) => Ok(Arc::clone(array)),
        }
    }
}

/// The part that a column plays in its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub enum Role {
    /// It is a value. A file may lack the column if it is nullable.
    Value,
    /// It identifies the entity.
    Entity,
    /// It orders the versions of an entity.
    Version,
    /// The partition is made from it.
    Partition,
}

impl Role {
    /// Returns what the column is, for messages. Returns `None` for a value.
    pub(crate) fn noun(self) -> Option<&'static str> {
        match self {
            Self::Value => None,
            Self::Entity => Some("part of the entity"),
            Self::Version => Some("the version"),
            Self::Partition => Some("part of the partition"),
        }
    }
}

/// The shape of a node.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "ballista", derive(serde::Serialize, serde::Deserialize))]
pub enum Shape {
    /// A single value. Strings are `Utf8` and bytes are `Binary` here; reads use their view types.
    Leaf(DataType),
    /// A UUID: 16 bytes, marked as a UUID in the file.
    Uuid,
    /// A list of the given element.
    List(Box<ColumnNode>),
    /// A map from strings to the given value.
    Map(Box<ColumnNode>),
    /// A struct of the given fields.
    Struct(Vec<ColumnNode>),
}

impl PartialEq for ColumnNode {
    fn eq(&self, other: &Self) -> bool {
        let (default, other_default) = (self.default.is_some(), other.default.is_some());
        (&self.name, &self.aliases, &self.shape, self.nullable, default, self.role, self.bare_list)
            == (&other.name, &other.aliases, &other.shape, other.nullable, other_default, other.role, other.bare_list)
    }
}

impl ColumnNode {
    /// Returns a column of values of this shape. It is not null, has one name and plays no part.
    pub(crate) fn plain(name: impl Into<Cow<'static, str>>, shape: Shape) -> Self {
        Self {
            name: name.into(),
            aliases: Vec::new(),
            shape,
            nullable: false,
            default: None,
            role: Role::Value,
            bare_list: false,
            dictionary: true,
            bloom: false,
            values: Vec::new(),
        }
    }

    /// Returns the column's name and its aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.aliases).map(AsRef::as_ref)
    }

    /// Returns a column of type `T` with the encoding `E`. The caller sets aliases and default.
    #[must_use]
    pub fn of<T: ColumnType<E>, E>(name: &'static str) -> Self {
        Self { nullable: T::NULLABLE, values: T::values(), ..Self::plain(name, T::shape()) }
    }

    /// Writes the list as a repeated column.
    #[must_use]
    pub fn with_bare_list(self) -> Self {
        Self { bare_list: true, ..self }
    }

    /// Writes the values without a dictionary.
    #[must_use]
    pub fn without_dictionary(self) -> Self {
        Self { dictionary: false, ..self }
    }

    /// Writes a Bloom filter of the values.
    #[must_use]
    pub fn with_bloom_filter(self) -> Self {
        Self { bloom: true, ..self }
    }

    /// Returns whether files have a dictionary for the leaf at this path below the column.
    pub(crate) fn has_dictionary(&self, path: &[String]) -> bool {
        let below = |count: usize| path.get(count..).unwrap_or_default();
        self.dictionary
            && match &self.shape {
                Shape::Leaf(_) | Shape::Uuid => true,
                // `list.element`, unless the column itself is repeated.
                Shape::List(element) => element.has_dictionary(below(if self.bare_list { 0 } else { 2 })),
                // `key_value.key` or `key_value.value`.
                Shape::Map(value) => {
                    path.get(1).is_none_or(|part| **part != *value.name) || value.has_dictionary(below(2))
                }
                Shape::Struct(fields) => {
                    let field = path.first().and_then(|name| fields.iter().find(|field| *field.name == **name));
                    field.is_none_or(|field| field.has_dictionary(below(1)))
                }
            }
    }

    /// Sets the part that the column plays in its record.
    #[must_use]
    pub fn with_role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// Returns the type of arrays that are written.
    #[must_use]
    pub fn write_type(&self) -> DataType {
        self.data_type(&|leaf| leaf.clone(), Self::write_field)
    }

    /// Returns the type of arrays that are read: strings and bytes are views.
    ///
    /// The arrays of timestamps and times of day may instead keep the file's unit if it is finer; readers accept any unit.
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

    /// Returns the Arrow field for writing.
    pub(crate) fn write_field(&self) -> FieldRef {
        self.field(self.write_type())
    }

    /// Returns the Arrow field for reading.
    pub(crate) fn read_field(&self) -> FieldRef {
        self.field(self.read_type())
    }

    /// Returns the Arrow field with another data type, for arrays that are not yet cast to the read type.
    pub(crate) fn field(&self, data_type: DataType) -> FieldRef {
        let mut field = Field::new(self.name.as_ref(), data_type, self.nullable);
        if self.shape == Shape::Uuid {
            // The Parquet writer derives the logical type UUID from Arrow's canonical extension type.
            field.set_metadata([(EXTENSION_TYPE_NAME_KEY.to_owned(), "arrow.uuid".to_owned())].into());
        }
        Arc::new(field)
    }
}

/// Returns the fields of a map's entries.
pub(crate) fn entry_fields(key: DataType, value: FieldRef) -> Fields {
    Fields::from(vec![Arc::new(Field::new("key", key, false)), value])
}

/// Returns the field of a map's entries, with the names that other libraries expect.
pub(crate) fn entries_field(fields: Fields) -> FieldRef {
    Arc::new(Field::new("key_value", DataType::Struct(fields), false))
}

impl Description {
    /// Returns the description of a record without partition columns.
    #[cfg(test)]
    pub(crate) fn plain(record: impl Into<Cow<'static, str>>, columns: Vec<ColumnNode>, key: Option<Key>) -> Self {
        Self {
            record: record.into(),
            columns,
            partition: Names::of(&[]),
            rendering: Vec::new(),
            key,
            inserted_at: None,
            deleted: None,
        }
    }

    /// Returns a projection of this record, with its columns in the order of `names`.
    #[must_use]
    pub fn projection(&self, record: impl Into<Cow<'static, str>>, names: &[&str]) -> Self {
        let columns: Vec<ColumnNode> =
            names.iter().filter_map(|name| self.columns.iter().find(|column| column.name == *name)).cloned().collect();
        let inserted_at = self.inserted_at.and_then(|index| self.columns.get(index));
        let inserted_at = inserted_at.and_then(|wanted| columns.iter().position(|column| column.name == wanted.name));
        Self { record: record.into(), columns, inserted_at, ..self.clone() }
    }

    /// Returns the schema for writing.
    pub(crate) fn write_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(ColumnNode::write_field).collect::<Fields>()))
    }
}

/// The columns to read from a file for a record: its own columns, then those that a projection leaves out, but the read
/// needs to deduplicate or to filter.
#[derive(Debug, Clone)]
pub(crate) struct ReadLayout {
    /// The columns to read, in order.
    pub(crate) columns: Vec<ColumnNode>,
    /// The number of the record's own columns. The columns after them are used only for deduplication and filters.
    pub(crate) own: usize,
    /// The key, as indices into `columns`.
    pub(crate) key: Option<Key>,
    /// The column that marks deleted entities, as an index into `columns`.
    pub(crate) deleted: Option<usize>,
    /// The rows that are read.
    pub(crate) filter: RowFilter,
    /// The units of the times in the record's own columns. Those of the columns after them are the finest.
    units: TimeUnits,
    /// The schema of the record's own columns, once it was asked for.
    own_schema: OnceLock<SchemaRef>,
}

/// The rows that a read keeps, by conditions on the columns of its layout.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowFilter {
    /// The condition on the rows of a file before it is merged with others. It also excludes row groups.
    pub(crate) below: Option<Arc<Predicate>>,
    /// The condition on the rows that remain after superseded rows were dropped.
    pub(crate) above: Option<Arc<Predicate>>,
}

impl RowFilter {
    /// Returns whether all rows are kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.below.is_none() && self.above.is_none()
    }
}

/// The unit of times that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeUnits {
    /// The column's, or the file's if that is finer.
    Finest,
    /// The column's. A time that is not exact in it is an error.
    Declared,
}

/// Returns how many of a unit are in a second.
pub(crate) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

impl TimeUnits {
    /// Returns the unit to read times in.
    pub(crate) fn unit(self, file: TimeUnit, column: TimeUnit) -> TimeUnit {
        match self {
            Self::Finest => file.max(column),
            Self::Declared => column,
        }
    }
}

impl ReadLayout {
    /// Returns a layout with these columns and no key.
    pub(crate) fn unordered(columns: Vec<ColumnNode>) -> Self {
        let own = columns.len();
        Self {
            columns,
            own,
            key: None,
            deleted: None,
            filter: RowFilter::default(),
            units: TimeUnits::Finest,
            own_schema: OnceLock::new(),
        }
    }

    /// Returns the layout for reading `record`, which is `root` or a projection of it.
    pub(crate) fn new(record: &Description, root: &Description) -> Self {
        let mut columns = record.columns.clone();
        let own = columns.len();
        let mut position = |index: usize| {
            let wanted = &root.columns[index];
            columns.iter().position(|column| column.name == wanted.name).unwrap_or_else(|| {
                columns.push(wanted.clone());
                columns.len() - 1
            })
        };
        let key = root.key.as_ref().map(|key| Key {
            entity: key.entity.iter().map(|&index| position(index)).collect(),
            version: position(key.version),
        });
        let deleted = root.deleted.map(position);
        Self {
            columns,
            own,
            key,
            deleted,
            filter: RowFilter::default(),
            units: TimeUnits::Finest,
            own_schema: OnceLock::new(),
        }
    }

    /// Adds the columns that a predicate tests and the layout lacks. Returns the layout, and the predicate on its columns.
    /// The predicate's columns are those of `root`.
    pub(crate) fn with_predicate(
        mut self,
        root: &Description,
        predicate: Predicate,
    ) -> Result<(Self, Predicate), Error> {
        let predicate = predicate.map_columns(&mut |index| {
            let wanted =
                root.columns.get(index).ok_or_else(|| Error::internal("the record lacks a filter's column"))?;
            let known = self.columns.iter().position(|column| column.name == wanted.name);
            Ok(known.unwrap_or_else(|| {
                self.columns.push(wanted.clone());
                self.columns.len() - 1
            }))
        });
        predicate.map(|predicate| (self, predicate))
    }

    /// Sets which rows are kept. The conditions are on the columns of the layout.
    pub(crate) fn with_filter(self, filter: RowFilter) -> Self {
        Self { filter, ..self }
    }

    /// Reads the times in the record's own columns in their declared units, so that all files give columns of one type.
    #[cfg_attr(not(any(test, feature = "arrow")), expect(dead_code, reason = "used by batches"))]
    pub(crate) fn in_declared_units(self) -> Self {
        Self { units: TimeUnits::Declared, ..self }
    }

    /// Returns the units to read the times of a column in.
    pub(crate) fn units(&self, column: usize) -> TimeUnits {
        if column < self.own { self.units } else { TimeUnits::Finest }
    }

    /// Returns the schema of the record's own columns, if they are read in their declared units.
    #[cfg_attr(not(any(test, feature = "arrow")), expect(dead_code, reason = "used by batches"))]
    pub(crate) fn own_schema(&self) -> &SchemaRef {
        let own = || self.columns.iter().take(self.own).map(ColumnNode::read_field).collect::<Fields>();
        self.own_schema.get_or_init(|| Arc::new(Schema::new(own())))
    }

    /// Returns the schema of the batches that are read.
    #[cfg(test)]
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(ColumnNode::read_field).collect::<Fields>()))
    }
}
