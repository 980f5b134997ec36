//! The schema of a table that has grown.

use serde_json::{Value, json};

use crate::delta::MetaData;
use crate::error::{Error, Result};
use crate::schema::{SchemaColumn, SchemaType};

/// Returns the schema of the table with the columns of a record: those that the table has, and then the new ones.
///
/// A program with an older record does not take columns away.
///
/// # Errors
/// `InvalidInput` if a column has another type, or a name that differs from another one's only in case.
pub(super) fn schema(table: Option<&MetaData>, columns: &Value) -> Result<Value> {
    table.map_or_else(|| Ok(columns.clone()), |table| merged(&parsed(table)?, columns, ""))
}

/// Parses the schema of a table.
fn parsed(table: &MetaData) -> Result<Value> {
    serde_json::from_str(&table.schema_string)
        .map_err(|error| Error::invalid_data("the schema in the delta log is not readable").with_source(error))
}

fn merged(known: &Value, wanted: &Value, path: &str) -> Result<Value> {
    if known == wanted {
        return Ok(known.clone());
    }
    match (kind(known), kind(wanted)) {
        (Some("struct"), Some("struct")) => {
            let mut fields: Vec<Value> = fields(known).cloned().collect();
            for field in self::fields(wanted) {
                let name = field["name"].as_str().unwrap_or_default();
                let lower = |field: &Value| field["name"].as_str().unwrap_or_default().to_lowercase();
                match fields.iter_mut().find(|known| lower(known) == lower(field)) {
                    Some(known) if known["name"] == field["name"] => {
                        known["type"] = merged(&known["type"], &field["type"], &format!("{path}{name}."))?;
                    }
                    Some(known) => {
                        return Err(Error::invalid_input(format!(
                            "publish: readers do not tell the column {path}{name} from {} in the delta table; leave it out",
                            known["name"]
                        )));
                    }
                    None => fields.push(field.clone()),
                }
            }
            Ok(json!({"type": "struct", "fields": fields}))
        }
        (Some("array"), Some("array")) => {
            let element = merged(&known["elementType"], &wanted["elementType"], &format!("{path}element."))?;
            Ok(json!({"type": "array", "elementType": element, "containsNull": true}))
        }
        (Some("map"), Some("map")) => {
            let value = merged(&known["valueType"], &wanted["valueType"], &format!("{path}value."))?;
            Ok(json!({"type": "map", "keyType": "string", "valueType": value, "valueContainsNull": true}))
        }
        _ => Err(Error::invalid_input(format!(
            "publish: the column {} is {known} in the delta table and {wanted} in the record; a delta table can't change a type, so \
             remove the log to publish anew",
            path.trim_end_matches('.')
        ))),
    }
}

/// Checks that no column of the table is one that the record has under another name: new files would have nulls there.
///
/// # Errors
/// `InvalidInput` with both names.
pub(super) fn check_names(table: Option<&MetaData>, record: &[SchemaColumn]) -> Result<()> {
    table.map_or(Ok(()), |table| renamed(&parsed(table)?, record, ""))
}

fn renamed(known: &Value, record: &[SchemaColumn], path: &str) -> Result<()> {
    for column in record {
        let is_old = |field: &&Value| column.aliases.iter().any(|alias| field["name"] == *alias);
        if let Some(old) = fields(known).find(is_old) {
            return Err(Error::invalid_input(format!(
                "publish: the column {path}{} is {} in the delta table, where new files would have nulls; remove the log to publish \
                 anew",
                column.name, old["name"]
            )));
        }
        let same = fields(known).find(|field| field["name"] == column.name);
        if let (Some(same), SchemaType::Struct(members)) = (same, &column.data_type) {
            renamed(&same["type"], members, &format!("{path}{}.", column.name))?;
        }
    }
    Ok(())
}

/// Returns the kind of a nested type.
pub(super) fn kind(data_type: &Value) -> Option<&str> {
    data_type.get("type")?.as_str()
}

