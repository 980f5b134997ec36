//! The description of a record from its schema.

use std::borrow::Cow;

use arrow_schema::DataType;

use super::{Schema, SchemaColumn, SchemaForm, SchemaType};
use crate::error::{Error, Result};
use crate::record::{ColumnNode, Description, Key, Names, Rendering, RenderingForm, Role, Shape};

impl Schema {
    /// Returns the description for reading files of this schema. A column that may be missing is null in a file without it.
    ///
    /// # Errors
    /// `InvalidData` if the schema names a column that it lacks, or has a version but no entity or the reverse.
    pub(crate) fn to_description(&self) -> Result<Description> {
        let position = |what: &str, name: &String| {
            let found = self.columns.iter().position(|column| column.name == *name);
            found.ok_or_else(|| {
                Error::invalid_data(format!("the schema of {}: {what} is {name:?}, which is no column", self.record))
            })
        };
        let entity = self.entity.iter().map(|name| position("the entity", name)).collect::<Result<Vec<_>>>()?;
        let version = self.version.as_ref().map(|name| position("the version", name)).transpose()?;
        let key = match (entity.is_empty(), version) {
            (false, Some(version)) => Some(Key { entity, version }),
            (true, None) => None,
            _ => {
                return Err(Error::invalid_data(format!(
                    "the schema of {}: an entity and a version come together",
                    self.record
                )));
            }
        };
        let optional = |what: &str, name: &Option<String>| name.as_ref().map(|name| position(what, name)).transpose();
        let inserted_at = optional("the insertion time", &self.inserted_at)?;
        let deleted = optional("the mark of deleted entities", &self.deleted)?;
        let fits = |what: &str, index: usize, fits: fn(&SchemaType) -> bool| match self.columns.get(index) {
            Some(column) if !fits(&column.data_type) => Err(Error::invalid_data(format!(
                "the schema of {}: {what} is {:?}, whose type {} can't be that",
                self.record, column.name, column.data_type
            ))),
            _ => Ok(()),
        };
        for &index in key.iter().flat_map(|key| &key.entity) {
            fits("the entity", index, SchemaType::has_order)?;
        }
        version.map_or(Ok(()), |index| fits("the version", index, SchemaType::has_order))?;
        deleted.map_or(Ok(()), |index| fits("the mark of deleted entities", index, SchemaType::marks_deletion))?;
        let role = |index: usize| match &key {
            Some(key) if key.entity.contains(&index) => Role::Entity,
            Some(key) if key.version == index => Role::Version,
            _ => Role::Value,
        };
        let columns = self.columns.iter().enumerate().map(|(index, column)| column.to_node().with_role(role(index)));
        let rendering = self.partition.iter().map(|part| Rendering {
            columns: part.columns.iter().cloned().map(Cow::Owned).collect(),
            form: match &part.form {
                SchemaForm::Value => RenderingForm::Value,
                SchemaForm::Format(format) => RenderingForm::Format(Cow::Owned(format.clone())),
                SchemaForm::Pad(width) => RenderingForm::Pad(*width),
                SchemaForm::Function => RenderingForm::Function,
            },
            is_stored: part.stored,
        });
        Ok(Description {
            record: Cow::Owned(self.record.clone()),
            columns: columns.collect(),
            partition: self.partition.iter().map(|part| Cow::Owned(part.name.clone())).collect::<Names>(),
            rendering: rendering.collect(),
            key,
            inserted_at,
            deleted,
        })
    }
}

impl SchemaType {
    /// Returns whether the values have the order by which files are sorted. Floats and nested values have none.
    fn has_order(&self) -> bool {
        !matches!(self, Self::Float16 | Self::Float32 | Self::Float64 | Self::List(_) | Self::Map(_) | Self::Struct(_))
    }

    /// Returns whether a value can say that an entity is deleted: by being true, or by being a time.
    fn marks_deletion(&self) -> bool {
        matches!(self, Self::Boolean | Self::Date | Self::PointInTime { .. })
    }
}

