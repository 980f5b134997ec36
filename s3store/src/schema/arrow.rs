//! Types of columns from Arrow types, and which of them can be read as which.

use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};

use super::{SchemaColumn, SchemaTimeUnit, SchemaType};
use crate::codec;

impl SchemaType {
    /// Returns the type of an Arrow array, or `None` if no column of a record has such a type.
    pub(super) fn of_arrow(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Int8,
            DataType::Int16 => Self::Int16,
            DataType::Int32 => Self::Int32,
            DataType::Int64 => Self::Int64,
            DataType::UInt8 => Self::UInt8,
            DataType::UInt16 => Self::UInt16,
            DataType::UInt32 => Self::UInt32,
            DataType::UInt64 => Self::UInt64,
            DataType::Float16 => Self::Float16,
            DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::Utf8 | DataType::Utf8View => Self::Utf8,
            DataType::Binary | DataType::BinaryView => Self::Binary,
            DataType::FixedSizeBinary(length) => Self::FixedBinary(*length),
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(unit, zone) => Self::PointInTime { unit: time_unit(*unit), utc: zone.is_some() },
            DataType::Time32(unit) | DataType::Time64(unit) => Self::TimeOfDay { unit: time_unit(*unit) },
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                Self::Decimal128 { precision: *precision, scale: *scale }
            }
            DataType::List(element) => Self::List(Box::new(field(element)?)),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) => Self::Map(Box::new(field(pair.get(1)?)?)),
                _ => return None,
            },
            DataType::Struct(fields) => Self::Struct(fields.iter().filter_map(|one| field(one)).collect()),
            _ => return None,
        })
    }

    /// Returns the Arrow type of a type that is not nested.
    pub(super) fn to_arrow(&self) -> Option<DataType> {
        Some(match *self {
            Self::Boolean => DataType::Boolean,
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::UInt8 => DataType::UInt8,
            Self::UInt16 => DataType::UInt16,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 => DataType::UInt64,
            Self::Float16 => DataType::Float16,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Utf8 => DataType::Utf8View,
            Self::Binary => DataType::BinaryView,
            Self::FixedBinary(length) => DataType::FixedSizeBinary(length),
            Self::UuidBinary => DataType::FixedSizeBinary(16),
            Self::Date => DataType::Date32,
            Self::PointInTime { unit, utc } => DataType::Timestamp(unit.to_arrow(), utc.then(|| "UTC".into())),
            Self::TimeOfDay { unit: unit @ (SchemaTimeUnit::Seconds | SchemaTimeUnit::Milliseconds) } => {
                DataType::Time32(unit.to_arrow())
            }
            Self::TimeOfDay { unit } => DataType::Time64(unit.to_arrow()),
            Self::Decimal128 { precision, scale } => DataType::Decimal128(precision, scale),
            Self::List(_) | Self::Map(_) | Self::Struct(_) => return None,
        })
    }

    /// Returns whether a column of this type can be read from files that have it in the type `file`.
    ///
    /// The answer is the one that a read gives when it opens a file. Single values may still not fit.
    pub(crate) fn reads(&self, file: &Self) -> bool {
        match (file.to_arrow(), self.to_arrow()) {
            (Some(file), Some(wanted)) => codec::is_convertible(&file, &wanted),
            (None, None) => match (file, self) {
                (Self::List(file), Self::List(wanted)) | (Self::Map(file), Self::Map(wanted)) => {
                    wanted.data_type.reads(&file.data_type)
                }
                // The fields are compared one by one.
                (Self::Struct(_), Self::Struct(_)) => true,
                _ => false,
            },
            _ => false,
        }
    }
}

fn field(field: &Field) -> Option<SchemaColumn> {
    Some(SchemaColumn {
        name: field.name().clone(),
        data_type: SchemaType::of_arrow(field.data_type())?,
        nullable: field.is_nullable(),
        may_be_missing: false,
        aliases: Vec::new(),
        values: Vec::new(),
    })
}

fn time_unit(unit: TimeUnit) -> SchemaTimeUnit {
    match unit {
        TimeUnit::Second => SchemaTimeUnit::Seconds,
        TimeUnit::Millisecond => SchemaTimeUnit::Milliseconds,
        TimeUnit::Microsecond => SchemaTimeUnit::Microseconds,
        TimeUnit::Nanosecond => SchemaTimeUnit::Nanoseconds,
    }
}

impl SchemaTimeUnit {
    fn to_arrow(self) -> TimeUnit {
        match self {
            Self::Seconds => TimeUnit::Second,
            Self::Milliseconds => TimeUnit::Millisecond,
            Self::Microseconds => TimeUnit::Microsecond,
            Self::Nanoseconds => TimeUnit::Nanosecond,
        }
    }
}

impl SchemaColumn {
    /// Returns the columns of a file. Those of types that no record has are left out.
    pub(crate) fn of_arrow(schema: &SchemaRef) -> Vec<Self> {
        schema.fields().iter().filter_map(|one| field(one)).collect()
    }
}
