//! The Parquet schema of lists without a group of their own.
//!
//! Parquet has two forms of lists. The usual one is a group with the logical type LIST. The older one is a repeated column:
//! parquet-go writes and reads it for slices without the tag `list`. If neither list nor elements can be null, both have the
//! same definition and repetition levels, so only the schema differs.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition};
use parquet::errors::ParquetError;
use parquet::schema::types::{BasicTypeInfo, SchemaDescriptor, Type, TypePtr};

use crate::record::{ColumnNode, Shape, ValueError};

/// Checks that repeated columns can hold the lists that are marked as bare.
///
/// # Errors
/// Such a list or its elements can be null, or its elements are lists or maps. Or the column is not a list.
pub(super) fn check_bare_lists(columns: &[ColumnNode]) -> Result<(), ValueError> {
    columns.iter().try_for_each(check)
}

fn check(node: &ColumnNode) -> Result<(), ValueError> {
    let unfit = match &node.shape {
        _ if !node.bare_list => None,
        Shape::List(_) if node.nullable => Some("the list can be null: use a plain `Vec`"),
        Shape::List(element) if element.nullable => Some("its elements can be null: use elements without `Option`"),
        Shape::List(element) => matches!(element.shape, Shape::List(_) | Shape::Map(_))
            .then_some("its elements are lists or maps: remove `bare_list`"),
        _ => Some("the column is not a list: remove `bare_list`"),
    };
    let inner = match (unfit, &node.shape) {
        (Some(reason), _) => Err(ValueError::new(format_args!("`bare_list` does not fit, because {reason}"))),
        (None, Shape::List(inner) | Shape::Map(inner)) => check(inner),
        (None, Shape::Struct(fields)) => check_bare_lists(fields),
        (None, Shape::Leaf(_) | Shape::Uuid) => Ok(()),
    };
    inner.map_err(|error| error.in_column(&node.name))
}

/// Returns the schema with repeated columns for those of `columns` that are bare lists.
pub(super) fn with_bare_lists(
    schema: SchemaDescriptor,
    columns: &[ColumnNode],
) -> Result<SchemaDescriptor, ParquetError> {
    if !columns.iter().any(contains_bare_list) {
        return Ok(schema);
    }
    Ok(SchemaDescriptor::new(members(schema.root_schema(), columns)?))
}

fn contains_bare_list(node: &ColumnNode) -> bool {
    node.bare_list
        || match &node.shape {
            Shape::Leaf(_) | Shape::Uuid => false,
            Shape::List(inner) | Shape::Map(inner) => contains_bare_list(inner),
            Shape::Struct(fields) => fields.iter().any(contains_bare_list),
        }
}

/// Converts the members of a group.
fn members(group: &Type, nodes: &[ColumnNode]) -> Result<TypePtr, ParquetError> {
    let fields = fields(group)?.iter().zip(nodes).map(|(field, node)| column(field, node)).collect::<Result<_, _>>()?;
    with_fields(group, fields)
}

fn column(column: &TypePtr, node: &ColumnNode) -> Result<TypePtr, ParquetError> {
    match &node.shape {
        _ if !contains_bare_list(node) => Ok(Arc::clone(column)),
        Shape::List(element) if node.bare_list => bare(column, node, element),
        Shape::Struct(nodes) => members(column, nodes),
        Shape::List(inner) | Shape::Map(inner) => {
            // The last member of the repeated group is the element or the value.
            let [repeated] = fields(column)? else { return Err(malformed(node)) };
            let [before @ .., last] = fields(repeated)? else { return Err(malformed(node)) };
            let inner = [self::column(last, inner)?];
            let repeated = with_fields(repeated, before.iter().cloned().chain(inner).collect())?;
            with_fields(column, vec![repeated])
        }
        Shape::Leaf(_) | Shape::Uuid => Ok(Arc::clone(column)),
    }
}

/// Returns the repeated column for a list.
fn bare(list: &TypePtr, node: &ColumnNode, element_node: &ColumnNode) -> Result<TypePtr, ParquetError> {
    let [repeated] = fields(list)? else { return Err(malformed(node)) };
    let [element] = fields(repeated)? else { return Err(malformed(node)) };
    let element = column(element, element_node)?;
    let info = element.get_basic_info();
    match &*element {
        Type::PrimitiveType { .. } => repeated_column(&node.name, &element, info.logical_type_ref().cloned()),
        Type::GroupType { fields, .. } => group(&node.name, Repetition::REPEATED, info, fields.clone()).map(Arc::new),
    }
}

/// Returns a file's schema as arrow-rs can convert it to an Arrow schema, if it can't convert the schema itself.
///
/// The elements of a bare list can be UUIDs or JSON. arrow-rs then expects that the list is a UUID or a text, and fails.
/// Without these annotations it converts the column, to the same Arrow type.
pub(super) fn without_refused_annotations(schema: &SchemaDescriptor) -> Result<Option<SchemaDescriptor>, ParquetError> {
    let root = schema.root_schema_ptr();
    let accepted = without_annotations(&root)?;
    Ok((!Arc::ptr_eq(&root, &accepted)).then(|| SchemaDescriptor::new(accepted)))
}

