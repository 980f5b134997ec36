//! The comparison of a file's columns with those of the table.

use serde_json::Value;

use super::columns::Columns;
use super::merged::{fields, kind};
use crate::codec::Footer;
use crate::error::{Error, Result};
use crate::schema::SchemaColumn;

/// The integers, the narrowest first.
const INTEGERS: [&str; 4] = ["byte", "short", "integer", "long"];

/// Checks that engines read the columns of a file as those of the table with this schema. `record` are the columns of the
/// publisher's record.
///
/// Engines read a narrower type of a file, and return nulls for a column that a file lacks. They fail on a wider type, cut its
/// values, or return others.
///
/// # Errors
/// `InvalidInput` if a type of the file is not within that of the table, or if the file lacks a column that the record requires.
/// `InvalidData` if the footer is not readable.
pub(super) fn check(footer: &Footer, table: &Value, record: &[SchemaColumn]) -> Result<()> {
    let arrow = footer.columns()?;
    let columns = SchemaColumn::of_arrow(&arrow);
    let file = Columns::new(&columns, &[]).schema;
    for field in fields(table) {
        let name = field["name"].as_str().unwrap_or_default();
        let found = fields(&file).find(|found| found["name"] == field["name"]);
        match found {
            Some(found) => within(&found["type"], &field["type"], name)?,
            None if arrow.column_with_name(name).is_some() => {
                return Err(other_type(name, "a type that delta tables lack", &field["type"]));
            }
            None => {
                let is_required = |column: &SchemaColumn| column.name == name && !column.may_be_missing;
                if record.iter().any(is_required) {
                    return Err(Error::invalid_input(format!(
                        "publish: the file has no column {name}, and engines would return nulls; a later record may have renamed it"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Checks that a type of a file is one that engines read as the type of the table.
fn within(file: &Value, table: &Value, path: &str) -> Result<()> {
    if file == table {
        return Ok(());
    }
    let is_within = match (kind(file), kind(table)) {
        (Some("struct"), Some("struct")) => {
            for field in fields(table) {
                if let Some(found) = fields(file).find(|found| found["name"] == field["name"]) {
                    let name = field["name"].as_str().unwrap_or_default();
                    within(&found["type"], &field["type"], &format!("{path}.{name}"))?;
                }
            }
            true
        }
        (Some("array"), Some("array")) => {
            within(&file["elementType"], &table["elementType"], &format!("{path}.element"))?;
            true
        }
        (Some("map"), Some("map")) => {
            within(&file["valueType"], &table["valueType"], &format!("{path}.value"))?;
            true
        }
        _ => file.as_str().zip(table.as_str()).is_some_and(|(file, table)| is_narrower(file, table)),
    };
    if is_within { Ok(()) } else { Err(other_type(path, &file.to_string(), table)) }
}

fn is_narrower(file: &str, table: &str) -> bool {
    let rank = |name: &str| INTEGERS.iter().position(|integer| *integer == name);
    if let (Some(file), Some(table)) = (rank(file), rank(table)) {
        return file <= table;
    }
    match (decimal(file), decimal(table)) {
        (Some((file, scale)), Some((table, other))) => file <= table && scale == other,
        _ => false,
    }
}

/// Returns the precision and scale of a decimal.
fn decimal(name: &str) -> Option<(u8, u8)> {
    let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    Some((precision.parse().ok()?, scale.parse().ok()?))
}

fn other_type(path: &str, file: &str, table: &Value) -> Error {
    Error::invalid_input(format!(
        "publish: the column {path} is {file} in the file and {table} in the delta table, which can't change a type; remove the \
         log to publish anew"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_within(file: &Value, table: &Value) -> bool {
        within(file, table, "a").is_ok()
    }

    #[test]
    fn narrower_types_are_within() {
        for (file, table) in
            [("byte", "long"), ("integer", "long"), ("decimal(9,2)", "decimal(11,2)"), ("date", "date")]
        {
            assert!(is_within(&json!(file), &json!(table)), "{file} {table}");
            assert_eq!(is_within(&json!(table), &json!(file)), file == table, "{table} {file}");
        }
        for (file, table) in [
            ("timestamp", "timestamp_ntz"),
            ("timestamp_ntz", "timestamp"),
            ("decimal(9,2)", "decimal(11,4)"),
            ("long", "decimal(20,0)"),
            ("string", "binary"),
            ("float", "double"),
            ("long", "string"),
        ] {
            assert!(!is_within(&json!(file), &json!(table)), "{file} {table}");
        }
    }

    #[test]
    fn nested_types_are_compared() {
        let list = |element: &str| json!({"type": "array", "elementType": element, "containsNull": true});
        let row = |name: &str, data_type: Value| json!({"type": "struct", "fields": [{"name": name, "type": data_type, "nullable": true, "metadata": {}}]});
        assert!(is_within(&list("integer"), &list("long")) && !is_within(&list("long"), &list("integer")));
        assert!(!is_within(&list("long"), &json!("long")));
        assert!(is_within(&row("x", json!("long")), &row("y", json!("long"))), "a field may be missing");
        let error = within(&row("x", list("long")), &row("x", list("integer")), "a").unwrap_err().to_string();
        assert!(error.contains("the column a.x.element is \"long\""), "{error}");
    }
}
