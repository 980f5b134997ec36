//! Plans which leaf columns of a file are decoded, and how each is converted to the type that a reader wants.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, FieldRef, Fields};
use parquet::basic::ConvertedType;
use parquet::schema::types::SchemaDescriptor;

use super::adapt::{Conversion, Filler, Member, MemberSource, NodeAdapter, NullHandling};
use super::cast::{Annotation, LeafCast};
use crate::record::{ColumnNode, Role, Shape, TimeUnits, ValueError};

/// Matches the wanted columns to those of a file, and collects the leaf columns to decode.
pub(super) struct Planner<'a> {
    parquet: &'a SchemaDescriptor,
    /// The leaves found so far, in the order of the wanted columns.
    pub(super) leaves: Vec<usize>,
}

/// A field of the file.
struct FileNode<'a> {
    field: &'a Field,
    /// The index of its first leaf column.
    leaf: usize,
    /// The units to read its times in.
    units: TimeUnits,
}

impl<'a> Planner<'a> {
    pub(super) fn new(parquet: &'a SchemaDescriptor) -> Self {
        Self { parquet, leaves: Vec::new() }
    }

    /// Plans the `wanted` columns of a file, or fields of one of its structs. `units` returns the units for the times of
    /// each. `fields` are those of the file, starting at leaf `leaf`.
    pub(super) fn members(
        &mut self,
        wanted: &[ColumnNode],
        units: &dyn Fn(usize) -> TimeUnits,
        fields: &Fields,
        leaf: usize,
    ) -> Result<Vec<Member>, ValueError> {
        let mut indices = Vec::with_capacity(wanted.len());
        let mut used = Vec::new();
        for node in wanted {
            let index = node.names().find_map(|name| fields.iter().position(|field| field.name() == name));
            used.extend(index);
            indices.push(index);
        }
        used.sort_unstable();
        used.dedup();
        let starts: Vec<usize> = fields
            .iter()
            .scan(leaf, |next, field| {
                let start = *next;
                *next += leaf_count(field.data_type());
                Some(start)
            })
            .collect();
        let member = |(position, (node, index)): (usize, (&ColumnNode, Option<usize>))| {
            let source = match index.and_then(|index| Some((index, *starts.get(index)?, fields.get(index)?))) {
                Some((index, leaf, field)) => {
                    let adapter = self.node(node, &FileNode { field, leaf, units: units(position) })?;
                    Ok(MemberSource::Column(used.partition_point(|&other| other < index), adapter))
                }
                None => missing(node, fields).map(MemberSource::Missing),
            };
            Ok(Member {
                name: node.name.clone(),
                source: source.map_err(|error: ValueError| error.in_column(&node.name))?,
            })
        };
        let members = wanted.iter().zip(indices).enumerate().map(member).collect::<Result<Vec<_>, _>>()?;
        if used.is_empty() && !fields.is_empty() && leaf_count(&DataType::Struct(fields.clone())) > 0 {
            // None of the struct's fields is wanted, but decoding its nulls takes one leaf.
            self.leaves.push(leaf);
        }
        Ok(members)
    }

    fn node(&mut self, node: &ColumnNode, found: &FileNode<'_>) -> Result<NodeAdapter, ValueError> {
        let (conversion, data_type) = self.conversion(node, found).map_err(|error| error.in_column(&node.name))?;
        let nulls = match (node.nullable, &node.default) {
            (true, _) => NullHandling::Keep,
            (false, Some(default)) => NullHandling::Replace(fitted(&default.array()?, &data_type)?),
            (false, None) => NullHandling::Refuse,
        };
        Ok(NodeAdapter { conversion, nulls, data_type })
    }

    fn conversion(&mut self, node: &ColumnNode, found: &FileNode<'_>) -> Result<(Conversion, DataType), ValueError> {
        match (&node.shape, found.field.data_type()) {
            (Shape::Leaf(wanted), _) => self.leaf(wanted, found),
            (Shape::Uuid, _) => self.leaf(&node.read_type(), found),
            (Shape::List(element), DataType::List(file)) => {
                let adapter = self.node(element, &FileNode { field: file, ..*found })?;
                let field = field_for(element, &adapter.data_type);
                let data_type = DataType::List(Arc::clone(&field));
                Ok((Conversion::List { field, element: Box::new(adapter) }, data_type))
            }
            (Shape::Map(value), DataType::Map(entries, _)) => self.map(value, &FileNode { field: entries, ..*found }),
            (Shape::Struct(wanted), DataType::Struct(file)) => {
                let members = self.members(wanted, &|_| found.units, file, found.leaf)?;
                let fields: Fields =
                    wanted.iter().zip(&members).map(|(node, member)| field_for(node, member.data_type())).collect();
                Ok((Conversion::Struct { fields: fields.clone(), members }, DataType::Struct(fields)))
            }
            _ => self.leaf(&node.write_type(), found),
        }
    }