fn without_annotations(column: &TypePtr) -> Result<TypePtr, ParquetError> {
    let info = column.get_basic_info();
    match &**column {
        Type::GroupType { fields, .. } => {
            let accepted = fields.iter().map(without_annotations).collect::<Result<Vec<_>, _>>()?;
            let unchanged = fields.iter().zip(&accepted).all(|(field, accepted)| Arc::ptr_eq(field, accepted));
            if unchanged { Ok(Arc::clone(column)) } else { with_fields(column, accepted) }
        }
        Type::PrimitiveType { .. } => {
            let is_repeated = info.has_repetition() && info.repetition() == Repetition::REPEATED;
            match info.logical_type_ref() {
                Some(LogicalType::Uuid | LogicalType::Json) if is_repeated => {
                    repeated_column(info.name(), column, None)
                }
                _ => Ok(Arc::clone(column)),
            }
        }
    }
}

/// Returns a repeated column with the values of `column`.
fn repeated_column(name: &str, column: &Type, logical: Option<LogicalType>) -> Result<TypePtr, ParquetError> {
    let info = column.get_basic_info();
    let Type::PrimitiveType { physical_type, type_length, scale, precision, .. } = column else {
        return Err(ParquetError::General(format!("column {} is a group", info.name())));
    };
    Type::primitive_type_builder(name, *physical_type)
        .with_repetition(Repetition::REPEATED)
        .with_converted_type(info.converted_type())
        .with_logical_type(logical)
        .with_length(*type_length)
        .with_precision(*precision)
        .with_scale(*scale)
        .with_id(info.has_id().then(|| info.id()))
        .build()
        .map(Arc::new)
}

fn fields(group: &Type) -> Result<&[TypePtr], ParquetError> {
    match group {
        Type::GroupType { fields, .. } => Ok(fields),
        Type::PrimitiveType { .. } => Err(ParquetError::General(format!("column {} is not a group", group.name()))),
    }
}

/// Returns a group with other fields.
fn with_fields(old: &Type, fields: Vec<TypePtr>) -> Result<TypePtr, ParquetError> {
    let info = old.get_basic_info();
    if !info.has_repetition() {
        // The root of a schema.
        return Type::group_type_builder(old.name()).with_fields(fields).build().map(Arc::new);
    }
    group(old.name(), info.repetition(), info, fields).map(Arc::new)
}

fn group(name: &str, repetition: Repetition, info: &BasicTypeInfo, fields: Vec<TypePtr>) -> Result<Type, ParquetError> {
    Type::group_type_builder(name)
        .with_repetition(repetition)
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_fields(fields)
        .with_id(info.has_id().then(|| info.id()))
        .build()
}

fn malformed(node: &ColumnNode) -> ParquetError {
    ParquetError::General(format!("column {}: the list has an unexpected schema", node.name))
}

#[cfg(test)]
mod tests {
    use arrow_schema::DataType;
    use parquet::arrow::parquet_to_arrow_schema;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    fn schema(message: &str) -> SchemaDescriptor {
        SchemaDescriptor::new(Arc::new(parse_message_type(message).unwrap()))
    }

    #[test]
    fn annotated_elements_of_bare_lists_have_an_arrow_type() {
        let schema = schema(
            "message m {
                required fixed_len_byte_array(16) id (UUID);
                repeated fixed_len_byte_array(16) ids (UUID);
                repeated binary texts (JSON);
                repeated binary names (STRING);
                optional group inner { repeated group items { repeated fixed_len_byte_array(16) ids (UUID) = 7; } }
            }",
        );
        assert!(parquet_to_arrow_schema(&schema, None).is_err());
        let accepted = without_refused_annotations(&schema).unwrap().unwrap();
        let arrow = parquet_to_arrow_schema(&accepted, None).unwrap();
        let element = |column: &str| match arrow.field_with_name(column).unwrap().data_type() {
            DataType::List(element) => element.data_type().clone(),
            other => other.clone(),
        };
        assert_eq!(["id", "ids"].map(element), [DataType::FixedSizeBinary(16), DataType::FixedSizeBinary(16)]);
        assert_eq!(["texts", "names"].map(element), [DataType::Utf8, DataType::Utf8]);
        // All else is as before.
        assert_eq!(accepted.column(0), schema.column(0));
        assert_eq!(accepted.column(3), schema.column(3));
        let levels = |schema: &SchemaDescriptor| {
            let columns = schema.columns().iter();
            columns
                .map(|column| (column.path().string(), column.max_def_level(), column.max_rep_level()))
                .collect::<Vec<_>>()
        };
        assert_eq!(levels(&accepted), levels(&schema));
        assert!(without_refused_annotations(&accepted).unwrap().is_none());
    }
}