impl SchemaColumn {
    fn to_node(&self) -> ColumnNode {
        let nested = |column: &Self| Box::new(column.to_node());
        let shape = match &self.data_type {
            SchemaType::UuidBinary => Shape::Uuid,
            SchemaType::List(element) => Shape::List(nested(element)),
            SchemaType::Map(value) => Shape::Map(nested(value)),
            SchemaType::Struct(fields) => Shape::Struct(fields.iter().map(Self::to_node).collect()),
            SchemaType::Utf8 => Shape::Leaf(DataType::Utf8),
            SchemaType::Binary => Shape::Leaf(DataType::Binary),
            // The other types are not nested.
            leaf => Shape::Leaf(leaf.to_arrow().unwrap_or(DataType::Null)),
        };
        ColumnNode {
            aliases: self.aliases.iter().cloned().map(Cow::Owned).collect(),
            nullable: self.nullable || self.may_be_missing,
            values: self.values.clone(),
            ..ColumnNode::plain(self.name.clone(), shape)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A schema with every kind of partition column, an alias, and nested columns.
    const STORED: &str = r#"{
        "format": 1,
        "record": "Cost",
        "columns": [
            {"name": "day", "type": "text"},
            {"name": "net", "type": "float64", "nullable": true, "aliases": ["price"]},
            {"name": "id", "type": "uuid", "may_be_missing": true},
            {"name": "tags", "type": {"list": {"name": "element", "type": "text"}}},
            {"name": "gone", "type": "bool"},
            {"name": "at", "type": {"timestamp": {"unit": "ms", "utc": true}}}
        ],
        "partition": [
            {"name": "d", "columns": ["day"], "form": "value", "stored": true},
            {"name": "month", "columns": ["at"], "form": {"format": "%Y-%m"}},
            {"name": "no", "columns": ["day"], "form": {"pad": 3}},
            {"name": "region", "columns": [], "form": "function"}
        ],
        "entity": ["day", "id"],
        "version": "at",
        "deleted": "gone"
    }"#;

    fn changed(change: impl FnOnce(&mut Schema)) -> Result<Description> {
        let mut schema = Schema::from_json(STORED.as_bytes()).unwrap().unwrap();
        change(&mut schema);
        schema.to_description()
    }

    #[test]
    fn a_description_has_what_its_schema_says() {
        let schema = Schema::from_json(STORED.as_bytes()).unwrap().unwrap();
        let description = schema.to_description().unwrap();
        let again = Schema::described(&description, &description, Vec::new());
        // A description has no word for a column that may be missing: it is null then.
        let mut expected = schema.clone();
        for column in &mut expected.columns {
            column.nullable |= std::mem::take(&mut column.may_be_missing);
        }
        assert_eq!(again, expected);
        let roles: Vec<_> = description.columns.iter().map(|column| column.role).collect();
        assert_eq!(roles, [Role::Entity, Role::Value, Role::Entity, Role::Value, Role::Value, Role::Version]);
        let stored: Vec<_> = description.rendering.iter().map(|rendering| rendering.is_stored).collect();
        assert_eq!(stored, [true, false, false, false]);
    }

    #[test]
    fn a_schema_that_contradicts_itself_is_refused() {
        let refused = |change: fn(&mut Schema)| changed(change).unwrap_err().to_string();
        let no_column = refused(|schema| schema.version = Some("nope".to_owned()));
        assert!(no_column.contains("the version is \"nope\", which is no column"), "{no_column}");
        let no_version = refused(|schema| schema.version = None);
        assert!(no_version.contains("an entity and a version come together"), "{no_version}");
        let float = refused(|schema| schema.version = Some("net".to_owned()));
        assert!(float.contains("the version is \"net\", whose type float64 can't be that"), "{float}");
        let list = refused(|schema| schema.entity = vec!["tags".to_owned()]);
        assert!(list.contains("the entity is \"tags\""), "{list}");
        let number = refused(|schema| schema.deleted = Some("id".to_owned()));
        assert!(number.contains("the mark of deleted entities is \"id\", whose type uuid can't be that"), "{number}");
        let no_mark = refused(|schema| schema.deleted = Some("none".to_owned()));
        assert!(no_mark.contains("the mark of deleted entities is \"none\""), "{no_mark}");
    }
}