    fn leaf(&mut self, wanted: &DataType, found: &FileNode<'_>) -> Result<(Conversion, DataType), ValueError> {
        let (file, leaf) = (found.field.data_type(), found.leaf);
        if file.is_nested() || wanted.is_nested() {
            return Err(mismatch(file, wanted));
        }
        let column = self.parquet.column(leaf);
        let annotation = match column.converted_type() {
            ConvertedType::ENUM => Annotation::Enum,
            ConvertedType::UTF8 | ConvertedType::NONE => Annotation::Plain,
            _ => Annotation::UncheckedText,
        };
        let planned = LeafCast::plan(file, annotation, wanted, found.units);
        let (cast, data_type) = planned.ok_or_else(|| mismatch(file, wanted))?;
        self.leaves.push(leaf);
        Ok((Conversion::Leaf(cast), data_type))
    }

    /// Plans a map. `found` is the field of its entries.
    fn map(&mut self, value: &ColumnNode, found: &FileNode<'_>) -> Result<(Conversion, DataType), ValueError> {
        let file = found.field;
        let DataType::Struct(pair) = file.data_type() else {
            return Err(mismatch(file.data_type(), &DataType::Utf8));
        };
        // By position, because writers disagree on the names.
        let [file_key, file_value] = pair.iter().as_slice() else {
            return Err(mismatch(file.data_type(), &DataType::Utf8));
        };
        let key_node = map_key();
        let key = self.node(&key_node, &FileNode { field: file_key, ..*found })?;
        let leaf = found.leaf + leaf_count(file_key.data_type());
        let adapted = self.node(value, &FileNode { field: file_value, leaf, ..*found })?;
        let fields = Fields::from(vec![field_for(&key_node, &key.data_type), field_for(value, &adapted.data_type)]);
        let entries = Arc::new(Field::new("key_value", DataType::Struct(fields.clone()), false));
        let data_type = DataType::Map(Arc::clone(&entries), false);
        Ok((Conversion::Map { entries, fields, key: Box::new(key), value: Box::new(adapted) }, data_type))
    }
}

fn map_key() -> ColumnNode {
    ColumnNode::plain("key", Shape::Leaf(DataType::Utf8))
}

/// Returns the field of a wanted node with the type that its adapter returns.
pub(super) fn field_for(node: &ColumnNode, data_type: &DataType) -> FieldRef {
    node.field(data_type.clone())
}

/// Returns the number of leaf columns of a type.
pub(super) fn leaf_count(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(field) | DataType::Map(field, _) => leaf_count(field.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| leaf_count(field.data_type())).sum(),
        _ => 1,
    }
}

/// Returns the constant for a column that is missing in the file, whose columns are `fields`.
fn missing(node: &ColumnNode, fields: &Fields) -> Result<Filler, ValueError> {
    let wanted = node.read_type();
    let value = match (&node.default, node.role) {
        (Some(default), _) => fitted(&default.array()?, &wanted)?,
        (None, Role::Value) if node.nullable => new_null_array(&wanted, 1),
        (None, _) => return Err(lacks(node, fields)),
    };
    Ok(Filler::new(value))
}

/// Returns the error for a file that lacks a column for which no value is made up.
fn lacks(node: &ColumnNode, fields: &Fields) -> ValueError {
    let names: Vec<_> = node.names().map(str::to_lowercase).collect();
    let part = node.role.noun().map(|noun| format!("; the column is {noun}")).unwrap_or_default();
    if let Some(field) = fields.iter().find(|field| names.contains(&field.name().to_lowercase())) {
        let name = field.name();
        return ValueError::new(format_args!(
            "missing in the file, which has {name:?}: the names differ in letter case{part}; add `alias = {name:?}` to the \
             field"
        ));
    }
    let option = if node.role == Role::Value { ", or make the field an `Option`" } else { "" };
    ValueError::new(format_args!(
        "missing in the file{part}; no value is made up for it: add `alias = \"…\"` to the field if the file has the column \
         by another name, or `default = …` with the value for files that lack it{option}"
    ))
}

/// Casts a default, which must have one element, to the type of its column.
fn fitted(value: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ValueError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let value = cast_with_options(value, wanted, &options)
        .map_err(|error| ValueError::new(format!("the default does not fit the column: {error}")))?;
    match value.len() {
        1 => Ok(value),
        length => Err(ValueError::new(format!("the default has {length} values instead of one"))),
    }
}

fn mismatch(file: &DataType, wanted: &DataType) -> ValueError {
    ValueError::new(format!("the file has {}, but the record wants {}", plain(file), plain(wanted)))
}

/// Returns the type that a writer would name: text and bytes are views only in our memory.
fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Utf8View => &DataType::Utf8,
        DataType::BinaryView => &DataType::Binary,
        other => other,
    }
}
