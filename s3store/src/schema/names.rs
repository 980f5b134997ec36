//! Types as they appear in messages.

use std::fmt;

use super::{SchemaForm, SchemaPartition, SchemaTimeUnit, SchemaType};

impl fmt::Display for SchemaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Boolean => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::UInt8 => "uint8",
            Self::UInt16 => "uint16",
            Self::UInt32 => "uint32",
            Self::UInt64 => "uint64",
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Utf8 => "text",
            Self::Binary => "bytes",
            Self::UuidBinary => "uuid",
            Self::Date => "date",
            Self::FixedBinary(length) => return write!(f, "bytes({length})"),
            Self::PointInTime { unit, utc: true } => return write!(f, "timestamp({unit}, utc)"),
            Self::PointInTime { unit, utc: false } => return write!(f, "timestamp({unit})"),
            Self::TimeOfDay { unit } => return write!(f, "time({unit})"),
            Self::Decimal128 { precision, scale } => return write!(f, "decimal({precision}, {scale})"),
            Self::List(element) => return write!(f, "list of {}", element.data_type),
            Self::Map(value) => return write!(f, "map to {}", value.data_type),
            Self::Struct(_) => "struct",
        };
        f.write_str(name)
    }
}

impl fmt::Display for SchemaTimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        })
    }
}

impl fmt::Display for SchemaPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns.join(", ");
        match &self.form {
            SchemaForm::Value => write!(f, "the value of {columns}"),
            SchemaForm::Format(format) => write!(f, "{columns} in the format {format:?}"),
            SchemaForm::Pad(width) => write!(f, "{columns} with at least {width} digits"),
            SchemaForm::Function => write!(f, "a function"),
        }
    }
}
