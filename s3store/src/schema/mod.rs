//! The schema of a dataset: its columns, keys, partitions and views as plain data.
//!
//! Every record type has a schema, [`Schema::of`]. A dataset keeps the schema that its writers registered under
//! `_config/schema/`, and [`Dataset::schema`](crate::Dataset::schema) returns it, so that a tool without the struct
//! can interpret the files.
//!
//! # How a dataset's schema grows
//! The first writer registers the schema of its record. A writer whose record adds to it registers the union: more
//! columns, wider types, new names, nulls, more values of an enum, more views. Nothing is removed, because older files
//! remain. A column that some writers do not write is marked [`may_be_missing`](SchemaColumn::may_be_missing).
//!
//! A record that can't share the dataset is refused. [`SchemaCheck`](crate::dataset::SchemaCheck) lists the reasons.

mod arrow;
mod compare;
mod describe;
mod json;
mod names;

use serde::{Deserialize, Serialize};

pub(crate) use self::compare::{Access, Comparison, Side};
use crate::record::{ColumnNode, Description, Record, RenderingForm, Shape, View};

/// The schema of a record or of a dataset.
///
/// With serde it is JSON of the form that a dataset stores.
///
/// # Example
/// ```
/// use s3store::Record;
/// use s3store::schema::{Schema, SchemaType};
///
/// #[derive(Record)]
/// #[record(partition_by(day))]
/// struct Cost {
///     day: String,
///     amount: Option<i64>,
/// }
///
/// let schema = Schema::of::<Cost>();
/// let amount = schema.column("amount").unwrap();
/// assert!(amount.data_type == SchemaType::Int64 && amount.nullable);
/// println!("{}", schema.to_json());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Schema {
    /// The name of the record that was registered last.
    pub record: String,
    /// The columns.
    pub columns: Vec<SchemaColumn>,
    /// The partition columns, in order.
    pub partition: Vec<SchemaPartition>,
    /// The names of the columns that identify an entity, in order. Empty without an entity key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entity: Vec<String>,
    /// The name of the column that orders the versions of an entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The name of the column that contains the insertion time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inserted_at: Option<String>,
    /// The name of the column that marks deleted entities: one that is true, or a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// The views that writers maintain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<SchemaView>,
}

/// A column of a file, or a part of a nested column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SchemaColumn {
    /// The name. The element of a list is called `element`, the value of a map `value`.
    pub name: String,
    /// The widest type that writers use.
    #[serde(rename = "type")]
    pub data_type: SchemaType,
    /// If true, the column may contain nulls.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nullable: bool,
    /// If true, some files may lack the column, because their writers have a record without it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub may_be_missing: bool,
    /// The names of the column in other files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The texts of all values that writers use, if the column is an enum. Empty for any values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The type of a column. As JSON, a type without parameters is a text such as `"int64"`.
///
/// The names differ from those of Rust's types, so that compiler messages can name these without a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SchemaType {
    /// A truth value.
    #[serde(rename = "bool")]
    Boolean,
    /// A signed integer of 8 bits.
    Int8,
    /// A signed integer of 16 bits.
    Int16,
    /// A signed integer of 32 bits.
    Int32,
    /// A signed integer of 64 bits.
    Int64,
    /// An unsigned integer of 8 bits.
    #[serde(rename = "uint8")]
    UInt8,
    /// An unsigned integer of 16 bits.
    #[serde(rename = "uint16")]
    UInt16,
    /// An unsigned integer of 32 bits.
    #[serde(rename = "uint32")]
    UInt32,
    /// An unsigned integer of 64 bits.
    #[serde(rename = "uint64")]
    UInt64,
    /// A floating-point number of 16 bits.
    Float16,
    /// A floating-point number of 32 bits.
    Float32,
    /// A floating-point number of 64 bits.
    Float64,
    /// Text in UTF-8.
    #[serde(rename = "text")]
    Utf8,
    /// Bytes.
    #[serde(rename = "bytes")]
    Binary,
    /// Bytes of a fixed length.
    #[serde(rename = "fixed_bytes")]
    FixedBinary(i32),
    /// A UUID.
    #[serde(rename = "uuid")]
    UuidBinary,
    /// A date.
    Date,
    /// A date and time.
    #[serde(rename = "timestamp")]
    PointInTime {
        /// The unit.
        unit: SchemaTimeUnit,
        /// If true, the time is an instant in UTC. Otherwise it has no time zone.
        utc: bool,
    },
    /// A time of day.
    #[serde(rename = "time")]
    TimeOfDay {
        /// The unit.
        unit: SchemaTimeUnit,
    },
    /// A decimal number.
    #[serde(rename = "decimal")]
    Decimal128 {
        /// The number of digits.
        precision: u8,
        /// The number of decimal places.
        scale: i8,
    },
    /// A list of elements.
    List(Box<SchemaColumn>),
    /// A map from text to values.
    Map(Box<SchemaColumn>),
    /// A struct of fields.
    Struct(Vec<SchemaColumn>),
}