pub(super) fn fields(data_type: &Value) -> impl Iterator<Item = &Value> {
    data_type.get("fields").and_then(Value::as_array).into_iter().flatten()
}

/// Returns whether a type has times without a zone, which need a reader feature.
pub(super) fn has_local_times(data_type: &Value) -> bool {
    match data_type {
        Value::String(name) => name == "timestamp_ntz",
        Value::Object(members) => members.iter().any(|(name, member)| name != "name" && has_local_times(member)),
        Value::Array(members) => members.iter().any(has_local_times),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::delta::Format;

    fn table(fields: &[(&str, Value)]) -> Value {
        let field = |(name, data_type): &(&str, Value)| json!({"name": name, "type": data_type, "nullable": true, "metadata": {}});
        json!({"type": "struct", "fields": fields.iter().map(field).collect::<Vec<_>>()})
    }

    fn metadata(schema: &Value) -> MetaData {
        MetaData {
            id: "id".to_owned(),
            format: Format { provider: "parquet".to_owned(), options: BTreeMap::new() },
            schema_string: schema.to_string(),
            partition_columns: Vec::new(),
            configuration: BTreeMap::new(),
            created_time: None,
        }
    }

    #[test]
    fn columns_are_added_and_never_taken_away() {
        let small = table(&[("a", json!("long")), ("s", table(&[("x", json!("long"))]))]);
        let large = table(&[("s", table(&[("y", json!("string")), ("x", json!("long"))])), ("b", json!("date"))]);
        let both = schema(Some(&metadata(&small)), &large).unwrap();
        let nested = table(&[("x", json!("long")), ("y", json!("string"))]);
        assert_eq!(both, table(&[("a", json!("long")), ("s", nested), ("b", json!("date"))]));
        assert_eq!(schema(Some(&metadata(&both)), &small).unwrap(), both);
        assert_eq!(schema(None, &small).unwrap(), small);
    }

    #[test]
    fn other_names_of_a_column_are_refused() {
        let known = metadata(&table(&[("old", json!("long")), ("s", table(&[("x", json!("long"))]))]));
        let column = |name: &str, data_type, aliases: &[&str]| SchemaColumn {
            name: name.to_owned(),
            data_type,
            nullable: false,
            may_be_missing: false,
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            values: Vec::new(),
        };
        let new = column("new", SchemaType::Int64, &["old"]);
        assert!(check_names(Some(&known), std::slice::from_ref(&new)).is_err());
        assert!(check_names(None, &[new]).is_ok());
        let nested = SchemaType::Struct(vec![column("y", SchemaType::Int64, &["x"])]);
        let error = check_names(Some(&known), &[column("s", nested, &[])]).unwrap_err().to_string();
        assert!(error.contains("the column s.y is \"x\""), "{error}");
        assert!(check_names(Some(&known), &[column("old", SchemaType::Int64, &["older"])]).is_ok());
        let other_case = table(&[("OLD", json!("long"))]);
        assert!(schema(Some(&known), &other_case).unwrap_err().to_string().contains("the column OLD from \"old\""));
    }

    #[test]
    fn another_type_is_refused() {
        let list = |element: &str| json!({"type": "array", "elementType": element, "containsNull": true});
        for (known, wanted) in
            [(json!("long"), json!("string")), (list("long"), list("string")), (json!("long"), list("long"))]
        {
            let error = schema(Some(&metadata(&table(&[("a", known)]))), &table(&[("a", wanted)])).unwrap_err();
            assert!(error.to_string().contains("the column a"), "{error}");
        }
    }

    #[test]
    fn local_times_are_found_at_any_depth() {
        assert!(has_local_times(&table(&[("s", table(&[("t", json!("timestamp_ntz"))]))])));
        assert!(!has_local_times(&table(&[("timestamp_ntz", json!("timestamp"))])));
    }
}
