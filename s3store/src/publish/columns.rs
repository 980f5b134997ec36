//! The Delta schema of a dataset's columns, and what it leaves out.

use std::fmt;

use serde_json::{Value, json};

use crate::schema::{SchemaColumn, SchemaTimeUnit, SchemaType};

/// The columns of a published table.
#[derive(Debug, PartialEq)]
pub(super) struct Columns {
    /// The schema as JSON.
    pub(super) schema: Value,
    /// The columns and nested fields that are left out.
    pub(super) left_out: Vec<LeftOut>,
}

/// A column or nested field that a published table lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The names from the column down to the field, joined by dots.
    pub path: String,
    /// Why the table lacks it.
    pub reason: &'static str,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl Columns {
    /// Maps columns to the types that all readers understand, but those that the caller leaves out. All of them are nullable.
    pub(super) fn new(columns: &[SchemaColumn], unwanted: &[String]) -> Self {
        let mut mapped = Self { schema: Value::Null, left_out: Vec::new() };
        let (unwanted, wanted): (Vec<_>, Vec<_>) =
            columns.iter().cloned().partition(|column| unwanted.contains(&column.name));
        for column in unwanted {
            mapped.leave_out(column.name, "the caller leaves it out");
        }
        mapped.schema = mapped.fields("", &wanted);
        mapped
    }

    /// Returns the names of the columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let fields = self.schema.get("fields").and_then(Value::as_array).into_iter().flatten();
        fields.filter_map(|field| field.get("name")?.as_str())
    }

    fn fields(&mut self, parent: &str, columns: &[SchemaColumn]) -> Value {
        let (mut names, mut fields) = (Vec::new(), Vec::new());
        for column in columns {
            let path = format!("{parent}{}", column.name);
            let name = column.name.to_lowercase();
            if names.contains(&name) {
                self.leave_out(path, "readers do not tell it from a column whose name differs only in case");
            } else if let Some(data_type) = self.column(path, column) {
                names.push(name);
                fields.push(json!({"name": column.name, "type": data_type, "nullable": true, "metadata": {}}));
            }
        }
        json!({"type": "struct", "fields": fields})
    }

    fn column(&mut self, path: String, column: &SchemaColumn) -> Option<Value> {
        if !column.aliases.is_empty() {
            return self.leave_out(path, "it has other names in some files, whose values would read as nulls");
        }
        let name = match &column.data_type {
            SchemaType::Boolean => "boolean".to_owned(),
            SchemaType::Int8 => "byte".to_owned(),
            SchemaType::Int16 | SchemaType::UInt8 => "short".to_owned(),
            SchemaType::Int32 | SchemaType::UInt16 => "integer".to_owned(),
            SchemaType::Int64 | SchemaType::UInt32 => "long".to_owned(),
            SchemaType::UInt64 => "decimal(20,0)".to_owned(),
            SchemaType::Float32 => "float".to_owned(),
            SchemaType::Float64 => "double".to_owned(),
            SchemaType::Utf8 => "string".to_owned(),
            SchemaType::Binary | SchemaType::FixedBinary(_) | SchemaType::UuidBinary => "binary".to_owned(),
            SchemaType::Date => "date".to_owned(),
            SchemaType::PointInTime { unit: SchemaTimeUnit::Milliseconds | SchemaTimeUnit::Microseconds, utc } => {
                if *utc { "timestamp" } else { "timestamp_ntz" }.to_owned()
            }
            SchemaType::Decimal128 { precision: precision @ 1..=38, scale }
                if u8::try_from(*scale).is_ok_and(|scale| scale <= *precision) =>
            {
                format!("decimal({precision},{scale})")
            }
            SchemaType::List(element) => {
                let element = self.column(format!("{path}.element"), element)?;
                return Some(json!({"type": "array", "elementType": element, "containsNull": true}));
            }
            SchemaType::Map(value) => {
                let value = self.column(format!("{path}.value"), value)?;
                let map = json!({"type": "map", "keyType": "string", "valueType": value, "valueContainsNull": true});
                return Some(map);
            }
            SchemaType::Struct(fields) => {
                let fields = self.fields(&format!("{path}."), fields);
                let is_empty = fields["fields"].as_array().is_none_or(Vec::is_empty);
                return if is_empty { self.leave_out(path, "it has no field that is published") } else { Some(fields) };
            }
            SchemaType::Float16 => return self.leave_out(path, "Delta has no floats of 16 bits"),
            SchemaType::PointInTime { .. } => {
                return self
                    .leave_out(path, "readers fail on times that are not in milli- or microseconds, or cut them");
            }
            SchemaType::TimeOfDay { .. } => {
                return self.leave_out(path, "Delta has no times of day, and a reader would return other values");
            }
            SchemaType::Decimal128 { .. } => {
                return self.leave_out(path, "Delta has no decimals of this precision and scale");
            }
        };
        Some(Value::String(name))
    }

    fn leave_out(&mut self, path: String, reason: &'static str) -> Option<Value> {
        self.left_out.push(LeftOut { path, reason });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, data_type: SchemaType) -> SchemaColumn {
        let (aliases, values) = (Vec::new(), Vec::new());
        SchemaColumn { name: name.to_owned(), data_type, nullable: false, may_be_missing: false, aliases, values }
    }

    /// Returns the type that a column of this type is published as.
    fn published(data_type: SchemaType) -> Option<Value> {
        let columns = Columns::new(&[column("a", data_type)], &[]);
        let field = columns.schema["fields"].get(0).cloned();
        assert_eq!(field.is_none(), columns.left_out.iter().any(|left| left.path == "a" || left.path == "a.element"));
        field.map(|field| field["type"].clone())
    }

    fn time(unit: SchemaTimeUnit, utc: bool) -> SchemaType {
        SchemaType::PointInTime { unit, utc }
    }

    #[test]
    fn types_are_those_that_readers_understand() {
        use SchemaTimeUnit::{Microseconds, Milliseconds, Nanoseconds, Seconds};
        for (data_type, expected) in [
            (SchemaType::Int8, Some("byte")),
            (SchemaType::UInt8, Some("short")),
            (SchemaType::UInt16, Some("integer")),
            (SchemaType::UInt32, Some("long")),
            (SchemaType::UInt64, Some("decimal(20,0)")),
            (SchemaType::UuidBinary, Some("binary")),
            (SchemaType::FixedBinary(3), Some("binary")),
            (time(Milliseconds, true), Some("timestamp")),
            (time(Microseconds, false), Some("timestamp_ntz")),
            (time(Nanoseconds, true), None),
            (time(Seconds, true), None),
            (SchemaType::TimeOfDay { unit: Microseconds }, None),
            (SchemaType::Float16, None),
            (SchemaType::Decimal128 { precision: 38, scale: 9 }, Some("decimal(38,9)")),
            (SchemaType::Decimal128 { precision: 39, scale: 9 }, None),
            (SchemaType::Decimal128 { precision: 5, scale: -1 }, None),
            (SchemaType::Decimal128 { precision: 5, scale: 6 }, None),
            (SchemaType::List(Box::new(column("element", SchemaType::Float16))), None),
        ] {
            assert_eq!(published(data_type.clone()), expected.map(Value::from), "{data_type:?}");
        }
    }

    #[test]
    fn nested_fields_are_left_out_alone() {
        let fields = vec![column("x", SchemaType::Float16), column("y", SchemaType::Utf8)];
        let columns = Columns::new(&[column("s", SchemaType::Struct(fields))], &[]);
        let y = json!({"name": "y", "type": "string", "nullable": true, "metadata": {}});
        assert_eq!(columns.schema["fields"][0]["type"], json!({"type": "struct", "fields": [y]}));
        let left: Vec<_> = columns.left_out.iter().map(|left| left.path.as_str()).collect();
        assert_eq!(left, ["s.x"]);
        assert_eq!(published(SchemaType::Struct(vec![column("x", SchemaType::Float16)])), None);
    }

    #[test]
    fn columns_that_would_read_wrong_are_left_out() {
        let mut renamed = column("b", SchemaType::Utf8);
        renamed.aliases.push("old".to_owned());
        let columns = Columns::new(&[column("a", SchemaType::Utf8), column("A", SchemaType::Utf8), renamed], &[]);
        let left: Vec<_> = columns.left_out.iter().map(|left| left.path.as_str()).collect();
        assert_eq!(left, ["A", "b"]);
        assert_eq!(columns.schema["fields"].as_array().unwrap().len(), 1);
    }
}