/// The unit of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SchemaTimeUnit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Microseconds.
    #[serde(rename = "us")]
    Microseconds,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
}

/// A partition column: a part `name=value` of a partition's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SchemaPartition {
    /// The name in the key.
    pub name: String,
    /// The names of the columns that the value is made from.
    pub columns: Vec<String>,
    /// The form of the value.
    pub form: SchemaForm,
    /// If true, the value is the text of the column's stored value, so a condition on the column selects partitions.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stored: bool,
}

/// The form of a partition column's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SchemaForm {
    /// The value of the column, as its type renders it.
    Value,
    /// A date or time in this format of `strftime`.
    Format(String),
    /// An integer with leading zeros, of at least so many digits.
    Pad(usize),
    /// The result of a function in the writers' code.
    Function,
}

/// A view that writers maintain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SchemaView {
    /// The name in keys.
    pub name: String,
    /// The names of its columns in keys, in order.
    pub columns: Vec<String>,
}

impl Schema {
    /// Returns the schema of a record. That of a projection has the projection's columns, and everything else from its
    /// record, except the views.
    #[must_use]
    pub fn of<T: Record>() -> Self {
        Self::described(T::description(), T::Root::description(), Vec::new())
    }

    /// Returns the column of this name, or of this alias.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&SchemaColumn> {
        let exact = self.columns.iter().find(|column| column.name == name);
        exact.or_else(|| self.columns.iter().find(|column| column.aliases.iter().any(|alias| alias == name)))
    }

    /// Returns the schema of a record with these views. `root` is the record, if `record` is a projection.
    pub(crate) fn described(record: &Description, root: &Description, views: Vec<SchemaView>) -> Self {
        let name = |index: usize| root.columns.get(index).map(|column| column.name.clone().into_owned());
        let partition = root.partition.iter().zip(&root.rendering).map(|(name, rendering)| SchemaPartition {
            name: name.clone().into_owned(),
            columns: owned(&rendering.columns),
            form: match &rendering.form {
                RenderingForm::Value => SchemaForm::Value,
                RenderingForm::Format(format) => SchemaForm::Format(format.clone().into_owned()),
                RenderingForm::Pad(width) => SchemaForm::Pad(*width),
                RenderingForm::Function => SchemaForm::Function,
            },
            stored: rendering.is_stored,
        });
        Self {
            record: root.record.clone().into_owned(),
            columns: columns(&record.columns),
            partition: partition.collect(),
            entity: root.key.iter().flat_map(|key| &key.entity).filter_map(|&index| name(index)).collect(),
            version: root.key.as_ref().and_then(|key| name(key.version)),
            inserted_at: root.inserted_at.and_then(name),
            deleted: root.deleted.and_then(name),
            views,
        }
    }
}

impl SchemaView {
    pub(crate) fn of<V: View>() -> Self {
        Self::new(V::NAME, V::COLUMNS)
    }

    pub(crate) fn new(name: &str, columns: &[&str]) -> Self {
        Self { name: name.to_owned(), columns: owned(columns) }
    }
}

fn owned(texts: &[impl AsRef<str>]) -> Vec<String> {
    texts.iter().map(|text| text.as_ref().to_owned()).collect()
}

fn columns(nodes: &[ColumnNode]) -> Vec<SchemaColumn> {
    nodes.iter().filter_map(column).collect()
}

/// Returns the schema of a column, or `None` for a type that no record has.
fn column(node: &ColumnNode) -> Option<SchemaColumn> {
    let data_type = match &node.shape {
        Shape::Leaf(leaf) => SchemaType::of_arrow(leaf)?,
        Shape::Uuid => SchemaType::UuidBinary,
        Shape::List(element) => SchemaType::List(Box::new(column(element)?)),
        Shape::Map(value) => SchemaType::Map(Box::new(column(value)?)),
        Shape::Struct(fields) => SchemaType::Struct(columns(fields)),
    };
    Some(SchemaColumn {
        name: node.name.clone().into_owned(),
        data_type,
        nullable: node.nullable,
        may_be_missing: false,
        aliases: owned(&node.aliases),
        values: node.values.clone(),
    })
}
